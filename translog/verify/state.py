"""How far an audit has come, and that a log has contradicted it.

The file's format: docs/formats/audit.md. Trusted: who can write it can have a part of the log
passed over, but cannot have an inconsistent log pass, because the edge is tied to every later root.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from translog.errors import ConsistencyError, MalformedError
from translog.formats import canonical
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.cosigned import read_cosigned
from translog.formats.merkle import HASH_BYTES, Hash
from translog.formats.note import MAX_NOTE_BYTES
from translog.formats.policy import Policy
from translog.formats.strict import is_size, shown
from translog.formats.tree import fold
from translog.verify.claims_heads import InconsistentCheckpoints, ShrunkenLog

FORMAT = "translog-audit-state/v2"
MAX_STATE_BYTES = 2 * MAX_NOTE_BYTES  # a note, its newlines as \n, and at most 63 hashes

Depth = Literal["hashes", "signatures", "events"]
"""How much is checked: that it is the tree; that its entries are signed; what they are about."""

DEPTHS: tuple[Depth, ...] = ("hashes", "signatures", "events")

_FIELDS = frozenset({"format", "checkpoint", "size", "edge", "depth"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditState:
    """The first `size` entries of a log were checked, on the way to `checkpoint` or at it.

    Attributes:
        checkpoint: the newest one seen; its tree has at least `size` entries.
        size: entries checked.
        edge: hashes of `tree.subtrees(range(size))`: what ties them to every later root.
        depth: how much of them was checked.
    """

    checkpoint: SignedCheckpoint
    size: int
    edge: tuple[Hash, ...]
    depth: Depth

    @property
    def complete(self) -> bool:
        """Whether everything under the checkpoint was checked."""
        return self.size == self.checkpoint.size

    def to_json(self) -> bytes:
        """Return the content of a state file."""
        value = {
            "format": FORMAT,
            "checkpoint": self.checkpoint.note.decode(),
            "size": self.size,
            "edge": [found.hex() for found in self.edge],
            "depth": self.depth,
        }
        return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_json(cls, raw: bytes, policy: Policy) -> "AuditState":
        """Read what `to_json` writes.

        Args:
            policy: lists the log whose state this must be. No quorum is asked for: what is in a
                state was believed when it was written.

        Raises:
            MalformedError: it is anything else.
            SignatureError: the checkpoint in it is not signed by this log.
        """
        value = canonical.parse(raw, limit=MAX_STATE_BYTES)
        start = raw[:80].decode(errors="replace")
        if type(value) is not dict or value.keys() != _FIELDS or value["format"] != FORMAT:
            raise MalformedError(f"audit state: it begins {start!r}, and is not a {FORMAT}")
        note, size, depth = value["checkpoint"], value["size"], value["depth"]
        if type(note) is not str or depth not in DEPTHS or not is_size(size):
            raise MalformedError("audit state: checkpoint, size or depth is not of its kind")
        state = cls(
            checkpoint=read_cosigned(note.encode(), policy),
            size=size,
            edge=_edge(value["edge"], size),
            depth=depth,
        )
        if size > state.checkpoint.size:
            raise MalformedError(
                f"audit state: size is {size}, and its checkpoint's {state.checkpoint.size}"
            )
        if state.complete and size and fold(state.edge) != state.checkpoint.root:
            raise MalformedError("audit state: edge does not give the root of its checkpoint")
        if state.to_json() != raw:
            raise MalformedError("audit state: it is not in the form it is written in")
        return state


def _edge(value: Any, size: int) -> tuple[Hash, ...]:
    """Read as many hashes as there are perfect subtrees in `size` leaves."""
    want = size.bit_count()
    if type(value) is not list or len(value) != want:
        raise MalformedError(f"audit state: edge is {shown(value)}, want {want} hashes")
    edge: list[Hash] = []
    for text in value:
        if type(text) is not str or len(text) != 2 * HASH_BYTES:
            raise MalformedError(f"audit state: hash {shown(text)} is not {HASH_BYTES} hex bytes")
        try:
            edge.append(Hash(bytes.fromhex(text)))
        except ValueError as error:
            raise MalformedError(f"audit state: hash {shown(text)} is not hex") from error
    return tuple(edge)


class HistoryError(ConsistencyError):
    """A log has signed two checkpoints, and the newer does not continue the older.

    Attributes:
        claim: what evidence is made of: `verify.evidence`.
    """

    def __init__(self, why: str, claim: InconsistentCheckpoints | ShrunkenLog) -> None:
        super().__init__(why)
        self.claim = claim
