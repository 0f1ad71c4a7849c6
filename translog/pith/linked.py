"""A record as linked data: docs/formats/linked.md. JSON-LD 1.1 (W3C, 2020).

The document is what a resolver answers for a record, and its context is served beside it. Each
member is defined in the context by name. What is signed in another form (the canonical record, the
receipt) is a JSON literal there, so that no processor takes apart what has a hash.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from translog.pith.event import RECORD_CREATED
from translog.pith.titles import find_title, member, snapshot_title

CONTEXT_PATH = "pith-context.jsonld"
TERMS = "pith:terms#"  # in the scheme of Pith Numbers: the same on every mirror

_SCHEMA = "https://schema.org/"
_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"
_NUMBER = "http://www.w3.org/2001/XMLSchema#integer"


def document(
    bundle: Mapping[str, Any],
    *,
    origin: str,
    size: int,
    base_url: str,
    titles: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what a resolver says of a record.

    Args:
        bundle: the record's, of the log `origin` at `size`.
        titles: what else may be the work's; the first that has the record's hash is.
        base_url: where it is served, without a slash at the end.
    """
    record, state = bundle["canonical_record"], bundle["state"]
    current, applied = state["current"], frozenset(state["applied_event_ids"])
    snapshots = [item["payload"] for item in reversed(current["graph_snapshots"])]
    paper = member(member(snapshots[0], "graph_snapshot"), "paper") if snapshots else None
    links = bundle["links"]
    return {
        "@context": f"{base_url}/{CONTEXT_PATH}",
        "@id": bundle["pith_number"],
        "@type": "Record",
        "pith_number": bundle["pith_number"],
        "short_pith_number": bundle["short_pith_number"],
        "title": find_title([*titles, *map(snapshot_title, snapshots)], record),
        "headline": _text(member(paper, "headline")),
        "submitted_at": record["metadata"]["submitted_at"],
        "canonical_record": record,
        "canonical_sha256": bundle["canonical_sha256"],
        "receipt": _receipt(current),
        "source": bundle["source"],
        "source_aliases": bundle["source_aliases"],
        "same_as": same_as(bundle["source_aliases"]),
        "events": [_event(event, applied) for event in bundle["events"]],
        "state": {
            name: state[name] for name in ("state_sha256", "event_count", "equivocation_count")
        },
        "log": {"origin": origin, "size": size, "checkpoint": f"{base_url}/checkpoint"},
        "built_at": bundle["built_at"],
        "links": {
            **links,
            "badge": f"{links['resolver']}/badge.svg",
            "signing_keys": f"{base_url}/pith-signing-key.json",
        },
    }


def same_as(aliases: list[Mapping[str, str]]) -> list[str]:
    """Return where else in the world the work is found under its other names."""
    where = {"arxiv_version": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    return [
        where[alias["alias_kind"]] + alias["alias_value"]
        for alias in aliases
        if alias["alias_kind"] in where
    ]


def _receipt(current: Mapping[str, Any]) -> Any:
    created = current[RECORD_CREATED]
    return created["payload"]["receipt"] if created else None


def _event(event: Mapping[str, Any], applied: frozenset[str]) -> dict[str, Any]:
    names = ("event_id", "event_type", "target", "signer", "created_at")
    return {
        "@type": "Event",
        **{name: event[name] for name in names},
        "is_applied": event["event_id"] in applied,
    }


def _text(value: Any) -> str | None:
    return value if type(value) is str else None


def _ours(name: str, kind: str | None = None) -> dict[str, Any]:
    term = {"@id": f"{TERMS}{name}"}
    return {**term, "@type": kind} if kind else term


CONTEXT: Mapping[str, Any] = {
    "@context": {
        "@version": 1.1,
        "@protected": True,
        "Record": f"{TERMS}Record",
        "Event": f"{TERMS}Event",
        # What others have names for.
        "pith_number": f"{_SCHEMA}identifier",
        "title": f"{_SCHEMA}name",
        "headline": f"{_SCHEMA}headline",
        "same_as": {"@id": f"{_SCHEMA}sameAs", "@type": "@id"},
        "created_at": {"@id": f"{_SCHEMA}dateCreated", "@type": _TIME},
        "submitted_at": {"@id": f"{_SCHEMA}datePublished", "@type": _TIME},
        # What only a registry has.
        "canonical_record": _ours("canonical_record", "@json"),
        "receipt": _ours("receipt", "@json"),
        "events": {**_ours("events"), "@container": "@list"},
        "event_id": "@id",
        "source_aliases": {**_ours("source_aliases"), "@container": "@list"},
        "built_at": _ours("built_at", _TIME),
        **{name: _ours(name, _NUMBER) for name in ("version", "size", "event_count")},
        "equivocation_count": _ours("equivocation_count", _NUMBER),
        "checkpoint": _ours("checkpoint", "@id"),
        "links": {
            **_ours("links"),
            "@context": {
                name: _ours(f"link_{name}", "@id")
                for name in (
                    "resolver",
                    "bundle",
                    "state",
                    "well_known_bundle",
                    "badge",
                    "signing_keys",
                )
            },
        },
        **{
            name: _ours(name)
            for name in (
                "short_pith_number",
                "canonical_sha256",
                "source",
                "kind",
                "id",
                "alias_kind",
                "alias_value",
                "event_type",
                "target",
                "signer",
                "signer_id",
                "signer_type",
                "key_id",
                "public_key_fingerprint",
                "is_applied",
                "state",
                "state_sha256",
                "log",
                "origin",
            )
        },
    }
}
"""What is served at CONTEXT_PATH. It never changes its meaning; what is new is added."""
