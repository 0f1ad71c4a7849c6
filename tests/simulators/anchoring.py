"""A log, a Bitcoin chain, calendars and a clock: everything anchoring meets, moved by the test."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests.simulators.events import created
from tests.simulators.logs import new_log, writing
from translog.bitcoin.grade import HeaderSource
from translog.bitcoin.network import REGTEST
from translog.errors import TranslogError
from translog.formats.canonical import canonical
from translog.log.anchorer import Anchorer
from translog.log.anchoring import Happening, Settings
from translog.log.directory import LogDirectory
from translog.log.writer import Writer
from translog.net.calendars import Calendars
from translog.store import anchors, database
from translog.store.anchors import AnchorRow
from translog.store.database import Connection
from translog.testing.calendar import Calendar, running
from translog.testing.chain import SPACING, RegtestChain

START = 1_780_000_000


class World:
    """What the test moves. Only `world` makes one.

    Attributes:
        now: the time, for everyone in it.
        headers: what the anchorer asks for blocks.
    """

    def __init__(self, path: Path, chain: RegtestChain, calendars: list[Calendar]) -> None:
        self.now = START
        self.chain = chain
        self.calendars = calendars
        self.headers: HeaderSource | None = chain
        self.log = new_log(path)
        self.settings = Settings(
            network=REGTEST,
            headers=None,
            calendars=Calendars(
                urls=tuple(calendar.url for calendar in calendars),
                listed=(),
                need=min(2, len(calendars)),
                timeout_seconds=5.0,
            ),
        )
        self._records = 0

    def add(self, writer: Writer, count: int = 1) -> None:
        """Log records, and publish."""
        raws = [canonical(created(self._records + number)) for number in range(count)]
        self._records += count
        for result in writer.add(raws):
            assert not isinstance(result, TranslogError), result
        writer.publish(self.now)

    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    def mine(self, blocks: int = 1) -> None:
        """Let as many blocks come; each takes in what one calendar has waiting, if any has."""
        for _ in range(blocks):
            self.now += SPACING
            busy = [calendar for calendar in self.calendars if self._is_busy(calendar)]
            (busy[0].stamp if busy else self.chain.mine)(self.now)

    def _is_busy(self, calendar: Calendar) -> bool:
        return calendar.fault != "never upgrading" and any(
            calendar._stamp_of(commitment) is None for commitment in calendar.commitments
        )


class Desk:
    """An anchorer at work on a log that is open for writing."""

    def __init__(self, world: World, db: Connection, writer: Writer) -> None:
        self.world = world
        self.db = db
        self.writer = writer
        self.anchorer = Anchorer(
            db,
            writer,
            world.log.read_signer(),
            world.settings,
            world.headers,
            lambda: 0.5,
        )

    def add(self, count: int = 1) -> None:
        self.world.add(self.writer, count)

    def turn(self, **options: Any) -> list[Happening]:
        """Turn, and publish what the log has stated."""
        happened = self.anchorer.turn(self.world.now, **options)
        self.writer.publish(self.world.now)
        return happened

    def settle(self) -> list[Happening]:
        """Turn until nothing more happens without time passing."""
        happened = done = self.turn()
        while done:
            done = self.turn()
            happened += done
        return happened

    def finish(self) -> list[Happening]:
        """Let blocks come until what was stamped is final."""
        happened = []
        for _ in range(12):
            self.world.mine()
            happened += self.settle()
        return happened

    @property
    def rows(self) -> list[AnchorRow]:
        return anchors.read_anchors(self.db, None, 1000)[::-1]

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.rows]


@contextmanager
def world(path: Path, calendars: int = 2) -> Iterator[World]:
    chain = RegtestChain(START)
    with ExitStack() as stack:
        yield World(path, chain, [stack.enter_context(running(chain)) for _ in range(calendars)])


@contextmanager
def at_work(world: World) -> Iterator[Desk]:
    with (
        writing(world.log, world.now) as writer,
        closing(database.open_editor(world.log.database)) as db,
    ):
        yield Desk(world, db, writer)


def rows_of(log: LogDirectory, table: str) -> list[tuple[Any, ...]]:
    with closing(database.open_editor(log.database)) as db:
        return list(db.execute(f"SELECT * FROM {table}"))
