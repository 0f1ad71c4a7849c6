"""Rows of what the operator has decided and the log has not said yet, and of events that wait.

What they mean: log/decisions. Trusted: who can write here decides who may write to the log, though
not unnoticed: what is decided becomes an event in the log before it has an effect.
"""

import sqlite3
from collections.abc import Sequence
from typing import Literal, NamedTuple

State = Literal["waiting", "accepted", "refused"]
WAITING: State = "waiting"
ACCEPTED: State = "accepted"
REFUSED: State = "refused"


class Proposal(NamedTuple):
    """A decision of the operator that is not in the log yet.

    Attributes:
        proposal_id: in the order in which they were made.
        event_type: one of `pith/kinds/decisions`.
        payload: of the event, in JSON.
        created_at: POSIX seconds.
    """

    proposal_id: int
    event_type: str
    payload: str
    created_at: int


class HeldRow(NamedTuple):
    """An event that waits for the operator, with what a leaf would hold of it.

    Attributes:
        content_sha256: 32 bytes, what its id is made of.
        entry: 129 bytes.
        signed_at: in microseconds.
        body: packed content; empty once it is refused.
        state: what has been decided.
    """

    content_sha256: bytes
    entry: bytes
    signed_at: int
    body: bytes
    state: State


def add_proposal(db: sqlite3.Connection, event_type: str, payload: str, created_at: int) -> int:
    """Note a decision; return its number."""
    cursor = db.execute(
        "INSERT INTO proposal (event_type, payload, created_at) VALUES (?, ?, ?)",
        (event_type, payload, created_at),
    )
    return int(cursor.lastrowid or 0)


def read_proposals(db: sqlite3.Connection) -> list[Proposal]:
    """Return what is not in the log yet, oldest first."""
    rows = db.execute(
        "SELECT proposal_id, event_type, payload, created_at FROM proposal ORDER BY proposal_id"
    )
    return [Proposal(*row) for row in rows]


def delete_proposal(db: sqlite3.Connection, proposal_id: int) -> None:
    db.execute("DELETE FROM proposal WHERE proposal_id = ?", (proposal_id,))


def add_held(db: sqlite3.Connection, row: HeldRow) -> None:
    db.execute(
        "INSERT INTO held (content_sha256, entry, signed_at, body, state) VALUES (?, ?, ?, ?, ?)",
        row,
    )


def read_state(db: sqlite3.Connection, entry: bytes) -> State | None:
    """Return what has been decided of the event with this entry; None where it never waited."""
    row = db.execute("SELECT state FROM held WHERE entry = ?", (entry,)).fetchone()
    return None if row is None else row[0]


def read_held(db: sqlite3.Connection, states: Sequence[State]) -> list[HeldRow]:
    """Return events in one of these states, those that came first before the others."""
    marks = ",".join("?" * len(states))
    rows = db.execute(
        "SELECT content_sha256, entry, signed_at, body, state FROM held"  # noqa: S608
        f" WHERE state IN ({marks}) ORDER BY held_id",
        tuple(states),
    )
    return [HeldRow(*row) for row in rows]


def find_held(db: sqlite3.Connection, content_sha256: bytes) -> list[HeldRow]:
    """Return the events with this hash that wait, or were refused: one for each signature."""
    rows = db.execute(
        "SELECT content_sha256, entry, signed_at, body, state FROM held"
        " WHERE content_sha256 = ? ORDER BY held_id",
        (content_sha256,),
    )
    return [HeldRow(*row) for row in rows]


def count_held(db: sqlite3.Connection, key_sha256: bytes | None = None) -> int:
    """Return how many events wait: all, or those of one key."""
    of_key = "" if key_sha256 is None else " AND substr(entry, 34, 32) = ?"
    (count,) = db.execute(
        f"SELECT count(*) FROM held WHERE state = 'waiting'{of_key}",  # noqa: S608
        () if key_sha256 is None else (key_sha256,),
    ).fetchone()
    return int(count)


def judge_held(db: sqlite3.Connection, content_sha256: bytes, state: State) -> None:
    """Say what was decided of the events with this hash that wait. Refused ones lose their body."""
    body = ", body = x''" if state == REFUSED else ""
    db.execute(
        f"UPDATE held SET state = ?{body} WHERE content_sha256 = ? AND state = 'waiting'",  # noqa: S608
        (state, content_sha256),
    )


def delete_held(db: sqlite3.Connection, entry: bytes) -> None:
    db.execute("DELETE FROM held WHERE entry = ?", (entry,))
