"""Claims about what a log has in its tree: entries that are wrong, or that nobody was to write."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

from translog.errors import MalformedError, TranslogError, VerificationError
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256, verify_signature
from translog.pith import shape
from translog.pith.key import fingerprint_hex
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


REASONS = {
    "unknown-key": "the key was never allowed",
    "revoked-key": "the key had been revoked",
    "forbidden-type": "the key was not allowed events of this type",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenEntry:
    """A log has an entry by a key that may not write it.

    That it has the entry is proved. Who may write is in no signed structure that the entry's own
    head covers, so that it was forbidden is what the reporter was told.

    Attributes:
        logged: the entry in a signed tree.
        public_key: who signed it.
        reason: one of REASONS.
    """

    kind: ClassVar[str] = "forbidden-entry"
    names: ClassVar[frozenset[str]] = frozenset({"logged", "public_key", "reason"})

    logged: Logged
    public_key: bytes
    reason: str

    def members(self) -> dict[str, Any]:
        return {
            "logged": self.logged.to_json(),
            "public_key": self.public_key.hex(),
            "reason": self.reason,
        }

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "ForbiddenEntry":
        reason = shape.text(members, "reason", EVIDENCE)
        if reason not in REASONS:
            raise MalformedError(f"evidence reason is {reason[:40]!r}, want one of {[*REASONS]}")
        return cls(
            logged=Logged.read(members, "logged"),
            public_key=hex_bytes(members, "public_key"),
            reason=reason,
        )

    def check(self, accused: Trust) -> Verdict:
        head = self.logged.open(accused)
        entry = Entry.parse(self.logged.entry)
        if key_sha256(self.public_key) != entry.key_sha256:
            raise VerificationError("evidence: public_key is not the one that the entry names")
        verify_signature(self.public_key, entry.content_sha256, entry.signature)
        return Verdict(
            grade="report",
            sentence=f"{head.origin} has as entry {self.logged.proof.index}, in its tree of "
            f"{head.size} entries, one that key {fingerprint_hex(self.public_key)} signed",
            limits=(f"that it may not have it: the reporter says that {REASONS[self.reason]}",),
            accused=blame(head),
        )
