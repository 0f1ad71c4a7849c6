"""docs/formats/entry.md: every number in it, from the real bundle and from the code."""

import json
import re
from base64 import b64decode
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from translog.formats.entry import Entry, encode_bundle, parse_bundle
from translog.formats.keys import key_sha256, verify_signature
from translog.formats.merkle import EMPTY_ROOT, leaf_hash, node_hash

DOCUMENT = (Path(__file__).parents[2] / "docs" / "formats" / "entry.md").read_text()
BUNDLE = json.loads(
    (files("translog.data") / "HAMJZSQVKL4VHWOAINCHUE26II.bundle.json").read_bytes()
)
PUBLIC_KEY = bytes.fromhex(BUNDLE["public_keys"][0]["public_key_hex"])


def stated(name: str) -> str:
    """The hexadecimal digits that stand behind a name in an indented block."""
    found = re.search(rf"^    {re.escape(name)}\s+((?:[0-9a-f]+\s+)+)", DOCUMENT, re.MULTILINE)
    assert found, name
    return "".join(found[1].split())


def entry_of(event: dict) -> Entry:
    return Entry(
        content_sha256=bytes.fromhex(event["content_sha256"]),
        key_sha256=key_sha256(PUBLIC_KEY),
        signature=b64decode(event["signature"]["signature_b64"]),
    )


ENTRIES = [entry_of(event) for event in BUNDLE["events"]]
LEAVES = [leaf_hash(entry.encode()) for entry in ENTRIES]


def test_the_worked_example_is_the_first_event_of_the_real_bundle() -> None:
    entry = ENTRIES[0]
    assert stated("public key") == PUBLIC_KEY.hex()
    assert stated("content_sha256") == entry.content_sha256.hex()
    assert stated("key_sha256") == entry.key_sha256.hex()
    assert stated("signature") == entry.signature.hex()
    assert stated("entry") == entry.encode().hex()
    assert stated("leaf hash") == LEAVES[0].hex()


def test_the_entries_signatures_verify_without_the_events() -> None:
    for entry in ENTRIES:
        verify_signature(PUBLIC_KEY, entry.content_sha256, entry.signature)


def test_the_fingerprint_is_the_first_half_of_the_key_hash() -> None:
    fingerprint = BUNDLE["public_keys"][0]["fingerprint_sha256_hex"]
    assert key_sha256(PUBLIC_KEY)[:16].hex() == fingerprint


def test_the_vectors_are_right() -> None:
    rows = re.findall(r"^\| (\d) \| `([0-9a-f]{64})` \| `([0-9a-f]{64})` \|$", DOCUMENT, re.M)
    assert rows == [
        (str(index), entry.content_sha256.hex(), leaf.hex())
        for index, (entry, leaf) in enumerate(zip(ENTRIES, LEAVES, strict=True))
    ]
    assert stated("root of size 0") == EMPTY_ROOT.hex()
    assert stated("root of size 1") == LEAVES[0].hex()
    assert stated("root of size 2") == node_hash(*LEAVES).hex()
    content = encode_bundle([entry.encode() for entry in ENTRIES])
    assert stated("tile/entries/000.p/2, SHA-256 of its 262 bytes") == sha256(content).hexdigest()
    assert len(content) == 262
    assert parse_bundle(content, 2) == [entry.encode() for entry in ENTRIES]
    assert len(encode_bundle([ENTRIES[0].encode()] * 256)) == 33_536
