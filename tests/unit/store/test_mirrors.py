"""Rows of mirrored sources."""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from translog.errors import MalformedError
from translog.pith.bundle import MAX_BUNDLE_BYTES
from translog.store import database, mirrors
from translog.store.mirrors import SCHEMA, Source

A, B = "pith:2024:" + "A" * 26, "pith:2024:" + "B" * 26
SOURCE = Source("one", "https://one.example", "vkey", (b"k" * 32, b"l" * 32), 0, 7, None)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(database.create(tmp_path / mirrors.FILE, SCHEMA)) as made:
        mirrors.write_source(made, SOURCE)
        yield made


def test_a_source_is_read_as_it_was_written_and_replaced_by_name(db: sqlite3.Connection) -> None:
    other = SOURCE._replace(name="another", log_key="")
    mirrors.write_source(db, other)
    mirrors.write_source(db, SOURCE._replace(position=9, pulled_at=8))
    assert mirrors.read_sources(db) == [other, SOURCE._replace(position=9, pulled_at=8)]


def test_bundles_are_held_to_the_byte_for_each_source(db: sqlite3.Connection) -> None:
    mirrors.write_source(db, SOURCE._replace(name="two"))
    mirrors.write_held(db, "one", A, b"first", 1)
    mirrors.write_held(db, "one", A, b"second", 2)
    mirrors.write_held(db, "two", A, b"theirs", 3)
    assert mirrors.read_held(db, "one", A) == b"second"
    assert mirrors.read_held(db, "two", A) == b"theirs"
    assert mirrors.read_held(db, "two", B) is None
    assert (mirrors.count_held(db, "one"), mirrors.count_held(db, "three")) == (1, 0)


def test_the_records_that_were_longest_not_looked_at_come_first(db: sqlite3.Connection) -> None:
    for number, time in [(A, 5), (B, 3)]:
        mirrors.write_held(db, "one", number, b"", time)
    assert mirrors.read_stalest(db, "one", 9) == [B, A]
    assert mirrors.read_stalest(db, "one", 1) == [B]


@pytest.mark.parametrize(
    "packed",
    [b"", b"no zlib", zlib.compress(b"whole")[:-1], zlib.compress(bytes(MAX_BUNDLE_BYTES + 1))],
)
def test_a_damaged_row_is_refused(db: sqlite3.Connection, packed: bytes) -> None:
    db.execute("INSERT INTO held VALUES ('one', ?, ?, 1)", (A, packed))
    with pytest.raises(MalformedError, match="stored bundle"):
        mirrors.read_held(db, "one", A)
