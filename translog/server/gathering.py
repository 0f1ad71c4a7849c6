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

from translog.errors import TranslogError
from translog.log.sequencer import Result
from translog.log.units import Deliver

# More would be checked by one process, while another has nothing to do.
TOGETHER_EVENTS = 16


Submit = Callable[[Sequence[bytes], Deliver], None]


class Waiting(Protocol):
    """Who waits for results: a future of the event loop, or several together."""

    def done(self) -> bool: ...
    def set_result(self, results: list[Result], /) -> None: ...
    def get_loop(self) -> asyncio.AbstractEventLoop: ...


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

    def __init__(self, submit: Submit, wakeups: Wakeups) -> None:
        """Hand events over to `submit`, see `Pipeline.submit`, and results on to `wakeups`."""
        self._submit = submit
        self._wakeups = wakeups
        self._raws: list[bytes] = []
        self._futures: list[asyncio.Future[Result]] = []

    def place(self, raw: bytes) -> "asyncio.Future[Result]":
        """Log an event: what is returned is done once it is durable or refused.

        Raises (the future does):
            TranslogError: it was not taken into the line.
        """
        loop = asyncio.get_running_loop()
        if not self._raws:
            loop.call_soon(self._hand_over)
        future: asyncio.Future[Result] = loop.create_future()
        self._raws.append(raw)
        self._futures.append(future)
        return future

    def _hand_over(self) -> None:
        raws, futures = self._raws, self._futures
        self._raws, self._futures = [], []
        for start in range(0, len(raws), TOGETHER_EVENTS):
            part = slice(start, start + TOGETHER_EVENTS)
            together = _Together(futures[part])
            try:
                self._submit(raws[part], partial(self._wakeups.deliver, together))
            except TranslogError as error:
                together.set_exception(error)


class _Together:
    """Requests that wait for one event each, and are answered at once."""

    def __init__(self, futures: Sequence["asyncio.Future[Result]"]) -> None:
        self._futures = futures

    def done(self) -> bool:
        return False

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._futures[0].get_loop()

    def set_result(self, results: list[Result]) -> None:
        for future, result in zip(self._futures, results, strict=True):
            if not future.done():
                future.set_result(result)

    def set_exception(self, error: TranslogError) -> None:
        for future in self._futures:
            if not future.done():
                future.set_exception(error)
