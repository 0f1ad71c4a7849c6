"""Single events share a turn of the event loop, and nothing else: each gets its own answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from translog.errors import BusyError, MalformedError, TranslogError
from translog.formats.merkle import Hash
from translog.log.pipeline import Deliver, Result
from translog.log.sequencer import Placed
from translog.server.answers import JSON, Answer
from translog.server.errors import LateError
from translog.server.gathering import TOGETHER_EVENTS, Called, Gathering, Outcome, Wakeups

SECONDS = 5.0


class Line:
    """What was handed over, answered when a test says so."""

    def __init__(self) -> None:
        self.units: list[tuple[list[bytes], Deliver]] = []
        self.refuses: Exception | None = None

    def submit(self, raws: Sequence[bytes], deliver: Deliver) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.units.append((list(raws), deliver))

    def answer(self, unit: int) -> None:
        raws, deliver = self.units[unit]
        deliver([result(raw) for raw in raws])


def result(raw: bytes) -> Result:
    if raw == b"bad":
        return MalformedError("bad")
    return Placed(int(raw), bytes(32), Hash(bytes(32)), duplicate=False)


def placed(gathering: Gathering, raw: bytes) -> "asyncio.Future[Result]":
    future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    gathering.place(raw, future)
    return future


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_what_comes_in_one_turn_is_handed_over_together_and_in_order() -> None:
    async def work() -> None:
        line = Line()
        gathering = Gathering(line.submit, Wakeups(), SECONDS)
        count = 2 * TOGETHER_EVENTS + 1
        futures = [placed(gathering, b"%d" % number) for number in range(count)]
        assert line.units == []
        await turns()
        assert [len(raws) for raws, _ in line.units] == [TOGETHER_EVENTS, TOGETHER_EVENTS, 1]
        assert [raw for raws, _ in line.units for raw in raws] == [b"%d" % n for n in range(count)]
        line.answer(1)
        await turns()
        done = [number for number, future in enumerate(futures) if future.done()]
        assert done == list(range(TOGETHER_EVENTS, 2 * TOGETHER_EVENTS))
        line.answer(0)
        line.answer(2)
        assert await asyncio.gather(*futures) == [result(b"%d" % n) for n in range(count)]

    asyncio.run(work())


def test_a_lone_event_does_not_wait_for_company() -> None:
    async def work() -> None:
        line = Line()
        gathering = Gathering(line.submit, Wakeups(), SECONDS)
        for number in range(3):
            future = placed(gathering, b"%d" % number)
            await turns()
            assert [len(raws) for raws, _ in line.units] == [1] * (number + 1)
            line.answer(number)
            assert await future == result(b"%d" % number)

    asyncio.run(work())


def test_an_error_is_the_answer_of_its_event_alone() -> None:
    async def work() -> None:
        line = Line()
        gathering = Gathering(line.submit, Wakeups(), SECONDS)
        futures = [placed(gathering, raw) for raw in (b"0", b"bad", b"2")]
        await turns()
        line.answer(0)
        good, bad, also_good = await asyncio.gather(*futures)
        assert (good, also_good) == (result(b"0"), result(b"2"))
        assert isinstance(bad, MalformedError)

    asyncio.run(work())


def test_a_request_that_is_given_up_leaves_the_others_their_answers() -> None:
    async def work() -> None:
        line = Line()
        gathering = Gathering(line.submit, Wakeups(), SECONDS)
        futures = [placed(gathering, b"%d" % number) for number in range(3)]
        futures[0].cancel()  # before it was handed over
        await turns()
        futures[1].cancel()
        line.answer(0)
        assert await futures[2] == result(b"2")

    asyncio.run(work())


def test_a_full_line_refuses_all_that_came_with_that_turn_and_nothing_later() -> None:
    async def work() -> None:
        line = Line()
        gathering = Gathering(line.submit, Wakeups(), SECONDS)
        line.refuses = BusyError("full")
        futures = [placed(gathering, b"%d" % number) for number in range(3)]
        futures[0].cancel()
        await turns()
        for future in futures[1:]:
            with pytest.raises(BusyError, match="full"):
                await future
        line.refuses = None
        later = placed(gathering, b"7")
        await turns()
        line.answer(0)
        assert await later == result(b"7")

    asyncio.run(work())


def test_a_bug_of_one_part_is_the_answer_of_that_part_alone() -> None:
    async def work() -> None:
        line = Line()

        def submit(raws: Sequence[bytes], deliver: Deliver) -> None:
            if b"0" in raws:
                raise ZeroDivisionError
            line.submit(raws, deliver)

        gathering = Gathering(submit, Wakeups(), SECONDS)
        futures = [placed(gathering, b"%d" % number) for number in range(TOGETHER_EVENTS + 1)]
        await turns()
        line.answer(0)
        assert await futures[-1] == result(b"%d" % TOGETHER_EVENTS)
        for future in futures[:-1]:
            with pytest.raises(ZeroDivisionError):
                await future

    asyncio.run(work())


def test_what_takes_too_long_is_told_to_be_late_and_its_result_to_nobody() -> None:
    async def work() -> None:
        line = Line()
        gathering = Gathering(line.submit, Wakeups(), 0.01)
        told: list[Outcome] = []
        gathering.place(b"0", Called(made, told.append))
        future = placed(gathering, b"1")
        with pytest.raises(LateError, match=r"no answer within 0\.01 s; the events may be logged"):
            await future
        line.answer(0)
        await turns()
        assert [type(each) for each in told] == [LateError]

    asyncio.run(work())


@pytest.mark.parametrize("refuses", [None, BusyError("full"), ZeroDivisionError()])
def test_no_timer_is_left_behind(refuses: Exception | None) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []
        real = loop.call_later

        def call_later(*arguments: Any) -> asyncio.TimerHandle:
            timers.append(real(*arguments))
            return timers[-1]

        loop.call_later = call_later  # type: ignore[method-assign]
        line = Line()
        line.refuses = refuses
        future = placed(Gathering(line.submit, Wakeups(), SECONDS), b"0")
        await turns()
        if refuses is None:
            line.answer(0)
        await asyncio.gather(future, return_exceptions=True)
        assert [each.cancelled() for each in timers] == [True]

    asyncio.run(work())


def made(result: Result) -> Outcome:
    if isinstance(result, TranslogError):
        raise ZeroDivisionError
    return Answer(200, b"", JSON)


def test_a_bug_in_an_answer_is_told_and_others_get_theirs() -> None:
    async def work() -> None:
        line = Line()
        gathering = Gathering(line.submit, Wakeups(), SECONDS)
        told: list[Outcome] = []
        gathering.place(b"bad", Called(made, told.append))
        gathering.place(b"1", Called(made, told.append))
        await turns()
        line.answer(0)
        await turns()
        assert [type(each) for each in told] == [ZeroDivisionError, Answer]

    asyncio.run(work())
