"""A log with everything that anchoring needs around it: a chain, calendars, a node, a clock.

    with running(path) as devnet:
        devnet.add(3)
        devnet.turn()                   # the checkpoint is given to the calendars
        devnet.mine(2)
        devnet.turn()                   # and is in a block

All of it is real but the chain, which is regtest's: it proves nothing. Time passes when blocks are
mined, and not otherwise. What is anchored is anchored by the log's own code.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from translog.bitcoin.network import REGTEST
from translog.errors import TranslogError
from translog.formats.canonical import canonical
from translog.formats.note import Verifier
from translog.log import directory
from translog.log.anchorer import Anchorer
from translog.log.anchoring import Happening, Settings
from translog.log.writer import Writer, open_writer
from translog.net.calendars import Calendars
from translog.pith.event import Event
from translog.store import database
from translog.store.database import Connection
from translog.testing import calendar, headers, permitted
from translog.testing.calendar import Calendar
from translog.testing.chain import SPACING, RegtestChain
from translog.testing.events import SIGNER_ID, creation, pith_key
from translog.testing.headers import HeaderServer

ORIGIN = "localhost/devnet"
CALENDARS = 2


class Devnet:
    """Everything, open and running. Only `running` makes one.

    Attributes:
        now: the time, for all of it.
        chain: what blocks are mined on; as a `HeaderSource`, one's own node.
        calendars: those the log uses.
        node: the same chain over HTTP, for stock `ots`.
        writer, db: the log, open for writing.
        verifier: the log's name and key.
        events: what was added, in order.
    """

    def __init__(self, path: Path, now: int, stack: ExitStack) -> None:
        self.now = now
        self.chain = RegtestChain(now)
        self.calendars: list[Calendar] = [
            stack.enter_context(calendar.running(self.chain)) for _ in range(CALENDARS)
        ]
        self.node: HeaderServer = stack.enter_context(headers.running(self.chain))
        log = directory.create(path, ORIGIN, now)
        with closing(database.open_editor(log.database)) as db:
            permitted.allow(db, pith_key(), signer_id=SIGNER_ID, now=now)
        self.verifier: Verifier = log.verifier
        self.signer = log.read_signer()
        self.writer: Writer = stack.enter_context(open_writer(log, lambda: self.now))
        self.db: Connection = stack.enter_context(closing(database.open_editor(log.database)))
        self.events: list[Event] = []
        urls = tuple(each.url for each in self.calendars)
        settings = Settings(
            network=REGTEST, calendars=Calendars(urls=urls, listed=()), headers=None
        )
        self._anchorer = Anchorer(
            self.db, self.writer, self.signer, settings, self.chain, lambda: 0.5
        )

    def add(self, count: int) -> None:
        """Log as many records, and publish."""
        start = len(self.events)
        fresh = [creation(number) for number in range(start, start + count)]
        for result in self.writer.add([canonical(event.value) for event in fresh]):
            if isinstance(result, TranslogError):
                raise result
        self.events += fresh
        self.writer.publish(self.now)

    def mine(self, blocks: int) -> None:
        """Let blocks come; each takes in what one calendar has waiting, if any has."""
        for number in range(blocks):
            self.now += SPACING
            if number < len(self.calendars):
                self.calendars[number].stamp(self.now)
            else:
                self.chain.mine(self.now)

    def reorganise(self, blocks: int) -> None:
        """Let the newest blocks be replaced by others, and one more."""
        self.chain.reorganise(blocks)
        self.now = max(self.now, self.chain.time)

    def turn(self) -> list[Happening]:
        """Let the log do what is to be done now, and publish what it has stated."""
        happened = self._anchorer.turn(self.now, at_once=True)
        self.writer.publish(self.now)
        return happened

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self.writer.head.size


@contextmanager
def running(path: Path, now: int = 1_780_000_000) -> Iterator[Devnet]:
    """Make a log in `path`, which is new, and run everything around it while the block runs."""
    with ExitStack() as stack:
        yield Devnet(path, now, stack)
