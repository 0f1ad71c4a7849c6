"""Making bundles: docs/formats/bundle.md. Reading them is `bundle`."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from translog.errors import MissingError, TooLargeError, TranslogError
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.pith.bundle import MAX_BUNDLE_BYTES, SIGNED_MESSAGE
from translog.pith.event import RECORD_CREATED, Event, check_subject, from_value
from translog.pith.key import PithKey, keyring
from translog.pith.listed import ListedKey, disowned_by, open_rotation
from translog.pith.merge import MERGE_VERSION, merge, order
from translog.pith.record import aliases, canonical_sha256, parse_pith_number
from translog.pith.signature import Signature

MAX_CONTENT_BYTES = MAX_BUNDLE_BYTES - 4096  # room for the signature


def build_bundle(
    *,
    pith_number: str,
    events: Iterable[Mapping[str, Any]],
    keys: Sequence[PithKey | ListedKey],
    source_aliases: Sequence[Mapping[str, str]] | None = None,
    built_at: str,
    base_url: str,
    timestamp_proofs: Sequence[Mapping[str, Any]],
    mirror_hints: Sequence[Mapping[str, Any]],
    signing_key: SigningKey,
) -> dict[str, Any]:
    """Make a bundle. The same arguments, in any order of events, give the same bundle.

    Args:
        pith_number: of the record.
        events: whole well-formed events about it, in any order.
        keys: the keys whose events count in the state, with what happened to them; the signing
            key is one of them, and what is said of keys is right.
        source_aliases: the record's other names, where more than the record is known of them;
            otherwise they are as old as the event that creates it.
        built_at: YYYY-MM-DDTHH:MM:SSZ.
        base_url: where it will be served, without a slash at the end.
        timestamp_proofs: as they shall stand in it.
        mirror_hints: as they shall stand in it.
        signing_key: of the party that builds it.

    Raises:
        MalformedError, HashError: an event is not one.
        MissingError: no event creates this record.
        TooLargeError: nobody would read a bundle as large as this one.
    """
    listed = [key if isinstance(key, ListedKey) else ListedKey(key=key) for key in keys]
    ring = keyring(each.key.public_key for each in listed)
    signer = {each.key.public_key: each.key for each in listed}[signing_key.public_key]
    # Sorted first: the same event can come in two forms, that differ in what is not signed.
    parsed = {event.event_id: event for event in map(from_value, sorted(events, key=canonical))}
    ordered = sorted(parsed.values(), key=order)
    record, created_at = _created_record(pith_number, ordered)
    names = list(source_aliases or aliases(record, created_at))
    number = parse_pith_number(pith_number)
    values = [event.value for event in ordered]
    bundle = {
        "bundle_type": "pith_open_graph_bundle",
        "bundle_version": "1.0",
        "pith_number": pith_number,
        "short_pith_number": number.short,
        "canonical_record": record,
        "canonical_sha256": canonical_sha256(record).hex(),
        "source": record["source"],
        "source_aliases": names,
        "events": values,
        "timestamp_proofs": list(timestamp_proofs),
        "mirror_hints": list(mirror_hints),
        "public_keys": [each.to_json() for each in listed],
        "merge_version": MERGE_VERSION,
        "built_at": built_at,
        "links": {
            "resolver": f"{base_url}/pith/{number.suffix}",
            "bundle": f"{base_url}/pith/{number.suffix}/bundle.json",
            "state": f"{base_url}/pith/{number.suffix}/state.json",
            "well_known_bundle": f"{base_url}/.well-known/pith/{number.suffix}/bundle.json",
        },
        "state": merge(
            pith_number,
            record,
            names,
            values,
            ring.values(),
            rotations=[open_rotation(each, ring) for each in listed if each.rotation is not None],
            disowned=disowned_by(listed),
        ),
    }
    content = canonical(bundle)
    if len(content) > MAX_CONTENT_BYTES:
        raise TooLargeError(
            f"bundle content has {len(content)} bytes, want at most {MAX_CONTENT_BYTES}"
        )
    digest = sha256(content).digest()
    signed_at = built_at.replace("Z", ".000000Z")
    signature = Signature.make(digest, signing_key, key_id=signer.key_id, signed_at=signed_at)
    return {
        **bundle,
        "bundle_signature": {
            **signature.to_json(SIGNED_MESSAGE),
            "bundle_sha256": digest.hex(),
        },
    }


def _created_record(pith_number: str, events: Iterable[Event]) -> tuple[dict[str, Any], str]:
    """Return the record with this number, and when the first event to create it was made."""
    for event in events:
        if event.event_type == RECORD_CREATED and event.subject == pith_number:
            try:
                check_subject(event)
            except TranslogError:
                continue
            return event.value["payload"]["canonical_record"], event.created_at
    raise MissingError(f"no event creates the record {pith_number}")
