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
from translog.log.intake import Admitted
from translog.pith.event import event_id
from translog.store import log
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

    @property
    def head(self) -> Head:
        """The tree after the last commit."""
        return self._head

    @property
    def stopped(self) -> TranslogError | None:
        """Why nothing is taken any more, or None."""
        return self._stopped

    def append(self, batch: Sequence[Admitted]) -> list[Placed]:
        """Log what is new in `batch`, in order, and say where each event is.

        Returns once all of it is on disk. An event that was there already keeps its place.

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

    def _append(self, batch: Sequence[Admitted]) -> list[Placed]:
        places = self._find_known(batch)
        leaves: dict[bytes, Hash] = {}
        fresh: list[Admitted] = []
        placed = []
        for admitted in batch:
            entry = admitted.entry
            duplicate = entry in places
            if not duplicate:
                places[entry] = self._head.size + len(fresh)
                fresh.append(admitted)
            leaf = leaves[entry] = leaves.get(entry) or leaf_hash(entry)
            placed.append(Placed(places[entry], admitted.content_sha256, leaf, duplicate))
        if fresh:
            self._commit(fresh, [leaves[admitted.entry] for admitted in fresh])
        return placed

    def _find_known(self, batch: Sequence[Admitted]) -> dict[bytes, int]:
        """Return entry to index of what is in the log already."""
        prefixes = {admitted.prefix for admitted in batch}
        known: dict[bytes, int] = {}
        with translated("database"):
            for _, index in log.find(self._db, sorted(prefixes)):
                for entry in log.read_entries(self._db, index, 1):
                    known[entry] = index
        return known

    def _commit(self, fresh: list[Admitted], hashes: list[Hash]) -> None:
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
            lookups = log.age_lookups(self._db, self._new_lookups + len(prefixes))
        # Durable from here on.
        self._head, self._edge, self._new_lookups = new, edge, lookups


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
