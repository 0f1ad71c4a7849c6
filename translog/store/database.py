"""SQLite as translog uses it: how a database is opened, and what a transaction is.

One idea: a transaction is the unit of everything. It either happened and is on disk, or it
did not happen; `synchronous=FULL` makes the commit return only after the fsync.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from translog.errors import ConflictError, MalformedError, UnavailableError
from translog.store.log_schema import LOG_SCHEMA
from translog.store.schema import Schema, has_any, has_tables, is_current

# Rows of 1 to 4 KB in pages of 16 KB: twice the rows a second of 4 KB pages, and less waste.
PAGE_BYTES = 16_384
CACHE_BYTES = 32 << 20  # a writer's: the index pages that every batch reads
READER_CACHE_BYTES = 2 << 20  # more makes no proof faster: the operating system keeps pages, too
CHECKPOINT_PAGES = 2_048  # 32 MB of write-ahead log before it is folded back
BUSY_SECONDS = 30.0

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

Connection = sqlite3.Connection
"""Under this name, what only passes a connection on need not know SQLite."""


def create(path: Path, schema: Schema = LOG_SCHEMA) -> sqlite3.Connection:
    """Make a new database with the current schema, or refuse when the file is there.

    After a crash half-way the file is there without a log in it: `init` names it.
    """
    if path.exists():
        raise ConflictError(f"{path} exists already")
    return _open(path, "rwc", schema)


def open_writer(path: Path, schema: Schema = LOG_SCHEMA) -> sqlite3.Connection:
    """Open for writing, and bring the schema up to date. The caller holds the log's lock."""
    return _open(path, "rw", schema)


def open_editor(path: Path, schema: Schema = LOG_SCHEMA) -> sqlite3.Connection:
    """Open for a small write beside a running log, such as a change to the registry of keys."""
    return _open(path, "rw", schema, migrate=False)


def open_reader(path: Path, schema: Schema = LOG_SCHEMA) -> sqlite3.Connection:
    """Open for reading only. It sees the last commit, and never waits for the writer."""
    # Not mode=ro: a reader of a WAL database writes its -shm file. Where nobody can write one, and
    # no -wal is left over, nobody writes to the log either: the file is all there is.
    settled = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    with _opening(path, "ro&immutable=1" if settled else "rw", schema) as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{READER_CACHE_BYTES // 1024}")
        _require_current(connection, path, schema)
    return connection


def _open(path: Path, mode: str, schema: Schema, *, migrate: bool = True) -> sqlite3.Connection:
    with _opening(path, mode, schema) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # counts for a new file only
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if migrate:
            _refuse_foreign(connection, path, schema)
            _bring_up_to_date(connection, schema)
        _require_current(connection, path, schema)
    return connection


@contextmanager
def _opening(path: Path, mode: str, schema: Schema) -> Iterator[sqlite3.Connection]:
    """Connect, and let go again if the block finds that it is not to be used."""
    with translated(path, schema.remedy):
        connection = _connect(path, mode)
        try:
            connection.execute(f"PRAGMA cache_size = -{CACHE_BYTES // 1024}")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            yield connection
        except BaseException:
            connection.close()
            raise


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,  # transactions begin where we say so
        check_same_thread=False,  # a connection is used by one thread at a time, not by one only
        cached_statements=256,
    )


def _refuse_foreign(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    """Refuse to make our tables in somebody else's database."""
    if has_tables(connection) and not has_any(connection, schema):
        raise MalformedError(f"{path} is a database of something else, and no {schema.noun}")


def _bring_up_to_date(connection: sqlite3.Connection, schema: Schema) -> None:
    if is_current(connection, schema):
        return
    # Here and not above: most processes need none of it, see `schema`.
    from translog.store.migrations import apply_migrations

    apply_migrations(connection, schema)


def _require_current(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    if is_current(connection, schema):
        return
    noun = schema.noun
    if not has_tables(connection):
        raise MalformedError(f"{path} is empty, and no {noun}: {schema.remedy}")
    if not has_any(connection, schema):
        raise MalformedError(f"{path} is a database of something else, and no {noun}")
    raise MalformedError(f"{path} is not a {noun} of this version: start its server once")


@contextmanager
def transaction(connection: sqlite3.Connection, remedy: str = LOG_SCHEMA.remedy) -> Iterator[None]:
    """Run the block as one durable transaction, alone: all of it is on disk, or none of it is.

    Raises:
        UnavailableError: the disk or another writer is in the way; nothing has changed. After
            a failed commit that is SQLite's promise to whoever opens the database next.
    """
    with translated("database", remedy):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # the first error is the one to tell
                connection.execute("ROLLBACK")
            raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Let several reads in the block see one and the same commit."""
    with translated("database"):
        connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


@contextmanager
def translated(what: object, remedy: str = LOG_SCHEMA.remedy) -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Args:
        what: the database, for people.
        remedy: what helps when it is damaged: its schema's.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        advice = f" (the file is damaged: {remedy})" if is_damage(error) else ""
        raise UnavailableError(f"{what}: {error}{advice}") from error


def is_damage(error: BaseException | None) -> bool:
    """Say whether SQLite's error means that the file itself is not what SQLite wrote."""
    if isinstance(error, UnicodeDecodeError):  # of its message, which quotes the damaged schema
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
