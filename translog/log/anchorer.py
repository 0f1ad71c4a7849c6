"""Anchors a log in Bitcoin: stamps its checkpoints, follows what becomes of them, and tells.

One turn does what is to be done now, in five steps: stamp, upgrade, look at blocks, state a
beacon, announce. Each asks the world first and changes the database then, one transaction a change;
only the time to ask again is stored before. A step that fails says why, the others go on, and a
later turn does it again. What a crash means is said at each step, in its module; nothing is
remembered here that the next turn could not do without. The rules are in `anchors`.
"""

from collections.abc import Callable
from typing import Literal

from translog.bitcoin.grade import HeaderSource
from translog.errors import TranslogError, UnavailableError
from translog.formats.note import NoteSigner
from translog.log import announcer, beacons
from translog.log.anchoring import Happening, Settings
from translog.log.stamper import Stamper
from translog.log.watcher import Watcher
from translog.log.writer import Writer
from translog.net.health import Health
from translog.store.database import Connection, translated

ANNOUNCED_BATCHES = 8  # a turn

Step = Literal["stamp", "upgrade", "look", "beacon", "announce"]


class Anchorer:
    """The one who anchors a log. Its caller holds the log's lock and calls from one thread.

    Attributes:
        waiting: by step, what it waits for.
        is_behind: there is more to announce than one turn does.
    """

    def __init__(
        self,
        db: Connection,
        writer: Writer,
        signer: NoteSigner,
        settings: Settings,
        headers: HeaderSource | None,
        chance: Callable[[], float],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin from what is stored.

        Args:
            headers: where blocks are looked up; None to wait until there is such a place.
            chance: numbers from 0 to 1, random.
            stopping: whether the log is about to be closed: then nothing more is written, and
                whoever waits for somebody on the network need not be waited for.
        """
        self.waiting: dict[Step, str] = {}
        self.is_behind = False
        self._db = db
        self._writer = writer
        self._signer = signer
        self._settings = settings
        self._stopping = stopping
        self._stamper = Stamper(db, signer.verifier, settings, chance, self._go_on)
        self._watcher = Watcher(db, settings, headers, lambda: writer.head.size, self._go_on)

    @property
    def health(self) -> dict[str, Health]:
        """How every calendar that was asked has done, by its address."""
        return self._stamper.health

    def turn(self, now: int, *, at_once: bool = False) -> list[Happening]:
        """Do what is to be done now. Whatever goes wrong is told by `waiting`.

        Args:
            now: POSIX seconds.
            at_once: wait neither for the interval nor after what failed just before.
        """
        happened: list[Happening] = []
        steps: tuple[tuple[Step, Callable[[], list[Happening] | None]], ...] = (
            ("stamp", lambda: self._stamper.stamp(now, at_once=at_once)),
            ("upgrade", lambda: self._stamper.upgrade(now, at_once=at_once)),
            ("look", lambda: self._watcher.look(now, has_news=at_once or _has_news(happened))),
            ("beacon", self._state_beacon),
            ("announce", self._announce),
        )
        for name, step in steps:
            if self._stopping():
                break
            try:
                with translated("database"):
                    done = step()
            except TranslogError as error:
                self.waiting[name] = str(error)
            else:
                if done is not None:  # None: what it waited for, it waits for still
                    self.waiting.pop(name, None)
                    happened += done
        return happened

    def _state_beacon(self) -> list[Happening]:
        height = beacons.state(self._db, self._writer, self._signer)
        return [] if height is None else [Happening("beacon", f"stated block {height}")]

    def _go_on(self) -> None:
        """Come between an answer and what is written because of it."""
        if self._stopping():
            raise UnavailableError("the log is being closed")

    def _announce(self) -> list[Happening]:
        policy = self._settings.statements
        total = 0
        self.is_behind = False  # also where a batch fails: nobody comes back for that at once
        for _ in range(ANNOUNCED_BATCHES):
            if self._stopping():
                break
            made = announcer.go_on(self._db, self._writer, self._signer, policy)
            if made is None:
                break
            total += made
        else:
            self.is_behind = True
        if not total:
            return []
        counted = "1 event that it is" if total == 1 else f"{total} events that they are"
        return [Happening("announced", f"stated of {counted} anchored")]


def _has_news(happened: list[Happening]) -> bool:
    return any(each.what == "attested" for each in happened)
