"""What pages show of a log beyond its documents: places, heads, and who cites whom.

Everything is asked at a `size`, that of a signed head. What the search index says is looked up in
the log before it is returned.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from translog.errors import MissingError, TooLargeError
from translog.log import bundler, reader
from translog.log.finder import cited_by, names_of
from translog.pith.event import RECORD_CREATED
from translog.pith.kinds.citation_signature import TYPE as CITATION
from translog.pith.record import parse_pith_number
from translog.store import log, search, titles
from translog.store.database import Connection

MAX_CITING = 10  # of each the whole state is merged, to see whether the citation still stands


class Head(NamedTuple):
    """A signed head that was shown once, and the sizes of its neighbours."""

    note: bytes
    signed_at: int
    before: int | None
    after: int | None


class Citing(NamedTuple):
    """An event that cites a record, as it stands in the state of its own.

    Attributes:
        bundle: of the record that cites.
        item: in its state's `current`.
        leaf_index: of the event.
    """

    bundle: Mapping[str, Any]
    item: Mapping[str, Any]
    leaf_index: int


MakeBundle = Callable[[str], Mapping[str, Any]]
"""The bundle of the record with a suffix."""


def places(db: Connection, size: int, event_ids: Iterable[str]) -> dict[str, int]:
    """Return the leaf index of each event that is in the log."""
    found = {}
    for event_id in event_ids:
        leaf = reader.find_event(db, size, bytes.fromhex(event_id.removeprefix("sha256:")))
        found[event_id] = leaf.leaf_index
    return found


def given_titles(db: Connection, size: int, bundle: Mapping[str, Any]) -> list[str]:
    """Return what the work was called when its record was made, unchecked; often nothing."""
    created = [e["event_id"] for e in bundle["events"] if e["event_type"] == RECORD_CREATED]
    texts = titles.read_texts(db, list(places(db, size, created).values())) if created else {}
    return [text.title for text in texts.values() if text.title is not None]


def leaf(db: Connection, size: int, index: int) -> log.Leaf:
    """Return a leaf, or raise MissingError."""
    if index >= size:
        raise MissingError(f"entry {index} is not in the log of {size}")
    (found,) = log.read_leaves(db, index, 1)
    return found


def head(db: Connection, size: int, newest: int) -> Head:
    """Return the signed head of this size, or raise MissingError: none was signed, or shown."""
    note = log.read_checkpoint_at(db, size) if size <= newest else None
    if note is None:
        raise MissingError(f"no checkpoint of size {size} was signed")
    before, after = log.read_neighbours(db, size)
    if after is not None and after > newest:
        after = None
    return Head(note, log.read_signed_at(db, size), before, after)


def citing(
    db: Connection,
    index: Connection,
    size: int,
    bundle: Mapping[str, Any],
    make_bundle: MakeBundle,
) -> list[Citing]:
    """Return who cites a record, newest first, up to MAX_CITING.

    Args:
        index: a connection to the search index.
        bundle: the record's.
        make_bundle: makes that of another.
    """
    names = {(bundle["pith_number"], "pith"), *names_of(bundle["canonical_record"])}
    found = []
    for leaf_index in search.find_citations(index, names, MAX_CITING):
        with suppress(MissingError, TooLargeError):
            event = bundler.event_of(leaf(db, size, leaf_index))
            if event["event_type"] == CITATION and names.intersection(cited_by(event["payload"])):
                other = make_bundle(parse_pith_number(event["subject_pith_number"]).suffix)
                found += [
                    Citing(other, item, leaf_index)
                    for item in other["state"]["current"]["citation_signatures"]
                    if item["event_id"] == event["event_id"]
                ]
    return found
