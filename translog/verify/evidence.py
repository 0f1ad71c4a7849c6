"""Evidence: one fact in one file, for a stranger to check. Spec: docs/formats/evidence.md.

The file brings everything but the keys. Who checks it brings those, and so says who is accused:
what the file says of that itself is only compared.
"""

from dataclasses import dataclass
from typing import Any

from translog.errors import MalformedError, UnknownKeyError, VerificationError
from translog.formats import canonical
from translog.formats.policy import Policy
from translog.formats.strict import shown
from translog.pith import shape
from translog.verify.claims import EVIDENCE, Claim, Verdict
from translog.verify.claims_anchors import ContradictingAnchor
from translog.verify.claims_bundles import DroppedEvent, HiddenEvent
from translog.verify.claims_entries import ForbiddenEntry, InvalidEntry
from translog.verify.claims_heads import (
    FrozenLog,
    InconsistentCheckpoints,
    ShrunkenLog,
    TwoEntries,
    Withheld,
)
from translog.verify.claims_signers import SignerEquivocation
from translog.verify.findings import Trust

FORMAT = "translog-evidence/v1"
MAX_EVIDENCE_BYTES = 48 << 20  # two bundles in base64, or one with proofs

CLAIMS: dict[str, type[Claim]] = {
    claim.kind: claim
    for claim in (
        InconsistentCheckpoints,
        TwoEntries,
        ShrunkenLog,
        FrozenLog,
        Withheld,
        InvalidEntry,
        ForbiddenEntry,
        SignerEquivocation,
        ContradictingAnchor,
        HiddenEvent,
        DroppedEvent,
    )
}
_ALL = frozenset({"format", "kind", "accused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact, as it was read or made: `check` tells whether it is one.

    Attributes:
        accused: whose keys it takes to check it: vkeys of logs, and signers' keys in hex, sorted.
        claim: the fact.
    """

    accused: tuple[str, ...]
    claim: Claim

    @property
    def kind(self) -> str:
        return self.claim.kind

    def encode(self) -> bytes:
        """Return the file's content."""
        members = self.claim.members()
        value = {"format": FORMAT, "kind": self.kind, "accused": [*self.accused], **members}
        return canonical.canonical(value) + b"\n"

    @classmethod
    def parse(cls, raw: bytes) -> "Evidence":
        """Read what `encode` writes.

        Raises:
            MalformedError: any other bytes.
        """
        value = canonical.parse(raw, limit=MAX_EVIDENCE_BYTES)
        if type(value) is not dict or value.get("format") != FORMAT:
            raise MalformedError(f"evidence: {raw[:60].decode(errors='replace')!r} is no {FORMAT}")
        claim = CLAIMS.get(_text(value.get("kind")))
        if claim is None:
            raise MalformedError(f"evidence kind is {shown(value.get('kind'))}, want {[*CLAIMS]}")
        shape.exact(value, _ALL | claim.names, EVIDENCE)
        listed = shape.array(value, "accused", EVIDENCE)
        if not listed or listed != sorted({_text(each) for each in listed}):
            raise MalformedError(f"evidence accused is {shown(listed)}, want keys, sorted")
        evidence = cls(accused=tuple(listed), claim=claim.read(value))
        if evidence.encode() != raw:
            raise MalformedError("evidence is not in the form it is written in")
        return evidence

    @classmethod
    def make(cls, claim: Claim, accused: Trust) -> "Evidence":
        """Make a file of a claim, having checked it as a stranger will.

        Raises:
            VerificationError, MalformedError, UnknownKeyError: it shows nothing to a stranger.
        """
        return cls(accused=tuple(sorted(claim.check(accused).accused)), claim=claim)

    def check(self, accused: Trust) -> Verdict:
        """Check all that can be checked, with the keys of the accused and nothing else.

        Args:
            accused: the keys that are accused, from someone the caller trusts. More do no harm.

        Raises:
            UnknownKeyError: a key that the file accuses is not among them.
            VerificationError, MalformedError: it does not show what it claims.
        """
        logs = [log.key for log in accused.policy.logs if log.key.vkey in self.accused]
        mine = Trust(keys=accused.keys, policy=Policy().trusting(logs))
        given = {log.vkey for log in logs} | {key.hex() for key in accused.keys}
        missing = [key for key in self.accused if key not in given]
        if missing:
            raise UnknownKeyError(
                f"evidence is against key {missing[0][:200]!r}, which is not among those given"
            )
        verdict = self.claim.check(mine)
        if verdict.accused != set(self.accused):
            raise VerificationError(
                f"evidence accuses {len(self.accused)} keys, and {len(verdict.accused)} signed it"
            )
        return verdict


def _text(value: Any) -> str:
    return value if type(value) is str else ""
