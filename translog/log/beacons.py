"""Beacons: the log states which Bitcoin block was the newest final one. What comes after it in the
log was put there after that block, since nobody knows a block's hash before.

What a crash means: a beacon is a row first and an event then. A row without its leaf is stated
again, to the same bytes, and the event keeps its place if it was logged.
"""

from translog.bitcoin.chain import FINAL_CONFIRMATIONS
from translog.bitcoin.grade import HeaderSource
from translog.bitcoin.header import Header
from translog.formats.note import NoteSigner
from translog.log import statements
from translog.log.anchors import BURIED_BLOCKS, is_due
from translog.log.writer import Writer
from translog.pith.kinds import time_beacon
from translog.store import anchors
from translog.store.anchors import BeaconRow
from translog.store.database import Connection, transaction

# A newest block as old as this, or as far ahead, is not the newest, or our clock is wrong.
FRESH_SECONDS = 3 * 3_600


def decide(
    db: Connection, headers: HeaderSource, newest: int, interval_seconds: float, now: int
) -> None:
    """Begin a beacon, if it is time for one and what is known of the chain is fresh.

    Raises:
        TranslogError: as `headers`.
    """
    last = anchors.read_newest_beacon(db)
    height = newest - FINAL_CONFIRMATIONS + 1
    if height < 0 or (last is not None and height <= last.height):
        return
    if last is not None and not is_due(last.made_at, now, interval_seconds):
        return
    if abs(now - headers.header(newest).header.time) > FRESH_SECONDS:
        return
    found = headers.header(height)
    if not found.grade.verified:
        return
    row = BeaconRow(height, headers.network.name, found.header.raw, now, None, 0)
    with transaction(db):
        anchors.write_beacon(db, row)


def state(db: Connection, writer: Writer, signer: NoteSigner) -> int | None:
    """Log the newest beacon, if it is not known to be logged, and return its block's height.

    Raises:
        BusyError, UnavailableError: the log takes nothing now.
    """
    row = anchors.read_newest_beacon(db)
    if row is None or row.leaf_index is not None or row.is_lost:
        return None
    event = statements.make(
        signer,
        event_type=time_beacon.TYPE,
        subject=signer.name,
        target="log",
        payload=time_beacon.build(network=row.network, height=row.height, header=row.header),
        created_at=row.made_at,
    )
    (placed,) = statements.append(writer, [event])
    with transaction(db):
        anchors.write_beacon(db, row._replace(leaf_index=placed.index))
    return row.height


def look_again(db: Connection, headers: HeaderSource, newest: int) -> list[int]:
    """Mark beacons whose blocks have left the chain, and unmark those that are back.

    Returns:
        The heights of those that have left it now.

    Raises:
        TranslogError: as `headers`.
    """
    left = []
    for row in anchors.read_beacons_above(db, newest - BURIED_BLOCKS):
        if row.height > newest:
            continue
        is_lost = int(headers.header(row.height).header != Header(row.header))
        if is_lost != row.is_lost:
            with transaction(db):
                anchors.write_beacon(db, row._replace(is_lost=is_lost))
            left += [row.height] if is_lost else []
    return left
