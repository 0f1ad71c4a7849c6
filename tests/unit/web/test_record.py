"""The page of a record: everything that pith.science shows of one, and its place in the log."""

import copy
import json
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.events import real_bundle
from tests.simulators.papers import PAYLOADS
from tests.unit.web.test_lenient import JSON
from translog.pith.merge import LISTED_TYPES
from translog.web.pages import Pages
from translog.web.record import Facts, record_page
from translog.web.statements import statement

REAL = json.loads(real_bundle())
HASH = "38189cca1552f953d9c043447a135e420636aa9e5d0a13a0ca99322e4750d280"
CREATED, GRAPH = (event["event_id"] for event in REAL["events"])
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e{{7*7}}{% x %}'
PAGES = Pages("example.com/log")


class Reader(HTMLParser):
    """What a page holds: its elements with their attributes, and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def lines(self) -> str:
        return " ".join(self.text.split())

    @property
    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.elements if tag == "a"]

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def facts(bundle: dict[str, Any], **more: Any) -> Facts:
    indices = {CREATED: 0, GRAPH: 1}
    return Facts(**{"bundle": bundle, "origin": "o", "size": 2, "indices": indices, **more})


def read(bundle: dict[str, Any], **more: Any) -> Reader:
    return Reader(PAGES.render(record_page(facts(bundle, **more)), "../"))


def real() -> dict[str, Any]:
    return copy.deepcopy(REAL)


def test_everything_that_the_page_of_pith_science_shows_is_there() -> None:
    page = read(real())
    for shown in (
        "pith:HAMJZSQV",
        "LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens",
        "LongRoPE extends pre-trained LLMs to 2048k token contexts via targeted non-uniform"
        " positional interpolation and a two-stage fine-tuning process.",
        "arXiv:2402.13753 v1 · 21 February 2024 · cs.CL",
        "Add to your LaTeX paper",
        "\\usepackage{pith} \\pithnumber{HAMJZSQVKL4VHWOAINCHUE26II}",
        "Record completeness",
        "Bitcoin timestamp",
        "Web archive",
        "Author claim",
        "Citations",
        "Replications",
        "Portable bundle",
        "Claims",
        "LongRoPE extends the context window of pre-trained LLMs to an impressive 2048k tokens,"
        " with up to only 1k fine-tuning steps at within 256k training lengths, while maintaining"
        " performance at the original short context window.",
        "The two forms of non-uniformities in positional interpolation identified via efficient"
        " search are generalizable across models and tasks and provide a stable initialization"
        " that does not overfit to the search data.",
        "References",
        "Extending Context Window of Large Language Models via Positional Interpolation",
        "Formal links",
        "Cited by",
        "Receipt and verification",
        "First computed2026-05-17T23:38:53.019275Z",
        "Builderpith-number-builder-2026-05-17-v1",
        "SignatureEd25519, key pith-v1-2026-05",
        "Schemapith-number/v1.0",
        "Canonical hash",
        HASH,
        "Aliases",
        "Verify this Pith Number yourself",
        f"# expect: {HASH}",
        "Canonical record",
        '"title_canon_sha256": "46e4af97439ff2209ef39f593912fe97c0c8c33415282cb5b0df3aafaf04abf8"',
    ):
        assert shown in page.lines, shown
    for alias in REAL["source_aliases"]:
        assert alias["alias_value"] in page.lines


def test_beyond_that_it_shows_its_place_in_the_log_and_what_can_be_taken_away() -> None:
    page = read(real())
    assert "Entry 0 of 2 entries in o, under the checkpoint signed on 27 May 2026" in page.lines
    assert "No Bitcoin timestamp yet." in page.lines
    suffix = REAL["pith_number"][10:]
    for link in (
        "../entry/0",
        "../entry/1",
        "../checkpoints/2",
        f"../pith/{suffix}/bundle.json",
        f"../pith/{suffix}/state.json",
        "../pith-context.jsonld",
        f"../proof/{CREATED}.tlog-proof",
        "../pith.sty",
        "https://arxiv.org/abs/2402.13753v1",
        "https://doi.org/10.48550/arxiv.2402.13753",
    ):
        assert link in page.links, link


def test_the_badge_can_be_embedded_elsewhere() -> None:
    resolver = REAL["links"]["resolver"]
    code = f'<a href="{resolver}"><img src="{resolver}/badge.svg" alt="pith:HAMJZSQV"></a>'
    assert code in read(real()).text


def test_the_snippet_on_the_page_is_that_of_pith_science_but_for_the_host() -> None:
    page = PAGES.render(record_page(facts(real())), "../").decode()
    code = unescape(page[page.index("<code>curl") + 6 :].partition("</code>")[0])
    assert code == (
        "curl -sH 'Accept: application/ld+json' https://pith.science/pith/"
        "HAMJZSQVKL4VHWOAINCHUE26II \\\n"
        "  | jq -c '.canonical_record' \\\n"
        '  | python3 -c "import sys,json,hashlib; b=json.dumps(json.loads(sys.stdin.read()),'
        " sort_keys=True, separators=(',',':'), ensure_ascii=False).encode();"
        ' print(hashlib.sha256(b).hexdigest())"\n'
        f"# expect: {HASH}"
    )


def test_every_typed_event_of_the_state_is_shown_with_who_signed_it() -> None:
    bundle = real()
    (template,) = bundle["state"]["current"]["graph_snapshots"]
    for kind, payload in PAYLOADS.items():
        item = {**template, "payload": payload, "event_id": f"sha256:{kind}"}
        bundle["state"]["current"][LISTED_TYPES[kind]].append(item)
    page = read(bundle)
    for kind, payload in PAYLOADS.items():
        sentence = statement(kind, {**template, "payload": payload}, None).said.sentence
        assert sentence in page.lines
    assert page.lines.count("Signed by pith.science, 17 May 2026") == len(PAYLOADS)
    assert "Author claim1 attestation" in page.lines
    assert "Web archive1 capture" in page.lines


def test_who_cites_it_is_shown() -> None:
    item = {**REAL["state"]["current"]["graph_snapshots"][0]}
    item["payload"] = PAYLOADS["citation_signature"]
    page = read(real(), cited_by=[statement("citation_signature", item, 1)])
    assert "Citationsby 1 record" in page.lines
    assert "No record here cites it" not in page.lines


def test_a_bitcoin_proof_is_said_in_words_and_can_be_taken_away() -> None:
    bundle = real()
    bundle["timestamp_proofs"] = [
        {
            "event_id": CREATED,
            "network": "mainnet",
            "status": "final",
            "attestations": [{"height": 900_123, "header_time": "2026-05-30T10:00:00Z"}],
            "not_before": {"height": 899_000},
        }
    ]
    page = read(bundle)
    assert "Existed before block 900,123 of Bitcoin, 30 May 2026, 10:00:00 UTC." in page.lines
    assert "Logged after block 899,000, which the log knew by then." in page.lines
    assert "Bitcoin timestampblock 900,123" in page.lines
    assert f"../event/{CREATED[7:]}.ots" in page.links
    assert "(1 event of 2)" in page.lines


def test_a_contradiction_stands_at_the_top() -> None:
    bundle = real()
    state = bundle["state"]
    state["equivocations"] = [
        {
            "kind": "record_created",
            "public_key_fingerprint": None,
            "prev_event": None,
            "event_ids": [CREATED, GRAPH],
        }
    ]
    state["equivocation_count"] = 1
    state["applied_event_ids"] = []
    state["current"].update(record_created=None, graph_snapshots=[])
    page = read(bundle)
    assert "Signed twice, differently" in page.lines
    assert page.lines.count("contradicts another: neither counts") == 2
    assert "No event that creates this record counts." in page.lines
    assert page.lines.index("Signed twice") < page.lines.index("Claims")


def test_what_was_replaced_or_is_not_valid_is_marked() -> None:
    bundle = real()
    bundle["state"]["current"]["graph_snapshots"] = []
    assert "Graph snapshot (replaced or taken back)" in read(bundle).lines
    bundle["state"]["applied_event_ids"] = [CREATED]
    bundle["state"]["invalid_events"] = [
        {"event_sha256": "00" * 32, "event_id": GRAPH, "reason": "unknown-key"}
    ]
    page = read(bundle)
    assert "Graph snapshot (not valid)" in page.lines
    assert f"{GRAPH}: unknown-key" in page.lines


def test_a_title_that_is_not_the_record_s_is_not_shown_as_its_title() -> None:
    bundle = real()
    paper = bundle["state"]["current"]["graph_snapshots"][0]["payload"]["graph_snapshot"]["paper"]
    paper["title"] = "Another title"
    assert "Another title" not in read(bundle).text
    title = "LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens"
    assert title in read(bundle, titles=["Another title", title]).lines


# Hostile content


def hostile(value: Any) -> Any:
    """Return the same with every text that nothing depends on made hostile."""
    if isinstance(value, dict):
        return {name: hostile(member) for name, member in value.items()}
    if isinstance(value, list):
        return [hostile(member) for member in value]
    return HOSTILE if isinstance(value, str) else value


def test_script_in_any_text_is_text() -> None:
    bundle = real()
    current = bundle["state"]["current"]
    (item,) = current["graph_snapshots"]
    item["payload"] = hostile(item["payload"])
    item["signer"] = hostile(item["signer"])
    for kind, payload in PAYLOADS.items():
        for made in (hostile(payload), payload):
            current[LISTED_TYPES[kind]].append({**item, "payload": made})
    for event in bundle["events"]:
        event["signer"] = hostile(event["signer"])
    record = bundle["canonical_record"]
    record["source"] = {"kind": HOSTILE, "id": HOSTILE, "version": 1}
    record["metadata"].update(license=HOSTILE, primary_cat=HOSTILE)
    bundle["source_aliases"] = hostile(bundle["source_aliases"])
    page = read(bundle)
    assert page.tags.isdisjoint({"script", "iframe", "object", "embed", "style", "base"})
    assert [attributes for tag, attributes in page.elements if tag == "img"] == [
        {
            "src": "../pith/HAMJZSQVKL4VHWOAINCHUE26II/badge.svg",
            "alt": "Badge of pith:HAMJZSQV",
            "height": "20",
        }
    ]
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
    for link in page.links:
        assert link.startswith(("../", "#", "https://", "http://")), link
        assert "<" not in link
    assert "{{7*7}}" in page.text  # nothing is taken for a template
    assert "<script>alert(1)</script>" in page.text  # and nothing is hidden


@pytest.mark.parametrize("name", ["paper", "claims", "references", "formal_canon"])
@settings(max_examples=40, deadline=None)
@given(JSON)
def test_whatever_a_snapshot_holds_there_is_a_page(name: str, value: Any) -> None:
    bundle = real()
    payload = bundle["state"]["current"]["graph_snapshots"][0]["payload"]
    payload["graph_snapshot"][name] = value
    read(bundle)
    if isinstance(value, dict):
        payload["graph_snapshot"][name] = {**value, "items": [value], "sample": [value], "count": 9}
        read(bundle)


@settings(max_examples=40, deadline=None)
@given(st.lists(JSON, max_size=3))
def test_whatever_the_payloads_hold_there_is_a_page(values: list[Any]) -> None:
    bundle = real()
    (template,) = bundle["state"]["current"]["graph_snapshots"]
    for name in LISTED_TYPES.values():
        bundle["state"]["current"][name] += [{**template, "payload": value} for value in values]
    read(bundle)


def test_a_page_loads_nothing_from_elsewhere() -> None:
    page = read(real())
    loaded = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in page.elements
        if tag in ("img", "link", "script", "source", "iframe")
        and attributes.get("rel") not in ("canonical", "alternate")
    ]
    assert len(loaded) == 3
    assert all(each and each.startswith("../") for each in loaded)
