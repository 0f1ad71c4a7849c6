"""The search index: names and titles of records, in a database of its own beside the log.

Everything in it can be made again from the log. Not trusted: who can write here can at most mislead
a search. Whoever shows what was found looks it up in the log first.

A crash means: the index covers less than it did, and goes on from there. So commits do not wait for
the disk.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from translog.errors import MissingError
from translog.store.database import is_damage, translated

SCHEMA_VERSION = 1  # another is thrown away, and made again
PAGE_BYTES = 16_384
BUSY_SECONDS = 10.0
CANDIDATES = 500  # of a search by words: the newest, among which the best are looked for
# Whoever reads the index reads the log with it: which of them is damaged is not known.
REMEDY = "remove it, and the server makes it again; if that changes nothing, `translog fsck`"


class NoIndexError(MissingError):
    """There is no index yet. Whoever asks may be answered without, or asked to wait."""


class Coverage(NamedTuple):
    """What an index holds: the first `size` leaves of the log `origin`, whose root this was."""

    origin: str
    size: int
    root: bytes


class Record(NamedTuple):
    """A record by its names.

    Attributes:
        leaf_index: of the first event that creates it.
        year: the first part of its Pith Number.
        suffix: the second.
        source_kind, source_id, version: the work's.
        submitted_at: when its source says.
        category: its first.
        title_sha256: what its title hashes to.
        title: the work's, if one with this hash is known.
    """

    leaf_index: int
    year: str
    suffix: str
    source_kind: str
    source_id: str
    version: int
    submitted_at: str
    category: str
    title_sha256: bytes
    title: str | None

    @property
    def number(self) -> str:
        return f"pith:{self.year}:{self.suffix}"


Name = tuple[str, str]  # value and kind
_RECORD = ", ".join(Record._fields)

SCHEMA = (
    """
    CREATE TABLE coverage (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        origin TEXT NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE record (
        leaf_index INTEGER PRIMARY KEY,
        year TEXT NOT NULL,
        suffix TEXT NOT NULL UNIQUE,
        source_kind TEXT NOT NULL,
        source_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        submitted_at TEXT NOT NULL,
        category TEXT NOT NULL,
        title_sha256 BLOB NOT NULL,
        title TEXT
    ) STRICT
    """,
    """
    CREATE TABLE alias (
        value TEXT NOT NULL,
        kind TEXT NOT NULL,
        leaf_index INTEGER NOT NULL,
        PRIMARY KEY (value, kind, leaf_index)
    ) STRICT, WITHOUT ROWID
    """,
    # Which events cite what; the events themselves are in the log.
    """
    CREATE TABLE citation (
        value TEXT NOT NULL,
        kind TEXT NOT NULL,
        leaf_index INTEGER NOT NULL,
        PRIMARY KEY (value, kind, leaf_index)
    ) STRICT, WITHOUT ROWID
    """,
    # Only the words: the titles themselves stand in `record`. A title is added once, and stays.
    """
    CREATE VIRTUAL TABLE words USING fts5 (
        title, content='', tokenize='porter unicode61 remove_diacritics 2'
    )
    """,
)


@contextmanager
def open_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the index for writing while the block runs; an empty one where there is none to use.

    Raises:
        UnavailableError: the disk is in the way, or another process writes to it.
    """
    with translated(path, REMEDY):
        try:
            connection = _writable(path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                name.unlink(missing_ok=True)
            connection = _writable(path)
    with closing(connection):
        yield connection


@contextmanager
def open_reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the index for reading while the block runs.

    Raises:
        NoIndexError: there is none yet.
        UnavailableError: it is damaged, or in use.
    """
    if not path.is_file():
        raise NoIndexError(f"{path.name} is not there yet: it is made from the log")
    with translated(path, REMEDY), closing(_connect(path, "rw")) as connection:
        connection.execute("PRAGMA query_only = ON")
        if _version(connection) != SCHEMA_VERSION:
            raise NoIndexError(f"{path.name} is not made yet: it is made from the log")
        yield connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def _writable(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "rwc")
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if _version(connection) != SCHEMA_VERSION:
            clear(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Let readers see all of the block, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def clear(db: sqlite3.Connection) -> None:
    """Empty the index, whatever it held."""
    with transaction(db):
        for name in ("coverage", "record", "alias", "citation", "words"):
            db.execute(f"DROP TABLE IF EXISTS {name}")
        for statement in SCHEMA:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def read_coverage(db: sqlite3.Connection) -> Coverage | None:
    """Return what the index covers, or None where it is empty."""
    row = db.execute("SELECT origin, size, root FROM coverage").fetchone()
    return Coverage(*row) if row else None


def write_coverage(db: sqlite3.Connection, coverage: Coverage) -> None:
    db.execute("INSERT OR REPLACE INTO coverage VALUES (1, ?, ?, ?)", coverage)


def add_record(db: sqlite3.Connection, record: Record, names: Iterable[Name]) -> None:
    """Add a record under its names. Where it is there already, the first event stays."""
    marks = ", ".join("?" * len(Record._fields))
    added = db.execute(f"INSERT OR IGNORE INTO record VALUES ({marks})", record).rowcount  # noqa: S608  # question marks
    if added:
        rows = [(*name, record.leaf_index) for name in names]
        db.executemany("INSERT OR IGNORE INTO alias VALUES (?, ?, ?)", rows)
        if record.title is not None:
            _add_words(db, record.leaf_index, record.title)


def add_citation(db: sqlite3.Connection, cited: Name, leaf_index: int) -> None:
    """Add that an event cites what has this name."""
    db.execute("INSERT OR IGNORE INTO citation VALUES (?, ?, ?)", (*cited, leaf_index))


def add_title(db: sqlite3.Connection, record: Record, title: str) -> None:
    """Give a record that has no title its own. The caller has checked that it is."""
    changed = db.execute(
        "UPDATE record SET title = ? WHERE leaf_index = ? AND title IS NULL",
        (title, record.leaf_index),
    ).rowcount
    if changed:
        _add_words(db, record.leaf_index, title)


def _add_words(db: sqlite3.Connection, leaf_index: int, title: str) -> None:
    db.execute("INSERT INTO words (rowid, title) VALUES (?, ?)", (leaf_index + 1, title))


def find_suffix(db: sqlite3.Connection, beginning: str, limit: int) -> list[Record]:
    """Return up to `limit` records whose number begins so, in the order of their numbers."""
    # "~" comes after every letter and digit of base32.
    return _records(
        db,
        f"SELECT {_RECORD} FROM record WHERE suffix >= ? AND suffix < ? ORDER BY suffix LIMIT ?",  # noqa: S608  # names of ours
        (beginning, f"{beginning}~", limit),
    )


def find_alias(db: sqlite3.Connection, kind: str, value: str, limit: int) -> list[Record]:
    """Return up to `limit` records with this name of a kind, newest first."""
    return _records(
        db,
        f"SELECT {_RECORD} FROM record WHERE leaf_index IN"  # noqa: S608
        " (SELECT leaf_index FROM alias WHERE value = ? AND kind = ?)"
        " ORDER BY leaf_index DESC LIMIT ?",
        (value, kind, limit),
    )


def find_words(db: sqlite3.Connection, words: Sequence[str]) -> list[Record]:
    """Return the CANDIDATES newest records whose title has all of these words, in any form.

    Ranking every match of a common word would take seconds; the newest are found at once.
    """
    # In double quotes nothing is syntax to FTS5.
    query = " ".join('"' + word.replace('"', '""') + '"' for word in words)
    found = db.execute(
        "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?",
        (query, CANDIDATES),
    )
    indices = [row_id - 1 for (row_id,) in found]
    return [record for index in indices for record in find_leaf(db, index)]


def find_leaf(db: sqlite3.Connection, leaf_index: int) -> list[Record]:
    """Return the record that was created by this event, or nothing."""
    return _records(
        db,
        f"SELECT {_RECORD} FROM record WHERE leaf_index = ?",  # noqa: S608
        (leaf_index,),
    )


def find_citations(db: sqlite3.Connection, names: Iterable[Name], limit: int) -> list[int]:
    """Return up to `limit` leaves that cite what has one of these names, newest first."""
    found = {
        leaf_index
        for name in names
        for (leaf_index,) in db.execute(
            "SELECT leaf_index FROM citation WHERE value = ? AND kind = ?"
            " ORDER BY leaf_index DESC LIMIT ?",
            (*name, limit),
        )
    }
    return sorted(found, reverse=True)[:limit]


def read_untitled(db: sqlite3.Connection, start: int, limit: int) -> list[Record]:
    """Return up to `limit` records from leaf `start` on of which no title is known, in order."""
    return _records(
        db,
        f"SELECT {_RECORD} FROM record WHERE title IS NULL AND leaf_index >= ?"  # noqa: S608
        " ORDER BY leaf_index LIMIT ?",
        (start, limit),
    )


def newest(db: sqlite3.Connection, limit: int) -> list[Record]:
    """Return the records that were created last, the last first."""
    return _records(
        db,
        f"SELECT {_RECORD} FROM record ORDER BY leaf_index DESC LIMIT ?",  # noqa: S608
        (limit,),
    )


def _records(db: sqlite3.Connection, statement: str, values: Sequence[str | int]) -> list[Record]:
    return [Record(*row) for row in db.execute(statement, values)]
