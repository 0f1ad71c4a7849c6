"""A log that is open for writing: the one place where its threads, connections and lock meet."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress

from translog.errors import UnavailableError
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.merkle import Hash
from translog.formats.tree import prove_consistency
from translog.log import decisions, registry
from translog.log.cosigning import Cosigning
from translog.log.directory import LogDirectory
from translog.log.pipeline import Pipeline
from translog.log.publication import Publication, Quorum
from translog.log.publisher import Publisher
from translog.log.sequencer import Result, Sequencer
from translog.log.units import Deliver
from translog.log.witnessing import read_settings
from translog.net.witnesses import Witness
from translog.store import cosignatures, database
from translog.store.database import Connection
from translog.store.log import Head, read_nodes

WITNESS_SECONDS = 10.0  # for one request: longer than a round waits, so that late is not lost


class Writer:
    """What the holder of a log's lock can do with it. Only `open_writer` makes one.

    `submit` and `publish` may be called from any thread.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sequencer: Sequencer,
        publication: Publication,
        decide: Callable[["Writer"], object],
    ) -> None:
        self._pipeline = pipeline
        self._sequencer = sequencer
        self._publication = publication
        self._decide = decide
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
        """See `Publication.publish`; first, have logged what the operator has decided."""
        with self._publishing:
            with suppress(UnavailableError):  # it stays for the next time
                self._decide(self)
            return self._publication.publish(now)

    def settle(self) -> None:
        """Have logged what the operator has decided: see `decisions.settle`."""
        with self._publishing:
            self._decide(self)

    @property
    def quorum(self) -> Quorum | None:
        """See `Publication.quorum`."""
        return self._publication.quorum


@contextmanager
def open_writer(
    directory: LogDirectory,
    now: Callable[[], int],
    steady: Callable[[], float] = time.monotonic,
) -> Iterator[Writer]:
    """Be the writer of a log while the block runs; at its end, finish what was taken in.

    Opening signs the head as it is stored, which is all the recovery there is after a crash, and
    logs what the operator has decided. The end of the block signs again, unless it is an error.

    Args:
        directory: of the log.
        now: the clock, in POSIX seconds.
        steady: seconds since some moment, by which witnesses are waited for.

    Raises:
        ConflictError: another process writes to this log.
        VerificationError: what is stored contradicts itself, or what was signed: nothing is
            signed, and the message says what to do.
        MalformedError: the policy, or what goes with it, is not what it should be.
    """
    with ExitStack() as stack:
        stack.enter_context(directory.locked())
        signer = directory.read_signer()

        def opened() -> Connection:
            return stack.enter_context(closing(database.open_writer(directory.database)))

        sequencer = Sequencer(opened())
        publication = _open_publication(stack, directory, opened(), steady)
        publication.publish(now())
        editor = opened()
        with database.transaction(editor):
            registry.allow_own(editor, signer.verifier, now=now())
        with closing(Pipeline(sequencer, directory.database)) as pipeline:
            writer = Writer(
                pipeline, sequencer, publication, lambda to: decisions.settle(editor, to, signer)
            )
            writer.settle()
            yield writer
        publication.publish(now())


def _open_publication(
    stack: ExitStack, directory: LogDirectory, db: Connection, steady: Callable[[], float]
) -> Publication:
    settings = read_settings(directory.path, directory.verifier)
    publisher = Publisher(
        db,
        directory.read_signer(),
        directory.signed_head,
        second=directory.read_second_signer(),
        shows=settings is None,
    )
    if settings is None:
        return Publication(db, directory.verifier, publisher, None)
    reader = stack.enter_context(closing(database.open_reader(directory.database)))
    lock = threading.Lock()

    def prove(old_size: int, size: int) -> Sequence[Hash]:
        if not old_size:
            return ()  # from nothing, witnesses want no proof
        with lock, database.translated("database"):
            return prove_consistency(old_size, size, lambda nodes: read_nodes(reader, size, nodes))

    with database.translated("database"):
        sizes = cosignatures.read_witness_sizes(reader)
    cosigning = Cosigning(
        settings,
        directory.verifier,
        prove,
        lambda url: Witness(url, WITNESS_SECONDS),
        steady,
        sizes,
    )
    stack.enter_context(closing(cosigning))
    return Publication(db, directory.verifier, publisher, cosigning)
