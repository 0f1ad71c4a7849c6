"""fsck: each thing that is stored of anchors, changed by a row or a bit, is found and named."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.simulators.anchoring import at_work, world
from translog.errors import VerificationError
from translog.log.fsck import fsck

Change = Callable[[Path], None]


def ignore(done: int, total: int) -> None:
    """Want no progress."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a final anchor, a pending one, beacons and announcements."""
    path = tmp_path_factory.mktemp("anchored") / "log"
    with world(path) as at, at_work(at) as desk:
        desk.add(3)
        desk.turn()
        desk.finish()
        at.pass_time(3_600)
        desk.add(2)
        desk.turn()
        assert desk.states == ["final", "pending"]
    return path


@pytest.fixture
def log(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "log"))


def sql(statement: str) -> Change:
    def change(log: Path) -> None:
        with closing(sqlite3.connect(log / "log.db")) as db, db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            assert db.execute(statement).rowcount == 1, "the test changes one row"

    return change


CHANGES: list[tuple[str, Change]] = [
    ("anchor 1: network", sql("UPDATE anchor SET network = 'x' WHERE anchor_id = 1")),
    ("anchor 1: time is -1", sql("UPDATE anchor SET made_at = -1 WHERE anchor_id = 1")),
    ("anchor 1: time is -1", sql("UPDATE anchor SET changed_at = -1 WHERE anchor_id = 1")),
    ("anchor 1: its note is about size 3", sql("UPDATE anchor SET size = 4 WHERE anchor_id = 1")),
    (
        "anchor 1: note",
        sql("UPDATE anchor SET note = CAST(note || 'x' AS BLOB) WHERE anchor_id = 1"),
    ),
    (
        "anchor 1: ",
        sql(
            "UPDATE anchor SET note = (SELECT note FROM anchor WHERE anchor_id = 2),"
            " size = (SELECT size FROM anchor WHERE anchor_id = 2) WHERE anchor_id = 1"
        ),
    ),
    ("anchor 1: its path does not", sql("UPDATE anchor SET height = 102 WHERE anchor_id = 1")),
    (
        "anchor 1: its path does not",
        sql("UPDATE anchor SET header = zeroblob(80) WHERE anchor_id = 1"),
    ),
    ("anchor 1: timestamp", sql("UPDATE anchor SET path = x'00' WHERE anchor_id = 1")),
    ("anchor 1: grade is", sql("UPDATE anchor SET grade = 'sure' WHERE anchor_id = 1")),
    (
        "stamp of anchor 7: there is no such anchor",
        sql("INSERT INTO stamp SELECT 7, calendar, 1, 1, pending, NULL FROM stamp LIMIT 1"),
    ),
    (
        "stamp of anchor 2: timestamp",
        sql("INSERT INTO stamp VALUES (2, 'x', 1, 1, x'01', NULL)"),
    ),
    (
        "stamp of anchor 2: x has promised nothing",
        sql("INSERT INTO stamp VALUES (2, 'x', 1, 1, x'00000102030405060700', NULL)"),
    ),
    (
        "stamp of anchor 2: x names no block",
        sql("INSERT INTO stamp SELECT 2, 'x', 1, 1, pending, pending FROM stamp LIMIT 1"),
    ),
    (
        "stamp of anchor 2: time is -1",
        sql("INSERT INTO stamp SELECT 2, 'x', 1, -1, pending, NULL FROM stamp LIMIT 1"),
    ),
    (
        "anchor 3: no calendar has",
        sql(
            "INSERT INTO anchor (network, size, note, made_at, state, changed_at)"
            " SELECT network, size, note, made_at, state, changed_at FROM anchor"
            " WHERE anchor_id = 2"
        ),
    ),
    ("beacon 95: network", sql("UPDATE beacon SET network = 'x' WHERE height = 95")),
    ("beacon 95: time", sql("UPDATE beacon SET made_at = -1 WHERE height = 95")),
    (
        "beacon 95: leaf 3 does not state this block",
        sql("UPDATE beacon SET header = zeroblob(80) WHERE height = 95"),
    ),
    (
        "beacon 95: leaf 0 is not an event of the log's own",
        sql("UPDATE beacon SET leaf_index = 0 WHERE height = 95"),
    ),
    (
        "beacon 95: leaf 99 is not an event of the log's own",
        sql("UPDATE beacon SET leaf_index = 99 WHERE height = 95"),
    ),
    ("beacon 96: leaf 3 does not", sql("UPDATE beacon SET height = 96 WHERE height = 95")),
    ("announcement 1: there is no such", sql("UPDATE announcement SET anchor_id = 9")),
    ("announcement 1: leaves 0 to 4 are not", sql("UPDATE announcement SET stop = 4")),
    ("announcement 1: leaves 0 to 3 are not", sql("UPDATE announcement SET log_size = 99")),
    ("announcement 1: it is done, and has", sql("UPDATE announcement SET position = 2")),
    ("announcement 1: time is -1", sql("UPDATE announcement SET made_at = -1")),
    ("anchoring: quiet_to", sql("UPDATE anchoring SET quiet_to = 99")),
]


def test_a_log_that_was_anchored_properly_is_right(log: Path) -> None:
    assert fsck(log, ignore).anchors == 2


@pytest.mark.parametrize(("says", "change"), CHANGES, ids=[says for says, _ in CHANGES])
def test_what_was_changed_is_found_and_named(log: Path, says: str, change: Change) -> None:
    change(log)
    with pytest.raises(VerificationError, match=says):
        fsck(log, ignore)


def test_whether_a_block_is_still_in_the_chain_is_not_asked(log: Path) -> None:
    sql("UPDATE beacon SET is_lost = 1 WHERE height = 95")(log)
    sql("UPDATE anchor SET state = 'confirmed' WHERE anchor_id = 1")(log)
    fsck(log, ignore)
