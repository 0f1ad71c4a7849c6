"""A payload of every type that is about a record, right in all it says, and different by number."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from tests.simulators.events import PITH_KEY, SIGNER_ID, real_bundle
from translog.formats.keys import SigningKey
from translog.formats.strict import format_base64
from translog.pith.key import PithKey
from translog.pith.kinds import (
    author_attestation,
    block,
    citation_signature,
    correction,
    decisions,
    graph_snapshot,
    key_rotated,
    mirror_hint,
    record_mirrored,
    replication_record,
    storage_attestation,
)

URL = "https://mirror.example"
SUFFIX = "HAMJZSQVKL4VHWOAINCHUE26II"
TIME = "2026-06-01T00:00:00Z"
OTS_HEAD = bytes.fromhex("004f70656e54696d657374616d7073000050726f6f6600bf89e2e884e89294")


def attested(public_key: bytes, number: int = 0) -> dict[str, Any]:
    return author_attestation.build(
        author_name="A. Author", public_key=public_key, statement=f"statement {number}"
    )


def stored(number: int = 0) -> dict[str, Any]:
    content = b"capture %d" % number
    return storage_attestation.build(
        url="https://arxiv.org/pdf/2402.13753v1",
        captured_at=TIME,
        captured_sha256=sha256(content).hexdigest(),
        captured_bytes=len(content),
        media_type="application/pdf",
        archive_url="https://web.archive.org/web/2026/https://arxiv.org/pdf/2402.13753v1",
    )


def cited(number: int = 0) -> dict[str, Any]:
    return citation_signature.build(
        relationship="extends",
        cited_kind="arxiv",
        cited_id="2306.15595",
        claim_ids=["C1"],
        context=f"context {number}",
    )


def replicated(number: int = 0) -> dict[str, Any]:
    return replication_record.build(
        kind="replication",
        outcome="succeeded",
        performed_at=TIME,
        claim_ids=["C1", "C2"],
        evidence_url="https://example.org/run",
        evidence_sha256=sha256(b"run %d" % number).hexdigest(),
        summary="the same numbers",
    )


def erratum(number: int = 0) -> dict[str, Any]:
    return correction.build(
        action=correction.ERRATUM, reason=f"the license is another, {number}", field="license"
    )


def mirrored(number: int = 0) -> dict[str, Any]:
    return mirror_hint.build(name=f"Mirror {number}", base_url=URL, suffix=SUFFIX, status="active")


def snapshot(number: int = 0) -> dict[str, Any]:
    return graph_snapshot.build({"claims": {"items": [{"claim_id": "C1", "text": str(number)}]}})


def anchored(number: int = 0, digest: bytes = bytes(32)) -> dict[str, Any]:
    """Return an anchor whose proof has no operations: nobody who reads it would be convinced."""
    return {
        "proof_type": "opentimestamps",
        "proof_version": "1.0",
        "network": "regtest",
        "event_id": f"sha256:{digest.hex()}",
        "origin": "example.com/log",
        "index": 0,
        "tree_size": 1 + number,
        "root_hash": bytes(32).hex(),
        "ots_b64": format_base64(OTS_HEAD + b"\x01\x08" + digest),
        "attestations": [block.build_block(7, bytes(80))],
        "not_before": {"height": 6, "block_hash": bytes(32).hex()},
    }


def beacon(number: int = 0) -> dict[str, Any]:
    return {"network": "regtest", **block.build_block(number, number.to_bytes(80, "little"))}


def record_mirrored_by_us() -> dict[str, Any]:
    real = json.loads(real_bundle())
    return record_mirrored.build(
        pith_number=real["pith_number"],
        source_aliases=real["source_aliases"],
        bundle_sha256=bytes.fromhex(real["bundle_signature"]["bundle_sha256"]),
        bundle_key_fingerprint=real["bundle_signature"]["public_key_fingerprint"],
        source_url="https://pith.science",
    )


def allowed(key: PithKey = PITH_KEY, **changes: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "signer_id": SIGNER_ID,
        "event_types": ["author_attestation", "correction"],
        "held_types": ["correction"],
        "subjects": [f"pith:2024:{SUFFIX}"],
    }
    return decisions.build_allowed(key=key, **(wanted | changes))


def judged(reason: str = "", event_id: str = f"sha256:{'0' * 64}") -> dict[str, Any]:
    return decisions.build_judged(
        event_id=event_id, fingerprint=PITH_KEY.fingerprint, reason=reason
    )


def rotated(old: SigningKey, new: SigningKey) -> dict[str, Any]:
    key = replace(PITH_KEY, public_key=new.public_key, key_id="example-2027")
    return key_rotated.build(old_public_key=old.public_key, new=key, new_signing_key=new)


PAYLOADS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "graph_snapshot": snapshot,
    "timestamp_anchor": anchored,
    "storage_attestation": stored,
    "citation_signature": cited,
    "replication_record": replicated,
    "correction": erratum,
    "mirror_hint": mirrored,
}
"""All but those that follow from a record or a key."""
