"""`time_beacon`: the newest final Bitcoin block that a log knew of when it wrote this.

Spec: docs/formats/events/time_beacon.md. A block's hash cannot be known before the block: what is
logged after a beacon was logged after its block.
"""

from collections.abc import Mapping
from typing import Any

from translog.pith import shape
from translog.pith.kinds import block, members

TYPE = "time_beacon"

_PAYLOAD = block.NAMES | {"network"}


def check(payload: Mapping[str, Any], origin: str, fingerprint: str) -> None:
    """Check the payload.

    Raises:
        MalformedError: it is not one.
        HashError: hash or time are not the header's.
    """
    shape.exact(payload, _PAYLOAD, TYPE)
    members.choice(payload, "network", TYPE, block.NETWORKS)
    block.check_block(payload, TYPE)


def build(*, network: str, height: int, header: bytes) -> dict[str, Any]:
    """Return the payload for the block with this header, of 80 bytes."""
    return {"network": network, **block.build_block(height, header)}
