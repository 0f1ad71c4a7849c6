"""Measurements of anchoring: what a checkpoint costs, and what the log states of it."""

import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from scripts.benchmarks import corpus
from translog.bitcoin.network import REGTEST
from translog.log.anchorer import Anchorer
from translog.log.anchoring import Settings
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.net.calendars import Calendars
from translog.store import database
from translog.testing import calendar
from translog.testing.chain import SPACING, RegtestChain

START = 1_780_000_000
TIMES = 5


class _Town:
    """A chain and two calendars, and an anchorer of a log between them."""

    def __init__(self, log: LogDirectory, stack: ExitStack, *, tell: bool) -> None:
        self.now = START
        self.chain = RegtestChain(START)
        self.calendars = [stack.enter_context(calendar.running(self.chain)) for _ in range(2)]
        urls = tuple(each.url for each in self.calendars)
        settings = Settings(
            network=REGTEST, calendars=Calendars(urls=urls, listed=()), statements="none"
        )
        self.writer = stack.enter_context(open_writer(log, lambda: self.now))
        db = stack.enter_context(closing(database.open_editor(log.database)))
        self.anchorer = Anchorer(
            db,
            self.writer,
            log.read_signer(),
            replace(settings, statements="first") if tell else settings,
            self.chain,
            lambda: 0.5,
        )

    def turn(self) -> float:
        """Return how many seconds a turn takes."""
        start = time.perf_counter()
        self.anchorer.turn(self.now, at_once=True)
        return time.perf_counter() - start

    def mine(self, blocks: int) -> None:
        for number in range(blocks):
            self.now += SPACING
            (self.calendars[number].stamp if number < 2 else self.chain.mine)(self.now)


def costs(log: LogDirectory, first: int) -> dict[str, float]:
    """Return what it costs to anchor a checkpoint of a log until it is final: the least of several.

    Args:
        first: the number of an event that is not in the log; the next ones are not, either.
    """
    stamping, finishing = [], []
    with ExitStack() as stack:
        town = _Town(log, stack, tell=False)
        for event in corpus.signed_events(first, TIMES):
            town.writer.add([event])
            town.writer.publish(town.now)
            stamping.append(town.turn())
            town.mine(7)
            finishing.append(town.turn())
        asked = sum(len(each.requests) for each in town.calendars)
        size = town.writer.head.size
    return {
        "size": size,
        "requests": asked / TIMES,
        "stamp_ms": 1e3 * min(stamping),
        "final_ms": 1e3 * min(finishing),
    }


def telling_rate(folder: Path, count: int) -> float:
    """Return how many records a second a log states to be anchored."""
    log = corpus.new_log(folder / "told")
    with ExitStack() as stack:
        town = _Town(log, stack, tell=True)
        town.writer.add(corpus.signed_events(50_000_000, count))
        town.writer.publish(town.now)
        town.turn()
        town.mine(7)
        start = time.perf_counter()
        town.turn()
        while town.anchorer.is_behind:
            town.turn()
        return count / (time.perf_counter() - start)
