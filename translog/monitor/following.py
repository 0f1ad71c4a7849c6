"""One followed log: its connections, what is remembered of it, and its turns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from translog.errors import ConflictError, MalformedError, MissingError, VerificationError
from translog.formats.canonical import canonical
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.entry import Entry
from translog.formats.merkle import leaf_hash
from translog.formats.note import MAX_NOTE_BYTES
from translog.formats.published import CHECKPOINT, Fetch
from translog.formats.tiles import FULL, Tile, authenticated
from translog.formats.tree import Node
from translog.formats.witnessing import monitoring_path
from translog.monitor.config import LogConfig
from translog.net.client import Client
from translog.net.directory import Directory
from translog.pith.event import Event
from translog.store import files
from translog.store.follower import (
    Changes,
    DecisionRow,
    FactRow,
    Follower,
    HitRow,
    MarkRow,
    OwedRow,
)
from translog.store.follower_schema import REMEDY
from translog.verify import monitor
from translog.verify.bundles import take
from translog.verify.events import check_event, fetch_keys
from translog.verify.monitor_entries import Owed, body
from translog.verify.monitor_events import Hit, Mark
from translog.verify.monitor_facts import Fact, Position
from translog.verify.monitor_heads import Place
from translog.verify.monitor_permits import Decision, Permits
from translog.verify.monitor_steps import OWED_AT_ONCE, Known, Log, Step
from translog.verify.where import fetch_tiles

TIMEOUT_SECONDS = 10.0
CONNECTIONS = 1  # a log is asked by one thread at a time

Told = Callable[[], None]
"""Called after facts were stored that are new."""


class Following:
    """A log that is followed, from the first turn to `close`. One thread at a time takes turns.

    Attributes:
        head: the head that is believed; None before the first.
        turns: how many were taken.
        scanned: how many entries they covered.
        last_at: when the last one ended, in POSIX seconds; 0 before the first.
    """

    def __init__(
        self, config: LogConfig, family: str, store: Follower, steady: Callable[[], float]
    ) -> None:
        """Open what is remembered of it.

        Args:
            steady: seconds that never go back.

        Raises:
            MalformedError: it is damaged.
            SignatureError: the head that was believed is signed by a key no longer listed.
        """
        self.config = config
        self.turns = self.scanned = self.last_at = 0
        self._store = store
        self._family = family
        self._keys: dict[bytes, bytes] = {}
        self._allowed: Permits | None = None
        self._found: set[Mark] = set()  # and compared, since the last step was stored
        self._steady = steady
        self._slowest = self._slowest_before = 0.0
        self._clients: list[Client] = []
        store.join(config.origin, family)
        self._stored = store.position(config.origin)
        self._position = _position(self._stored, config)
        self.fetch = self._open(config.place)
        self._log = self._make_log()

    @property
    def head(self) -> SignedCheckpoint | None:
        return self._position.head

    @property
    def size(self) -> int:
        """The entries scanned."""
        return self._position.size

    @property
    def slowest_seconds(self) -> float:
        """How long the slowest answer took, in this turn and the one before."""
        return max(self._slowest, self._slowest_before)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def turn(
        self,
        now: int,
        known: "Reach",
        channels: Sequence[str],
        told: Told,
        reading: AbstractContextManager[object],
    ) -> None:
        """Take a turn, and store each step of it.

        Args:
            reading: held while a bundle of entries is read and stored.
        """
        memory = Known(
            find=self._compare,
            read_event=known,
            hits=self._hits,
            owed=self._owed,
            permits=self._permits,
            keys=self._keys,
        )
        self._slowest_before, self._slowest = self._slowest, 0.0
        try:
            for step in monitor.follow(self._log, self._position, memory, now, reading):
                self._keep(step, channels, told, now)
        except BaseException:
            self._allowed = None  # it may be ahead of what was stored
            self._found.clear()
            raise
        self.turns += 1
        self.last_at = now

    def _keep(self, step: Step, channels: Sequence[str], told: Told, now: int) -> None:
        position = step.position.to_json()
        if position == self._stored and not (step.facts or step.owed or step.paid):
            return
        origin = self.config.origin
        with self._store.lock:
            self._check_found(step)
            changes = _changes(origin, step, now)
            new = self._store.commit(origin, self._family, changes, channels, now)
        self._position, self._stored = step.position, position
        self.scanned += step.scanned
        if new:
            told()

    def _check_found(self, step: Step) -> None:
        """Check that what may contradict the events of a step was looked at: another thread may
        have stored marks of another log of the line meanwhile, and cannot have seen ours.

        Raises:
            ConflictError: it was not. The turn is taken again.
        """
        now = set(self._find({mark.prefix for mark in step.marks})) if step.marks else set()
        if any(mark.origin != self.config.origin for mark in now - self._found):
            raise ConflictError(f"{self._family}: two of its line were scanned at once")
        self._found.clear()

    def read_event(self, index: int) -> tuple[Event, bytes] | None:
        """Return an event that is logged here, and its signer's key; None if it is not published.

        It is the one in the tree of the head that is believed, whatever the log shows now.

        Raises:
            TranslogError: it cannot be read now.
        """
        head = self.head
        if head is None or index >= head.size:
            return None
        try:
            taken = take(self.fetch, Tile.at(0, index // FULL, head.size), depth="hashes")
            raw = taken.entries[index % FULL]
            # What was scanned is what counts, and not what stands in its place by now.
            read = authenticated(head.size, head.root, partial(fetch_tiles, self.fetch))
            if read([Node(0, index)]) != [leaf_hash(raw)]:
                return None
            entry, content = Entry.parse(raw), body(self.fetch, raw)
            keys = self._keys if entry.key_sha256 in self._keys else fetch_keys(self.fetch)
            if content is None or entry.key_sha256 not in keys:
                return None
            return check_event(content, entry, keys), keys[entry.key_sha256]
        except (MissingError, MalformedError, VerificationError):
            return None

    def _make_log(self) -> Log:
        config = self.config
        mirrors = [(place, self._open(place)) for place in config.mirrors]
        places = [
            Place(name=url, read=self._reader(url)) for url in (*config.witnesses, *config.exchange)
        ]
        places += [
            Place(name=name, read=partial(fetch, CHECKPOINT, MAX_NOTE_BYTES), fetch=fetch)
            for name, fetch in mirrors
        ]
        return Log(
            origin=config.origin,
            policy=config.policy,
            fetch=self.fetch,
            places=tuple(places),
            bundles=((config.place, self.fetch), *mirrors),
            watch=config.watch,
            frozen_after=config.frozen_after_seconds,
            patience=config.patience_seconds,
            check_every=config.check_every_seconds,
        )

    def _open(self, place: str) -> Fetch:
        if "://" not in place:
            return Directory(Path(place)).get
        client = Client(place, timeout_seconds=TIMEOUT_SECONDS, connections=CONNECTIONS)
        self._clients.append(client)
        return self._timed(client.get)

    def _timed(self, fetch: Fetch) -> Fetch:
        """Return the same fetch, which remembers how slow it is."""

        def get(path: str, limit: int) -> bytes:
            begun = self._steady()
            try:
                return fetch(path, limit)
            finally:
                self._slowest = max(self._slowest, self._steady() - begun)

        return get

    def _reader(self, place: str) -> Callable[[], bytes]:
        """Return how to read the head that a witness or another monitor shows of this log."""
        path = monitoring_path(self.config.origin)
        if "://" not in place:
            return partial(files.read, Path(place) / path, limit=MAX_NOTE_BYTES)
        client = Client(place, timeout_seconds=TIMEOUT_SECONDS, connections=CONNECTIONS)
        self._clients.append(client)
        return partial(client.get, path, MAX_NOTE_BYTES)

    def _find(self, prefixes: Iterable[int]) -> list[Mark]:
        found = self._store.find(self._family, list(prefixes))
        return [Mark(row.prefix, row.origin, row.leaf_index) for row in found]

    def _compare(self, prefixes: Sequence[int]) -> list[Mark]:
        found = self._find(prefixes)
        self._found.update(found)
        return found

    def _hits(self) -> list[Hit]:
        return [
            Hit(
                index=row.leaf_index,
                entry=row.entry,
                subject=row.subject,
                content=row.content,
                since=row.since,
            )
            for row in self._store.hits(self.config.origin)
        ]

    def _owed(self) -> list[Owed]:
        rows = self._store.owed(self.config.origin, OWED_AT_ONCE)
        return [Owed(row.leaf_index, row.entry, row.since) for row in rows]

    def _permits(self) -> Permits:
        """Return who may write, after what was judged; made anew where that is not known."""
        if self._allowed is None:
            origin = self.config.origin
            decisions = [
                Decision(index=row.leaf_index, entry=row.entry, content=row.content)
                for row in self._store.decisions(origin)
                if row.leaf_index < self._position.judged  # up to 0.2.2 others were kept, too
            ]
            self._allowed = Permits(origin, self.config.policy, decisions)
        return self._allowed


class Reach:
    """The events of all followed logs, by origin and index: a `monitor_events.ReadEvent`."""

    def __init__(self, logs: Mapping[str, Following]) -> None:
        self._logs = logs

    def __call__(self, origin: str, index: int) -> tuple[Event, bytes] | None:
        following = self._logs.get(origin)
        return None if following is None else following.read_event(index)


def _position(raw: bytes | None, config: LogConfig) -> Position:
    """Return where the monitor stood with a log."""
    if raw is None:
        return Position()
    try:
        return Position.from_json(raw, config.policy)
    except MalformedError as error:
        raise MalformedError(f"what is remembered of {config.origin}: {error}; {REMEDY}") from error


def _changes(origin: str, step: Step, now: int) -> Changes:
    """Return the rows of a step."""
    return Changes(
        position=step.position.to_json(),
        marks=[MarkRow(mark.prefix, mark.origin, mark.index) for mark in step.marks],
        hits=[
            HitRow(hit.index, hit.entry, hit.subject, hit.content, hit.since) for hit in step.hits
        ],
        owed=[OwedRow(owed.index, owed.entry, owed.since) for owed in step.owed],
        decisions=[DecisionRow(each.index, each.entry, each.content) for each in step.decisions],
        paid=step.paid,
        facts=[_fact(origin, fact, now) for fact in step.facts],
    )


def _fact(origin: str, fact: Fact, now: int) -> FactRow:
    return FactRow(fact.id_in(origin), fact.severity, canonical(fact.alert(origin, now)))
