"""Questions to the database, asked in threads: a few at a time, and never more than can wait."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from translog.errors import BusyError, MalformedError, TooLargeError, VerificationError
from translog.log.directory import LogDirectory, open_reader
from translog.server.errors import DamagedError
from translog.store.database import Connection, translated

THREADS = 2
MAX_WAITING = 256

Result = TypeVar("Result")
Question = Callable[[Connection], Result]


class Readers:
    """Threads with a connection each, from construction to `close`."""

    def __init__(self, directory: LogDirectory) -> None:
        self._directory = directory
        self._waiting = 0
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="reader")
        self._own = self._open()

    async def ask(self, question: Question[Result]) -> Result:
        """Return what `question` finds, asked in a thread with its connection.

        Raises:
            BusyError: too many questions wait already.
            DamagedError: what is stored is damaged.
            TranslogError: what the question raises otherwise.
        """
        if self._waiting >= MAX_WAITING:
            raise BusyError(f"{self._waiting} questions wait for an answer: try again in a second")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._ask, question)
        finally:
            self._waiting -= 1

    def ask_here(self, question: Question[Result]) -> Result:
        """Ask in the event loop itself: for what takes microseconds (docs/decisions/0010)."""
        with sound():
            return question(self._own)

    def close(self) -> None:
        """End the threads, once they have answered."""
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    def _ask(self, question: Question[Result]) -> Result:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open()
        with sound():
            return question(connection)

    def _open(self) -> Connection:
        connection = open_reader(self._directory)
        self._connections.append(connection)
        return connection


@contextmanager
def sound() -> Iterator[None]:
    """Tell damage in what is stored from faults of whoever asked, who was checked before."""
    try:
        with translated("database"):
            yield
    except TooLargeError:
        raise  # not damage: the log holds more than one answer may
    except (MalformedError, VerificationError) as error:
        raise DamagedError(f"stored: {error}") from error
