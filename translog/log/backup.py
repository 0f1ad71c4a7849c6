"""A copy of a log that can take its place, made while the log is being written to.

The last signed head is the newest that is known of: of its copy, which is read first, and of the
heads in the database that is kept, which may be newer by then. So the database contains it, and
none that is newer. The private key is not copied: whoever can read a backup must not be able to
sign.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from translog.errors import ConflictError, MissingError, UnavailableError, VerificationError
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.log import reader
from translog.log.directory import DATABASE, SIGNED_HEAD, LogDirectory, open_reader
from translog.store import files, log, whole
from translog.store.database import Connection, snapshot

PART = ".log.db.new"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """What is in a backup.

    Attributes:
        size: of the log in it.
        signed_size: of the signed head in it; None if none was signed.
        bytes: of the database.
    """

    size: int
    signed_size: int | None
    bytes: int


def backup(directory: LogDirectory, out: Path, progress: Callable[[int, int], None]) -> BackedUp:
    """Write a consistent copy of a log's database and of its last signed head to `out`.

    A crash leaves `out` without a log in it, or with the whole.

    Args:
        out: a directory that is empty, or not there yet.
        progress: called with the number of pages copied, and of all.

    Raises:
        ConflictError: there is something in `out`.
        VerificationError: the database does not contain the last signed head: it is not worth
            keeping, and `translog fsck` says more.
    """
    _make_empty(out)
    copied = _read_copy(directory)
    with closing(open_reader(directory)) as db, snapshot(db):
        size = log.read_head(db).size  # the first read: what is seen from here on is one commit
        head = _newest(copied, log.read_checkpoint(db), directory)
        for signed in (copied, head):
            if signed is not None:
                _check_contains(db, size, signed, directory)
        whole.copy(db, out / PART, progress)
    if head is not None:
        files.write_atomically(out / SIGNED_HEAD, head.note)
    try:
        (out / PART).replace(out / DATABASE)
        files.sync_folder(out)
    except OSError as error:
        raise UnavailableError(f"{out / DATABASE} cannot be written: {files.why(error)}") from error
    return BackedUp(
        size=size,
        signed_size=None if head is None else head.size,
        bytes=(out / DATABASE).stat().st_size,
    )


def _make_empty(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / PART).unlink(missing_ok=True)  # of a backup that did not come to its end
        (out / f"{PART}-journal").unlink(missing_ok=True)
        found = next(out.iterdir(), None)
    except OSError as error:
        raise UnavailableError(f"{out} cannot be written: {files.why(error)}") from error
    if found is not None:
        raise ConflictError(f"{out} is not empty: each backup wants a directory of its own")


def _read_copy(directory: LogDirectory) -> SignedCheckpoint | None:
    try:
        return open_checkpoint(files.read(directory.signed_head), directory.verifier)
    except MissingError:
        return None


def _newest(
    copied: SignedCheckpoint | None, stored: bytes | None, directory: LogDirectory
) -> SignedCheckpoint | None:
    """Return the last signed head: the log may have signed while it was being read."""
    if stored is None:
        return copied
    head = open_checkpoint(stored, directory.verifier)
    return copied if copied is not None and copied.size >= head.size else head


def _check_contains(
    db: Connection, size: int, head: SignedCheckpoint, directory: LogDirectory
) -> None:
    if head.size > size or reader.root_at(db, head.size) != head.root:
        raise VerificationError(
            f"database at size {size} does not contain the head of size {head.size} in"
            f" {directory.signed_head}: nothing was kept; `translog fsck` says more"
        )
