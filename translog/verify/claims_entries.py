"""Claims about what a log has in its tree: entries that are wrong, or that nobody was to write."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

from translog.errors import MalformedError, TranslogError, VerificationError
from translog.formats.cosigned import CosignedCheckpoint
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256, verify_signature
from translog.pith import shape
from translog.pith.key import fingerprint_hex
from translog.pith.kinds.decisions import KEY_COMPROMISED, KEY_REVOKED
from translog.verify.claims import (
    EVIDENCE,
    Logged,
    Verdict,
    blame,
    hex_bytes,
    optional,
    optional_bytes,
)
from translog.verify.events import check_event
from translog.verify.findings import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidEntry:
    """A log has an entry that no log may have: no entry at all, signed by nobody, or no event.

    Attributes:
        logged: the entry in a signed tree.
        public_key: the key that the entry names, or None where it names none.
        content: the content it commits to; None where the fault is in the entry alone.
    """

    kind: ClassVar[str] = "invalid-entry"
    names: ClassVar[frozenset[str]] = frozenset({"logged", "public_key", "content"})

    logged: Logged
    public_key: bytes | None
    content: bytes | None

    def members(self) -> dict[str, Any]:
        return {
            "logged": self.logged.to_json(),
            "public_key": None if self.public_key is None else self.public_key.hex(),
            "content": optional(self.content),
        }

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "InvalidEntry":
        key = None if members["public_key"] is None else hex_bytes(members, "public_key")
        return cls(
            logged=Logged.read(members, "logged"),
            public_key=key,
            content=optional_bytes(members, "content"),
        )

    def check(self, accused: Trust) -> Verdict:
        head = self.logged.open(accused)
        fault = self.fault()
        if fault is None:
            raise VerificationError("evidence: nothing is wrong with the entry")
        return Verdict(
            grade="proof",
            sentence=f"{head.origin} has as entry {self.logged.proof.index}, in its tree of "
            f"{head.size} entries, what no log may have: {fault}",
            limits=("who wrote it: nobody signed it as it is",),
            accused=blame(head),
        )

    def fault(self) -> TranslogError | None:
        """Return what is wrong with the entry, or None.

        Raises:
            VerificationError: key or content are not those of the entry: they show nothing.
        """
        try:
            entry = Entry.parse(self.logged.entry)
        except MalformedError as error:
            if self.public_key is not None or self.content is not None:
                raise VerificationError("evidence: what is no entry names no key") from error
            return error
        key = self.public_key
        if key is None or key_sha256(key) != entry.key_sha256:
            raise VerificationError("evidence: public_key is not the one that the entry names")
        if self.content is not None and sha256(self.content).digest() != entry.content_sha256:
            raise VerificationError("evidence: content is not the one that the entry commits to")
        try:
            if self.content is None:
                verify_signature(key, entry.content_sha256, entry.signature)
            else:
                check_event(self.content, entry, {entry.key_sha256: key})
        except (MalformedError, VerificationError) as error:
            return error
        return None


COMPROMISED = "compromised-key"
REVOKED = "revoked-key"
REASONS = {
    "unknown-key": "the key was never allowed",
    REVOKED: "the key had been revoked",
    COMPROMISED: "the key had been in other hands, and cannot be allowed again",
    "not-permitted": "the key was not allowed this event",
}
# What the log must have stated, where its statement is given.
_STATED = {REVOKED: KEY_REVOKED, COMPROMISED: KEY_COMPROMISED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenEntry:
    """A log has an entry by a key that may not write it, by what the log had stated before.

    docs/formats/registry.md. That it has the entry is proved. That nothing it stated allows the
    entry, only the whole log shows; but what it stated of a key in other hands is for ever.

    Attributes:
        logged: the entry in a signed tree.
        public_key: who signed it.
        reason: one of REASONS.
        decision: for a key that was revoked or in other hands, the log's statement of it, with a
            smaller index; else None.
        content: that statement's content, or None.
    """

    kind: ClassVar[str] = "forbidden-entry"
    names: ClassVar[frozenset[str]] = frozenset(
        {"logged", "public_key", "reason", "decision", "content"}
    )

    logged: Logged
    public_key: bytes
    reason: str
    decision: Logged | None = None
    content: bytes | None = None

    def members(self) -> dict[str, Any]:
        return {
            "logged": self.logged.to_json(),
            "public_key": self.public_key.hex(),
            "reason": self.reason,
            "decision": None if self.decision is None else self.decision.to_json(),
            "content": optional(self.content),
        }

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "ForbiddenEntry":
        reason = shape.text(members, "reason", EVIDENCE)
        if reason not in REASONS:
            raise MalformedError(f"evidence reason is {reason[:40]!r}, want one of {[*REASONS]}")
        given = members["decision"] is not None
        if given != (members["content"] is not None) or (given and reason not in _STATED):
            raise MalformedError("evidence decision and content go together, with a revoked key")
        return cls(
            logged=Logged.read(members, "logged"),
            public_key=hex_bytes(members, "public_key"),
            reason=reason,
            decision=Logged.read(members, "decision") if given else None,
            content=optional_bytes(members, "content"),
        )

    def check(self, accused: Trust) -> Verdict:
        head = self.logged.open(accused)
        entry = Entry.parse(self.logged.entry)
        if key_sha256(self.public_key) != entry.key_sha256:
            raise VerificationError("evidence: public_key is not the one that the entry names")
        verify_signature(self.public_key, entry.content_sha256, entry.signature)
        fingerprint = fingerprint_hex(self.public_key)
        place = f"{head.origin} has as entry {self.logged.proof.index}, in its tree of {head.size}"
        signed = f"{place} entries, one that key {fingerprint} signed"
        if self.decision is None or self.content is None:
            return Verdict(
                grade="report",
                sentence=signed,
                limits=(f"that it may not: the reporter says that {REASONS[self.reason]}",),
                accused=blame(head),
            )
        stated, by = self._check_decision(self.decision, self.content, head, accused)
        final = self.reason == COMPROMISED
        return Verdict(
            grade="proof" if final else "report",
            sentence=f"{signed}, after it had stated as entry {self.decision.proof.index} that "
            f"{REASONS[self.reason]}",
            limits=() if final else ("that it did not allow the key again in between",),
            accused=frozenset({by}) if blame(head, stated) == {by} else blame(head, stated) | {by},
        )

    def _check_decision(
        self, decision: Logged, content: bytes, head: CosignedCheckpoint, accused: Trust
    ) -> tuple[CosignedCheckpoint, str]:
        """Check that the log itself stated the reason before; return its head and key for that."""
        stated = decision.open(accused)
        entry = Entry.parse(decision.entry)
        own = {key_sha256(key.public_key): key for key in accused.policy.keys_of(head.origin)}
        key = own.get(entry.key_sha256)
        if key is None or stated.origin != head.origin:
            raise VerificationError("evidence: the decision is not signed by the log's own key")
        event = check_event(content, entry, {entry.key_sha256: key.public_key})
        if (
            event.event_type != _STATED[self.reason]
            or event.subject != head.origin
            or event.value["payload"]["public_key_fingerprint"] != fingerprint_hex(self.public_key)
            or decision.proof.index >= self.logged.proof.index
        ):
            raise VerificationError(f"evidence: {event.event_id} does not state it of this key")
        return stated, key.vkey
