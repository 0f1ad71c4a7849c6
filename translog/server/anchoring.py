"""The thread in which a log is anchored, and what the rest of the server sees of it.

Calendars and servers of headers take as long as they like: nothing here waits for them. A stop
lets a turn finish that is writing, and leaves alone one that waits for the network; whatever
answers after that is thrown away.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from translog.log.anchorer import Anchorer, Step
from translog.log.anchoring import Happening, Settings, open_headers
from translog.log.directory import LogDirectory, open_reader
from translog.log.writer import Writer
from translog.net.health import Health
from translog.server.logs import LOGGER
from translog.server.settings import Clock
from translog.store import anchors, database
from translog.store.database import Connection, snapshot

TURN_SECONDS = 5.0
STOP_SECONDS = 3.0  # for a turn that is writing


class Newest(NamedTuple):
    """As much of an anchor as says how old it is.

    Attributes:
        size: its checkpoint's.
        made_at: when its tip was given to calendars.
    """

    size: int
    made_at: int


class Status(NamedTuple):
    """How anchoring stands, after a turn.

    Attributes:
        version: see `anchors.read_version`.
        states: how many anchors are in each.
        newest, newest_final: anchors.
        waiting: the steps that could not be done.
        health: of calendars, by their addresses.
    """

    version: int
    states: Mapping[str, int]
    newest: Newest | None
    newest_final: Newest | None
    waiting: tuple[Step, ...] = ()
    health: Mapping[str, Health] = {}


class Anchoring:
    """Anchoring as a server has it. `running` starts its thread.

    Attributes:
        is_on: whether this log is anchored at all.
        status: the newest; replaced, and never changed.
    """

    def __init__(self, directory: LogDirectory, settings: Settings | None) -> None:
        """Read how things stand, and ask nobody yet.

        Raises:
            MalformedError: the settings name no source of headers that there could be.
        """
        self._directory = directory
        self._settings = settings
        self._headers = None if settings is None else open_headers(settings, _disagreed)
        self._stop = threading.Event()
        self.is_on = settings is not None
        with closing(open_reader(directory)) as db:
            self.status = _read_status(db)

    @contextmanager
    def running(self, writer: Writer, clock: Clock, chance: Callable[[], float]) -> Iterator[None]:
        """Anchor the log while the block runs."""
        if self._settings is None:
            yield
            return
        settings = self._settings
        # A daemon: a process must end while a calendar keeps it waiting.
        thread = threading.Thread(
            target=self._run, args=(settings, writer, clock, chance), name="anchorer", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(STOP_SECONDS)

    def _run(
        self, settings: Settings, writer: Writer, clock: Clock, chance: Callable[[], float]
    ) -> None:
        with ExitStack() as stack:
            db = stack.enter_context(closing(database.open_editor(self._directory.database)))
            if self._headers is not None:
                stack.enter_context(closing(self._headers))
            anchorer = Anchorer(
                db,
                writer,
                self._directory.read_signer(),
                settings,
                self._headers,
                chance,
                self._stop.is_set,
            )
            while True:
                try:
                    self._turn(anchorer, db, int(clock.now()))
                except Exception:  # noqa: BLE001  # a bug must not end anchoring for good
                    LOGGER.exception("a turn of anchoring failed")
                if self._stop.wait(0.0 if anchorer.is_behind else TURN_SECONDS):
                    return

    def _turn(self, anchorer: Anchorer, db: Connection, now: int) -> None:
        before = set(self.status.waiting)
        happened = anchorer.turn(now)
        if self._stop.is_set():
            return
        waiting = tuple(anchorer.waiting)
        status = self.status
        if happened or anchors.read_version(db) != status.version:
            status = _read_status(db)
        self.status = status._replace(waiting=waiting, health=dict(anchorer.health))
        _tell(happened, {step: anchorer.waiting[step] for step in waiting if step not in before})
        for step in before - set(waiting):
            LOGGER.info("anchoring: %s waits no longer", step)

    def families(self) -> Iterator[Metric]:
        """Yield what Prometheus wants to know."""
        status = self.status
        states = GaugeMetricFamily("translog_anchors", "Anchors, by state", labels=["state"])
        for state, count in status.states.items():
            states.add_metric([state], count)
        yield states
        for name, explanation, newest in (
            ("anchor", "Newest anchor", status.newest),
            ("final_anchor", "Newest anchor that is final", status.newest_final),
        ):
            if newest is not None:
                yield GaugeMetricFamily(
                    f"translog_{name}_size", f"{explanation}: leaves it covers", newest.size
                )
                yield GaugeMetricFamily(
                    f"translog_{name}_made_seconds",
                    f"{explanation}: when it was given to calendars, in POSIX seconds",
                    newest.made_at,
                )
        waiting = GaugeMetricFamily(
            "translog_anchoring_waiting", "1 for a step that could not be done", labels=["step"]
        )
        for step in ("stamp", "upgrade", "look", "beacon", "announce"):
            waiting.add_metric([step], float(step in status.waiting))
        yield waiting
        yield from _calendars(status.health)


def _calendars(health: Mapping[str, Health]) -> Iterator[Metric]:
    asked = CounterMetricFamily(
        "translog_calendar_requests", "Calendars asked, by result", labels=["calendar", "result"]
    )
    in_a_row = GaugeMetricFamily(
        "translog_calendar_failed_in_a_row", "Since it last answered", labels=["calendar"]
    )
    seconds = GaugeMetricFamily(
        "translog_calendar_seconds", "What the last request took", labels=["calendar"]
    )
    for calendar, known in health.items():
        asked.add_metric([calendar, "answered"], known.answered)
        asked.add_metric([calendar, "failed"], known.failed)
        in_a_row.add_metric([calendar], known.failed_in_a_row)
        seconds.add_metric([calendar], known.last_seconds)
    yield from (asked, in_a_row, seconds)


def _read_status(db: Connection) -> Status:
    with snapshot(db):
        return Status(
            version=anchors.read_version(db),
            states=anchors.count_states(db),
            newest=_newest(anchors.read_anchors(db, None, 1)),
            newest_final=_newest(anchors.read_newest_final(db)),
        )


def _newest(rows: list[anchors.AnchorRow]) -> Newest | None:
    return Newest(rows[0].size, rows[0].made_at) if rows else None


def _tell(happened: list[Happening], waiting: Mapping[Step, str]) -> None:
    for each in happened:
        level = LOGGER.warning if each.what in ("lost", "refuted", "beacon-lost") else LOGGER.info
        level("anchoring: %s", each.sentence, extra={"fields": {"happened": each.what}})
    for step, sentence in waiting.items():
        LOGGER.warning("anchoring: %s waits: %s", step, sentence)


def _disagreed(sentence: str) -> None:
    LOGGER.warning("anchoring: %s", sentence)
