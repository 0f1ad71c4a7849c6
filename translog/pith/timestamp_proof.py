"""What stands in a bundle's `timestamp_proofs`: docs/formats/timestamps.md, "In bundles".

Two kinds: the timestamp of one event of the bundle, through the log's tree into Bitcoin; and a
beacon, an event of the log that names a block, after which others were logged. What can be seen
of one alone is checked here, and nothing of it is verified.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from translog.errors import MalformedError
from translog.formats.strict import format_base64, parse_base64
from translog.pith import shape
from translog.pith.kinds import block, members
from translog.pith.kinds.timestamp_anchor import MAX_ATTESTATIONS, MAX_OTS_BYTES

OPENTIMESTAMPS = "opentimestamps"
TIME_BEACON = "time_beacon"
VERSION = "1.0"
STATUSES = frozenset({"pending", "confirmed", "final"})
MAX_TLOG_PROOF_CHARS = 64 << 10
MAX_PROVED = 1_000  # events of one bundle whose timestamps are put in; a proof takes 5 KB

_PLACE = frozenset({"origin", "index", "tree_size", "root_hash", "tlog_proof"})
_OPENTIMESTAMPS = _PLACE | {
    "proof_type",
    "proof_version",
    "network",
    "event_id",
    "ots_b64",
    "status",
    "calendars",
    "attestations",
    "not_before",
}
_TIME_BEACON = _PLACE | {"proof_type", "proof_version", "event"}
_NOT_BEFORE = frozenset({"height", "block_hash"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an event is said to be in a log.

    Attributes:
        origin: the log's name.
        index: of the event's entry.
        size, root_hash: the tree head under which it is; the root in hex.
        tlog_proof: the text of a tlog-proof with that tree head's checkpoint.
    """

    origin: str
    index: int
    size: int
    root_hash: str
    tlog_proof: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any], what: str) -> "Place":
        """Read the members of `value` that say it; others are left to the caller."""
        size = members.integer(value, "tree_size", what, 1)
        index = members.integer(value, "index", what)
        if index >= size:
            members.refuse(index, "index", what, f"one below the tree's size, {size}")
        text = shape.text(value, "tlog_proof", what)
        if len(text) > MAX_TLOG_PROOF_CHARS:
            raise MalformedError(
                f"{what} tlog_proof has {len(text)} characters, want {MAX_TLOG_PROOF_CHARS} at most"
            )
        return cls(
            origin=shape.label(value, "origin", what),
            index=index,
            size=size,
            root_hash=shape.hex_digits(value, "root_hash", 32, what),
            tlog_proof=text,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "origin": self.origin,
            "index": self.index,
            "tree_size": self.size,
            "root_hash": self.root_hash,
            "tlog_proof": self.tlog_proof,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacon:
    """A block as others name it: after it, an event was logged."""

    height: int
    block_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampProof:
    """The timestamp of one event, as a bundle states it.

    Attributes:
        network: whose blocks are meant; the timestamp itself does not say.
        event_id: the event's.
        place: where it is in the log.
        ots: the content of a .ots file about the event's canonical content.
        status: "pending" (promised by calendars), "confirmed" or "final".
        calendars: who was asked.
        blocks: height and header of 80 bytes of each block that was found to hold it.
        not_before: the block of the last beacon before the event, if there is one.
    """

    network: str
    event_id: str
    place: Place
    ots: bytes
    status: str
    calendars: tuple[str, ...]
    blocks: tuple[tuple[int, bytes], ...]
    not_before: Beacon | None

    @classmethod
    def from_json(cls, value: Any) -> "TimestampProof":
        """Read what `to_json` writes.

        Raises:
            MalformedError: any other value.
            HashError: a block's hash or time are not its header's.
        """
        what = OPENTIMESTAMPS
        shape.exact(value, _OPENTIMESTAMPS, what)
        shape.constant(value, "proof_type", OPENTIMESTAMPS, what)
        shape.constant(value, "proof_version", VERSION, what)
        calendars = shape.array(value, "calendars", what)
        for calendar in calendars:
            members.url({"calendar": calendar}, "calendar", what)
        status = members.choice(value, "status", what, STATUSES)
        blocks = _blocks(value, what)
        if bool(blocks) != (status != "pending"):
            raise MalformedError(f"{what} is {status}, and has {len(blocks)} attestations")
        return cls(
            network=members.choice(value, "network", what, block.NETWORKS),
            event_id=shape.event_id(value, "event_id", what),
            place=Place.from_json(value, what),
            ots=_ots(value, what),
            status=status,
            calendars=tuple(calendars),
            blocks=blocks,
            not_before=_not_before(value["not_before"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the form that stands in a bundle."""
        before = self.not_before
        return {
            "proof_type": OPENTIMESTAMPS,
            "proof_version": VERSION,
            "network": self.network,
            "event_id": self.event_id,
            **self.place.to_json(),
            "ots_b64": format_base64(self.ots),
            "status": self.status,
            "calendars": list(self.calendars),
            "attestations": [block.build_block(*each) for each in self.blocks],
            "not_before": before and {"height": before.height, "block_hash": before.block_hash},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconProof:
    """A beacon that stands in a bundle, since events of the bundle come after it.

    Attributes:
        event: the whole event, as a JSON value, unchecked.
        place: where it is in the log.
    """

    event: Mapping[str, Any]
    place: Place

    @classmethod
    def from_json(cls, value: Any) -> "BeaconProof":
        """Read what `to_json` writes.

        Raises:
            MalformedError: any other value. The event's own members are left to the caller.
        """
        shape.exact(value, _TIME_BEACON, TIME_BEACON)
        shape.constant(value, "proof_type", TIME_BEACON, TIME_BEACON)
        shape.constant(value, "proof_version", VERSION, TIME_BEACON)
        return cls(
            event=shape.mapping(value, "event", TIME_BEACON),
            place=Place.from_json(value, TIME_BEACON),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the form that stands in a bundle."""
        return {
            "proof_type": TIME_BEACON,
            "proof_version": VERSION,
            **self.place.to_json(),
            "event": dict(self.event),
        }


Proof = TimestampProof | BeaconProof


def parse(value: Any) -> Proof | None:
    """Read one of a bundle's `timestamp_proofs`; None if it is of a kind that is not known.

    Raises:
        MalformedError, HashError: it is of a known kind, and is not right.
    """
    kind = value.get("proof_type") if type(value) is dict else None
    if kind == OPENTIMESTAMPS:
        return TimestampProof.from_json(value)
    return BeaconProof.from_json(value) if kind == TIME_BEACON else None


def _blocks(value: Mapping[str, Any], what: str) -> tuple[tuple[int, bytes], ...]:
    listed = shape.array(value, "attestations", what)
    if len(listed) > MAX_ATTESTATIONS:
        raise MalformedError(f"{what} has {len(listed)} attestations, want {MAX_ATTESTATIONS}")
    for each in listed:
        block.check_block(shape.exact(each, block.NAMES, "attestation"), "attestation")
    blocks = tuple((each["height"], bytes.fromhex(each["header_hex"])) for each in listed)
    _ascending([height for height, _ in blocks], what)
    return blocks


def _ascending(heights: Sequence[int], what: str) -> None:
    if list(heights) != sorted(set(heights)):
        raise MalformedError(f"{what} attestations have heights {heights}, want them ascending")


def _ots(value: Mapping[str, Any], what: str) -> bytes:
    encoded = shape.text(value, "ots_b64", what)
    if len(encoded) > MAX_OTS_BYTES // 3 * 4 + 4:
        raise MalformedError(
            f"{what} ots_b64 has {len(encoded)} characters, want {MAX_OTS_BYTES} bytes at most"
        )
    return parse_base64(encoded, "ots_b64")


def _not_before(value: Any) -> Beacon | None:
    if value is None:
        return None
    shape.exact(value, _NOT_BEFORE, "not_before")
    return Beacon(
        height=members.integer(value, "height", "not_before"),
        block_hash=shape.hex_digits(value, "block_hash", 32, "not_before"),
    )
