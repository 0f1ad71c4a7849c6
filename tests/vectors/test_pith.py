"""tests/data/pith.json: the code, the script that made it and the documents agree on it.

What can be checked without the code is checked with the standard library and PyNaCl alone.
"""

import json
import re
import runpy
from base64 import b32encode, b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from nacl.bindings import crypto_sign_open, crypto_sign_seed_keypair

from translog.errors import MalformedError
from translog.formats.canonical import canonical, parse
from translog.pith.bundle import open_bundle
from translog.pith.event import check_subject, from_value, verify
from translog.pith.merge import merge
from translog.pith.receipt import verify_receipt

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "data" / "pith.json").read_text(encoding="utf-8"))
ALICE, BOB = (bytes.fromhex(key["public_key"]) for key in VECTORS["keys"])


def dumps(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed(signature: dict[str, str], digest: str, public_key: bytes = ALICE) -> bool:
    message = b64decode(signature["signature_b64"]) + bytes.fromhex(digest)
    return crypto_sign_open(message, public_key) == bytes.fromhex(digest)


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: member for name, member in value.items() if name not in names}


def test_the_script_makes_the_same_file_again() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "vectors" / "pith"))["vectors"]()
    assert made == VECTORS


@pytest.mark.parametrize("vector", VECTORS["canonical"], ids=lambda vector: vector["text"][:30])
def test_canonical(vector: dict[str, Any]) -> None:
    if vector["canonical"] is None:
        with pytest.raises(MalformedError):
            parse(vector["text"].encode(), limit=1000)
    else:
        value = parse(vector["text"].encode(), limit=1000)
        assert canonical(value).decode() == vector["canonical"]
        assert dumps(json.loads(vector["text"])).decode() == vector["canonical"]


def test_keys() -> None:
    for key in VECTORS["keys"]:
        assert crypto_sign_seed_keypair(bytes.fromhex(key["seed"]))[0].hex() == key["public_key"]
        digest = sha256(bytes.fromhex(key["public_key"])).digest()
        assert key["fingerprint_hex"] == digest[:16].hex()
        assert key["fingerprint_b32"] == b32encode(digest).decode()[:26]


def test_record() -> None:
    vector = VECTORS["record"]
    record = vector["canonical_record"]
    assert dumps(record).decode() == vector["canonical"]
    digest = sha256(dumps(record))
    assert vector["canonical_sha256"] == digest.hexdigest()
    assert vector["pith_number"] == "pith:2026:" + b32encode(digest.digest()).decode()[:26]
    for text in ("title", "abstract"):
        want = sha256(" ".join(vector[text].split()).lower().encode()).hexdigest()
        assert record["metadata"][f"{text}_canon_sha256"] == want
    assert signed(vector["receipt"], vector["canonical_sha256"])
    verify_receipt(vector["receipt"], record, ALICE)


def test_event() -> None:
    vector = VECTORS["event"]
    event = vector["event"]
    content = without(event, "signature", "content_sha256", "event_id")
    assert dumps(content).decode() == vector["content"]
    assert sha256(dumps(content)).hexdigest() == vector["content_sha256"]
    assert event["event_id"] == "sha256:" + vector["content_sha256"]
    assert signed(event["signature"], vector["content_sha256"])
    verify(from_value(event), ALICE)
    check_subject(from_value(event))


@pytest.mark.parametrize("vector", VECTORS["merges"], ids=lambda vector: vector["name"])
def test_merge(vector: dict[str, Any]) -> None:
    state = vector["state"]
    assert sha256(dumps(without(state, "state_sha256"))).hexdigest() == state["state_sha256"]
    for events in (vector["events"], vector["events"][::-1]):
        current = state["current"]
        record, names = current["canonical_record"], current["source_aliases"]
        again = merge(state["pith_number"], record, names, events, [BOB, ALICE])
        assert canonical(again) == dumps(state)


def test_bundle() -> None:
    bundle = VECTORS["bundle"]
    digest = sha256(dumps(without(bundle, "bundle_signature"))).hexdigest()
    assert bundle["bundle_signature"]["bundle_sha256"] == digest
    assert signed(bundle["bundle_signature"], digest)
    open_bundle(dumps(bundle), [ALICE])


def test_the_examples_in_the_documents_are_these() -> None:
    def blocks(name: str) -> list[str]:
        text = (ROOT / "docs" / "formats" / name).read_text(encoding="utf-8")
        return re.findall(r"^```(?:json|text)\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)

    event, content, digest = blocks("event.md")
    assert json.loads(event) == VECTORS["event"]["event"]
    assert content == VECTORS["event"]["content"]
    assert digest == VECTORS["event"]["content_sha256"]
    states = {vector["name"]: vector["state"] for vector in VECTORS["merges"]}
    (equivocations,) = map(json.loads, blocks("merge.md"))
    assert equivocations == states["equivocation: the same prev_event"]["equivocations"]
    (signature,) = map(json.loads, blocks("bundle.md"))
    assert signature == VECTORS["bundle"]["bundle_signature"]
