"""Drafts of events: what a signer adds to them, and what can be left to be added.

A draft is an event's content, of which whatever follows from the key or the moment may be left
out: who signs, when it was made, and in an `author_attestation` the author's key.
"""

from collections.abc import Mapping
from typing import Any

from translog.errors import MalformedError
from translog.formats.keys import SigningKey
from translog.pith.event import KEY_TYPES, ORIGIN_TYPES, check_subject, from_value, sign
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import author_attestation

TARGETS = {
    "graph_snapshot": "graph",
    **dict.fromkeys(ORIGIN_TYPES, "log"),
    **dict.fromkeys(KEY_TYPES, "key"),
}
RECORD = "record"  # what an event is about of its subject, where its type says nothing else


def draft(
    *,
    event_type: str,
    subject: str,
    payload: Mapping[str, Any],
    created_at: str,
    supersedes: tuple[str, ...] = (),
    prev_event: str | None = None,
) -> dict[str, Any]:
    """Return the draft of an event that is still to be signed."""
    return {
        "schema_version": "1.0",
        "event_type": event_type,
        "subject_pith_number": subject,
        "target": TARGETS.get(event_type, RECORD),
        "payload": dict(payload),
        "created_at": created_at,
        "supersedes": list(supersedes),
        "prev_event": prev_event,
    }


def complete(
    value: Any, key: SigningKey, *, signer_id: str, signer_type: str, key_id: str, signed_at: str
) -> dict[str, Any]:
    """Return the whole signed event of a draft.

    Args:
        value: the draft. What stands in it is kept.
        signed_at: YYYY-MM-DDTHH:MM:SS.ffffffZ; the event is as old, where the draft does not say.

    Raises:
        MalformedError: the draft is not one, or its payload not one of its type.
        VerificationError: it names another key, or what it says contradicts itself.
    """
    if type(value) is not dict or not {"event_type", "subject_pith_number", "payload"} <= set(
        value
    ):
        raise MalformedError(
            "draft is not an object with event_type, subject_pith_number and payload"
        )
    fingerprint = fingerprint_hex(key.public_key)
    whole = {
        "schema_version": "1.0",
        "target": TARGETS.get(str(value["event_type"]), RECORD),
        "signer": {
            "signer_id": signer_id,
            "signer_type": signer_type,
            "key_id": key_id,
            "public_key_fingerprint": fingerprint,
        },
        "created_at": f"{signed_at.partition('.')[0]}Z",
        "supersedes": [],
        "prev_event": None,
        **value,
    }
    payload = value["payload"]
    attests = value["event_type"] == author_attestation.TYPE and type(payload) is dict
    if attests and payload.get("author_public_key_hex") is None:
        whole["payload"] = {**payload, "author_public_key_hex": key.public_key.hex()}
    signed = sign(whole, key, signed_at)
    check_subject(from_value(signed))
    return signed
