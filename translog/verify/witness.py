"""What a witness cosigns, and what it refuses: c2sp.org/tlog-witness, `add-checkpoint`.

One idea: a request is judged against what is remembered of its log, and what is judged right
takes its place, in one transaction; the signature leaves after the commit. So whatever happens
in between, and however many ask at once, there is one line of heads, each of which continues the
one before, and no signature on any other.

The state is behind `Records` (store/witness): nothing here knows how it is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from translog.errors import (
    ConflictError,
    ConsistencyError,
    ForbiddenError,
    MalformedError,
    MissingError,
    SignatureError,
    TranslogError,
    UnavailableError,
)
from translog.formats.checkpoint import Checkpoint
from translog.formats.cosignature import Cosigner, CosigningKey
from translog.formats.merkle import EMPTY_ROOT
from translog.formats.note import Note, Signature, open_note
from translog.formats.policy import LogKey
from translog.formats.strict import shown
from translog.formats.tree import verify_consistency
from translog.formats.witnessing import Inconsistency, Kind, Submission, Witnessed

Trusted = Mapping[str, Sequence[LogKey]]
"""The keys that may sign for each log, by its origin."""


class StaleError(ConflictError):
    """The old size is not that of the head that was cosigned last. Carries the one that is."""

    def __init__(self, size: int, detail: str) -> None:
        super().__init__(detail)
        self.size = size


class Records(Protocol):
    """What a witness remembers."""

    def transaction(self) -> AbstractContextManager[None]: ...
    def read(self, origin: str) -> Witnessed: ...
    def replace(self, origin: str, old: Witnessed, new: Witnessed) -> None: ...
    def keep(self, found: Inconsistency, now: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request whose head a trusted key signed: only `read_request` makes one.

    Attributes:
        checkpoint: what was signed; of size 0 it can be a lie.
        log_lines: the log's signatures that were verified.
    """

    submission: Submission
    checkpoint: Checkpoint
    log_lines: tuple[Signature, ...]

    @property
    def note(self) -> Note:
        """The head written again from what was read, with the log's signatures and no others."""
        return Note(text=str(self.checkpoint), signatures=self.log_lines)


def read_request(raw: bytes, trusted: Trusted) -> Request:
    """Read a request, and verify that a key which is trusted for its log has signed the head.

    Raises:
        MalformedError: it is not a request.
        MissingError: no log of that origin is known.
        ForbiddenError: no trusted key signed, or a signature by one is wrong.
    """
    submission = Submission.parse(raw)
    checkpoint = Checkpoint.parse_claim(Note.parse(submission.checkpoint).text)
    # SPEC tlog-witness: "If the checkpoint origin is unknown, the witness MUST respond with a
    # "404 Not Found" HTTP status code."
    keys = trusted.get(checkpoint.origin, ())
    if not keys:
        raise MissingError(f"log {shown(checkpoint.origin)} is not one that is cosigned here")
    try:
        # SPEC: "it MUST ignore signatures from unknown keys"
        opened = open_note(submission.checkpoint, keys)
    except SignatureError as error:
        raise ForbiddenError(f"checkpoint of {shown(checkpoint.origin)}: {error}") from error
    ids = {(key.name, key.key_id) for key in opened.signed_by}
    lines = [line for line in opened.note.signatures if (line.name, line.key_id) in ids]
    # A key that signed several times would otherwise have all of its lines kept and served.
    unique = {(line.name, line.key_id): line for line in lines}
    return Request(submission=submission, checkpoint=checkpoint, log_lines=tuple(unique.values()))


def judge(request: Request, known: Witnessed) -> None:
    """Check that a signed head continues the one that was cosigned last.

    Raises:
        MalformedError: the old size is above the head's own.
        StaleError: the old size is not that of the head that was cosigned last.
        ConsistencyError: it does not continue that head, or nothing shows that it does.
    """
    old_size, checkpoint = request.submission.old_size, request.checkpoint
    # SPEC: "The old size MUST be equal to or lower than the checkpoint size. Otherwise, the
    # witness MUST respond with a "400 Bad Request" HTTP status code."
    if old_size > checkpoint.size:
        raise MalformedError(f"old size is {old_size}, want at most {checkpoint.size}")
    # SPEC: "The witness MUST check that the old size matches the size of the latest checkpoint it
    # cosigned for the checkpoint's origin (or zero if it never cosigned a checkpoint"
    if old_size != known.size:
        raise StaleError(known.size, f"old size is {old_size}, want {known.size}")
    # SPEC: "A checkpoint of size zero MUST have the root hash of the empty tree"
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise ConsistencyError(f"size 0 has root {checkpoint.root.hex()}, want that of no entries")
    if old_size == 0:
        # SPEC: "If the old size is zero, the consistency proof MUST be empty"
        if request.submission.proof:
            raise ConsistencyError(
                f"proof from size 0 has {len(request.submission.proof)} hashes, want none"
            )
        return
    # For equal sizes that is: equal roots, and no proof.
    verify_consistency(
        old_size, checkpoint.size, known.root, checkpoint.root, request.submission.proof
    )


def inconsistency(request: Request, known: Witnessed, error: TranslogError) -> Inconsistency | None:
    """Return what to keep of a refused request: a signed head that does not go with ours."""
    checkpoint = request.checkpoint
    if checkpoint.size == known.size and known.note and checkpoint.root != known.root:
        kind = Kind.TWO_ROOTS  # whatever old size and proof came with it
    elif checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        kind = Kind.EMPTY_TREE
    elif isinstance(error, ConsistencyError) and known.note and checkpoint.size != known.size:
        kind = Kind.NO_PROOF
    else:
        return None
    return Inconsistency(
        kind=kind,
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        found=request.note.encode(),
        cosigned=known.note,
        proof=request.submission.proof,
    )


def cosign(
    request: Request, known: Witnessed, now: int, signers: Sequence[CosigningKey]
) -> tuple[Witnessed, bytes]:
    """Return what to remember in place of `known`, and the lines to answer once it is durable.

    Raises:
        UnavailableError: the clock is behind the last cosignature, or shows nothing.
    """
    # A cosignature says that at its time this was the largest tree seen. With an earlier time
    # than the last one, it would say so of a time when another was.
    if now < max(known.time, 1):
        raise UnavailableError(
            f"clock shows {now}, and log {shown(request.checkpoint.origin)} was cosigned at"
            f" {known.time}: nothing is cosigned before that"
        )
    # What is signed is written again from what was read: no byte of the sender's passes.
    lines = tuple(signer.cosign(request.checkpoint, now) for signer in signers)
    note = Note(text=request.note.text, signatures=(*request.log_lines, *lines))
    new = Witnessed(request.checkpoint.size, request.checkpoint.root, now, note.encode())
    return new, "".join(map(str, lines)).encode()


def answer_all(
    raws: Sequence[bytes],
    records: Records,
    trusted: Trusted,
    now: Callable[[], int],
    signers: Sequence[CosigningKey],
) -> list[bytes | TranslogError]:
    """Answer requests in order, in one transaction: each sees what those before it have changed.

    What a crash means: before the commit nothing was remembered, and no signature has left. After
    it the log asks again, is told the new size, and goes on from there.

    Returns:
        The lines of each, durable; or why there are none.

    Raises:
        UnavailableError, ConflictError: the disk, or another writer. Nothing is remembered, and
            none of the signatures may leave.
    """
    read = [_read(raw, trusted) for raw in raws]
    if not any(isinstance(one, Request) for one in read):
        return [one for one in read if not isinstance(one, Request)]
    with records.transaction():
        return [
            _answer(one, records, now(), signers) if isinstance(one, Request) else one
            for one in read
        ]


def _read(raw: bytes, trusted: Trusted) -> Request | TranslogError:
    try:
        return read_request(raw, trusted)
    except TranslogError as error:
        return error


def _answer(
    request: Request, records: Records, now: int, signers: Sequence[CosigningKey]
) -> bytes | TranslogError:
    origin = request.checkpoint.origin
    known = records.read(origin)
    try:
        judge(request, known)
        new, lines = cosign(request, known, now, signers)
    except TranslogError as error:
        found = inconsistency(request, known, error)
        if found is not None:
            records.keep(found, now)
        return error
    records.replace(origin, known, new)
    return lines


def check_log_key(key: LogKey, own: Sequence[Cosigner]) -> None:
    """Refuse a key of the witness's own as a log's: its cosignatures would pass for the log's.

    Raises:
        MalformedError: it is such a key.
    """
    if any(key.public_key == each.public_key for each in own):
        raise MalformedError(f"key of log {shown(key.name)} is this witness's own")
