"""What a monitor finds out about a log, and where it stands: docs/formats/monitor.md.

A fact is told once, however often it is found again: its identity is what it is about, and not how
or when it was found. A condition is something that lasts, such as silence: it becomes a fact when
it has lasted long enough, and may begin anew after it ended.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal

from translog.errors import MalformedError, TranslogError
from translog.formats import canonical
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.policy import Policy
from translog.verify.claims import Claim
from translog.verify.evidence import MAX_EVIDENCE_BYTES, Evidence
from translog.verify.findings import Trust
from translog.verify.state import AuditState

Severity = Literal["alarm", "warning", "notice"]
"""Somebody lied, or signed what may not be; something is missing or late; what was asked for."""

MAX_PENDING = 64  # heads of others that wait for comparison: a log can sign any number


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that was found out about a log.

    Attributes:
        kind: a word for programs.
        about: what makes it this fact and no other of its kind.
        severity: how bad it is.
        sentence: the same for people.
        evidence: what convinces others, or reports to them; None where there is nothing signed.
    """

    kind: str
    about: tuple[str, ...]
    severity: Severity
    sentence: str
    evidence: Evidence | None = None

    def id_in(self, origin: str) -> str:
        """Return the fact's identity, in hex, among those about all logs."""
        return sha256(canonical.canonical([origin, self.kind, *self.about])).hexdigest()

    def alert(self, origin: str, found_at: int) -> dict[str, Any]:
        """Return the form in which it is told."""
        return {
            "format": "translog-alert/v1",
            "id": self.id_in(origin),
            "origin": origin,
            "kind": self.kind,
            "severity": self.severity,
            "sentence": self.sentence,
            "found_at": found_at,
            "evidence": None
            if self.evidence is None
            else canonical.parse(self.evidence.encode(), limit=MAX_EVIDENCE_BYTES),
        }


def fact(
    kind: str,
    about: tuple[object, ...],
    severity: Severity,
    sentence: str,
    *,
    claim: Claim | None = None,
    accused: Trust | None = None,
) -> Fact:
    """Make a fact, with evidence where a claim holds with the keys of the accused.

    What a claim does not show to a stranger is left out: the fact is told all the same.
    """
    evidence = None
    if claim is not None and accused is not None:
        try:
            evidence = Evidence.make(claim, accused)
        except TranslogError as error:
            sentence = f"{sentence} (no evidence: {error})"
    return Fact(
        kind=kind,
        about=tuple(map(str, about)),
        severity=severity,
        sentence=sentence,
        evidence=evidence,
    )


def lasts(since: int, now: int, seconds: int) -> bool:
    """Tell whether something has lasted for so long. What began in the future, by a clock that was
    wrong, counts as long ago: else nobody would hear of it before then."""
    return abs(now - since) >= seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A head of the log that somebody else was shown, larger than any that we were.

    Attributes:
        note: as it was found, signed by the log.
        size: of its tree.
        root: in hex.
        place: where it was found.
        since: when, in POSIX seconds.
    """

    note: bytes
    size: int
    root: str
    place: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a monitor stands with one log. It changes only when what it covers was scanned.

    Attributes:
        state: the newest head that was believed, and how far the entries under it were scanned;
            None before the first.
        changed_at: when that head was first seen, in POSIX seconds.
        checked_at: when the log was last asked for what is done now and then.
        pending: heads of others that ours could not be compared with yet.
        conditions: what lasts, by its name: since when.
        judged: the entries of which it was asked whether they were permitted. Fewer than those
            scanned while the log withholds what it may have decided there.
    """

    state: AuditState | None = None
    changed_at: int = 0
    checked_at: int = 0
    pending: tuple[Pending, ...] = ()
    conditions: Mapping[str, int] = field(default_factory=dict)
    judged: int = 0

    @property
    def head(self) -> SignedCheckpoint | None:
        return None if self.state is None else self.state.checkpoint

    @property
    def size(self) -> int:
        """The entries scanned."""
        return 0 if self.state is None else self.state.size

    def not_after(self, now: int) -> "Position":
        """Return the position with no time in the future: after a clock was set back, what lasts
        has lasted since now, and is not forgotten until the clock has caught up."""
        return replace(
            self,
            changed_at=min(self.changed_at, now),
            checked_at=min(self.checked_at, now),
            pending=tuple(replace(each, since=min(each.since, now)) for each in self.pending),
            conditions={name: min(since, now) for name, since in self.conditions.items()},
        )

    def lasting(self, name: str, now: int) -> "Position":
        """Return the position in which a condition lasts since now, if it did not before."""
        if name in self.conditions:
            return self
        return replace(self, conditions={**self.conditions, name: now})

    def ended(self, *names: str) -> "Position":
        """Return the position in which none of these last."""
        if not any(name in self.conditions for name in names):
            return self
        rest = {name: since for name, since in self.conditions.items() if name not in names}
        return replace(self, conditions=rest)

    def to_json(self) -> bytes:
        """Return the position as it is stored."""
        value: dict[str, Any] = {
            "state": None if self.state is None else self.state.to_json().decode(),
            "changed_at": self.changed_at,
            "checked_at": self.checked_at,
            "pending": [
                {
                    "note": each.note.decode(),
                    "size": each.size,
                    "root": each.root,
                    "place": each.place,
                    "since": each.since,
                }
                for each in self.pending
            ],
            "conditions": dict(self.conditions),
        }
        if self.judged != self.size:
            value["judged"] = self.judged
        return json.dumps(value, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, raw: bytes, policy: Policy) -> "Position":
        """Read what `to_json` wrote: our own file, which holds nothing of strangers unverified.

        Raises:
            MalformedError: it is damaged.
            SignatureError: its head is signed by a key that the policy lists no more.
        """
        try:
            value = json.loads(raw)
            state = value["state"]
            state = None if state is None else AuditState.from_json(state.encode(), policy)
            position = cls(
                state=state,
                changed_at=value["changed_at"],
                checked_at=value["checked_at"],
                pending=tuple(
                    Pending(**{**each, "note": each["note"].encode()}) for each in value["pending"]
                ),
                conditions=value["conditions"],
                judged=value.get("judged", 0 if state is None else state.size),
            )
            if position.to_json() != raw:
                raise MalformedError("position is not in the form it is written in")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MalformedError(f"position is damaged: {error!r}") from error
        return position
