"""What the log itself states: events signed with its own key, logged the way of all others.

A log that has seen a block of Bitcoin, or one of its checkpoints anchored in one, says so in an
event whose signer is the log: its origin is the `signer_id`, its type is "log", and its key is that
of its checkpoints. Nothing in the tree is special for that: the key stands in the registry for
`registry.LOG_TYPES`, and intake checks these events like others. docs/decisions/0018.

A statement is a function of its arguments, the time too. Made again after a crash from the same
values it is the same event, and keeps its place in the log.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from translog.errors import ForbiddenError, TranslogError
from translog.formats.canonical import canonical
from translog.formats.note import NoteSigner, Verifier
from translog.log.moderation import Held
from translog.log.registry import pith_key
from translog.log.sequencer import Placed, Result
from translog.pith import event as events
from translog.store.bodies import from_micros

SIGNER_TYPE = "log"


class Adder(Protocol):
    """Who logs events and waits for them: a writer."""

    def add(self, raws: Sequence[bytes]) -> list[Result]: ...


def make(
    signer: NoteSigner,
    *,
    event_type: str,
    subject: str,
    target: str,
    payload: Mapping[str, Any],
    created_at: int,
    supersedes: Sequence[str] = (),
) -> bytes:
    """Return a signed event of the log, as it is sent. The arguments are those of `draft`.

    Raises:
        MalformedError: such an event cannot be.
    """
    made = draft(
        signer.verifier,
        event_type=event_type,
        subject=subject,
        target=target,
        payload=payload,
        created_at=created_at,
        supersedes=supersedes,
    )
    return canonical(events.sign(made, signer.key, from_micros(created_at * 1_000_000)))


def draft(
    verifier: Verifier,
    *,
    event_type: str,
    subject: str,
    target: str,
    payload: Mapping[str, Any],
    created_at: int,
    supersedes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what `make` signs.

    Args:
        verifier: of the log's own key.
        event_type: one of `registry.LOG_TYPES`, or it will not be logged.
        subject: a Pith Number; for `event.ORIGIN_TYPES`, the log's origin.
        target: what of the subject it is about.
        payload: what is stated.
        created_at: POSIX seconds.
        supersedes: ids of earlier statements that this one replaces.
    """
    key = pith_key(verifier, "")
    return {
        "schema_version": "1.0",
        "event_type": event_type,
        "subject_pith_number": subject,
        "target": target,
        "payload": dict(payload),
        "signer": {
            "signer_id": verifier.name,
            "signer_type": SIGNER_TYPE,
            "key_id": key.key_id,
            "public_key_fingerprint": key.fingerprint,
        },
        "created_at": from_micros(created_at * 1_000_000).replace(".000000Z", "Z"),
        "supersedes": list(supersedes),
        "prev_event": None,
    }


def append(writer: Adder, statements: Sequence[bytes]) -> list[Placed]:
    """Log statements, and say where they are; those that are there already keep their places.

    All are durable on return. After an error some may be: append the same ones again.

    Raises:
        BusyError, UnavailableError: the log takes nothing now.
        TranslogError: a statement is not one that this log may make.
    """
    places = []
    for result in writer.add(statements):
        if isinstance(result, TranslogError):
            raise result
        if isinstance(result, Held):
            raise ForbiddenError(f"event {result.event_id} waits: it is no statement")
        places.append(result)
    return places
