"""`storage_attestation`: these bytes were at this address then.

Spec: docs/formats/events/storage_attestation.md. Whoever has the bytes can hash them; whoever
signs says that the address served them.
"""

from collections.abc import Mapping
from typing import Any

from translog.pith import shape
from translog.pith.kinds import members
from translog.pith.record import PithNumber

TYPE = "storage_attestation"

_PAYLOAD = frozenset(
    {"url", "captured_at", "captured_sha256", "captured_bytes", "media_type", "archive_url"}
)


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload, or raise MalformedError."""
    shape.exact(payload, _PAYLOAD, TYPE)
    members.url(payload, "url", TYPE)
    shape.seconds(payload, "captured_at", TYPE)
    shape.hex_digits(payload, "captured_sha256", 32, TYPE)
    members.integer(payload, "captured_bytes", TYPE)
    members.optional(shape.label, payload, "media_type", TYPE)
    members.optional(members.url, payload, "archive_url", TYPE)


def build(
    *,
    url: str,
    captured_at: str,
    captured_sha256: str,
    captured_bytes: int,
    media_type: str | None = None,
    archive_url: str | None = None,
) -> dict[str, Any]:
    """Return the payload."""
    return {
        "url": url,
        "captured_at": captured_at,
        "captured_sha256": captured_sha256,
        "captured_bytes": captured_bytes,
        "media_type": media_type,
        "archive_url": archive_url,
    }
