"""Blocks that everyone has agreed on for long, and headers tied to them without asking anyone.

A checkpoint here is the last block of a period of 2016, with its hash and the target of the next
period: Electrum's list. A header names the hash of the one before it, so a run of headers that
ends in a checkpoint can be nothing but the chain: *checkpoint and segment*. Such a run, from a
block to the end of its period, can be kept with a proof.

Beyond the newest checkpoint there is work alone. A run that goes on there is followed by the
rules of `bitcoin.chain`, so that it costs as much to make up as to mine; but nobody vouches for it.
"""

import json
from dataclasses import dataclass

from translog.bitcoin.chain import MAX_RETARGET, PERIOD, Head, check_whole, follow
from translog.bitcoin.grade import CHECKPOINT_LINKED, UNCHECKED, GradedHeader
from translog.bitcoin.header import (
    HEADER_BYTES,
    PREVIOUS,
    Header,
    compact,
    display_hash,
    header_hash,
    parse_display_hash,
    parse_target,
)
from translog.bitcoin.network import Network
from translog.errors import HeaderError, MalformedError, MissingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """The last block of each period of a network, from the first period on.

    Attributes:
        network: the chain they are of.
        hashes: in internal order; the one with index n is of block 2016 * (n + 1) - 1.
        bits: the target of the period after each.
    """

    network: Network
    hashes: tuple[bytes, ...]
    bits: tuple[int, ...]

    @classmethod
    def parse(cls, raw: bytes, network: Network) -> "Checkpoints":
        """Read Electrum's list: a JSON array of pairs of a hash and the next target.

        Raises:
            MalformedError: it is not such a list. It comes with the package: so the package is
                damaged.
        """
        try:
            rows = [(str(name), int(target)) for name, target in json.loads(raw)]
        except (TypeError, ValueError) as error:
            raise MalformedError("checkpoints: want pairs of a hash and a target") from error
        if not rows:
            raise MalformedError("checkpoints: there are none")
        hashes = tuple(parse_display_hash(name, "checkpoint of the chain") for name, _ in rows)
        bits = tuple(compact(target) for _, target in rows)
        for each, (_, target) in zip(bits, rows, strict=True):
            if parse_target(each) != target:
                raise MalformedError(f"checkpoints: {target:#x} is not a target")
        return cls(network=network, hashes=hashes, bits=bits)

    @property
    def newest(self) -> int:
        """The height of the newest checkpoint."""
        return len(self.hashes) * PERIOD - 1

    def head(self, height: int) -> Head:
        """Return the head from which the blocks after a checkpoint can be followed.

        Args:
            height: of a checkpoint.
        """
        index = height // PERIOD
        if height % PERIOD != PERIOD - 1 or not 0 <= height <= self.newest:
            raise ValueError(f"block {height} is no checkpoint")
        return Head(
            network=self.network,
            height=height,
            hash=self.hashes[index],
            next_bits=self.bits[index],
            period_time=None,
            times=(),
            work=0,
        )

    def verify(self, height: int, header: Header) -> None:
        """Check a header against what is known of its height: its target, and maybe its hash.

        Up to the end of the period after the newest checkpoint each block's target is known, and
        later ones cannot be much easier: so a made-up header takes the work of a real one. That
        the hash is within the target is not checked here.

        Raises:
            MalformedError: its bits are no target.
            HeaderError: it cannot be the block at that height.
        """
        index, place = divmod(height, PERIOD)
        what = f"header of block {height}"
        if place == PERIOD - 1 and index < len(self.hashes) and self.hashes[index] != header.hash:
            raise HeaderError(
                f"{what}: is {display_hash(header.hash)}, and the checkpoint there is"
                f" {display_hash(self.hashes[index])}"
            )
        if index <= len(self.hashes):
            want = self.bits[index - 1] if index else self.network.genesis.bits
            if header.bits != want:
                raise HeaderError(f"{what}: has target {header.bits:#010x}, want {want:#010x}")
            return
        easiest = parse_target(self.bits[-1]) * MAX_RETARGET ** (index - len(self.hashes))
        if parse_target(header.bits) > easiest:
            raise HeaderError(
                f"{what}: has target {header.bits:#010x}, which cannot follow from"
                f" {self.bits[-1]:#010x} at the newest checkpoint"
            )

    def needed(self, height: int) -> range | None:
        """Return the heights of the headers that tie a block to a checkpoint.

        Returns:
            From the block to the end of its period, or None beyond the newest checkpoint.
        """
        if not 0 <= height <= self.newest:
            return None
        return range(height, height - height % PERIOD + PERIOD)

    def tie(self, raw: bytes) -> "Segment":
        """Tie a run of headers to the checkpoints.

        The run says nothing about its heights: it holds a checkpoint, or begins right after one,
        and that tells them.

        Args:
            raw: whole headers, one after the other.

        Raises:
            MalformedError: it is not whole headers, or there are none.
            HeaderError: they do not link, do not meet a checkpoint, or break a rule after it.
        """
        check_whole(raw)
        if not raw:
            raise MalformedError("block headers have 0 bytes, want at least one header")
        hashes = _linked(raw)
        heights = {each: (n + 1) * PERIOD - 1 for n, each in enumerate(self.hashes)}
        places = [place for place, each in enumerate(hashes) if each in heights]
        if not places:
            raise HeaderError(
                f"block headers: from {display_hash(hashes[1])} to {display_hash(hashes[-1])} there"
                f" is no checkpoint, and none before them; the newest is block {self.newest}"
            )
        # All before the newest checkpoint in the run is tied by hashes, what follows, by work.
        height = heights[hashes[places[-1]]]
        follow(self.head(height), raw[places[-1] * HEADER_BYTES :])
        return Segment(
            network=self.network,
            first=height - places[-1] + 1,
            raw=raw,
            tied=height,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Headers tied to a checkpoint: a header source that asks nobody. Only `tie` makes one.

    Attributes:
        network: the chain they are of.
        first: height of the first.
        raw: the headers, one after the other.
        tied: height of the newest checkpoint among them, or of the one right before them.
    """

    network: Network
    first: int
    raw: bytes
    tied: int

    def tip(self) -> int:
        """Return the height of the last header. The chain goes on, but not here."""
        return self.first + len(self.raw) // HEADER_BYTES - 1

    def header(self, height: int) -> GradedHeader:
        """Return a header: `unchecked` if it is after the last checkpoint here.

        Whoever made those has done the work of a block for each, and that is all that is known.

        Raises:
            MissingError: its height is not among them.
        """
        if not self.first <= height <= self.tip():
            raise MissingError(
                f"there are headers of blocks {self.first} to {self.tip()}, and none of {height}"
            )
        at = (height - self.first) * HEADER_BYTES
        header = Header(self.raw[at : at + HEADER_BYTES])
        grade = CHECKPOINT_LINKED if height <= self.tied else UNCHECKED
        return GradedHeader(header=header, height=height, grade=grade)


def _linked(raw: bytes) -> list[bytes]:
    """Return the hash before the first header and those of all of them, which must link."""
    hashes = [raw[PREVIOUS]]
    for at in range(0, len(raw), HEADER_BYTES):
        header = raw[at : at + HEADER_BYTES]
        if header[PREVIOUS] != hashes[-1]:
            raise HeaderError(
                f"header {at // HEADER_BYTES} of the run: follows block"
                f" {display_hash(header[PREVIOUS])}, want one that follows"
                f" {display_hash(hashes[-1])}"
            )
        hashes.append(header_hash(header))
    return hashes
