"""What an audit came to, in a file: docs/formats/audit.md, "The verdict".

It says what was checked, until where, with which keys, and what was not: an audit that shows less
than its reader thinks is worse than none. Nobody has signed it.
"""

from collections.abc import Sequence
from typing import Any

from translog.errors import TranslogError
from translog.formats import canonical
from translog.formats.cosignature import Cosigner
from translog.formats.cosigned import CosignedCheckpoint
from translog.formats.policy import Policy
from translog.verify.copies import Copy
from translog.verify.evidence import MAX_EVIDENCE_BYTES, Evidence
from translog.verify.state import AuditState, Depth

FORMAT = "translog-audit-verdict/v1"

CHECKED: dict[Depth, list[str]] = {
    "hashes": ["the log's signature of the checkpoint", "every entry and every tile"],
    "signatures": ["the signature in every entry, under the key that it names"],
    "events": ["the content of every event, what it is about, and that its key signed it"],
}
NEVER = [
    "that an event is true, or when it was made",
    "that whoever signed was allowed to",
    "that what is not in the log does not exist",
]


def verdict(
    *,
    place: str,
    at: str,
    policy: Policy,
    depth: Depth,
    start: int,
    state: AuditState | None,
    copies: Sequence[Copy] = (),
    error: TranslogError | None = None,
    evidence: Evidence | None = None,
) -> dict[str, Any]:
    """Return the verdict as a JSON value.

    Args:
        place: where the log was read.
        at: when the audit ended.
        start: the entries before this one were not looked at.
        state: how far it came; None where nothing was checked.
        error: why it ended, if it failed.
    """
    size = start if state is None else state.size
    head = None if state is None else state.checkpoint
    return {
        "format": FORMAT,
        "ok": error is None,
        "at": at,
        "place": place,
        "origin": None if head is None else head.origin,
        "trusted": {
            "logs": [log.key.vkey for log in policy.logs],
            "witnesses": [witness.key.vkey for witness in policy.witnesses],
            "quorum": policy.quorum,
        },
        "depth": depth,
        "from_size": start,
        "size": size,
        "checkpoint": None if head is None else head.note.decode(),
        "cosigned": _cosigned(head),
        "copies": [
            {"place": copy.name, "size": copy.head.size, "same_until": min(copy.head.size, size)}
            for copy in copies
        ],
        "checked": [] if state is None else _checked(depth, policy),
        "not_checked": _not_checked(depth, start, policy, copies),
        "error": None if error is None else {"code": error.code, "detail": str(error)},
        "evidence": None
        if evidence is None
        else canonical.parse(evidence.encode(), limit=MAX_EVIDENCE_BYTES),
    }


def _cosigned(head: object) -> list[dict[str, Any]]:
    if not isinstance(head, CosignedCheckpoint):
        return []
    return [{"witness": _vkey(one.cosigner), "time": one.time} for one in head.cosigned]


def _vkey(key: Cosigner) -> str:
    return key.vkey


def _checked(depth: Depth, policy: Policy) -> list[str]:
    found = [*CHECKED["hashes"]]
    if depth != "hashes":
        found += CHECKED[depth]
    if policy.quorum is not None:
        found.append("that the quorum of witnesses has cosigned the checkpoint")
    return found


def _not_checked(depth: Depth, start: int, policy: Policy, copies: Sequence[Copy]) -> list[str]:
    missing: list[str] = []
    if start:
        missing.append(f"the entries before {start}: only that the log still begins with them")
    if depth != "events":
        missing.append("what the entries are about: no content was read")
    if depth == "hashes":
        missing.append("that anybody signed the entries")
    if policy.quorum is None and not copies:
        missing.append("that the log shows everybody the same: nobody else was asked")
    return [*missing, *NEVER]
