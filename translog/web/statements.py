"""Typed events in a sentence each: what their signers say of a record.

Every sentence is the signer's own claim, and pages say so. Payloads are read leniently: a member
that is not of its kind is left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from translog.web import words
from translog.web.lenient import arxiv_link, count, doi_link, items, link, member, text

RELATIONSHIPS = {
    "supports": "Supports",
    "refutes": "Refutes",
    "extends": "Extends",
    "uses_method": "Uses the method of",
    "depends_on": "Depends on",
    "replaces": "Replaces",
    "compares": "Compares with",
    "cites": "Cites",
}
OUTCOMES = {"succeeded": "succeeded", "partly": "succeeded in part", "failed": "failed"}


class Said(NamedTuple):
    """A sentence.

    Attributes:
        sentence: what is said.
        more: a longer text beside it, or None.
        href: where it leads, or None.
    """

    sentence: str
    more: str | None = None
    href: str | None = None


class Statement(NamedTuple):
    """A sentence, and who says it.

    Attributes:
        said: the sentence.
        signer: the name under which its key may write.
        created_at: as a day.
        event_id: of the event.
        entry: its place in the log, or None where that is not known.
    """

    said: Said
    signer: str
    created_at: str
    event_id: str
    entry: int | None


def statement(kind: str, item: Mapping[str, Any], entry: int | None) -> Statement:
    """Return what an event in a state's `current` says.

    Args:
        kind: the event's type.
        item: `{event_id, target, created_at, signer, payload}`.
        entry: its place in the log.
    """
    said = SENTENCES.get(kind, _unknown)(item["payload"])
    return Statement(
        said=said,
        signer=item["signer"]["signer_id"],
        created_at=words.day(item["created_at"]),
        event_id=item["event_id"],
        entry=entry,
    )


def _author(payload: Any) -> Said:
    name = text(member(payload, "author_name"), 255) or "Somebody"
    claims = [each for each in map(text, items(member(payload, "claim_ids"))) if each]
    what = f"stands by {', '.join(claims)}" if claims else "says: this is my work"
    orcid = member(payload, "orcid")
    href = link(f"https://orcid.org/{orcid}") if type(orcid) is str else None
    return Said(f"{name} {what}", text(member(payload, "statement")), href)


def _storage(payload: Any) -> Said:
    size = count(member(payload, "captured_bytes"))
    digest = text(member(payload, "captured_sha256"), 64) or "unknown"
    url = text(member(payload, "url"), 300) or "an address"
    about = f"{size:,} bytes" if size is not None else "bytes"
    captured = _day(member(payload, "captured_at"))
    return Said(
        f"{url} served {about} on {captured}",
        f"SHA-256 {digest}",
        link(member(payload, "archive_url")) or link(member(payload, "url")),
    )


def _citation(payload: Any) -> Said:
    relationship = member(payload, "relationship")
    verb = RELATIONSHIPS.get(relationship, "Cites") if type(relationship) is str else "Cites"
    kind, name = member(payload, "cited", "kind"), member(payload, "cited", "id")
    shown = text(name, 300) or "another work"
    prefix = {"arxiv": "arXiv:", "doi": "doi:"}.get(kind, "") if type(kind) is str else ""
    return Said(f"{verb} {prefix}{shown}", text(member(payload, "context")), cited_link(kind, name))


def cited_link(kind: Any, name: Any) -> str | None:
    """Return where a cited work is found; records of this registry by a path without its root."""
    if kind == "pith" and type(name) is str:
        return f"pith/{name.rpartition(':')[2]}" if name.isascii() and len(name) <= 40 else None
    if kind == "arxiv":
        return arxiv_link(name)
    return doi_link(name) if kind == "doi" else link(name)


def _replication(payload: Any) -> Said:
    kind = words.spoken(text(member(payload, "kind"), 40) or "replication")
    outcome = member(payload, "outcome")
    ended = OUTCOMES.get(outcome, "ended") if type(outcome) is str else "ended"
    return Said(
        f"{kind} {ended}, {_day(member(payload, 'performed_at'))}",
        text(member(payload, "summary")),
        link(member(payload, "evidence_url")),
    )


def _correction(payload: Any) -> Said:
    action = words.spoken(text(member(payload, "action"), 40) or "correction")
    field = text(member(payload, "field"), 255)
    return Said(f"{action} in {field}" if field else action, text(member(payload, "reason")))


def _mirror(payload: Any) -> Said:
    name = text(member(payload, "name"), 255) or "A mirror"
    status = text(member(payload, "status"), 40) or "unknown status"
    return Said(f"{name} ({status})", None, link(member(payload, "bundle_url")))


def _anchor(payload: Any) -> Said:
    heights = [
        height
        for each in items(member(payload, "attestations"))
        if (height := count(member(each, "height"))) is not None
    ]
    network = text(member(payload, "network"), 40) or "unknown network"
    where = "Bitcoin" if network == "mainnet" else f"the test chain {network}"
    block = f"block {min(heights):,} of {where}" if heights else where
    event_id = text(member(payload, "event_id"), 80) or "unknown"
    return Said(f"In {block} by way of event {event_id}")


def _unknown(payload: Any) -> Said:
    return Said("Of a type that this page does not know")


def _day(time: Any) -> str:
    try:
        return words.day(time) if type(time) is str else "an unknown day"
    except ValueError:
        return "an unknown day"


SENTENCES: Mapping[str, Callable[[Any], Said]] = {
    "author_attestation": _author,
    "storage_attestation": _storage,
    "citation_signature": _citation,
    "replication_record": _replication,
    "correction": _correction,
    "mirror_hint": _mirror,
    "timestamp_anchor": _anchor,
}
