"""Proofs to keep beside a file: c2sp.org/tlog-proof@v1.

A proof holds an index, an audit path and the log's signed checkpoint. It never says which entry
it is about, nor which log to trust: the verifier brings both.
"""

from dataclasses import dataclass

from translog.errors import MalformedError, TooLargeError
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.merkle import HASH_BYTES, Hash, leaf_hash
from translog.formats.note import MAX_NOTE_BYTES, Verifier
from translog.formats.strict import format_base64, parse_base64, parse_decimal
from translog.formats.tree import verify_inclusion

FIRST_LINE = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63  # the longest audit path in a tree of less than 2**63 leaves
MAX_HEAD_BYTES = 100_000  # everything above the checkpoint; `extra` is all but some 3 KB of it


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """A proof as it was read: nothing in it is verified. `verify_proof` is for that.

    Attributes:
        index: the entry's, counted from 0.
        hashes: the audit path, nearest the leaf first.
        checkpoint: the signed note, verbatim.
        extra: opaque, authenticated by nothing, never empty.
    """

    index: int
    hashes: tuple[Hash, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the proof's text as bytes: the content of a .tlog-proof file."""
        lines = [FIRST_LINE]
        if self.extra:
            lines.append(f"extra {format_base64(self.extra)}")
        lines += [f"index {self.index}", *map(format_base64, self.hashes)]
        return "".join(f"{line}\n" for line in [*lines, ""]).encode() + self.checkpoint

    @classmethod
    def parse(cls, raw: bytes) -> "TlogProof":
        """Read what `encode` writes. The checkpoint is only cut off, not looked at.

        Raises:
            MalformedError: any other bytes.
        """
        if len(raw) > MAX_HEAD_BYTES + MAX_NOTE_BYTES:
            raise TooLargeError(
                f"proof has {len(raw)} bytes, want at most {MAX_HEAD_BYTES + MAX_NOTE_BYTES}"
            )
        head, blank, checkpoint = raw.partition(b"\n\n")
        if not blank or len(head) > MAX_HEAD_BYTES or not head.isascii():
            raise MalformedError("proof: want ASCII lines, a blank line and a checkpoint")
        first, *lines = head.decode("ascii").split("\n")
        if first != FIRST_LINE:
            raise MalformedError(f"proof: first line is {first[:80]!r}, want {FIRST_LINE!r}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = parse_base64(lines.pop(0).removeprefix("extra "), "proof: extra")
            if not extra:
                raise MalformedError("proof: extra is empty, want no such line then")
        if not lines or not lines[0].startswith("index "):
            raise MalformedError(f"proof: {''.join(lines[:1])[:80]!r} is not an index line")
        index = parse_decimal(lines.pop(0).removeprefix("index "), "proof: index")
        return cls(index=index, hashes=parse_hashes(lines), checkpoint=checkpoint, extra=extra)


def parse_hashes(lines: list[str]) -> tuple[Hash, ...]:
    """Read an audit path, one base64 hash a line, or raise MalformedError."""
    if len(lines) > MAX_HASHES:
        raise MalformedError(f"proof has {len(lines)} hashes, want at most {MAX_HASHES}")
    hashes = [parse_base64(line, "proof: hash") for line in lines]
    for found in hashes:
        if len(found) != HASH_BYTES:
            raise MalformedError(f"proof: hash has {len(found)} bytes, want {HASH_BYTES}")
    return tuple(map(Hash, hashes))


def verify_proof(proof: TlogProof, entry: bytes, verifier: Verifier) -> SignedCheckpoint:
    """Check that the log that `verifier` names has signed a tree with `entry` in it.

    Spec: tlog-proof, "Verifying a tlog proof", with no witnesses asked for.

    Args:
        entry: the entry's bytes, from the event itself and not from the proof.
        verifier: the log's key, from someone the caller trusts.

    Returns:
        The tree head that covers the entry.

    Raises:
        MalformedError: the checkpoint in it is not one.
        SignatureError: it is not signed by the log, or is another log's.
        InclusionError: the entry is not at the proof's index in that tree.
    """
    checkpoint = open_checkpoint(proof.checkpoint, verifier)
    verify_inclusion(proof.index, checkpoint.size, leaf_hash(entry), proof.hashes, checkpoint.root)
    return checkpoint
