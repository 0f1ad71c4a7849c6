"""OpenTimestamps proofs: trees of operations from a message to the attestations of it.

Spec: github.com/opentimestamps/python-opentimestamps, whose `core` package reads and writes them;
this module is the only one that knows it, and bounds what it leaves open:

- a proof has at most 64 KiB, and at most 8,192 tags (the bytes that name operations and forks):
  each operation costs one byte and can make a message of 4 KiB;
- a number has at most five bytes: reading one takes time that grows with the square of its length;
- heights are those of Bitcoin Core;
- `reverse` is refused: it is on its way out of OpenTimestamps, and no calendar uses it.

Proofs are compared as trees: other software writes the branches of one proof in another order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentimestamps.core.notary import (
    BitcoinBlockHeaderAttestation,
    PendingAttestation,
    UnknownAttestation,
)
from opentimestamps.core.op import OpReverse
from opentimestamps.core.serialize import (
    BytesDeserializationContext,
    BytesSerializationContext,
    DeserializationError,
)
from opentimestamps.core.timestamp import DetachedTimestampFile
from opentimestamps.core.timestamp import Timestamp as Tree

from translog.bitcoin.attestation import Attestation, Foreign, InBlock, Pending, order
from translog.bitcoin.header import MAX_HEIGHT
from translog.errors import MalformedError, TimestampError, TooLargeError
from translog.formats.strict import shown

MAX_PROOF_BYTES = 64 << 10
MAX_TAGS = 8192
MAX_NUMBER_BYTES = 5
MAX_NESTING = 256
"""How many messages one path can lead over, the first and the attested one among them: the
format's own limit. Its reader refuses more, its writer does not check."""

MAGIC: bytes = DetachedTimestampFile.HEADER_MAGIC
SHA256 = "sha256"
ALGORITHMS: dict[str, bytes] = {"sha256": b"\x08", "sha1": b"\x02", "ripemd160": b"\x03"}
"""What a file can be hashed with, and the tag for it. The library also reads keccak256 there, and
then cannot hash a file with it."""
# A ValueError is Python's, on writing a number of 5,000 digits into the library's message; or
# OpenSSL's, where it was built without an old algorithm.
_REFUSALS = (DeserializationError, ValueError)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What is attested of one message, and the way there. Nothing in it is verified.

    Equal to another if both are the same tree. Never changed once made.
    """

    _tree: Any

    @classmethod
    def parse(cls, raw: bytes, message: bytes) -> "Timestamp":
        """Read a timestamp of `message`, which is not written in it.

        Nothing tells whether it was made for another message: then it leads somewhere else, and
        does not hold when it is checked against a block.

        Raises:
            MalformedError: any bytes but one timestamp within this module's bounds.
        """
        reader = _Reader(raw)
        try:
            tree = Tree.deserialize(reader, message)
            reader.assert_eof()
        except _REFUSALS as error:
            raise _refusal(error) from error
        return cls(_bounded(tree))

    @property
    def message(self) -> bytes:
        """What the timestamp is of."""
        message: bytes = self._tree.msg
        return message

    def encode(self) -> bytes:
        """Return what `parse` reads, in the order of the reference implementation.

        Raises:
            TooLargeError: it would be longer, or nested deeper, than anyone would read.
        """
        nesting = self.nesting
        if nesting > MAX_NESTING:
            raise TooLargeError(f"timestamp is nested {nesting} deep, want at most {MAX_NESTING}")
        writer = BytesSerializationContext()
        self._tree.serialize(writer)
        encoded: bytes = writer.getbytes()
        if len(encoded) > MAX_PROOF_BYTES:
            raise TooLargeError(
                f"timestamp has {len(encoded)} bytes, want at most {MAX_PROOF_BYTES}"
            )
        return encoded

    @property
    def nesting(self) -> int:
        """How many messages the longest path leads over."""
        return max(len(path) + 1 for path, _ in _walk(self._tree))

    def attestations(self) -> list[Attestation]:
        """Return every attestation: those in blocks first, the oldest block first."""
        found = {
            _read(tree.msg, each) for _, tree in _walk(self._tree) for each in tree.attestations
        }
        return sorted(found, key=order)

    def in_blocks(self) -> list[InBlock]:
        """Return the attestations that name a Bitcoin block, the oldest block first."""
        return [each for each in self.attestations() if isinstance(each, InBlock)]

    def merged(self, other: "Timestamp") -> "Timestamp":
        """Return a timestamp with everything that is in this one or the other.

        Raises:
            TimestampError: they are of two messages.
        """
        return self.upgraded(self.message, other)

    def upgraded(self, message: bytes, answer: "Timestamp") -> "Timestamp":
        """Return this timestamp with `answer` where it leads over `message`.

        Args:
            message: such as that of a pending attestation.
            answer: what the calendar gave for it.

        Raises:
            TimestampError: the answer is of another message, or no path leads over this one.
        """
        if answer.message != message:
            raise TimestampError(
                f"timestamp is of {answer.message.hex()[:64]}, want one of {message.hex()[:64]}"
            )
        tree = Tree(self.message)
        tree.merge(self._tree)  # a copy: sharing branches with it would change it
        for place in _places(tree, message):
            place.merge(answer._tree)
        return Timestamp(tree)

    def after(self, message: bytes) -> "Timestamp":
        """Return what is attested of a message on the way.

        Raises:
            TimestampError: no path leads over it.
        """
        tree = Tree(message)
        for place in _places(self._tree, message):
            tree.merge(place)
        return Timestamp(tree)

    def pruned(self, keep: InBlock | Pending) -> "Timestamp":
        """Return only the shortest path to one attestation.

        Raises:
            TimestampError: it is not among the attestations.
        """
        if isinstance(keep, InBlock):
            attestation, where = BitcoinBlockHeaderAttestation(keep.height), f"block {keep.height}"
        else:
            attestation, where = PendingAttestation(keep.uri), shown(keep.uri)
        paths = [
            path
            for path, tree in _walk(self._tree)
            if tree.msg == keep.message and attestation in tree.attestations
        ]
        if not paths:
            raise TimestampError(f"timestamp has no attestation of {keep.message.hex()} in {where}")
        tree = place = Tree(self.message)
        for operation in min(paths, key=_length):
            place = place.ops.add(operation)
        place.attestations.add(attestation)
        return Timestamp(tree)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampFile:
    """A detached timestamp: the content of a .ots file. Nothing in it is verified.

    Attributes:
        algorithm: what the file that it is about is hashed with: sha256, sha1 or ripemd160.
        timestamp: of that hash.
    """

    algorithm: str
    timestamp: Timestamp

    @classmethod
    def parse(cls, raw: bytes) -> "TimestampFile":
        """Read a .ots file.

        Raises:
            MalformedError: any bytes but one such file within this module's bounds.
        """
        if not raw.startswith(MAGIC):
            raise MalformedError(
                f"timestamp file starts with {shown(raw[:16])}, want {MAGIC[:16]!r}"
            )
        try:
            detached = DetachedTimestampFile.deserialize(_Reader(raw))
        except _REFUSALS as error:
            raise _refusal(error) from error
        algorithm: str = detached.file_hash_op.TAG_NAME
        if algorithm not in ALGORITHMS:
            raise MalformedError(
                f"timestamp file is about a file hashed with {algorithm}, want one of"
                f" {', '.join(ALGORITHMS)}"
            )
        return cls(algorithm=algorithm, timestamp=Timestamp(_bounded(detached.timestamp)))

    @property
    def digest(self) -> bytes:
        """The hash of the file that it is about."""
        return self.timestamp.message

    def encode(self) -> bytes:
        """Return what `parse` reads.

        Raises:
            TooLargeError: it would be longer, or nested deeper, than anyone would read.
        """
        encoded = file_head(self.algorithm, self.digest) + self.timestamp.encode()
        if len(encoded) > MAX_PROOF_BYTES:
            raise TooLargeError(
                f"timestamp file has {len(encoded)} bytes, want at most {MAX_PROOF_BYTES}"
            )
        return encoded

    def verify_digest(self, digest: bytes) -> None:
        """Check that this is about a file with this hash, by `algorithm`.

        Raises:
            TimestampError: it is about another file.
        """
        if digest != self.digest:
            raise TimestampError(
                f"timestamp is of a file with {self.algorithm} {self.digest.hex()}, and this one"
                f" has {digest.hex()}"
            )


def file_head(algorithm: str, digest: bytes) -> bytes:
    """Return what stands before the timestamp in a .ots file: magic, version, algorithm, hash."""
    return MAGIC + bytes([DetachedTimestampFile.MAJOR_VERSION]) + ALGORITHMS[algorithm] + digest


class _Reader(BytesDeserializationContext):  # type: ignore[misc]  # the library has no types
    """The library's reader, bounded."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) > MAX_PROOF_BYTES:
            raise TooLargeError(f"timestamp has {len(raw)} bytes, want at most {MAX_PROOF_BYTES}")
        super().__init__(raw)
        self._tags = 0

    def read_bytes(self, expected_length: int) -> bytes:
        part: bytes = super().read_bytes(expected_length)
        if expected_length == 1:  # only tags are read one by one
            self._tags += 1
            if self._tags > MAX_TAGS:
                raise DeserializationError(f"more than {MAX_TAGS} operations and forks")
            if part == OpReverse.TAG:
                raise DeserializationError("the operation reverse, which is not followed here")
        return part

    def read_varuint(self) -> int:
        number = 0
        for place in range(MAX_NUMBER_BYTES):
            byte: int = self.fd_read(1)[0]
            number |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return number
        raise DeserializationError(f"a number of more than {MAX_NUMBER_BYTES} bytes")


def _refusal(error: Exception) -> MalformedError:
    # The library's own message on an operation that cannot be applied quotes all of it.
    return MalformedError(f"timestamp cannot be read: {str(error.__context__ or error)[:160]}")


def _bounded(tree: Any) -> Any:
    """Refuse heights that no chain can have. The library reads numbers of 8 KB."""
    for _, place in _walk(tree):
        for attestation in place.attestations:
            height = getattr(attestation, "height", 0)
            if height > MAX_HEIGHT:
                raise MalformedError(
                    f"timestamp names block {shown(height)}, want a height up to {MAX_HEIGHT}"
                )
    return tree


def _walk(tree: Any) -> Iterator[tuple[list[Any], Any]]:
    """Give every place in the tree, with the operations that lead to it."""
    waiting: list[tuple[list[Any], Any]] = [([], tree)]
    while waiting:
        path, place = waiting.pop()
        yield path, place
        waiting += [([*path, operation], after) for operation, after in place.ops.items()]


def _places(tree: Any, message: bytes) -> list[Any]:
    """Return every place where a tree leads over a message, or raise TimestampError."""
    places = [place for _, place in _walk(tree) if place.msg == message]
    if not places:
        raise TimestampError(f"timestamp does not lead over {message.hex()[:64]}")
    return places


def _length(path: list[Any]) -> tuple[int, list[bytes]]:
    """Order paths by how many bytes they take, and equal ones by what they say."""
    encoded = [operation.TAG + b"".join(operation) for operation in path]
    return sum(map(len, encoded)), encoded


def _read(message: bytes, attestation: Any) -> Attestation:
    if isinstance(attestation, BitcoinBlockHeaderAttestation):
        return InBlock(message, attestation.height)
    if isinstance(attestation, PendingAttestation):
        return Pending(message, attestation.uri)
    if isinstance(attestation, UnknownAttestation):
        return Foreign(message, f"unknown kind {attestation.TAG.hex()}")
    chain = type(attestation).__name__.removesuffix("BlockHeaderAttestation")
    return Foreign(message, f"{chain} block {attestation.height}")
