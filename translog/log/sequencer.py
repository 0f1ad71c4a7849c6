"""Puts admitted events in order: one durable transaction a batch, and only then an answer.

What a crash means: before the commit nothing happened, and nobody was told otherwise; after it
everything else (checkpoints, bundles, exports) can be made again from what is stored.

After any error of the disk the sequencer takes nothing more until it is made anew, from what is
really stored: a failed write followed by guesses about what it left behind is how logs are lost.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from translog.errors import TranslogError, UnavailableError, VerificationError
from translog.formats.merkle import EMPTY_ROOT, Hash, leaf_hash
from translog.formats.tree import Levels, Node, fold, grown, subtrees
from translog.log import effects, moderation
from translog.log.intake import Admitted
from translog.log.known import Known, Surroundings, refusal
from translog.log.moderation import Held
from translog.pith.event import event_id
from translog.store import log, registry
from translog.store.database import Connection, snapshot, transaction, translated
from translog.store.log import Head


class Placed(NamedTuple):
    """Where an event is in the log, durably.

    Attributes:
        index: of its leaf, for ever.
        content_sha256: 32 bytes, what its id is made of.
        leaf_hash: of its entry.
        duplicate: it was there before.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    content_sha256: bytes
    leaf_hash: Hash
    duplicate: bool

    @property
    def event_id(self) -> str:
        return event_id(self.content_sha256)


Result = Placed | Held | TranslogError
"""What became of an event."""


class Sequencer:
    """The one writer of leaves. Its caller holds the log's lock and calls from one thread."""

    def __init__(self, db: Connection) -> None:
        """Begin from what is stored, once its hashes have been found to make its root.

        Raises:
            VerificationError: they do not: a stored hash was changed.
        """
        self._db = db
        self._stopped: TranslogError | None = None
        with snapshot(db):
            self._head = log.read_head(db)
            self._edge = _read_edge(db, self._head)
            self._new_lookups = log.count_new_lookups(db)
        self._surroundings = Surroundings(db)

    @property
    def head(self) -> Head:
        """The tree after the last commit."""
        return self._head

    @property
    def stopped(self) -> TranslogError | None:
        """Why nothing is taken any more, or None."""
        return self._stopped

    def registry_version(self) -> int:
        """Return that of the registry by which events are admitted now."""
        with translated("database"):
            return registry.read_version(self._db)

    def append(self, batch: Sequence[Admitted]) -> list[Result]:
        """Log what is new in `batch`, in order, and say where each event is.

        Returns once all of it is on disk. An event that was there already keeps its place, one that
        has to wait for the operator is put in line, and one that may not follow what is in the
        log is refused.

        Raises:
            UnavailableError: the disk failed, now or before. Whether this batch was written is
                not known until the log is opened again; its events may be sent again.
        """
        if self._stopped is not None:
            raise UnavailableError(f"log takes no more events: {self._stopped}")
        try:
            return self._append(batch)
        except (TranslogError, OSError, MemoryError) as error:
            self._stopped = UnavailableError(str(error))
            raise UnavailableError(f"batch of {len(batch)} was not logged: {error}") from error

    def _append(self, batch: Sequence[Admitted]) -> list[Result]:
        known = self._surroundings.look_up(batch)
        leaves: dict[bytes, Hash] = {}
        fresh: list[Admitted] = []
        waiting: list[Admitted] = []
        results: list[Result] = []
        for admitted in batch:
            entry = admitted.entry
            duplicate = entry in known.places
            if not duplicate:
                stop = self._stop(admitted, known, waiting)
                if stop is not None:
                    results.append(stop)
                    continue
                known.add(admitted, self._head.size + len(fresh))
                fresh.append(admitted)
            leaf = leaves[entry] = leaves.get(entry) or leaf_hash(entry)
            results.append(Placed(known.places[entry], admitted.content_sha256, leaf, duplicate))
        if fresh or waiting:
            self._commit(fresh, [leaves[admitted.entry] for admitted in fresh], waiting)
        return results

    def _stop(
        self, admitted: Admitted, known: Known, waiting: list[Admitted]
    ) -> Held | TranslogError | None:
        """Say what keeps an event that is not in the log from being logged, if anything does."""
        stop: Held | TranslogError | None = refusal(admitted, known)
        if stop is None and admitted.special is not None and admitted.special.held:
            with translated("database"):
                stop = moderation.judge(self._db, admitted, waiting)
            if isinstance(stop, Held) and stop.fresh:
                waiting.append(admitted)
        return stop

    def _commit(self, fresh: list[Admitted], hashes: list[Hash], waiting: list[Admitted]) -> None:
        old = self._head
        levels = grown(old.size, hashes, self._edge)
        size = old.size + len(fresh)
        edge = _edge_of(size, levels, self._edge)
        new = Head(size, fold(list(edge.values())))
        leaves = [
            (index, admitted.entry, admitted.signed_at, admitted.body)
            for index, admitted in enumerate(fresh, start=old.size)
        ]
        prefixes = _prefixes(fresh, old.size)
        with transaction(self._db):
            log.append(self._db, old, new, leaves, levels, prefixes)
            self._settle(fresh, waiting)
            lookups = log.age_lookups(self._db, self._new_lookups + len(prefixes), size)
        # Durable from here on.
        self._head, self._edge, self._new_lookups = new, edge, lookups

    def _settle(self, fresh: list[Admitted], waiting: list[Admitted]) -> None:
        """Write what else follows from a batch, in its transaction."""
        accepted = []
        for index, admitted in enumerate(fresh, start=self._head.size):
            if admitted.special is not None:
                if admitted.special.decides:
                    effects.write(self._db, admitted, index)
                if admitted.special.held:
                    accepted.append(admitted)
        if waiting or accepted:
            moderation.write(self._db, waiting, accepted)


def _edge_of(size: int, levels: Levels, before: Mapping[Node, Hash]) -> dict[Node, Hash]:
    """Return the hashes from which a tree of `size` goes on."""
    edge = {}
    for node in subtrees(range(size)):
        first, hashes = levels[node.level] if node.level < len(levels) else (node.index + 1, [])
        is_new = node.index >= first
        edge[node] = hashes[node.index - first] if is_new else before[node]
    return edge


def _prefixes(fresh: list[Admitted], start: int) -> list[tuple[int, int]]:
    """Return both lookup rows of each event, sorted so that neighbours share a page."""
    indices = range(start, start + len(fresh))
    rows = [(admitted.prefix, index) for index, admitted in zip(indices, fresh, strict=True)]
    rows += [
        (admitted.subject_prefix, index) for index, admitted in zip(indices, fresh, strict=True)
    ]
    rows += [
        (admitted.record_prefix, index)
        for index, admitted in zip(indices, fresh, strict=True)
        if admitted.creates and admitted.record_prefix is not None
    ]
    rows.sort()
    return rows


def _read_edge(db: Connection, head: Head) -> dict[Node, Hash]:
    """Return the hashes from which the tree goes on, tied to the stored root."""
    nodes = list(subtrees(range(head.size)))
    hashes = log.read_nodes(db, head.size, nodes)
    root = fold(hashes) if hashes else EMPTY_ROOT
    if root != head.root:
        raise VerificationError(
            f"stored tiles give root {root.hex()} for size {head.size}, and the stored head has"
            f" {head.root.hex()}: a hash was changed on disk; `translog fsck` finds it"
        )
    return dict(zip(nodes, hashes, strict=True))
