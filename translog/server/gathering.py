"""Events that come one a request: those of one turn of the event loop are handed over together.

A crowd of clients with one event each is then checked in units of several events: one lock, one
message to a process and one wake-up for each unit. Nobody is kept waiting for company: a turn takes
what is there, and a lone event goes on at its end.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from translog.log.sequencer import Result
from translog.log.units import Deliver
from translog.server.answers import Answer
from translog.server.errors import late

# More would be checked by one process, while another has nothing to do.
TOGETHER_EVENTS = 16


Submit = Callable[[Sequence[bytes], Deliver], None]
Outcome = Answer | Exception


class Waiting(Protocol):
    """Who waits for results: a future of the event loop, or several together."""

    def done(self) -> bool: ...
    def set_result(self, results: list[Result], /) -> None: ...
    def get_loop(self) -> asyncio.AbstractEventLoop: ...


class Single(Protocol):
    """Who waits for one result: a future of the event loop, or `Called`."""

    def done(self) -> bool: ...
    def set_result(self, result: Result, /) -> None: ...
    def set_exception(self, error: Exception, /) -> None: ...


class Called:
    """Has a function called, once, with what is made of the result, or with an error."""

    __slots__ = ("_make", "_tell", "_told")

    def __init__(self, make: Callable[[Result], Outcome], tell: Callable[[Outcome], None]) -> None:
        self._make = make
        self._tell = tell
        self._told = False

    def done(self) -> bool:
        return self._told

    def set_result(self, result: Result) -> None:
        self._told = True
        try:
            outcome = self._make(result)
        except Exception as error:  # noqa: BLE001  # a bug, and others wait for their turn
            outcome = error
        self._tell(outcome)

    def set_exception(self, error: Exception) -> None:
        self._told = True
        self._tell(error)


class Wakeups:
    """Results from the sequencer's thread to the event loop: one wake-up for many."""

    def __init__(self) -> None:
        self._done: deque[tuple[Waiting, list[Result]]] = deque()
        self._called = False

    def deliver(self, waiting: Waiting, results: list[Result]) -> None:
        """Answer who waits. Called from a thread of the pipeline."""
        self._done.append((waiting, results))
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                waiting.get_loop().call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Before looking: what is appended from here on calls again.
        self._called = False
        while self._done:
            waiting, results = self._done.popleft()
            if not waiting.done():  # it is when its request has been given up
                waiting.set_result(results)


class Gathering:
    """Single events on their way to the pipeline."""

    def __init__(self, submit: Submit, wakeups: Wakeups, seconds: float) -> None:
        """Hand events over to `submit`, see `Pipeline.submit`, and results on to `wakeups`.

        Args:
            seconds: after which nobody waits any more.
        """
        self._submit = submit
        self._wakeups = wakeups
        self._seconds = seconds
        self._raws: list[bytes] = []
        self._singles: list[Single] = []

    def place(self, raw: bytes, single: Single) -> None:
        """Log an event: `single` is told once it is durable or refused.

        It is told an error if the event was not taken into the line; or LateError, and then it may
        be logged all the same.
        """
        if not self._raws:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._raws.append(raw)
        self._singles.append(single)

    def _hand_over(self) -> None:
        raws, singles = self._raws, self._singles
        self._raws, self._singles = [], []
        for start in range(0, len(raws), TOGETHER_EVENTS):
            part = slice(start, start + TOGETHER_EVENTS)
            together = _Together(singles[part], self._seconds)
            try:
                self._submit(raws[part], partial(self._wakeups.deliver, together))
            except Exception as error:  # noqa: BLE001  # even a bug: else they wait for ever
                together.set_exception(error)


class _Together:
    """Those who wait for one event each, and are told at once."""

    def __init__(self, singles: Sequence[Single], seconds: float) -> None:
        self._singles = singles
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._expire, seconds)

    def done(self) -> bool:
        return False  # some may be: `set_result` looks

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def set_result(self, results: list[Result]) -> None:
        for single, result in zip(self._singles, results, strict=True):
            if not single.done():
                single.set_result(result)
        self._timer.cancel()

    def set_exception(self, error: Exception) -> None:
        for single in self._singles:
            if not single.done():
                single.set_exception(error)
        self._timer.cancel()

    def _expire(self, seconds: float) -> None:
        self.set_exception(late(seconds))
