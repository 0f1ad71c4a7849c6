"""tests/data/events.json: an event of every type, and what is refused, as the documents say it.

That the events are well signed is checked with the standard library and PyNaCl alone.
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
from translog.formats.canonical import canonical
from translog.pith.event import KNOWN_TYPES, check_subject, from_value, parse

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "formats" / "events"
VECTORS = json.loads((ROOT / "tests" / "data" / "events.json").read_text(encoding="utf-8"))
EVENTS: dict[str, dict[str, Any]] = VECTORS["events"]
REFUSED: list[dict[str, Any]] = VECTORS["refused"]


def test_the_script_makes_the_same_file_again() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "vectors" / "events"))["vectors"]()
    assert made == VECTORS


def test_there_is_an_event_and_a_page_of_every_type() -> None:
    assert EVENTS.keys() == KNOWN_TYPES
    assert {page.stem for page in PAGES.iterdir()} == KNOWN_TYPES | {"README"}
    assert {vector["event"]["event_type"] for vector in REFUSED} == KNOWN_TYPES


@pytest.mark.parametrize("value", [*EVENTS.values(), *(vector["event"] for vector in REFUSED)])
def test_every_event_is_well_signed(value: dict[str, Any]) -> None:
    apart = {"signature", "content_sha256", "event_id"}
    content = {name: member for name, member in value.items() if name not in apart}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = sha256(text.encode()).digest()
    assert value["event_id"] == f"sha256:{digest.hex()}"
    signature = b64decode(value["signature"]["signature_b64"])
    assert crypto_sign_open(signature + digest, bytes.fromhex(VECTORS["public_key"])) == digest


@pytest.mark.parametrize("value", EVENTS.values(), ids=EVENTS)
def test_an_event_of_each_type_is_right(value: dict[str, Any]) -> None:
    check_subject(parse(canonical(value)))


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["why"])
def test_what_is_refused_has_the_code(vector: dict[str, Any]) -> None:
    with pytest.raises(TranslogError) as refusal:
        check_subject(from_value(vector["event"]))
    assert refusal.value.code == vector["code"]


@pytest.mark.parametrize("event_type", sorted(KNOWN_TYPES))
def test_the_example_on_each_page_is_the_vector(event_type: str) -> None:
    text = (PAGES / f"{event_type}.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)
    assert json.loads(example) == EVENTS[event_type]


@pytest.mark.parametrize("event_type", sorted(KNOWN_TYPES))
def test_each_page_names_every_member_of_the_payload(event_type: str) -> None:
    text = (PAGES / f"{event_type}.md").read_text(encoding="utf-8").partition("## Example")[0]
    for name in EVENTS[event_type]["payload"]:
        assert f"`{name}`" in text
