"""Events as they mostly are, read in a third of the time: docs/decisions/0021.

msgspec reads JSON into objects of a stated shape in native code. That passes nearly every event
that a log is sent: canonical text, nothing unusual in it. For anything else, and for whatever is
wrong, `read` returns None, and `event.parse` and `event.check_subject` decide and say why. So
nothing is accepted here that they would refuse, or read in another way.

The proof has two parts. The text equals what is written of the object that was read from it, so it
is canonical: no key twice, no white space, no other spelling of a string or a number. And every
condition of the slow way is stated here again, in its types or in `_read`.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from translog.errors import MalformedError
from translog.formats.canonical import compact
from translog.formats.keys import SIGNATURE_BYTES
from translog.pith.event import (
    MAX_CONTENT_BYTES,
    RECORD_CREATED,
    Event,
    Signer,
    signer_of,
)
from translog.pith.record import is_number
from translog.pith.shape import MAX_LABEL_CHARS, is_event_id


class Created(NamedTuple):
    """What a log keeps of a `record_created` event whose payload and subject are right.

    It supersedes nothing. The attributes are those of `Event`, but for one; like there, its
    signature is not verified.

    Attributes:
        record_sha256: 32 bytes: the hash of the record that it creates.
    """

    content: bytes
    content_sha256: bytes
    event_type: str
    subject: str
    signer: Signer
    signature: bytes
    signed_at: str
    record_sha256: bytes


def read(raw: bytes) -> Event | Created | None:
    """Return what `event.parse` would, or `Created` where `check_subject` would pass it too.

    None: it is not known here what this is.
    """
    try:
        return _read(raw)
    except (msgspec.MsgspecError, MalformedError, ValueError, RecursionError):
        return None


PAYLOAD_DEPTH = 8  # of objects and arrays inside each other; the types for more take long to make

Label = Annotated[str, Meta(min_length=1, max_length=MAX_LABEL_CHARS)]
Digest = Annotated[str, Meta(min_length=64, max_length=64)]
Fingerprint = Annotated[str, Meta(min_length=32, max_length=32)]
Signed = Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
Seconds = Annotated[datetime, Meta(tz=True)]  # written again without zeros for microseconds
Micros = Annotated[str, Meta(min_length=27, max_length=27)]
Version = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class _Object(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An object with these members and no others. They stand in the order of canonical JSON."""


class _Source(_Object):
    id: Label
    kind: Label
    version: Version


class _Metadata(_Object):
    abstract_canon_sha256: Digest
    cross_cats_sorted: list[str]
    license: str | None
    primary_cat: Label
    submitted_at: Seconds
    title_canon_sha256: Digest


class _Record(_Object):
    metadata: _Metadata
    schema_version: Literal["1.0"]
    source: _Source


class _Receipt(_Object):
    algorithm: Literal["ed25519"]
    builder_version: Label
    canonical_sha256: Digest
    first_computed_at: Micros
    key_id: Label
    kind: Literal["pith_receipt"]
    last_reissued_at: Micros
    public_key_fingerprint: Fingerprint
    receipt_version: Literal["0.3"]
    signature_b64: Signed
    signature_status: Literal["signed_v1"]
    signed_at: Micros
    signed_message: Literal["canonical_sha256_bytes"]


class _Creation(_Object):
    attestation_state: Label
    canonical_record: _Record
    canonical_sha256: Digest
    receipt: _Receipt
    source_id: str
    source_kind: str
    source_version: int


class _Signature(_Object):
    algorithm: Literal["ed25519"]
    key_id: str
    public_key_fingerprint: str
    signature_b64: Signed
    signature_status: Literal["signed_v1"]
    signed_at: Micros
    signed_message: Literal["open_graph_event_sha256_bytes"]


class _Signer(_Object):
    key_id: str
    public_key_fingerprint: str
    signer_id: str
    signer_type: str


Payload = TypeVar("Payload")


class _Event(_Object, Generic[Payload]):
    content_sha256: Digest
    created_at: Seconds
    event_id: str
    event_type: Label
    payload: Payload
    prev_event: str | None
    schema_version: Literal["1.0"]
    signature: _Signature
    signer: _Signer
    subject_pith_number: Label
    supersedes: list[str]
    target: Label


def _any(depth: int) -> Any:
    """Return the type of JSON without floats, nested so deep: spelled out, to be read as fast.

    Canonical JSON writes floats as Python does, and neither msgspec nor orjson does that.
    """
    scalar = str | int | bool | None
    inside: Any = scalar
    for _ in range(depth):
        inside = scalar | dict[str, inside] | list[inside]
    return inside


_read_creation = msgspec.json.Decoder(_Event[_Creation]).decode
_read_other = msgspec.json.Decoder(_Event[dict[str, _any(PAYLOAD_DEPTH - 1)]]).decode  # type: ignore[misc]
_text = msgspec.json.Encoder().encode

# Where canonical text has what is not content, and where the type stands after that.
_AFTER_HASH = len('{"content_sha256":"",') + 64
_AFTER_TIME = _AFTER_HASH + len('"created_at":"0000-00-00T00:00:00Z",')
_AFTER_ID = _AFTER_TIME + len('"event_id":"sha256:",') + 64
_CREATES = f'"event_type":"{RECORD_CREATED}",'.encode()

_MICROS = b"0000-00-00T00:00:00.000000Z"
_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def _read(raw: bytes) -> Event | Created | None:
    if len(raw) > MAX_CONTENT_BYTES:
        return None
    return _created(raw) if raw.startswith(_CREATES, _AFTER_ID) else _other(raw)


def _created(raw: bytes) -> Created | None:
    event = _read_creation(raw)
    if _text(event) != raw:
        return None
    record_sha256 = sha256(_text(event.payload.canonical_record)).digest()
    if event.supersedes or not _is_right(event, record_sha256):
        return None
    content, digest, signer = _parts(raw, event)
    return Created(
        content,
        digest,
        event.event_type,
        event.subject_pith_number,
        signer,
        event.signature.signature_b64,
        event.signature.signed_at,
        record_sha256,
    )


def _other(raw: bytes) -> Event | None:
    event = _read_other(raw)
    payload = compact(event.payload)
    if payload is None or _text(replace(event, payload=msgspec.Raw(payload))) != raw:
        return None
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


def _parts(raw: bytes, event: _Event[Any]) -> tuple[bytes, bytes, Signer]:
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
        raise ValueError("not an event as most are")
    signer = signer_of((by.signer_id, by.signer_type, by.key_id, by.public_key_fingerprint))
    return content, digest, signer


def _is_right(event: _Event[_Creation], digest: bytes) -> bool:
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


def _is_seconds(time: datetime) -> bool:
    """Say whether a time that was read, and is written as it was, is in UTC and without more."""
    return time.tzinfo is UTC and not time.microsecond


def _require_moments(*texts: str) -> None:
    """Check that these are times in UTC with microseconds, as far as that is not in their type."""
    joined = "".join(texts)
    # Later versions of Python read 24:00 as the next day.
    if joined.encode().translate(_ZEROS) != _MICROS * len(texts) or "T24" in joined:
        raise ValueError("not spelled as most are")
    for text in texts:
        datetime.fromisoformat(text)
