"""Rows of the registry: the keys that may write, or once might. What they mean: pith/permits."""

import json
import sqlite3
from typing import Any

from translog.formats.canonical import parse
from translog.pith.key import PithKey
from translog.pith.permits import Permit

MAX_COLUMN_BYTES = 1 << 20

SignerRow = Permit


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
        "SELECT key_json, signer_id, event_types, allowed_at, revoked_at, held_types, subjects,"
        " allowed_index, ended_index, rotated_from, rotation_index, rotated_to,"
        " compromised_since, compromise_index FROM signer ORDER BY allowed_at, fingerprint"
    )
    return [
        Permit(
            PithKey.from_json(_parse(key_json)),
            signer_id,
            frozenset(_parse(types)),
            allowed_at,
            revoked_at,
            frozenset(_parse(held_types)),
            None if subjects is None else frozenset(_parse(subjects)),
            *rest,
        )
        for (
            key_json,
            signer_id,
            types,
            allowed_at,
            revoked_at,
            held_types,
            subjects,
            *rest,
        ) in rows
    ]


def _parse(column: str) -> Any:
    return parse(column.encode(), limit=MAX_COLUMN_BYTES)


def write_signer(db: sqlite3.Connection, row: SignerRow) -> None:
    """Add a key, or replace what it may do."""
    key, signer_id, types, allowed_at, revoked_at, held_types, subjects, *rest = row
    db.execute(
        "INSERT OR REPLACE INTO signer (fingerprint, public_key, key_json, signer_id, event_types,"
        " allowed_at, revoked_at, held_types, subjects, allowed_index, ended_index, rotated_from,"
        " rotation_index, rotated_to, compromised_since, compromise_index)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key.fingerprint,
            key.public_key,
            json.dumps(key.to_json()),
            signer_id,
            json.dumps(sorted(types)),
            allowed_at,
            revoked_at,
            json.dumps(sorted(held_types)),
            None if subjects is None else json.dumps(sorted(subjects)),
            *rest,
        ),
    )
    db.execute("UPDATE log SET registry_version = registry_version + 1")
