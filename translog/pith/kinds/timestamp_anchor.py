"""`timestamp_anchor`: an event of this record is in a Bitcoin block, and here is the proof.

Spec: docs/formats/events/timestamp_anchor.md. The proof is a stock OpenTimestamps file for the
event's canonical content: it leads through the log's tree into the blocks named beside it. What
can be seen without reading the file's operations or any chain of headers is checked here; the
rest is for those who verify timestamps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from translog.errors import HashError, MalformedError
from translog.formats.strict import format_base64, parse_base64
from translog.pith import shape
from translog.pith.kinds import block, members
from translog.pith.record import PithNumber

TYPE = "timestamp_anchor"
PROOF_TYPE = "opentimestamps"
PROOF_VERSION = "1.0"
MAX_OTS_BYTES = 64 << 10
MAX_ATTESTATIONS = 16

_PAYLOAD = frozenset(
    {
        "proof_type",
        "proof_version",
        "network",
        "event_id",
        "origin",
        "index",
        "tree_size",
        "root_hash",
        "ots_b64",
        "attestations",
        "not_before",
    }
)
_NOT_BEFORE = frozenset({"height", "block_hash"})
# A detached timestamp file: its magic, version 1, and that what follows is a SHA-256.
_OTS_HEAD = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94\x01\x08"


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload, but for the operations in the proof and the chain of its blocks.

    Raises:
        MalformedError: it is not one.
        HashError: the proof is of another event, or a block's hash or time are not its header's.
    """
    shape.exact(payload, _PAYLOAD, TYPE)
    shape.constant(payload, "proof_type", PROOF_TYPE, TYPE)
    shape.constant(payload, "proof_version", PROOF_VERSION, TYPE)
    members.choice(payload, "network", TYPE, block.NETWORKS)
    event_id = shape.event_id(payload, "event_id", TYPE)
    shape.label(payload, "origin", TYPE)
    size = members.integer(payload, "tree_size", TYPE, 1)
    if members.integer(payload, "index", TYPE) >= size:
        members.refuse(payload["index"], "index", TYPE, f"one below the tree's size, {size}")
    shape.hex_digits(payload, "root_hash", 32, TYPE)
    _check_ots(payload, event_id)
    lowest = _check_attestations(payload)
    if payload["not_before"] is not None:
        before = shape.exact(payload["not_before"], _NOT_BEFORE, "not_before")
        shape.hex_digits(before, "block_hash", 32, "not_before")
        if members.integer(before, "height", "not_before") >= lowest:
            members.refuse(before["height"], "height", "not_before", f"one below {lowest}")


def _check_ots(payload: Mapping[str, Any], event_id: str) -> None:
    encoded = shape.text(payload, "ots_b64", TYPE)
    if len(encoded) > MAX_OTS_BYTES // 3 * 4 + 4:
        raise MalformedError(
            f"{TYPE} ots_b64 has {len(encoded)} characters, want {MAX_OTS_BYTES} bytes at most"
        )
    ots = parse_base64(encoded, "ots_b64")
    start = len(_OTS_HEAD)
    if not ots.startswith(_OTS_HEAD) or len(ots) < start + 32:
        raise MalformedError(f"{TYPE} ots_b64 is not an OpenTimestamps proof of a SHA-256")
    stamped = f"sha256:{ots[start : start + 32].hex()}"
    if stamped != event_id:
        raise HashError(f"{TYPE} ots_b64 is the proof of {stamped}, want {event_id}")


def _check_attestations(payload: Mapping[str, Any]) -> int:
    """Return the lowest of the blocks' heights."""
    attestations = shape.array(payload, "attestations", TYPE)
    if not 1 <= len(attestations) <= MAX_ATTESTATIONS:
        raise MalformedError(
            f"{TYPE} has {len(attestations)} attestations, want 1 to {MAX_ATTESTATIONS}"
        )
    heights = [
        block.check_block(shape.exact(each, block.NAMES, "attestation"), "attestation")
        for each in attestations
    ]
    if heights != sorted(set(heights)):
        raise MalformedError(f"{TYPE} attestations have heights {heights}, want them ascending")
    return heights[0]


def build(
    *,
    network: str,
    event_id: str,
    origin: str,
    index: int,
    tree_size: int,
    root_hash: bytes,
    ots: bytes,
    blocks: Sequence[tuple[int, bytes]],
    not_before: tuple[int, str] | None,
) -> dict[str, Any]:
    """Return the payload.

    Args:
        event_id: of the event that is anchored.
        origin: of the log whose tree the proof leads through, with `index` and `tree_size`.
        ots: the proof.
        blocks: (height, header of 80 bytes) of each block that the proof ends in.
        not_before: (height, hash in hex) of the last beacon before the event, if there is one.
    """
    before = None
    if not_before is not None:
        height, block_hash = not_before
        before = {"height": height, "block_hash": block_hash}
    return {
        "proof_type": PROOF_TYPE,
        "proof_version": PROOF_VERSION,
        "network": network,
        "event_id": event_id,
        "origin": origin,
        "index": index,
        "tree_size": tree_size,
        "root_hash": root_hash.hex(),
        "ots_b64": format_base64(ots),
        "attestations": [block.build_block(*each) for each in sorted(blocks)],
        "not_before": before,
    }
