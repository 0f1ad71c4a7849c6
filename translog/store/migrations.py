"""The log's schema, step by step. Each step commits together with the record of itself.

Other databases have a `Schema` of their own, beside the code that knows their rows.
"""

import sqlite3
from typing import NamedTuple

from sqlite_utils import Database, Migrations

STEPS = {"0001_log", "0003_titles"}

migrations = Migrations("translog")


class Schema(NamedTuple):
    """What a kind of database is called, and the steps that make it."""

    noun: str
    migrations: Migrations
    steps: set[str]


LOG_SCHEMA = Schema("log", migrations, STEPS)


@migrations(name="0001_log")
def log(db: Database) -> None:
    """Make the tables of a log.

    Trusted: who can write here can make us sign a fork. (Not unnoticed: the copy of the last
    signed head, `fsck`, and everyone who kept a checkpoint would tell.)
    """
    for statement in LOG:
        db.execute(statement)


@migrations(name="0003_titles")
def titles(db: Database) -> None:
    """Make the table of given texts. Not trusted: each can be compared with a hash in the log."""
    db.execute(TITLES)


def apply_migrations(connection: sqlite3.Connection, schema: Schema) -> None:
    """Bring the schema up to date."""
    schema.migrations.apply(_database(connection))


def is_current(connection: sqlite3.Connection, schema: Schema) -> bool:
    """Say whether every step has been applied, and none that this version does not know."""
    return _applied(connection, schema) == schema.steps


def has_any(connection: sqlite3.Connection, schema: Schema) -> bool:
    """Say whether it is a database of this kind at all, of whatever version."""
    return bool(_applied(connection, schema))


def _applied(connection: sqlite3.Connection, schema: Schema) -> set[str]:
    return {step.name for step in schema.migrations.applied(_database(connection))}


def _database(connection: sqlite3.Connection) -> Database:
    # Without plugins: what happens to be installed beside us has no business in a log.
    return Database(connection, recursive_triggers=False, execute_plugins=False)


LOG = (
    # Who this log is: one row, written once.
    """
    CREATE TABLE log (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        origin TEXT NOT NULL,
        public_key BLOB NOT NULL CHECK (length(public_key) = 32),
        registry_version INTEGER NOT NULL,
        body_dictionary BLOB NOT NULL
    ) STRICT
    """,
    # The tree as it stands: one row, changed by compare-and-swap with every batch.
    """
    CREATE TABLE head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        size INTEGER NOT NULL CHECK (size >= 0),
        root BLOB NOT NULL CHECK (length(root) = 32)
    ) STRICT
    """,
    # One row a leaf. `body` is the event's canonical content in a zstd frame, and `signed_at`
    # (microseconds) the one member of an event that is in neither the content nor the entry.
    """
    CREATE TABLE leaf (
        leaf_index INTEGER PRIMARY KEY,
        entry BLOB NOT NULL CHECK (length(entry) = 129),
        signed_at INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT
    """,
    # The hashes of every eighth level of the tree, 64 a row, growing at the end: `log.read_tile`.
    """
    CREATE TABLE tile (
        row_id INTEGER PRIMARY KEY,
        hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 2048)
    ) STRICT
    """,
    # Where to find an event by its hash or its subject: docs/decisions/0004.
    *(
        f"""
        CREATE TABLE lookup_{age} (
            prefix INTEGER NOT NULL,
            leaf_index INTEGER NOT NULL,
            PRIMARY KEY (prefix, leaf_index)
        ) STRICT, WITHOUT ROWID
        """
        for age in ("new", "mid", "old")
    ),
    # Every head that was ever signed and shown.
    """
    CREATE TABLE checkpoint (
        size INTEGER PRIMARY KEY CHECK (size >= 0),
        note BLOB NOT NULL,
        signed_at INTEGER NOT NULL
    ) STRICT
    """,
    # The keys that may write, or once might. A row is never deleted: bundles need the old keys.
    """
    CREATE TABLE signer (
        fingerprint TEXT PRIMARY KEY,
        public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
        key_json TEXT NOT NULL,
        signer_id TEXT NOT NULL,
        event_types TEXT NOT NULL,
        allowed_at INTEGER NOT NULL,
        revoked_at INTEGER
    ) STRICT, WITHOUT ROWID
    """,
)

# What the metadata of a record called the work: the record holds the hashes of these. NULL where
# only the hash was given.
TITLES = """
    CREATE TABLE given_text (
        leaf_index INTEGER PRIMARY KEY,
        title TEXT,
        abstract TEXT
    ) STRICT
    """
