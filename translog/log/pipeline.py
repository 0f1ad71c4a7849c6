"""From raw bytes to places in the log, on every core, in order, and never more than fits.

Submissions wait in one bounded line. Units from its front are checked here, and from the first
crowd on by a process for every core; one thread appends what is checked, in the line's order, with
everything that has become ready meanwhile as one batch. So a lone event is checked and committed
alone at once, and a crowd shares the cores and one fsync.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from itertools import islice, takewhile
from pathlib import Path

from translog.errors import BusyError, TranslogError, UnavailableError
from translog.log.checker import Here
from translog.log.crew import Crew, Done
from translog.log.intake import Admitted
from translog.log.sequencer import Result, Sequencer
from translog.log.units import Deliver, Submission, Unit, raws_of
from translog.store import database

UNIT_EVENTS = 64  # what is checked in one go
CROWD_EVENTS = 16  # so many are waiting that it is time for other processes
BATCH_EVENTS = 1_024  # what one transaction holds at most
MAX_WAITING_EVENTS = 16_384
MAX_WAITING_BYTES = 64 << 20
# A disk that fills up is told of while there is still room for what was promised.
MIN_FREE_BYTES = 64 << 20


class Pipeline:
    """Two threads that take events in, from construction to `close`: one checks, one sequences."""

    def __init__(self, sequencer: Sequencer, path: Path) -> None:
        """Start the threads.

        Args:
            sequencer: used by one thread of the pipeline, and by nobody else.
            path: of the log's database, for reading the registry; its disk must not fill up.
        """
        self._sequencer = sequencer
        self._path = path
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)  # there is something to place
        self._crew = Crew(path, cores())
        self._unchecked: deque[Unit] = deque()
        self._line: deque[Unit] = deque()  # every unit from submission to commit, in order
        self._events = 0
        self._bytes = 0
        self._closing = False
        self._failed: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._guard, args=(run,), name=name)
            for name, run in (("intake", self._check), ("sequencer", self._sequence))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Events that are taken in and not yet answered for."""
        return self._events

    @property
    def stopped(self) -> BaseException | None:
        """Why nothing is taken any more, or None."""
        return self._failed or self._sequencer.stopped

    def submit(self, raws: Sequence[bytes], deliver: Deliver) -> None:
        """Queue events; `deliver` gets one result an event, in order, once all are durable.

        It is called from a thread of the pipeline, exactly once, and must be quick.

        Raises:
            BusyError: there is no room in the line; nothing was queued.
            UnavailableError: the log takes no more events.
        """
        if not raws:
            deliver([])
            return
        submission = Submission(deliver, [UnavailableError("not placed")] * len(raws), len(raws))
        units = []
        for start in range(0, len(raws), UNIT_EVENTS):
            part = raws[start : start + UNIT_EVENTS]
            units.append(Unit(submission, start, part, sum(map(len, part))))
        size = sum(unit.bytes for unit in units)
        with self._lock:
            self._refuse_if_stopped()
            crowded = self._events + len(raws) > MAX_WAITING_EVENTS
            if self._line and (crowded or self._bytes + size > MAX_WAITING_BYTES):
                raise BusyError(
                    f"{self._events} events ({self._bytes} bytes) wait: try again in a second"
                )
            self._events += len(raws)
            self._bytes += size
            self._unchecked.extend(units)
            self._line.extend(units)
            self._crew.send(self._unchecked)
            if self._unchecked or self._crew.behind:
                self._crew.ring()

    def require_room(self) -> None:
        """Refuse what the disk has no room for.

        Raises:
            UnavailableError: it is almost full, or cannot be asked; events are refused.
        """
        try:
            disk = os.statvfs(self._path)
        except OSError as error:
            raise UnavailableError(f"{self._path}: {error}") from error
        free = disk.f_bavail * disk.f_frsize
        if free < MIN_FREE_BYTES:
            raise UnavailableError(
                f"disk of {self._path.parent} has {free >> 20} MiB free,"
                f" want {MIN_FREE_BYTES >> 20}: nothing was logged; make room and send it again"
            )

    def close(self) -> None:
        """Finish what is queued, answer for it, and end the threads."""
        with self._lock:
            self._closing = True
            self._wake_all()
        for thread in self._threads:
            thread.join()
        with self._lock:
            self._crew.close()

    def _refuse_if_stopped(self) -> None:
        if self._closing:
            raise UnavailableError("log is being closed")
        if self.stopped is not None:
            raise UnavailableError(f"log takes no more events: {self.stopped}")

    def _guard(self, run: Callable[[Here], None]) -> None:
        """Run a thread's work. If it ends by a bug, nobody waits for an answer for ever."""
        try:
            with closing(Here(database.open_reader(self._path))) as here:
                run(here)
        except BaseException as error:
            self._fail(error)
            raise  # to the thread's excepthook: a bug is shown, with its traceback

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failed = error
            orphans = [unit.submission for unit in self._line]
            self._count_out(self._line)
            self._line.clear()
            self._unchecked.clear()
            self._wake_all()
        failure = UnavailableError(f"log stopped by a bug: {error!r}")
        for submission in orphans:
            if submission.missing > 0:  # not answered for already
                submission.missing = 0
                submission.deliver([failure] * len(submission.results))

    def _wake_all(self) -> None:
        self._ready.notify_all()
        self._crew.ring()

    # Intake: one thread checks, or has others check.

    def _check(self, here: Here) -> None:
        while not self._is_done():
            if self._events >= CROWD_EVENTS:
                self._crew.start()
            units = self._take_unchecked()
            if units:
                self._mark([(units, here.check(raws_of(units)))])
            self._listen(waits=not units)

    def _listen(self, *, waits: bool) -> None:
        """Take what others have checked, and give them more; wait for it, or for a submission."""
        for said in self._crew.listen(waits=waits):
            with self._lock:
                done = self._crew.settle(said)
            self._mark(done)
        with self._lock:
            self._crew.send(self._unchecked)

    def _mark(self, done: Iterable[Done]) -> None:
        """Say that units are checked."""
        for units, checked in done:
            rest = iter(checked)
            for unit in units:
                unit.checked = list(islice(rest, len(unit.raws)))
                unit.ready = True
        with self._lock:
            if self._line and self._line[0].ready:
                self._ready.notify()

    def _take_unchecked(self) -> list[Unit]:
        """Take a unit to check here, if nobody else checks.

        While others do, nothing is checked here: this process has the line to sequence and a server
        to run, and Python does one thing at a time.
        """
        with self._lock:
            if self._crew.ready or not self._unchecked:
                return []
            return [self._unchecked.popleft()]

    def _is_done(self) -> bool:
        with self._lock:
            return self._failed is not None or (self._closing and not self._line)

    # Sequencing: one thread.

    def _sequence(self, here: Here) -> None:
        while units := self._take_ready():
            try:
                self._place(units, here)
            except BaseException:
                with self._lock:  # back in line, where all are answered for
                    self._line.extendleft(reversed(units))
                raise
            with self._lock:
                self._count_out(units)
                if self._closing and not self._line:
                    self._wake_all()

    def _place(self, units: Sequence[Unit], checker: Here) -> None:
        """Have units logged, and answer for them.

        Args:
            checker: checks again what was checked before the registry last changed.
        """
        while units:
            self._refresh(units, checker)
            together = list(takewhile(lambda unit: not unit.decides, units))
            if together:
                self._place_together(together)
            else:  # each of its events may change what the next one may do
                units[0].answer([self._place_one(raw, checker) for raw in units[0].raws])
            units = units[len(together) or 1 :]

    def _place_together(self, units: Sequence[Unit]) -> None:
        placed = iter(self._append([each for unit in units for each in unit.admitted]))
        for unit in units:
            unit.answer(
                [next(placed) if isinstance(done, Admitted) else done for done in unit.checked]
            )

    def _place_one(self, raw: bytes, checker: Here) -> Result:
        (done,) = checker.check([raw])
        if isinstance(done, TranslogError):
            return done
        (result,) = self._append([done])
        return result

    def _refresh(self, units: Sequence[Unit], checker: Here) -> None:
        """Check again what was checked before the registry last changed.

        It changes with decisions only, in this thread, and each ends its batch: so nothing is
        logged after a decision that it does not allow.
        """
        try:
            version = self._sequencer.registry_version()
        except UnavailableError:
            return  # nothing can be logged either
        for unit in units:
            if unit.is_stale(version):
                unit.checked = checker.check(unit.raws)

    def _count_out(self, units: Iterable[Unit]) -> None:
        for unit in units:
            self._events -= len(unit.raws)
            self._bytes -= unit.bytes

    def _take_ready(self) -> list[Unit]:
        """Wait for checked units at the front of the line, and take what one batch holds."""
        units: list[Unit] = []
        events = 0
        with self._lock:
            while not (self._line and self._line[0].ready):
                if self._failed is not None or (self._closing and not self._line):
                    return []
                self._ready.wait()
            while self._line and self._line[0].ready and events < BATCH_EVENTS:
                units.append(self._line.popleft())
                events += len(units[-1].raws)
        return units

    def _append(self, batch: list[Admitted]) -> list[Result]:
        try:
            self.require_room()
            return self._sequencer.append(batch)
        except TranslogError as error:
            return [error] * len(batch)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
