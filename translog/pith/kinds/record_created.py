"""`record_created`: a registry has made the record that the event is about.

Spec: docs/formats/events/record_created.md. Everything in the payload is about one record, and
the subject is that record's number.
"""

from collections.abc import Mapping
from typing import Any

from translog.errors import MalformedError, SubjectError
from translog.formats.strict import shown
from translog.pith import shape
from translog.pith.receipt import check_receipt
from translog.pith.record import PithNumber, check_number

TYPE = "record_created"

_PAYLOAD = frozenset(
    {
        "canonical_record",
        "canonical_sha256",
        "receipt",
        "attestation_state",
        "source_kind",
        "source_id",
        "source_version",
    }
)


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload. It may have other members.

    Raises:
        MalformedError: it is not one.
        SubjectError: its record has another number, or its parts are about different records.
    """
    if not payload.keys() >= _PAYLOAD:
        lacks = sorted(_PAYLOAD - payload.keys())
        raise MalformedError(f"{TYPE} payload lacks {', '.join(lacks)}")
    shape.label(payload, "attestation_state", "payload")
    record = payload["canonical_record"]
    digest = check_number(record, number)
    computed = digest.hex()
    if payload["canonical_sha256"] != computed:
        raise SubjectError(
            f"payload canonical_sha256 is {shown(payload['canonical_sha256'])}, computed {computed}"
        )
    for name, want in record["source"].items():
        found = payload[f"source_{name}"]
        if type(found) is not type(want) or found != want:
            raise SubjectError(f"payload source_{name} is {shown(found)}, want {want!r}")
    check_receipt(payload["receipt"], digest)


def build(record: Mapping[str, Any], receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload for a record and its receipt."""
    source = record["source"]
    return {
        "canonical_record": record,
        "canonical_sha256": receipt["canonical_sha256"],
        "receipt": receipt,
        "attestation_state": "computed",
        "source_kind": source["kind"],
        "source_id": source["id"],
        "source_version": source["version"],
    }
