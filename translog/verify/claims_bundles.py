"""Claims about bundles: one that hides what is logged, and one that drops what it had."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

from translog.errors import ConflictError, TranslogError, VerificationError
from translog.formats.entry import Entry
from translog.formats.proof import TlogProof
from translog.formats.strict import format_base64, parse_base64
from translog.pith import bundle as pith_bundle
from translog.pith import event as pith_event
from translog.pith import shape
from translog.pith.bundle import Bundle
from translog.pith.event import Event
from translog.pith.key import find
from translog.pith.succession import event_ids, succeed
from translog.verify.claims import EVIDENCE, Logged, Verdict, blame, in_words, moment
from translog.verify.findings import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenEvent:
    """A signed bundle about a record lacks an event about it that is logged.

    A bundle says in no member which tree it was made from. It is a proof where the log signed the
    bundle itself, and the bundle shows that the log's tree was larger than the event's index:
    by a proof in it, or by an event in it that has a later index.

    Attributes:
        bundle: its bytes.
        content: the hidden event's content.
        hidden: its entry in the log.
        later: the entry of an event in the bundle with a later index, or None.
        found_at: when it was served so, in POSIX seconds: the reporter's word.
    """

    kind: ClassVar[str] = "hidden-event"
    names: ClassVar[frozenset[str]] = frozenset(
        {"bundle", "content", "hidden", "later", "found_at"}
    )

    bundle: bytes
    content: bytes
    hidden: Logged
    later: Logged | None
    found_at: int

    def members(self) -> dict[str, Any]:
        return {
            "bundle": format_base64(self.bundle),
            "content": format_base64(self.content),
            "hidden": self.hidden.to_json(),
            "later": None if self.later is None else self.later.to_json(),
            "found_at": self.found_at,
        }

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "HiddenEvent":
        texts = {name: shape.text(members, name, EVIDENCE) for name in ("bundle", "content")}
        return cls(
            bundle=parse_base64(texts["bundle"], "evidence bundle"),
            content=parse_base64(texts["content"], "evidence content"),
            hidden=Logged.read(members, "hidden"),
            later=None if members["later"] is None else Logged.read(members, "later"),
            found_at=moment(members, "found_at"),
        )

    def check(self, accused: Trust) -> Verdict:
        head = self.hidden.open(accused)
        bundle = pith_bundle.parse(self.bundle)
        key = find(accused.ring, bundle.signature.fingerprint)
        bundle.signature.verify(bundle.content_sha256, key)
        event = self._event()
        if event.subject != bundle.pith_number or event.event_id in event_ids(bundle):
            raise VerificationError(
                f"evidence: {event.event_id} about {event.subject} is not hidden by this bundle "
                f"about {bundle.pith_number}"
            )
        by_log = [each.vkey for each in head.log_keys if each.public_key == key]
        shown = self._shows_it_knew(bundle, accused, head.origin)
        place = f"entry {self.hidden.proof.index} of {head.origin}"
        return Verdict(
            grade="proof" if by_log and shown else "report",
            sentence=f"a bundle about {event.subject}, signed by "
            f"{accused.named(bundle.signature.fingerprint)}, lacks {event.event_id}, {place}",
            limits=()
            if by_log and shown
            else (
                "that the event was logged before the bundle was made, which was found at"
                f" {in_words(self.found_at)}",
            ),
            accused=frozenset(by_log) if by_log else blame(head) | {key.hex()},
        )

    def _event(self) -> Event:
        entry = Entry.parse(self.hidden.entry)
        computed = sha256(self.content).digest()
        if computed != entry.content_sha256:
            raise VerificationError("evidence: content is not the one that the entry commits to")
        return pith_event.from_content(self.content, computed, entry.signature)

    def _shows_it_knew(self, bundle: Bundle, accused: Trust, origin: str) -> bool:
        """Tell whether the bundle holds something of a tree that has the hidden event."""
        index = self.hidden.proof.index
        if any(size > index for size in tree_sizes(bundle, accused, origin)):
            return True
        if self.later is None:
            return False
        later = self.later.open(accused)
        named = Entry.parse(self.later.entry).content_sha256
        if (
            later.origin != origin
            or self.later.proof.index <= index
            or pith_event.event_id(named) not in event_ids(bundle)
        ):
            raise VerificationError("evidence: later is no later event of the bundle")
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedEvent:
    """A registry signed a bundle with an event, and a later one about the same record without.

    Attributes:
        earlier: the bytes of the bundle that has it.
        later: of the one that does not, and says that it was made after, or in the same second.
    """

    kind: ClassVar[str] = "dropped-event"
    names: ClassVar[frozenset[str]] = frozenset({"earlier", "later"})

    earlier: bytes
    later: bytes

    def members(self) -> dict[str, Any]:
        return {"earlier": format_base64(self.earlier), "later": format_base64(self.later)}

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "DroppedEvent":
        texts = {name: shape.text(members, name, EVIDENCE) for name in ("earlier", "later")}
        return cls(
            earlier=parse_base64(texts["earlier"], "evidence earlier"),
            later=parse_base64(texts["later"], "evidence later"),
        )

    def check(self, accused: Trust) -> Verdict:
        earlier, later = (pith_bundle.parse(raw) for raw in (self.earlier, self.later))
        try:
            dropped = succeed(earlier, later).dropped
        except ConflictError as error:
            raise VerificationError(f"evidence: {error}") from error
        if not dropped:
            raise VerificationError("evidence: the later bundle has all events of the earlier")
        key = find(accused.ring, earlier.signature.fingerprint)
        for bundle in (earlier, later):
            bundle.signature.verify(bundle.content_sha256, key)
        return Verdict(
            grade="proof",
            sentence=f"{accused.named(earlier.signature.fingerprint)} signed a bundle about"
            f" {earlier.pith_number} at {earlier.built_at} with {dropped[0]} in it, and one at"
            f" {later.built_at} without",
            limits=(),
            accused=frozenset({key.hex()}),
        )


def tree_sizes(bundle: Bundle, accused: Trust, origin: str) -> Iterator[int]:
    """Yield the sizes of the log's signed heads in a bundle's timestamp proofs."""
    for stamp in bundle.value["timestamp_proofs"]:
        text = stamp.get("tlog_proof")
        if type(text) is not str:
            continue
        try:
            proof = TlogProof.parse(text.encode())
            head = accused.open_checkpoint(proof.checkpoint)
        except TranslogError:
            continue  # whatever it is, it shows nothing
        if head.origin == origin:
            yield head.size
