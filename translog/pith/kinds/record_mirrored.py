"""`record_mirrored`: under which names, and since when, a record was known where a log has it from.

Spec: docs/formats/events/record_mirrored.md. Names follow from a record, the dates beside them do
not: they are in bundles, which are not logged. A mirror that logs them so can be held to them, and
its state of the record is that of its source, byte for byte.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from translog.pith import shape
from translog.pith.key import FINGERPRINT_BYTES
from translog.pith.kinds import members
from translog.pith.record import check_aliases, parse_pith_number

TYPE = "record_mirrored"

_PAYLOAD = frozenset(
    {"pith_number", "source_aliases", "bundle_sha256", "bundle_key_fingerprint", "source_url"}
)


def check(payload: Mapping[str, Any], origin: str, fingerprint: str) -> None:
    """Check the payload, or raise MalformedError."""
    shape.exact(payload, _PAYLOAD, TYPE)
    parse_pith_number(payload["pith_number"])
    check_aliases(shape.array(payload, "source_aliases", TYPE))
    shape.hex_digits(payload, "bundle_sha256", 32, TYPE)
    shape.hex_digits(payload, "bundle_key_fingerprint", FINGERPRINT_BYTES, TYPE)
    members.optional(members.url, payload, "source_url", TYPE)


def build(
    *,
    pith_number: str,
    source_aliases: Iterable[Mapping[str, str]],
    bundle_sha256: bytes,
    bundle_key_fingerprint: str,
    source_url: str | None,
) -> dict[str, Any]:
    """Return the payload.

    Args:
        source_aliases: as the bundle has them.
        bundle_sha256: 32 bytes, the hash of the bundle, and with it what its key signed.
        bundle_key_fingerprint: of the key that signed it.
        source_url: where it was served, or None where it came as a file.
    """
    return {
        "pith_number": pith_number,
        "source_aliases": [dict(alias) for alias in source_aliases],
        "bundle_sha256": bundle_sha256.hex(),
        "bundle_key_fingerprint": bundle_key_fingerprint,
        "source_url": source_url,
    }
