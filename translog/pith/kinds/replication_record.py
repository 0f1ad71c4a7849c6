"""`replication_record`: somebody tried it: a replication, a falsification or a formal bridge.

Spec: docs/formats/events/replication_record.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from translog.pith import shape
from translog.pith.kinds import members
from translog.pith.record import PithNumber

TYPE = "replication_record"
KINDS = frozenset({"replication", "falsification", "formal_bridge"})
OUTCOMES = frozenset({"succeeded", "partly", "failed"})

_PAYLOAD = frozenset(
    {"kind", "outcome", "performed_at", "claim_ids", "evidence_url", "evidence_sha256", "summary"}
)


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload, or raise MalformedError."""
    shape.exact(payload, _PAYLOAD, TYPE)
    members.choice(payload, "kind", TYPE, KINDS)
    members.choice(payload, "outcome", TYPE, OUTCOMES)
    shape.seconds(payload, "performed_at", TYPE)
    members.labels(payload, "claim_ids", TYPE)
    members.optional(members.url, payload, "evidence_url", TYPE)
    if payload["evidence_sha256"] is not None:
        shape.hex_digits(payload, "evidence_sha256", 32, TYPE)
    members.text(payload, "summary", TYPE)


def build(
    *,
    kind: str,
    outcome: str,
    performed_at: str,
    claim_ids: Sequence[str] = (),
    evidence_url: str | None = None,
    evidence_sha256: str | None = None,
    summary: str = "",
) -> dict[str, Any]:
    """Return the payload."""
    return {
        "kind": kind,
        "outcome": outcome,
        "performed_at": performed_at,
        "claim_ids": sorted(set(claim_ids)),
        "evidence_url": evidence_url,
        "evidence_sha256": evidence_sha256,
        "summary": summary,
    }
