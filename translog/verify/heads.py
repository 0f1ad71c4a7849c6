"""Compares the signed heads among several files: two of one size must be one."""

from translog.errors import ConsistencyError, TranslogError
from translog.formats.merkle import Hash
from translog.formats.note import Verifier
from translog.formats.proof import TlogProof
from translog.verify.documents import recognise
from translog.verify.findings import Finding, Trust, failed
from translog.verify.logged import open_trusted


class Heads:
    """The heads seen so far, each under the key that signed it."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._seen: dict[tuple[Verifier, int], tuple[Hash, str]] = {}

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
            head, verifier = open_trusted(note, self._trust)
        except TranslogError:
            return []  # what is wrong with the file alone was found already
        root, other = self._seen.setdefault((verifier, head.size), (head.root, name))
        if root == head.root:
            return []
        fork = (
            f"{head.origin} (key {verifier.key_id.hex()}) has forked: for {head.size} entries it "
            f"signed root {root.hex()} in {other} and root {head.root.hex()} in {name}"
        )
        return [failed("fork", ConsistencyError(fork))]
