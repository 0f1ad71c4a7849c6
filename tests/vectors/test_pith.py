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
from translog.pith.bundle import inspect, open_bundle
from translog.pith.bundle import parse as parse_bundle
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
        again = merge(
            state["pith_number"],
            record,
            names,
            events,
            [BOB, ALICE],
            rotations=map(from_value, vector["rotations"]),
            disowned=vector["disowned"],
        )
        assert canonical(again) == dumps(state)


def attestations(name: str) -> list[str]:
    (state,) = [vector["state"] for vector in VECTORS["merges"] if vector["name"] == name]
    return [each["payload"]["statement"] for each in state["current"]["author_attestations"]]


def test_what_is_taken_back_and_by_whom() -> None:
    note, later = "I wrote this.", "Later."
    assert attestations("superseded") == [later]
    assert sorted(attestations("superseded by a stranger: both stay")) == [note, later]
    assert attestations("retracted") == []
    assert attestations("retracted by a stranger: it stays") == [note]
    assert attestations("rotated: the newer key supersedes what the older one signed") == [later]
    assert attestations("rotated: the newer key retracts it") == []
    assert attestations("rotated: one prev_event is one signer's") == [note]
    lost = "compromised: what its holder may not have signed does not count"
    assert attestations(lost) == [note]
    reasons = {
        invalid["reason"]
        for vector in VECTORS["merges"]
        if vector["name"] == lost
        for invalid in vector["state"]["invalid_events"]
    }
    assert reasons == {"key-compromised"}


@pytest.mark.parametrize("name", ["bundle", "bundle_of_changed_keys"])
def test_bundle(name: str) -> None:
    bundle = VECTORS[name]
    digest = sha256(dumps(without(bundle, "bundle_signature"))).hexdigest()
    assert bundle["bundle_signature"]["bundle_sha256"] == digest
    assert signed(bundle["bundle_signature"], digest)
    open_bundle(dumps(bundle), [ALICE, BOB] if name != "bundle" else [ALICE])


def test_a_bundle_shows_what_happened_to_its_keys() -> None:
    bundle = VECTORS["bundle_of_changed_keys"]
    found = {f.what: f.status for f in inspect(parse_bundle(dumps(bundle)), [ALICE])}
    bob = VECTORS["keys"][1]["fingerprint_hex"]
    assert found[f"rotation to {bob}"] == found[f"compromise of {bob}"] == "proved"
    (listed,) = [key for key in bundle["public_keys"] if "rotation" in key]
    state = bundle["state"]
    disowned = listed["compromise"]["event_ids"]
    assert [each["event_id"] for each in state["invalid_events"]] == disowned
    assert (state["valid_event_count"], state["invalid_event_count"]) == (2, 1)


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
