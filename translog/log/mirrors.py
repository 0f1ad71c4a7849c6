"""Copying records from other registries: what is believed, taken over, and held against a source.

A source is believed under the keys that our operator names, and in nothing else. What it serves
of a record is taken over whole or not at all: first its events, by the way that all events take,
and only when all of them are in our log is its bundle held as the one to compare the next with.
So a crash anywhere means that the next pull does the same again, to no harm: an event that is
there keeps its place.

Two bundles that a source signed, of which the later lacks an event of the earlier, are evidence
against it. Then nothing of the later is taken, and the earlier stays.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from translog.errors import ConflictError, MalformedError, MissingError, SubjectError
from translog.formats import canonical
from translog.formats.checkpoint import open_checkpoint
from translog.formats.note import MAX_NOTE_BYTES, Verifier
from translog.formats.published import CHECKPOINT, EVENTS, Fetch, parse_events
from translog.formats.strict import shown
from translog.formats.tiles import FULL, bundle_path
from translog.log import decisions
from translog.pith import bundle as bundles
from translog.pith.bundle import Bundle
from translog.pith.event import MAX_EVENT_BYTES
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import record_created, record_mirrored
from translog.pith.record import parse_pith_number
from translog.pith.succession import succeed
from translog.store import mirrors as rows
from translog.store.database import Connection, transaction
from translog.store.mirrors import Source

STALEST = 256  # records that each pull looks at again, though nothing is known to have changed
CHUNK_TILES = 16  # of events that are looked through for numbers at a time


class Pulled(NamedTuple):
    """What a source serves of one record, verified under the source's keys.

    Attributes:
        bundle: as it is served now.
        raw: its bytes.
        events: those of its events that we have not seen there before, to be logged in this
            order; all of them, the first time. None, if any were dropped.
        dropped: ids of events that it once served, and does not now.
        earlier: the bytes of the bundle that had them.
        equivocations: as its state lists them.
    """

    bundle: Bundle
    raw: bytes
    events: tuple[bytes, ...]
    dropped: tuple[str, ...]
    earlier: bytes | None
    equivocations: Sequence[Any]


def examine(db: Connection, source: Source, raw: bytes, number: str | None) -> Pulled:
    """Verify what a source serves of a record, and compare it with what it served before.

    Args:
        raw: the bundle, as it came.
        number: the record that was asked for, or None where any will do.

    Raises:
        TooLargeError, MalformedError: it is not a bundle.
        VerificationError: something it says is wrong.
        UnknownKeyError: something in it is signed by a key that is not among the source's.
        SubjectError: it is another record's, or signed by another key than the last, or than that
            of the registry's log.
        ConflictError: it is older than what is held.
    """
    found = bundles.open_bundle(raw, source.keys)
    if source.log_key:
        # The other keys sign events: an author is not to speak for the registry.
        log_key = Verifier.parse(source.log_key).public_key
        if found.signature.fingerprint != fingerprint_hex(log_key):
            raise SubjectError(
                f"bundle is signed by key {found.signature.fingerprint}, want that of the log"
            )
    if number is not None and found.pith_number != number:
        raise SubjectError(f"bundle is about {found.pith_number}, want {number}")
    equivocations = found.value["state"]["equivocations"]
    earlier = rows.read_held(db, source.name, found.pith_number)
    if earlier is None:
        whole = tuple(canonical.canonical(event) for event in found.events)
        return Pulled(found, raw, whole, (), None, equivocations)
    # It was verified when it was stored: parsing it is enough to compare.
    next_to = succeed(bundles.parse(earlier), found)
    events = () if next_to.dropped else tuple(map(canonical.canonical, next_to.added))
    return Pulled(found, raw, events, next_to.dropped, earlier, equivocations)


def state_source(db: Connection, bundle: Bundle, source: Source, *, now: int) -> bool:
    """Propose to state where a record is from, and its names as they are there.

    So that our state of the record is the source's, our bundle names the source, and everyone can
    see whose word the dates of the names are. What was stated once stays.

    Returns:
        Whether there is anything to settle (`decisions.settle`).
    """
    if decisions.is_stated(db, bundle.pith_number):
        return False
    payload = record_mirrored.build(
        pith_number=bundle.pith_number,
        source_aliases=bundle.value["source_aliases"],
        bundle_sha256=bundle.content_sha256,
        bundle_key_fingerprint=bundle.signature.fingerprint,
        source_url=_url_of(bundle, source),
    )
    decisions.propose(db, record_mirrored.TYPE, payload, now=now)
    return True


def _url_of(bundle: Bundle, source: Source) -> str | None:
    if not source.place.startswith(("http://", "https://")):
        return None
    return (
        f"{source.place}/{bundles.path_of(bundle.pith_number)}" if source.log_key else source.place
    )


def hold(
    db: Connection, source: Source, batch: Iterable[Pulled], position: int, *, now: int
) -> None:
    """Remember what a source serves of some records, once all of their events are in the log.

    Args:
        position: how much of the source's log is done with; less than before changes nothing.
    """
    with transaction(db, rows.SCHEMA.remedy):
        for pulled in batch:
            if pulled.dropped:
                raise ValueError("what lacks events never takes the place of what has them")
            rows.write_held(db, source.name, pulled.bundle.pith_number, pulled.raw, now)
        now_at = max(position, find(db, source.name).position)
        rows.write_source(db, source._replace(position=now_at, pulled_at=now))


def add(db: Connection, source: Source) -> None:
    """Remember a source. One that is there, at the same place, is believed under these keys then.

    Raises:
        ConflictError: there is one of that name at another place, or another log.
    """
    with transaction(db, rows.SCHEMA.remedy):
        for each in rows.read_sources(db):
            if each.name != source.name:
                continue
            if (each.place, each.log_key) != (source.place, source.log_key):
                raise ConflictError(
                    f"mirror {source.name!r} is there already, of {each.place}"
                    f" {f'under {each.log_key}' if each.log_key else ''}".rstrip()
                    + ": choose another name"
                )
            rows.write_source(db, each._replace(keys=source.keys))
            return
        rows.write_source(db, source)


def find(db: Connection, name: str) -> Source:
    """Return the source of that name, or raise MissingError."""
    for source in rows.read_sources(db):
        if source.name == name:
            return source
    raise MissingError(f"mirror {name[:80]!r} is not there: `translog mirror list` names all")


class Changes(NamedTuple):
    """The records that have events in one part of a source's log.

    Attributes:
        numbers: each once, in the order of their first events.
        created: those of them that an event in this part creates.
        position: the size of the log up to which has been looked through with this part.
    """

    numbers: list[str]
    created: frozenset[str]
    position: int


def changes(fetch: Fetch, source: Source) -> Iterator[Changes]:
    """Look through what a registry has logged since the last pull, part by part.

    It only tells where to look: each record proves itself. That the registry's log goes on from
    what it was is for an auditor or a monitor to check.

    Raises:
        ConflictError: the log is smaller than it was.
        MalformedError, SignatureError, MissingError, UnavailableError: it cannot be read.
    """
    verifier = Verifier.parse(source.log_key)
    size = open_checkpoint(fetch(CHECKPOINT, MAX_NOTE_BYTES), verifier).size
    if size < source.position:
        raise ConflictError(
            f"log {verifier.name} has size {size}, and had {source.position} at the last pull:"
            " an old answer, or a log that has shrunk; `translog audit` finds out"
        )
    first = source.position // FULL
    for start in range(first, -(-size // FULL), CHUNK_TILES):
        end = min(start + CHUNK_TILES, -(-size // FULL))
        found: dict[str, bool] = {}
        for index in range(start, end):
            for number, creates in _subjects(fetch, index, min(FULL, size - index * FULL)):
                found[number] = creates or found.get(number, False)
        created = frozenset(number for number, creates in found.items() if creates)
        yield Changes(numbers=[*found], created=created, position=min(size, end * FULL))


def _subjects(fetch: Fetch, index: int, width: int) -> Iterator[tuple[str, bool]]:
    """Yield the Pith Numbers that a part of a log is about, and whether an event creates each."""
    path = bundle_path(EVENTS, index, width)
    for line in parse_events(fetch(path, FULL * (MAX_EVENT_BYTES + 1)), width):
        value = canonical.parse(line, limit=MAX_EVENT_BYTES)
        subject = value.get("subject_pith_number") if type(value) is dict else None
        if type(subject) is not str:
            raise MalformedError(f"{path} holds {shown(value)}, want events")
        if subject.startswith("pith:"):  # the rest is about the log itself
            parse_pith_number(subject)
            yield subject, value.get("event_type") == record_created.TYPE
