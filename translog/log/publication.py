"""Which head is shown: the newest signed one, or the newest that enough witnesses have cosigned.

In this order: nothing new is signed before witnesses have been heard since the start; then the head
is signed, stored, put to all witnesses, and shown last, with what they said. What they say later is
added to it by the turns that follow.

What a crash means: at each step what was done is on disk, and opening the log goes on from there.
A head that was signed and not shown is put to the witnesses again. What was shown is shown again,
and never an older one.

Why witnesses are heard before anything is signed: a snapshot of the whole directory, put back,
takes the copy of the last signed head with it. Only somebody else can know of a newer one. A
witness that does shows it, with this log's own signature, and then nothing is signed any more.
"""

from typing import NamedTuple

from translog.errors import UnavailableError
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.note import Verifier
from translog.log.cosigning import Cosigning, Standing
from translog.log.publisher import Publisher
from translog.store import cosignatures
from translog.store.cosignatures import CosignatureRow
from translog.store.database import Connection, snapshot, transaction


class Quorum(NamedTuple):
    """How it stands with the witnesses.

    Attributes:
        is_met: whether the newest signed head has a quorum.
        held: why the newest signed head is not the one that is shown; None if it is.
        witnesses: each one.
    """

    is_met: bool
    held: str | None
    witnesses: list[Standing]


class Publication:
    """Signs and shows heads. Its caller holds the log's lock and calls from one thread."""

    def __init__(
        self,
        db: Connection,
        verifier: Verifier,
        publisher: Publisher,
        cosigning: Cosigning | None,
    ) -> None:
        """Begin from what is stored.

        Raises:
            SignatureError: a stored cosignature is damaged.
        """
        self._db = db
        self._verifier = verifier
        self._publisher = publisher
        self._cosigning = cosigning
        self._surveyed = False
        self._held: str | None = None
        self._is_met = True
        self._stored: tuple[int | None, dict[str, int]] = (None, {})
        if cosigning is not None:
            self._load(cosigning)
        elif publisher.newest is not None:
            # Nobody is asked any more for what they were asked before: all that is signed is shown.
            self._store(publisher.newest.size, [], {})

    def publish(self, now: int) -> SignedCheckpoint:
        """Sign the head as it stands, and return the newest head that may be shown.

        May be called again after any error.

        Raises:
            VerificationError, MalformedError: see `Publisher.publish`; or a witness has a head of
                this log that this database does not contain.
            UnavailableError: the disk failed; or there is no head yet that may be shown.
        """
        if self._cosigning is None:
            return self._publisher.publish(now)
        return self._publish(self._cosigning, now)

    @property
    def quorum(self) -> Quorum | None:
        """How it stands with the witnesses; None if none are asked. For any thread."""
        if self._cosigning is None:
            return None
        return Quorum(self._is_met, self._held, self._cosigning.standing)

    def _publish(self, cosigning: Cosigning, now: int) -> SignedCheckpoint:
        self._refuse_contradictions(cosigning)
        newest = self._publisher.newest
        if newest is not None and not (self._surveyed and cosigning.is_heard):
            cosigning.survey(newest, now)
            self._surveyed = True
            self._refuse_contradictions(cosigning)
            if cosigning.settings.without_quorum == "hold" and not cosigning.is_heard:
                why = "no quorum of witnesses was heard since the start, and nothing is signed"
                shown = self._show(cosigning, newest, why)
                self._held = why
                return shown
        signed = self._publisher.publish(now)
        cosigning.collect(signed, now)
        self._refuse_contradictions(cosigning)
        return self._show(cosigning, signed, f"size {signed.size} is signed and lacks a quorum")

    def _refuse_contradictions(self, cosigning: Cosigning) -> None:
        for url, claim in list(cosigning.claims.items()):
            self._publisher.check_claim(claim, f"the witness {url} has it")
            del cosigning.claims[url]  # it is one of ours: the witness is at fault, and left alone

    def _show(self, cosigning: Cosigning, signed: SignedCheckpoint, why: str) -> SignedCheckpoint:
        """Store what witnesses have said, and return the newest head that may be shown."""
        self._is_met = cosigning.is_met(signed.size)
        holds = cosigning.settings.without_quorum == "hold" and not self._is_met
        # The empty tree may always be shown: there is nothing in it to be forked.
        size = cosigning.newest_met if holds and signed.size else signed.size
        self._store(size, *cosigning.take_changes())
        note = cosignatures.read_shown(self._db)
        if note is None:
            raise UnavailableError(f"no head can be shown yet: {why}")
        shown = open_checkpoint(note, self._verifier)
        cosigning.forget_before(shown.size)
        self._held = None if shown.size == signed.size else why
        return shown

    def _store(self, size: int | None, rows: list[CosignatureRow], sizes: dict[str, int]) -> None:
        if not rows and (size, sizes) == self._stored:
            return  # nothing has changed: the disk is not asked
        with transaction(self._db):
            cosignatures.write_cosignatures(self._db, rows)
            cosignatures.write_witness_sizes(self._db, sizes)
            if size is not None:
                cosignatures.write_shown(self._db, size)
        self._stored = (size, sizes)

    def _load(self, cosigning: Cosigning) -> None:
        newest = self._publisher.newest
        with snapshot(self._db):
            note = cosignatures.read_shown(self._db)
            heads = [newest, None if note is None else open_checkpoint(note, self._verifier)]
            for head in heads:
                if head is not None:
                    cosigning.load(head, cosignatures.read_cosignatures(self._db, head.size))
