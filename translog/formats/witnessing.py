"""What logs and witnesses say to each other: c2sp.org/tlog-witness, `add-checkpoint`.

    POST <submission prefix>/add-checkpoint         old size, consistency proof, signed checkpoint
    200 signature lines | 409 the size to prove from | 400, 403, 404, 422 for good reason
    GET <monitoring prefix>/<hex SHA-256 of the origin>/checkpoint

Nothing here is verified: that is for the party who reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from translog.errors import MalformedError, TooLargeError
from translog.formats.merkle import EMPTY_ROOT, HASH_BYTES, Hash
from translog.formats.note import MAX_SIGNATURES, Signature
from translog.formats.strict import format_base64, parse_base64, parse_decimal

ADD_CHECKPOINT = "add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
MAX_HASHES = 63  # SPEC: "The client MUST NOT send more than 63 consistency proof lines."
HASH_LINE_BYTES = 45
MAX_HEAD_BYTES = len("old \n") + 19 + MAX_HASHES * HASH_LINE_BYTES
MAX_REQUEST_BYTES = 256 << 10  # the head and a checkpoint with 50 signatures of ML-DSA-44
MAX_ANSWER_BYTES = 256 << 10
MAX_SIZE_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a log asks a witness to cosign.

    Attributes:
        old_size: of the tree that the witness is believed to have cosigned last; 0 for none.
        proof: that the checkpoint's tree continues that one.
        checkpoint: the signed note, verbatim.
    """

    old_size: int
    proof: tuple[Hash, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """Return the body of the request."""
        lines = [f"old {self.old_size}", *map(format_base64, self.proof), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, raw: bytes) -> "Submission":
        """Read what `encode` writes. The checkpoint is only cut off, not looked at.

        Raises:
            MalformedError: any other bytes.
        """
        if len(raw) > MAX_REQUEST_BYTES:
            raise TooLargeError(f"request has {len(raw)} bytes, want at most {MAX_REQUEST_BYTES}")
        head, blank, checkpoint = raw.partition(b"\n\n")
        if not blank or not head.isascii() or len(head) > MAX_HEAD_BYTES:
            raise MalformedError("request: want an old size, hashes, a blank line and a checkpoint")
        first, *hashes = head.decode("ascii").split("\n")
        if not first.startswith("old "):
            raise MalformedError(f"request: first line is {first[:80]!r}, want old and a size")
        old_size = parse_decimal(first.removeprefix("old "), "request: old size")
        return cls(old_size=old_size, proof=_parse_hashes(hashes), checkpoint=checkpoint)


def _parse_hashes(lines: Sequence[str]) -> tuple[Hash, ...]:
    if len(lines) > MAX_HASHES:
        raise MalformedError(f"request has {len(lines)} hashes, want at most {MAX_HASHES}")
    hashes = [parse_base64(line, "request: hash") for line in lines]
    for found in hashes:
        if len(found) != HASH_BYTES:
            raise MalformedError(f"request: hash has {len(found)} bytes, want {HASH_BYTES}")
    return tuple(map(Hash, hashes))


class Witnessed(NamedTuple):
    """What a witness remembers of a log: the newest head that it cosigned.

    Attributes:
        size: 0 before the first.
        root: of that size.
        time: of the newest cosignature, in POSIX seconds; 0 before the first.
        note: the checkpoint, with the log's signatures that were verified and the witness's own;
            empty before the first.
    """

    size: int
    root: Hash
    time: int
    note: bytes


NEVER = Witnessed(0, EMPTY_ROOT, 0, b"")


class Kind(Enum):
    """What is wrong with a head that a log signed. The words are kept, and never change meaning."""

    TWO_ROOTS = "two-roots"  # another root was cosigned at this size: proof that the log forked
    EMPTY_TREE = "empty-tree"  # an empty tree with a root that it cannot have: proof, by itself
    NO_PROOF = (
        "no-proof"  # no proof from what was cosigned came with it: perhaps not the log's fault
    )


class Inconsistency(NamedTuple):
    """A signed head that does not go with what a witness cosigned.

    Attributes:
        kind: what it shows.
        origin: of the log whose trusted key signed it.
        size: that it states.
        root: that it states.
        found: the note, with the log's signatures that were verified.
        cosigned: the note that was cosigned last, at the time; empty for none.
        proof: what came with it.
    """

    kind: Kind
    origin: str
    size: int
    root: Hash
    found: bytes
    cosigned: bytes
    proof: tuple[Hash, ...]


def parse_cosignatures(raw: bytes) -> tuple[Signature, ...]:
    """Read the body of an answer 200: signature lines, of which nothing is verified.

    Raises:
        MalformedError: any other bytes.
    """
    if len(raw) > MAX_ANSWER_BYTES:
        raise TooLargeError(f"cosignatures have {len(raw)} bytes, want at most {MAX_ANSWER_BYTES}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"cosignatures are not UTF-8: {error.reason}") from error
    if not text.endswith("\n"):
        raise MalformedError(f"cosignatures: {text[-80:]!r} does not end in a newline")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise TooLargeError(f"answer has {len(lines)} signatures, want at most {MAX_SIGNATURES}")
    return tuple(map(Signature.parse, lines))


def format_size(size: int) -> bytes:
    """Return the body of an answer 409: the size of the tree that was cosigned last."""
    return f"{size}\n".encode()


def parse_size(raw: bytes) -> int:
    """Read what `format_size` writes.

    Raises:
        MalformedError: any other bytes; an empty body among them.
    """
    if len(raw) > MAX_SIZE_BYTES or not raw.endswith(b"\n") or not raw.isascii():
        raise MalformedError(f"size of a witness is {raw[:40]!r}, want a decimal and a newline")
    return parse_decimal(raw[:-1].decode("ascii"), "size of a witness")


def monitoring_path(origin: str) -> str:
    """Return where a witness shows what it cosigned last of a log, below its monitoring prefix."""
    return f"{sha256(origin.encode()).hexdigest()}/checkpoint"
