"""`mirror_hint`: where else this record is served.

Spec: docs/formats/events/mirror_hint.md. The members are those that bundles list mirrors with.
"""

from collections.abc import Mapping
from typing import Any

from translog.pith import shape
from translog.pith.kinds import members
from translog.pith.record import PithNumber

TYPE = "mirror_hint"
STATUSES = frozenset({"primary", "active", "retired"})

_TYPES = frozenset({"http", "https"})
_URLS = ("bundle_url", "state_url", "well_known_bundle_url")
_PAYLOAD = frozenset({"mirror_type", "name", "base_url", "status", *_URLS})


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload, or raise MalformedError."""
    shape.exact(payload, _PAYLOAD, TYPE)
    mirror_type = members.choice(payload, "mirror_type", TYPE, _TYPES)
    shape.label(payload, "name", TYPE)
    members.choice(payload, "status", TYPE, STATUSES)
    base = members.url(payload, "base_url", TYPE)
    if not base.startswith(f"{mirror_type}://") or base.endswith("/"):
        members.refuse(base, "base_url", TYPE, f"one of {mirror_type}, without a slash at the end")
    for name in _URLS:
        url = members.url(payload, name, TYPE)
        if not url.startswith(f"{base}/"):
            members.refuse(url, name, TYPE, f"one under {base}")


def build(*, name: str, base_url: str, suffix: str, status: str) -> dict[str, Any]:
    """Return the payload for a mirror with the usual paths, at a URL without a slash at its end.

    Args:
        suffix: the 26 characters of the record.
    """
    return {
        "mirror_type": base_url.partition(":")[0],
        "name": name,
        "base_url": base_url,
        "bundle_url": f"{base_url}/pith/{suffix}/bundle.json",
        "state_url": f"{base_url}/pith/{suffix}/state.json",
        "well_known_bundle_url": f"{base_url}/.well-known/pith/{suffix}/bundle.json",
        "status": status,
    }
