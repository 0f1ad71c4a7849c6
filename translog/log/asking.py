"""One witness is asked for cosignatures of a head, and what it says is judged.

A cosignature counts when it verifies. That a witness will not go on from where it was is believed
only when it shows a head with our own signature that says so: then it knows more of this log than
we do, and is right (`Told.claim`). What a witness merely says, it may have made up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from translog.errors import MalformedError, SignatureError, TranslogError, UnavailableError
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.cosignature import Cosigner, time_of
from translog.formats.merkle import Hash
from translog.formats.note import Signature, Verifier
from translog.formats.witnessing import Submission
from translog.net.witnesses import Disputed, Reply, Stale
from translog.store.cosignatures import CosignatureRow

MAX_TRIES = 3  # heads put to a witness in one go, each proved from another size that it named
MAX_AHEAD_SECONDS = 3_600  # that a witness's clock may be ahead of ours

Prove = Callable[[int, int], Sequence[Hash]]
"""From an old size, 0 or more, to that of a signed head: the proof as witnesses want it."""


class Asked(Protocol):
    """A witness as net/witnesses has it, and as tests make it up."""

    def add_checkpoint(self, submission: Submission) -> Reply: ...
    def read_latest(self, origin: str) -> bytes: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Told:
    """What came of putting a head to a witness.

    Attributes:
        size: of the head that the witness cosigned last, as far as that is known now.
        rows: its cosignatures.
        claim: a head of ours that it showed.
        error: why there are no cosignatures, or None.
    """

    size: int
    rows: dict[Cosigner, CosignatureRow] = field(default_factory=dict)
    claim: SignedCheckpoint | None = None
    error: str | None = None


def put(
    asked: Asked,
    keys: Sequence[Cosigner],
    head: SignedCheckpoint,
    size: int,
    now: int,
    prove: Prove,
    own: Verifier,
) -> Told:
    """Put a head to a witness, and judge what it says.

    Args:
        keys: whose cosignatures are wanted.
        size: of the head that the witness cosigned last, as far as known.
    """
    told = Told(min(size, head.size))
    try:
        for _ in range(MAX_TRIES):
            proof = tuple(prove(told.size, head.size))
            reply = asked.add_checkpoint(
                Submission(old_size=told.size, proof=proof, checkpoint=head.note)
            )
            if isinstance(reply, Disputed) or (isinstance(reply, Stale) and reply.size > head.size):
                told.claim, told.error = _explain(asked, head, reply, own)
                return told
            if not isinstance(reply, Stale):
                told.rows = check_lines(reply, keys, head, now)
                told.size = head.size
                return told
            if reply.size == told.size:
                raise MalformedError(f"wants a proof from size {reply.size}, which it had")
            told.size = reply.size
        raise UnavailableError(f"named {MAX_TRIES} sizes to prove from, and took none of them")
    except TranslogError as error:
        told.error = str(error)
    return told


def check_lines(
    lines: Sequence[Signature], keys: Sequence[Cosigner], head: SignedCheckpoint, now: int
) -> dict[Cosigner, CosignatureRow]:
    """Verify what a witness answered, and return its cosignatures by the keys that are wanted.

    Spec: tlog-witness, "The client MUST ignore any cosignatures from unknown keys."

    Raises:
        SignatureError: there is none, one is wrong, or has a time that cannot be.
    """
    wanted = {(key.name, key.key_id): key for key in keys}
    rows: dict[Cosigner, CosignatureRow] = {}
    for line in lines:
        key = wanted.get((line.name, line.key_id))
        if key is None:
            continue
        key.verify(str(head), line.blob)
        time = time_of(line.blob)
        # SPEC: "the timestamp MUST NOT be zero"
        if not 0 < time <= now + MAX_AHEAD_SECONDS:
            raise SignatureError(f"cosignature has time {time}, and it is {now}")
        rows[key] = CosignatureRow(head.size, key_name(key), time, str(line))
    if not rows:
        names = ", ".join(sorted({line.name[:80] for line in lines}))
        raise SignatureError(f"cosignatures are by {names!r}, and none by a key of the policy's")
    return rows


def _explain(
    asked: Asked, head: SignedCheckpoint, reply: Stale | Disputed, own: Verifier
) -> tuple[SignedCheckpoint | None, str]:
    """Ask a witness that will not go on for the head that it stands by; return that, and why."""
    if isinstance(reply, Stale):
        said = f"says that it has cosigned size {reply.size}, and the newest head has {head.size}"
    else:
        said = reply.said
    try:
        shown = open_checkpoint(asked.read_latest(own.name), own)
    except TranslogError as error:
        return None, f"{said}; and shows no head with this log's signature that says so ({error})"
    return shown, said


def key_name(key: Cosigner) -> str:
    """Return how a key is named in the database."""
    return f"{key.name}+{key.key_id.hex()}"
