"""Claims about anchors: a log that had another tree timestamped than the one it signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from translog.errors import VerificationError
from translog.formats.checkpoint import Checkpoint
from translog.formats.merkle import Hash
from translog.pith import event as pith_event
from translog.pith import shape
from translog.pith.event import Event
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import timestamp_anchor
from translog.verify.claims import EVIDENCE, Verdict, hash_list, hex_list, note_of
from translog.verify.claims_heads import contradiction
from translog.verify.findings import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class ContradictingAnchor:
    """A log states in a signed event that one tree was anchored, and signed the head of another.

    Attributes:
        anchor: a `timestamp_anchor` event by the log's own key, whole, as a JSON value.
        checkpoint: the head's note.
        hashes: as in `claims_heads.contradiction`, for the larger of the two trees.
    """

    kind: ClassVar[str] = "contradicting-anchor"
    names: ClassVar[frozenset[str]] = frozenset({"anchor", "checkpoint", "hashes"})

    anchor: Mapping[str, Any]
    checkpoint: bytes
    hashes: tuple[Hash, ...] = ()

    def members(self) -> dict[str, Any]:
        return {
            "anchor": self.anchor,
            "checkpoint": self.checkpoint.decode(),
            "hashes": hex_list(self.hashes),
        }

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "ContradictingAnchor":
        return cls(
            anchor=shape.mapping(members, "anchor", EVIDENCE),
            checkpoint=note_of(members, "checkpoint"),
            hashes=hash_list(members, "hashes"),
        )

    def check(self, accused: Trust) -> Verdict:
        head = accused.open_checkpoint(self.checkpoint)
        event = pith_event.from_value(self.anchor)
        # The log's own key signs what the log states. Anybody else's word about it is only that.
        own = [
            key
            for key in head.log_keys
            if fingerprint_hex(key.public_key) == event.signer.fingerprint
        ]
        if not own:
            raise VerificationError(
                f"evidence: the anchor is signed by key {event.signer.fingerprint}, "
                f"and the head by others of {head.origin}"
            )
        pith_event.verify(event, own[0].public_key)
        pith_event.check_subject(event)
        tree = anchored(event, head.origin)
        old, new = sorted((tree, head), key=lambda each: each.size)
        found = contradiction(old, new, self.hashes)
        return Verdict(
            grade="proof",
            sentence=f"{head.origin} states in {event.event_id} that another tree was anchored "
            f"than the one it signed: {found}",
            limits=("whether the anchor is in a block: its proof is not looked at",),
            accused=frozenset({own[0].vkey}),
        )


def anchored(event: Event, origin: str) -> Checkpoint:
    """Return the tree that a `timestamp_anchor` event is about, whose payload was checked.

    Raises:
        VerificationError: it is no such event, or about another log.
    """
    payload = event.value["payload"]
    if event.event_type != timestamp_anchor.TYPE or payload["origin"] != origin:
        raise VerificationError(f"evidence: {event.event_id} is no anchor of {origin}")
    root = Hash(bytes.fromhex(payload["root_hash"]))
    return Checkpoint(origin=origin, size=payload["tree_size"], root=root)
