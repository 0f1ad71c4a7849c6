"""Rows of mirrored sources: from where records are copied, and what each source served last.

One database beside the log's. Trusted: who can write here can make us believe other keys at the
next pull, and forget what a source has served; nothing in the log.
"""

import json
import sqlite3
import zlib
from functools import partial
from typing import NamedTuple

from translog.errors import MalformedError
from translog.formats.canonical import parse
from translog.pith.bundle import MAX_BUNDLE_BYTES
from translog.store.database import translated
from translog.store.schema import Schema, making

FILE = "mirrors.db"
MAX_KEYS_BYTES = 1 << 20
LEVEL = 6

TABLES = (
    # `place` is a URL or a file; `log_key` the vkey of a source that is a log, or ''. `position`
    # is the size of that log up to which its events were looked through.
    """
    CREATE TABLE source (
        name TEXT PRIMARY KEY,
        place TEXT NOT NULL,
        log_key TEXT NOT NULL,
        keys TEXT NOT NULL,
        position INTEGER NOT NULL CHECK (position >= 0),
        added_at INTEGER NOT NULL,
        pulled_at INTEGER
    ) STRICT
    """,
    # The last bundle whose events are all in our log: with a later one that lacks any of them it
    # is evidence.
    """
    CREATE TABLE held (
        name TEXT NOT NULL REFERENCES source (name),
        pith_number TEXT NOT NULL,
        bundle BLOB NOT NULL,
        pulled_at INTEGER NOT NULL,
        PRIMARY KEY (name, pith_number)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX held_number ON held (pith_number)",
    "CREATE INDEX held_age ON held (name, pulled_at)",
)


SCHEMA = Schema(
    "database of mirrored sources",
    "translog_mirrors",
    {"0001_mirrors": making(*TABLES)},
    "put a copy in its place, or remove it and add the sources again: docs/operating.md",
)

_reading = partial(translated, FILE, SCHEMA.remedy)


class Source(NamedTuple):
    """From where records are copied, and under which keys.

    Attributes:
        name: by which our operator knows it.
        place: a registry's URL, the URL of one bundle, or a file that holds one.
        log_key: the vkey of a registry that is a log; empty for single bundles.
        keys: the public keys that are believed, 32 bytes each.
        position: how much of that log was looked through.
        added_at: POSIX seconds.
        pulled_at: the same, or None before the first pull.
    """

    name: str
    place: str
    log_key: str
    keys: tuple[bytes, ...]
    position: int
    added_at: int
    pulled_at: int | None


def read_sources(db: sqlite3.Connection) -> list[Source]:
    """Return every source, by name."""
    with _reading():
        rows = db.execute(
            "SELECT name, place, log_key, keys, position, added_at, pulled_at FROM source"
            " ORDER BY name"
        ).fetchall()
    return [
        Source(name, place, log_key, _keys(keys), position, added_at, pulled_at)
        for name, place, log_key, keys, position, added_at, pulled_at in rows
    ]


def _keys(column: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(key) for key in parse(column.encode(), limit=MAX_KEYS_BYTES))


def write_source(db: sqlite3.Connection, source: Source) -> None:
    """Add a source, or replace the one of that name. What it served stays known."""
    db.execute(
        "INSERT INTO source VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET place = excluded.place, log_key = excluded.log_key,"
        " keys = excluded.keys, position = excluded.position, pulled_at = excluded.pulled_at",
        (
            source.name,
            source.place,
            source.log_key,
            json.dumps([key.hex() for key in source.keys]),
            source.position,
            source.added_at,
            source.pulled_at,
        ),
    )


def read_held(db: sqlite3.Connection, name: str, pith_number: str) -> bytes | None:
    """Return the bundle that a source served last, to the byte, or None before the first.

    Raises:
        MalformedError: the row is damaged.
    """
    with _reading():
        row = db.execute(
            "SELECT bundle FROM held WHERE name = ? AND pith_number = ?", (name, pith_number)
        ).fetchone()
    return None if row is None else _unpack(row[0])


def write_held(
    db: sqlite3.Connection, name: str, pith_number: str, bundle: bytes, pulled_at: int
) -> None:
    """Keep the bundle that a source serves now in place of the one before."""
    db.execute(
        "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)",
        (name, pith_number, zlib.compress(bundle, LEVEL), pulled_at),
    )


def count_held(db: sqlite3.Connection, name: str) -> int:
    """Return how many records a source has given us."""
    with _reading():
        (count,) = db.execute("SELECT count(*) FROM held WHERE name = ?", (name,)).fetchone()
    return int(count)


def read_stalest(db: sqlite3.Connection, name: str, limit: int) -> list[str]:
    """Return the records of a source that were longest not looked at."""
    with _reading():
        rows = db.execute(
            "SELECT pith_number FROM held WHERE name = ? ORDER BY pulled_at, pith_number LIMIT ?",
            (name, limit),
        ).fetchall()
    return [number for (number,) in rows]


def _unpack(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        bundle = unpacking.decompress(packed, MAX_BUNDLE_BYTES)
    except zlib.error as error:
        raise MalformedError(f"stored bundle cannot be unpacked: {error}") from error
    if not unpacking.eof:
        raise MalformedError("stored bundle is cut short, or too long")
    return bundle
