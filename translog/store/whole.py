"""All of a database: its rows as they stand, for whoever distrusts them, and a copy of the file.

Text is returned as bytes, since text that was damaged may not be text any more.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from translog.store.database import translated

TABLES = ("leaf", "tile", "lookup_new", "lookup_mid", "lookup_old", "checkpoint", "signer")
BY_LEAF = {"leaf": "leaf", "given_text": "title or abstract of leaf"}
LOOKUPS = ("lookup_new", "lookup_mid", "lookup_old")
COPY_PAGES = 1_024  # 16 MB a step


class RawSigner(NamedTuple):
    """A row of the registry, nothing of it understood."""

    fingerprint: bytes
    public_key: bytes
    key_json: bytes
    signer_id: bytes
    event_types: bytes
    allowed_at: int
    revoked_at: int | None
    held_types: bytes
    subjects: bytes | None
    rotated_from: bytes | None
    rotated_to: bytes | None


class RawText(NamedTuple):
    """What was given with a record, nothing of it understood."""

    title: bytes | None
    abstract: bytes | None


def find_damage(db: sqlite3.Connection) -> str | None:
    """Return what SQLite first finds wrong with its pages, indexes and constraints, if anything."""
    (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    return None if found == "ok" else str(found)


def count_rows(db: sqlite3.Connection, table: str) -> int:
    """Return the number of rows of one of TABLES."""
    count: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # ours
    return count


def find_stray(db: sqlite3.Connection, table: str, size: int) -> int | None:
    """Return the index of a row of one of BY_LEAF that a log of `size` cannot have."""
    row = db.execute(
        f"SELECT min(leaf_index) FROM {table} WHERE leaf_index < 0 OR leaf_index >= ?",  # noqa: S608
        (size,),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def read_tile_rows(db: sqlite3.Connection) -> Iterator[int]:
    """Yield the id of every row of the tile table."""
    for (row_id,) in db.execute("SELECT row_id FROM tile ORDER BY row_id"):
        yield row_id


def find_missing_lookups(
    db: sqlite3.Connection, rows: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return those of `rows` (prefix, leaf index) that are in no lookup table."""
    if not rows:
        return []
    absent = " AND ".join(
        f"NOT EXISTS (SELECT 1 FROM {table} AS l"  # noqa: S608  # names of ours
        " WHERE l.prefix = w.column1 AND l.leaf_index = w.column2)"
        for table in LOOKUPS
    )
    wanted = ",".join(["(?,?)"] * len(rows))
    found = db.execute(
        f"SELECT w.column1, w.column2 FROM (VALUES {wanted}) AS w WHERE {absent}",  # noqa: S608
        [number for row in rows for number in row],
    )
    return [(prefix, index) for prefix, index in found]


def find_next_lookup(db: sqlite3.Connection, prefix: int, after: int) -> int | None:
    """Return the lowest leaf index above `after` that is listed under `prefix`."""
    parts = " UNION ALL ".join(
        f"SELECT min(leaf_index) AS next FROM {table} WHERE prefix = ? AND leaf_index > ?"  # noqa: S608
        for table in LOOKUPS
    )
    (found,) = db.execute(
        f"SELECT min(next) FROM ({parts})",  # noqa: S608
        (prefix, after) * len(LOOKUPS),
    ).fetchone()
    return None if found is None else int(found)


def read_checkpoints(db: sqlite3.Connection) -> Iterator[tuple[int, bytes, int]]:
    """Yield (size, note, signed at) of every head that was ever signed, in order."""
    yield from db.execute("SELECT size, note, signed_at FROM checkpoint ORDER BY size")


def read_raw_signers(db: sqlite3.Connection) -> Iterator[RawSigner]:
    rows = db.execute(
        "SELECT CAST(fingerprint AS BLOB), public_key, CAST(key_json AS BLOB),"
        " CAST(signer_id AS BLOB), CAST(event_types AS BLOB), allowed_at, revoked_at,"
        " CAST(held_types AS BLOB), CAST(subjects AS BLOB), CAST(rotated_from AS BLOB),"
        " CAST(rotated_to AS BLOB) FROM signer"
    )
    yield from map(RawSigner._make, rows)


def read_raw_texts(db: sqlite3.Connection, start: int, stop: int) -> dict[int, RawText]:
    """Return what stands beside leaves [start, stop), by their indices."""
    rows = db.execute(
        "SELECT leaf_index, CAST(title AS BLOB), CAST(abstract AS BLOB) FROM given_text"
        " WHERE leaf_index >= ? AND leaf_index < ?",
        (start, stop),
    )
    return {index: RawText(title, abstract) for index, title, abstract in rows}


def copy(source: sqlite3.Connection, path: Path, progress: Callable[[int, int], None]) -> None:
    """Write what `source` sees to a new database at `path`, durably.

    Inside a `snapshot`, that is one and the same commit, whatever is committed meanwhile.

    Args:
        progress: called with the pages copied, and how many there are.
    """
    with translated(path), closing(sqlite3.connect(path, isolation_level=None)) as target:
        target.execute("PRAGMA synchronous = FULL")
        source.backup(
            target, pages=COPY_PAGES, progress=lambda _, left, total: progress(total - left, total)
        )
        # One file, which can be moved: whoever opens it as a log makes it a WAL database again.
        target.execute("PRAGMA journal_mode = DELETE")
