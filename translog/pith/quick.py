"""Events as they mostly are, read in a third of the time: docs/decisions/0021.

msgspec reads JSON into objects of a stated shape in native code. That passes nearly every event
that a log is sent: canonical text, nothing unusual in it. For anything else, and for whatever is
wrong, `read` returns None, and `event.parse` and `event.check_subject` decide and say why. So
nothing is accepted here that they would refuse, or read in another way.

The proof has two parts. The text equals what is written of the object that was read from it, so it
is canonical: no key twice, no white space, no other spelling of a string or a number. And every
condition of the slow way is stated again, in the types of `structs` or here.
"""

from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from translog.errors import MalformedError
from translog.formats.canonical import compact
from translog.pith import structs
from translog.pith.event import (
    MAX_CONTENT_BYTES,
    RECORD_CREATED,
    Event,
    Signer,
    signer_of,
)
from translog.pith.kinds.graph_snapshot import NO_ROWS_SHA256
from translog.pith.kinds.graph_snapshot import TYPE as GRAPH_SNAPSHOT
from translog.pith.record import is_number, parse_pith_number
from translog.pith.shape import is_event_id
from translog.pith.structs import write


class Passed(NamedTuple):
    """What a log keeps of an event that `check_subject` would pass.

    The attributes are those of `Event`, but for one; like there, its signature is not verified.

    Attributes:
        supersedes: the ids of the events that it takes the place of.
    """

    content: bytes
    content_sha256: bytes
    event_type: str
    subject: str
    signer: Signer
    signature: bytes
    signed_at: str
    supersedes: list[str]


_UNKNOWN = (msgspec.MsgspecError, MalformedError, ValueError, RecursionError)


def read(raw: bytes) -> Event | Passed | None:
    """Return what `event.parse` would, or `Passed` where `check_subject` would pass it too.

    None: it is not known here what this is.
    """
    if len(raw) > MAX_CONTENT_BYTES:
        return None
    try:
        if raw.startswith(_CREATION, _AFTER_ID):
            return _creation(raw)
        if raw.startswith(_SNAPSHOT, _AFTER_ID):
            with suppress(*_UNKNOWN):  # it may have members of its own
                return _snapshot(raw)
        return _other(raw)
    except _UNKNOWN:
        return None


# Where canonical text has what is not content, and where the type stands after that.
_AFTER_HASH = len('{"content_sha256":"",') + 64
_AFTER_TIME = _AFTER_HASH + len('"created_at":"0000-00-00T00:00:00Z",')
_AFTER_ID = _AFTER_TIME + len('"event_id":"sha256:",') + 64
_CREATION = b'"event_type":"%b",' % RECORD_CREATED.encode()
_SNAPSHOT = b'"event_type":"%b",' % GRAPH_SNAPSHOT.encode()

_OTHERWISE = "not an event as most are"

_MICROS = b"0000-00-00T00:00:00.000000Z"
_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def _creation(raw: bytes) -> Passed:
    event = structs.read_creation(raw)
    record_sha256 = sha256(write(event.payload.canonical_record)).digest()
    if not _is_of_its_record(event, record_sha256):
        raise ValueError(_OTHERWISE)
    return _passed(raw, event)


def _snapshot(raw: bytes) -> Passed:
    event = structs.read_snapshot(raw)
    parse_pith_number(event.subject_pith_number)
    _require_moments(event.signature.signed_at)
    if not _has_its_hashes(event.payload):
        raise ValueError(_OTHERWISE)
    return _passed(raw, event)


def _passed(raw: bytes, event: structs.Event[Any]) -> Passed:
    if write(event) != raw:
        raise ValueError(_OTHERWISE)
    content, digest, signer = _parts(raw, event)
    return Passed(
        content,
        digest,
        event.event_type,
        event.subject_pith_number,
        signer,
        event.signature.signature_b64,
        event.signature.signed_at,
        event.supersedes,
    )


def _other(raw: bytes) -> Event:
    event = structs.read_other(raw)
    payload = compact(event.payload)
    if payload is None or write(replace(event, payload=msgspec.Raw(payload))) != raw:
        raise ValueError(_OTHERWISE)
    _require_moments(event.signature.signed_at)
    content, digest, signer = _parts(raw, event)
    value = msgspec.to_builtins(replace(event, payload=None))
    value["payload"] = event.payload
    return Event(
        content,
        digest,
        event.event_type,
        event.subject_pith_number,
        value["created_at"],
        signer,
        event.signature.signature_b64,
        value["signature"]["signed_at"],
        value,
    )


def _parts(raw: bytes, event: structs.Event[Any]) -> tuple[bytes, bytes, Signer]:
    """Check what all events have. Return the content, its hash, and who signed.

    Raises:
        ValueError, MalformedError: something is not right.
    """
    # No text inside a string looks like these: its quotation marks have backslashes before them.
    cut = raw.rindex(b'"signature":{')
    rest = raw.index(b'},"signer":{', cut) + len("},")
    content = b"".join([b"{", raw[_AFTER_HASH:_AFTER_TIME], raw[_AFTER_ID:cut], raw[rest:]])
    digest = sha256(content).digest()
    name = digest.hex()
    signature, by = event.signature, event.signer
    if (
        event.content_sha256 != name
        or event.event_id != f"sha256:{name}"
        or not _is_seconds(event.created_at)
        or signature.key_id != by.key_id
        or signature.public_key_fingerprint != by.public_key_fingerprint
        or not f"{event.event_type}{event.subject_pith_number}{event.target}".isprintable()
        or not all(map(is_event_id, event.supersedes))
        or not (event.prev_event is None or is_event_id(event.prev_event))
    ):
        raise ValueError(_OTHERWISE)
    signer = signer_of((by.signer_id, by.signer_type, by.key_id, by.public_key_fingerprint))
    return content, digest, signer


def _is_of_its_record(event: structs.Event[structs.Creation], digest: bytes) -> bool:
    """Say whether the payload is right, and the event about its record, whose hash this is."""
    payload = event.payload
    receipt = payload.receipt
    metadata, source = payload.canonical_record.metadata, payload.canonical_record.source
    submitted = metadata.submitted_at
    _require_moments(
        event.signature.signed_at,
        receipt.first_computed_at,
        receipt.last_reissued_at,
        receipt.signed_at,
    )
    digits = (
        f"{metadata.abstract_canon_sha256}{metadata.title_canon_sha256}"
        f"{receipt.public_key_fingerprint}"
    )
    return (
        payload.canonical_sha256 == receipt.canonical_sha256 == digest.hex()
        and _is_seconds(submitted)
        and bytes.fromhex(digits).hex() == digits
        and is_number(event.subject_pith_number, f"{submitted.year:04}", digest)
        and payload.source_id == source.id
        and payload.source_kind == source.kind
        and payload.source_version == source.version
        and sorted(set(metadata.cross_cats_sorted)) == metadata.cross_cats_sorted
        and (
            f"{payload.attestation_state}{metadata.primary_cat}{source.id}{source.kind}"
            f"{receipt.key_id}{receipt.builder_version}"
        ).isprintable()
    )


def _has_its_hashes(payload: structs.Snapshot) -> bool:
    """Say whether the payload of a snapshot is right: `graph_snapshot.check` has the rules."""
    graph = payload.graph_snapshot
    claims, rows = graph.claims, graph.claims.items
    computed = sha256(b'{"payload":%b}' % write(rows)).hexdigest() if rows else NO_ROWS_SHA256
    authors, canon, references = graph.author_claims, graph.formal_canon, graph.references
    digits = f"{authors.snapshot_sha256}{canon.snapshot_sha256}{references.snapshot_sha256}"
    return (
        claims.count == len(rows)
        and claims.snapshot_sha256 == computed
        and (authors.count != 0 or authors.snapshot_sha256 == NO_ROWS_SHA256)
        and (canon.evidence_count != 0 or canon.snapshot_sha256 == NO_ROWS_SHA256)
        and (references.count != 0 or references.snapshot_sha256 == NO_ROWS_SHA256)
        and bytes.fromhex(digits).hex() == digits
        and (payload.verdict_id is None or payload.verdict_id.isprintable())
    )


def _is_seconds(time: datetime) -> bool:
    """Say whether a time that was read, and is written as it was, is in UTC and without more."""
    return time.tzinfo is UTC and not time.microsecond


def _require_moments(*texts: str) -> None:
    """Check that these are times in UTC with microseconds, as far as that is not in their type."""
    joined = "".join(texts)
    # Later versions of Python read 24:00 as the next day.
    if joined.encode().translate(_ZEROS) != _MICROS * len(texts) or "T24" in joined:
        raise ValueError(_OTHERWISE)
    for text in texts:
        datetime.fromisoformat(text)
