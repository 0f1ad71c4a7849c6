"""Signatures on which Ed25519 verifiers disagree: tests/data/ed25519.json.

The file is made by scripts/vectors/ed25519. It pins the rule of docs/formats/signatures.md: a
libsodium that answers otherwise, or a faster verifier, fails here.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from translog.errors import MalformedError, SignatureError
from translog.formats.keys import check_public_key, verify_signature

FILE = Path(__file__).parents[1] / "data" / "ed25519.json"
VECTORS = json.loads(FILE.read_text())["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["kind"])
def test_a_vector_is_accepted_or_refused_as_it_says(vector: dict) -> None:
    arguments = [bytes.fromhex(vector[part]) for part in ("public_key", "message", "signature")]
    if vector["accept"]:
        verify_signature(*arguments)
    else:
        with pytest.raises(SignatureError):
            verify_signature(*arguments)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["kind"])
def test_a_key_is_refused_when_no_signature_is_accepted_under_it(vector: dict) -> None:
    key = bytes.fromhex(vector["public_key"])
    if vector["kind"].startswith(("A is not a point", "small-order A")):
        with pytest.raises(MalformedError, match=r"^Ed25519 public key "):
            check_public_key(key)
    else:  # the key is right, or signs with a part of small order: what is wrong is elsewhere
        check_public_key(key)


def test_every_kind_is_there() -> None:
    kinds = Counter(vector["kind"].rstrip("0123456789 ,L").split(",")[0] for vector in VECTORS)
    found = {kind.rstrip("0123456789 ") for kind in kinds}
    assert found >= {"honest", "small-order A", "small-order R", "mixed-order A", "mixed-order R"}
    assert sum("spelling" in vector["kind"] for vector in VECTORS) == 2 * (8 + 6)
    assert all(vector["accept"] == (vector["kind"] == "honest") for vector in VECTORS[:19])
    for vector in VECTORS:
        mixed = vector["kind"].startswith("mixed")
        assert not mixed or vector["accept"] == ("residue" not in vector["kind"])
