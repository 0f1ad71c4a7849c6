"""tests/data/evidence.json: the code, the script that made it and the document agree on it.

A fork is found in it with the standard library and PyNaCl alone, as a stranger might.
"""

import json
import re
import runpy
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from nacl.bindings import crypto_sign_open

from translog.errors import TranslogError
from translog.verify.evidence import CLAIMS, Evidence

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "vectors" / "evidence"))
CASES = json.loads((ROOT / "tests" / "data" / "evidence.json").read_text(encoding="utf-8"))["cases"]
trust = SCRIPT["trust"]


def test_the_script_makes_the_file():
    assert [case._asdict() for case in SCRIPT["cases"]()] == CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_each_file_comes_to_what_is_stated(case: dict[str, Any]):
    evidence = Evidence.parse(case["file"].encode())
    if case["error"] is None:
        assert evidence.check(trust(case["keys"])).grade == case["grade"]
    else:
        with pytest.raises(TranslogError) as caught:
            evidence.check(trust(case["keys"]))
        assert caught.value.code == case["error"]


def test_there_is_a_good_file_of_every_kind():
    good = [json.loads(case["file"])["kind"] for case in CASES if case["grade"]]
    assert set(good) == set(CLAIMS)


def test_the_document_names_every_kind_and_shows_one_of_the_files():
    page = (ROOT / "docs" / "formats" / "evidence.md").read_text()
    for kind in CLAIMS:
        assert f"`{kind}`" in page
    (example,) = re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)
    (case,) = [case for case in CASES if case["name"] == "two roots for one size"]
    assert json.loads(example) == json.loads(case["file"])


def open_note(note: str, public_key: bytes) -> tuple[int, bytes]:
    """Return size and root of a head, having verified it by hand."""
    text, line = note.split("\n\n")
    origin, size, root = text.split("\n")
    signature = b64decode(line.strip().split(" ")[2])[4:]
    assert line.split(" ")[1] == origin
    crypto_sign_open(signature + f"{text}\n".encode(), public_key)
    return int(size), b64decode(root)


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def test_a_stranger_finds_the_fork_without_this_code():
    (case,) = [case for case in CASES if case["name"] == "a fork at 3, of 5 and 7 entries"]
    value = json.loads(case["file"])
    public_key = b64decode(case["keys"][0].split("+", 2)[2])[1:]
    (old, old_root), (new, new_root) = (
        open_note(value[name], public_key) for name in ("old", "new")
    )
    assert (old, new) == (5, 7)
    # RFC 9162, 2.1.4: the fifth leaf, the sixth, the seventh, and the four before.
    fifth, sixth, seventh, four = map(bytes.fromhex, value["hashes"])
    assert node(four, node(node(fifth, sixth), seventh)) == new_root
    assert node(four, fifth) != old_root
