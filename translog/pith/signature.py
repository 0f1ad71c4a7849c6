"""The signature that stands in receipts, events and bundles: docs/formats/event.md, "Signatures".

What is signed is always the 32 raw bytes of a SHA-256 digest; `signed_message` says which.
`signed_at` and the names beside the signature are not signed: nothing may depend on them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from translog.errors import MalformedError, SignatureError
from translog.formats.keys import SIGNATURE_BYTES, SigningKey, verify_signature
from translog.formats.strict import format_base64, parse_base64
from translog.pith import shape
from translog.pith.key import FINGERPRINT_BYTES, fingerprint_hex

NAMES = frozenset(
    {
        "signature_status",
        "algorithm",
        "key_id",
        "public_key_fingerprint",
        "signature_b64",
        "signed_message",
        "signed_at",
    }
)


class Signature(NamedTuple):
    """An Ed25519 signature of a digest, and which key is said to have made it.

    Attributes:
        key_id: the signer's name for the key.
        fingerprint: `fingerprint_hex` of the key.
        signature: 64 bytes.
        signed_at: when it is said to have been made.
    """

    key_id: str
    fingerprint: str
    signature: bytes
    signed_at: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any], signed_message: str, what: str) -> "Signature":
        """Read the members NAMES of `value`, which has them all, and perhaps others.

        Raises:
            MalformedError: one of them is not of its kind.
        """
        shape.constant(value, "signature_status", "signed_v1", what)
        shape.constant(value, "algorithm", "ed25519", what)
        shape.constant(value, "signed_message", signed_message, what)
        base64 = shape.text(value, "signature_b64", what)
        signature = parse_base64(base64, "signature_b64")
        if len(signature) != SIGNATURE_BYTES:
            raise MalformedError(
                f"{what} signature_b64 has {len(signature)} bytes, want {SIGNATURE_BYTES}"
            )
        return cls(
            shape.label(value, "key_id", what),
            shape.hex_digits(value, "public_key_fingerprint", FINGERPRINT_BYTES, what),
            signature,
            shape.moment(value, "signed_at", what),
        )

    def to_json(self, signed_message: str) -> dict[str, str]:
        """Return the members NAMES."""
        return {
            "signature_status": "signed_v1",
            "algorithm": "ed25519",
            "key_id": self.key_id,
            "public_key_fingerprint": self.fingerprint,
            "signature_b64": format_base64(self.signature),
            "signed_message": signed_message,
            "signed_at": self.signed_at,
        }

    @classmethod
    def make(cls, digest: bytes, key: SigningKey, *, key_id: str, signed_at: str) -> "Signature":
        """Sign a 32-byte digest."""
        return cls(
            key_id=key_id,
            fingerprint=fingerprint_hex(key.public_key),
            signature=key.sign(digest),
            signed_at=signed_at,
        )

    def verify(self, digest: bytes, public_key: bytes) -> None:
        """Check that `public_key` is the key named, and signed `digest`.

        Raises:
            SignatureError: another key is named, or the signature is not of this digest.
        """
        verify_signed(digest, self.signature, self.fingerprint, public_key)


def verify_signed(digest: bytes, signature: bytes, fingerprint: str, public_key: bytes) -> None:
    """Do what `Signature.verify` does, for those who have only kept what it needs."""
    found = fingerprint_hex(public_key)
    if found != fingerprint:
        raise SignatureError(f"signature names key {fingerprint}, checked with {found}")
    verify_signature(public_key, digest, signature)
