"""Cosignatures of both kinds, made without this package: tests/data/cosignatures.json.

The file is made by scripts/vectors/cosignatures.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from translog.errors import SignatureError
from translog.formats import keys, mldsa
from translog.formats.checkpoint import Checkpoint
from translog.formats.cosignature import Cosigner, CosigningKey, message_of, time_of
from translog.formats.note import Signature

FILE = Path(__file__).parents[1] / "data" / "cosignatures.json"
VECTORS = json.loads(FILE.read_text())["vectors"]
EVERY = pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))


@EVERY
def test_a_cosignature_made_elsewhere_verifies(vector: dict) -> None:
    cosigner = Cosigner.parse(vector["vkey"])
    assert (cosigner.vkey, cosigner.key_type) == (vector["vkey"], vector["key_type"])
    signature = Signature.parse(vector["line"][:-1])
    assert (signature.name, signature.key_id) == (cosigner.name, cosigner.key_id)
    assert str(signature) == vector["line"]
    assert time_of(signature.blob) == vector["time"]
    message = message_of(cosigner, Checkpoint.parse(vector["text"]), vector["time"])
    assert message.hex() == vector["message"]
    cosigner.verify(vector["text"], signature.blob)


@EVERY
def test_a_cosignature_is_of_its_text_time_and_key_only(vector: dict) -> None:
    cosigner = Cosigner.parse(vector["vkey"])
    blob = Signature.parse(vector["line"][:-1]).blob
    size = Checkpoint.parse(vector["text"]).size
    other_time = (vector["time"] ^ 1).to_bytes(8, "big") + blob[8:]
    other_key = replace(cosigner, public_key=bytes([1]) + cosigner.public_key[1:])
    for verifier, text, signed in (
        (cosigner, vector["text"].replace("log.example", "log.exampl"), blob),
        (cosigner, vector["text"].replace(f"\n{size}\n", f"\n{size ^ 2}\n"), blob),
        (cosigner, vector["text"], other_time),
        (other_key, vector["text"], blob),
    ):
        if size == 0 and f"\n{size}\n" not in text:
            continue  # no such checkpoint: an empty tree has one root
        with pytest.raises(SignatureError):
            verifier.verify(text, signed)


@EVERY
def test_the_same_seed_makes_the_same_key_and_ed25519_the_same_line(vector: dict) -> None:
    seed = bytes.fromhex(vector["seed"])
    key = keys.SigningKey(seed) if vector["key_type"] == 4 else mldsa.SigningKey(seed)
    cosigner = Cosigner.parse(vector["vkey"])
    signer = CosigningKey(name=cosigner.name, key=key)
    assert signer.cosigner == cosigner
    signature = signer.cosign(Checkpoint.parse(vector["text"]), vector["time"])
    assert (str(signature) == vector["line"]) == (vector["key_type"] == 4)


def test_both_kinds_and_the_edges_of_time_and_size_are_there() -> None:
    assert {vector["key_type"] for vector in VECTORS} == {4, 6}
    assert {vector["time"] for vector in VECTORS} >= {0, 2**63 - 1}
    sizes = {Checkpoint.parse(vector["text"]).size for vector in VECTORS}
    assert sizes >= {0, 2**63 - 1}
