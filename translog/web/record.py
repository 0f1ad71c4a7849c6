"""What the page of a record shows, gathered from its bundle and its places in the log."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from translog.pith.event import RECORD_CREATED
from translog.pith.merge import LISTED_TYPES
from translog.pith.record import parse_pith_number
from translog.pith.titles import find_title, snapshot_title
from translog.web import timestamps, words
from translog.web.completeness import Item, completeness
from translog.web.lenient import arxiv_link, count, doi_link, items, link, member, text
from translog.web.statements import Statement, statement

MAX_EVENTS = 200  # listed on a page; the bundle has them all

ALIASES = {"arxiv": "arXiv", "arxiv_version": "arXiv version", "doi": "DOI"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a page is made of.

    Attributes:
        bundle: the record's.
        origin: the log's name.
        size: of the checkpoint under which the bundle was made.
        indices: places in the log, by event id; of as many events as are shown.
        titles: what else may be the work's title; each is checked against the record.
        cited_by: what other records say of this one.
    """

    bundle: Mapping[str, Any]
    origin: str
    size: int
    indices: Mapping[str, int]
    titles: Sequence[str] = ()
    cited_by: Sequence[Statement] = ()


class Row(NamedTuple):
    name: str
    text: str
    href: str | None = None


class Claim(NamedTuple):
    name: str
    kind: str
    text: str
    standing: str


class Reference(NamedTuple):
    number: int | None
    title: str
    links: tuple[Row, ...]


class EventRow(NamedTuple):
    """An event in the list of all of them. `note` says why it does not count, if it does not."""

    event_id: str
    kind: str
    signer: str
    created_at: str
    entry: int | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPage:
    """Everything that the template prints; all of it text, to be escaped there."""

    number: str
    suffix: str
    short: str
    title: str | None
    headline: str | None
    authors: str | None
    source: str
    source_link: str | None
    submitted_at: str
    category: str
    license: str | None
    completeness: tuple[Item, ...]
    claims: tuple[Claim, ...]
    references: tuple[Reference, ...]
    reference_count: int
    formal_count: int
    sections: tuple[tuple[str, str, tuple[Statement, ...]], ...]
    cited_by: tuple[Statement, ...]
    receipt: tuple[Row, ...]
    canonical_sha256: str
    aliases: tuple[Row, ...]
    record_json: str
    origin: str
    size: int
    built_at: str
    created: EventRow | None
    times: tuple[timestamps.Said, ...]
    is_stamped: bool
    events: tuple[EventRow, ...]
    event_count: int
    equivocations: tuple[tuple[str, tuple[str, ...]], ...]
    invalid: tuple[tuple[str, str], ...]
    state_sha256: str
    resolver: str


def record_page(facts: Facts) -> RecordPage:
    """Gather what the page shows."""
    bundle = facts.bundle
    state, record = bundle["state"], bundle["canonical_record"]
    current = state["current"]
    snapshots = [item["payload"] for item in reversed(current["graph_snapshots"])]
    graph = member(snapshots[0], "graph_snapshot") if snapshots else None
    stamps = timestamps.stamps(bundle["timestamp_proofs"])
    events = _events(bundle, facts.indices)
    created = next((event for event in events if event.kind == RECORD_CREATED), None)
    metadata, source = record["metadata"], record["source"]
    references = _references(graph)
    return RecordPage(
        number=bundle["pith_number"],
        suffix=parse_pith_number(bundle["pith_number"]).suffix,
        short=bundle["short_pith_number"],
        title=find_title([*facts.titles, *map(snapshot_title, snapshots)], record),
        headline=text(member(graph, "paper", "headline")),
        authors=text(member(graph, "paper", "authors_text")),
        source=source_name(source["kind"], source["id"], source["version"]),
        source_link=_source_link(source),
        submitted_at=metadata["submitted_at"],
        category=metadata["primary_cat"],
        license=link(metadata["license"]),
        completeness=completeness(current, stamps, facts.cited_by),
        claims=_claims(graph),
        references=references,
        reference_count=count(member(graph, "references", "count")) or len(references),
        formal_count=count(member(graph, "formal_canon", "evidence_count")) or 0,
        sections=_sections(current, facts.indices),
        cited_by=tuple(facts.cited_by),
        receipt=_receipt(current, record),
        canonical_sha256=bundle["canonical_sha256"],
        aliases=_aliases(bundle["source_aliases"]),
        record_json=json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False),
        origin=facts.origin,
        size=facts.size,
        built_at=bundle["built_at"],
        created=created,
        times=timestamps.said(stamps),
        is_stamped=any(created and stamp.event_id == created.event_id for stamp in stamps),
        events=events,
        event_count=state["event_count"],
        equivocations=tuple(
            (each["kind"], tuple(each["event_ids"])) for each in state["equivocations"]
        ),
        invalid=tuple(
            (each["event_id"] or each["event_sha256"], each["reason"])
            for each in state["invalid_events"]
        ),
        state_sha256=state["state_sha256"],
        resolver=bundle["links"]["resolver"],
    )


def source_name(kind: str, identifier: str, version: int) -> str:
    """Return where a record comes from, such as arXiv:2402.13753 v1."""
    return f"{ALIASES.get(kind, kind)}:{identifier} v{version}"


def _source_link(source: Mapping[str, Any]) -> str | None:
    if source["kind"] != "arxiv":
        return None
    return arxiv_link(f"{source['id']}v{source['version']}")


def _claims(graph: Any) -> tuple[Claim, ...]:
    found = []
    for item in items(member(graph, "claims", "items")):
        said = text(member(item, "text"))
        if said:
            standing = (text(member(item, name), 60) for name in ("status", "attestation"))
            found.append(
                Claim(
                    text(member(item, "claim_id"), 40) or "",
                    words.spoken(text(member(item, "kind"), 80) or "claim"),
                    said,
                    ", ".join(words.spoken(each).lower() for each in standing if each),
                )
            )
    return tuple(found)


def _references(graph: Any) -> tuple[Reference, ...]:
    shown = items(member(graph, "references", "items")) or items(
        member(graph, "references", "sample")
    )
    found = []
    for item in shown:
        title = text(member(item, "title"), 500)
        if title:
            year = text(member(item, "year"), 10) or count(member(item, "year"))
            found.append(
                Reference(
                    count(member(item, "ref_index")),
                    f"{title} ({year})" if year else title,
                    _reference_links(item),
                )
            )
    return tuple(found)


def _reference_links(item: Any) -> tuple[Row, ...]:
    arxiv, doi = member(item, "cited_arxiv_id"), member(item, "doi")
    rows = (
        Row("arXiv", text(arxiv, 60) or "", arxiv_link(arxiv)),
        Row("DOI", text(doi, 120) or "", doi_link(doi)),
    )
    return tuple(row for row in rows if row.href)


def _sections(
    current: Mapping[str, Any], indices: Mapping[str, int]
) -> tuple[tuple[str, str, tuple[Statement, ...]], ...]:
    """Return (anchor, heading, what is said) for the lists of a state."""
    wanted = (
        ("authors", "What the authors sign", "author_attestation"),
        ("citations", "Cites", "citation_signature"),
        ("replications", "Replications and formal bridges", "replication_record"),
        ("corrections", "Corrections", "correction"),
        ("storage", "Archived copies", "storage_attestation"),
        ("anchors", "Anchors signed as events", "timestamp_anchor"),
        ("mirrors", "Mirrors", "mirror_hint"),
    )
    return tuple(
        (
            anchor,
            heading,
            tuple(
                statement(kind, item, indices.get(item["event_id"]))
                for item in current[LISTED_TYPES[kind]][:MAX_EVENTS]
            ),
        )
        for anchor, heading, kind in wanted
    )


def _receipt(current: Mapping[str, Any], record: Mapping[str, Any]) -> tuple[Row, ...]:
    created = current[RECORD_CREATED]
    if created is None:
        return ()
    receipt = created["payload"]["receipt"]
    return (
        Row("First computed", receipt["first_computed_at"]),
        Row("Builder", receipt["builder_version"]),
        Row("Signed by", created["signer"]["signer_id"]),
        Row("Signature", f"Ed25519, key {receipt['key_id']}", "keys.json"),
        Row("Fingerprint", receipt["public_key_fingerprint"]),
        Row("Schema", f"pith-number/v{record['schema_version']}"),
    )


def _aliases(aliases: Sequence[Mapping[str, str]]) -> tuple[Row, ...]:
    links = {"arxiv": arxiv_link, "arxiv_version": arxiv_link, "doi": doi_link}
    return tuple(
        Row(ALIASES.get(kind) or words.spoken(kind), value, links[kind](value))
        if (kind := alias["alias_kind"]) in links
        else Row(ALIASES.get(kind) or words.spoken(kind), value)
        for alias in aliases
        for value in (alias["alias_value"],)
    )


def _events(bundle: Mapping[str, Any], indices: Mapping[str, int]) -> tuple[EventRow, ...]:
    state = bundle["state"]
    applied = frozenset(state["applied_event_ids"])
    contradicted = {event_id for each in state["equivocations"] for event_id in each["event_ids"]}
    current = {
        item["event_id"] for name in LISTED_TYPES.values() for item in state["current"][name]
    } | {(state["current"][RECORD_CREATED] or {}).get("event_id")}

    def note(event: Mapping[str, Any]) -> str | None:
        event_id, known = event["event_id"], event["event_type"] in LISTED_TYPES
        if event_id in contradicted:
            return "contradicts another: neither counts"
        if event_id not in applied:
            return "not valid"
        return "replaced or taken back" if known and event_id not in current else None

    return tuple(
        EventRow(
            event["event_id"],
            event["event_type"],
            event["signer"]["signer_id"],
            event["created_at"],
            indices.get(event["event_id"]),
            note(event),
        )
        for event in bundle["events"][:MAX_EVENTS]
    )
