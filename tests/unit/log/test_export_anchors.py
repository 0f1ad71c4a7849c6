"""Exports of what is anchored: the files a server answers with, written once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.anchoring import Desk, World, at_work, world
from translog.bitcoin.ots import TimestampFile
from translog.formats.entry import Entry
from translog.log import anchored
from translog.log.export import export
from translog.store import log

URL = "https://example.com/log"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "log") as made:
        yield made


@pytest.fixture
def desk(at: World) -> Iterator[Desk]:
    with at_work(at) as opened:
        yield opened


def ship(at: World, out: Path) -> int:
    return export(at.log, out, URL, lambda done, total: None).files


def stamps(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.ots")}


def blocks(raw: bytes) -> list[int]:
    return [block.height for block in TimestampFile.parse(raw).timestamp.in_blocks()]


def test_what_is_not_anchored_for_good_has_no_file(at: World, desk: Desk, tmp_path: Path) -> None:
    desk.add(2)
    ship(at, tmp_path / "out")
    assert not (tmp_path / "out" / "anchors.json").exists()
    desk.turn()
    at.mine(2)
    desk.settle()
    ship(at, tmp_path / "out")
    assert stamps(tmp_path / "out") == {}
    (row,) = json.loads((tmp_path / "out" / "anchors.json").read_bytes())["anchors"]
    assert row["state"] == "confirmed"


def test_every_event_of_a_final_anchor_has_the_server_s_file(
    at: World, desk: Desk, tmp_path: Path
) -> None:
    desk.add(3)
    desk.turn()
    desk.finish()
    out = tmp_path / "out"
    ship(at, out)
    found = stamps(out)
    for leaf in log.read_leaves(desk.db, 0, 3):
        entry = Entry.parse(leaf.entry)
        best = anchored.best(desk.db, leaf.leaf_index, at.log.verifier)
        path = f"event/{entry.content_sha256.hex()}.ots"
        assert found.pop(path) == best.event_file(entry, leaf.leaf_index)
        assert TimestampFile.parse(best.event_file(entry, leaf.leaf_index)).digest
    assert found == {"anchors/3.ots": best.checkpoint_file()}
    assert (out / "anchors" / "3").read_bytes() == desk.rows[0].note


def test_only_what_is_new_is_written(at: World, desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    desk.add(3)
    desk.turn()
    desk.finish()
    ship(at, out)
    before = {path: path.stat().st_ino for path in out.rglob("*.ots")}
    assert ship(at, out) == 0
    at.pass_time(3_600)
    desk.add(2)
    desk.turn()
    desk.finish()
    ship(at, out)
    after = {path: path.stat().st_ino for path in out.rglob("*.ots")}
    assert {path: after[path] for path in before} == before
    # Of the second anchor: its own, the two events, and what the log stated in between.
    assert len(after) - len(before) == 1 + desk.rows[1].size - desk.rows[0].size
    assert blocks((out / "anchors" / f"{desk.rows[1].size}.ots").read_bytes()) > [101]


def test_files_of_a_block_that_left_the_chain_are_written_again(
    at: World, desk: Desk, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    desk.add(2)
    desk.turn()
    at.mine(6)
    desk.settle()
    ship(at, out)
    assert {tuple(blocks(raw)) for raw in stamps(out).values()} == {(101,)}
    at.chain.reorganise(6)
    desk.turn(at_once=True)
    ship(at, out)
    assert {tuple(blocks(raw)) for raw in stamps(out).values()} == {(101,)}  # none is better yet
    desk.finish()
    ship(at, out)
    heights = {tuple(blocks(raw)) for raw in stamps(out).values()}
    assert (101,) not in heights


def test_an_older_block_of_a_larger_tree_keeps_its_files(
    at: World, desk: Desk, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    desk.add(3)
    desk.turn()
    slow = [calendar.commitments.pop() for calendar in at.calendars]
    at.pass_time(3_600)
    desk.add(2)
    desk.turn()
    desk.finish()
    assert desk.states == ["pending", "final"]
    ship(at, out)
    for calendar, commitment in zip(at.calendars, slow, strict=True):
        calendar.commitments.append(commitment)
    at.pass_time(86_400)
    desk.finish()
    assert desk.states == ["final", "final"]
    late, early = (row.height for row in desk.rows)
    ship(at, out)
    found = stamps(out)
    assert blocks(found.pop("anchors/3.ots")) == [late]
    assert {tuple(blocks(raw)) for raw in found.values()} == {(early,)}
    assert ship(at, out) == 0
    # As if its block had left the chain and another had taken its place.
    desk.db.execute("UPDATE anchor SET state = 'confirmed' WHERE anchor_id = 2")
    ship(at, out)
    (leaf,) = log.read_leaves(desk.db, 0, 1)
    path = f"event/{Entry.parse(leaf.entry).content_sha256.hex()}.ots"
    assert blocks(stamps(out)[path]) == [late]
