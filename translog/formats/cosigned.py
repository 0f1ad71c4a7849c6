"""Checkpoints under a policy: signed by a log that it lists, cosigned by who it asks for.

Two strengths, as two types. A `CosignedCheckpoint` is the log's word, with the cosignatures that
verify beside it, however few: what a monitor looks at. A `TrustedCheckpoint` has a quorum of
them: what a verifier believes.
"""

from dataclasses import dataclass

from translog.errors import QuorumError, SignatureError
from translog.formats.checkpoint import Checkpoint, SignedCheckpoint
from translog.formats.cosignature import Cosigned, Cosigner, times
from translog.formats.note import Note, open_note
from translog.formats.policy import LogKey, Policy
from translog.formats.strict import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignedCheckpoint(SignedCheckpoint):
    """A checkpoint by a listed log: only `read_cosigned` makes one. The quorum may be missing.

    Attributes:
        log_keys: the listed keys of the log that signed it; at least one.
        cosigned: the policy's witnesses that cosigned it, each key once, and when.
    """

    log_keys: tuple[LogKey, ...]
    cosigned: tuple[Cosigned, ...]

    @property
    def cosigners(self) -> frozenset[Cosigner]:
        return frozenset(one.cosigner for one in self.cosigned)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCheckpoint(CosignedCheckpoint):
    """A checkpoint that a policy believes: only `open_trusted` makes one."""


def read_cosigned(raw: bytes, policy: Policy) -> CosignedCheckpoint:
    """Verify the log's signatures and every cosignature by a witness of the policy.

    Signatures by keys that the policy does not list are ignored.

    Raises:
        MalformedError: it is not a note, or its text is not a checkpoint.
        SignatureError: the log is not listed, has not signed, or a known key's signature is wrong.
        UnavailableError: a known key is of ML-DSA-44, and that is not installed.
    """
    checkpoint = Checkpoint.parse(Note.parse(raw).text)
    # A key counts only for the origin of its own name: one log must not pass for another.
    log_keys = policy.keys_of(checkpoint.origin)
    if not log_keys:
        raise SignatureError(
            f"checkpoint has origin {checkpoint.origin[:80]!r}, want that of a log whose key is"
            f" given ({', '.join(sorted({log.origin for log in policy.logs})) or 'none is'})"
        )
    witnesses = [witness.key for witness in policy.witnesses]
    opened = open_note(raw, [*log_keys, *witnesses])
    signed = tuple(key for key in log_keys if key in opened.signed_by)
    if not signed:
        raise SignatureError(
            f"checkpoint of {checkpoint.origin[:80]!r} is signed by witnesses, and not by the log"
        )
    return CosignedCheckpoint(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        note=raw,
        log_keys=signed,
        cosigned=tuple(one for one in times(opened) if one.cosigner in witnesses),
    )


def open_trusted(raw: bytes, policy: Policy) -> TrustedCheckpoint:
    """Verify a checkpoint, and that enough witnesses vouch for it.

    Spec: tlog-policy, "What is a policy?".

    Raises:
        QuorumError: it is the log's, and too few cosigned it.
        MalformedError, SignatureError, UnavailableError: as `read_cosigned`.
    """
    found = read_cosigned(raw, policy)
    require_quorum(found, policy)
    return TrustedCheckpoint(
        origin=found.origin,
        size=found.size,
        root=found.root,
        note=found.note,
        log_keys=found.log_keys,
        cosigned=found.cosigned,
    )


def require_quorum(checkpoint: CosignedCheckpoint, policy: Policy) -> None:
    """Check that a checkpoint has the cosignatures that the policy asks for.

    Raises:
        QuorumError: it has not.
    """
    if policy.is_met(checkpoint.cosigners):
        return
    signed = [shown(one.name) for one in policy.witnesses if one.key in checkpoint.cosigners]
    raise QuorumError(
        f"checkpoint of size {checkpoint.size} is cosigned by {', '.join(signed) or 'no witness'}"
        f" of the policy's {len(policy.witnesses)}, which is no quorum {shown(policy.quorum)}"
    )
