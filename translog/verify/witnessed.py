"""Who besides the log has seen a head: its cosignatures, against the caller's policy."""

from translog.errors import QuorumError
from translog.formats.cosigned import CosignedCheckpoint, require_quorum
from translog.formats.policy import Policy
from translog.verify.findings import Finding, failed, not_shown, proved

NAME = "witnesses"
NOBODY = not_shown(NAME, "that anyone but the log has seen this tree: no one was asked")


def check_witnesses(head: CosignedCheckpoint, policy: Policy) -> Finding:
    """Check that as many witnesses as the policy asks for have cosigned a head."""
    if policy.quorum is None:
        return NOBODY
    try:
        require_quorum(head, policy)
    except QuorumError as error:
        return failed(NAME, error)
    names = ", ".join(sorted({f"{one.cosigner.name} at {one.time}" for one in head.cosigned}))
    return proved(
        NAME,
        f"the quorum {policy.quorum} has cosigned the tree of {head.size} entries: {names}"
        " (POSIX seconds, by their own clocks)",
    )
