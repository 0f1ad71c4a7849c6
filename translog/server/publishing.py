"""The signed head that is shown, and the task that renews it.

Only what the shown head covers is served. It changes in one place, after the new one is signed
and stored, so whoever sees a head can fetch everything that belongs to it.
"""

import asyncio

from translog.errors import TranslogError, UnavailableError
from translog.formats.checkpoint import SignedCheckpoint
from translog.log.publication import Quorum
from translog.log.writer import Writer
from translog.server.answers import ANYONE, BRIEF, TEXT, Answer
from translog.server.errors import LateError
from translog.server.logs import LOGGER
from translog.server.metrics import Metrics
from translog.server.settings import Clock

LATE_INTERVALS = 5  # turns of the publisher missed in a row before somebody should look
LATE_SECONDS = 10.0


class Publishing:
    """What is published, and how it goes on.

    Attributes:
        checkpoint: the head that is shown.
        answer: to a request for it.
        failed: why the last turn failed, or None.
    """

    def __init__(
        self, writer: Writer, clock: Clock, metrics: Metrics, interval_seconds: float
    ) -> None:
        """Show the newest head of the log at once.

        Raises:
            VerificationError, UnavailableError: there is none that can be shown.
        """
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._interval_seconds = interval_seconds
        self._told = Told()
        self._turned = asyncio.Event()
        self._stopping = asyncio.Event()
        self.failed: Exception | None = None
        self._show(writer.publish(int(clock.now())))

    @property
    def age_seconds(self) -> float:
        """How long it is since the shown head was known to be the newest."""
        return self._clock.steady() - self._fresh

    @property
    def is_late(self) -> bool:
        return self.age_seconds > max(LATE_SECONDS, LATE_INTERVALS * self._interval_seconds)

    def require_working(self) -> None:
        """Refuse events for which no head would be signed.

        Raises:
            UnavailableError: the last turn of the publisher failed.
        """
        if self.failed is not None:
            raise UnavailableError(f"log cannot be signed: {self.failed}")

    async def covering(self, index: int) -> SignedCheckpoint:
        """Wait for a head that covers leaf `index`, and return it.

        Raises:
            LateError: a turn of the publisher failed meanwhile.
        """
        while self.checkpoint.size <= index:
            if self.failed is not None:
                raise LateError(f"leaf {index} is logged, and no head can be signed over it now")
            await self._turned.wait()
        return self.checkpoint

    async def turned(self) -> None:
        """Wait for the end of the next turn, however it ends."""
        await self._turned.wait()

    async def turn(self) -> None:
        """Sign what is new, and show it. Whatever goes wrong is told by `failed`."""
        began = self._clock.steady()
        try:
            # In a thread: it hashes, signs and waits for the disk.
            checkpoint = await asyncio.to_thread(self._writer.publish, int(self._clock.now()))
        except Exception as error:  # noqa: BLE001  # a bug here must stop adding, not this task
            self._fail(error)
        else:
            self._show(checkpoint)
        self._metrics.publishing.add(self._clock.steady() - began)
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def run(self) -> None:
        """Take a turn every interval until `stop`."""
        due = self._clock.steady()
        while True:
            due = max(due + self._interval_seconds, self._clock.steady())
            try:
                async with asyncio.timeout(due - self._clock.steady()):
                    await self._stopping.wait()
                    return
            except TimeoutError:
                await self.turn()

    def stop(self) -> None:
        """Let `run` return after the turn it is in."""
        self._stopping.set()

    def _show(self, checkpoint: SignedCheckpoint) -> None:
        self.checkpoint = checkpoint
        self.answer = Answer(200, checkpoint.note, TEXT, BRIEF, ANYONE)
        quorum = self._writer.quorum
        if quorum is None or quorum.held is None:
            self._fresh = self._clock.steady()
        if quorum is not None:
            self._told.tell(quorum)
        if self.failed is not None:
            LOGGER.warning("publishing works again at size %d", checkpoint.size)
        self.failed = None

    def _fail(self, error: Exception) -> None:
        self.failed = error
        self._metrics.failures += 1
        LOGGER.error(
            "publishing failed, no events are taken: %s",
            error,
            exc_info=None if isinstance(error, TranslogError) else error,
        )


class Told:
    """What the server's log says of witnesses: each change once."""

    def __init__(self) -> None:
        self._held: str | None = None
        self._errors: dict[str, str | None] = {}

    def tell(self, quorum: Quorum) -> None:
        if (quorum.held is None) != (self._held is None):
            if quorum.held is not None:
                LOGGER.warning("the newest head is held: %s", quorum.held)
            else:
                LOGGER.warning("the newest head is shown again")
        self._held = quorum.held
        for witness in quorum.witnesses:
            before = self._errors.get(witness.url)
            if witness.error is not None and before is None:
                LOGGER.warning("witness %s: %s", witness.url, witness.error)
            elif witness.error is None and before is not None:
                LOGGER.warning("witness %s cosigns again", witness.url)
            self._errors[witness.url] = witness.error
