"""Check a whole log from what it has published: docs/formats/audit.md.

One bundle of 256 entries at a time: its entries are hashed and compared with its level-0 tile,
its events are checked against the entries, and its hash is added to the tree that is computed
beside the published one. Nothing published is believed, everything is compared with that tree, and
that tree with the signed root. Memory does not grow with the log.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from translog.errors import ConflictError
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.cosigned import open_trusted
from translog.formats.merkle import Hash
from translog.formats.note import MAX_NOTE_BYTES
from translog.formats.policy import Policy
from translog.formats.published import CHECKPOINT, Fetch
from translog.formats.tiles import FULL, Tile
from translog.verify.bundles import Check, check, check_singly, take
from translog.verify.copies import Copy
from translog.verify.events import Keys, fetch_keys
from translog.verify.growth import Growth, check_root, compare, continued, edge_of
from translog.verify.state import DEPTHS, AuditState, Depth

AHEAD = 2  # bundles submitted for each worker: one in work, one that waits for it

T = TypeVar("T")


def ignore(state: AuditState) -> None:
    """Do nothing: the `progress` of who does not want any."""


def audit(
    fetch: Fetch,
    policy: Policy,
    *,
    until: SignedCheckpoint | None = None,
    state: AuditState | None = None,
    depth: Depth = "events",
    copies: Sequence[Copy] = (),
    workers: int = 4,
    check: Check = check,
    progress: Callable[[AuditState], None] = ignore,
) -> AuditState:
    """Check everything a log has published since `state`, or all of it.

    Args:
        fetch: where it is published; called from `workers` threads.
        policy: the log's keys, and the quorum that its heads need, from someone the caller trusts.
        until: the head to stop at, verified; else the newest that is published.
        state: how far an earlier audit of the same log came; `state_at` makes one of a head.
        depth: how much of each entry is checked.
        copies: other places of the same log, compared with this one byte for byte.
        workers: bundles in work at a time; 100 MB each at worst, 3 MB with events of 3 KB.
        check: how a bundle is checked: here, or by a `crowd.Crowd`.
        progress: called after each full bundle but the last, with a state to resume from.

    Returns:
        The state at the newest checkpoint: everything under it was checked.

    Raises:
        ConsistencyError: the log does not continue what was audited; a `HistoryError` has the
            claim that evidence is made of.
        QuorumError: too few witnesses have cosigned the newest checkpoint.
        VerificationError, MalformedError, UnknownKeyError: something published is not what it
            must be. The message says what and where.
        MissingError, UnavailableError: something is withheld, or cannot be read now.
        ConflictError: `state` is of an audit less deep than this one, or of another log.
    """
    checkpoint = until or open_trusted(fetch(CHECKPOINT, MAX_NOTE_BYTES), policy)
    _require_fit(state, checkpoint, depth)
    growth = continued(fetch, state, checkpoint)
    for copy in copies:
        copy.check_head(fetch, checkpoint)
    done = AuditState(checkpoint=checkpoint, size=checkpoint.size, edge=(), depth=depth)
    if state is not None and state.size == checkpoint.size:
        return replace(done, edge=state.edge)
    keys = fetch_keys(fetch) if depth != "hashes" and checkpoint.size else {}
    task = Task(fetch, keys, depth, copies, check)
    edge = _grow(task, growth, done, workers, progress)
    for tile, row in growth.partial_tiles():
        task.check_tile(tile, row)
    check_root(edge, checkpoint)
    return replace(done, edge=edge)


def state_at(
    fetch: Fetch, since: SignedCheckpoint, checkpoint: SignedCheckpoint, depth: Depth
) -> AuditState:
    """Return the state of who leaves everything under `since` to others, and goes on from there.

    Args:
        fetch: where the tree of `checkpoint` is published.

    Raises:
        HistoryError: the tree of `checkpoint` does not continue that of `since`.
        VerificationError, MalformedError: the tiles are not those of `checkpoint`.
    """
    edge = edge_of(fetch, since, checkpoint)
    return AuditState(checkpoint=since, size=since.size, edge=edge, depth=depth)


def _require_fit(state: AuditState | None, checkpoint: SignedCheckpoint, depth: Depth) -> None:
    if state is None:
        return
    if DEPTHS.index(state.depth) < DEPTHS.index(depth):
        raise ConflictError(
            f"audit state is of the {state.depth} of {state.size} entries, want {depth}: audit "
            f"from the start, or only {state.depth}"
        )
    if state.checkpoint.origin != checkpoint.origin:
        raise ConflictError(
            f"audit state is of log {state.checkpoint.origin!r}, this is {checkpoint.origin!r}"
        )


@dataclass(frozen=True, slots=True)
class Task:
    """What is done with each bundle, and each tile above them."""

    fetch: Fetch
    keys: Keys
    depth: Depth
    copies: Sequence[Copy]
    check: Check

    def check_bundle(self, size: int, index: int) -> list[Hash]:
        """Take bundle `index` of a tree of `size`, check and compare it; return its hashes."""
        taken = take(self.fetch, Tile.at(0, index, size), depth=self.depth)
        hashes = self.check(taken, self.keys, self.depth)
        if self.depth == "events" and taken.contents is None:
            check_singly(self.fetch, taken, self.keys)
        for copy in self.copies:
            copy.check_bundle(taken, self.depth)
        return hashes

    def check_tile(self, tile: Tile, row: Sequence[Hash]) -> None:
        """Compare a tile above level 0 with the hashes that were computed, everywhere."""
        compare(self.fetch, tile, row)
        for copy in self.copies:
            copy.check_tile(tile, row)


def _grow(
    task: Task,
    growth: Growth,
    done: AuditState,
    workers: int,
    progress: Callable[[AuditState], None],
) -> tuple[Hash, ...]:
    """Check bundle after bundle; return the edge of the whole tree."""
    size = done.size
    bundles = range(growth.bundles, -(-size // FULL))
    edge: tuple[Hash, ...] = ()
    with closing(in_order(partial(task.check_bundle, size), bundles, workers=workers)) as checked:
        for index, hashes in zip(bundles, checked, strict=True):
            count = min(size, (index + 1) * FULL)
            if count % FULL:
                return (*growth.edge, *hashes)
            for tile, row in growth.add(hashes[0]):
                task.check_tile(tile, row)
            edge = tuple(growth.edge)
            # Not after the last: its state would be complete, and the rest is not checked yet.
            if count < size:
                progress(replace(done, size=count, edge=edge))
    return edge


def in_order(
    check: Callable[[int], T], numbers: Iterable[int], *, workers: int
) -> Generator[T, None, None]:
    """Yield `check(number)` for each, in order, computed a little ahead by `workers` threads.

    The first failure is raised in its turn. When the generator is closed, what is in work is
    waited for, and the rest is not begun.
    """
    pending: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="audit")
    try:
        for number in numbers:
            pending.append(pool.submit(check, number))
            if len(pending) >= AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
