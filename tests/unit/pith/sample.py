"""The real bundle, and events of our own about the same record, signed with keys of known seeds."""

import json
from collections.abc import Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

from tests.simulators.payloads import attested
from translog.formats.keys import SigningKey
from translog.pith.event import sign
from translog.pith.key import PINNED, PithKey, fingerprint_hex
from translog.pith.receipt import make_receipt

RAW = (files("translog.data") / "HAMJZSQVKL4VHWOAINCHUE26II.bundle.json").read_bytes()
REAL: dict[str, Any] = json.loads(RAW)
RECORD: dict[str, Any] = REAL["canonical_record"]
NUMBER = "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II"
PITH = PINNED["pith.science"].public_key

ALICE, BOB, MALLORY = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
NOW = "2026-06-01T12:00:00.000000Z"


def pith_key(key: SigningKey, key_id: str = "key-1") -> PithKey:
    return PithKey(
        key_id=key_id,
        public_key=key.public_key,
        signer_id=None,
        rotates_at=None,
        url="https://example.org/key.json",
        notes="",
    )


def draft(key: SigningKey, **members: Any) -> dict[str, Any]:
    return {
        "schema_version": "1.0",
        "event_type": "author_attestation",
        "subject_pith_number": NUMBER,
        "target": "record",
        "payload": attested(key.public_key),
        "signer": {
            "signer_id": "example.org",
            "signer_type": "author",
            "key_id": "key-1",
            "public_key_fingerprint": fingerprint_hex(key.public_key),
        },
        "created_at": "2026-06-01T12:00:00Z",
        "supersedes": [],
        "prev_event": None,
        **members,
    }


def note_event(key: SigningKey, **members: Any) -> dict[str, Any]:
    return sign(draft(key, **members), key, NOW)


def created(
    key: SigningKey, record: Mapping[str, Any] = RECORD, payload: Any = None, **members: Any
) -> dict[str, Any]:
    receipt = make_receipt(record, key, key_id="key-1", builder_version="test-1", now=NOW)
    whole = {
        "canonical_record": record,
        "canonical_sha256": receipt["canonical_sha256"],
        "receipt": receipt,
        "attestation_state": "computed",
        "source_kind": record["source"]["kind"],
        "source_id": record["source"]["id"],
        "source_version": record["source"]["version"],
        **(payload or {}),
    }
    return note_event(key, event_type="record_created", payload=whole, **members)


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Return a copy in which the member at `path` is `new`."""
    value = deepcopy(value)
    inside = value
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = new
    return value
