"""Typed events in a sentence each, whatever is in them."""

from typing import Any

import pytest
from hypothesis import given, settings

from tests.simulators.papers import PAYLOADS
from tests.unit.web.test_lenient import JSON
from translog.pith.merge import LISTED_TYPES
from translog.web.statements import SENTENCES, Said, statement

ITEM = {"event_id": "sha256:00", "created_at": "2026-06-01T00:00:00Z", "signer": {"signer_id": "S"}}


def said(kind: str, payload: Any) -> Said:
    return statement(kind, {**ITEM, "payload": payload}, 3).said


def test_every_type_says_what_its_payload_says() -> None:
    found = {kind: tuple(said(kind, payload)) for kind, payload in PAYLOADS.items()}
    assert found == {
        "author_attestation": (
            "Ada Author stands by C1, C2",
            "Both hold.",
            "https://orcid.org/0000-0002-1825-0097",
        ),
        "storage_attestation": (
            "https://arxiv.org/pdf/2607.00001v1 served 123,456 bytes on 2 July 2026",
            "SHA-256 " + "ab" * 32,
            "https://web.archive.org/web/2026/https://arxiv.org/",
        ),
        "citation_signature": (
            "Uses the method of arXiv:2306.15595",
            "section 2",
            "https://arxiv.org/abs/2306.15595",
        ),
        "replication_record": (
            "Replication succeeded in part, 3 July 2026",
            "C1 holds on half of the data.",
            "https://example.org/run",
        ),
        "correction": ("Erratum in license", "The license was changed in version 2.", None),
        "mirror_hint": ("Mirror (active)", None, "https://mirror.example/pith/A/bundle.json"),
    }


def test_an_anchor_names_its_block_and_its_chain() -> None:
    payload = {
        "network": "mainnet",
        "event_id": "sha256:ab",
        "attestations": [{"height": 900_002}, {"height": 900_001}, {"height": "x"}, 7],
    }
    assert said("timestamp_anchor", payload).sentence == (
        "In block 900,001 of Bitcoin by way of event sha256:ab"
    )
    payload["network"] = "regtest"
    assert "of the test chain regtest" in said("timestamp_anchor", payload).sentence


def test_who_says_it_and_when_stands_beside_it() -> None:
    found = statement("correction", {**ITEM, "payload": PAYLOADS["correction"]}, 3)
    assert (found.signer, found.created_at, found.entry) == ("S", "1 June 2026", 3)


def test_a_record_of_this_registry_is_linked_here() -> None:
    number = "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II"
    payload = {**PAYLOADS["citation_signature"], "cited": {"kind": "pith", "id": number}}
    assert said("citation_signature", payload).href == "pith/HAMJZSQVKL4VHWOAINCHUE26II"


@pytest.mark.parametrize("cited", [{"kind": "url", "id": "javascript:alert(1)"}, {"kind": []}, 7])
def test_nothing_dangerous_is_linked(cited: Any) -> None:
    assert said("citation_signature", {"relationship": [], "cited": cited}).href is None
    for kind, name in (
        ("author_attestation", "orcid"),
        ("storage_attestation", "url"),
        ("replication_record", "evidence_url"),
        ("mirror_hint", "bundle_url"),
    ):
        href = said(kind, {name: "javascript:alert(1)"}).href
        assert href is None or href.startswith("https://orcid.org/")


def test_every_listed_type_but_the_snapshot_has_a_sentence() -> None:
    assert SENTENCES.keys() == LISTED_TYPES.keys() - {"graph_snapshot"}
    assert said("tomorrow's", {}).sentence == "Of a type that this page does not know"


@settings(deadline=None)
@given(JSON)
def test_whatever_the_payload_there_is_a_sentence(payload: Any) -> None:
    for kind in SENTENCES:
        assert said(kind, payload).sentence
        for known in PAYLOADS.get(kind, {}):
            assert said(kind, {**PAYLOADS[kind], known: payload}).sentence
