"""Bitcoin block headers: 80 bytes, and the proof of work in their hash.

Spec: Bitcoin Core, `CBlockHeader`, `arith_uint256::SetCompact`, `CheckProofOfWork` and
`GetBlockProof`.

Hashes are kept as they come out of SHA-256 ("internal order"). People and servers write them the
other way round, so that the zeros come first: `display_hash`.
"""

from dataclasses import dataclass
from hashlib import sha256

from translog.errors import HeaderError, MalformedError
from translog.formats.merkle import HASH_BYTES

HEADER_BYTES = 80
MAX_HEIGHT = 2**31 - 1  # heights are an `int` of 32 bits in Bitcoin Core

# Where the parts of a header are.
PREVIOUS = slice(4, 36)
MERKLE_ROOT = slice(36, 68)
TIME = slice(68, 72)
BITS = slice(72, 76)
NONCE = slice(76, 80)


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header. Any 80 bytes are one: nothing in it is verified.

    Attributes:
        raw: the 80 bytes.
    """

    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "Header":
        """Take 80 bytes as a header.

        Raises:
            MalformedError: there are fewer or more.
        """
        if len(raw) != HEADER_BYTES:
            raise MalformedError(f"block header has {len(raw)} bytes, want {HEADER_BYTES}")
        return cls(raw)

    @property
    def hash(self) -> bytes:
        """The block's hash, in internal order."""
        return header_hash(self.raw)

    @property
    def previous(self) -> bytes:
        """The hash of the block before, in internal order."""
        return self.raw[PREVIOUS]

    @property
    def merkle_root(self) -> bytes:
        """The root over the block's transactions, in internal order: what a timestamp ends in."""
        return self.raw[MERKLE_ROOT]

    @property
    def time(self) -> int:
        """POSIX seconds, as the miner wrote them: up to two hours from the truth."""
        return int.from_bytes(self.raw[TIME], "little")

    @property
    def bits(self) -> int:
        """The target that the hash must not exceed, in compact form."""
        return int.from_bytes(self.raw[BITS], "little")

    def __str__(self) -> str:
        return f"block {display_hash(self.hash)}"


def header_hash(raw: bytes) -> bytes:
    """Return the hash of an 80-byte header, in internal order."""
    return sha256(sha256(raw).digest()).digest()


def display_hash(internal: bytes) -> str:
    """Return a hash as people and servers write it: hex, last byte first."""
    return internal[::-1].hex()


def parse_display_hash(text: str, what: str) -> bytes:
    """Read what `display_hash` writes: 64 digits of lower-case hex.

    Args:
        what: names the hash in the refusal, such as "answer of example.com".

    Raises:
        MalformedError: any other text.
    """
    try:
        internal = bytes.fromhex(text)[::-1]
    except ValueError as error:
        raise MalformedError(f"{what} is {text[:80]!r}, want a block hash in hex") from error
    # The comparison refuses white space and capitals, which `fromhex` takes.
    if len(internal) != HASH_BYTES or display_hash(internal) != text:
        raise MalformedError(f"{what} is {text[:80]!r}, want {2 * HASH_BYTES} digits of hex")
    return internal


def parse_target(bits: int) -> int:
    """Return the target that compact `bits` stand for.

    Stricter than `SetCompact`: a header whose bits are not how `GetCompact` writes that target
    has never been valid, since the bits must equal the ones that were computed.

    Raises:
        MalformedError: the target is negative, zero, over 256 bits, or written another way.
    """
    size, mantissa = bits >> 24, bits & 0x7FFFFF
    what = f"compact target {bits:#010x}"
    if bits >> 32:
        raise MalformedError(f"{what} has more than 32 bits")
    if bits & 0x800000:
        raise MalformedError(f"{what} is negative")
    target = mantissa << 8 * (size - 3) if size >= 3 else mantissa >> 8 * (3 - size)
    if not target:
        raise MalformedError(f"{what} is zero")
    if target >> 256:
        raise MalformedError(f"{what} is over 256 bits")
    if compact(target) != bits:
        raise MalformedError(f"{what} is not canonical, want {compact(target):#010x}")
    return target


def compact(target: int) -> int:
    """Return the bits for a target, cut down to what they can say: three bytes and a length."""
    size = (target.bit_length() + 7) // 8
    mantissa = target >> 8 * (size - 3) if size >= 3 else target << 8 * (3 - size)
    if mantissa & 0x800000:  # this bit is the sign
        mantissa >>= 8
        size += 1
    return size << 24 | mantissa


def work(bits: int) -> int:
    """Return how many hashes a block with these bits takes on average.

    Raises:
        MalformedError: see `parse_target`.
    """
    return 2**256 // (parse_target(bits) + 1)


def verify_work(header: Header, limit_bits: int) -> None:
    """Check that the header's hash meets the target it states, and that the target is allowed.

    This alone says little: the target is the header's own word. `bitcoin.chain` knows which
    target a block at a height must have.

    Args:
        limit_bits: the easiest target of the network, `Network.limit_bits`.

    Raises:
        MalformedError: its bits are no target.
        HeaderError: its target is easier than the limit, or its hash is over the target.
    """
    target = parse_target(header.bits)
    if target > parse_target(limit_bits):
        raise HeaderError(
            f"{header}: target {header.bits:#010x} is easier than the limit {limit_bits:#010x}"
        )
    if int.from_bytes(header.hash, "little") > target:
        raise HeaderError(f"{header}: has too little work, want a hash within {header.bits:#010x}")
