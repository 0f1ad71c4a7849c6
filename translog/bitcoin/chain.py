"""Following a chain of headers: linkage, targets, proof of work, and time.

Spec: Bitcoin Core, `CheckBlockHeader`, `ContextualCheckBlockHeader`, `CalculateNextWorkRequired`.

What a header must satisfy, given the ones before it: it names the hash of the one before; its
target is the one computed from the period before; its hash is within that target; its time is
over the median of the eleven before it. What needs a clock (times far in the future) or the
blocks themselves is not checked: the chain is judged by the work in it, and by whether it leads
to a built-in checkpoint (`bitcoin.checkpoints`).

Written for runs of raw headers: a whole chain is 964,000 of them, and 2 microseconds are spent on
each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from struct import iter_unpack

from translog.bitcoin.header import (
    BITS,
    HEADER_BYTES,
    PREVIOUS,
    Header,
    compact,
    display_hash,
    parse_target,
    work,
)
from translog.bitcoin.network import Network
from translog.errors import HeaderError, MalformedError

PERIOD = 2016
PERIOD_SECONDS = 14 * 24 * 60 * 60
MAX_RETARGET = 4
"""From one period to the next the target changes by this factor at most."""
MEDIAN_BLOCKS = 11
FINAL_CONFIRMATIONS = 6
"""A block that has so many on top of each other, itself among them, is called final."""

_TIMES = "<68xI8x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a chain stands that was followed so far, and what the rules need to go on from there.

    Attributes:
        network: whose rules apply.
        height: of the newest block.
        hash: of the newest block, in internal order.
        next_bits: the target that the next block must have.
        period_time: time of the first block of the period that the next block is in; None where
            the next block is that first one.
        times: of the newest blocks, oldest first; eleven, or as many as are known.
        work: of all blocks since the one from which the chain was followed.
    """

    network: Network
    height: int
    hash: bytes
    next_bits: int
    period_time: int | None
    times: tuple[int, ...]
    work: int


def genesis_head(network: Network) -> Head:
    """Return the head of a chain of one block."""
    genesis = network.genesis
    return Head(
        network=network,
        height=0,
        hash=genesis.hash,
        next_bits=genesis.bits,
        period_time=genesis.time,
        times=(genesis.time,),
        work=work(genesis.bits),
    )


def follow(head: Head, raw: bytes) -> Head:
    """Check that these headers go on from `head`, and return where they lead.

    Args:
        raw: headers of 80 bytes each, one after the other; none is allowed.

    Raises:
        MalformedError: it is not whole headers.
        HeaderError: one breaks a rule. Nothing after it was looked at.
    """
    check_whole(raw)
    at = 0
    while at < len(raw):
        left = PERIOD - (head.height + 1) % PERIOD  # until the target can change
        head = _follow_period(head, raw[at : at + left * HEADER_BYTES])
        at += left * HEADER_BYTES
    return head


def _follow_period(head: Head, raw: bytes) -> Head:
    """Follow at most the rest of one period: the target is the same for all of it."""
    newest = verify_run(raw, head.hash, head.next_bits, head.height + 1)
    times = verify_times(head, raw)
    count = len(raw) // HEADER_BYTES
    first_time = times[-count] if head.period_time is None else head.period_time
    return _turn(
        replace(
            head,
            height=head.height + count,
            hash=newest,
            period_time=first_time,
            times=tuple(times[-MEDIAN_BLOCKS:]),
            work=head.work + count * work(head.next_bits),
        ),
        first_time,
    )


def _turn(head: Head, first_time: int) -> Head:
    """Compute the next target where the newest block is the last of its period."""
    if (head.height + 1) % PERIOD:
        return head
    bits = head.next_bits
    if head.network.retargets:
        bits = retarget(bits, head.times[-1] - first_time, head.network.limit_bits)
    return replace(head, next_bits=bits, period_time=None)


def verify_run(raw: bytes, previous: bytes, bits: int, height: int) -> bytes:
    """Check that headers link, state the target wanted, and meet it.

    Args:
        raw: whole headers.
        previous: hash of the block before them, in internal order.
        bits: the target of all of them, in compact form.
        height: of the first, for the refusal.

    Returns:
        The hash of the last one, in internal order.

    Raises:
        HeaderError: one does not.
    """
    target = parse_target(bits).to_bytes(32, "big")
    wanted = bits.to_bytes(4, "little")
    for at in range(0, len(raw), HEADER_BYTES):
        header = raw[at : at + HEADER_BYTES]
        found = sha256(sha256(header).digest()).digest()
        if header[PREVIOUS] != previous or header[BITS] != wanted or found[::-1] > target:
            raise _broken(Header(header), height + at // HEADER_BYTES, previous, bits)
        previous = found
    return previous


def _broken(header: Header, height: int, previous: bytes, bits: int) -> HeaderError:
    """Say which rule a header breaks."""
    what = f"header of block {height}"
    if header.previous != previous:
        return HeaderError(
            f"{what}: follows block {display_hash(header.previous)}, want one that follows"
            f" {display_hash(previous)}"
        )
    if header.bits != bits:
        return HeaderError(f"{what}: has target {header.bits:#010x}, want {bits:#010x}")
    return HeaderError(
        f"{what}: has too little work, its hash {display_hash(header.hash)} is over target"
        f" {bits:#010x}"
    )


def verify_times(head: Head, raw: bytes) -> list[int]:
    """Check that each header's time is over the median of the eleven before it.

    Returns:
        The times known to `head`, then those of the headers.

    Raises:
        HeaderError: one is not.
    """
    times = [*head.times, *(time for (time,) in iter_unpack(_TIMES, raw))]
    known = len(head.times)
    newest = max(head.times, default=-1)
    for at in range(known, len(times)):
        time = times[at]
        if time > newest:  # over all of them, and so over their median: three of four are
            newest = time
            continue
        before = times[max(0, at - MEDIAN_BLOCKS) : at]
        height = head.height + 1 + at - known
        # After a checkpoint, the times before it are not known.
        if len(before) == min(MEDIAN_BLOCKS, height) and time <= median(before):
            raise HeaderError(
                f"header of block {height}: has time {time}, want one over {median(before)}, the"
                f" median of the {len(before)} before it"
            )
    return times


def median(times: list[int]) -> int:
    """Return the middle one; of an even number, as at a chain's start, the later of the two."""
    return sorted(times)[len(times) // 2]


def retarget(bits: int, seconds: int, limit_bits: int) -> int:
    """Return the target of the next period.

    Args:
        bits: target of the period before.
        seconds: from its first block to its last: 2015 intervals, and yet compared with 2016.
        limit_bits: the easiest target there may be.
    """
    seconds = min(max(seconds, PERIOD_SECONDS // MAX_RETARGET), PERIOD_SECONDS * MAX_RETARGET)
    target = parse_target(bits) * seconds // PERIOD_SECONDS
    return compact(min(target, parse_target(limit_bits)))


def head_at(network: Network, height: int, read: Callable[[int], Header], *, first: int) -> Head:
    """Return the head of a chain that is kept somewhere, cut off after `height`.

    For going on from what was followed before, and for reorganisations: follow what is kept and
    what is offered from the last block they share, and take the one with more work.

    Args:
        read: gives the header at a height of the kept chain. Trusted: it was followed once.
        first: the lowest height that `read` has: 0, or the first of a period.

    Returns:
        The head; its `work` is 0.
    """
    newest = read(height)
    known = range(max(first, height + 1 - MEDIAN_BLOCKS), height + 1)
    first_time = read(height - height % PERIOD).time
    head = Head(
        network=network,
        height=height,
        hash=newest.hash,
        next_bits=newest.bits,
        period_time=first_time,
        times=tuple(read(each).time for each in known),
        work=0,
    )
    return _turn(head, first_time)


def heavier(ours: Head, theirs: Head) -> bool:
    """Tell whether to leave a chain for another: only for more work, so that the first seen stays.

    Args:
        ours, theirs: both followed from one head.
    """
    return theirs.work > ours.work


def is_final(height: int, tip: int) -> bool:
    """Tell whether the block at `height` is final in a chain whose newest block is at `tip`."""
    return tip - height + 1 >= FINAL_CONFIRMATIONS


def check_whole(raw: bytes) -> None:
    """Refuse a run of headers that does not end with a whole one.

    Raises:
        MalformedError: it does not.
    """
    if len(raw) % HEADER_BYTES:
        raise MalformedError(
            f"block headers have {len(raw)} bytes, want a multiple of {HEADER_BYTES}"
        )
