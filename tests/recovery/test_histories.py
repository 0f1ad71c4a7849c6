"""Any history of adding, publishing, reopening and crashing, judged after every step.

The judges are the RFC's recursion and an auditor that remembers what it saw. A crash is a copy of
the directory, taken while the log is open: exactly what the next process would find.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.reference import mth
from tests.simulators.logs import NOW, new_log, raw
from translog.errors import UnavailableError
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.merkle import leaf_hash
from translog.formats.policy import believing
from translog.formats.tree import verify_consistency
from translog.log import directory, publisher, reader, registry
from translog.log.directory import LogDirectory
from translog.log.intake import Admitted, admit
from translog.log.publisher import Publisher
from translog.log.sequencer import Placed, Sequencer
from translog.log.source import Source
from translog.store import database, files
from translog.store import log as store
from translog.store.bodies import Packer
from translog.verify.auditor import audit
from translog.verify.state import AuditState

NUMBERS = st.integers(min_value=0, max_value=150)
BATCHES = st.one_of(
    st.lists(NUMBERS, max_size=5),
    st.builds(lambda start, count: list(range(start, start + count)), NUMBERS, st.just(70)),
)


class Crash(BaseException):
    """The process ends here: nothing catches it."""


class Histories(RuleBasedStateMachine):
    """The log, and beside it all that it has promised.

    Attributes:
        entries: what the log must hold, in order.
        heads: every checkpoint that could have been seen.
        audited: how far an auditor came who looks after every step.
    """

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="translog-history-"))
        self.log = new_log(self.folder / "0")
        self.copies = 0
        self.entries: list[bytes] = []
        self.heads: dict[int, SignedCheckpoint] = {}
        self.audited: AuditState | None = None
        self.packer = Packer()
        self.admitted: dict[int, Admitted] = {}
        self.open()
        with closing(directory.open_reader(self.log)) as db:
            self.keys = registry.read(db)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.stack.close()
            shutil.rmtree(self.folder)

    def open(self) -> None:
        """Do what `open_writer` does, without its threads."""
        self.stack = ExitStack()
        self.stack.enter_context(self.log.locked())
        connections = []
        for _ in range(2):
            db = self.stack.enter_context(closing(database.open_writer(self.log.database)))
            # A copy of the files shows what was written, whether or not it was synced.
            db.execute("PRAGMA synchronous = OFF")
            connections.append(db)
        self.sequencer = Sequencer(connections[0])
        self.publisher = Publisher(connections[1], self.log.read_signer(), self.log.signed_head)
        self.see(self.publisher.publish(NOW))

    def see(self, head: SignedCheckpoint) -> None:
        known = self.heads.setdefault(head.size, head)
        assert known.note == head.note, "two notes of one size"

    def admit(self, numbers: list[int]) -> list[Admitted]:
        for number in numbers:
            if number not in self.admitted:
                self.admitted[number] = admit(raw(number), self.keys, self.packer)
        return [self.admitted[number] for number in numbers]

    def expected(self, numbers: list[int]) -> tuple[list[bytes], list[Placed]]:
        """Return what the log must hold after these, and the answers to them."""
        entries = list(self.entries)
        placed = []
        for admitted in self.admit(numbers):
            duplicate = admitted.entry in entries
            if not duplicate:
                entries.append(admitted.entry)
            index = entries.index(admitted.entry)
            leaf = leaf_hash(admitted.entry)
            placed.append(Placed(index, admitted.content_sha256, leaf, duplicate))
        return entries, placed

    @contextmanager
    def crashing(self, target: Any, name: str, *, after: bool) -> Iterator[None]:
        """Let the process end before or after a call, if it comes to that."""
        real: Callable[..., Any] = getattr(target, name)
        copy = self.folder / str(self.copies + 1)

        def crash(*arguments: Any, **options: Any) -> None:
            if after:
                real(*arguments, **options)
            shutil.copytree(self.log.path, copy)
            raise Crash

        with mock.patch.object(target, name, crash):
            try:
                yield
            except Crash:
                self.copies += 1
        self.go_on_from(copy if copy.exists() else None)

    def go_on_from(self, copy: Path | None) -> None:
        self.stack.close()
        if copy is not None:
            self.log = LogDirectory(path=copy, verifier=self.log.verifier)
            if self.log.signed_head.exists():  # signed, and so perhaps seen
                self.see(open_checkpoint(self.log.signed_head.read_bytes(), self.log.verifier))
        self.open()

    @rule(numbers=BATCHES)
    def add(self, numbers: list[int]) -> None:
        entries, placed = self.expected(numbers)
        assert self.sequencer.append(self.admit(numbers)) == placed
        self.entries = entries

    @rule()
    def publish(self) -> None:
        head = self.publisher.publish(NOW + len(self.heads))
        assert head.size == len(self.entries)
        self.see(head)

    @rule()
    def reopen(self) -> None:
        self.go_on_from(None)

    @rule()
    def crash_between(self) -> None:
        self.copies += 1
        copy = self.folder / str(self.copies)
        shutil.copytree(self.log.path, copy)
        self.go_on_from(copy)

    @rule(numbers=BATCHES, name=st.sampled_from(["append", "age_lookups"]), after=st.booleans())
    def crash_while_adding(self, numbers: list[int], name: str, after: bool) -> None:
        before = len(self.entries)
        entries, placed = self.expected(numbers)
        with self.crashing(store, name, after=after):
            assert self.sequencer.append(self.admit(numbers)) == placed  # nothing was new
            self.entries = entries
        # Nothing was committed, and nobody was told otherwise.
        assert self.sequencer.head.size == before

    @rule(numbers=BATCHES)
    def crash_before_the_answer(self, numbers: list[int]) -> None:
        entries, _ = self.expected(numbers)
        self.sequencer.append(self.admit(numbers))
        self.crash_between()
        # It was committed, and nobody was told: it is there all the same.
        self.entries = entries

    @rule(
        where=st.sampled_from(
            [
                (files, "write_atomically"),
                (store, "write_checkpoint"),
                (publisher, "sign_checkpoint"),
            ]
        ),
        after=st.booleans(),
    )
    def crash_while_publishing(self, where: tuple[Any, str], after: bool) -> None:
        with self.crashing(*where, after=after):
            self.see(self.publisher.publish(NOW))

    @rule(numbers=BATCHES)
    def fail_while_adding(self, numbers: list[int]) -> None:
        entries, placed = self.expected(numbers)
        failing = mock.Mock(side_effect=database.sqlite3.OperationalError("disk I/O error"))
        with mock.patch.object(store, "age_lookups", failing):
            try:
                assert self.sequencer.append(self.admit(numbers)) == placed
                assert entries == self.entries
            except UnavailableError:
                assert self.sequencer.stopped is not None
        self.go_on_from(None)

    @invariant()
    def nothing_is_missing(self) -> None:
        if not hasattr(self, "folder"):
            return
        with closing(directory.open_reader(self.log)) as db:
            assert store.read_head(db) == (len(self.entries), mth(tuple(self.entries)))
            assert store.read_entries(db, 0, len(self.entries) + 1) == self.entries
            newest = self.heads[max(self.heads)]
            assert reader.checkpoint_note(db) == newest.note
            for head in self.heads.values():
                assert head.root == mth(tuple(self.entries[: head.size]))
                if head.size:
                    proof = reader.consistency(db, head.size, newest.size)
                    verify_consistency(head.size, newest.size, head.root, newest.root, proof)

    @invariant()
    def the_auditor_agrees(self) -> None:
        if hasattr(self, "folder"):
            with Source(self.log, "https://log.example") as source:
                policy = believing(self.log.verifier)
                self.audited = audit(source.get, policy, state=self.audited, workers=1)
            assert self.audited.complete


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=15,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
