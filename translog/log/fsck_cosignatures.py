"""The part of `fsck` that looks at what witnesses have said, and at which head is shown."""

from translog.errors import TranslogError, VerificationError
from translog.formats.checkpoint import Checkpoint
from translog.formats.cosignature import time_of
from translog.formats.note import Note, Signature
from translog.formats.strict import shown
from translog.log.asking import key_name
from translog.log.directory import LogDirectory
from translog.log.witnessing import read_settings
from translog.store import cosignatures, log
from translog.store.cosignatures import CosignatureRow
from translog.store.database import Connection


def check_cosignatures(db: Connection, directory: LogDirectory) -> None:
    """Check that a signed head is shown, and every cosignature of one.

    A cosignature is verified if the log's policy names its key; else only its form is looked at.

    Raises:
        VerificationError: something is wrong; the message names the row.
    """
    sizes = set(log.read_checkpoint_sizes(db))
    size = cosignatures.read_shown_size(db)
    if (size is None) != (not sizes) or (size is not None and size not in sizes):
        raise VerificationError(f"shown: size {size}, and no such head was signed")
    settings = read_settings(directory.path, directory.verifier)
    witnesses = () if settings is None else settings.policy.witnesses
    known = {key_name(witness.key): witness.key for witness in witnesses}
    for row in cosignatures.read_all(db):
        name = f"cosignature of size {row.size} by {shown(row.cosigner)}"
        text = _text_of(db, row, name)
        try:
            line = Signature.parse(row.line.removesuffix("\n"))
            key = known.get(row.cosigner)
            if key is not None:
                key.verify(text, line.blob)
            found = (f"{line.name}+{line.key_id.hex()}", time_of(line.blob), str(line))
        except TranslogError as error:
            raise VerificationError(f"{name}: {error}") from error
        if found != (row.cosigner, row.time, row.line):
            raise VerificationError(f"{name}: its line says something else than the row")


def _text_of(db: Connection, row: CosignatureRow, name: str) -> str:
    note = log.read_checkpoint_at(db, row.size)
    if note is None:
        raise VerificationError(f"{name}: no head of that size was signed")
    return str(Checkpoint.parse(Note.parse(note).text))
