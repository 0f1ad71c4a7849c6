"""A Bitcoin block as payloads name it: its height, and the 80 bytes that its hash is of.

Spec: docs/formats/events/time_beacon.md. What can be seen without any other block is checked here.
Whether the block is in the chain is a question for whoever has headers (`bitcoin`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from translog.errors import HashError, MalformedError
from translog.formats.strict import shown
from translog.pith import shape
from translog.pith.kinds import members

NETWORKS = frozenset({"mainnet", "regtest"})
HEADER_BYTES = 80
NAMES = frozenset({"height", "block_hash", "header_hex", "header_time"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_AT = 68  # in the header, where four bytes are its time


def check_block(block: Mapping[str, Any], what: str) -> int:
    """Check the members NAMES of `block`, which has them all; return its height.

    Raises:
        MalformedError: one is not of its kind.
        HashError: hash or time are not the header's.
    """
    height = members.integer(block, "height", what)
    header = bytes.fromhex(shape.hex_digits(block, "header_hex", HEADER_BYTES, what))
    want = hash_and_time(header)
    for name in ("block_hash", "header_time"):
        if block[name] != want[name]:
            raise HashError(f"{what} {name} is {shown(block[name])}, the header has {want[name]}")
    return height


def hash_and_time(header: bytes) -> dict[str, str]:
    """Return what a header of 80 bytes says of itself."""
    seconds = int.from_bytes(header[_TIME_AT : _TIME_AT + 4], "little")
    time = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return {
        "block_hash": sha256(sha256(header).digest()).digest()[::-1].hex(),
        "header_time": f"{time.isoformat()}Z",
    }


def build_block(height: int, header: bytes) -> dict[str, Any]:
    """Return the members for the block with this header, of 80 bytes."""
    if len(header) != HEADER_BYTES:
        raise MalformedError(f"header has {len(header)} bytes, want {HEADER_BYTES}")
    return {"height": height, "header_hex": header.hex(), **hash_and_time(header)}
