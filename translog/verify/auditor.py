"""Check a whole log from what it has published: docs/formats/audit.md.

One bundle of 256 entries at a time: its entries are hashed and compared with its level-0 tile,
its events are checked against the entries, and its hash is added to the tree that is computed
beside the published one. Nothing published is believed, everything is compared with that tree, and
that tree with the signed root. Memory does not grow with the log.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from hashlib import sha256
from typing import TypeVar

from translog.errors import ConflictError
from translog.formats.checkpoint import open_checkpoint
from translog.formats.entry import ENTRY_BYTES, MAX_ENTRY_BYTES, Entry, parse_bundle
from translog.formats.keys import ED25519
from translog.formats.merkle import Hash
from translog.formats.note import MAX_NOTE_BYTES, Verifier
from translog.formats.published import CHECKPOINT, Fetch
from translog.formats.tiles import ENTRIES, FULL, Tile, fold_perfect, inside
from translog.formats.tree import subtrees
from translog.verify.events import Keys, check_events, fetch_keys
from translog.verify.growth import check_root, compare, continued
from translog.verify.state import AuditState
from translog.verify.where import about, fetch_wide

MAX_BUNDLE_BYTES = FULL * (2 + MAX_ENTRY_BYTES)
AHEAD = 2  # bundles submitted for each worker: one in work, one that waits for it

T = TypeVar("T")


def ignore(state: AuditState) -> None:
    """Do nothing: the `progress` of who does not want any."""


def audit(
    fetch: Fetch,
    verifier: Verifier,
    *,
    state: AuditState | None = None,
    events: bool = True,
    workers: int = 4,
    progress: Callable[[AuditState], None] = ignore,
) -> AuditState:
    """Check everything a log has published since `state`, or all of it.

    Args:
        fetch: where it is published; called from `workers` threads.
        verifier: the log's key, from someone the caller trusts.
        state: how far an earlier audit of the same log came.
        events: check what the entries are about too: contents, keys and signatures.
        workers: bundles in work at a time; 100 MB each at worst, 3 MB with events of 3 KB.
        progress: called after each full bundle but the last, with a state to resume from.

    Returns:
        The state at the newest checkpoint: everything under it was checked.

    Raises:
        ConsistencyError: the log does not continue what was audited; a `HistoryError` holds the
            evidence.
        VerificationError, MalformedError, UnknownKeyError: something published is not what it
            must be. The message says what and where.
        MissingError, UnavailableError: something is withheld, or cannot be read now.
        ConflictError: `state` is of an audit without events, and this one is with them.
    """
    if state is not None and events and not state.events:
        raise ConflictError(
            f"audit state is of {state.size} entries without their events: audit from the "
            "start, or without events"
        )
    checkpoint = open_checkpoint(fetch(CHECKPOINT, MAX_NOTE_BYTES), verifier)
    growth = continued(fetch, state, checkpoint)
    at = partial(AuditState, checkpoint=checkpoint, events=events)
    if state is not None and state.size == checkpoint.size:
        return at(size=state.size, edge=state.edge)
    size = checkpoint.size
    keys = fetch_keys(fetch) if events and size else None
    edge: tuple[Hash, ...] = ()
    bundles = range(growth.bundles, -(-size // FULL))
    check = partial(check_bundle, fetch, size, keys)
    with closing(in_order(check, bundles, workers=workers)) as checked:
        for index, hashes in zip(bundles, checked, strict=True):
            done = min(size, (index + 1) * FULL)
            if done % FULL:
                edge = (*growth.edge, *hashes)
                break
            for tile, row in growth.add(hashes[0]):
                compare(fetch, tile, row)
            edge = tuple(growth.edge)
            # Not after the last: its state would be complete, and the rest is not checked yet.
            if done < size:
                progress(at(size=done, edge=edge))
    for tile, row in growth.partial_tiles():
        compare(fetch, tile, row)
    check_root(edge, checkpoint)
    return at(size=size, edge=edge)


def check_bundle(fetch: Fetch, size: int, keys: Keys | None, index: int) -> list[Hash]:
    """Check an entry bundle, its level-0 tile and, with `keys`, its events.

    Returns:
        The hash of each of `subtrees(range(width))`: one, for a full bundle.
    """
    tile = Tile.at(0, index, size)
    entries = fetch_entries(fetch, tile)
    leaves = [Hash(sha256(b"\x00" + entry).digest()) for entry in entries]
    compare(fetch, tile, leaves)
    if keys is not None:
        check_events(fetch, index, entries, keys)
    if tile.width == FULL:
        return [fold_perfect(leaves)]
    return [inside(leaves, node) for node in subtrees(range(tile.width))]


def fetch_entries(fetch: Fetch, tile: Tile) -> list[bytes]:
    """Fetch the entries under a level-0 tile, each of the form of entries of this kind.

    Raises:
        MalformedError: one is not, or there are more or fewer.
    """
    path, content, width = fetch_wide(fetch, ENTRIES, tile.index, tile.width, MAX_BUNDLE_BYTES)
    with about(path):
        entries = parse_bundle(content, width)[: tile.width]
    # What `Entry.parse` checks, for all at once.
    if {len(entry) for entry in entries} != {ENTRY_BYTES} or {e[0] for e in entries} != {ED25519}:
        for number, entry in enumerate(entries, start=tile.index * FULL):
            with about(f"{path}: entry {number}"):
                Entry.parse(entry)
    return entries


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
