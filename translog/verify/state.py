"""How far an audit has come, and what a log that contradicts it has done.

The file's format: docs/formats/audit.md. Trusted: who can write it can have a part of the log
passed over, but cannot have an inconsistent log pass, because the edge is tied to every later root.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from translog.errors import ConsistencyError, MalformedError
from translog.formats import canonical
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.merkle import HASH_BYTES, Hash
from translog.formats.note import MAX_NOTE_BYTES, Verifier
from translog.formats.strict import is_size, shown
from translog.formats.tree import fold

FORMAT = "translog-audit-state/v1"
MAX_STATE_BYTES = 2 * MAX_NOTE_BYTES  # a note, its newlines as \n, and at most 63 hashes

_FIELDS = frozenset({"format", "checkpoint", "size", "edge", "events"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditState:
    """The first `size` entries of a log were checked, on the way to `checkpoint` or at it.

    Attributes:
        checkpoint: the newest one seen; its tree has at least `size` entries.
        size: entries checked.
        edge: hashes of `tree.subtrees(range(size))`: what ties them to every later root.
        events: whether their contents, keys and signatures were checked too.
    """

    checkpoint: SignedCheckpoint
    size: int
    edge: tuple[Hash, ...]
    events: bool

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
            "events": self.events,
        }
        return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_json(cls, raw: bytes, verifier: Verifier) -> "AuditState":
        """Read what `to_json` writes.

        Args:
            verifier: the key of the log whose state this must be.

        Raises:
            MalformedError: it is anything else.
            SignatureError: the checkpoint in it is not signed by this log.
        """
        value = canonical.parse(raw, limit=MAX_STATE_BYTES)
        start = raw[:80].decode(errors="replace")
        if type(value) is not dict or value.keys() != _FIELDS or value["format"] != FORMAT:
            raise MalformedError(f"audit state: it begins {start!r}, and is not a {FORMAT}")
        note, size, events = value["checkpoint"], value["size"], value["events"]
        if type(note) is not str or type(events) is not bool or not is_size(size):
            raise MalformedError("audit state: checkpoint, size or events is not of its kind")
        state = cls(
            checkpoint=open_checkpoint(note.encode(), verifier),
            size=size,
            edge=_edge(value["edge"], size),
            events=events,
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
        old, new: both, with the log's signature on each.
        hashes: where both sizes differ and the tree grew, the hash, in the tree of `new`, of
            each of `tree.consistency_ranges(old.size, new.size)`. They join to the root of
            `new`, and those below `old.size` to another root than that of `old`: with the two
            notes, that convinces anyone, also when the log is gone. Otherwise empty.
        why: the message's first line.
        evidence: both notes and the hashes, as lines.
    """

    def __init__(
        self,
        why: str,
        *,
        old: SignedCheckpoint,
        new: SignedCheckpoint,
        hashes: Sequence[Hash] = (),
    ) -> None:
        evidence = [old.note.decode(), new.note.decode()]
        if hashes:
            evidence.append("".join(f"{found.hex()}\n" for found in hashes))
        self.why = f"{why}. The log signed both of these:"
        self.evidence = "\n".join(["", *evidence])
        super().__init__(f"{self.why}\n{self.evidence}")
        self.old = old
        self.new = new
        self.hashes = tuple(hashes)
