"""What evidence is made of, whatever its kind: docs/formats/evidence.md.

A claim is one fact, with the signed parts that show it. Checking one needs the keys of those it
accuses and nothing else: no clock, no network, no state, and nobody's word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

from translog.errors import MalformedError, VerificationError
from translog.formats.cosigned import CosignedCheckpoint
from translog.formats.entry import MAX_ENTRY_BYTES
from translog.formats.merkle import HASH_BYTES, Hash, leaf_hash
from translog.formats.proof import MAX_HASHES, TlogProof
from translog.formats.strict import format_base64, is_size, parse_base64, shown
from translog.formats.tree import verify_inclusion
from translog.pith import shape
from translog.verify.findings import Trust

EVIDENCE = "evidence"

Grade = Literal["proof", "report"]
"""A proof convinces anyone who has the keys. A report has at least one thing that is only said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a claim comes to when everything in it that can be checked was checked.

    Attributes:
        grade: whether it convinces, or only reports.
        sentence: what is shown, and by whose key.
        limits: what it does not show.
        accused: the keys without whose signatures it would show nothing: vkeys of logs, and the
            hex of signers' public keys.
    """

    grade: Grade
    sentence: str
    limits: tuple[str, ...]
    accused: frozenset[str]


class Claim(Protocol):
    """One kind of fact. `members` and `read` are its JSON form, less what all kinds have."""

    kind: ClassVar[str]
    names: ClassVar[frozenset[str]]

    def members(self) -> dict[str, Any]:
        """Return the JSON form."""
        ...

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Self:
        """Read it from an object that has exactly `names`.

        Raises:
            MalformedError: a member is not of its kind.
        """
        ...

    def check(self, accused: Trust) -> Verdict:
        """Check everything that can be, with these keys alone.

        Raises:
            VerificationError, MalformedError, UnknownKeyError: it does not show what it claims.
        """
        ...


class Logged(NamedTuple):
    """An entry, and the proof that it is in the tree of a signed head.

    Attributes:
        entry: its bytes, of any kind and length.
        proof: with the head in it.
    """

    entry: bytes
    proof: TlogProof

    def to_json(self) -> dict[str, str]:
        return {"entry": self.entry.hex(), "proof": self.proof.encode().decode()}

    @classmethod
    def read(cls, members: Mapping[str, Any], name: str) -> "Logged":
        """Read the member `name`, or raise MalformedError."""
        value = shape.exact(members[name], frozenset({"entry", "proof"}), name)
        entry = hex_bytes(value, "entry", name)
        if len(entry) > MAX_ENTRY_BYTES:
            raise MalformedError(f"{name} entry has {len(entry)} bytes, want {MAX_ENTRY_BYTES}")
        return cls(entry, TlogProof.parse(shape.text(value, "proof", name).encode()))

    def open(self, accused: Trust) -> CosignedCheckpoint:
        """Check that an accused log has signed a tree with this entry in it; return its head."""
        head = accused.open_checkpoint(self.proof.checkpoint)
        proof = self.proof
        verify_inclusion(proof.index, head.size, leaf_hash(self.entry), proof.hashes, head.root)
        return head


def blame(*heads: CosignedCheckpoint) -> frozenset[str]:
    """Return the keys that it takes to show that all of these were signed: one, where one did."""
    common = set.intersection(*(set(head.log_keys) for head in heads))
    for key in heads[0].log_keys:
        if key in common:
            return frozenset({key.vkey})
    return frozenset(head.log_keys[0].vkey for head in heads)


def open_heads(
    old: bytes, new: bytes, accused: Trust
) -> tuple[CosignedCheckpoint, CosignedCheckpoint]:
    """Open two checkpoints of one log, which may have changed its key between them."""
    one, other = accused.open_checkpoint(old), accused.open_checkpoint(new)
    if one.origin != other.origin:
        raise VerificationError(
            f"evidence: one checkpoint is of {one.origin!r}, the other of {other.origin!r}"
        )
    return one, other


def hex_bytes(members: Mapping[str, Any], name: str, what: str = EVIDENCE) -> bytes:
    """Read bytes in lower-case hex, of any length."""
    text = shape.text(members, name, what)
    try:
        decoded = bytes.fromhex(text)
    except ValueError as error:
        raise MalformedError(f"{what} {name} is {shown(text)}, want hex") from error
    if decoded.hex() != text:
        raise MalformedError(f"{what} {name} is {shown(text)}, want lower-case hex")
    return decoded


def optional(text: bytes | None) -> str | None:
    """Return the base64 form of bytes that may be missing."""
    return None if text is None else format_base64(text)


def optional_bytes(members: Mapping[str, Any], name: str) -> bytes | None:
    """Read what `optional` writes."""
    if members[name] is None:
        return None
    return parse_base64(shape.text(members, name, EVIDENCE), f"{EVIDENCE} {name}")


def note_of(members: Mapping[str, Any], name: str) -> bytes:
    """Read a signed note, not looked into."""
    return shape.text(members, name, EVIDENCE).encode()


def hash_list(members: Mapping[str, Any], name: str) -> tuple[Hash, ...]:
    """Read hashes in hex, at most as many as a proof can have and the one it leaves out."""
    texts = shape.array(members, name, EVIDENCE)
    if len(texts) > MAX_HASHES + 1:
        raise MalformedError(f"evidence {name} has {len(texts)} hashes, want at most 64")
    return tuple(
        Hash(bytes.fromhex(shape.hex_digits({name: text}, name, HASH_BYTES, EVIDENCE)))
        for text in texts
    )


def hex_list(hashes: Sequence[Hash]) -> list[str]:
    """Return what `hash_list` reads."""
    return [each.hex() for each in hashes]


def moment(members: Mapping[str, Any], name: str) -> int:
    """Read a time in POSIX seconds."""
    value = members[name]
    if not is_size(value):
        raise MalformedError(f"evidence {name} is {shown(value)}, want POSIX seconds")
    return int(value)


def in_words(time: int) -> str:
    """Return POSIX seconds as people read them, where a calendar has them."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"POSIX time {time}"
