"""What anchors show: which of them covers a leaf best, and the files that can be made of it.

Files and proofs are made when they are asked for: an anchor is one row, however many leaves are
below it. Only what was verified is put into them: of an anchor whose block nobody has looked at
yet, the calendars' promises.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from typing import Any

from translog.bitcoin.anchor import Anchor
from translog.bitcoin.block_time import utc
from translog.bitcoin.header import Header, display_hash
from translog.bitcoin.ots import Timestamp
from translog.errors import MissingError
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.entry import Entry
from translog.formats.merkle import Hash, level_above
from translog.formats.note import Verifier
from translog.formats.proof import TlogProof
from translog.formats.tiles import FULL, HEIGHT, Tile, holder, split_hashes
from translog.formats.tree import Node, Read, prove_inclusion
from translog.log import reader
from translog.log.anchors import checkpoint_of, tip_of
from translog.store import anchors
from translog.store.anchors import AnchorRow, Cover, StampRow
from translog.store.database import Connection

KEPT_TILES = 64
PAGE = 100
_RANKS = {"final": 0, "confirmed": 1, "attested": 2, "pending": 2}


class Anchored:
    """One anchor, and what can be made of it. Its caller keeps the database open."""

    def __init__(self, db: Connection, row: AnchorRow, verifier: Verifier) -> None:
        """Take an anchor as it stands.

        Raises:
            SignatureError: its checkpoint is not one of this log's: the row was changed.
        """
        self.row = row
        self.stamps = anchors.read_stamps(db, row.anchor_id)
        self.checkpoint: SignedCheckpoint = open_checkpoint(row.note, verifier)
        self._anchor = Anchor.of(self.checkpoint, timestamp_of(row, self.stamps))
        self._read = remembering(partial(reader.tile, db, row.size), row.size)

    @property
    def block(self) -> tuple[int, bytes] | None:
        """Height and header of the block that its path was verified to end in, if there is one."""
        if self.row.height is None or self.row.header is None:
            return None
        return self.row.height, self.row.header

    def checkpoint_file(self) -> bytes:
        """Return the .ots file of the checkpoint's note."""
        return self._anchor.checkpoint_file()

    def event_file(self, entry: Entry, index: int) -> bytes:
        """Return the .ots file of the event whose entry is at `index`."""
        return self._anchor.event_file(entry, index, self.path(index))

    def proof(self, index: int) -> TlogProof:
        """Return the proof that leaf `index` is under this anchor's checkpoint."""
        return TlogProof(
            index=index, hashes=tuple(self.path(index)), checkpoint=self.row.note, extra=None
        )

    def path(self, index: int) -> list[Hash]:
        """Return the audit path of a leaf.

        Raises:
            MissingError: the anchor does not cover it.
        """
        if index >= self.row.size:
            raise MissingError(f"leaf {index} is not below the anchor of size {self.row.size}")
        return prove_inclusion(index, self.row.size, self._read)


def timestamp_of(row: AnchorRow, stamps: Sequence[StampRow]) -> Timestamp:
    """Return the timestamp of an anchor's tip: the path to its block, or what was promised."""
    message = tip_of(row)
    if row.path is not None:
        return Timestamp.parse(row.path, message)
    promised = [Timestamp.parse(stamp.pending, message) for stamp in stamps]
    return reduce(Timestamp.merged, promised)


class Covers:
    """Which anchor shows best how old a leaf is: the oldest final block; or else the oldest that
    is confirmed; or else the anchor that has waited longest."""

    def __init__(self, covers: Iterable[Cover]) -> None:
        best: Cover | None = None
        sized: list[tuple[int, int]] = []
        for cover in sorted(covers, key=lambda cover: -cover.size):
            if best is None or _rank(cover) < _rank(best):
                best = cover
            sized.append((cover.size, best.anchor_id))
        self._sizes = [size for size, _ in reversed(sized)]
        self._best = [anchor_id for _, anchor_id in reversed(sized)]

    def of(self, index: int) -> int | None:
        """Return the id of the anchor for leaf `index`; None if nothing covers it."""
        at = bisect_right(self._sizes, index)
        return self._best[at] if at < len(self._best) else None


def _rank(cover: Cover) -> tuple[int, int, int]:
    return _RANKS[cover.state], cover.height or 0, cover.anchor_id


def of_size(db: Connection, size: int, verifier: Verifier) -> Anchored:
    """Return the anchor that shows best how old the checkpoint of that size is.

    Raises:
        MissingError: no checkpoint of that size was given to calendars.
    """
    rows = {row.anchor_id: row for row in anchors.read_of_size(db, size) if row.state != "lost"}
    covers = [Cover(row.size, row.state, row.height, row.anchor_id) for row in rows.values()]
    anchor_id = Covers(covers).of(size - 1)
    if anchor_id is None:
        raise MissingError(f"checkpoint of size {size} is not anchored")
    return Anchored(db, rows[anchor_id], verifier)


def newest(db: Connection, verifier: Verifier) -> Anchored:
    """Return the anchor of the newest checkpoint that is final; before there is one, the newest.

    Raises:
        MissingError: there is none.
    """
    rows = anchors.read_newest_final(db) or [
        row for row in anchors.read_anchors(db, None, PAGE) if row.state != "lost"
    ]
    if not rows:
        raise MissingError("no checkpoint is anchored yet")
    return Anchored(db, rows[0], verifier)


def page(db: Connection, before: int | None) -> dict[str, Any]:
    """Return the newest anchors, or the newest before one, as `/anchors.json` lists them."""
    rows = anchors.read_anchors(db, before, PAGE + 1)
    return {
        "anchors": [described(row, anchors.read_stamps(db, row.anchor_id)) for row in rows[:PAGE]],
        "next": rows[PAGE - 1].anchor_id if len(rows) > PAGE else None,
    }


def of_checkpoint(db: Connection, size: int) -> list[dict[str, Any]]:
    """Return the anchors of the checkpoint of one size, described."""
    rows = anchors.read_of_size(db, size)
    return [described(row, anchors.read_stamps(db, row.anchor_id)) for row in rows]


def described(row: AnchorRow, stamps: Sequence[StampRow]) -> dict[str, Any]:
    """Return what there is to say of an anchor: docs/api.md."""
    checkpoint = checkpoint_of(row)
    block = None
    if row.height is not None and row.header is not None:
        header = Header(row.header)
        block = {
            "height": row.height,
            "block_hash": display_hash(header.hash),
            "block_time": utc(header.time),
            "grade": row.grade,
        }
    return {
        "anchor_id": row.anchor_id,
        "tree_size": checkpoint.size,
        "root_hash": checkpoint.root.hex(),
        "network": row.network,
        "state": row.state,
        "made_at": utc(row.made_at),
        "changed_at": utc(row.changed_at),
        "calendars": [stamp.calendar for stamp in stamps],
        "block": block,
    }


def best(db: Connection, index: int, verifier: Verifier) -> Anchored:
    """Return the anchor that shows best how old leaf `index` is.

    Raises:
        MissingError: none covers it yet.
    """
    anchor_id = Covers(anchors.read_covers(db, index)).of(index)
    row = None if anchor_id is None else anchors.read_anchor(db, anchor_id)
    if row is None:
        raise MissingError(f"leaf {index} is under no anchor yet")
    return Anchored(db, row, verifier)


def not_before(db: Connection, index: int) -> tuple[int, str] | None:
    """Return height and hash of the block after which leaf `index` was sequenced, if one shows."""
    beacon = anchors.read_beacon_before(db, index)
    if beacon is None:
        return None
    return beacon.height, display_hash(Header(beacon.header).hash)


def remembering(read: Callable[[Tile], bytes], size: int) -> Read:
    """Return a `tree.Read` that computes a tile's inner hashes once.

    Paths of neighbours lie in the same few tiles: for them it is ten times as fast as asking anew.
    """
    kept: dict[Tile, list[list[Hash]]] = {}

    def levels(tile: Tile) -> list[list[Hash]]:
        if tile not in kept:
            if len(kept) == KEPT_TILES:
                kept.pop(next(iter(kept)))
            rows = [split_hashes(tile, read(tile))]
            while len(rows[-1]) > 1:
                rows.append(level_above(rows[-1]))
            kept[tile] = rows
        return kept[tile]

    def one(node: Node) -> Hash:
        inner = node.level % HEIGHT
        return levels(holder(node, size))[inner][node.index % (FULL >> inner)]

    return lambda nodes: [one(node) for node in nodes]
