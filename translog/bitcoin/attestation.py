"""What a timestamp can end in: a block, a calendar's promise, or what is not known here."""

from typing import NamedTuple


class InBlock(NamedTuple):
    """The claim that `message` is the Merkle root of the Bitcoin block at `height`."""

    message: bytes
    height: int


class Pending(NamedTuple):
    """A calendar's promise to have `message` attested. Nothing is proved by it."""

    message: bytes
    uri: str


class Foreign(NamedTuple):
    """An attestation that cannot be checked here: another chain's, or of an unknown kind."""

    message: bytes
    kind: str


Attestation = InBlock | Pending | Foreign


def order(attestation: Attestation) -> tuple[int, int, str, bytes]:
    """Return by what attestations are sorted: those in blocks first, the oldest block first."""
    match attestation:
        case InBlock(message, height):
            return 0, height, "", message
        case Pending(message, uri):
            return 1, 0, uri, message
        case Foreign(message, kind):
            return 2, 0, kind, message
