"""Rows of the registry: the keys that may write, or once might. What they mean: log/registry."""

import json
import sqlite3
from typing import Any, NamedTuple

from translog.formats.canonical import parse
from translog.pith.key import PithKey

MAX_COLUMN_BYTES = 1 << 20


class SignerRow(NamedTuple):
    """One key and what it may do.

    Attributes:
        key: the public key and what its owner says about it.
        signer_id: the one name under which it may write.
        event_types: what it may write.
        allowed_at: POSIX seconds.
        revoked_at: POSIX seconds, or None while it may write.
    """

    key: PithKey
    signer_id: str
    event_types: frozenset[str]
    allowed_at: int
    revoked_at: int | None


def read_version(db: sqlite3.Connection) -> int:
    """Return a number that grows with every change to the registry."""
    (version,) = db.execute("SELECT registry_version FROM log").fetchone()
    return int(version)


def read_signers(db: sqlite3.Connection) -> list[SignerRow]:
    """Return every key, revoked ones too, oldest first.

    Raises:
        MalformedError: a row is damaged.
    """
    rows = db.execute(
        "SELECT key_json, signer_id, event_types, allowed_at, revoked_at"
        " FROM signer ORDER BY allowed_at, fingerprint"
    )
    return [
        SignerRow(PithKey.from_json(_parse(key_json)), signer_id, frozenset(_parse(types)), *times)
        for key_json, signer_id, types, *times in rows
    ]


def _parse(column: str) -> Any:
    return parse(column.encode(), limit=MAX_COLUMN_BYTES)


def write_signer(db: sqlite3.Connection, row: SignerRow) -> None:
    """Add a key, or replace what it may do."""
    db.execute(
        "INSERT INTO signer VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (fingerprint) DO UPDATE SET key_json = excluded.key_json,"
        " signer_id = excluded.signer_id, event_types = excluded.event_types,"
        " allowed_at = excluded.allowed_at, revoked_at = excluded.revoked_at",
        (
            row.key.fingerprint,
            row.key.public_key,
            json.dumps(row.key.to_json()),
            row.signer_id,
            json.dumps(sorted(row.event_types)),
            row.allowed_at,
            row.revoked_at,
        ),
    )
    db.execute("UPDATE log SET registry_version = registry_version + 1")
