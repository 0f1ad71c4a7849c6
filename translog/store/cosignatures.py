"""Rows of what witnesses have said, and of the head that is shown.

A note with cosignatures is put together when it is read: what the log signed never changes, what
witnesses say about it does.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class CosignatureRow(NamedTuple):
    """A cosignature of a head.

    Attributes:
        size: of the head.
        cosigner: the key's name and the hex of its id, joined by a plus.
        time: in it.
        line: the whole signature line.
    """

    size: int
    cosigner: str
    time: int
    line: str


def read_shown(db: sqlite3.Connection) -> bytes | None:
    """Return the newest head that was shown, with its cosignatures; None before the first."""
    row = db.execute(
        "SELECT shown.size, note FROM shown JOIN checkpoint ON checkpoint.size = shown.size"
    ).fetchone()
    if row is None:
        return None
    size, note = row
    lines = "".join(row.line for row in read_cosignatures(db, size))
    return bytes(note) + lines.encode()


def read_shown_size(db: sqlite3.Connection) -> int | None:
    """Return the size of the newest head that was shown; None before the first."""
    row = db.execute("SELECT size FROM shown").fetchone()
    return None if row is None else int(row[0])


def write_shown(db: sqlite3.Connection, size: int) -> None:
    """Remember that the head of this size was shown, and forget cosignatures of older ones."""
    db.execute(
        "INSERT INTO shown VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET size = excluded.size"
        " WHERE size < excluded.size",
        (size,),
    )
    db.execute("DELETE FROM cosignature WHERE size < (SELECT size FROM shown)")


def read_cosignatures(db: sqlite3.Connection, size: int) -> list[CosignatureRow]:
    """Return the cosignatures of the head of this size, in the order of the keys' names."""
    rows = db.execute(
        "SELECT size, cosigner, time, line FROM cosignature WHERE size = ? ORDER BY cosigner",
        (size,),
    )
    return [CosignatureRow(*row) for row in rows]


def read_all(db: sqlite3.Connection) -> list[CosignatureRow]:
    """Return every cosignature there is, for `fsck`."""
    rows = db.execute("SELECT size, cosigner, time, line FROM cosignature ORDER BY size, cosigner")
    return [CosignatureRow(*row) for row in rows]


def write_cosignatures(db: sqlite3.Connection, rows: Iterable[CosignatureRow]) -> None:
    """Keep cosignatures, each in the place of the same key's of the same head."""
    db.executemany("INSERT OR REPLACE INTO cosignature VALUES (?, ?, ?, ?)", rows)


def read_witness_sizes(db: sqlite3.Connection) -> dict[str, int]:
    """Return the size of the tree that each witness cosigned last, by its URL."""
    return dict(db.execute("SELECT url, size FROM witness").fetchall())


def write_witness_sizes(db: sqlite3.Connection, sizes: Mapping[str, int]) -> None:
    db.executemany("INSERT OR REPLACE INTO witness VALUES (?, ?)", sizes.items())
