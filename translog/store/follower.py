"""A monitor's rows: where it stands with each log, what it found out, and what is still to be told.

One database a monitor. Trusted: who can write here can have a part of a log passed over, or an
alert forgotten, and cannot make a log look guilty: evidence is checked by who gets it.

A crash means: everything of a step is here, or nothing of it; then it is taken again, and finds
the same facts, which are told once.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from threading import RLock
from typing import NamedTuple, Self

from translog.store import database
from translog.store.follower_schema import REMEDY, SCHEMA

MAX_WAIT_SECONDS = 3_600  # for which an alert that could not be told is put off, at most

_reading = partial(database.translated, "database", REMEDY)
_writing = partial(database.transaction, remedy=REMEDY)


class MarkRow(NamedTuple):
    """64 bits, and the place of the event that left them."""

    prefix: int
    origin: str
    leaf_index: int


class HitRow(NamedTuple):
    """A logged event about a watched record."""

    leaf_index: int
    entry: bytes
    subject: str
    content: bytes
    since: int


class OwedRow(NamedTuple):
    """An entry that could not be judged."""

    leaf_index: int
    entry: bytes
    since: int


class DecisionRow(NamedTuple):
    """A logged event that decides who may write."""

    leaf_index: int
    entry: bytes
    content: bytes


class FactRow(NamedTuple):
    """Something found out: its identity, and the alert that tells of it, in JSON."""

    fact_id: str
    severity: str
    alert: bytes


class DueRow(NamedTuple):
    """An alert that is to be told."""

    fact_id: str
    alert: bytes
    tries: int


class Changes(NamedTuple):
    """All that one step changes."""

    position: bytes
    marks: Sequence[MarkRow] = ()
    hits: Sequence[HitRow] = ()
    owed: Sequence[OwedRow] = ()
    decisions: Sequence[DecisionRow] = ()
    paid: Sequence[int] = ()
    facts: Sequence[FactRow] = ()


class Follower:
    """The database, from being opened to `close`. For any number of threads."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it where there is none. The caller keeps other processes out.

        Raises:
            MalformedError: the file is something else.
            UnavailableError: it cannot be opened.
        """
        opened = database.open_writer if path.exists() else database.create
        self._db: sqlite3.Connection = opened(path, SCHEMA)
        self.lock = RLock()  # one connection: who reads waits for who writes, or for who does both
        self._ids: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self._db.close()

    def add(self, origin: str) -> None:
        """Make a log known, which may be known already."""
        with self.lock, _writing(self._db):
            made = self._db.execute("INSERT OR IGNORE INTO followed (origin) VALUES (?)", (origin,))
            if not self._ids:  # those that are followed no more are among them
                self._ids = dict(self._db.execute("SELECT origin, log_id FROM followed"))
            elif made.rowcount and made.lastrowid is not None:
                self._ids[origin] = made.lastrowid

    def join(self, origin: str, family: str) -> None:
        """Count a log to a family, with all the marks that it has left."""
        log_id, family_id = self._ids[origin], self._ids[family]
        with self.lock, _writing(self._db):
            changed = self._db.execute(
                "UPDATE followed SET family = ? WHERE log_id = ? AND family IS NOT ?",
                (family_id, log_id, family_id),
            ).rowcount
            if changed and self.position(origin) is not None:  # seldom: all marks are gone through
                self._db.execute(
                    "UPDATE OR REPLACE mark SET family = ? WHERE log_id = ?", (family_id, log_id)
                )

    def position(self, origin: str) -> bytes | None:
        """Return where the monitor stands with a log, or None before its first step."""
        with self.lock, _reading():
            (found,) = self._db.execute(
                "SELECT position FROM followed WHERE origin = ?", (origin,)
            ).fetchone()
        return None if found is None else bytes(found)

    def commit(
        self, origin: str, family: str, changes: Changes, channels: Sequence[str], now: int
    ) -> list[str]:
        """Store a step; return the facts in it that nobody was told before.

        Args:
            family: the log that this one continues, or itself.
            channels: by which new facts are to be told.
        """
        log_id, family_id = self._ids[origin], self._ids[family]
        with self.lock, _writing(self._db):
            db = self._db
            db.execute(
                "UPDATE followed SET position = ? WHERE log_id = ?", (changes.position, log_id)
            )
            db.executemany(
                "INSERT OR IGNORE INTO mark VALUES (?, ?, ?, ?)",
                [(family_id, mark.prefix, log_id, mark.leaf_index) for mark in changes.marks],
            )
            db.executemany(
                "INSERT OR IGNORE INTO hit VALUES (?, ?, ?, ?, ?, ?)",
                [(log_id, *hit) for hit in changes.hits],
            )
            db.executemany(
                "INSERT OR IGNORE INTO decision VALUES (?, ?, ?, ?)",
                [(log_id, *decision) for decision in changes.decisions],
            )
            db.executemany(
                "INSERT INTO owed VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET asked = excluded.asked",
                [(log_id, *owed, now) for owed in changes.owed],
            )
            db.executemany(
                "DELETE FROM owed WHERE log_id = ? AND leaf_index = ?",
                [(log_id, index) for index in changes.paid],
            )
            return [
                fact.fact_id for fact in changes.facts if self._tell(origin, fact, channels, now)
            ]

    def _tell(self, origin: str, fact: FactRow, channels: Sequence[str], now: int) -> bool:
        """Keep a fact, and line it up to be told; return whether it is new."""
        new = self._db.execute(
            "INSERT OR IGNORE INTO fact VALUES (?, ?, ?, ?, ?)",
            (fact.fact_id, origin, fact.severity, now, fact.alert),
        ).rowcount
        if new:
            self._db.executemany(
                "INSERT INTO delivery VALUES (?, ?, ?, 0)",
                [(channel, fact.fact_id, now) for channel in channels],
            )
        return bool(new)

    def find(self, family: str, prefixes: Sequence[int]) -> list[MarkRow]:
        """Return the marks with one of these 64 bits, oldest entries first."""
        names = {log_id: origin for origin, log_id in self._ids.items()}
        found: list[MarkRow] = []
        with self.lock, _reading():
            for prefix in prefixes:
                rows = self._db.execute(
                    "SELECT log_id, leaf_index FROM mark WHERE family = ? AND prefix = ?"
                    " ORDER BY log_id, leaf_index",
                    (self._ids[family], prefix),
                )
                found += [MarkRow(prefix, names[log_id], index) for log_id, index in rows]
        return found

    def hits(self, origin: str) -> list[HitRow]:
        """Return the logged events about watched records, in order."""
        with self.lock, _reading():
            rows = self._db.execute(
                "SELECT leaf_index, entry, subject, content, since FROM hit WHERE log_id = ?"
                " ORDER BY leaf_index",
                (self._ids[origin],),
            )
            return [HitRow(*row) for row in rows]

    def owed(self, origin: str, limit: int) -> list[OwedRow]:
        """Return entries that could not be judged, those first that were not asked for longest."""
        with self.lock, _reading():
            rows = self._db.execute(
                "SELECT leaf_index, entry, since FROM owed WHERE log_id = ?"
                " ORDER BY asked, leaf_index LIMIT ?",
                (self._ids[origin], limit),
            )
            return [OwedRow(*row) for row in rows]

    def decisions(self, origin: str) -> list[DecisionRow]:
        """Return the logged events that decide who may write, in order."""
        with self.lock, _reading():
            rows = self._db.execute(
                "SELECT leaf_index, entry, content FROM decision WHERE log_id = ?"
                " ORDER BY leaf_index",
                (self._ids[origin],),
            )
            return [DecisionRow(*row) for row in rows]

    def due(self, channel: str, now: int, limit: int) -> list[DueRow]:
        """Return what is to be told by a channel now, in the order in which it was found.

        What was put off holds back what is behind it: alerts are told in their order.
        """
        with self.lock, _reading():
            rows = self._db.execute(
                "SELECT due_at, fact_id, alert, tries FROM delivery JOIN fact USING (fact_id)"
                " WHERE channel = ? ORDER BY fact.rowid LIMIT ?",
                (channel, limit),
            ).fetchall()
        # Nothing is put off for longer: such a time is of a clock that has been set back since.
        due = takewhile(lambda row: not now < row[0] <= now + MAX_WAIT_SECONDS, rows)
        return [DueRow(*row) for _, *row in due]

    def told(self, channel: str, fact_id: str) -> None:
        """Forget that something is to be told: it was."""
        with self.lock, _writing(self._db):
            self._db.execute(
                "DELETE FROM delivery WHERE channel = ? AND fact_id = ?", (channel, fact_id)
            )

    def put_off(self, channel: str, fact_id: str, due_at: int) -> None:
        """Tell it later: it could not be told now."""
        with self.lock, _writing(self._db):
            self._db.execute(
                "UPDATE delivery SET due_at = ?, tries = tries + 1"
                " WHERE channel = ? AND fact_id = ?",
                (due_at, channel, fact_id),
            )

    def drop_channels(self, channels: Iterable[str]) -> None:
        """Forget what was to be told by channels that are no more."""
        kept = list(channels)
        marks = ", ".join("?" * len(kept))
        with self.lock, _writing(self._db):
            self._db.execute(f"DELETE FROM delivery WHERE channel NOT IN ({marks})", kept)  # noqa: S608  # marks only

    def counts(self) -> dict[str, int]:
        """Return how many facts there are of each severity, and what is still to be told."""
        with self.lock, _reading():
            facts = dict(self._db.execute("SELECT severity, count(*) FROM fact GROUP BY severity"))
            (waiting,) = self._db.execute("SELECT count(*) FROM delivery").fetchone()
        return {**facts, "waiting": waiting}
