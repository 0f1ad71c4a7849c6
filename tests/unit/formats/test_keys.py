"""translog.formats.keys: lengths, secrets, and RFC 8032's own signatures."""

from hashlib import sha256

import pytest

from translog.errors import MalformedError, SignatureError
from translog.formats.keys import SigningKey, check_public_key, key_sha256, verify_signature

KEY = SigningKey(bytes(range(32)))
MESSAGE = b"some message"
SIGNATURE = KEY.sign(MESSAGE)

RFC_8032 = [  # section 7.1, tests 1 to 3: secret key, public key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public_key", "message", "signature"), RFC_8032)
def test_keys_and_signatures_are_rfc_8032s(
    seed: str, public_key: str, message: str, signature: str
) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert key.public_key.hex() == public_key
    assert key.sign(bytes.fromhex(message)).hex() == signature
    verify_signature(key.public_key, bytes.fromhex(message), bytes.fromhex(signature))


def test_a_signature_fails_when_any_argument_is_wrong() -> None:
    verify_signature(KEY.public_key, MESSAGE, SIGNATURE)
    other = SigningKey(bytes(32)).public_key
    wrong = [
        (other, MESSAGE, SIGNATURE),
        (KEY.public_key, MESSAGE + b"!", SIGNATURE),
        (KEY.public_key, MESSAGE, bytes(64)),
        *((KEY.public_key, MESSAGE, flip(SIGNATURE, at)) for at in range(64)),
    ]
    for arguments in wrong:
        with pytest.raises(SignatureError):
            verify_signature(*arguments)


def test_lengths_are_checked_before_libsodium_sees_a_pointer() -> None:
    for key in [b"", KEY.public_key[:31], KEY.public_key + b"\0"]:
        with pytest.raises(SignatureError, match=rf"public key has {len(key)} bytes, want 32$"):
            verify_signature(key, MESSAGE, SIGNATURE)
    # The last two would verify if signature and message were only laid end to end.
    for message, signature in [(MESSAGE, b""), (MESSAGE[1:], SIGNATURE + MESSAGE[:1])]:
        with pytest.raises(SignatureError, match=rf"signature has {len(signature)} bytes, want 64"):
            verify_signature(KEY.public_key, message, signature)
    with pytest.raises(SignatureError, match=r"signature has 63 bytes, want 64$"):
        verify_signature(KEY.public_key, SIGNATURE[63:] + MESSAGE, SIGNATURE[:63])


def test_a_refusal_names_the_key() -> None:
    with pytest.raises(SignatureError, match=rf"^Ed25519 .* is not by key {KEY.public_key.hex()}$"):
        verify_signature(KEY.public_key, b"", SIGNATURE)


def test_a_signing_key_never_shows_its_secret() -> None:
    for shown in [repr(KEY), str(KEY), f"{KEY}", f"{[KEY]}"]:
        assert bytes(range(32)).hex() not in shown
        assert repr(bytes(range(32))) not in shown
        assert KEY.public_key.hex() in shown


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33), bytes(64)])
def test_a_seed_has_32_bytes(seed: bytes) -> None:
    with pytest.raises(ValueError, match=rf"seed has {len(seed)} bytes, want 32"):
        SigningKey(seed)


def test_a_key_is_named_by_the_hash_of_all_of_it() -> None:
    assert key_sha256(KEY.public_key) == sha256(KEY.public_key).digest()


def flip(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


@pytest.mark.parametrize(
    ("public_key", "says"),
    [
        (bytes(31), "has 31 bytes, want 32"),
        (bytes(33), "has 33 bytes, want 32"),
        (bytes(32), "is of small order or not canonical: no signature is accepted under it"),
        # y = p + 3 is spelled as if it were less than 2^255, and is the point of y = 3.
        ((2**255 - 19 + 3).to_bytes(32, "little"), "is of small order or not canonical"),
        (bytes([2]) + bytes(31), "is not a point of the curve"),
    ],
)
def test_a_key_under_which_nothing_is_accepted_is_refused(public_key: bytes, says: str) -> None:
    with pytest.raises(MalformedError, match=says):
        check_public_key(public_key)
    check_public_key(KEY.public_key)
