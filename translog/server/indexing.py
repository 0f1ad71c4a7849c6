"""Keeps a process that follows the log with its search index: log/indexer.

In a process of its own, at a lower priority: reading every event again in this one would hold up
those that arrive. If it dies, another is started at the next head; searches find less meanwhile.

While events wait to be logged, the index waits too, for some seconds: a crowd needs every core. So
it is made batch by batch, each of a moment.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from translog.errors import UnavailableError
from translog.log.directory import LogDirectory
from translog.server.logs import Complaints
from translog.server.publishing import Publishing

PATIENCE_SECONDS = 10.0  # after which the index is brought up to date in any crowd


class Indexing:
    """The process, while `running`."""

    def __init__(
        self,
        directory: LogDirectory,
        publishing: Publishing,
        complaints: Complaints,
        waiting: Callable[[], int],
        steady: Callable[[], float],
    ) -> None:
        """Start nothing yet.

        Args:
            waiting: how many events wait to be logged.
            steady: the clock, in seconds.
        """
        self._waiting = waiting
        self._steady = steady
        self._directory = directory
        self._publishing = publishing
        self._complaints = complaints
        self._process: asyncio.subprocess.Process | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the heads that are shown while the block runs."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._end()

    async def _follow(self) -> None:
        done, since = -1, self._steady()
        while True:
            size = self._publishing.checkpoint.size
            try:
                if size == done or await self._catch_up(size, since):
                    done, since = size, self._steady()
            except (OSError, RuntimeError) as error:  # the latter is uvloop's for a closed pipe
                await self._end()
                self._complaints.tell(UnavailableError(f"search index: {error}"))
            await self._publishing.turned()

    async def _catch_up(self, size: int, since: float) -> bool:
        """Have the index brought up to a head, unless a crowd comes; say whether it is.

        Args:
            size: of the head: not the newest, which in a lasting crowd is never reached.
            since: when it last was, or need not be.
        """
        covered = -1
        while not self._waiting() or self._steady() - since >= PATIENCE_SECONDS:
            before, covered = covered, await self._go_on()
            if covered >= size or covered == before:
                return True
        return False

    async def _go_on(self) -> int:
        """Let the process index a batch, and wait until it has; return what the index covers."""
        process = self._process
        if process is None:
            process = self._process = await asyncio.create_subprocess_exec(
                # -P: nothing is imported from where the log happens to be started.
                *(sys.executable, "-P", "-m", "translog.log.indexer", str(self._directory.path)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the log, which ends this when it is done
            )
        if process.stdin is None or process.stdout is None:
            raise TypeError("the process was started with pipes")
        process.stdin.write(b"\n")
        await process.stdin.drain()
        answer = await process.stdout.readline()
        if not answer:
            raise ProcessLookupError("the process that makes it has ended")
        if not answer.strip().isdigit():
            raise ProcessLookupError(answer.decode(errors="replace").strip())
        return int(answer)

    async def _end(self) -> None:
        """End the process. What it was at is not lost: the next goes on from its last commit."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None
