"""A monitor, from start to stop: a turn of each log at its time, each in a thread of its own.

A log that is slow, or never answers, has one thread that waits for it, and delays no other. Threads
begin with a turn and end with it, so there are as many as there are logs that are being waited for.
"""

import heapq
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from threading import Event, Lock, Semaphore, Thread
from typing import Self

from translog.errors import TranslogError
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.witnessing import monitoring_path
from translog.monitor.alerts import (
    COMMAND,
    EVIDENCE,
    STDOUT,
    WEBHOOK,
    Channel,
    Courier,
    Webhook,
    to_command,
    to_folder,
    to_stdout,
)
from translog.monitor.config import Config, families
from translog.monitor.following import Following, Reach
from translog.monitor.metrics import Endpoint
from translog.store import files
from translog.store.follower import Follower
from translog.store.keys import read_key

READING = 8  # logs whose entries are read at a time: a bundle of each is in memory
READING_SLOWLY = 4
SLOW_SECONDS = 5.0
STOP_SECONDS = 15.0  # a turn that waits for a log is left behind after that


@dataclass(frozen=True, slots=True)
class Clocks:
    """What tells the time.

    Attributes:
        now: POSIX seconds.
        steady: seconds that never go back.
    """

    now: Callable[[], float]
    steady: Callable[[], float]


class _Lane:
    """What a log holds while it is read: slow ones wait for each other, and nobody for them."""

    def __init__(self, following: Following, fast: Semaphore, slow: Semaphore) -> None:
        self._following = following
        self._fast = fast
        self._slow = slow

    def __enter__(self) -> None:
        is_slow = self._following.slowest_seconds > SLOW_SECONDS  # by now
        self._held = self._slow if is_slow else self._fast
        self._held.acquire()

    def __exit__(self, *_: object) -> None:
        self._held.release()


@dataclass
class Monitor:
    """All followed logs, from `open` to the end of the block.

    Attributes:
        logs: by origin.
        channels: by which alerts are told.
        endpoint: the HTTP server, or None.
        late: turns that could not begin because the one before had not ended.
    """

    config: Config
    clocks: Clocks
    store: Follower
    logs: dict[str, Following] = field(default_factory=dict)
    channels: list[Channel] = field(default_factory=list)
    endpoint: Endpoint | None = None
    late: int = 0
    _busy: set[str] = field(default_factory=set)
    _shown: dict[str, SignedCheckpoint] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _stopping: Event = field(default_factory=Event)
    _fast: Semaphore = field(default_factory=lambda: Semaphore(READING))
    _slow: Semaphore = field(default_factory=lambda: Semaphore(READING_SLOWLY))
    _courier: Courier | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def open(cls, config: Config, clocks: Clocks) -> "Monitor":
        """Open the database, the logs and the channels. Nothing is asked yet.

        Raises:
            ConflictError: another process has the database: each would undo what the other stored.
            TranslogError: one of them cannot be opened.
        """
        file = config.database
        advice = f"each monitor has a database of its own, and {file.name} is another's"
        with ExitStack() as stack:
            stack.enter_context(closing(files.Lock(file.with_name(f"{file.name}.lock"), advice)))
            store = stack.enter_context(Follower(file))
            monitor = cls(config=config, clocks=clocks, store=store, _stack=stack)
            monitor._open()
            monitor._stack = stack.pop_all()
        return monitor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._stack.close()

    def _open(self) -> None:
        first = families(self.config.logs)
        for log in self.config.logs:
            self.store.add(log.origin)
        for log in self.config.logs:
            self.logs[log.origin] = Following(
                log, first[log.origin], self.store, self.clocks.steady
            )
            self._stack.callback(self.logs[log.origin].close)
        for folder in (self.config.evidence, self.config.seen):
            if folder is not None:
                files.make_folder(folder)
        self.channels = self._open_channels()
        self.store.drop_channels(channel.name for channel in self.channels)
        if self.config.listen is not None:
            self.endpoint = Endpoint(self.config.listen, self.logs, self.store, lambda: self.late)
            self._stack.callback(self.endpoint.close)

    def _open_channels(self) -> list[Channel]:
        config = self.config
        # Told like an alert: so it is there whatever the disk or a crash did when it was found.
        channels = [Channel(EVIDENCE, to_folder(config.evidence))] if config.evidence else []
        if config.stdout:
            channels.append(Channel(STDOUT, to_stdout))
        if config.command is not None:
            channels.append(Channel(COMMAND, to_command(config.command)))
        if config.webhook is not None and config.webhook_key is not None:
            webhook = Webhook(config.webhook, read_key(config.webhook_key))
            self._stack.callback(webhook.close)
            channels.append(Channel(WEBHOOK, webhook.tell))
        return channels

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Take turns, and tell what they find, until `stop`."""
        self._courier = Courier(self.channels, self.store, self.clocks.now)
        try:
            self._schedule()
            self._wait()
        finally:
            self._courier.close(STOP_SECONDS)

    def once(self) -> None:
        """Take one turn of each log, one after the other, and tell what can be told now.

        Raises:
            TranslogError: a turn could not be stored, or not to its end; the others were taken.
        """
        errors = [error for origin in self.logs if (error := self._turn(origin)) is not None]
        for channel in self.channels:
            while channel.deliver(self.store, int(self.clocks.now())):
                pass
        if errors:
            raise errors[0]

    def _schedule(self) -> None:
        """Begin turns at their times. The first ones are spread over an interval."""
        interval = self.config.interval_seconds
        start = self.clocks.steady()
        share = interval / len(self.logs)
        due = [(start + share * number, origin) for number, origin in enumerate(self.logs)]
        heapq.heapify(due)
        while not self._stopping.is_set():
            at, origin = due[0]
            wait = at - self.clocks.steady()
            if wait > 0 and self._stopping.wait(wait):
                break
            # What was missed is not made up for: that would only make the others late, too.
            missed = max(0.0, self.clocks.steady() - at) // interval
            heapq.heapreplace(due, (at + interval * (1 + missed), origin))
            self._begin(origin)

    def _begin(self, origin: str) -> None:
        with self._lock:
            if origin in self._busy:
                self.late += 1
                return
            self._busy.add(origin)
        Thread(target=self._turn, args=(origin,), daemon=True, name=f"turn of {origin}").start()

    def _turn(self, origin: str) -> TranslogError | None:
        """Take a turn; return what of ours was in the way, having said so."""
        following = self.logs[origin]
        try:
            names = [channel.name for channel in self.channels]
            lane = _Lane(following, self._fast, self._slow)
            following.turn(int(self.clocks.now()), Reach(self.logs), names, self._told, lane)
            self._show(following)
        except TranslogError as error:
            # Of ours: what is wrong with a log is a fact. The turn is taken again.
            if not self._stopping.is_set():  # then the database may be closed already
                line = {"error": {"code": error.code, "detail": str(error)}, "origin": origin}
                sys.stderr.write(f"{json.dumps(line)}\n")
                sys.stderr.flush()
            return error
        else:
            return None
        finally:
            with self._lock:
                self._busy.discard(origin)

    def _show(self, following: Following) -> None:
        """Put the head that is believed where other monitors look for it, if it is not there."""
        head, folder, origin = following.head, self.config.seen, following.config.origin
        if head is None or folder is None or self._shown.get(origin) is head:
            return
        file = folder / monitoring_path(origin)
        files.make_folder(file.parent)
        files.write_atomically(file, head.note)
        self._shown[origin] = head

    def _told(self) -> None:
        """Have new facts told."""
        if self._courier is not None:
            self._courier.wake()

    def _wait(self) -> None:
        """Wait for turns that are under way, for a while."""
        end = self.clocks.steady() + STOP_SECONDS
        pause = Event()
        while self._busy and self.clocks.steady() < end:
            pause.wait(0.02)
