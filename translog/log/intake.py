"""What an event must be to be logged: everything is checked here, before anything is written.

Spec: docs/formats/event.md, docs/formats/registry.md. In order: size, JSON, shape, hash and id; the
key, the type, the name and the subject it may write; signature; subject and payload. Pure but for
the compressor: no database, no clock. What only the log itself can tell (`sequencer`) is left to
when the event's turn comes.
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
from translog.pith.merge import replaced
from translog.pith.permits import ONLY_BY_LOGS
from translog.pith.quick import Passed
from translog.pith.signature import verify_signed
from translog.store.bodies import Packer, to_micros
from translog.store.registry import SignerRow

# Parsed events take ten times their bytes and more: what is more than this goes one by one.
TOGETHER_BYTES = 1 << 20

A = TypeVar("A")
B = TypeVar("B")


class Special(NamedTuple):
    """What few events have, and the sequencer looks at.

    Attributes:
        replaces: hashes of the events that it takes the place of, or takes back.
        signers: hashes of the keys that are one signer with its own.
        held: it waits until it is accepted.
        decides: it changes who may write.
    """

    replaces: tuple[bytes, ...]
    signers: frozenset[bytes]
    held: bool
    decides: bool


class Admitted(NamedTuple):
    """An event that may be logged: only `admit` and `admit_all` make one.

    Attributes:
        content_sha256: 32 bytes, what the event's id is made of.
        entry: 129 bytes, what its leaf is made of.
        signed_at: kept beside it, unsigned, in microseconds.
        body: its canonical content, packed.
        prefix: see `lookup.of_hash`.
        subject_prefix: see `lookup.of_subject`.
        record_prefix: see `lookup.of_record`; None if it is about no record.
        creates: it creates this record. Otherwise the record has to be there.
        special: what few events have.
        version: of the registry by which it was admitted.
    """

    content_sha256: bytes
    entry: bytes
    signed_at: int
    body: bytes
    prefix: int
    subject_prefix: int
    record_prefix: int | None = None
    creates: bool = False
    special: Special | None = None
    version: int = 0


_Claim = tuple[Event | Passed, SignerRow]  # with the row of whom it says it is from

_ABOUT_NO_RECORD = events.ORIGIN_TYPES | events.KEY_TYPES
_DECIDE = ONLY_BY_LOGS | events.KEY_TYPES


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
    return _each(lambda claim: _pack(*claim, packer, registry), signed)


def _claim(raw: bytes, registry: Registry) -> _Claim:
    event = quick.read(raw)
    if event is None:
        event = events.parse(raw)
    return event, registry.permit(event)


def _verify(claim: _Claim) -> _Claim:
    event, row = claim
    digest, fingerprint = event.content_sha256, event.signer.fingerprint
    verify_signed(digest, event.signature, fingerprint, row.key.public_key)
    return claim


def _pack(event: Event | Passed, row: SignerRow, packer: Packer, registry: Registry) -> Admitted:
    event_type, subject = event.event_type, event.subject
    special = None
    if isinstance(event, Passed):
        replaces = event.supersedes
    else:
        events.check_subject(event)
        replaces = replaced(event)
        subject = lookup.found_under(event_type, subject, event.value["payload"])
    if event_type in _DECIDE or row.held_types or replaces:
        special = _special(event_type, replaces, row, registry)
    return Admitted(
        event.content_sha256,
        encode(event.content_sha256, key_sha256(row.key.public_key), event.signature),
        to_micros(event.signed_at),
        packer.pack(event.content),
        lookup.of_hash(event.content_sha256),
        lookup.of_subject(subject),
        None if event_type in _ABOUT_NO_RECORD else lookup.of_record(subject),
        event_type == events.RECORD_CREATED,
        special,
        registry.version,
    )


def _special(
    event_type: str, replaces: Sequence[str], row: SignerRow, registry: Registry
) -> Special:
    signers = set()
    mine: SignerRow | None = row
    while mine is not None and mine.key.public_key not in signers:
        signers.add(mine.key.public_key)
        mine = registry.signers.get(mine.rotated_from or "")
    return Special(
        tuple(bytes.fromhex(name.removeprefix("sha256:")) for name in replaces),
        frozenset(map(key_sha256, signers)),
        event_type in row.held_types,
        event_type in _DECIDE,
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
