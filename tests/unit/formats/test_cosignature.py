"""translog.formats.cosignature: tlog-cosignature, byte by byte."""

import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from translog.errors import MalformedError, SignatureError
from translog.formats import keys, mldsa
from translog.formats.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from translog.formats.cosignature import (
    ED25519,
    ML_DSA_44,
    Cosigned,
    Cosigner,
    CosigningKey,
    message_of,
    times,
)
from translog.formats.merkle import EMPTY_ROOT, leaf_hash
from translog.formats.note import NoteSigner, Signature, Verifier, open_note, sign_note
from translog.formats.strict import MAX_SIZE, format_base64

ORIGIN = "example.com/log"
CHECKPOINT = Checkpoint(origin=ORIGIN, size=20852163, root=leaf_hash(b"an entry"))
TEXT = str(CHECKPOINT)
LOG = keys.SigningKey(b"l" * 32)
TIME = 1_679_315_147
ED = CosigningKey(name="witness.example/w1", key=keys.SigningKey(b"w" * 32))
PQ = CosigningKey(name="witness.example/w1", key=mldsa.SigningKey(b"w" * 32))
BOTH = pytest.mark.parametrize("key", [ED, PQ], ids=["ed25519", "ml-dsa-44"])


def test_the_ed25519_message_is_two_lines_and_the_whole_text() -> None:
    blob = ED.cosign(CHECKPOINT, TIME).blob
    # SPEC: "u64 timestamp; ... opaque ed25519_signature[64];"
    assert blob[:8] == TIME.to_bytes(8, "big")
    assert len(blob) == 72
    message = f"cosignature/v1\ntime 1679315147\n{TEXT}".encode()
    Ed25519PublicKey.from_public_bytes(ED.key.public_key).verify(blob[8:], message)


def test_the_ml_dsa_message_is_the_structure_of_the_specification() -> None:
    blob = PQ.cosign(CHECKPOINT, TIME).blob
    assert blob[:8] == TIME.to_bytes(8, "big")
    assert len(blob) == 8 + 2420
    # SPEC: "cosigned_message", by hand. 18 and 15 are the lengths of the names.
    message = b"subtree/v1\n\0" + b"\x12witness.example/w1" + TIME.to_bytes(8, "big")
    message += b"\x0fexample.com/log" + bytes(8) + (20852163).to_bytes(8, "big") + CHECKPOINT.root
    MLDSA44PublicKey.from_public_bytes(PQ.key.public_key).verify(blob[8:], message)


@BOTH
def test_key_ids_are_computed_with_the_types_byte(key: CosigningKey) -> None:
    # SPEC: "SHA-256(<name> || "\n" || 0x04 || 32-byte Ed25519 cosigner public key)[:4]"
    typed = bytes([4 if key is ED else 6]) + key.key.public_key
    key_id = sha256(key.name.encode() + b"\n" + typed).digest()[:4]
    assert key.cosigner.key_id == key_id == key.cosign(CHECKPOINT, TIME).key_id
    assert key.cosigner.vkey == f"{key.name}+{key_id.hex()}+{base64.b64encode(typed).decode()}"
    assert Cosigner.parse(key.cosigner.vkey) == key.cosigner


@BOTH
def test_a_cosignature_verifies_over_its_text_only(key: CosigningKey) -> None:
    blob = key.cosign(CHECKPOINT, TIME).blob
    key.cosigner.verify(TEXT, blob)
    for other in (
        replace(CHECKPOINT, size=CHECKPOINT.size + 1),
        replace(CHECKPOINT, root=leaf_hash(b"another")),
        replace(CHECKPOINT, origin="example.com/lo"),
    ):
        with pytest.raises(SignatureError):
            key.cosigner.verify(str(other), blob)


@BOTH
def test_no_byte_of_a_cosignature_can_be_changed(key: CosigningKey) -> None:
    blob = key.cosign(CHECKPOINT, TIME).blob
    for at in [*range(8, 72), len(blob) - 1, *range(8)]:
        changed = bytes(byte ^ (at == place) for place, byte in enumerate(blob))
        with pytest.raises(SignatureError):
            key.cosigner.verify(TEXT, changed)


@BOTH
def test_a_cosignature_has_one_length(key: CosigningKey) -> None:
    blob = key.cosign(CHECKPOINT, TIME).blob
    for wrong in (b"", blob[:7], blob[:8], blob[:-1], blob + b"\0", blob[8:]):
        with pytest.raises(SignatureError, match=rf"has {len(wrong)} bytes, want {len(blob)}$"):
            key.cosigner.verify(TEXT, wrong)


@BOTH
def test_the_time_is_signed_and_has_63_bits(key: CosigningKey) -> None:
    for time in (0, 1, TIME, MAX_SIZE):
        key.cosigner.verify(TEXT, key.cosign(CHECKPOINT, time).blob)
    for time in (-1, MAX_SIZE + 1, True, 1.5):
        with pytest.raises(ValueError, match=r"want POSIX seconds$"):
            key.cosign(CHECKPOINT, time)
    # SPEC: "It MUST NOT exceed 2^63 - 1". Signed rightly all the same, for the check to be seen.
    message = message_of(key.cosigner, CHECKPOINT, 2**63)
    blob = (2**63).to_bytes(8, "big") + key.key.sign(message)
    with pytest.raises(SignatureError, match=r"has time 9223372036854775808, want at most 92233"):
        key.cosigner.verify(TEXT, blob)


def test_an_ml_dsa_cosignature_is_bound_to_the_name_and_an_ed25519_one_is_not() -> None:
    other = "witness.example/w2"
    with pytest.raises(SignatureError):
        replace(PQ.cosigner, name=other).verify(TEXT, PQ.cosign(CHECKPOINT, TIME).blob)
    # Why one Ed25519 key must not serve two names: docs/formats/cosignature.md.
    replace(ED.cosigner, name=other).verify(TEXT, ED.cosign(CHECKPOINT, TIME).blob)


def test_a_plain_signature_is_no_cosignature_nor_the_other_way_round() -> None:
    assert isinstance(ED.key, keys.SigningKey)
    plain = NoteSigner(name=ED.name, key=ED.key)
    assert plain.verifier.key_id != ED.cosigner.key_id
    with pytest.raises(SignatureError):
        ED.cosigner.verify(TEXT, TIME.to_bytes(8, "big") + ED.key.sign(TEXT.encode()))
    with pytest.raises(SignatureError):
        plain.verifier.verify(TEXT, ED.cosign(CHECKPOINT, TIME).blob[8:])


@BOTH
def test_only_checkpoints_are_cosigned(key: CosigningKey) -> None:
    for checkpoint in (
        replace(CHECKPOINT, origin="a b"),
        replace(CHECKPOINT, size=-1),
        replace(CHECKPOINT, size=0),
    ):
        with pytest.raises(MalformedError):
            key.cosign(checkpoint, TIME)
    key.cosign(replace(CHECKPOINT, size=0, root=EMPTY_ROOT), TIME)
    # Who signed a lie about the empty tree can be shown to have signed it.
    lie = replace(CHECKPOINT, size=0)
    blob = TIME.to_bytes(8, "big") + key.key.sign(message_of(key.cosigner, lie, TIME))
    key.cosigner.verify(str(lie), blob)
    for text in ("hello\n", TEXT + "extension\n", TEXT[:-1]):
        with pytest.raises(MalformedError):
            key.cosigner.verify(text, key.cosign(CHECKPOINT, TIME).blob)


@BOTH
def test_a_cosigners_name_has_1_to_255_bytes(key: CosigningKey) -> None:
    for name in ("x", "é" * 127, "x" * 255):
        named = replace(key, name=name)
        named.cosigner.verify(TEXT, named.cosign(CHECKPOINT, TIME).blob)
        assert Cosigner.parse(named.cosigner.vkey).name == name
    for name in ("", "a b", "a+b", "é" * 128, "x" * 256):
        named = replace(key, name=name)
        with pytest.raises(MalformedError):
            named.cosign(CHECKPOINT, TIME)
        with pytest.raises(MalformedError):
            Cosigner.parse(named.cosigner.vkey)


def test_a_vkey_of_another_type_or_length_is_refused() -> None:
    for key_type in (0, 1, 2, 3, 5, 7, 255):
        other = replace(ED.cosigner, key_type=key_type)
        message = rf"has key type 0x{key_type:02x}, want 04 \(Ed25519 cosignatures\) or 06 \(ML-DS"
        with pytest.raises(MalformedError, match=message):
            Cosigner.parse(other.vkey)
    for cosigner, count in ((ED.cosigner, 32), (PQ.cosigner, 1312)):
        for public_key in (b"", cosigner.public_key[:-1], cosigner.public_key + b"\0"):
            message = rf"has a key of {len(public_key)} bytes, want {count}$"
            with pytest.raises(MalformedError, match=message):
                Cosigner.parse(replace(cosigner, public_key=public_key).vkey)
    with pytest.raises(MalformedError, match="want 01"):
        Verifier.parse(ED.cosigner.vkey)


def cosigned(*signatures: Signature) -> bytes:
    return sign_checkpoint(CHECKPOINT, LOG, signatures)


def test_a_note_is_opened_with_cosigners_beside_the_log() -> None:
    log = Verifier(name=ORIGIN, public_key=LOG.public_key)
    raw = cosigned(ED.cosign(CHECKPOINT, TIME), PQ.cosign(CHECKPOINT, TIME + 1))
    opened = open_note(raw, [log, ED.cosigner, PQ.cosigner])
    assert opened.signed_by == (log, ED.cosigner, PQ.cosigner)
    assert times(opened) == (Cosigned(ED.cosigner, TIME), Cosigned(PQ.cosigner, TIME + 1))
    assert times(open_note(raw, [log, PQ.cosigner])) == (Cosigned(PQ.cosigner, TIME + 1),)
    assert open_checkpoint(raw, log).note == raw


def test_of_several_cosignatures_by_one_key_the_latest_time_counts() -> None:
    lines = [ED.cosign(CHECKPOINT, time) for time in (TIME, TIME + 9, TIME + 5)]
    opened = open_note(cosigned(*lines), [ED.cosigner])
    assert times(opened) == (Cosigned(ED.cosigner, TIME + 9),)
    bad = replace(lines[1], blob=(TIME + 10).to_bytes(8, "big") + lines[1].blob[8:])
    with pytest.raises(SignatureError):
        open_note(cosigned(*lines, bad), [ED.cosigner])


def test_a_log_may_sign_with_ml_dsa_beside_ed25519_or_in_its_place() -> None:
    own = CosigningKey(name=ORIGIN, key=mldsa.SigningKey(b"l" * 32))
    raw = cosigned(own.cosign(CHECKPOINT, TIME))
    assert open_checkpoint(raw, own.cosigner).size == CHECKPOINT.size
    assert open_checkpoint(raw, Verifier(name=ORIGIN, public_key=LOG.public_key))
    with pytest.raises(SignatureError, match="none of the keys asked for"):
        open_checkpoint(cosigned(), own.cosigner)
    other = sign_note(TEXT, [NoteSigner(name="example.com/other", key=LOG)])
    assert open_note(other, [Verifier(name="example.com/other", public_key=LOG.public_key)])


def test_key_types_are_numbered_as_in_signed_note() -> None:
    assert (ED25519, ML_DSA_44) == (0x04, 0x06)
    assert format_base64(bytes([4]) + ED.key.public_key).startswith("B")
