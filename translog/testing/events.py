"""Signed events for tests: small, valid, and the same for the same arguments."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from translog.formats.keys import SigningKey
from translog.pith import event
from translog.pith.event import Event
from translog.pith.key import PithKey, fingerprint_hex
from translog.pith.kinds import author_attestation, record_created
from translog.pith.receipt import make_receipt
from translog.pith.record import canonical_sha256, pith_number

CREATED_AT = "2026-06-01T00:00:00Z"
SIGNED_AT = "2026-06-01T00:00:00.000000Z"
SIGNER_ID = "registry.example"
KEY_ID = "example-2026"


def signing_key(name: str = "registry") -> SigningKey:
    """Return the private key of this name: anybody can make it, so it proves nothing."""
    return SigningKey(sha256(b"translog testing key of " + name.encode()).digest())


KEY = signing_key()


def pith_key(key: SigningKey = KEY) -> PithKey:
    """Return the public half, as a log publishes it."""
    return PithKey(
        key_id=KEY_ID,
        public_key=key.public_key,
        signer_id=SIGNER_ID,
        rotates_at=None,
        url="https://registry.example/key.json",
        notes="",
    )


def record(number: int) -> dict[str, Any]:
    """Return the canonical record of paper `number`."""
    return {
        "schema_version": "1.0",
        "source": {"kind": "arxiv", "id": f"2606.{number:05d}", "version": 1},
        "metadata": {
            "license": None,
            "primary_cat": "cs.CL",
            "submitted_at": CREATED_AT,
            "cross_cats_sorted": [],
            "title_canon_sha256": sha256(b"title %d" % number).hexdigest(),
            "abstract_canon_sha256": sha256(b"abstract %d" % number).hexdigest(),
        },
    }


@lru_cache(maxsize=4096)
def number_of(paper: int) -> str:
    """Return the Pith Number of paper `paper`."""
    return pith_number(record(paper))


def creation(paper: int, key: SigningKey = KEY, **changes: Any) -> Event:
    """Return the `record_created` of a paper; `changes` are members of its content."""
    about = record(paper)
    payload = {
        "canonical_record": about,
        "canonical_sha256": canonical_sha256(about).hex(),
        "receipt": make_receipt(
            about, key, key_id=KEY_ID, builder_version="testing", now=SIGNED_AT
        ),
        "attestation_state": "computed",
        **{f"source_{name}": value for name, value in about["source"].items()},
    }
    return signed(record_created.TYPE, number_of(paper), payload, key, changes)


def attestation(number: int, paper: int = 0, key: SigningKey = KEY, **changes: Any) -> Event:
    """Return the `author_attestation` of this number about a paper."""
    payload = author_attestation.build(
        author_name="An Author", public_key=key.public_key, statement=f"attestation {number}"
    )
    return signed(author_attestation.TYPE, number_of(paper), payload, key, changes)


def signed(
    event_type: str,
    subject: str,
    payload: Mapping[str, Any],
    key: SigningKey,
    changes: Mapping[str, Any],
) -> Event:
    """Return any event, signed."""
    draft = {
        "schema_version": "1.0",
        "event_type": event_type,
        "subject_pith_number": subject,
        "target": "record",
        "payload": dict(payload),
        "signer": {
            "signer_id": SIGNER_ID,
            "signer_type": "pith_registry",
            "key_id": KEY_ID,
            "public_key_fingerprint": fingerprint_hex(key.public_key),
        },
        "created_at": CREATED_AT,
        "supersedes": [],
        "prev_event": None,
        **changes,
    }
    return event.from_value(event.sign(draft, key, SIGNED_AT))
