"""Public keys of the registry: docs/formats/event.md, "Keys".

A key found in a bundle is a claim. Nothing here makes one trusted: a verifier is told which keys
to trust, by value, or by the name of a key pinned below, which the user still has to choose.
"""

from base64 import b32encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from translog.errors import HashError, MalformedError, UnknownKeyError
from translog.formats.keys import PUBLIC_KEY_BYTES, key_sha256
from translog.formats.strict import format_base64, parse_base64, shown
from translog.pith import shape

FINGERPRINT_BYTES = 16

_FIELDS = frozenset(
    {
        "key_id",
        "algorithm",
        "format",
        "public_key_b64",
        "public_key_hex",
        "fingerprint_sha256_b32_first128bits",
        "fingerprint_sha256_hex",
        "rotates_at",
        "url",
        "notes",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PithKey:
    """An Ed25519 public key and what its owner says about it.

    Attributes:
        key_id: the owner's name for the key.
        public_key: 32 bytes. Everything is decided by these alone.
        signer_id: whose key it is, where that is known from outside; not in the JSON form.
        rotates_at: when the owner means to replace it, or None.
        url: where the owner publishes it.
        notes: free text.
    """

    key_id: str
    public_key: bytes
    signer_id: str | None
    rotates_at: str | None
    url: str
    notes: str

    @property
    def fingerprint(self) -> str:
        return fingerprint_hex(self.public_key)

    def to_json(self) -> dict[str, Any]:
        """Return the form that stands in a bundle's `public_keys`."""
        return {
            "key_id": self.key_id,
            "algorithm": "ed25519",
            "format": "raw",
            "public_key_b64": format_base64(self.public_key),
            "public_key_hex": self.public_key.hex(),
            "fingerprint_sha256_b32_first128bits": fingerprint_b32(self.public_key),
            "fingerprint_sha256_hex": self.fingerprint,
            "rotates_at": self.rotates_at,
            "url": self.url,
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, value: Any) -> "PithKey":
        """Read what `to_json` writes.

        Raises:
            MalformedError: a member is missing, unknown or not of its kind.
            HashError: the key is spelled in two ways, or its fingerprint is another key's.
        """
        members = tuple(shape.exact(value, _FIELDS, "public key").items())
        try:
            return _from_members(members)
        except TypeError:  # what cannot be hashed is none of what is wanted either, and refused
            return _from_members.__wrapped__(members)

    @classmethod
    def _read(cls, value: Mapping[str, Any]) -> "PithKey":
        shape.constant(value, "algorithm", "ed25519", "public key")
        shape.constant(value, "format", "raw", "public key")
        base64 = shape.text(value, "public_key_b64", "public key")
        public_key = parse_base64(base64, "public_key_b64")
        if len(public_key) != PUBLIC_KEY_BYTES:
            raise MalformedError(
                f"public_key_b64 has {len(public_key)} bytes, want {PUBLIC_KEY_BYTES}"
            )
        rotates = value["rotates_at"] is not None
        key = cls(
            key_id=shape.label(value, "key_id", "public key"),
            public_key=public_key,
            signer_id=None,
            rotates_at=shape.moment(value, "rotates_at", "public key") if rotates else None,
            url=shape.text(value, "url", "public key"),
            notes=shape.text(value, "notes", "public key"),
        )
        for name, want in key.to_json().items():
            if value[name] != want:
                raise HashError(f"{name} is {shown(value[name])}, want {want!r} for this key")
        return key


@lru_cache(maxsize=256)  # many bundles list the same few; what is refused is never kept
def _from_members(members: tuple[tuple[str, Any], ...]) -> PithKey:
    return PithKey._read(dict(members))


@lru_cache(maxsize=1024)  # for the same reason as `key_sha256`
def fingerprint_hex(public_key: bytes) -> str:
    """Return the name of a key in signatures: 128 bits of its hash, in hex."""
    return key_sha256(public_key)[:FINGERPRINT_BYTES].hex()


def fingerprint_b32(public_key: bytes) -> str:
    """Return the same for people: 130 bits of the hash, in base32."""
    return b32encode(key_sha256(public_key)).decode()[:26]


def keyring(keys: Iterable[bytes]) -> dict[str, bytes]:
    """Return public keys by fingerprint, as `find` wants them."""
    return {fingerprint_hex(key): key for key in keys}


def find(ring: Mapping[str, bytes], fingerprint: str) -> bytes:
    """Return the key with this fingerprint.

    Raises:
        UnknownKeyError: it is not among the keys given.
    """
    try:
        return ring[fingerprint]
    except KeyError:
        raise UnknownKeyError(f"key {fingerprint} is not among the keys given") from None


PINNED: Mapping[str, PithKey] = MappingProxyType(
    {
        "pith.science": PithKey(
            key_id="pith-v1-2026-05",
            public_key=bytes.fromhex(
                "b2d552b68890857171a78b36a5dccf368a953413288c353f7c9d9d6f94b709b3"
            ),
            signer_id="pith.science",
            rotates_at=None,
            url="https://pith.science/pith-signing-key.json",
            notes="Pith uses this Ed25519 key to sign canonical record SHA-256 digests. "
            "Verify with: ed25519_verify(public_key, message=canonical_sha256_bytes, "
            "signature=base64decode(signature_b64)).",
        )
    }
)
"""Keys known by name. Taken from a bundle that pith.science served on 2026-05-27."""
