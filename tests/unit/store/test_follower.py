"""A monitor's database: all of a step or nothing, and each fact told once by each channel."""

from contextlib import closing
from pathlib import Path

import pytest

from translog.errors import MalformedError
from translog.store import database
from translog.store.follower import (
    MAX_WAIT_SECONDS,
    Changes,
    FactRow,
    Follower,
    HitRow,
    MarkRow,
    OwedRow,
)
from translog.store.follower_schema import REMEDY, SCHEMA, STEPS
from translog.store.schema import Schema

LOG = "example.com/log"
NEXT = "example.com/next"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "monitor.db"


def fact(name: str, severity: str = "alarm") -> FactRow:
    return FactRow(name, severity, b'{"id":"%s"}' % name.encode())


def test_a_step_is_there_after_the_next_start(file):
    changes = Changes(
        position=b"here",
        marks=[MarkRow(-5, LOG, 7)],
        hits=[HitRow(7, b"entry", "pith:…", b"content", 3)],
        owed=[OwedRow(8, b"other", 4)],
        facts=[fact("a")],
    )
    with Follower(file) as store:
        store.add(LOG)
        assert store.position(LOG) is None
        assert store.commit(LOG, LOG, changes, ["stdout"], 100) == ["a"]
    with Follower(file) as store:
        store.add(LOG)
        assert store.position(LOG) == b"here"
        assert store.find(LOG, [-5, 6]) == [MarkRow(-5, LOG, 7)]
        assert store.hits(LOG) == [HitRow(7, b"entry", "pith:…", b"content", 3)]
        assert store.owed(LOG, 10) == [OwedRow(8, b"other", 4)]
        assert store.counts() == {"alarm": 1, "waiting": 1}
        assert [due.alert for due in store.due("stdout", 100, 9)] == [b'{"id":"a"}']
        assert store.commit(LOG, LOG, changes, ["stdout"], 200) == []
        assert store.counts() == {"alarm": 1, "waiting": 1}


def test_a_step_that_fails_half_way_is_not_there(file):
    with Follower(file) as store:
        store.add(LOG)
        store.commit(LOG, LOG, Changes(position=b"before"), [], 1)
        bad = Changes(position=b"after", marks=[MarkRow(1, LOG, 2)], hits=[(1, 2)])  # type: ignore[list-item]
        with pytest.raises(Exception, match=r"database|bindings|values"):
            store.commit(LOG, LOG, bad, [], 2)
        assert store.position(LOG) == b"before"
        assert store.find(LOG, [1]) == []


def test_each_channel_is_told_of_each_fact_in_order_and_once(file):
    with Follower(file) as store:
        store.add(LOG)
        facts = [fact(name) for name in ("c", "a", "b")]
        store.commit(LOG, LOG, Changes(position=b"", facts=facts), ["stdout", "webhook"], 100)
        assert store.due("stdout", 99, 10) == []
        assert [due.fact_id for due in store.due("stdout", 100, 10)] == ["c", "a", "b"]
        store.told("stdout", "c")
        store.put_off("stdout", "a", 130)
        assert store.due("stdout", 129, 10) == []
        assert [due.tries for due in store.due("stdout", 130, 10)] == [1, 0]
        assert len(store.due("webhook", 100, 10)) == 3
        assert len(store.due("webhook", 100, 2)) == 2
        store.drop_channels(["stdout"])
        assert store.due("webhook", 100, 10) == []
        assert store.counts()["waiting"] == 2


def test_what_was_found_by_a_clock_that_was_wrong_is_told_and_in_order(file):
    with Follower(file) as store:
        store.add(LOG)
        for name, now in (("a", 10**9), ("b", 100)):  # the clock was set back in between
            store.commit(LOG, LOG, Changes(position=b"", facts=[fact(name)]), ["stdout"], now)
        assert [due.fact_id for due in store.due("stdout", 100, 10)] == ["a", "b"]
        store.put_off("stdout", "a", 100 + MAX_WAIT_SECONDS)
        assert store.due("stdout", 100, 10) == []


def test_marks_are_shared_in_a_family_and_nowhere_else(file):
    with Follower(file) as store:
        for origin in (LOG, NEXT, "other"):
            store.add(origin)
        store.commit(LOG, LOG, Changes(position=b"", marks=[MarkRow(1, LOG, 5)]), [], 1)
        store.commit(NEXT, LOG, Changes(position=b"", marks=[MarkRow(1, NEXT, 2)]), [], 1)
        assert store.find(LOG, [1]) == [MarkRow(1, LOG, 5), MarkRow(1, NEXT, 2)]
        assert store.find("other", [1]) == []


def test_a_log_takes_its_marks_along_into_another_family(file):
    first = Schema(SCHEMA.noun, SCHEMA.name, {"0001_follower": STEPS["0001_follower"]}, REMEDY)
    with closing(database.create(file, first)) as db, db:  # as an earlier version left it
        rows = [(1, LOG, None), (2, NEXT, b"here"), (3, "y", b"there")]
        db.executemany("INSERT INTO followed VALUES (?, ?, ?)", rows)
        db.execute("INSERT INTO mark VALUES (1, 5, 2, 7), (1, 6, 2, 8), (3, 5, 3, 9)")
    with Follower(file) as store:
        for origin in (LOG, NEXT, "y"):
            store.add(origin)
        for family, other in ((LOG, NEXT), (NEXT, LOG), (NEXT, LOG), (LOG, NEXT)):
            store.join(NEXT, family)
            assert store.find(family, [5, 6]) == [MarkRow(5, NEXT, 7), MarkRow(6, NEXT, 8)]
            assert store.find(other, [5, 6]) == []
        assert store.find("y", [5]) == [MarkRow(5, "y", 9)]


def test_what_an_earlier_version_did_not_judge_is_judged_from_what_is_owed_on(file):
    names = ("0001_follower", "0002_family")
    first = Schema(SCHEMA.noun, SCHEMA.name, {name: STEPS[name] for name in names}, REMEDY)
    here, there = b'{"state": "\xc3\xb6", "conditions": {}}', b'{"conditions": {"a": 1}}'
    with closing(database.create(file, first)) as db, db:
        rows = [(1, LOG, here), (2, NEXT, there), (3, "y", None)]
        db.executemany("INSERT INTO followed (log_id, origin, position) VALUES (?, ?, ?)", rows)
        owed = [(1, 7, b"", 1, 1), (1, 5, b"", 1, 1), (3, 5, b"", 1, 1)]
        db.executemany("INSERT INTO owed VALUES (?, ?, ?, ?, ?)", owed)
    with Follower(file) as store:
        for origin in (LOG, NEXT, "y"):
            store.add(origin)
        positions = [store.position(origin) for origin in (LOG, NEXT, "y")]
    assert positions == [here[:-1] + b', "judged": 5}', there, None]


def test_what_is_owed_is_asked_for_in_turn_and_may_be_paid(file):
    with Follower(file) as store:
        store.add(LOG)
        owed = [OwedRow(index, b"", 1) for index in range(4)]
        store.commit(LOG, LOG, Changes(position=b"", owed=owed), [], 10)
        assert [row.leaf_index for row in store.owed(LOG, 2)] == [0, 1]
        store.commit(LOG, LOG, Changes(position=b"", owed=[OwedRow(0, b"", 99)], paid=[1]), [], 20)
        assert [row.leaf_index for row in store.owed(LOG, 9)] == [2, 3, 0]
        assert {row.since for row in store.owed(LOG, 9)} == {1}


def test_another_database_is_refused(file):
    database.create(file).close()
    with pytest.raises(MalformedError, match="a database of something else, and no monitor"):
        Follower(file)
