"""What an event must be to be logged: everything is checked here, before anything is written.

Spec: docs/formats/event.md. In order: size, JSON, shape, hash and id; the key, the type and the
name it may write; signature; subject. Pure but for the compressor: no database, no clock.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from translog.errors import TranslogError
from translog.formats.entry import encode
from translog.formats.keys import key_sha256
from translog.log import lookup
from translog.log.registry import Registry
from translog.pith import event as events
from translog.pith import quick
from translog.pith.event import Event
from translog.pith.quick import Created
from translog.pith.signature import verify_signed
from translog.store.bodies import Packer, to_micros

# Parsed events take ten times their bytes and more: what is more than this goes one by one.
TOGETHER_BYTES = 1 << 20

A = TypeVar("A")
B = TypeVar("B")


class Admitted(NamedTuple):
    """An event that may be logged: only `admit` and `admit_all` make one.

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


_Claim = tuple[Event | Created, bytes]  # with the public key of whom it says it is from


def admit(raw: bytes, registry: Registry, packer: Packer) -> Admitted:
    """Check one event as it came, and return what to log of it.

    Raises:
        MalformedError, HashError, SignatureError, SubjectError: the event is wrong.
        UnknownKeyError, ForbiddenError: this log does not want it from this key.
    """
    [checked] = admit_all([raw], registry, packer)
    if isinstance(checked, TranslogError):
        raise checked
    return checked


def admit_all(
    raws: Sequence[bytes], registry: Registry, packer: Packer
) -> list[Admitted | TranslogError]:
    """Do for each of many what `admit` does; what it would raise stands in the event's place."""
    if sum(map(len, raws)) <= TOGETHER_BYTES:
        return _admit_together(raws, registry, packer)
    return [checked for raw in raws for checked in _admit_together([raw], registry, packer)]


def _admit_together(
    raws: Sequence[bytes], registry: Registry, packer: Packer
) -> list[Admitted | TranslogError]:
    """Take all events through one check, then all through the next.

    One event through all checks takes a fifth longer: what the next check needs of the processor's
    caches, the last one has used for itself, and a signature needs nearly all.
    """
    claims = _each(lambda raw: _claim(raw, registry), raws)
    signed = _each(_verify, claims)
    return _each(lambda claim: _pack(*claim, packer), signed)


def _claim(raw: bytes, registry: Registry) -> _Claim:
    event = quick.read(raw)
    if event is None:
        event = events.parse(raw)
    return event, registry.permit(event)


def _verify(claim: _Claim) -> _Claim:
    event, public_key = claim
    digest, fingerprint = event.content_sha256, event.signer.fingerprint
    verify_signed(digest, event.signature, fingerprint, public_key)
    return claim


def _pack(event: Event | Created, public_key: bytes, packer: Packer) -> Admitted:
    if isinstance(event, Event):  # of a `Created` it is known
        events.check_subject(event)
    return Admitted(
        event.content_sha256,
        encode(event.content_sha256, key_sha256(public_key), event.signature),
        to_micros(event.signed_at),
        packer.pack(event.content),
        lookup.of_hash(event.content_sha256),
        lookup.of_subject(event.subject),
    )


def _each(step: Callable[[A], B], earlier: Iterable[A | TranslogError]) -> list[B | TranslogError]:
    """Take each value a step further. An error stays where it is."""
    done: list[B | TranslogError] = []
    for value in earlier:
        try:
            done.append(value if isinstance(value, TranslogError) else step(value))
        except TranslogError as error:
            # Its traceback would hold this list, and so itself and all the others' values.
            done.append(error.with_traceback(None))
    return done
