"""What a log's operator decides, each decision an event signed with the log's own key.

Spec: docs/formats/events, docs/formats/registry.md. From these, and from the `key_rotated` events
of the keys themselves, anyone can compute who was allowed what at each index (`pith/permits`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from translog.pith import shape
from translog.pith.key import FINGERPRINT_BYTES, PithKey
from translog.pith.kinds import members
from translog.pith.record import parse_pith_number

KEY_ALLOWED = "key_allowed"
KEY_REVOKED = "key_revoked"
KEY_COMPROMISED = "key_compromised"
EVENT_ACCEPTED = "event_accepted"
EVENT_REFUSED = "event_refused"
MAX_SUBJECTS = 10_000

_ALLOWED = frozenset({"public_key", "signer_id", "event_types", "held_types", "subjects"})
_REVOKED = frozenset({"public_key_fingerprint", "reason"})
_COMPROMISED = _REVOKED | {"since_index"}
_JUDGED = _REVOKED | {"event_id"}


def check_allowed(payload: Mapping[str, Any], origin: str, fingerprint: str) -> None:
    """Check the payload of a `key_allowed`.

    Raises:
        MalformedError: it is not one.
        HashError: the key's fingerprint is another key's.
    """
    shape.exact(payload, _ALLOWED, KEY_ALLOWED)
    PithKey.from_json(payload["public_key"])
    shape.label(payload, "signer_id", KEY_ALLOWED)
    types = members.labels(payload, "event_types", KEY_ALLOWED)
    if not types:
        members.refuse(types, "event_types", KEY_ALLOWED, "at least one")
    held = members.labels(payload, "held_types", KEY_ALLOWED)
    if not set(held) <= set(types):
        members.refuse(held, "held_types", KEY_ALLOWED, "some of event_types")
    if payload["subjects"] is not None:
        _check_subjects(payload)


def _check_subjects(payload: Mapping[str, Any]) -> None:
    subjects = shape.array(payload, "subjects", KEY_ALLOWED)
    if not 1 <= len(subjects) <= MAX_SUBJECTS:
        members.refuse(subjects, "subjects", KEY_ALLOWED, f"null, or 1 to {MAX_SUBJECTS}")
    for subject in subjects:
        parse_pith_number(subject)
    if subjects != sorted(set(subjects)):
        members.refuse(subjects, "subjects", KEY_ALLOWED, "them in ascending order, each once")


def check_revoked(payload: Mapping[str, Any], origin: str, fingerprint: str) -> None:
    """Check the payload of a `key_revoked`, or raise MalformedError."""
    shape.exact(payload, _REVOKED, KEY_REVOKED)
    _check_key_and_reason(payload, KEY_REVOKED)


def check_compromised(payload: Mapping[str, Any], origin: str, fingerprint: str) -> None:
    """Check the payload of a `key_compromised`, or raise MalformedError."""
    shape.exact(payload, _COMPROMISED, KEY_COMPROMISED)
    _check_key_and_reason(payload, KEY_COMPROMISED)
    members.integer(payload, "since_index", KEY_COMPROMISED)


def _judged(event_type: str) -> Callable[[Mapping[str, Any], str, str], None]:
    def check(payload: Mapping[str, Any], origin: str, fingerprint: str) -> None:
        """Check the payload, or raise MalformedError."""
        shape.exact(payload, _JUDGED, event_type)
        _check_key_and_reason(payload, event_type)
        shape.event_id(payload, "event_id", event_type)

    return check


check_accepted = _judged(EVENT_ACCEPTED)
check_refused = _judged(EVENT_REFUSED)


def _check_key_and_reason(payload: Mapping[str, Any], what: str) -> None:
    shape.hex_digits(payload, "public_key_fingerprint", FINGERPRINT_BYTES, what)
    members.text(payload, "reason", what)


def build_allowed(
    *,
    key: PithKey,
    signer_id: str,
    event_types: Iterable[str],
    held_types: Iterable[str] = (),
    subjects: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Return the payload of a `key_allowed`.

    Args:
        signer_id: the one name under which the key may write.
        event_types: what it may write.
        held_types: those of them that wait until each event is accepted.
        subjects: the Pith Numbers it may write about; None for all.
    """
    return {
        "public_key": key.to_json(),
        "signer_id": signer_id,
        "event_types": sorted(set(event_types)),
        "held_types": sorted(set(held_types)),
        "subjects": None if subjects is None else sorted(set(subjects)),
    }


def build_revoked(*, fingerprint: str, reason: str = "") -> dict[str, Any]:
    """Return the payload of a `key_revoked`."""
    return {"public_key_fingerprint": fingerprint, "reason": reason}


def build_compromised(*, fingerprint: str, since_index: int, reason: str = "") -> dict[str, Any]:
    """Return the payload of a `key_compromised`.

    Args:
        since_index: of the first entry for which the key's holder may not stand.
    """
    return {
        "public_key_fingerprint": fingerprint,
        "since_index": since_index,
        "reason": reason,
    }


def build_judged(*, event_id: str, fingerprint: str, reason: str = "") -> dict[str, Any]:
    """Return the payload of an `event_accepted` or an `event_refused`.

    Args:
        fingerprint: of the key that signed the event.
    """
    return {"event_id": event_id, "public_key_fingerprint": fingerprint, "reason": reason}
