"""Keys as a log lists them, in bundles and for everyone: what each one was allowed, and until when.

All of it follows from the log: what a row of the registry says stands in an event, and bundles
carry those events that others need to compute the same state.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from translog.formats.entry import Entry
from translog.pith.event import MAX_EVENT_BYTES, RECORD_CREATED, restore
from translog.pith.key import PithKey
from translog.pith.listed import ListedKey
from translog.pith.permits import Permit, iso
from translog.store import log, registry
from translog.store.bodies import from_micros, unpack
from translog.store.database import Connection


def listed_keys(
    db: Connection, size: int, events: Sequence[tuple[int, Mapping[str, Any]]], own: PithKey
) -> list[ListedKey]:
    """Return the keys that some events need, and what happened to each up to `size`; `own` last.

    Args:
        size: of the checkpoint: what was decided past it is not said.
        events: of one record, each with its index.
        own: the log's.
    """
    permits = {row.key.fingerprint: row for row in registry.read_signers(db)}
    wrote = {event["signer"]["public_key_fingerprint"] for _, event in events}
    needed = [
        permit
        for fingerprint, permit in permits.items()
        if fingerprint in _with_older(permits, wrote, size) and fingerprint != own.fingerprint
    ]
    return [*(_listed(db, size, permit, events) for permit in needed), ListedKey(key=own)]


def _with_older(permits: Mapping[str, Permit], wanted: set[str], size: int) -> set[str]:
    """Return these keys, and those that they took over from."""
    found = set(wanted)
    for fingerprint in wanted:
        permit = permits.get(fingerprint)
        while permit is not None and _is_before(permit.rotation_index, size):
            older = permit.rotated_from or ""
            if older in found:
                break
            found.add(older)
            permit = permits.get(older)
    return found


def _listed(
    db: Connection, size: int, permit: Permit, events: Sequence[tuple[int, Mapping[str, Any]]]
) -> ListedKey:
    rotation = compromise = None
    disowned: Iterable[str] = ()
    if _is_before(permit.rotation_index, size):
        rotation = _event_at(db, permit.rotation_index)
    if _is_before(permit.compromise_index, size) and permit.compromised_since is not None:
        compromise = _event_at(db, permit.compromise_index)
        disowned = sorted(
            event["event_id"]
            for index, event in events
            if index >= permit.compromised_since
            and event["signer"]["public_key_fingerprint"] == permit.key.fingerprint
        )
    return ListedKey(
        key=permit.key, rotation=rotation, compromise=compromise, disowned=tuple(disowned)
    )


def _is_before(index: int | None, size: int) -> bool:
    return index is not None and index < size


def _event_at(db: Connection, index: int | None) -> dict[str, Any]:
    (leaf,) = log.read_leaves(db, index or 0, 1)
    content = unpack(leaf.body, limit=MAX_EVENT_BYTES)
    return restore(content, Entry.parse(leaf.entry).signature, from_micros(leaf.signed_at))


def registry_keys(db: Connection) -> list[dict[str, Any]]:
    """Return the keys that create records here, or once did, the newest first."""
    rows = [row for row in registry.read_signers(db) if RECORD_CREATED in row.event_types]
    return [validity(row) for row in reversed(rows)]


def validity(permit: Permit) -> dict[str, Any]:
    """Return a key in JSON, with what it may do and from when until when."""
    return {
        **permit.key.to_json(),
        "signer_id": permit.signer_id,
        "event_types": sorted(permit.event_types),
        "status": _status(permit),
        "valid_from": iso(permit.allowed_at),
        "valid_from_index": permit.allowed_index,
        "valid_until": None if permit.revoked_at is None else iso(permit.revoked_at),
        "valid_until_index": permit.ended_index,
        "rotated_from": permit.rotated_from,
        "rotated_to": permit.rotated_to,
        "compromised_since_index": permit.compromised_since,
    }


def _status(permit: Permit) -> str:
    if permit.compromised_since is not None:
        return "compromised"
    if permit.rotated_to is not None:
        return "rotated"
    return "active" if permit.revoked_at is None else "revoked"
