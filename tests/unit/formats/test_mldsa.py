"""translog.formats.mldsa: ML-DSA-44 where it is installed, and a plain word where it is not."""

import sys
from hashlib import sha256

import pytest

from translog.errors import SignatureError, UnavailableError
from translog.formats import mldsa

KEY = mldsa.SigningKey(b"m" * 32)


def test_a_seed_makes_the_key_that_others_make_of_it() -> None:
    # C2SP httpsig-pq, vector "ml-dsa-44-deterministic": the seed, and the public key's SHA-256.
    seed = bytes.fromhex("c80d699b2daa47d54b8697f5a917c696400d7063b30a234d18ad672250ae42d9")
    digest = "275ee838486da500342c040ef9f0cdf1e69957248e3b4d1bf05d3b1fea2a1c3c"
    assert sha256(mldsa.SigningKey(seed).public_key).hexdigest() == digest


def test_a_signature_verifies_and_is_another_one_every_time() -> None:
    one, other = KEY.sign(b"message"), KEY.sign(b"message")
    assert one != other
    for signature in (one, other):
        assert len(signature) == mldsa.SIGNATURE_BYTES
        mldsa.verify_signature(KEY.public_key, b"message", signature)


def test_verifying_fails_when_any_argument_is_wrong() -> None:
    signature = KEY.sign(b"message")
    other = mldsa.SigningKey(b"o" * 32)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    wrong = [
        (other.public_key, b"message", signature),
        (KEY.public_key, b"Message", signature),
        (KEY.public_key, b"message", flipped),
        (KEY.public_key, b"message", other.sign(b"message")),
        (KEY.public_key, b"message", bytes(mldsa.SIGNATURE_BYTES)),
    ]
    for arguments in wrong:
        with pytest.raises(SignatureError, match=r"^ML-DSA-44 signature [0-9a-f]{16}… is not by"):
            mldsa.verify_signature(*arguments)
    for key, count in ((KEY.public_key[:-1], 1311), (b"", 0), (KEY.public_key + b"\0", 1313)):
        with pytest.raises(SignatureError, match=rf"public key has {count} bytes, want 1312$"):
            mldsa.verify_signature(key, b"message", signature)
    for blob, count in ((signature[:-1], 2419), (b"", 0), (signature + b"\0", 2421)):
        with pytest.raises(SignatureError, match=rf"signature has {count} bytes, want 2420$"):
            mldsa.verify_signature(KEY.public_key, b"message", blob)


def test_a_key_shows_no_secret() -> None:
    assert "6d6d6d" not in f"{KEY!r}{KEY!s}"
    assert repr(KEY) == f"SigningKey(public_key={KEY.public_key[:8].hex()}…)"


def test_a_seed_has_32_bytes() -> None:
    for seed in (b"", b"m" * 31, b"m" * 33):
        with pytest.raises(ValueError, match=r"seed has \d+ bytes, want 32$"):
            mldsa.SigningKey(seed)


def test_where_the_library_is_missing_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signature = KEY.sign(b"message")
    mldsa.require()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    message = r"^ML-DSA-44 keys need the library cryptography, version 50 or newer: install trans"
    for call in (
        mldsa.require,
        lambda: mldsa.SigningKey(b"m" * 32),
        lambda: mldsa.verify_signature(KEY.public_key, b"message", signature),
    ):
        with pytest.raises(UnavailableError, match=message):
            call()
