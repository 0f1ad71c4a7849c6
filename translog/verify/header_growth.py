"""How a directory of Bitcoin headers grows: from files, and from sources on the network.

What is added must go on from what is there by Bitcoin's rules, and meet every checkpoint. A branch
takes another's place only with more work. A crash leaves what was there, or fewer, or all.
"""

from dataclasses import dataclass

from translog.bitcoin.chain import PERIOD, Head, check_whole, head_at, heavier
from translog.bitcoin.checkpoints import Checkpoints
from translog.bitcoin.claims import RunSource
from translog.bitcoin.grade import CHECKPOINT_LINKED, Grade
from translog.bitcoin.header import HEADER_BYTES, PREVIOUS, Header, display_hash, header_hash
from translog.bitcoin.network import Network
from translog.errors import ConflictError, HeaderError, MalformedError, UnavailableError
from translog.store.headers import HeaderFile, HeaderWriter
from translog.verify.headers import Progress, covered_by, follow_from, follow_known, quiet
from translog.verify.where import about


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to the headers.

    Attributes:
        added: how many are new.
        dropped: how many gave way to them, as theirs is the branch with more work.
    """

    added: int = 0
    dropped: int = 0


def locate(
    raw: bytes, file: HeaderFile | None, network: Network, checkpoints: Checkpoints | None
) -> int:
    """Return the height of the first of some headers, by the block it names as the one before.

    Args:
        file: the headers that are there, if any.

    Raises:
        MalformedError: it is not whole headers, or there are none.
        HeaderError: it is no block that is known here.
    """
    check_whole(raw)
    if not raw:
        raise MalformedError("block headers have 0 bytes, want at least one header")
    if raw[:HEADER_BYTES] == network.genesis.raw:
        return 0
    before = raw[PREVIOUS]
    if checkpoints is not None and before in checkpoints.hashes:
        return (checkpoints.hashes.index(before) + 1) * PERIOD
    height = None if file is None else _height_of(file, before)
    if height is None:
        raise HeaderError(
            f"block headers: follow block {display_hash(before)}, want the first block, or ones"
            " that follow a built-in checkpoint or a header that is there"
        )
    return height + 1


def _height_of(file: HeaderFile, hash_: bytes) -> int | None:
    """Look for a block among the headers that are there, from the newest on."""
    state = file.state()
    for end in range(state.end, state.first, -PERIOD):
        first = max(state.first, end - PERIOD)
        raw = file.read(state, first, end - first)
        for at in range(len(raw) - HEADER_BYTES, -1, -HEADER_BYTES):
            if header_hash(raw[at : at + HEADER_BYTES]) == hash_:
                return first + at // HEADER_BYTES
    return None


def extend(
    writer: HeaderWriter,
    checkpoints: Checkpoints | None,
    first: int,
    raw: bytes,
    grade: Grade,
    progress: Progress = quiet,
) -> Change:
    """Add headers after those that are there, or take their branch if it has more work.

    Those that are there already get this grade, if it is better than theirs.

    Args:
        first: the height of the first in `raw`.

    Raises:
        HeaderError: they do not go on from what is there, break a rule or miss a checkpoint.
        ConflictError: they are another branch, with no more work.
    """
    state = writer.state
    if not state.first <= first <= state.end:
        raise HeaderError(
            f"block headers: begin at {first}, want a height from {state.first} to {state.end}"
        )
    ours = writer.file.read(state, first, state.end - first)
    same = _same(ours, raw)
    fork, new = first + same, raw[same * HEADER_BYTES :]
    dropped = state.end - fork if new else 0
    if new:
        theirs = _followed(writer, checkpoints, fork, new, progress)
        if dropped:
            here = _followed(writer, checkpoints, fork, ours[same * HEADER_BYTES :])
            if not heavier(here, theirs):
                raise ConflictError(
                    f"block headers: from {fork} to {theirs.height} are another branch, with no"
                    f" more work than those that are there, to {here.height}"
                )
            writer.cut(fork)
        writer.append(new, grade)
    raise_grade(writer, first, fork, grade)
    return Change(added=len(new) // HEADER_BYTES, dropped=dropped)


def _same(ours: bytes, theirs: bytes) -> int:
    """Return how many headers are the same, from the first on."""
    count = min(len(ours), len(theirs)) // HEADER_BYTES
    if ours[: count * HEADER_BYTES] == theirs[: count * HEADER_BYTES]:
        return count
    lo = 0  # they link, so that after the first that differs all do
    while count - lo > 1:
        middle = (lo + count) // 2
        part = slice(lo * HEADER_BYTES, middle * HEADER_BYTES)
        lo, count = (middle, count) if ours[part] == theirs[part] else (lo, middle)
    return lo


def _followed(
    writer: HeaderWriter,
    checkpoints: Checkpoints | None,
    first: int,
    raw: bytes,
    progress: Progress = quiet,
) -> Head:
    """Follow headers that go on from those that are there."""
    state = writer.state
    if first == state.first:
        return follow_from(state.network, checkpoints, first, raw, progress)

    def read(height: int) -> Header:
        return Header(writer.file.read(state, height, 1))

    head = head_at(state.network, first - 1, read, first=state.first)
    return follow_known(head, raw, checkpoints, progress)


def raise_grade(writer: HeaderWriter, first: int, end: int, grade: Grade) -> None:
    """Note a grade for the headers from `first` to before `end` that have a worse one."""
    state = writer.state
    ends = [*(each.first for each in state.grades[1:]), state.end]
    for each, each_end in zip(state.grades, ends, strict=True):
        lo, hi = max(each.first, first), min(each_end, end)
        if lo < hi and each.grade < grade:
            writer.grade(lo, hi, grade)


def sync(
    writer: HeaderWriter,
    checkpoints: Checkpoints | None,
    source: RunSource,
    progress: Progress = quiet,
) -> Change:
    """Bring the headers up to the newest that a source knows.

    May be called again, and goes on from where it was stopped.

    Raises:
        HeaderError: what it gives breaks a rule; or its chain is another.
        ConflictError: it is on another branch, with no more work.
        UnavailableError: it cannot be asked now, or knows none of what is here.
    """
    if source.network is not writer.state.network:
        raise ValueError(f"a source for {source.network}, want {writer.state.network}")
    tip = source.tip()
    shared, grade = _newest_shared(writer, checkpoints, source, tip)
    if shared == writer.state.end - 1:
        change = _go_on(writer, checkpoints, source, tip, progress)
    else:
        change = _take_branch(writer, checkpoints, source, shared + 1, tip)
    # Only now: who lies about the rest vouches for nothing.
    raise_grade(writer, writer.state.first, shared + 1, grade)
    return change


def _go_on(
    writer: HeaderWriter,
    checkpoints: Checkpoints | None,
    source: RunSource,
    tip: int,
    progress: Progress,
) -> Change:
    """Add what is behind the newest. Each part is durable before the next is asked for."""
    first = writer.state.end
    for start in range(first, tip + 1, PERIOD):
        raw = source.run(start, min(PERIOD, tip + 1 - start))
        with about(source.name):
            extend(writer, checkpoints, start, raw, source.grade)
        progress(writer.state.end - first, tip + 1 - first)
    return Change(added=writer.state.end - first)


def _take_branch(
    writer: HeaderWriter,
    checkpoints: Checkpoints | None,
    source: RunSource,
    fork: int,
    tip: int,
) -> Change:
    """Get all of another branch, to compare the work in it with ours.

    There is nothing to get from a source that is behind on ours.
    """
    parts: list[bytes] = []
    head: Head | None = None
    for start in range(fork, tip + 1, PERIOD):
        part = source.run(start, min(PERIOD, tip + 1 - start))
        with about(source.name):  # a liar is seen before there is much of it
            if head is None:
                head = _followed(writer, checkpoints, fork, part)
            else:
                head = follow_known(head, part, checkpoints)
        parts.append(part)
    return extend(writer, checkpoints, fork, b"".join(parts), source.grade)


def _newest_shared(
    writer: HeaderWriter, checkpoints: Checkpoints | None, source: RunSource, tip: int
) -> tuple[int, Grade]:
    """Return the height of a block that both have, the newest or not far from that.

    What leads to it is the same, too, so the source vouches for all of it.

    Returns:
        The height, and what the source's word is worth.
    """
    state = writer.state
    if not state.count:
        return state.first - 1, source.grade
    if tip < state.first:
        raise UnavailableError(
            f"{source.name}: its newest block is {tip}, and the first here is {state.first}"
        )
    floor = max(covered_by(state, checkpoints), state.first)
    height, step = min(state.end - 1, tip), 1
    while True:
        found = source.header(height)
        ours = Header(writer.file.read(state, height, 1))
        if found.header == ours:
            # Whether ours are tied to a checkpoint is seen when they are used, and not said.
            tied = found.grade == CHECKPOINT_LINKED
            return height, source.grade if tied else found.grade
        if height <= floor:
            raise HeaderError(
                f"{source.name}: block {height} is {found.header}, and here it is {ours}: it is"
                " another chain"
            )
        height, step = max(floor, height - step), 2 * step
