"""Rows of the log: written by compare-and-swap, read as what they are, or said to be damaged."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from tests.reference import mth
from translog.errors import ConflictError, MalformedError, UnavailableError
from translog.formats.merkle import EMPTY_ROOT, Hash, leaf_hash
from translog.formats.tree import grown, root, subtrees
from translog.store import database, log
from translog.store.bodies import DICTIONARY
from translog.store.log import Head, Identity, Leaf

ENTRIES = [bytes([1]) + sha256(b"%d" % n).digest() * 4 for n in range(600)]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(database.create(tmp_path / "log.db")) as made:
        with database.transaction(made):
            log.write_identity(made, Identity("example.com/log", bytes(32)))
        made.execute("PRAGMA synchronous = OFF")  # nothing here is about durability
        yield made


def reference_root(size: int) -> Hash:
    return Hash(mth(tuple(ENTRIES[:size])))


def append(db: sqlite3.Connection, size: int, to: int) -> None:
    """Append ENTRIES[size:to], with what the tree gains by them."""
    entries = ENTRIES[size:to]
    edge = list(subtrees(range(size)))
    known = dict(zip(edge, log.read_nodes(db, size, edge), strict=True))
    levels = grown(size, [leaf_hash(entry) for entry in entries], known)
    leaves = [Leaf(i, entry, i, b"body %d" % i) for i, entry in enumerate(entries, start=size)]
    old, new = Head(size, reference_root(size)), Head(to, reference_root(to))
    with database.transaction(db):
        log.append(db, old, new, leaves, levels, [(i, i) for i in range(size, to)])


def everything(db: sqlite3.Connection) -> list[list[object]]:
    tables = ["head", "leaf", "tile", "lookup_new", "lookup_mid", "lookup_old", "checkpoint"]
    return [list(db.execute(f"SELECT * FROM {table}")) for table in tables]


def test_a_new_log_is_the_empty_tree(db: sqlite3.Connection) -> None:
    assert log.read_head(db) == Head(0, EMPTY_ROOT)
    assert log.read_identity(db) == Identity("example.com/log", bytes(32))
    assert log.read_checkpoint(db) is None
    assert log.read_checkpoint_sizes(db) == []
    assert log.read_entries(db, 0, 10) == log.read_leaves(db, 0, 10) == []
    assert log.read_tile(db, 0, 0) == b""


def test_a_database_without_a_log_says_so(tmp_path: Path) -> None:
    with closing(database.create(tmp_path / "log.db")) as empty:
        for ask in (log.read_head, log.read_identity):
            with pytest.raises(MalformedError, match="there is no log in it"):
                ask(empty)


@pytest.mark.parametrize("column", ["origin", "public_key", "body_dictionary"])
def test_a_row_whose_columns_are_of_another_kind_is_damaged(column: str) -> None:
    # A damaged page can hold what SQLite would not have let in.
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE log (origin, public_key, body_dictionary)")
        values = ("example.com/log", bytes(32), DICTIONARY)
        db.execute("INSERT INTO log VALUES (?, ?, ?)", values)
        assert log.read_identity(db)
        for other in (None, 7):
            db.execute(f"UPDATE log SET {column} = ?", (other,))
            with pytest.raises(MalformedError, match="row of table log is damaged"):
                log.read_identity(db)


@pytest.mark.parametrize(
    "found", [b"", b"another", DICTIONARY[:-1], DICTIONARY[:9] + b"x" + DICTIONARY[10:]]
)
def test_a_damaged_dictionary_is_not_called_another_version(
    db: sqlite3.Connection, found: bytes
) -> None:
    db.execute("UPDATE log SET body_dictionary = ?", (found,))
    with pytest.raises(MalformedError, match="its row of table log is damaged: put a backup"):
        log.read_identity(db)


def test_a_log_whose_bodies_another_version_packed_is_refused(db: sqlite3.Connection) -> None:
    another = DICTIONARY[:4] + b"\x01\x02\x03\x04" + DICTIONARY[8:]
    db.execute("UPDATE log SET body_dictionary = ?", (another,))
    with pytest.raises(MalformedError, match="packed by another version of translog"):
        log.read_identity(db)


@pytest.mark.parametrize("step", [1, 63, 64, 65, 256, 600])
def test_what_is_appended_is_read_back_whatever_the_batches(
    db: sqlite3.Connection, step: int
) -> None:
    for size in range(0, 600, step):
        append(db, size, min(600, size + step))
    assert log.read_head(db) == Head(600, reference_root(600))
    assert log.read_entries(db, 0, 600) == ENTRIES
    assert log.read_entries(db, 598, 5) == ENTRIES[598:]
    assert log.read_leaves(db, 7, 1) == [Leaf(7, ENTRIES[7], 7, b"body 7")]
    hashes = [leaf_hash(entry) for entry in ENTRIES]
    assert [log.read_tile(db, 0, index) for index in range(4)] == [
        b"".join(hashes[index * 256 : index * 256 + 256]) for index in range(4)
    ]
    assert log.read_tile(db, 1, 0) == mth(tuple(ENTRIES[:256])) + mth(tuple(ENTRIES[256:512]))
    rows = db.execute("SELECT row_id >> 56, row_id & 0xffff, length(hashes) FROM tile").fetchall()
    assert rows == [(0, n, 64 * 32) for n in range(9)] + [(0, 9, 24 * 32), (1, 0, 64)]


def test_every_node_of_every_size_is_read(db: sqlite3.Connection) -> None:
    append(db, 0, 600)
    for size in range(601):
        assert root(size, lambda nodes, size=size: log.read_nodes(db, size, nodes)) == (
            reference_root(size)
        )


def test_appending_to_another_head_changes_nothing(db: sqlite3.Connection) -> None:
    append(db, 0, 3)
    before = everything(db)
    leaf = Leaf(3, ENTRIES[3], 0, b"")
    for old in (Head(2, reference_root(2)), Head(3, EMPTY_ROOT), Head(4, reference_root(3))):
        with (
            pytest.raises(ConflictError, match=f"log is at size 3, want {old.size}: another"),
            database.transaction(db),
        ):
            log.append(db, old, Head(5, EMPTY_ROOT), [leaf], [], [])
    assert everything(db) == before


def test_a_leaf_is_never_written_twice(db: sqlite3.Connection) -> None:
    append(db, 0, 3)
    before = everything(db)
    for wrong in (Leaf(2, ENTRIES[5], 0, b""), Leaf(3, ENTRIES[5][:-1], 0, b"")):
        with pytest.raises(UnavailableError, match="constraint failed"), database.transaction(db):
            log.append(db, log.read_head(db), Head(4, EMPTY_ROOT), [wrong], [], [])
    assert everything(db) == before


@pytest.mark.parametrize("first", [1, 62, 65])
def test_a_tile_row_grows_at_its_end_and_nowhere_else(db: sqlite3.Connection, first: int) -> None:
    append(db, 0, 63)
    before = everything(db)
    levels = [(first, [Hash(bytes(32))])]
    with pytest.raises(MalformedError, match="tile row"), database.transaction(db):
        log.append(db, log.read_head(db), Head(64, EMPTY_ROOT), [], levels, [])
    assert everything(db) == before


def test_a_missing_or_short_tile_is_damage_and_not_a_hash(db: sqlite3.Connection) -> None:
    append(db, 0, 300)
    (edge,) = [node for node in subtrees(range(300)) if node.level == 5]
    db.execute("UPDATE tile SET hashes = substr(hashes, 1, 32 * 31) WHERE row_id = 4")
    with pytest.raises(MalformedError, match=r"tile/0/001\.p/44 is stored with 992 bytes"):
        log.read_nodes(db, 300, [edge])
    db.execute("DELETE FROM tile WHERE row_id = 4")
    with pytest.raises(MalformedError, match=r"tile/0/001\.p/44 is stored with 0 bytes, want 1408"):
        log.read_nodes(db, 300, [edge])


@pytest.mark.parametrize(("level", "index"), [(8, 0), (9, 0), (63, 0), (0, 2**62), (7, 2**54)])
def test_a_tile_that_no_log_can_have_is_empty(
    db: sqlite3.Connection, level: int, index: int
) -> None:
    append(db, 0, 300)
    assert log.read_tile(db, level, index) == b""


def test_prefixes_are_found_in_every_age_and_with_any_number_asked(
    db: sqlite3.Connection,
) -> None:
    rows = [(prefix, index) for index, prefix in enumerate(range(-700, 700))]
    parts = {"new": rows[:500], "mid": rows[500:900], "old": rows[900:]}
    with database.transaction(db):
        for age, part in parts.items():
            db.executemany(f"INSERT INTO lookup_{age} VALUES (?, ?)", part)
    db.execute("INSERT INTO lookup_old VALUES (-700, 5000)")  # the same prefix in two ages
    assert log.find(db, []) == []
    assert log.find(db, [10_000]) == []
    for count in (1, 2, 3, 255, 256, 257, 600, 1400):
        wanted = range(-700, -700 + count)
        want = sorted([(-700, 5000), *rows[:count]])
        assert sorted(log.find(db, list(wanted))) == want
    assert log.find_range(db, -700, -698, 10_000, 10) == [0, 1, 2, 5000]
    assert log.find_range(db, -700, -698, 5000, 10) == [0, 1, 2]
    assert log.find_range(db, -700, 700, 10_000, 3) == [0, 1, 2]
    assert log.find_range(db, 700, 800, 10_000, 3) == []
    assert sorted(log.read_lookups(db)) == sorted([(-700, 5000), *rows])


def test_lookups_age_when_there_are_enough_of_them(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "NEW_ROWS", 4)
    monkeypatch.setattr(log, "MID_PARTS", 4)
    prefixes = [-(2**63), -(2**62) - 1, -(2**62), -1, 0, 2**62 - 1, 2**62, 2**63 - 1]

    def ages() -> list[list[int]]:
        tables = ("new", "mid", "old")
        return [sorted(p for (p,) in db.execute(f"SELECT prefix FROM lookup_{t}")) for t in tables]

    added = 0
    for size in range(1, 20):
        for prefix in prefixes[size % 2 :: 2]:  # one of each part, and none of them is left out
            db.execute("INSERT INTO lookup_new VALUES (?, ?)", (prefix, size))
            before = ages()
            added = log.age_lookups(db, added + 1, size)
            assert added == log.count_new_lookups(db)
            new, mid, old = ages()
            if added:
                assert added < 4
                assert (new, mid, old) == tuple(before)
                continue
            # All that was new is older now, and all of one part is as old as it gets.
            part = prefixes[size // 2 % 4 * 2 :][:2]
            assert new == []
            assert old == sorted([*before[2], *(p for p in before[0] + before[1] if p in part)])
            assert mid == sorted(p for p in before[0] + before[1] if p not in part)
    assert {*ages()[1], *ages()[2]} == set(prefixes)
    assert len(ages()[1]) <= 4 * 4  # a part waits for three others


@pytest.mark.parametrize("batch", [2_048, 4_096, 5_000, 8_192, 65_536])
def test_no_size_of_batches_leaves_a_part_of_the_lookups_behind(
    db: sqlite3.Connection, batch: int
) -> None:
    width = 2**64 // log.MID_PARTS
    rows = [(2**64 * part // log.MID_PARTS - 2**63, part) for part in range(log.MID_PARTS)]
    rows += [(prefix + width - 1, part) for prefix, part in rows]
    db.executemany("INSERT INTO lookup_mid VALUES (?, ?)", rows)
    for size in range(batch, batch * 10 * log.MID_PARTS, batch):
        log.age_lookups(db, log.NEW_ROWS, size)
    assert db.execute("SELECT count(*) FROM lookup_mid").fetchone() == (0,)


def test_a_checkpoint_is_written_once(db: sqlite3.Connection) -> None:
    log.write_checkpoint(db, 5, b"five", 1000)
    log.write_checkpoint(db, 3, b"three", 999)
    log.write_checkpoint(db, 5, b"five", 2000)
    assert log.read_checkpoint(db) == b"five"
    assert log.read_signed_at(db, 5) == 1000
    assert log.read_checkpoint_sizes(db) == [3, 5]
    with pytest.raises(ConflictError, match="size 5 is signed already, and not as this one"):
        log.write_checkpoint(db, 5, b"another", 1000)
    assert log.read_checkpoint(db) == b"five"
    with pytest.raises(MalformedError, match="size 4 is not stored"):
        log.read_signed_at(db, 4)
