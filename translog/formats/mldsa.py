"""ML-DSA-44 (FIPS 204) with an empty context, over `cryptography`, which the extra `pq` brings.

The library is loaded when the first such key is used, and nowhere else: who meets no such key
needs no such library. A key is kept as its seed of 32 bytes. Signing draws randomness inside the
library (FIPS 204 calls it hedged), so two signatures of one message differ, and both verify.
"""

from types import ModuleType

from translog.errors import SignatureError, UnavailableError

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 1312
SIGNATURE_BYTES = 2420


def require() -> None:
    """Refuse at once, and not at the first signature, where the library is not there.

    Raises:
        UnavailableError: it is not installed, or too old for ML-DSA.
    """
    _library()


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check that `signature` is the key's signature of `message`.

    Raises:
        SignatureError: it is not, or the key or the signature is not as long as it must be.
        UnavailableError: the library is not installed.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise SignatureError(
            f"ML-DSA-44 public key has {len(public_key)} bytes, want {PUBLIC_KEY_BYTES}"
        )
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(
            f"ML-DSA-44 signature has {len(signature)} bytes, want {SIGNATURE_BYTES}"
        )
    mldsa = _library()
    from cryptography.exceptions import InvalidSignature

    try:
        mldsa.MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(
            f"ML-DSA-44 signature {signature[:8].hex()}… is not by key {public_key[:8].hex()}…"
        ) from error


class SigningKey:
    """An ML-DSA-44 private key. Neither `repr` nor `str` shows the secret."""

    __slots__ = ("_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        """Make the key pair of a 32-byte seed (FIPS 204 calls it ξ).

        Raises:
            UnavailableError: the library is not installed.
        """
        if len(seed) != SEED_BYTES:
            raise ValueError(f"ML-DSA-44 seed has {len(seed)} bytes, want {SEED_BYTES}")
        self._key = _library().MLDSA44PrivateKey.from_seed_bytes(seed)
        self.public_key: bytes = self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key[:8].hex()}…)"

    def sign(self, message: bytes) -> bytes:
        """Return a signature of `message`: another one every time."""
        signature: bytes = self._key.sign(message)
        return signature


def _library() -> ModuleType:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError as error:
        raise UnavailableError(
            "ML-DSA-44 keys need the library cryptography, version 50 or newer:"
            " install translog[pq]"
        ) from error
    return mldsa
