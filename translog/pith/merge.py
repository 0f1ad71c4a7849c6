"""The deterministic merge, pith-open-graph-merge-v1: docs/formats/merge.md.

A state is a function of the *set* of events: not of their order, nor of how often each is given.
Everything that is decided about one event alone comes first (is it valid?), then what is decided
between events (do they contradict, does one replace another?), and sorting comes last.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

from translog.errors import CompromisedKeyError, SubjectError, TranslogError
from translog.formats.canonical import canonical, canonical_without
from translog.formats.strict import shown
from translog.pith.event import (
    RECORD_CREATED,
    Event,
    check_subject,
    from_value,
    verify,
)
from translog.pith.key import find, keyring
from translog.pith.kinds import correction, key_rotated
from translog.pith.record import canonical_sha256
from translog.pith.shape import is_event_id

MERGE_VERSION = "pith-open-graph-merge-v1"
NONE: Mapping[str, Collection[str]] = MappingProxyType({})
# The lists of a state that hold the events of a type.
LISTED_TYPES: Mapping[str, str] = {
    "graph_snapshot": "graph_snapshots",
    "author_attestation": "author_attestations",
    "timestamp_anchor": "timestamp_anchors",
    "storage_attestation": "storage_attestations",
    "citation_signature": "citation_signatures",
    "replication_record": "replication_records",
    "correction": "corrections",
    "mirror_hint": "mirror_hints",
}


class Examined(NamedTuple):
    """What can be told of an event apart from whose keys count, found once.

    Attributes:
        value: the whole event.
        event: it, read; or why it is none.
        signature: why its signature is not its key's, if it is not. None too for a key unknown.
        subject: why it is not right about this record, if it is not.
    """

    value: Any
    event: Event | TranslogError
    signature: TranslogError | None = None
    subject: TranslogError | None = None


def merge(
    pith_number: str,
    canonical_record: Mapping[str, Any],
    source_aliases: Iterable[Mapping[str, str]],
    events: Iterable[Mapping[str, Any]],
    keys: Iterable[bytes],
    *,
    rotations: Iterable[Event] = (),
    disowned: Mapping[str, Collection[str]] = NONE,
) -> dict[str, Any]:
    """Return the state of a record, `state_sha256` included.

    Args:
        pith_number: the record's.
        canonical_record: the record, checked by the caller to have this number.
        source_aliases: copied into the state.
        events: whole events as JSON values, in any order, valid or not.
        keys: the public keys whose events count. All others are invalid, as `unknown-key`.
        rotations: verified `key_rotated` events, by which one signer has several of these keys.
        disowned: fingerprint of a compromised key to the ids of those of its events that its
            holder may not have signed.
    """
    ring = keyring(keys)
    digest = canonical_sha256(canonical_record).hex()
    examined = [examine(value, ring, pith_number, digest) for value in events]
    state = merge_examined(
        pith_number,
        canonical_record,
        source_aliases,
        examined,
        ring,
        rotations=rotations,
        disowned=disowned,
    )
    return {**state, "state_sha256": state_sha256(state)}


def merge_examined(
    pith_number: str,
    canonical_record: Mapping[str, Any],
    source_aliases: Iterable[Mapping[str, str]],
    events: Iterable[Examined],
    ring: Mapping[str, bytes],
    *,
    rotations: Iterable[Event] = (),
    disowned: Mapping[str, Collection[str]] = NONE,
) -> dict[str, Any]:
    """Return the state less its hash, of events that were examined, perhaps with more keys.

    Args:
        ring: `keyring` of the keys whose events count.
    """
    signer_of = signers(rotations)
    valid: dict[str, Event] = {}
    invalid: dict[str, dict[str, Any]] = {}
    for examined in events:
        try:
            event = judge(examined, ring)
            if event.event_id in disowned.get(event.signer.fingerprint, ()):
                raise CompromisedKeyError(
                    f"event {event.event_id} is by key {event.signer.fingerprint}, compromised"
                )
        except TranslogError as error:
            refusal = _invalid_event(examined.value, error)
            invalid[refusal["event_sha256"]] = refusal
        else:
            valid[event.event_id] = event
    equivocations = _equivocations(valid.values(), signer_of)
    contradicted = {event_id for each in equivocations for event_id in each["event_ids"]}
    applied = sorted(
        (event for event_id, event in valid.items() if event_id not in contradicted), key=order
    )
    return {
        "state_type": "pith_open_graph_state",
        "state_version": "1.0",
        "pith_number": pith_number,
        "merge_version": MERGE_VERSION,
        "event_count": len(valid) + len(invalid),
        "valid_event_count": len(valid),
        "invalid_event_count": len(invalid),
        "equivocation_count": len(equivocations),
        "current": {
            "canonical_record": canonical_record,
            "source_aliases": list(source_aliases),
            **_current(applied, signer_of),
        },
        "equivocations": equivocations,
        "invalid_events": [invalid[event_sha256] for event_sha256 in sorted(invalid)],
        "applied_event_ids": [event.event_id for event in applied],
    }


def state_sha256(state: Mapping[str, Any]) -> str:
    """Return the hash that a state with these members has to state."""
    return sha256(canonical_without(state, {"state_sha256"})).hexdigest()


def examine(
    value: Any,
    keys: Mapping[str, bytes],
    pith_number: str,
    record_sha256: str,
    *,
    exact: bool = False,
) -> Examined:
    """Look at an event once, for all who ask under some of `keys`.

    Args:
        value: a whole event.
        keys: `keyring` of every key that will count for anyone.
        pith_number: the record's.
        record_sha256: its hash, in hex.
        exact: as in `event.from_value`.
    """
    try:
        event = from_value(value, exact=exact)
    except TranslogError as error:
        return Examined(value, error)
    signature = subject = None
    try:
        if event.signer.fingerprint in keys:
            verify(event, keys[event.signer.fingerprint])
    except TranslogError as error:
        signature = error
    try:
        _check_about(event, pith_number, record_sha256)
    except TranslogError as error:
        subject = error
    return Examined(value, event, signature, subject)


def _check_about(event: Event, pith_number: str, record_sha256: str) -> None:
    check_subject(event)
    if event.subject != pith_number:
        raise SubjectError(f"event is about {shown(event.subject)}, want {pith_number}")
    if event.event_type == RECORD_CREATED:
        found = event.value["payload"]["canonical_sha256"]
        if found != record_sha256:
            raise SubjectError(f"event creates record {found}, want {record_sha256}")


def judge(examined: Examined, ring: Mapping[str, bytes]) -> Event:
    """Return an event if it is valid for those for whom the keys of `ring` count.

    Raises:
        TranslogError: of a class whose `code` is the reason why it is not.
    """
    event = examined.event
    if isinstance(event, TranslogError):
        raise event
    find(ring, event.signer.fingerprint)
    for wrong in (examined.signature, examined.subject):
        if wrong is not None:
            raise wrong
    return event


def signers(rotations: Iterable[Event]) -> Callable[[str], str]:
    """Return what tells a signer from the fingerprint of a key.

    One signer is one key, and all that took over one from another: named by the lowest of their
    fingerprints. `signer_id` is only what the holder of a key writes there, and decides nothing.

    Args:
        rotations: verified `key_rotated` events, in any order.
    """
    lower: dict[str, str] = {}

    def lowest(fingerprint: str) -> str:
        while fingerprint in lower:
            fingerprint = lower[fingerprint]
        return fingerprint

    for rotation in rotations:
        new = key_rotated.new_key(rotation.value["payload"]).fingerprint
        one, other = sorted((lowest(rotation.signer.fingerprint), lowest(new)))
        if one != other:
            lower[other] = one
    return lowest


def replaced(event: Event) -> list[str]:
    """Return the ids of the events that this one takes the place of, or takes back."""
    ids = list(event.value["supersedes"])
    if event.event_type == correction.TYPE:
        retracted = correction.retracted(event.value["payload"])
        ids += [] if retracted is None else [retracted]
    return ids


def order(event: Event) -> tuple[bool, str, str]:
    """Sort key of applied events: the creation of the record first, then by time and id."""
    return event.event_type != RECORD_CREATED, event.created_at, event.event_id


def _invalid_event(value: Any, error: TranslogError) -> dict[str, Any]:
    """Say what was refused and why. The hash names it: the id it states may be wrong, or none."""
    stated = value.get("event_id") if isinstance(value, Mapping) else None
    return {
        "event_sha256": sha256(canonical(value)).hexdigest(),
        "event_id": stated if is_event_id(stated) else None,
        "reason": error.code,
    }


def _equivocations(valid: Iterable[Event], signer_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return the groups of events of which at most one should have been signed."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for event in valid:
        if event.event_type == RECORD_CREATED:
            groups[RECORD_CREATED, "", ""].append(event.event_id)
        prev_event = event.value["prev_event"]
        if prev_event is not None:
            signer = signer_of(event.signer.fingerprint)
            groups["prev_event", signer, prev_event].append(event.event_id)
    return [
        {
            "kind": kind,
            "public_key_fingerprint": fingerprint or None,
            "prev_event": prev_event or None,
            "event_ids": sorted(event_ids),
        }
        for (kind, fingerprint, prev_event), event_ids in sorted(groups.items())
        if len(event_ids) > 1
    ]


def _current(applied: Iterable[Event], signer_of: Callable[[str], str]) -> dict[str, Any]:
    """Return what the events say now: each in the list of its type, less what was taken back."""
    applied = list(applied)
    removed = {
        (signer_of(event.signer.fingerprint), event_id)
        for event in applied
        for event_id in replaced(event)
    }
    current: dict[str, Any] = {RECORD_CREATED: None, **{name: [] for name in LISTED_TYPES.values()}}
    for event in applied:
        if (signer_of(event.signer.fingerprint), event.event_id) in removed:
            continue
        item = {
            "event_id": event.event_id,
            "target": event.value["target"],
            "created_at": event.created_at,
            "signer": event.value["signer"],
            "payload": event.value["payload"],
        }
        if event.event_type == RECORD_CREATED:
            current[RECORD_CREATED] = item
        elif event.event_type in LISTED_TYPES:
            current[LISTED_TYPES[event.event_type]].append(item)
    return current
