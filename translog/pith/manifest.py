"""Documents about the registry itself: its mirrors and its keys. docs/formats/mirrors.md."""

from collections.abc import Iterable, Mapping
from typing import Any

from translog.pith.key import PithKey
from translog.pith.merge import MERGE_VERSION

SUFFIX = "{suffix}"


def mirror(name: str, base_url: str, public_key: PithKey, status: str) -> dict[str, Any]:
    """Return a row of a mirror manifest.

    Args:
        base_url: without a slash at the end.
        public_key: that signs the bundles served there.
        status: "primary" for who serves the manifest, "source" for whom it mirrors.
    """
    return {
        "name": name,
        "mirror_type": "https",
        "base_url": base_url,
        "bundle_pattern": f"{base_url}/pith/{SUFFIX}/bundle.json",
        "state_pattern": f"{base_url}/pith/{SUFFIX}/state.json",
        "well_known_pattern": f"{base_url}/.well-known/pith/{SUFFIX}/bundle.json",
        "public_key": public_key.to_json(),
        "status": status,
    }


def mirror_manifest(mirrors: Iterable[Mapping[str, Any]], generated_at: str) -> dict[str, Any]:
    """Return the mirror manifest: where the records are served, and under which keys."""
    return {
        "manifest_type": "pith_mirror_manifest",
        "manifest_version": "1.0",
        "generated_at": generated_at,
        "merge_version": MERGE_VERSION,
        "mirrors": list(mirrors),
        "notes": "The same events give the same state everywhere; each mirror signs its own"
        " bundles. Keys named here are claims: pin those you trust.",
    }


def signing_keys(keys: Iterable[Mapping[str, Any]], generated_at: str) -> dict[str, Any]:
    """Return the document of the keys with which a registry signs, and has signed.

    Args:
        keys: rows as `signing_key` makes them, the current key first.
    """
    rows = list(keys)
    return {
        "document_type": "pith_signing_keys",
        "document_version": "1.0",
        "generated_at": generated_at,
        "current": rows[0]["key_id"],
        "keys": rows,
        "notes": "A key found here is a claim: compare its fingerprint with one you got elsewhere.",
    }


def signing_key(key: PithKey, *, valid_from: str | None, valid_until: str | None) -> dict[str, Any]:
    """Return a row: a key, and from when until when its signatures count (None: no bound)."""
    return {**key.to_json(), "valid_from": valid_from, "valid_until": valid_until}
