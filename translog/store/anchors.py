"""Rows of anchoring: anchors, what calendars answered, beacons.

What they mean and when they change: log/anchors.

Functions that write want to be inside a `database.transaction`, and count the version up.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_ANCHOR = "anchor_id, network, size, note, made_at, state, changed_at, height, header, grade, path"
_STAMP = "anchor_id, calendar, submitted_at, ask_after, pending, attested"
_BEACON = "height, network, header, made_at, leaf_index, is_lost"


class AnchorRow(NamedTuple):
    """A checkpoint that was given to calendars.

    Attributes:
        anchor_id: counted from 1, in the order they were made.
        network: the name of the Bitcoin network.
        size: the checkpoint's.
        note: the signed checkpoint, as it was published when it was given away.
        made_at: POSIX seconds.
        state: "pending", "attested", "confirmed", "final" or "lost".
        changed_at: when it came into that state.
        height, header, grade, path: of the block that was verified, what vouched for it, and the
            timestamp from the tip down to it; None where there is none.
    """

    anchor_id: int
    network: str
    size: int
    note: bytes
    made_at: int
    state: str
    changed_at: int
    height: int | None
    header: bytes | None
    grade: str | None
    path: bytes | None


class StampRow(NamedTuple):
    """What one calendar has answered for one anchor.

    Attributes:
        calendar: where the tip was submitted.
        submitted_at: POSIX seconds.
        ask_after: when to ask it for a path to a block.
        pending: the timestamp of the tip that it gave at once.
        attested: the timestamp of the tip with a path to a block; not verified, None before.
    """

    anchor_id: int
    calendar: str
    submitted_at: int
    ask_after: int
    pending: bytes
    attested: bytes | None


class BeaconRow(NamedTuple):
    """A block that the log has stated.

    Attributes:
        leaf_index: of the event that states it; None while it is not known to be logged.
        is_lost: 1 if the block has left the chain since.
    """

    height: int
    network: str
    header: bytes
    made_at: int
    leaf_index: int | None
    is_lost: int


class Cover(NamedTuple):
    """As much of an anchor as says which leaves it covers, and how well."""

    size: int
    state: str
    height: int | None
    anchor_id: int


def read_version(db: sqlite3.Connection) -> int:
    """Return a number that grows with every change to these tables."""
    (version,) = db.execute("SELECT version FROM anchoring").fetchone()
    return int(version)


def read_quiet_to(db: sqlite3.Connection) -> int:
    (quiet_to,) = db.execute("SELECT quiet_to FROM anchoring").fetchone()
    return int(quiet_to)


def write_quiet_to(db: sqlite3.Connection, quiet_to: int) -> None:
    """Remember it; nothing that anybody is shown changes."""
    db.execute("UPDATE anchoring SET quiet_to = ?", (quiet_to,))


def _count_up(db: sqlite3.Connection) -> None:
    db.execute("UPDATE anchoring SET version = version + 1")


# Anchors


def add_anchor(db: sqlite3.Connection, network: str, size: int, note: bytes, now: int) -> int:
    """Begin a pending anchor, and return its id."""
    _count_up(db)
    cursor = db.execute(
        "INSERT INTO anchor (network, size, note, made_at, state, changed_at)"
        " VALUES (?, ?, ?, ?, 'pending', ?)",
        (network, size, note, now, now),
    )
    return int(cursor.lastrowid or 0)


def write_anchor(db: sqlite3.Connection, row: AnchorRow) -> None:
    """Change state and block of an anchor. The time of that never goes back: bundles say it."""
    _count_up(db)
    db.execute(
        "UPDATE anchor SET state = ?, changed_at = max(changed_at, ?), height = ?, header = ?,"
        " grade = ?, path = ? WHERE anchor_id = ?",
        (*row[5:], row.anchor_id),
    )


def read_anchor(db: sqlite3.Connection, anchor_id: int) -> AnchorRow | None:
    row = db.execute(f"SELECT {_ANCHOR} FROM anchor WHERE anchor_id = ?", (anchor_id,)).fetchone()  # noqa: S608  # ours
    return AnchorRow(*row) if row else None


def read_anchors(db: sqlite3.Connection, before: int | None, limit: int) -> list[AnchorRow]:
    """Return up to `limit` anchors, newest first, those before the id `before` only."""
    rows = db.execute(
        f"SELECT {_ANCHOR} FROM anchor WHERE anchor_id < ? ORDER BY anchor_id DESC LIMIT ?",  # noqa: S608
        ((1 << 62) if before is None else before, limit),
    )
    return [AnchorRow(*row) for row in rows]


def read_newest_final(db: sqlite3.Connection) -> list[AnchorRow]:
    """Return the final anchor of the largest checkpoint, or nothing."""
    rows = db.execute(
        f"SELECT {_ANCHOR} FROM anchor WHERE state = 'final' ORDER BY size DESC LIMIT 1"  # noqa: S608
    )
    return [AnchorRow(*row) for row in rows]


def read_final_sizes(db: sqlite3.Connection) -> list[int]:
    """Return the sizes of checkpoints that have a final anchor, in order."""
    rows = db.execute("SELECT DISTINCT size FROM anchor WHERE state = 'final' ORDER BY size")
    return [size for (size,) in rows]


def read_unfinished(db: sqlite3.Connection, limit: int) -> list[AnchorRow]:
    """Return the newest `limit` anchors that are not final, newest first."""
    rows = db.execute(
        f"SELECT {_ANCHOR} FROM anchor WHERE state IN ('pending', 'attested', 'confirmed', 'lost')"  # noqa: S608
        " ORDER BY anchor_id DESC LIMIT ?",
        (limit,),
    )
    return [AnchorRow(*row) for row in rows]


def read_unburied(db: sqlite3.Connection, height: int, limit: int) -> list[AnchorRow]:
    """Return the newest `limit` anchors that are not final, or in blocks above `height`."""
    rows = db.execute(
        f"SELECT {_ANCHOR} FROM anchor WHERE state != 'final' OR height > ?"  # noqa: S608
        " ORDER BY anchor_id DESC LIMIT ?",
        (height, limit),
    )
    return [AnchorRow(*row) for row in rows]


def read_newest_in_block(db: sqlite3.Connection) -> int | None:
    """Return the id of the newest anchor whose block was verified."""
    (anchor_id,) = db.execute(
        "SELECT max(anchor_id) FROM anchor WHERE state IN ('confirmed', 'final')"
    ).fetchone()
    return None if anchor_id is None else int(anchor_id)


def read_of_size(db: sqlite3.Connection, size: int) -> list[AnchorRow]:
    """Return the anchors of checkpoints of this size, oldest first."""
    rows = db.execute(
        f"SELECT {_ANCHOR} FROM anchor WHERE size = ? ORDER BY anchor_id",  # noqa: S608
        (size,),
    )
    return [AnchorRow(*row) for row in rows]


def read_changed_at(db: sqlite3.Connection, index: int, size: int) -> int:
    """Return when one of the anchors that cover leaf `index` last came into its state; 0 for none.

    Lost ones count too: so it never goes back.

    Args:
        size: anchors of larger trees are left out.
    """
    (found,) = db.execute(
        "SELECT ifnull(max(changed_at), 0) FROM anchor WHERE size > ? AND size <= ?", (index, size)
    ).fetchone()
    return int(found)


def read_covers(db: sqlite3.Connection, index: int) -> list[Cover]:
    """Return which anchors cover leaf `index`, in no order."""
    rows = db.execute(
        "SELECT size, state, height, anchor_id FROM anchor"
        " WHERE state IN ('pending', 'attested', 'confirmed', 'final') AND size > ?",
        (index,),
    )
    return [Cover(*row) for row in rows]


def count_states(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT state, count(*) FROM anchor GROUP BY state"))


# Stamps


def write_stamp(db: sqlite3.Connection, row: StampRow) -> None:
    """Keep what a calendar answered, in place of what it had before."""
    _count_up(db)
    db.execute("INSERT OR REPLACE INTO stamp VALUES (?, ?, ?, ?, ?, ?)", row)


def write_ask_after(db: sqlite3.Connection, stamps: Sequence[StampRow]) -> None:
    """Remember when to ask calendars again; nothing that anybody is shown changes."""
    db.executemany(
        "UPDATE stamp SET ask_after = ? WHERE anchor_id = ? AND calendar = ?",
        [(stamp.ask_after, stamp.anchor_id, stamp.calendar) for stamp in stamps],
    )


def read_stamps(db: sqlite3.Connection, anchor_id: int) -> list[StampRow]:
    """Return what calendars answered for an anchor, by their names."""
    rows = db.execute(
        f"SELECT {_STAMP} FROM stamp WHERE anchor_id = ? ORDER BY calendar",  # noqa: S608
        (anchor_id,),
    )
    return [StampRow(*row) for row in rows]


# Beacons


def write_beacon(db: sqlite3.Connection, row: BeaconRow) -> None:
    """Begin or change a beacon."""
    _count_up(db)
    db.execute("INSERT OR REPLACE INTO beacon VALUES (?, ?, ?, ?, ?, ?)", row)


def read_newest_beacon(db: sqlite3.Connection) -> BeaconRow | None:
    """Return the beacon with the highest block, logged or not."""
    row = db.execute(f"SELECT {_BEACON} FROM beacon ORDER BY height DESC LIMIT 1").fetchone()  # noqa: S608
    return BeaconRow(*row) if row else None


def read_beacon_before(db: sqlite3.Connection, index: int) -> BeaconRow | None:
    """Return the last beacon before leaf `index` whose block is in the chain."""
    row = db.execute(
        f"SELECT {_BEACON} FROM beacon WHERE leaf_index < ? AND NOT is_lost"  # noqa: S608
        " ORDER BY leaf_index DESC LIMIT 1",
        (index,),
    ).fetchone()
    return BeaconRow(*row) if row else None


def read_beacons_above(db: sqlite3.Connection, height: int) -> list[BeaconRow]:
    """Return the beacons of blocks above `height`, lost or not."""
    rows = db.execute(f"SELECT {_BEACON} FROM beacon WHERE height > ?", (height,))  # noqa: S608
    return [BeaconRow(*row) for row in rows]


# Everything, for `fsck`


def every(db: sqlite3.Connection) -> Iterator[AnchorRow | StampRow | BeaconRow]:
    """Yield all rows, anchors before what is about them."""
    for kind, columns, table in (
        (AnchorRow, _ANCHOR, "anchor"),
        (StampRow, _STAMP, "stamp"),
        (BeaconRow, _BEACON, "beacon"),
    ):
        for row in db.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2"):  # noqa: S608
            yield kind(*row)
