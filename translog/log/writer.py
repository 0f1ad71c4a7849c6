"""A log that is open for writing: the one place where its threads, connections and lock meet."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from translog.formats.checkpoint import SignedCheckpoint
from translog.log import registry
from translog.log.directory import LogDirectory
from translog.log.pipeline import Deliver, Pipeline, Result
from translog.log.publisher import Publisher
from translog.log.sequencer import Sequencer
from translog.store import database
from translog.store.database import Connection
from translog.store.log import Head


class Writer:
    """What the holder of a log's lock can do with it. Only `open_writer` makes one.

    `submit` and `publish` may be called from any thread.
    """

    def __init__(self, pipeline: Pipeline, sequencer: Sequencer, publisher: Publisher) -> None:
        self._pipeline = pipeline
        self._sequencer = sequencer
        self._publisher = publisher
        self._publishing = threading.Lock()

    @property
    def head(self) -> Head:
        """The tree after the last commit; nothing of it past the last checkpoint is signed."""
        return self._sequencer.head

    @property
    def waiting(self) -> int:
        """Events that are taken in and not yet answered for."""
        return self._pipeline.waiting

    @property
    def stopped(self) -> BaseException | None:
        """Why nothing is taken any more, or None."""
        return self._pipeline.stopped

    def require_room(self) -> None:
        """See `Pipeline.require_room`."""
        self._pipeline.require_room()

    def submit(self, raws: Sequence[bytes], deliver: Deliver) -> None:
        """See `Pipeline.submit`."""
        self._pipeline.submit(raws, deliver)

    def add(self, raws: Sequence[bytes]) -> list[Result]:
        """Log events and wait: one result an event, in order, each durable or refused."""
        done = threading.Event()
        results: list[Result] = []

        def deliver(delivered: list[Result]) -> None:
            results.extend(delivered)
            done.set()

        self.submit(raws, deliver)
        done.wait()
        return results

    def publish(self, now: int) -> SignedCheckpoint:
        """See `Publisher.publish`."""
        with self._publishing:
            return self._publisher.publish(now)


@contextmanager
def open_writer(directory: LogDirectory, now: Callable[[], int]) -> Iterator[Writer]:
    """Be the writer of a log while the block runs; at its end, finish what was taken in.

    Opening signs the head as it is stored, which is all the recovery there is after a crash; and
    so does the end of the block, unless it ends by an error.

    Args:
        directory: of the log.
        now: the clock, in POSIX seconds.

    Raises:
        ConflictError: another process writes to this log.
        VerificationError: what is stored contradicts itself, or what was signed: nothing is
            signed, and the message says what to do.
    """
    with ExitStack() as stack:
        stack.enter_context(directory.locked())
        signer = directory.read_signer()

        def opened() -> Connection:
            return stack.enter_context(closing(database.open_writer(directory.database)))

        sequencer = Sequencer(opened())
        publisher = Publisher(opened(), signer, directory.signed_head)
        publisher.publish(now())
        editor = opened()
        with database.transaction(editor):
            registry.allow_own(editor, signer.verifier, now=now())
        with closing(Pipeline(sequencer, directory.database)) as pipeline:
            writer = Writer(pipeline, sequencer, publisher)
            yield writer
        writer.publish(now())
