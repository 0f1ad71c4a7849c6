"""A key and what it may do, as commands show it."""

from typing import Any

from translog.pith.event import KEY_TYPES, RECORD_TYPES
from translog.pith.permits import Permit, iso

DEFAULT_TYPES = RECORD_TYPES | KEY_TYPES


def value_of(row: Permit) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "fingerprint": row.key.fingerprint,
        "signer_id": row.signer_id,
        "event_types": sorted(row.event_types),
        "held_types": sorted(row.held_types),
        "subjects": None if row.subjects is None else sorted(row.subjects),
        "allowed_at": iso(row.allowed_at),
        "allowed_index": row.allowed_index,
        "revoked_at": None if row.revoked_at is None else iso(row.revoked_at),
        "ended_index": row.ended_index,
        "rotated_from": row.rotated_from,
        "rotated_to": row.rotated_to,
        "compromised_since": row.compromised_since,
        "public_key": row.key.to_json(),
    }


def rows_of(row: Permit) -> list[tuple[str, str]]:
    """Return it for people."""
    every = row.event_types == DEFAULT_TYPES
    types = "every known type of event about a record" if every else _listed(row.event_types)
    rows = [
        ("Key", row.key.fingerprint),
        ("Name", f"{row.signer_id} ({row.key.key_id})"),
        ("May write" if row.revoked_at is None else "Wrote", types),
    ]
    if row.subjects is not None:
        rows.append(("About", _listed(row.subjects)))
    if row.held_types:
        rows.append(("Held", _listed(row.held_types)))
    rows.append(("Allowed", _at(row.allowed_at, row.allowed_index)))
    if row.rotated_from is not None:
        rows.append(("Took over", f"from {row.rotated_from}"))
    if row.revoked_at is not None:
        ended = "Revoked" if row.rotated_to is None else "Rotated"
        to = "" if row.rotated_to is None else f" to {row.rotated_to}"
        rows.append((ended, _at(row.revoked_at, row.ended_index) + to))
    if row.compromised_since is not None:
        rows.append(
            ("Lost", f"from entry {row.compromised_since} on, what it wrote does not count")
        )
    return rows


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _at(seconds: int, index: int | None) -> str:
    return iso(seconds) if index is None else f"{iso(seconds)}, by entry {index}"
