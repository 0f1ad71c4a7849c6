"""Events: docs/formats/event.md. A statement about one record, signed, that never changes.

The signed part is the *content*: an event without `signature`, `content_sha256` and `event_id`.
Its canonical bytes, the 64 bytes of the signature and the unsigned `signed_at` are all that a log
has to keep: `restore` makes the whole event from them.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any, NamedTuple

from translog.errors import HashError, MalformedError, SignatureError, SubjectError, TooLargeError
from translog.formats.canonical import (
    EXACT,
    MAX_DEPTH,
    SCALARS,
    canonical_exact,
    canonical_without,
    made_of,
    parse_apart,
)
from translog.formats.canonical import parse as parse_json
from translog.formats.keys import SigningKey
from translog.formats.strict import shown
from translog.pith import shape
from translog.pith.key import FINGERPRINT_BYTES
from translog.pith.kinds import record_created, time_beacon
from translog.pith.kinds.table import ABOUT_KEYS, ABOUT_LOGS, ABOUT_RECORDS, KINDS, UNKNOWN
from translog.pith.signature import NAMES as SIGNATURE_NAMES
from translog.pith.signature import Signature, verify_signed

MAX_EVENT_BYTES = 1 << 20
MAX_EVENT_DEPTH = MAX_DEPTH - 16  # so that a bundle, which holds events further in, can be read
# Canonical floats can be longer than what was sent, and what is stored must be readable again.
MAX_CONTENT_BYTES = MAX_EVENT_BYTES - 4096

SIGNED_MESSAGE = "open_graph_event_sha256_bytes"

RECORD_CREATED = record_created.TYPE
TIME_BEACON = time_beacon.TYPE
RECORD_TYPES = frozenset(ABOUT_RECORDS)
ORIGIN_TYPES = frozenset(ABOUT_LOGS)  # about a log, not a record: the subject is its origin
KEY_TYPES = frozenset(ABOUT_KEYS)  # about a key, in whatever log
KNOWN_TYPES = frozenset(KINDS)

_APART = frozenset({"signature", "content_sha256", "event_id"})
_CONTENT = frozenset(
    {
        "schema_version",
        "event_type",
        "subject_pith_number",
        "target",
        "payload",
        "signer",
        "created_at",
        "supersedes",
        "prev_event",
    }
)
_EVENT = _CONTENT | _APART
_SIGNER_NAMES = ("signer_id", "signer_type", "key_id", "public_key_fingerprint")
_SIGNER_MEMBERS = itemgetter(*_SIGNER_NAMES)
_SIGNER = frozenset(_SIGNER_NAMES)


# NamedTuples, not dataclasses: a log makes these for every event it is sent, and a frozen dataclass
# takes five times as long to make.
class Signer(NamedTuple):
    """Who signed. Only the fingerprint is proved by a signature; the names are the key's claims."""

    signer_id: str
    signer_type: str
    key_id: str
    fingerprint: str


class Event(NamedTuple):
    """A well-formed event whose hash and id are right. Its signature is not verified.

    Attributes:
        content: canonical bytes of the signed part.
        content_sha256: 32 bytes: their hash, which is what was signed.
        event_type: one of KNOWN_TYPES or a later one.
        subject: the Pith Number it is about; the origin of a log for ORIGIN_TYPES; or a key.
        created_at: when its signer says it was made, to the second.
        signer: who is said to have signed it.
        signature: 64 bytes.
        signed_at: when it is said to have been signed. Not signed itself.
        value: the whole event, as parsed; of `from_content`, what is signed of it. Not to be
            modified.
    """

    content: bytes
    content_sha256: bytes
    event_type: str
    subject: str
    created_at: str
    signer: Signer
    signature: bytes
    signed_at: str
    value: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        return event_id(self.content_sha256)


def event_id(content_sha256: bytes) -> str:
    """Return the name of the event with this 32-byte hash."""
    return f"sha256:{content_sha256.hex()}"


def parse(raw: bytes) -> Event:
    """Read one event from JSON.

    Raises:
        TooLargeError: more than MAX_EVENT_BYTES.
        MalformedError: not strict JSON, or a member is missing, unknown or not of its kind.
        HashError: `content_sha256` or `event_id` is not that of the content.
    """
    value, content, _ = parse_apart(raw, limit=MAX_EVENT_BYTES, apart=_APART, depth=MAX_EVENT_DEPTH)
    return _event(value, content)


def from_value(value: Any, *, exact: bool = False) -> Event:
    """Read one event out of JSON that is parsed already, such as a bundle's.

    Args:
        exact: it is known to be `made_of` EXACT, nested however deep.

    Raises:
        TooLargeError, MalformedError, HashError: as `parse`.
    """
    shape.exact(value, _EVENT, "event")
    if exact or made_of(value, EXACT, MAX_EVENT_DEPTH):
        members = {name: member for name, member in value.items() if name not in _APART}
        content = canonical_exact(members)
        # What begins so few objects and arrays cannot have more of them inside each other.
        shallow = not exact or content.count(b"{") + content.count(b"[") <= MAX_EVENT_DEPTH
        if shallow or made_of(value, EXACT, MAX_EVENT_DEPTH):
            return _event(value, content)
    if not made_of(value, SCALARS, MAX_EVENT_DEPTH):
        raise MalformedError(f"event nests deeper than {MAX_EVENT_DEPTH}")
    return _event(value, canonical_without(value, _APART))


def from_content(content: bytes, content_sha256: bytes, signature: bytes) -> Event:
    """Read what a log keeps of an event, and its entry states: nothing but what is signed.

    What `from_value(restore(…))` accepts this does, and reads it once. `signed_at` is "", and
    `value` has the content's members only.

    Args:
        content_sha256: the hash of `content`, which the caller has computed.

    Raises:
        MalformedError: it is not the canonical content of an event.
    """
    value, canonical, _ = parse_apart(
        content, limit=MAX_EVENT_BYTES, apart=frozenset(), depth=MAX_EVENT_DEPTH
    )
    if canonical != content:
        raise MalformedError("event content is not in canonical form")
    shape.exact(value, _CONTENT, "event content")
    event_type, subject, created_at = _check_content(value, content)
    return Event(
        content,
        content_sha256,
        event_type,
        subject,
        created_at,
        _signer(value["signer"]),
        signature,
        "",
        value,
    )


def verify(event: Event, public_key: bytes) -> None:
    """Check that `public_key` is the key the event names, and signed it.

    Raises:
        SignatureError: it is another key, or the signature is not of this event.
    """
    verify_signed(event.content_sha256, event.signature, event.signer.fingerprint, public_key)


def check_subject(event: Event) -> None:
    """Check that the event says what its type says, about what it says it is about.

    Raises:
        MalformedError: the payload is not one of its type.
        SubjectError: the subject is no Pith Number (no origin of a log, no key), or not that of
            the record in the payload, or the payload's parts are about different records.
        VerificationError: a hash in the payload is not that of what stands beside it.
    """
    kind = KINDS.get(event.event_type, UNKNOWN)
    try:
        about = kind.read_subject(event.subject)
    except MalformedError as error:
        raise SubjectError(f"subject of the {event.event_type} event: {error}") from error
    kind.check(event.value["payload"], about, event.signer.fingerprint)


def restore(content: bytes, signature: bytes, signed_at: str) -> dict[str, Any]:
    """Return the whole event, equal to what was sent, from what a log keeps of it.

    Raises:
        MalformedError: `content` is not that of an event: it is not what was accepted.
    """
    value = parse_json(content, limit=MAX_EVENT_BYTES)
    shape.exact(value, _CONTENT, "event content")
    signer = _signer(value["signer"])
    return _complete(
        value,
        sha256(content).digest(),
        Signature(
            key_id=signer.key_id,
            fingerprint=signer.fingerprint,
            signature=signature,
            signed_at=signed_at,
        ),
    )


def sign(draft: Mapping[str, Any], key: SigningKey, signed_at: str) -> dict[str, Any]:
    """Return the whole event of a draft that holds the content's members and no others.

    Raises:
        MalformedError: the draft is not the content of an event.
        SignatureError: the draft's signer names another key.
    """
    shape.exact(dict(draft), _CONTENT, "draft of an event")
    signer = shape.exact(draft["signer"], _SIGNER, "signer")
    digest = sha256(canonical_without(draft, _APART)).digest()
    signature = Signature.make(digest, key, key_id=signer["key_id"], signed_at=signed_at)
    if signature.fingerprint != signer["public_key_fingerprint"]:
        raise SignatureError(
            f"draft names key {shown(signer['public_key_fingerprint'])}, "
            f"signed with {signature.fingerprint}"
        )
    value = _complete(draft, digest, signature)
    from_value(value)
    return value


def _event(value: dict[str, Any], content: bytes) -> Event:
    shape.exact(value, _EVENT, "event")
    event_type, subject, created_at = _check_content(value, content)
    signer = _signer(value["signer"])
    signature = _signature(value["signature"], signer)
    digest = sha256(content).digest()
    _check_hashes(value, digest)
    return Event(
        content,
        digest,
        event_type,
        subject,
        created_at,
        signer,
        signature.signature,
        signature.signed_at,
        value,
    )


def _check_content(value: dict[str, Any], content: bytes) -> tuple[str, str, str]:
    """Check the signed members; return type, subject and time. The signer is left to `_signer`."""
    if len(content) > MAX_CONTENT_BYTES:
        raise TooLargeError(
            f"event content has {len(content)} bytes, want at most {MAX_CONTENT_BYTES}"
        )
    shape.constant(value, "schema_version", "1.0", "event")
    event_type = shape.label(value, "event_type", "event")
    subject = shape.label(value, "subject_pith_number", "event")
    created_at = shape.seconds(value, "created_at", "event")
    shape.label(value, "target", "event")
    shape.mapping(value, "payload", "event")
    _check_links(value)
    return event_type, subject, created_at


def _signer(value: Any) -> Signer:
    members = _SIGNER_MEMBERS(shape.exact(value, _SIGNER, "signer"))
    try:
        return signer_of(members)
    except TypeError:  # what cannot be hashed is not a string either, and refused
        return signer_of.__wrapped__(members)


@lru_cache(maxsize=1024)  # the same few sign everything; what is refused is never kept
def signer_of(members: tuple[Any, ...]) -> Signer:
    """Check the members of a signer, in the order of _SIGNER_NAMES, or raise MalformedError."""
    value = dict(zip(_SIGNER_NAMES, members, strict=True))
    return Signer(
        shape.label(value, "signer_id", "signer"),
        shape.label(value, "signer_type", "signer"),
        shape.label(value, "key_id", "signer"),
        shape.hex_digits(value, "public_key_fingerprint", FINGERPRINT_BYTES, "signer"),
    )


def _signature(value: Any, signer: Signer) -> Signature:
    shape.exact(value, SIGNATURE_NAMES, "event signature")
    signature = Signature.from_json(value, SIGNED_MESSAGE, "event signature")
    # A log keeps it as a number of microseconds: with one spelling, that is enough to restore it.
    if "." not in signature.signed_at:
        raise MalformedError(
            f"event signature signed_at is {signature.signed_at}, want it with microseconds"
        )
    # These two are not signed where they stand here: they must repeat what is.
    if signature.key_id != signer.key_id or signature.fingerprint != signer.fingerprint:
        raise MalformedError(
            f"event signature is by key {signature.key_id!r} {signature.fingerprint}, "
            f"want the signer's, {signer.key_id!r} {signer.fingerprint}"
        )
    return signature


def _check_links(value: Mapping[str, Any]) -> None:
    supersedes = shape.array(value, "supersedes", "event")
    if not all(map(shape.is_event_id, supersedes)):
        raise MalformedError(f"event supersedes is {shown(supersedes)}, want event ids")
    if value["prev_event"] is not None:
        shape.event_id(value, "prev_event", "event")


def _check_hashes(value: Mapping[str, Any], digest: bytes) -> None:
    content_sha256 = digest.hex()
    if value["content_sha256"] != content_sha256:
        stated = shape.hex_digits(value, "content_sha256", 32, "event")
        raise HashError(f"event content_sha256 is {stated}, computed {content_sha256}")
    if value["event_id"] != f"sha256:{content_sha256}":
        stated = shape.event_id(value, "event_id", "event")
        raise HashError(f"event event_id is {stated}, computed sha256:{content_sha256}")


def _complete(content: Mapping[str, Any], digest: bytes, signature: Signature) -> dict[str, Any]:
    return {
        **content,
        "signature": signature.to_json(SIGNED_MESSAGE),
        "content_sha256": digest.hex(),
        "event_id": event_id(digest),
    }
