"""Signs heads, shows them, and never signs two that cannot both be true.

Three things stand against a fork: the head is signed only if the stored hashes still make it; it
must contain the last head that was signed, of which a copy is kept in a file outside the
database; and at one size there is one note. A database put back from an old backup is behind
that copy, and is refused here instead of being signed again in another way.

What a crash means: nothing leaves this process before the copy and the row are on disk, so a head
that anybody has seen is known here after any crash. Where the copy is ahead of the row, the next
`publish` takes the note from there: a head is signed once, also with keys that never sign twice
in the same way.
"""

from pathlib import Path

from translog.errors import MissingError, TranslogError, UnavailableError, VerificationError
from translog.formats.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    open_checkpoint,
    sign_checkpoint,
)
from translog.formats.cosignature import CosigningKey
from translog.formats.note import Note, NoteSigner
from translog.formats.tree import Read, root
from translog.store import cosignatures, files, log
from translog.store.database import Connection, snapshot, transaction


class Publisher:
    """The one signer of heads. Its caller holds the log's lock and calls from one thread."""

    def __init__(
        self,
        db: Connection,
        signer: NoteSigner,
        copy: Path,
        *,
        second: CosigningKey | None = None,
        shows: bool = True,
    ) -> None:
        """Sign for one log.

        Args:
            second: signs beside `signer`, under the same name.
            shows: what is signed is shown at once; else somebody else decides.
        """
        self._db = db
        self._signer = signer
        self._copy = copy
        self._second = second
        self._shows = shows

    def publish(self, now: int) -> SignedCheckpoint:
        """Sign the head as it stands, and keep it; return the newest signed head.

        Nothing is signed if nothing has changed. May be called again after any error.

        Args:
            now: POSIX seconds, kept beside the checkpoint.

        Raises:
            VerificationError: what is stored contradicts itself, or the copy of the last head.
            MalformedError: a tile that the head is made of is missing, or too short.
            UnavailableError: the disk failed, or the clock; nothing new is to be shown.
        """
        with snapshot(self._db):
            shown = self._shown()
            last = self._last()
            head = log.read_head(self._db)
            self._check_stored(head)
            self._check_grown(last, shown, head)
        if shown is not None and shown.size == head.size:
            if last != shown:  # an older copy was put back: it would let an older database pass
                files.write_atomically(self._copy, shown.note)
            return shown
        if not 0 <= now <= log.MAX_TIME:  # later heads are dated no earlier: it would stay so
            raise UnavailableError(f"the clock is at {now} s since 1970, want 0 to {log.MAX_TIME}")
        if last is not None and last.size == head.size:
            note = self._own_lines(last)  # a crash came before the row
        else:
            note = self._sign(head, now)
            files.write_atomically(self._copy, note)
        with transaction(self._db):
            log.write_checkpoint(self._db, head.size, note, now)
            if self._shows:
                cosignatures.write_shown(self._db, head.size)
        return open_checkpoint(note, self._signer.verifier)

    @property
    def newest(self) -> SignedCheckpoint | None:
        """The newest head that was signed; None before the first."""
        with snapshot(self._db):
            return self._shown()

    def check_claim(self, claim: SignedCheckpoint, whose: str) -> None:
        """Check that a head with this log's signature, shown by somebody else, is one of ours.

        Raises:
            VerificationError: this database does not contain it: it is not the newest, or another
                process has signed another history. Nothing must be signed any more.
        """
        with snapshot(self._db):
            head = log.read_head(self._db)
            self._check_contains(claim, whose, head)

    def _sign(self, head: log.Head, now: int) -> bytes:
        checkpoint = Checkpoint(origin=self._signer.name, size=head.size, root=head.root)
        more = [self._second.cosign(checkpoint, now)] if self._second is not None else []
        return sign_checkpoint(checkpoint, self._signer.key, more)

    def _own_lines(self, signed: SignedCheckpoint) -> bytes:
        """Return a note without the lines of anyone else, who may have written into the copy."""
        ids = {(self._signer.name, self._signer.verifier.key_id)}
        if self._second is not None:
            ids.add((self._second.name, self._second.cosigner.key_id))
        lines = [
            each for each in Note.parse(signed.note).signatures if (each.name, each.key_id) in ids
        ]
        return Note(text=str(signed), signatures=tuple(lines)).encode()

    def _shown(self) -> SignedCheckpoint | None:
        note = log.read_checkpoint(self._db)
        if note is None:
            return None
        try:
            return open_checkpoint(note, self._signer.verifier)
        except TranslogError as error:
            raise VerificationError(
                f"newest checkpoint in the database is not a head that this log signed: {error}."
                " Nothing is signed; `translog fsck` finds what changed"
            ) from error

    def _last(self) -> SignedCheckpoint | None:
        try:
            note = files.read(self._copy)
        except MissingError:
            return None
        try:
            return open_checkpoint(note, self._signer.verifier)
        except TranslogError as error:
            raise VerificationError(
                f"{self._copy} is not a head that this log signed: {error}. Put back the file"
                " as it was; without it nobody here can tell an old database from the newest"
            ) from error

    def _check_stored(self, head: log.Head) -> None:
        found = root(head.size, self._read(head.size))
        if found != head.root:
            raise VerificationError(
                f"stored tiles give root {found.hex()} for size {head.size}, and the stored head"
                f" has {head.root.hex()}: nothing is signed; `translog fsck` finds what changed"
            )

    def _check_grown(
        self, last: SignedCheckpoint | None, shown: SignedCheckpoint | None, head: log.Head
    ) -> None:
        """Refuse a tree that does not contain every head that was signed before."""
        if last is None:
            if shown is None:
                return
            raise VerificationError(
                f"{self._copy} is missing, and size {shown.size} was signed: put the file back;"
                " without it nobody here can tell an old database from the newest"
            )
        for signed, where in ((last, str(self._copy)), (shown, "the database")):
            if signed is not None:
                self._check_contains(signed, where, head)

    def _check_contains(self, signed: SignedCheckpoint, where: str, head: log.Head) -> None:
        if signed.size > head.size:
            raise VerificationError(
                f"database is at size {head.size}, and a head of size {signed.size} was"
                f" signed ({where}): this is an old copy of the log. Put back the newest"
                " database; signing from here would fork the log. If the newest is lost,"
                " begin a new log under a new origin"
            )
        if root(signed.size, self._read(head.size)) != signed.root:
            raise VerificationError(
                f"database has another tree below size {signed.size} than the head that was"
                f" signed ({where}): nothing is signed. Put back the database that was"
                " signed, or begin a new log under a new origin"
            )

    def _read(self, size: int) -> Read:
        return lambda nodes: log.read_nodes(self._db, size, nodes)
