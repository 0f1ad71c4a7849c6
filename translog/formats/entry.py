"""Log entries and entry bundles: docs/formats/entry.md and c2sp.org/tlog-tiles.

An entry says "this key signed this content": enough to verify the signature and to find the
event, and nothing that could differ between two copies of the same signed event.
"""

from collections.abc import Iterable
from typing import NamedTuple

from translog.errors import MalformedError
from translog.formats.keys import ED25519, SIGNATURE_BYTES
from translog.formats.strict import shown
from translog.formats.tiles import FULL

SHA256_BYTES = 32
ENTRY_BYTES = 1 + SHA256_BYTES + SHA256_BYTES + SIGNATURE_BYTES  # 129

LENGTH_BYTES = 2
MAX_ENTRY_BYTES = 2**16 - 1  # what a bundle's length prefix can say
STRIDE = LENGTH_BYTES + ENTRY_BYTES

_LENGTHS = (SHA256_BYTES, SHA256_BYTES, SIGNATURE_BYTES)
_TYPE = bytes([ED25519])


# A NamedTuple: a log makes one for every event, and a frozen dataclass takes five times as long.
class Entry(NamedTuple):
    """One leaf of the log: 0x01 ‖ content_sha256 ‖ key_sha256 ‖ signature.

    Attributes:
        content_sha256: 32 bytes, the event's own; this is the message that is signed.
        key_sha256: SHA-256 of the 32-byte public key.
        signature: 64 bytes, Ed25519.
    """

    content_sha256: bytes
    key_sha256: bytes
    signature: bytes

    def encode(self) -> bytes:
        """Return the 129 bytes whose leaf hash is in the tree."""
        return encode(*self)

    @classmethod
    def parse(cls, encoded: bytes) -> "Entry":
        """Read what `encode` writes.

        Raises:
            MalformedError: any other length, or a first byte that is not 0x01.
        """
        if len(encoded) != ENTRY_BYTES:
            raise MalformedError(f"entry has {len(encoded)} bytes, want {ENTRY_BYTES}")
        if encoded[0] != ED25519:
            raise MalformedError(f"entry has signature type {encoded[0]:#04x}, want 0x01 (Ed25519)")
        return cls(content_sha256=encoded[1:33], key_sha256=encoded[33:65], signature=encoded[65:])


def encode(content_sha256: bytes, key_sha256: bytes, signature: bytes) -> bytes:
    """Return the entry of these."""
    if (len(content_sha256), len(key_sha256), len(signature)) != _LENGTHS:
        lengths = len(content_sha256), len(key_sha256), len(signature)
        raise ValueError(f"entry of {lengths} bytes, want 32, 32 and 64")
    return _TYPE + content_sha256 + key_sha256 + signature


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Return the content of an entry bundle: each entry behind its length as two bytes.

    Any bytes up to 65,535 are an entry here, as in tlog-tiles; there must be 1 to 256.
    """
    parts = [len(entry).to_bytes(LENGTH_BYTES, "big") + entry for entry in entries]
    if not 1 <= len(parts) <= FULL:
        raise ValueError(f"entry bundle of {len(parts)} entries, want 1 to {FULL}")
    return b"".join(parts)


def parse_bundle(content: bytes, count: int) -> list[bytes]:
    """Cut an entry bundle into its entries.

    Args:
        count: how many there must be, 1 to 256: the width in the bundle's path.

    Raises:
        MalformedError: fewer or more entries than that, or bytes left over.
    """
    if not 1 <= count <= FULL:
        raise ValueError(f"entry bundle of {shown(count)} entries, want 1 to {FULL}")
    if has_only_own_entries(content, count):
        return [content[at : at + ENTRY_BYTES] for at in range(LENGTH_BYTES, len(content), STRIDE)]
    return split_bundle(content, count)


def has_only_own_entries(content: bytes, count: int) -> bool:
    """Tell whether the bundle is `count` entries of 129 bytes, as every bundle of ours is.

    If each multiple of 131 holds the length 129, then the first entry ends where the second
    length is, and so on: cutting every 131 bytes gives what `split_bundle` gives.
    """
    return (
        len(content) == count * STRIDE
        and content[0::STRIDE] == bytes(count)
        and content[1::STRIDE] == bytes([ENTRY_BYTES]) * count
    )


def split_bundle(content: bytes, count: int) -> list[bytes]:
    """Do what `parse_bundle` does, for entries of any length."""
    entries: list[bytes] = []
    at = 0
    for index in range(count):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(content[at:start], "big")
        if at > len(content):  # or the length itself was cut short: then `start` is over, too
            raise MalformedError(
                f"entry bundle of {len(content)} bytes ends in entry {index}, want {count} entries"
            )
        entries.append(content[start:at])
    if at != len(content):
        raise MalformedError(
            f"entry bundle has {len(content) - at} bytes after its last entry, want {count} entries"
        )
    return entries
