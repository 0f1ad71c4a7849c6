"""`correction`: something said of a record is wrong. An erratum says what; a retraction takes back.

Spec: docs/formats/events/correction.md. Whoever may write corrections may write errata about
anything; a retraction has an effect on the signer's own events only (docs/formats/merge.md).
"""

from collections.abc import Mapping
from typing import Any

from translog.pith import shape
from translog.pith.kinds import members
from translog.pith.record import PithNumber

TYPE = "correction"
ERRATUM = "erratum"
RETRACTION = "retraction"
ACTIONS = frozenset({ERRATUM, RETRACTION})

_PAYLOAD = frozenset({"action", "corrected_event", "field", "reason"})


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload, or raise MalformedError."""
    shape.exact(payload, _PAYLOAD, TYPE)
    action = members.choice(payload, "action", TYPE, ACTIONS)
    # Without an event, it is the record itself that has an error. A record cannot be taken back:
    # its number is its content.
    if action == RETRACTION or payload["corrected_event"] is not None:
        shape.event_id(payload, "corrected_event", TYPE)
    members.optional(shape.label, payload, "field", TYPE)
    if not members.text(payload, "reason", TYPE):
        members.refuse("", "reason", TYPE, "a reason")


def retracted(payload: Mapping[str, Any]) -> str | None:
    """Return the event that a correction takes back, if it does."""
    return payload["corrected_event"] if payload["action"] == RETRACTION else None


def build(
    *, action: str, reason: str, corrected_event: str | None = None, field: str | None = None
) -> dict[str, Any]:
    """Return the payload."""
    return {
        "action": action,
        "corrected_event": corrected_event,
        "field": field,
        "reason": reason,
    }
