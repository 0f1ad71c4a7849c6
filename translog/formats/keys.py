"""Ed25519 keys and signatures, by the one rule in docs/formats/signatures.md.

The rule is libsodium's, and PyNaCl (which contains libsodium) is the only code that applies it.
A faster verifier may take its place when it gives the same answer on every vector in
tests/data/ed25519.json.
"""

from functools import lru_cache
from hashlib import sha256

# libsodium itself: PyNaCl's own function around it copies the message that was signed three times,
# and takes a twentieth of the time of a signature for it.
from nacl._sodium import ffi, lib  # type: ignore[import-not-found]
from nacl.bindings import crypto_core_ed25519_add, crypto_sign, crypto_sign_seed_keypair
from nacl.exceptions import RuntimeError as NotAPointError

from translog.errors import MalformedError, SignatureError

ED25519 = 0x01  # the signature type, numbered as in c2sp.org/signed-note
SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
NULL = ffi.NULL  # where libsodium may leave the message out
_ZERO_POINT = b"\x01" + bytes(31)  # x = 0, y = 1: adding it changes nothing


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check that `signature` is the key's signature of `message`.

    Spec: docs/formats/signatures.md.

    Raises:
        SignatureError: it is not, or the key or the signature is not as long as it must be.
    """
    # libsodium is given pointers, not lengths: nothing shorter than these may reach it.
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise SignatureError(
            f"Ed25519 public key has {len(public_key)} bytes, want {PUBLIC_KEY_BYTES}"
        )
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(
            f"Ed25519 signature has {len(signature)} bytes, want {SIGNATURE_BYTES}"
        )
    signed = signature + message
    if lib.crypto_sign_open(NULL, NULL, signed, len(signed), public_key) != 0:
        raise SignatureError(
            f"Ed25519 signature {signature[:8].hex()}… is not by key {public_key.hex()}"
        )


def check_public_key(public_key: bytes) -> None:
    """Refuse a key under which no signature whatever is accepted: rules 1 to 3, for the key.

    A key with a part of small order is none of those: its owner can sign with it.

    Raises:
        MalformedError: it is not a point, not spelled as one is, or of small order.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise MalformedError(
            f"Ed25519 public key has {len(public_key)} bytes, want {PUBLIC_KEY_BYTES}"
        )
    try:
        point = crypto_core_ed25519_add(public_key, _ZERO_POINT)  # spelled as it must be
        times_8 = point
        for _ in range(3):
            times_8 = crypto_core_ed25519_add(times_8, times_8)
    except NotAPointError as error:
        raise MalformedError(
            f"Ed25519 public key {public_key.hex()} is not a point of the curve"
        ) from error
    if point != public_key or times_8 == _ZERO_POINT:
        raise MalformedError(
            f"Ed25519 public key {public_key.hex()} is of small order or not canonical:"
            " no signature is accepted under it"
        )


@lru_cache(maxsize=1024)  # a log knows few keys, and hears of them with every event
def key_sha256(public_key: bytes) -> bytes:
    """Return the 32 bytes by which entries and registries name a key."""
    return sha256(public_key).digest()


class SigningKey:
    """An Ed25519 private key. Neither `repr` nor `str` shows the secret."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        """Make the key pair of a 32-byte seed (RFC 8032 calls it the private key)."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"Ed25519 seed has {len(seed)} bytes, want {SEED_BYTES}")
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key.hex()})"

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of `message`: the same one every time."""
        return crypto_sign(message, self._secret)[:SIGNATURE_BYTES]
