"""Signed events in the shape of real ones, as many as wanted, the same for the same seed."""

import json
import random
from base64 import b64encode
from hashlib import sha256, sha512
from importlib import resources
from typing import Any

from nacl.bindings import (
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
)

from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.pith import event
from translog.pith.key import PithKey, fingerprint_hex
from translog.pith.receipt import make_receipt
from translog.pith.record import canonical_sha256, pith_number

BUNDLE = "HAMJZSQVKL4VHWOAINCHUE26II.bundle.json"
CREATED_AT = "2026-06-01T00:00:00Z"
SIGNED_AT = "2026-06-01T00:00:00.000000Z"
SIGNER_ID = "registry.example"
KEY_ID = "example-2026"
KEY_SEED = sha256(b"translog test signer").digest()
KEY = SigningKey(KEY_SEED)
ALIKE = (975_203, 1_665_936)  # two papers whose Pith Numbers begin with the same 8 characters
PITH_KEY = PithKey(
    key_id=KEY_ID,
    public_key=KEY.public_key,
    signer_id=SIGNER_ID,
    rotates_at=None,
    url="https://registry.example/key.json",
    notes="",
)


def real_bundle() -> bytes:
    """Return the real bundle as it was published."""
    return resources.files("translog.data").joinpath(BUNDLE).read_bytes()


def real_events() -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(real_bundle())["events"]
    return events


def signer(key: SigningKey = KEY) -> dict[str, str]:
    return {
        "signer_id": SIGNER_ID,
        "signer_type": "pith_registry",
        "key_id": KEY_ID,
        "public_key_fingerprint": fingerprint_hex(key.public_key),
    }


def record(number: int) -> dict[str, Any]:
    """Return the canonical record of paper `number`."""
    return {
        "schema_version": "1.0",
        "source": {"kind": "arxiv", "id": f"2606.{number:05d}", "version": 1},
        "metadata": {
            "license": "http://creativecommons.org/licenses/by/4.0/",
            "primary_cat": "cs.CL",
            "submitted_at": "2026-06-01T00:00:00Z",
            "cross_cats_sorted": [],
            "title_canon_sha256": sha256(b"title %d" % number).hexdigest(),
            "abstract_canon_sha256": sha256(b"abstract %d" % number).hexdigest(),
        },
    }


def created(number: int, key: SigningKey = KEY) -> dict[str, Any]:
    """Return the signed `record_created` event of paper `number`."""
    about = record(number)
    receipt = make_receipt(
        about,
        key,
        key_id=KEY_ID,
        builder_version="test",
        now=SIGNED_AT,
    )
    payload = {
        "canonical_record": about,
        "canonical_sha256": canonical_sha256(about).hex(),
        "receipt": receipt,
        "attestation_state": "computed",
        "source_kind": "arxiv",
        "source_id": about["source"]["id"],
        "source_version": 1,
    }
    return signed("record_created", "record", pith_number(about), payload, key)


def snapshot(number: int, key: SigningKey = KEY, items: int = 5) -> dict[str, Any]:
    """Return a signed `graph_snapshot` event of paper `number`: up to 6 KB with all its items.

    Its members are the real one's; whatever differs from paper to paper is made up.
    """
    random_ = random.Random(number)
    payload = _vary(real_payload(), random_)
    claims = payload["graph_snapshot"]["claims"]
    claims["items"] = claims["items"][:items]
    claims["count"] = len(claims["items"])
    claims["snapshot_sha256"] = _rows_sha256(claims["items"])
    payload["graph_snapshot"]["author_claims"]["snapshot_sha256"] = _rows_sha256([])
    return signed("graph_snapshot", "graph", pith_number(record(number)), payload, key)


def signed_again(event_: dict[str, Any], nonce: int) -> dict[str, Any]:
    """Return the same event with another signature of KEY's, as valid as the first.

    Ed25519's nonce is derived from the message by everyone who means well.
    """
    digest = bytes.fromhex(event_["content_sha256"])
    half = sha512(KEY_SEED).digest()[:32]
    clamped = bytes([half[0] & 248]) + half[1:31] + bytes([half[31] & 63 | 64])
    a = crypto_core_ed25519_scalar_reduce(clamped + bytes(32))
    r = nonce.to_bytes(32, "little")
    R = crypto_scalarmult_ed25519_base_noclamp(r)
    k = crypto_core_ed25519_scalar_reduce(sha512(R + KEY.public_key + digest).digest())
    S = crypto_core_ed25519_scalar_add(r, crypto_core_ed25519_scalar_mul(k, a))
    return {
        **event_,
        "signature": {**event_["signature"], "signature_b64": b64encode(R + S).decode()},
    }


def _rows_sha256(rows: list[Any]) -> str:
    return sha256(canonical({"payload": rows})).hexdigest()


def _vary(value: Any, random_: random.Random) -> Any:
    """Return a value of the same shape, with other texts and identifiers of the same length."""
    if isinstance(value, dict):
        return {name: _vary(member, random_) for name, member in value.items()}
    if isinstance(value, list):
        return [_vary(member, random_) for member in value]
    if isinstance(value, str) and " " in value:
        return _words(random_, len(value) // 4)[: len(value)].strip()
    if isinstance(value, str) and len(value) >= 32 and set(value) <= set("0123456789abcdef-"):
        digits = iter(random_.choices("0123456789abcdef", k=len(value)))
        return "".join("-" if letter == "-" else next(digits) for letter in value)
    return value


def real_payload() -> dict[str, Any]:
    payload: dict[str, Any] = real_events()[1]["payload"]
    return payload


def _words(random_: random.Random, count: int) -> str:
    letters = "etaoinshrdlucmfwypvbgk"
    return " ".join(
        "".join(random_.choices(letters, k=random_.randint(2, 10))) for _ in range(count)
    )


def signed(
    event_type: str, target: str, subject: str, payload: dict[str, Any], key: SigningKey
) -> dict[str, Any]:
    """Return a signed event of any type."""
    draft = {
        "event_type": event_type,
        "subject_pith_number": subject,
        "target": target,
        "payload": payload,
        "signer": signer(key),
        "created_at": CREATED_AT,
        "supersedes": [],
        "prev_event": None,
        "schema_version": "1.0",
    }
    return event.sign(draft, key, SIGNED_AT)
