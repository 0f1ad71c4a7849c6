"""Receipts: the registry's signature of a canonical record. docs/formats/event.md, "Receipts"."""

from collections.abc import Mapping
from typing import Any

from translog.errors import SubjectError
from translog.formats.keys import SigningKey
from translog.pith import shape
from translog.pith.record import canonical_sha256, check_record
from translog.pith.signature import NAMES, Signature

SIGNED_MESSAGE = "canonical_sha256_bytes"

_FIELDS = NAMES | {
    "kind",
    "receipt_version",
    "builder_version",
    "canonical_sha256",
    "first_computed_at",
    "last_reissued_at",
}


def parse_receipt(receipt: Any) -> Signature:
    """Check the shape of a receipt and return its signature, unverified.

    Raises:
        MalformedError: a member is missing, unknown or not of its kind.
    """
    shape.exact(receipt, _FIELDS, "receipt")
    shape.constant(receipt, "kind", "pith_receipt", "receipt")
    shape.constant(receipt, "receipt_version", "0.3", "receipt")
    shape.label(receipt, "builder_version", "receipt")
    shape.hex_digits(receipt, "canonical_sha256", 32, "receipt")
    shape.moment(receipt, "first_computed_at", "receipt")
    shape.moment(receipt, "last_reissued_at", "receipt")
    return Signature.from_json(receipt, SIGNED_MESSAGE, "receipt")


def check_receipt(receipt: Any, record_sha256: bytes) -> Signature:
    """Check that a receipt is for the record of this hash; return its signature, unverified.

    Raises:
        MalformedError: it is not a receipt.
        SubjectError: it is another record's.
    """
    signature = parse_receipt(receipt)
    want = record_sha256.hex()
    if receipt["canonical_sha256"] != want:
        raise SubjectError(f"receipt is for record {receipt['canonical_sha256']}, want {want}")
    return signature


def verify_receipt(receipt: Any, record: Mapping[str, Any], public_key: bytes) -> None:
    """Check that the holder of `public_key` signed `record`.

    Raises:
        MalformedError: the receipt is not one.
        SubjectError: it is another record's.
        SignatureError: it was not signed by this key.
    """
    digest = canonical_sha256(record)
    check_receipt(receipt, digest).verify(digest, public_key)


def make_receipt(
    record: Mapping[str, Any], key: SigningKey, *, key_id: str, builder_version: str, now: str
) -> dict[str, str]:
    """Sign a record for the first time, at `now` (YYYY-MM-DDTHH:MM:SS.ffffffZ).

    Raises:
        MalformedError: the record is not one, or what is made would not be a receipt.
    """
    check_record(record)
    digest = canonical_sha256(record)
    receipt = {
        "kind": "pith_receipt",
        "receipt_version": "0.3",
        "builder_version": builder_version,
        "canonical_sha256": digest.hex(),
        "first_computed_at": now,
        "last_reissued_at": now,
        **Signature.make(digest, key, key_id=key_id, signed_at=now).to_json(SIGNED_MESSAGE),
    }
    parse_receipt(receipt)
    return receipt
