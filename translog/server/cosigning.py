"""The one thread that cosigns: a lone request at once, and a crowd with one fsync.

Requests wait in one bounded line. The thread takes all that wait, up to a batch, judges them in
order in one transaction, and answers when it is durable: verify/witness says how.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from translog.errors import BusyError, TranslogError, UnavailableError
from translog.formats import mldsa
from translog.formats.cosignature import Cosigner
from translog.formats.policy import LogKey
from translog.server.logs import LOGGER
from translog.store.witness import Records
from translog.store.witness_directory import WitnessDirectory
from translog.verify.witness import answer_all

Result = bytes | TranslogError
Deliver = Callable[[Result], None]

BATCH_REQUESTS = 64
MAX_WAITING_REQUESTS = 1_024
MAX_WAITING_BYTES = 32 << 20


class Cosigning:
    """The thread, from construction to `close`. Its caller holds the witness's lock."""

    def __init__(self, directory: WitnessDirectory, now: Callable[[], int]) -> None:
        """Read keys and logs, and start.

        Args:
            now: the clock, in POSIX seconds.

        Raises:
            MissingError, MalformedError, UnavailableError: keys or database are not as they
                should be, or ML-DSA-44 is wanted and not installed.
        """
        self._signers = directory.read_signers()
        self._now = now
        self._records = directory.open_writer()
        try:
            self._version = self._records.version
            self._trusted = read_trusted(self._records)
        except BaseException:
            self._records.close()
            raise
        self._changed = threading.Condition()
        self._line: deque[tuple[bytes, Deliver]] = deque()
        self._bytes = 0
        self._closing = False
        self._stopped: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="cosigning")
        self._thread.start()

    @property
    def cosigners(self) -> tuple[Cosigner, ...]:
        """The public halves of the keys that cosign."""
        return tuple(signer.cosigner for signer in self._signers)

    @property
    def stopped(self) -> BaseException | None:
        """Why nothing is cosigned any more, or None."""
        return self._stopped

    @property
    def waiting(self) -> int:
        """Requests that are not taken up yet."""
        return len(self._line)

    def submit(self, raw: bytes, deliver: Deliver) -> None:
        """Queue a request; `deliver` gets its lines once they are durable, or why there are none.

        It is called from the thread, exactly once, and must be quick.

        Raises:
            BusyError: there is no room in the line.
            UnavailableError: nothing is cosigned any more.
        """
        with self._changed:
            if self._stopped is not None or self._closing:
                raise UnavailableError(f"nothing is cosigned any more: {self._stopped}")
            crowded = len(self._line) >= MAX_WAITING_REQUESTS
            if crowded or self._bytes + len(raw) > MAX_WAITING_BYTES:
                raise BusyError(f"{len(self._line)} requests wait: try again in a second")
            self._line.append((raw, deliver))
            self._bytes += len(raw)
            self._changed.notify()

    def close(self) -> None:
        """Answer what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._records.close()

    def _run(self) -> None:
        while batch := self._take():
            try:
                results = self._answer([raw for raw, _ in batch])
            except BaseException as error:
                self._stop(error)
                self._refuse(batch)
                raise  # to the thread's excepthook: a bug is shown, with its traceback
            for (_, deliver), result in zip(batch, results, strict=True):
                deliver(result)

    def _take(self) -> list[tuple[bytes, Deliver]]:
        """Wait for requests and take a batch of them; none when all is done."""
        with self._changed:
            while not self._line and not self._closing:
                self._changed.wait()
            count = min(len(self._line), BATCH_REQUESTS)
            batch = [self._line.popleft() for _ in range(count)]
            self._bytes -= sum(len(raw) for raw, _ in batch)
            return batch

    def _answer(self, raws: Sequence[bytes]) -> Sequence[Result]:
        if self._stopped is not None:
            return [UnavailableError("nothing is cosigned any more")] * len(raws)
        try:
            version = self._records.version
            if version != self._version:  # a log was added or removed beside us
                self._trusted, self._version = read_trusted(self._records), version
            return answer_all(raws, self._records, self._trusted, self._now, self._signers)
        except TranslogError as error:
            # After a failed write nobody knows what is on disk until it is opened again.
            self._stop(error)
            return [UnavailableError(f"nothing is cosigned any more: {error}")] * len(raws)

    def _stop(self, error: BaseException) -> None:
        LOGGER.error("cosigning stopped, until the witness is started again: %s", error)
        with self._changed:
            self._stopped = error

    def _refuse(self, batch: Sequence[tuple[bytes, Deliver]]) -> None:
        with self._changed:
            left = [*batch, *self._line]
            self._line.clear()
        for _, deliver in left:
            deliver(UnavailableError("nothing is cosigned any more"))


def read_trusted(records: Records) -> dict[str, list[LogKey]]:
    """Return the keys that may sign for each log.

    Raises:
        UnavailableError: one is of ML-DSA-44, and that is not installed; or the disk failed.
    """
    trusted = records.read_trusted()
    if any(isinstance(key, Cosigner) for keys in trusted.values() for key in keys):
        mldsa.require()
    return trusted
