"""Rows of announcements: leaves of which the log states that they are anchored. See log/announcer.

Functions that write want to be inside a `database.transaction`.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

_COLUMNS = "announcement_id, anchor_id, start, stop, position, made_at, log_size, is_again, state"


class AnnouncementRow(NamedTuple):
    """Leaves whose being anchored the log states, by events of its own.

    Attributes:
        start, stop: the leaves.
        position: the next leaf to be looked at.
        made_at: POSIX seconds; the `created_at` of its events.
        log_size: of the log when it was begun.
        is_again: 1 if some of it was announced before, below `log_size`, and is superseded.
        state: "open", "done", "lost" (its anchor is), or "replaced" by a later one.
    """

    announcement_id: int
    anchor_id: int
    start: int
    stop: int
    position: int
    made_at: int
    log_size: int
    is_again: int
    state: str


def add(db: sqlite3.Connection, row: AnnouncementRow) -> None:
    """Begin an announcement; its id is given here."""
    db.execute(
        f"INSERT INTO announcement ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        row[1:],
    )


def write(db: sqlite3.Connection, row: AnnouncementRow) -> None:
    """Change how far an announcement has come, or its state."""
    db.execute(
        "UPDATE announcement SET position = ?, state = ? WHERE announcement_id = ?",
        (row.position, row.state, row.announcement_id),
    )


def read(db: sqlite3.Connection, state: str) -> list[AnnouncementRow]:
    """Return the announcements in a state, oldest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM announcement WHERE state = ? ORDER BY announcement_id",  # noqa: S608
        (state,),
    )
    return [AnnouncementRow(*row) for row in rows]


def read_of(db: sqlite3.Connection, anchor_id: int) -> list[AnnouncementRow]:
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM announcement WHERE anchor_id = ? ORDER BY announcement_id",  # noqa: S608
        (anchor_id,),
    )
    return [AnnouncementRow(*row) for row in rows]


def read_end(db: sqlite3.Connection) -> int:
    """Return the first leaf that no announcement has."""
    (stop,) = db.execute("SELECT max(stop) FROM announcement").fetchone()
    return int(stop or 0)


def every(db: sqlite3.Connection) -> Iterator[AnnouncementRow]:
    """Yield all rows, for `fsck`."""
    for row in db.execute(f"SELECT {_COLUMNS} FROM announcement ORDER BY 1"):  # noqa: S608
        yield AnnouncementRow(*row)
