"""Linked data: each member has a meaning, and a foreign processor found the same."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import real_bundle
from translog.pith.linked import CONTEXT, document
from translog.pith.titles import is_title

VECTOR = json.loads((Path(__file__).parents[2] / "data" / "linked.json").read_text())
REAL = json.loads(real_bundle())
TERMS = CONTEXT["@context"]


def made() -> dict[str, Any]:
    return document(REAL, origin="example.com/log", size=2, base_url="https://example.com/log")


def undefined(value: Any, terms: dict[str, Any]) -> set[str]:
    """Return the members that a processor would drop without a word."""
    if isinstance(value, list):
        return {name for each in value for name in undefined(each, terms)}
    if not isinstance(value, dict):
        return set()
    found = {name for name in value if name not in terms and not name.startswith("@")}
    for name, member in value.items():
        term = terms.get(name, {})
        kind = term.get("@type") if isinstance(term, dict) else None
        if kind != "@json":
            inner = {**terms, **term.get("@context", {})} if isinstance(term, dict) else terms
            found |= undefined(member, inner)
    return found


def test_every_member_is_defined_in_the_context() -> None:
    assert undefined(made(), TERMS) == set()
    assert undefined({"log": {"sise": 1}}, TERMS) == {"sise"}
    assert undefined({"links": {"else": "x"}}, TERMS) == {"else"}


def test_every_definition_is_used() -> None:
    used = json.dumps(made())
    assert [name for name in TERMS if not name.startswith("@") and f'"{name}"' not in used] == []


def test_a_foreign_processor_has_read_this_document_under_this_context() -> None:
    # What it found stands in the vector: scripts/vectors/linked.
    assert made() == VECTOR["document"]
    assert VECTOR["context"] == CONTEXT
    triples = VECTOR["nquads"].splitlines()
    number = "<pith:2024:HAMJZSQVKL4VHWOAINCHUE26II>"
    title = REAL["events"][1]["payload"]["graph_snapshot"]["paper"]["title"]
    assert f'{number} <https://schema.org/name> "{title}" .' in triples
    literal = next(line for line in triples if "terms#canonical_record" in line)
    assert literal.endswith("^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON> .")
    text = json.loads(literal.split("> ", 2)[2].rpartition("^^")[0])
    assert json.loads(text) == REAL["canonical_record"]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"graph_snapshot": None},
        {"graph_snapshot": []},
        {"graph_snapshot": {"paper": "x"}},
        {"graph_snapshot": {"paper": {"title": 7, "headline": ["x"]}}},
        {"graph_snapshot": {"paper": {"title": "Another paper", "headline": None}}},
        {"graph_snapshot": {"paper": {"title": "\ud800"}}},
        {"graph_snapshot": {"paper": {"title": "x" * 2_000_000}}},
    ],
)
def test_a_snapshot_that_says_nothing_of_use_takes_nothing_away(payload: dict[str, Any]) -> None:
    bundle = json.loads(real_bundle())
    bundle["state"]["current"]["graph_snapshots"][0]["payload"] = payload
    found = document(bundle, origin="o", size=2, base_url="https://example.com")
    assert (found["title"], found["headline"]) == (None, None)
    assert found["pith_number"] == REAL["pith_number"]


def test_a_title_is_shown_only_with_the_hash_that_the_record_has() -> None:
    bundle = json.loads(real_bundle())
    (item,) = bundle["state"]["current"]["graph_snapshots"]
    item["payload"]["graph_snapshot"]["paper"]["title"] += "!"
    assert document(bundle, origin="o", size=2, base_url="https://example.com")["title"] is None
    (good,) = REAL["state"]["current"]["graph_snapshots"]
    bundle["state"]["current"]["graph_snapshots"].insert(0, good)  # an earlier one
    title = document(bundle, origin="o", size=2, base_url="https://example.com")["title"]
    assert title == good["payload"]["graph_snapshot"]["paper"]["title"]


def test_a_title_is_of_reasonable_length() -> None:
    for chars, is_one in ((1_000, True), (1_001, False)):
        title = "x" * chars
        assert is_title(title, sha256(title.encode()).digest()) is is_one


def test_without_a_valid_creation_there_is_no_receipt() -> None:
    bundle = json.loads(real_bundle())
    bundle["state"]["current"]["record_created"] = None
    bundle["state"]["applied_event_ids"] = []
    found = document(bundle, origin="o", size=2, base_url="https://example.com")
    assert found["receipt"] is None
    assert [each["is_applied"] for each in found["events"]] == [False, False]
