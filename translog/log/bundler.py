"""Bundles and states of what the log holds about one record, signed with the log's key.

A bundle is a function of the record, the checkpoint and the state of anchors: whoever asks twice
under the same gets the same bytes. Any mirror with the same events and keys gets the same state.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from translog.errors import AmbiguousError, MalformedError, MissingError, TooLargeError
from translog.formats.entry import Entry
from translog.formats.note import NoteSigner
from translog.log import reader
from translog.log.listing import listed_keys
from translog.log.registry import pith_key
from translog.log.timestamps import proofs_of
from translog.pith.build import build_bundle
from translog.pith.bundle import MAX_BUNDLE_BYTES
from translog.pith.event import MAX_EVENT_BYTES, RECORD_CREATED, restore
from translog.pith.kinds import mirror_hint, record_mirrored
from translog.pith.permits import iso
from translog.pith.record import SHORT_CHARS, SUFFIX_CHARS, aliases, parse_pith_number
from translog.store import log
from translog.store.bodies import from_micros, unpack
from translog.store.database import Connection

MAX_EVENTS = 10_000  # of one record in one bundle
MAX_CANDIDATES = 20  # that a short form is said to stand for


def bundle(
    db: Connection, size: int, suffix: str, signer: NoteSigner, base_url: str
) -> dict[str, Any]:
    """Make the signed bundle of the record whose Pith Number ends in `suffix`.

    Args:
        size: of the checkpoint: events past it are not in the bundle.
        suffix: the 26 characters, or a beginning of 8, 12 or 16 that only one record has.
        base_url: where the log is served, without a slash at the end.

    Raises:
        MalformedError: `suffix` is not base32, or not of one of these lengths.
        MissingError: no event creates such a record.
        AmbiguousError: a beginning was given, and more than one has it.
        TooLargeError: it has more events than a bundle holds.
    """
    found = _events(db, size, suffix)
    number = _one_number(suffix, [event for _, event in found])
    taken_over = _taken_over(number, [event for _, event in found])
    found = [(leaf, event) for leaf, event in found if event["subject_pith_number"] == number]
    events = [event for _, event in found]
    placed = [(leaf.leaf_index, event) for leaf, event in found]
    proofs = proofs_of(db, [leaf for leaf, _ in found], size, signer.verifier)
    make = partial(
        build_bundle,
        pith_number=number,
        events=events,
        keys=listed_keys(db, size, placed, pith_key(signer.verifier, base_url)),
        source_aliases=_stated_aliases(taken_over, events),
        built_at=iso(max(log.read_signed_at(db, size), proofs.changed_at)),
        base_url=base_url,
        mirror_hints=_mirror_hints(taken_over, number, signer.name, base_url),
        signing_key=signer.key,
    )
    try:
        return make(timestamp_proofs=proofs.values)
    except TooLargeError:
        return make(timestamp_proofs=[])  # each is at /event/<sha256>.ots as well


def _events(db: Connection, size: int, suffix: str) -> list[tuple[log.Leaf, dict[str, Any]]]:
    """Return what may be about a record, each event with its leaf."""
    if len(suffix) not in (*SHORT_CHARS, SUFFIX_CHARS):
        raise MalformedError(
            f"Pith Number {suffix[:40]!r} has {len(suffix)} characters,"
            f" want {SUFFIX_CHARS}, or the first {', '.join(map(str, SHORT_CHARS))}"
        )
    events: list[tuple[log.Leaf, dict[str, Any]]] = []
    held = 0
    for leaf in reader.find_subject(db, size, suffix, MAX_EVENTS + 1):
        content = _content(leaf)
        held += len(content)
        if len(events) == MAX_EVENTS or held > MAX_BUNDLE_BYTES:
            raise TooLargeError(
                f"record {suffix} has more than {MAX_EVENTS} events, or {MAX_BUNDLE_BYTES} bytes"
            )
        events.append((leaf, _restored(leaf, content)))
    return events


def event_of(leaf: log.Leaf) -> dict[str, Any]:
    """Return the whole event that a leaf was made of."""
    return _restored(leaf, _content(leaf))


def _content(leaf: log.Leaf) -> bytes:
    return unpack(leaf.body, limit=MAX_EVENT_BYTES)


def _restored(leaf: log.Leaf, content: bytes) -> dict[str, Any]:
    return restore(content, Entry.parse(leaf.entry).signature, from_micros(leaf.signed_at))


def _one_number(suffix: str, events: Sequence[dict[str, Any]]) -> str:
    # Only the event that creates a record is tied to its number. Of the others, anyone who may
    # write could make some about a number that begins alike, and so hide a record.
    created: set[str] = {
        event["subject_pith_number"] for event in events if event["event_type"] == RECORD_CREATED
    }
    found = sorted(
        number for number in created if parse_pith_number(number).suffix.startswith(suffix)
    )
    if not found:
        raise MissingError(f"record {suffix[:SUFFIX_CHARS]!r} is not in this log")
    if len(found) > 1:
        candidates = found[:MAX_CANDIDATES]
        named = " or ".join(candidates[:5])
        raise AmbiguousError(f"record {suffix!r} could be {named}: give the whole", candidates)
    return found[0]


def _taken_over(number: str, events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what the log states of where it has a record from, the first statement first."""
    return [
        event["payload"]
        for event in events
        if event["event_type"] == record_mirrored.TYPE and event["payload"]["pith_number"] == number
    ]


def _stated_aliases(
    taken_over: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]] | None:
    """Return the names of a mirrored record as its source gave them, if the log has stated them.

    The first statement counts, so that what was served once is served for ever; and one of other
    names than the record's counts for nothing: nobody would read a bundle with those.
    """
    if not taken_over:
        return None
    records = (
        event["payload"]["canonical_record"]
        for event in events
        if event["event_type"] == RECORD_CREATED
    )
    names = [(each["alias_kind"], each["alias_value"]) for each in aliases(next(records), "")]
    for found in (each["source_aliases"] for each in taken_over):
        if [(each["alias_kind"], each["alias_value"]) for each in found] == names:
            return list(found)
    return None


def _mirror_hints(
    taken_over: Sequence[Mapping[str, Any]], number: str, origin: str, base_url: str
) -> list[dict[str, Any]]:
    """Return where a record is served: here, and where the log has it from."""
    suffix = parse_pith_number(number).suffix
    end = f"/pith/{suffix}/bundle.json"
    urls = dict.fromkeys(str(each["source_url"]) for each in taken_over)
    sources = [url.removesuffix(end) for url in urls if url.endswith(end)]
    status = "active" if taken_over else "primary"
    return [
        mirror_hint.build(name=origin, base_url=base_url, suffix=suffix, status=status),
        *(
            mirror_hint.build(
                name=source.partition("://")[2], base_url=source, suffix=suffix, status="primary"
            )
            for source in sources
        ),
    ]
