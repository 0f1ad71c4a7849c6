"""One audit on a command line: what was asked for, and how far it came, also when it fails."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from translog.cli.output import Progress
from translog.cli.places import answering, published
from translog.errors import MalformedError, MissingError, UnavailableError, VerificationError
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.cosigned import open_trusted, read_cosigned
from translog.formats.note import MAX_NOTE_BYTES
from translog.formats.policy import Policy
from translog.formats.proof import MAX_HEAD_BYTES, TlogProof
from translog.formats.published import CHECKPOINT, Fetch
from translog.store import files
from translog.verify import auditor
from translog.verify.copies import Copy
from translog.verify.crowd import Crowd
from translog.verify.documents import recognise
from translog.verify.state import MAX_STATE_BYTES, AuditState, Depth

SAVE_SECONDS = 5.0  # at most so much is done again after a crash
WORKERS = 8  # bundles on their way at a time


@dataclass
class Audit:
    """One audit.

    Attributes:
        place: where the log is.
        policy: whom the caller trusts.
        depth: how much of each entry is checked.
        others: further places of the same log.
        state_file, since, until: where to begin and to end; files, or None.
        copies: what was found at the further places.
        start: where it began, in entries.
        state: how far it came, or None.
    """

    place: str
    policy: Policy
    depth: Depth
    others: Sequence[str] = ()
    state_file: Path | None = None
    since: Path | None = None
    until: Path | None = None
    copies: list[Copy] = field(default_factory=list)
    start: int = 0
    state: AuditState | None = None
    _saved: float = 0.0

    def run(self, progress: Progress) -> None:
        """Audit. How far it came can be seen afterwards, also when this raises.

        Raises:
            TranslogError: as `auditor.audit`.
        """
        until = self._until()
        begin = self._read_state()
        with ExitStack() as stack:
            fetch = stack.enter_context(published(self.place))
            stack.enter_context(answering())
            newest = until or self._newest(fetch)
            if self.since is not None:
                # The log's word is enough: what it signed binds it, whoever else has seen it.
                since = read_cosigned(_note_in(self.since), self.policy)
                begin = auditor.state_at(fetch, since, newest, self.depth)
            self.start = 0 if begin is None else begin.size
            for other in self.others:
                there = stack.enter_context(published(other))
                self.copies.append(Copy(name=other, fetch=there, head=self._newest(there)))
            crowd = stack.enter_context(Crowd(len(os.sched_getaffinity(0))))
            self._saved = time.monotonic()
            self.state = auditor.audit(
                fetch,
                self.policy,
                until=newest,
                state=begin,
                depth=self.depth,
                copies=self.copies,
                workers=WORKERS,
                check=crowd.check,
                progress=self._keeping(progress),
            )
        self._save()

    def _newest(self, fetch: Fetch) -> SignedCheckpoint:
        return open_trusted(fetch(CHECKPOINT, MAX_NOTE_BYTES), self.policy)

    def _until(self) -> SignedCheckpoint | None:
        return None if self.until is None else open_trusted(_note_in(self.until), self.policy)

    def _read_state(self) -> AuditState | None:
        if self.state_file is None:
            return None
        try:
            raw = files.read(self.state_file, limit=MAX_STATE_BYTES)
        except MissingError:
            return None  # the first audit: it makes the file
        try:
            return AuditState.from_json(raw, self.policy)
        except (MalformedError, VerificationError) as error:
            # Ours, and not the log's: nothing published is wrong.
            raise UnavailableError(
                f"--state {self.state_file} is not the state of an audit of this log: {error};"
                " put it right, or audit from the start without it"
            ) from error

    def _save(self) -> None:
        if self.state_file is not None and self.state is not None:
            files.write_out(self.state_file, self.state.to_json())

    def _keeping(self, progress: Progress) -> Callable[[AuditState], None]:
        """Return an auditor's `progress` that keeps the state now and then, and shows it."""

        def keep(state: AuditState) -> None:
            self.state = state
            progress(state.size, state.checkpoint.size)
            if time.monotonic() - self._saved >= SAVE_SECONDS:
                self._save()
                self._saved = time.monotonic()

        return keep


def _note_in(file: Path) -> bytes:
    """Return the checkpoint in a file: one by itself, or a proof's."""
    raw = files.read(file, limit=MAX_HEAD_BYTES + MAX_NOTE_BYTES)
    return TlogProof.parse(raw).checkpoint if recognise(raw) == "proof" else raw
