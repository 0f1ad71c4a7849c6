"""Compares the signed heads among several files: two of one size must be one."""

from translog.errors import ConsistencyError, TranslogError
from translog.formats.merkle import Hash
from translog.formats.proof import TlogProof
from translog.verify.documents import recognise
from translog.verify.findings import Finding, Trust, failed


class Heads:
    """The heads seen so far, each under its log's name."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._seen: dict[tuple[str, int], tuple[Hash, str]] = {}

    def look(self, name: str, raw: bytes) -> list[Finding]:
        """Compare the head in a checkpoint or a proof, if there is one, with those before.

        Returns:
            A finding that has failed where the log signed another root for the size, or none.
        """
        try:
            kind = recognise(raw)
            if kind not in ("checkpoint", "proof"):
                return []
            note = TlogProof.parse(raw).checkpoint if kind == "proof" else raw
            head = self._trust.open_checkpoint(note)
        except TranslogError:
            return []  # what is wrong with the file alone was found already
        root, other = self._seen.setdefault((head.origin, head.size), (head.root, name))
        if root == head.root:
            return []
        fork = (
            f"{head.origin} has forked: for {head.size} entries it "
            f"signed root {root.hex()} in {other} and root {head.root.hex()} in {name}"
        )
        return [failed("fork", ConsistencyError(fork))]
