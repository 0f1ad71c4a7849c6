"""A witness's rows: the logs it knows, the newest head it cosigned of each, and what contradicts.

One database a witness, apart from any log's. Trusted: who can write here can make us cosign a
fork.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from translog.errors import ConflictError
from translog.formats.merkle import HASH_BYTES, Hash
from translog.formats.policy import LogKey, parse_log_key
from translog.formats.witnessing import NEVER, Inconsistency, Kind, Witnessed
from translog.store import database
from translog.store.schema import Schema, making

MAX_KEPT = 1_000
"""Contradictions kept of one log and kind. A log can sign any number; the first are the best."""

TABLES = (
    # The logs whose heads are cosigned; a row is changed by compare-and-swap with each of them.
    """
    CREATE TABLE witnessed (
        origin TEXT PRIMARY KEY,
        origin_sha256 BLOB NOT NULL UNIQUE CHECK (length(origin_sha256) = 32),
        size INTEGER NOT NULL CHECK (size >= 0),
        root BLOB NOT NULL CHECK (length(root) = 32),
        time INTEGER NOT NULL CHECK (time >= 0),
        note BLOB NOT NULL
    ) STRICT
    """,
    # Their keys, as vkeys. A key is of one log.
    """
    CREATE TABLE witnessed_key (
        vkey TEXT PRIMARY KEY,
        origin TEXT NOT NULL REFERENCES witnessed (origin)
    ) STRICT
    """,
    # Heads that a trusted key signed and that do not go with what was cosigned.
    """
    CREATE TABLE inconsistency (
        one INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        origin TEXT NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL CHECK (length(root) = 32),
        found BLOB NOT NULL,
        cosigned BLOB NOT NULL,
        proof BLOB NOT NULL,
        kept_at INTEGER NOT NULL,
        UNIQUE (kind, origin, size, root)
    ) STRICT
    """,
)


SCHEMA = Schema(
    "witness",
    "translog_witness",
    {"0001_witness": making(*TABLES)},
    # A copy would not know what was cosigned since, and would have us cosign the opposite.
    "no copy may take its place: begin again with new keys and a new name, docs/operating.md",
)

_reading = partial(database.translated, "database", SCHEMA.remedy)


class Kept(NamedTuple):
    """An inconsistency, and when it was found."""

    inconsistency: Inconsistency
    kept_at: int


class Records:
    """A witness's database, from being opened to `close`. One thread writes."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one durable transaction: see `database.transaction`."""
        with database.transaction(self._db, SCHEMA.remedy):
            yield

    @property
    def version(self) -> int:
        """A number that changes when somebody else has written."""
        with _reading():
            found: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return found

    def read(self, origin: str) -> Witnessed:
        """Return what was cosigned last of a log; NEVER for one that is not known, too."""
        with _reading():
            row = self._db.execute(
                "SELECT size, root, time, note FROM witnessed WHERE origin = ?", (origin,)
            ).fetchone()
        return Witnessed(*row) if row else NEVER

    def read_note(self, origin_sha256: bytes) -> bytes:
        """Return the note that was cosigned last of the log with that hash; empty for none."""
        with _reading():
            row = self._db.execute(
                "SELECT note FROM witnessed WHERE origin_sha256 = ?", (origin_sha256,)
            ).fetchone()
        return row[0] if row else b""

    def replace(self, origin: str, old: Witnessed, new: Witnessed) -> None:
        """Remember a new head in place of `old`.

        Raises:
            ConflictError: it is not `old` that is remembered: somebody else wrote. Roll back.
        """
        changed = self._db.execute(
            "UPDATE witnessed SET size = ?, root = ?, time = ?, note = ?"
            " WHERE origin = ? AND size = ? AND root = ? AND time = ?",
            (*new, origin, *old[:3]),
        ).rowcount
        if changed != 1:
            raise ConflictError(f"log {origin[:80]!r} is not where it was: another process wrote")
        # What lacked a proof has one now.
        self._db.execute(
            "DELETE FROM inconsistency WHERE kind = ? AND origin = ? AND size = ? AND root = ?",
            (Kind.NO_PROOF.value, origin, new.size, new.root),
        )

    def keep(self, found: Inconsistency, now: int) -> None:
        """Keep a contradiction, once, while there are not too many of its kind already."""
        self._db.execute(
            "INSERT OR IGNORE INTO inconsistency"
            " (kind, origin, size, root, found, cosigned, proof, kept_at)"
            " SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE"
            " (SELECT count(*) FROM inconsistency WHERE kind = ? AND origin = ?) < ?",
            (
                *(found.kind.value, *found[1:6], b"".join(found.proof), now),
                *(found.kind.value, found.origin, MAX_KEPT),
            ),
        )

    def add_key(self, origin: str, vkey: str) -> bool:
        """Let a key sign for a log, which becomes known by it; return whether that is new."""
        self._db.execute(
            "INSERT OR IGNORE INTO witnessed VALUES (?, ?, ?, ?, ?, ?)",
            (origin, sha256(origin.encode()).digest(), *NEVER),
        )
        return (
            self._db.execute(
                "INSERT OR IGNORE INTO witnessed_key VALUES (?, ?)", (vkey, origin)
            ).rowcount
            == 1
        )

    def remove_key(self, vkey: str) -> bool:
        """Let a key sign no more, and keep what was cosigned; return whether it could."""
        return self._db.execute("DELETE FROM witnessed_key WHERE vkey = ?", (vkey,)).rowcount == 1

    def read_keys(self) -> list[tuple[str, str]]:
        """Return (origin, vkey) for every key, in order."""
        with _reading():
            return self._db.execute(
                "SELECT origin, vkey FROM witnessed_key ORDER BY origin, vkey"
            ).fetchall()

    def read_trusted(self) -> dict[str, list[LogKey]]:
        """Return the keys that may sign for each log, by its origin."""
        trusted: dict[str, list[LogKey]] = {}
        for origin, vkey in self.read_keys():
            trusted.setdefault(origin, []).append(parse_log_key(vkey))
        return trusted

    def read_all(self) -> list[tuple[str, Witnessed]]:
        """Return every log that was ever added, and what was cosigned last of it, in order."""
        with _reading():
            rows = self._db.execute(
                "SELECT origin, size, root, time, note FROM witnessed ORDER BY origin"
            ).fetchall()
        return [(origin, Witnessed(*rest)) for origin, *rest in rows]

    def read_inconsistencies(self) -> list[Kept]:
        """Return what contradicts, oldest first."""
        with _reading():
            rows = self._db.execute(
                "SELECT kind, origin, size, root, found, cosigned, proof, kept_at"
                " FROM inconsistency ORDER BY one"
            ).fetchall()
        return [
            Kept(
                Inconsistency(
                    Kind(kind), origin, size, Hash(root), found, cosigned, _hashes(proof)
                ),
                kept_at,
            )
            for kind, origin, size, root, found, cosigned, proof, kept_at in rows
        ]


def _hashes(joined: bytes) -> tuple[Hash, ...]:
    return tuple(Hash(joined[at : at + HASH_BYTES]) for at in range(0, len(joined), HASH_BYTES))
