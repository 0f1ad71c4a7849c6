"""When something existed at the latest: an attestation checked against a block.

What ends a timestamp is a message that must be the Merkle root in the header of the block it
names. If it is, what was stamped existed before that block was made.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from translog.bitcoin.attestation import InBlock
from translog.bitcoin.chain import is_final
from translog.bitcoin.checkpoints import Checkpoints
from translog.bitcoin.claims import Known
from translog.bitcoin.grade import CHECKPOINT_LINKED, GradedHeader, HeaderSource
from translog.bitcoin.header import display_hash
from translog.bitcoin.network import Network
from translog.errors import HeaderError, TimestampError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTime:
    """A block that something came before, and what vouches for the block.

    Only `verify_in_block` makes one. It proves something if `proves` says so.

    Attributes:
        network: the chain the block is in.
        known: the block's header and height, and the grade of both.
        final: whether there were enough blocks on top of it.
    """

    network: Network
    known: GradedHeader
    final: bool

    @property
    def height(self) -> int:
        return self.known.height

    @property
    def time(self) -> int:
        """POSIX seconds, as the miner wrote them: up to two hours from the truth."""
        return self.known.header.time

    @property
    def proves(self) -> bool:
        """Whether this shows a time: on mainnet, and with anything that vouches for the header."""
        return self.network.proves and self.known.grade.verified

    def __str__(self) -> str:
        """Return it in words, such as "2024-02-11T20:14:18Z (block 830000, final, own node)"."""
        state = "final" if self.final else "not final yet"
        network = "" if self.network.proves else f"{self.network} "
        return f"{utc(self.time)} ({network}block {self.height}, {state}, {self.known.grade})"


def utc(time: int) -> str:
    """Return POSIX seconds as they are shown."""
    return (_EPOCH + timedelta(seconds=time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def verify_in_block(
    claim: InBlock, source: HeaderSource, checkpoints: Checkpoints | None
) -> BlockTime:
    """Check an attestation against the header of the block that it names.

    Args:
        source: where the header comes from. What vouches for it is in its grade.
        checkpoints: those of the source's network, or None where there are none.

    Raises:
        TimestampError: the block has another root.
        HeaderError: the header has not the work that a block there must have, or contradicts a
            checkpoint: the source is wrong.
        MissingError: the source knows no block at that height.
        UnavailableError: the source cannot be asked now.
        VerificationError: the source was caught lying.
    """
    known = source.header(claim.height)
    verify_known(known, claim.height, source.network, checkpoints)
    if known.header.merkle_root != claim.message:
        raise TimestampError(
            f"timestamp: leads to {display_hash(claim.message)}, and block {claim.height}"
            f" ({known.grade}) has root {display_hash(known.header.merkle_root)}"
        )
    return BlockTime(
        network=source.network,
        known=known,
        # Up to a built-in checkpoint, no source needs to have followed the chain any further.
        final=known.grade == CHECKPOINT_LINKED or is_final(claim.height, source.tip()),
    )


def verify_known(
    known: GradedHeader, height: int, network: Network, checkpoints: Checkpoints | None
) -> None:
    """Check what a header shows by itself: its height, its work, and that no checkpoint disagrees.

    Raises:
        MalformedError: its bits are no target.
        HeaderError: it cannot be the block at that height.
    """
    if known.height != height:
        raise HeaderError(f"header of block {known.height}: want that of block {height}")
    Known(network=network, checkpoints=checkpoints).verify(known.header, height)
