"""Timestamps written out by hand: the bytes of operations and attestations, and trees of them."""

from hashlib import sha256

from translog.bitcoin.anchor import tip
from translog.bitcoin.ots import Timestamp
from translog.formats.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    open_checkpoint,
    sign_checkpoint,
)
from translog.formats.entry import Entry
from translog.formats.keys import SigningKey
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.note import Verifier
from translog.formats.tree import Node, grow, prove_inclusion, root

ORIGIN = "example.com/log"
KEY = SigningKey(b"l" * 32)
FORK = b"\xff"
SHA256 = b"\x08"
HEXLIFY = b"\xf3"


def number(value: int) -> bytes:
    """Return LEB128: seven bits a byte, the lowest first."""
    low = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
    return low + number(value >> 7) if value > 0x7F else low


def append(argument: bytes) -> bytes:
    return b"\xf0" + number(len(argument)) + argument


def prepend(argument: bytes) -> bytes:
    return b"\xf1" + number(len(argument)) + argument


def attestation(tag: str, payload: bytes) -> bytes:
    return b"\x00" + bytes.fromhex(tag) + number(len(payload)) + payload


def in_block(height: int) -> bytes:
    return attestation("0588960d73d71901", number(height))


def pending(uri: str) -> bytes:
    return attestation("83dfe30d2ef90c8e", number(len(uri)) + uri.encode())


def entries(count: int) -> list[Entry]:
    return [
        Entry(sha256(b"event %d" % n).digest(), sha256(b"key").digest(), bytes([n % 251]) * 64)
        for n in range(count)
    ]


class Tree:
    """A tree over made-up entries, and its signed checkpoint."""

    def __init__(self, count: int) -> None:
        self.entries = entries(count)
        self._nodes: dict[Node, Hash] = grow(
            0, [leaf_hash(entry.encode()) for entry in self.entries], lambda nodes: []
        )
        head = Checkpoint(origin=ORIGIN, size=count, root=root(count, self._read))
        verifier = Verifier(name=ORIGIN, public_key=KEY.public_key)
        self.checkpoint: SignedCheckpoint = open_checkpoint(sign_checkpoint(head, KEY), verifier)

    def _read(self, nodes):  # type: ignore[no-untyped-def]
        return [self._nodes[node] for node in nodes]

    def path(self, index: int) -> list[Hash]:
        return prove_inclusion(index, len(self.entries), self._read)

    @property
    def tip(self) -> bytes:
        return tip(self.checkpoint, self.checkpoint.note)

    def stamped(self, tail: bytes) -> Timestamp:
        """Return a timestamp of the tip with these bytes for what follows it."""
        return Timestamp.parse(tail, self.tip)


def calendar_tail(height: int, levels: int = 34) -> bytes:
    """Return what a calendar adds, where it is long: about 1.2 kB and 70 messages."""
    climb = b"".join(
        (append if level % 2 else prepend)(sha256(b"%d" % level).digest()) + SHA256
        for level in range(levels // 2)
    )
    transaction = prepend(b"t" * 80) + append(b"u" * 43) + SHA256 + SHA256
    block = b"".join(append(sha256(b"b%d" % level).digest()) + SHA256 * 2 for level in range(12))
    return climb + transaction + block + in_block(height)
