"""Papers with titles, and what can be said about them in every type of event."""

from hashlib import sha256
from typing import Any

from tests.simulators.events import (
    CREATED_AT,
    KEY,
    KEY_ID,
    SIGNED_AT,
    signer,
)
from translog.formats.keys import SigningKey
from translog.pith import event
from translog.pith.receipt import make_receipt
from translog.pith.record import canonical_sha256, canonical_text, pith_number


def paper(title: str, number: int = 1, version: int = 1) -> dict[str, Any]:
    """Return the canonical record of a paper with this title."""
    return {
        "schema_version": "1.0",
        "source": {"kind": "arxiv", "id": f"2607.{number:05d}", "version": version},
        "metadata": {
            "license": "http://creativecommons.org/licenses/by/4.0/",
            "primary_cat": "cs.CL",
            "submitted_at": "2026-07-01T00:00:00Z",
            "cross_cats_sorted": [],
            "title_canon_sha256": sha256(canonical_text(title).encode()).hexdigest(),
            "abstract_canon_sha256": sha256(b"abstract").hexdigest(),
        },
    }


def say(
    about: dict[str, Any],
    event_type: str,
    payload: dict[str, Any],
    key: SigningKey = KEY,
    **changes: Any,
) -> dict[str, Any]:
    """Return a signed event about a record."""
    draft = {
        "schema_version": "1.0",
        "event_type": event_type,
        "subject_pith_number": pith_number(about),
        "target": "record",
        "payload": payload,
        "signer": signer(key),
        "created_at": CREATED_AT,
        "supersedes": [],
        "prev_event": None,
        **changes,
    }
    return event.sign(draft, key, SIGNED_AT)


def creation(about: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the event that creates a record."""
    receipt = make_receipt(about, KEY, key_id=KEY_ID, builder_version="test", now=SIGNED_AT)
    payload = {
        "canonical_record": about,
        "canonical_sha256": canonical_sha256(about).hex(),
        "receipt": receipt,
        "attestation_state": "computed",
        **{f"source_{name}": value for name, value in about["source"].items()},
    }
    return say(about, "record_created", payload, **changes)


def graph(about: dict[str, Any], title: Any, **more: Any) -> dict[str, Any]:
    """Return a snapshot that gives a record a title, right or wrong, and whatever else."""
    snapshot = {"paper": {"title": title, "headline": "A headline", "authors_text": "A. One"}}
    payload = {"graph_snapshot": {**snapshot, **more}, "verdict_id": None}
    return say(about, "graph_snapshot", payload)


def citation(about: dict[str, Any], kind: str, name: str, **more: Any) -> dict[str, Any]:
    """Return an event in which a record cites something."""
    payload = {
        "relationship": "extends",
        "cited": {"kind": kind, "id": name},
        "claim_ids": [],
        "context": "in section 3",
    }
    return say(about, "citation_signature", {**payload, **more})


PAYLOADS: dict[str, dict[str, Any]] = {
    "author_attestation": {
        "attests": "claims",
        "author_name": "Ada Author",
        "orcid": "0000-0002-1825-0097",
        "author_public_key_hex": KEY.public_key.hex(),
        "claim_ids": ["C1", "C2"],
        "statement": "Both hold.",
    },
    "storage_attestation": {
        "url": "https://arxiv.org/pdf/2607.00001v1",
        "captured_at": "2026-07-02T10:00:00Z",
        "captured_sha256": "ab" * 32,
        "captured_bytes": 123_456,
        "media_type": "application/pdf",
        "archive_url": "https://web.archive.org/web/2026/https://arxiv.org/",
    },
    "citation_signature": {
        "relationship": "uses_method",
        "cited": {"kind": "arxiv", "id": "2306.15595"},
        "claim_ids": [],
        "context": "section 2",
    },
    "replication_record": {
        "kind": "replication",
        "outcome": "partly",
        "performed_at": "2026-07-03T00:00:00Z",
        "claim_ids": ["C1"],
        "evidence_url": "https://example.org/run",
        "evidence_sha256": None,
        "summary": "C1 holds on half of the data.",
    },
    "correction": {
        "action": "erratum",
        "corrected_event": None,
        "field": "license",
        "reason": "The license was changed in version 2.",
    },
    "mirror_hint": {
        "mirror_type": "https",
        "name": "Mirror",
        "base_url": "https://mirror.example",
        "status": "active",
        "bundle_url": "https://mirror.example/pith/A/bundle.json",
        "state_url": "https://mirror.example/pith/A/state.json",
        "well_known_bundle_url": "https://mirror.example/.well-known/pith/A/bundle.json",
    },
}
"""One payload of each type that is about a record, and is no proof."""
