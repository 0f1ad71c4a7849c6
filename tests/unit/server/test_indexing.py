"""When the search index is brought up to date: at once, but not in the way of a crowd for long."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.simulators.logs import new_log
from translog.server.indexing import PATIENCE_SECONDS, Indexing


class Turns:
    """A log's publisher, its line and its clock, one step a turn: (size, waiting events, time)."""

    def __init__(self, steps: list[tuple[int, int, float]]) -> None:
        self.steps = iter(steps)
        self.over = asyncio.Event()
        self._take(next(self.steps))

    def _take(self, step: tuple[int, int, float]) -> None:
        size, self.waiting, self.now = step
        self.checkpoint = SimpleNamespace(size=size)

    async def turned(self) -> None:
        step = next(self.steps, None)
        if step is None:
            self.over.set()
            await asyncio.Event().wait()
        else:
            self._take(step)


def caught_up(
    steps: list[tuple[int, int, float]], failures: int = 0, batches: int = 1
) -> list[int]:
    """Return the sizes towards which the index was brought, for each batch one went.

    Args:
        batches: from one head to the next. The second of each meets a crowd that has come.
    """
    done: list[int] = []

    async def run() -> None:
        turns: Any = Turns(steps)
        told: Any = SimpleNamespace(tell=lambda error: None)
        directory: Any = SimpleNamespace(path=Path("log"))
        indexing = Indexing(directory, turns, told, lambda: turns.waiting, lambda: turns.now)
        left = iter([True] * failures)

        async def go_on() -> int:
            if next(left, False):
                raise OSError("it has ended")
            done.append(turns.checkpoint.size)
            turns.waiting += 1
            return turns.checkpoint.size if len(done) % batches == 0 else len(done) - 1_000

        indexing._go_on = go_on
        async with indexing.running():
            await turns.over.wait()

    asyncio.run(run())
    return done


def test_each_new_head_is_indexed_once_and_at_once():
    assert caught_up([(3, 0, 0.0), (3, 0, 1.0), (5, 0, 2.0), (5, 0, 3.0)]) == [3, 5]


def test_the_index_waits_while_events_do_and_no_longer():
    busy = [(size, 64, float(size)) for size in range(1, 9)]
    assert caught_up(busy) == []
    assert caught_up([*busy, (9, 0, 9.0)]) == [9]


def test_in_a_lasting_crowd_the_index_is_never_further_behind_than_its_patience():
    steps = [(turn, 64, float(turn)) for turn in range(1, 31)]
    assert PATIENCE_SECONDS == 10
    assert caught_up(steps) == [11, 21]


def test_a_crowd_that_comes_meanwhile_has_to_wait_for_one_batch():
    turns = [(3, 0, 0.0), (3, 9, 1.0), (4, 9, 2.0), (4, 0, 3.0), (5, 0, 4.0)]
    assert caught_up(turns, batches=2) == [3, 4, 5]


def test_after_its_patience_the_index_is_brought_up_to_date_in_any_crowd():
    turns = [(3, 9, 0.0), (3, 9, 9.9), (3, 9, 10.0), (4, 9, 11.0), (4, 9, 20.0), (5, 0, 20.5)]
    assert caught_up(turns, batches=3) == [3, 3, 3, 4, 4, 4, 5]


def test_what_failed_is_tried_again_at_the_next_turn():
    assert caught_up([(3, 0, 0.0), (3, 0, 1.0), (3, 0, 2.0)], failures=1) == [3]


def test_why_there_is_no_index_is_told_in_a_line(tmp_path: Path) -> None:
    log = new_log(tmp_path / "log")
    log.search.mkdir()  # where a file should be
    nothing: Any = None
    indexing = Indexing(log, nothing, nothing, lambda: 0, lambda: 0.0)

    async def run() -> None:
        with pytest.raises(ProcessLookupError, match=r"^\S*search.db: unable to open .*$"):
            await indexing._go_on()
        await indexing._end()

    asyncio.run(run())
