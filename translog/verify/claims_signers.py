"""Claims about who signs events: a key that signed two of which only one may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from translog.errors import VerificationError
from translog.pith import event as pith_event
from translog.pith import shape
from translog.pith.event import RECORD_CREATED, Event
from translog.pith.key import find
from translog.verify.claims import EVIDENCE, Verdict
from translog.verify.findings import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerEquivocation:
    """One key signed two events about a record that contradict: docs/formats/merge.md, section 2.

    Attributes:
        one, other: the events, whole, as JSON values.
    """

    kind: ClassVar[str] = "signer-equivocation"
    names: ClassVar[frozenset[str]] = frozenset({"one", "other"})

    one: Mapping[str, Any]
    other: Mapping[str, Any]

    def members(self) -> dict[str, Any]:
        return {"one": self.one, "other": self.other}

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "SignerEquivocation":
        return cls(
            one=shape.mapping(members, "one", EVIDENCE),
            other=shape.mapping(members, "other", EVIDENCE),
        )

    def check(self, accused: Trust) -> Verdict:
        one, key = _opened(self.one, accused)
        other, other_key = _opened(self.other, accused)
        if key != other_key or one.subject != other.subject:
            raise VerificationError(
                f"evidence: {one.event_id} and {other.event_id} are not by one key about one record"
            )
        return Verdict(
            grade="proof",
            sentence=f"{accused.named(one.signer.fingerprint)} signed two events {_why(one, other)}"
            f" about {one.subject}: {one.event_id} and {other.event_id}",
            limits=("which of the two was signed first: an event's times are its signer's word",),
            accused=frozenset({key.hex()}),
        )


def contradict(one: Event, other: Event) -> bool:
    """Tell whether at most one of two events about one record, by one key, should be there."""
    if one.event_id == other.event_id:
        return False
    if one.event_type == other.event_type == RECORD_CREATED:
        return True
    previous = one.value["prev_event"]
    return previous is not None and previous == other.value["prev_event"]


def _why(one: Event, other: Event) -> str:
    if not contradict(one, other):
        raise VerificationError(
            f"evidence: {one.event_id} and {other.event_id} do not contradict each other"
        )
    if one.event_type == other.event_type == RECORD_CREATED:
        return "that create the record"
    return f"after the same one, {one.value['prev_event']},"


def _opened(value: Mapping[str, Any], accused: Trust) -> tuple[Event, bytes]:
    event = pith_event.from_value(value)
    key = find(accused.ring, event.signer.fingerprint)
    pith_event.verify(event, key)
    pith_event.check_subject(event)
    return event, key
