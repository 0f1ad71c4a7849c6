"""The log's rows: head, leaves, tiles, lookups, checkpoints.

Every function takes an open connection. Functions that write want to be inside a
`database.transaction`; functions that read see one commit inside a `database.snapshot`.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from translog.errors import ConflictError, MalformedError
from translog.formats.merkle import EMPTY_ROOT, HASH_BYTES, Hash
from translog.formats.tiles import FULL, HEIGHT, Tile, holder, inside
from translog.formats.tree import Levels, Node
from translog.store.bodies import DICTIONARY

MAX_TIME = 253_402_300_799  # the last second of the year 9999, the last that can be written
# A tile is stored as four rows of 64 hashes: seven of those fill a page, and a whole tile would
# leave half of one empty. The key is level << 56 | number of the row in its level.
LEVEL_SHIFT = 56
ROW_HASHES = 64
ROW_BYTES = ROW_HASHES * HASH_BYTES
ROWS_A_TILE = FULL // ROW_HASHES
LOOKUPS_AN_EVENT = 2  # by its hash and by its subject; some have a third
LOOKUP_SEEK = 256  # prefixes a statement, so that SQLite prepares it once
# How many new rows make it worth moving them on, and in how many goes those of the middle age
# follow them: docs/decisions/0004. A prime, so that batches of no regular size leave a part out.
NEW_ROWS, MID_PARTS = 8_192, 31


class Head(NamedTuple):
    """The tree as it stands: `size` leaves with this root."""

    size: int
    root: Hash


class Leaf(NamedTuple):
    """What is stored of one event.

    Attributes:
        leaf_index: counted from 0.
        entry: 129 bytes: docs/formats/entry.md.
        signed_at: the unsigned time beside the signature, in microseconds (`bodies.to_micros`).
        body: the event's canonical content, compressed (`bodies.Packer`).
    """

    leaf_index: int
    entry: bytes
    signed_at: int
    body: bytes


class Identity(NamedTuple):
    origin: str
    public_key: bytes


def write_identity(db: sqlite3.Connection, identity: Identity) -> None:
    """Name a new log, and give it the empty tree."""
    db.execute("INSERT INTO log VALUES (1, ?, ?, 0, ?)", (*identity, DICTIONARY))
    db.execute("INSERT INTO head VALUES (1, 0, ?)", (EMPTY_ROOT,))


def read_identity(db: sqlite3.Connection) -> Identity:
    """Return who this log is.

    Raises:
        MalformedError: there is no log, or one whose bodies this version cannot read.
    """
    row = db.execute("SELECT origin, public_key, body_dictionary FROM log").fetchone()
    if row is None:
        raise MalformedError("database: there is no log in it")
    *identity, dictionary = row
    is_whole = [type(each) for each in row] == [str, bytes, bytes]
    if dictionary != DICTIONARY or not is_whole:
        # A dictionary of zstd begins with a magic number and its own id: another has another id.
        is_another = is_whole and dictionary[:4] == DICTIONARY[:4]
        if not is_another or dictionary[:8] == DICTIONARY[:8]:
            raise MalformedError(
                "database: its row of table log is damaged: put a backup in its place"
            )
        raise MalformedError("database: its bodies were packed by another version of translog")
    return Identity(*identity)


def read_head(db: sqlite3.Connection) -> Head:
    row = db.execute("SELECT size, root FROM head").fetchone()
    if row is None:
        raise MalformedError("database: there is no log in it")
    return Head(*row)


def append(
    db: sqlite3.Connection,
    old: Head,
    new: Head,
    leaves: Iterable[tuple[int, bytes, int, bytes]],
    levels: Levels,
    prefixes: Iterable[tuple[int, int]],
) -> None:
    """Write one batch: the whole of what makes a tree of `old.size` one of `new.size`.

    Args:
        leaves: what is a `Leaf` when it is read: nobody looks into these.
        levels: every perfect subtree that the batch completed: `tree.grown`.
        prefixes: (prefix, leaf index), for `find`.

    Raises:
        ConflictError: the log is not at `old`, so somebody else wrote to it. Roll back.
    """
    db.executemany("INSERT INTO leaf VALUES (?, ?, ?, ?)", leaves)
    for level, (first, hashes) in enumerate(levels[::HEIGHT]):
        _write_hashes(db, level, first, hashes)
    db.executemany("INSERT OR IGNORE INTO lookup_new VALUES (?, ?)", prefixes)
    changed = db.execute(
        "UPDATE head SET size = ?, root = ? WHERE size = ? AND root = ?", (*new, *old)
    ).rowcount
    if changed != 1:
        raise ConflictError(
            f"log is at size {read_head(db).size}, want {old.size}: another process wrote to it"
        )


def _write_hashes(db: sqlite3.Connection, level: int, first: int, hashes: list[Hash]) -> None:
    """Put new hashes of a tile level behind those that are there."""
    row, start = divmod(first, ROW_HASHES)
    row_id = level << LEVEL_SHIFT | row
    before = _read_rows(db, row_id, 1)
    if len(before) != start * HASH_BYTES:
        raise MalformedError(
            f"tile row {row} of level {level} has {len(before)} bytes, want {start * HASH_BYTES}"
        )
    content = before + b"".join(hashes)
    db.executemany(
        "INSERT OR REPLACE INTO tile VALUES (?, ?)",
        [
            (row_id + at // ROW_BYTES, content[at : at + ROW_BYTES])
            for at in range(0, len(content), ROW_BYTES)
        ],
    )


def age_lookups(db: sqlite3.Connection, added: int, size: int) -> int:
    """Move lookup rows on to the next age where enough have come together.

    Of the middle age it is those of one part of all prefixes: by the size of the log, it is
    another part's turn each time.

    Args:
        added: rows in `lookup_new` by the caller's count.
        size: of the log.

    Returns:
        The count to go on from. Losing it costs nothing but a later move.
    """
    if added < NEW_ROWS:
        return added
    db.execute("INSERT INTO lookup_mid SELECT prefix, leaf_index FROM lookup_new")
    db.execute("DELETE FROM lookup_new")
    turn = size * LOOKUPS_AN_EVENT // NEW_ROWS % MID_PARTS
    lo, end = (2**64 * each // MID_PARTS - 2**63 for each in (turn, turn + 1))
    part = (lo, end - 1)
    db.execute(
        "INSERT INTO lookup_old"
        " SELECT prefix, leaf_index FROM lookup_mid WHERE prefix BETWEEN ? AND ?",
        part,
    )
    db.execute("DELETE FROM lookup_mid WHERE prefix BETWEEN ? AND ?", part)
    return 0


def count_new_lookups(db: sqlite3.Connection) -> int:
    count: int = db.execute("SELECT count(*) FROM lookup_new").fetchone()[0]
    return count


def find(db: sqlite3.Connection, prefixes: Sequence[int]) -> list[tuple[int, int]]:
    """Return (prefix, leaf index) for every row with one of these prefixes, in no order.

    A prefix is 64 bits of a hash: what is found is a candidate, to be compared in full.
    """
    found: list[tuple[int, int]] = []
    for start in range(0, len(prefixes), LOOKUP_SEEK):
        part = prefixes[start : start + LOOKUP_SEEK]
        wanted = [*part, *[part[0]] * (_seek(len(part)) - len(part))]
        marks = ",".join("?" * len(wanted))
        for age in ("new", "mid", "old"):
            found += db.execute(
                f"SELECT prefix, leaf_index FROM lookup_{age} WHERE prefix IN ({marks})",  # noqa: S608  # names of ours and question marks
                wanted,
            )
    return found


def _seek(count: int) -> int:
    """Round up to a power of two: nine statements to prepare, not 256."""
    return 1 << (count - 1).bit_length()


def find_range(db: sqlite3.Connection, lo: int, hi: int, size: int, limit: int) -> list[int]:
    """Return up to `limit` leaf indices below `size` whose prefix is in [lo, hi], in order."""
    found = [
        leaf_index
        for age in ("new", "mid", "old")
        for (leaf_index,) in db.execute(
            f"SELECT leaf_index FROM lookup_{age}"  # noqa: S608
            " WHERE prefix BETWEEN ? AND ? AND leaf_index < ? LIMIT ?",
            (lo, hi, size, limit),
        )
    ]
    return sorted(set(found))[:limit]


def read_lookups(db: sqlite3.Connection) -> Iterator[tuple[int, int]]:
    """Yield every (prefix, leaf index) there is, for `fsck`."""
    yield from db.execute(
        "SELECT prefix, leaf_index FROM lookup_new UNION ALL SELECT prefix, leaf_index"
        " FROM lookup_mid UNION ALL SELECT prefix, leaf_index FROM lookup_old"
    )


def read_entries(db: sqlite3.Connection, start: int, count: int) -> list[bytes]:
    """Return the entries [start, start + count), or fewer at the end."""
    rows = db.execute(
        "SELECT entry FROM leaf WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index",
        (start, start + count),
    )
    return [entry for (entry,) in rows]


def read_leaves(db: sqlite3.Connection, start: int, count: int) -> list[Leaf]:
    """Return what is stored of leaves [start, start + count), or fewer at the end."""
    rows = db.execute(
        "SELECT leaf_index, entry, signed_at, body FROM leaf"
        " WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index",
        (start, start + count),
    )
    return [Leaf(*row) for row in rows]


def read_tile(db: sqlite3.Connection, level: int, index: int) -> bytes:
    """Return as much of a tile as the tree has; nothing where it has none of it."""
    if index * ROWS_A_TILE >> LEVEL_SHIFT:
        return b""
    return _read_rows(db, level << LEVEL_SHIFT | index * ROWS_A_TILE, ROWS_A_TILE)


def _read_rows(db: sqlite3.Connection, row_id: int, count: int) -> bytes:
    rows = db.execute(
        "SELECT hashes FROM tile WHERE row_id >= ? AND row_id < ? ORDER BY row_id",
        (row_id, row_id + count),
    )
    return b"".join([hashes for (hashes,) in rows])


def read_nodes(db: sqlite3.Connection, size: int, nodes: Sequence[Node]) -> list[Hash]:
    """Return the hashes of perfect subtrees of the first `size` leaves, as `tree.Read` wants.

    Raises:
        MalformedError: a tile is not there, or too short.
    """
    holders = [holder(node, size) for node in nodes]
    tiles = {tile: _hashes(db, tile) for tile in set(holders)}
    return [inside(tiles[tile], node) for tile, node in zip(holders, nodes, strict=True)]


def _hashes(db: sqlite3.Connection, tile: Tile) -> list[Hash]:
    stored = read_tile(db, tile.level, tile.index)
    if len(stored) < tile.width * HASH_BYTES:
        raise MalformedError(
            f"{tile.path} is stored with {len(stored)} bytes, want {tile.width * HASH_BYTES}"
        )
    return [Hash(stored[at : at + HASH_BYTES]) for at in range(0, tile.width * HASH_BYTES, 32)]


def write_checkpoint(db: sqlite3.Connection, size: int, note: bytes, now: int) -> None:
    """Keep a signed head. The same size again must be the same note.

    Its time is not before that of the head before it, whatever the clock shows: bundles say it
    under the log's signature, and one with more events must not seem the older one.

    Raises:
        ConflictError: another note was signed at this size.
    """
    db.execute(
        "INSERT INTO checkpoint VALUES (:size, :note, max(:now, ifnull("
        "(SELECT signed_at FROM checkpoint WHERE size < :size ORDER BY size DESC LIMIT 1), 0)))"
        " ON CONFLICT (size) DO NOTHING",
        {"size": size, "note": note, "now": now},
    )
    (kept,) = db.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()
    if kept != note:
        raise ConflictError(f"checkpoint of size {size} is signed already, and not as this one")


def read_checkpoint(db: sqlite3.Connection) -> bytes | None:
    """Return the newest signed head, or None before the first."""
    row = db.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    return row[0] if row else None


def read_checkpoint_at(db: sqlite3.Connection, size: int) -> bytes | None:
    """Return the signed head of this size, or None where none was signed."""
    row = db.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()
    return row[0] if row else None


def read_neighbours(db: sqlite3.Connection, size: int) -> tuple[int | None, int | None]:
    """Return the sizes of the signed heads before and after the one of this size."""
    (before,) = db.execute("SELECT max(size) FROM checkpoint WHERE size < ?", (size,)).fetchone()
    (after,) = db.execute("SELECT min(size) FROM checkpoint WHERE size > ?", (size,)).fetchone()
    return before, after


def read_signed_at(db: sqlite3.Connection, size: int) -> int:
    """Return when the head of this size was signed, in POSIX seconds."""
    row = db.execute("SELECT signed_at FROM checkpoint WHERE size = ?", (size,)).fetchone()
    if row is None:
        raise MalformedError(f"checkpoint of size {size} is not stored")
    return int(row[0])


def read_checkpoint_sizes(db: sqlite3.Connection) -> list[int]:
    """Return the size of every signed head, in order."""
    return [size for (size,) in db.execute("SELECT size FROM checkpoint ORDER BY size")]
