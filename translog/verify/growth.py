"""The tree as an audit computes it, bundle by bundle, beside the one that is published."""

from collections.abc import Iterator, Sequence
from functools import partial

from translog.errors import ConsistencyError, HashError
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.merkle import EMPTY_ROOT, Hash, node_hash
from translog.formats.published import Fetch
from translog.formats.tiles import FULL, HEIGHT, Tile, authenticated, fold_perfect
from translog.formats.tree import (
    Node,
    consistency_ranges,
    fold,
    join_prefix,
    range_hashes,
    subtrees,
)
from translog.verify.claims_heads import InconsistentCheckpoints, ShrunkenLog
from translog.verify.state import AuditState, HistoryError
from translog.verify.where import compare_tile, fetch_tile, fetch_tiles


class Growth:
    """The hashes that a tree of whole bundles still needs to grow.

    Attributes:
        bundles: how many there are.
        edge: hashes of `subtrees(range(bundles * 256))`.
        rows: for each tile level from 1, the hashes of its last tile, while it is not full.
    """

    def __init__(self, bundles: int, edge: list[Hash], rows: list[list[Hash]]) -> None:
        self.bundles = bundles
        self.edge = edge
        self.rows = rows

    def add(self, joined: Hash) -> Iterator[tuple[Tile, Sequence[Hash]]]:
        """Append the hash of a full bundle, and yield each tile above it that is now full."""
        self.extend(joined)
        for level in range(1, len(self.rows) + 2):
            if level > len(self.rows):
                self.rows.append([])
            row = self.rows[level - 1]
            row.append(joined)
            if len(row) < FULL:
                return
            yield Tile(level, (self.bundles >> HEIGHT * level) - 1, FULL), row
            joined = fold_perfect(row)
            self.rows[level - 1] = []

    def extend(self, joined: Hash) -> None:
        """Append the hash of a full bundle, for who keeps no rows."""
        count = self.bundles
        while count & 1:  # a perfect subtree as large is on the left: join them
            joined = node_hash(self.edge.pop(), joined)
            count >>= 1
        self.edge.append(joined)
        self.bundles += 1

    def partial_tiles(self) -> Iterator[tuple[Tile, Sequence[Hash]]]:
        """Yield the last tile of each level above 0, where it is neither empty nor full."""
        for level, row in enumerate(self.rows, start=1):
            if row:
                yield Tile(level, self.bundles >> HEIGHT * level, len(row)), row


def compare(fetch: Fetch, tile: Tile, want: Sequence[Hash]) -> None:
    """Fetch a tile, and check that it holds the hashes that were computed.

    Raises:
        HashError: it holds others; the message names the first.
        MalformedError: it holds more or fewer.
    """
    compare_tile(tile, fetch_tile(fetch, tile), want)


def continued(fetch: Fetch, state: AuditState | None, new: SignedCheckpoint) -> Growth:
    """Check that the tree of `new` continues what was audited, and return where it goes on.

    That is the last bundle that was full then: one that was partial is audited again whole.

    Raises:
        HistoryError: `new` does not continue the checkpoint of `state`.
        ConsistencyError: it does, but the entries audited are not those under it.
        VerificationError, MalformedError: the tiles are not those of `new`.
    """
    if state is None or state.checkpoint.size == 0:
        return Growth(0, [], [])
    check_continues(fetch, state.checkpoint, new)
    bundles = state.size // FULL
    read = authenticated(new.size, new.root, partial(fetch_tiles, fetch))
    audited, rows = list(subtrees(range(state.size))), _rows(bundles)
    hashes = iter(read([*audited, *(node for row in rows for node in row)]))
    if tuple(next(hashes) for _ in audited) != state.edge:
        raise ConsistencyError(
            f"the first {state.size} entries under the checkpoint of {new.size} are not those "
            "that were audited before"
        )
    whole = list(state.edge[: bundles.bit_count()])
    return Growth(bundles, whole, [[next(hashes) for _ in row] for row in rows])


def edge_of(fetch: Fetch, old: SignedCheckpoint, new: SignedCheckpoint) -> tuple[Hash, ...]:
    """Return the edge of `old`, out of tiles of `new`, having checked that `new` continues it.

    Raises:
        HistoryError: it does not.
        VerificationError, MalformedError: the tiles are not those of `new`.
    """
    check_continues(fetch, old, new)
    read = authenticated(new.size, new.root, partial(fetch_tiles, fetch))
    return tuple(read(list(subtrees(range(old.size)))))


def check_continues(fetch: Fetch, old: SignedCheckpoint, new: SignedCheckpoint) -> None:
    """Check that the tree of `new` begins with that of `old`.

    Args:
        fetch: where the tree of `new` is published.

    Raises:
        HistoryError: it does not, or `new` is the smaller one.
        VerificationError, MalformedError: the tiles are not those of `new`.
    """
    if new.size < old.size:
        raise HistoryError(
            f"log {new.origin!r} shows {new.size} entries, and showed {old.size} before",
            ShrunkenLog(before=old.note, after=new.note),
        )
    if new.size == old.size:
        if new.root != old.root:
            raise HistoryError(
                f"log {new.origin!r} forked: it has two roots for {new.size} entries",
                InconsistentCheckpoints(old=old.note, new=new.note),
            )
        return
    if old.size == 0:
        return
    read = authenticated(new.size, new.root, partial(fetch_tiles, fetch))
    hashes = range_hashes(consistency_ranges(old.size, new.size), read)
    before, _ = join_prefix(old.size, new.size, hashes)
    if before != old.root:
        raise HistoryError(
            f"log {new.origin!r} forked: its tree of {new.size} entries does not continue that "
            f"of {old.size}",
            InconsistentCheckpoints(old=old.note, new=new.note, hashes=tuple(hashes)),
        )


def _rows(bundles: int) -> list[list[Node]]:
    """Return the nodes that `Growth.rows` holds the hashes of after so many bundles."""
    rows: list[list[Node]] = []
    level, count = HEIGHT, bundles
    while count:
        rows.append([Node(level, index) for index in range(count - count % FULL, count)])
        level, count = level + HEIGHT, count // FULL
    return rows


def check_root(edge: Sequence[Hash], checkpoint: SignedCheckpoint) -> None:
    """Check that the entries read are those the log has signed.

    Raises:
        HashError: they have another root.
    """
    computed = fold(edge) if edge else EMPTY_ROOT
    if computed != checkpoint.root:
        raise HashError(
            f"checkpoint of {checkpoint.size} entries has root {checkpoint.root.hex()}, "
            f"computed {computed.hex()}"
        )
