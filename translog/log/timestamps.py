"""The `timestamp_proofs` of a bundle: for each event what shows best how old it is.

Spec: docs/formats/timestamps.md, "In bundles". Made from rows that change with every anchor, so a
bundle is a function of the record, the checkpoint and `anchors.read_version`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from translog.formats.entry import Entry
from translog.formats.note import Verifier
from translog.log.anchored import Anchored, Covers, not_before
from translog.pith.event import MAX_EVENT_BYTES, event_id, restore
from translog.pith.timestamp_proof import (
    MAX_PROVED,
    Beacon,
    BeaconProof,
    Place,
    TimestampProof,
)
from translog.store import anchors, log
from translog.store.bodies import from_micros, unpack
from translog.store.database import Connection

_STATUSES = {"final": "final", "confirmed": "confirmed"}


class Proofs(NamedTuple):
    """What goes into a bundle.

    Attributes:
        values: the proofs in their JSON form; beacons stand behind the events they are for.
        changed_at: when the last of the anchors that cover the first event came into its state; 0
            if there is none.
    """

    values: list[dict[str, Any]]
    changed_at: int


def proofs_of(db: Connection, leaves: Sequence[log.Leaf], size: int, verifier: Verifier) -> Proofs:
    """Return what shows how old events are, of the first MAX_PROVED of them.

    Args:
        leaves: of one record's events, in order.
        size: of the tree that they are from. An anchor of a larger one would show that the log
            had more when it signed the bundle, and hid it (docs/formats/evidence.md).
        verifier: of the log.
    """
    first = leaves[0].leaf_index if leaves else 0
    maker = _Maker(db, first, size, verifier)
    for leaf in leaves[:MAX_PROVED]:
        maker.add(leaf)
    changed_at = anchors.read_changed_at(db, first, size)
    return Proofs([*maker.timestamps, *maker.beacons.values()], changed_at)


class _Maker:
    def __init__(self, db: Connection, first: int, size: int, verifier: Verifier) -> None:
        self.timestamps: list[dict[str, Any]] = []
        self.beacons: dict[tuple[int, int], dict[str, Any]] = {}
        self._db = db
        self._verifier = verifier
        self._covers = Covers(each for each in anchors.read_covers(db, first) if each.size <= size)
        self._anchors: dict[int, Anchored] = {}

    def add(self, leaf: log.Leaf) -> None:
        """Add what is known of one event, if an anchor covers it."""
        anchor_id = self._covers.of(leaf.leaf_index)
        if anchor_id is None:
            return
        anchored = self._anchored(anchor_id)
        row = anchored.row
        entry = Entry.parse(leaf.entry)
        before = not_before(self._db, leaf.leaf_index)
        proof = TimestampProof(
            network=row.network,
            event_id=event_id(entry.content_sha256),
            place=_place(anchored, leaf.leaf_index),
            ots=anchored.event_file(entry, leaf.leaf_index),
            status=_STATUSES.get(row.state, "pending"),
            calendars=tuple(stamp.calendar for stamp in anchored.stamps),
            blocks=() if anchored.block is None else (anchored.block,),
            not_before=before and Beacon(height=before[0], block_hash=before[1]),
        )
        self.timestamps.append(proof.to_json())
        if before is not None:
            self._add_beacon(anchored, leaf.leaf_index)

    def _anchored(self, anchor_id: int) -> Anchored:
        if anchor_id not in self._anchors:
            row = anchors.read_anchor(self._db, anchor_id)
            if row is None:
                raise AssertionError("its cover was read from the same rows")
            self._anchors[anchor_id] = Anchored(self._db, row, self._verifier)
        return self._anchors[anchor_id]

    def _add_beacon(self, anchored: Anchored, index: int) -> None:
        """Add the last beacon before a leaf, under the same tree head as that leaf."""
        beacon = anchors.read_beacon_before(self._db, index)
        if beacon is None or beacon.leaf_index is None:
            return
        key = (beacon.leaf_index, anchored.row.size)
        if key in self.beacons:
            return
        (leaf,) = log.read_leaves(self._db, beacon.leaf_index, 1)
        proof = BeaconProof(event=_event(leaf), place=_place(anchored, beacon.leaf_index))
        self.beacons[key] = proof.to_json()


def _place(anchored: Anchored, index: int) -> Place:
    checkpoint = anchored.checkpoint
    return Place(
        origin=checkpoint.origin,
        index=index,
        size=checkpoint.size,
        root_hash=checkpoint.root.hex(),
        tlog_proof=anchored.proof(index).encode().decode(),
    )


def _event(leaf: log.Leaf) -> dict[str, Any]:
    content = unpack(leaf.body, limit=MAX_EVENT_BYTES)
    return restore(content, Entry.parse(leaf.entry).signature, from_micros(leaf.signed_at))
