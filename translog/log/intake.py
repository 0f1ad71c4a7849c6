"""What an event must be to be logged: everything is checked here, before anything is written.

Spec: docs/formats/event.md. In order: size, JSON, shape, hash and id; the key, the type and the
name it may write; signature; subject. Pure but for the compressor: no database, no clock.
"""

from typing import NamedTuple

from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.log import lookup
from translog.log.registry import Registry
from translog.pith import event as events
from translog.store.bodies import Packer, to_micros


class Admitted(NamedTuple):
    """An event that may be logged: only `admit` makes one.

    Attributes:
        content_sha256: 32 bytes, what the event's id is made of.
        entry: 129 bytes, what its leaf is made of.
        signed_at: kept beside it, unsigned, in microseconds.
        body: its canonical content, packed.
        prefix: see `lookup.of_hash`.
        subject_prefix: see `lookup.of_subject`.
    """

    content_sha256: bytes
    entry: bytes
    signed_at: int
    body: bytes
    prefix: int
    subject_prefix: int


def admit(raw: bytes, registry: Registry, packer: Packer) -> Admitted:
    """Check one event as it came, and return what to log of it.

    Raises:
        MalformedError, HashError, SignatureError, SubjectError: the event is wrong.
        UnknownKeyError, ForbiddenError: this log does not want it from this key.
    """
    event = events.parse(raw)
    public_key = registry.permit(event)
    events.verify(event, public_key)
    events.check_subject(event)
    entry = Entry(event.content_sha256, key_sha256(public_key), event.signature)
    return Admitted(
        event.content_sha256,
        entry.encode(),
        to_micros(event.signed_at),
        packer.pack(event.content),
        lookup.of_hash(event.content_sha256),
        lookup.of_subject(event.subject),
    )
