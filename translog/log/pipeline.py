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
from itertools import islice
from pathlib import Path

from translog.errors import BusyError, TranslogError, UnavailableError
from translog.log.checker import Checked, Elsewhere, Here
from translog.log.intake import Admitted
from translog.log.sequencer import Result, Sequencer
from translog.log.units import Deliver, Submission, Unit
from translog.store import database

UNIT_EVENTS = 64  # what is checked in one go
CROWD_EVENTS = 16  # so many are waiting that it is time for other processes
BATCH_EVENTS = 1_024  # what one transaction holds at most
MAX_WAITING_EVENTS = 16_384
MAX_WAITING_BYTES = 64 << 20
# A disk that fills up is told of while there is still room for what was promised.
MIN_FREE_BYTES = 64 << 20


class Pipeline:
    """Threads that take events in, from construction to `close`."""

    def __init__(self, sequencer: Sequencer, path: Path) -> None:
        """Start the threads.

        Args:
            sequencer: used by one thread of the pipeline, and by nobody else.
            path: of the log's database, for reading the registry; its disk must not fill up.
        """
        self._sequencer = sequencer
        self._path = path
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # for who has a process
        self._start = threading.Condition(self._lock)  # for who has none: here, and before a crowd
        self._ready = threading.Condition(self._lock)
        self._cores = cores()
        self._unchecked: deque[Unit] = deque()
        self._line: deque[Unit] = deque()  # every unit from submission to commit, in order
        self._events = 0
        self._unchecked_events = 0
        self._helpers = 0
        self._bytes = 0
        self._closing = False
        self._failed: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._guard, args=(run,), name=name)
            for name, run in [
                ("sequencer", self._sequence),
                ("intake", self._intake),
                *((f"helper-{number}", self._help) for number in range(self._cores)),
            ]
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
            self._unchecked_events += len(raws)
            self._bytes += size
            self._unchecked.extend(units)
            self._line.extend(units)
            self._wake(len(units))

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

    def _refuse_if_stopped(self) -> None:
        if self._closing:
            raise UnavailableError("log is being closed")
        if self.stopped is not None:
            raise UnavailableError(f"log takes no more events: {self.stopped}")

    def _guard(self, run: Callable[[], None]) -> None:
        """Run a thread's work. If it ends by a bug, nobody waits for an answer for ever."""
        try:
            run()
        except BaseException as error:
            with self._lock:
                self._failed = error
                orphans = [unit.submission for unit in self._line]
                self._count_out(self._line)
                self._line.clear()
                self._unchecked.clear()
                self._unchecked_events = 0
                self._wake_all()
            failure = UnavailableError(f"log stopped by a bug: {error!r}")
            for submission in orphans:
                if submission.missing > 0:  # not answered for already
                    submission.missing = 0
                    submission.deliver([failure] * len(submission.results))
            raise  # to the thread's excepthook: a bug is shown, with its traceback

    # Intake: one thread here, until the first crowd; then one for each process that checks.

    def _intake(self) -> None:
        with closing(Here(database.open_reader(self._path))) as checker:
            while units := self._take_unchecked(here=True):
                self._mark(units, checker.check(_raws(units)))

    def _help(self) -> None:
        """Have a process check events, from the first crowd on."""
        while self._wait_crowd():
            try:
                checker = Elsewhere(self._path)
            except UnavailableError:
                return  # there is no process to be had: the others, or this one, do it all
            with closing(checker):
                self._count_helpers(1)
                try:
                    self._keep_busy(checker)
                finally:
                    self._count_helpers(-1)

    def _keep_busy(self, checker: Elsewhere) -> None:
        """Have a process check units until all is done, or until it ends.

        Where many wait, the next ones lie before it while it is busy: it would wait for its turn
        in this process otherwise, a tenth of the time.
        """
        asked: deque[list[Unit]] = deque()
        try:
            while True:
                units = self._take_more(checker) if asked else self._take_unchecked(here=False)
                if units:
                    asked.append(units)
                    checker.ask(_raws(units))
                    if len(asked) == 1:
                        continue  # there may be more
                if not asked:
                    return
                self._mark(asked[0], checker.answer())
                asked.popleft()
        except UnavailableError as error:  # begin again with another
            for units in asked:
                self._mark(units, [error] * len(_raws(units)))

    def _count_helpers(self, change: int) -> None:
        with self._lock:
            self._helpers += change
            self._wake_all()

    def _wake(self, units: int) -> None:
        """Tell who can do something about new units, and nobody else: each wake-up costs."""
        self._work.notify(units)
        if self._helpers < self._cores:
            self._start.notify_all()

    def _wake_all(self) -> None:
        for condition in (self._work, self._start, self._ready):
            condition.notify_all()

    def _mark(self, units: Sequence[Unit], checked: Sequence[Checked]) -> None:
        """Say that units are checked."""
        rest = iter(checked)
        for unit in units:
            unit.checked = list(islice(rest, len(unit.raws)))
        with self._lock:
            for unit in units:
                unit.ready = True
            if self._line and self._line[0].ready:
                self._ready.notify()

    def _wait_crowd(self) -> bool:
        """Wait for more events than are soon checked here; False when all is done."""
        with self._lock:
            while self._unchecked_events < CROWD_EVENTS:
                if self._closing or self._failed is not None:
                    return False
                self._start.wait()
            return True

    def _take_unchecked(self, *, here: bool) -> list[Unit]:
        """Wait for units and take some; none when all is done.

        While there are processes that check, nothing is checked here: this one has the line to
        sequence and a server to run, and Python does one thing at a time.
        """
        with self._lock:
            while not self._unchecked or (here and self._helpers):
                if self._failed is not None or (self._closing and not self._unchecked):
                    return []
                (self._start if here else self._work).wait()
            return self._take_share()

    def _take_more(self, checker: Elsewhere) -> list[Unit]:
        """Take units that can wait until the checker comes to them; none if others want them."""
        with self._lock:
            if self._unchecked_events < UNIT_EVENTS * self._cores:
                return []
            units = self._take_share()
            if checker.fits(sum(unit.bytes for unit in units)):
                return units
            self._unchecked.extendleft(reversed(units))
            self._unchecked_events += sum(len(unit.raws) for unit in units)
            return []

    def _take_share(self) -> list[Unit]:
        """Take units from the front: not all, since the others shall have some as well."""
        share = max(1, min(UNIT_EVENTS, self._unchecked_events // self._cores))
        units: list[Unit] = []
        events = 0
        while self._unchecked and events < share:
            units.append(self._unchecked.popleft())
            events += len(units[-1].raws)
        self._unchecked_events -= events
        return units

    # Sequencing: one thread.

    def _sequence(self) -> None:
        with closing(Here(database.open_reader(self._path))) as checker:
            while units := self._take_ready():
                try:
                    self._place(units, checker)
                except BaseException:
                    with self._lock:  # back in line, where all are answered for
                        self._line.extendleft(reversed(units))
                    raise
                with self._lock:
                    self._count_out(units)

    def _place(self, units: Sequence[Unit], checker: Here) -> None:
        """Have units logged, and answer for them.

        Args:
            checker: checks again what was checked before the registry last changed.
        """
        self._refresh(units, checker)
        if units[0].decides:
            # Each changes what the next one may do.
            (unit,) = units
            unit.answer([self._place_one(raw, checker) for raw in unit.raws])
            return
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
        with self._lock:
            while not (self._line and self._line[0].ready):
                if (self._closing and not self._line) or self._failed is not None:
                    return []
                self._ready.wait()
            units: list[Unit] = []
            events = 0
            while self._line and self._line[0].ready and events < BATCH_EVENTS:
                if self._line[0].decides:
                    return units or [self._line.popleft()]
                units.append(self._line.popleft())
                events += len(units[-1].raws)
            return units

    def _append(self, batch: list[Admitted]) -> list[Result]:
        try:
            self.require_room()
            return self._sequencer.append(batch)
        except TranslogError as error:
            return [error] * len(batch)


def _raws(units: Sequence[Unit]) -> list[bytes]:
    return [raw for unit in units for raw in unit.raws]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
