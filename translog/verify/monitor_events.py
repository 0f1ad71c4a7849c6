"""A monitor's rules about events: what contradicts what is logged already, and what is watched.

Two events that contradict each other can be a million entries apart. So 64 bits are kept of what
each may contradict, with its place (`Mark`); what they lead to is fetched and compared in full.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from translog.errors import TranslogError, UnavailableError
from translog.formats.tree import consistency_ranges, range_hashes, root
from translog.pith.event import RECORD_CREATED, Event, restore
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import timestamp_anchor
from translog.pith.record import aliases
from translog.verify.claims_anchors import ContradictingAnchor, anchored
from translog.verify.claims_signers import SignerEquivocation, contradict
from translog.verify.findings import Trust
from translog.verify.monitor_entries import Seen, Tree
from translog.verify.monitor_facts import Fact, fact

# No part of what is signed: whatever an event is restored with is as good.
SOME_TIME = "1970-01-01T00:00:00.000000Z"


class Mark(NamedTuple):
    """That the event at this place may contradict others with the same 64 bits."""

    prefix: int
    origin: str
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here


Find = Callable[[Sequence[int]], Iterable[Mark]]
"""Return the marks of earlier entries, in this log and those it continues, with these 64 bits."""

ReadEvent = Callable[[str, int], tuple[Event, bytes] | None]
"""Return the event at an index of a log, and its signer's key; None where it is not published.

Raises:
    TranslogError: it cannot be read now.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What somebody wants to hear of.

    Attributes:
        records: Pith Numbers.
        aliases: values of aliases, such as 2402.13753.
        keys: fingerprints of signers' keys.
        types: of events.
    """

    records: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An event about a watched record: bundles about it must have it from now on.

    Attributes:
        index, entry: where it is logged.
        subject: the record's Pith Number.
        content: the event's.
        since: when it was seen, in POSIX seconds.
    """

    index: int
    entry: bytes
    subject: str
    content: bytes
    since: int


def prefix(*parts: str) -> int:
    """Return 64 bits of a hash as a signed integer, as SQLite keeps them."""
    digest = sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def prefixes(event: Event) -> list[int]:
    """Return the 64 bits of each thing of which there may be one event only."""
    found: list[int] = []
    if event.event_type == RECORD_CREATED:
        found.append(prefix(RECORD_CREATED, event.subject))
    previous = event.value["prev_event"]
    if previous is not None:
        found.append(prefix("prev_event", event.signer.fingerprint, previous))
    return found


def marks_of(origin: str, seen: Iterable[Seen]) -> list[Mark]:
    """Return the marks that these entries leave behind."""
    return [
        Mark(bits, origin, each.index)
        for each in seen
        if each.event is not None
        for bits in prefixes(each.event)
    ]


class OtherLogError(UnavailableError):
    """What another log published once cannot be read now: no fault of the log that is followed."""

    def __init__(self, origin: str, error: TranslogError) -> None:
        super().__init__(str(error))
        self.origin = origin


def contradictions(
    origin: str, seen: Sequence[Seen], find: Find, read_event: ReadEvent, keys: dict[str, bytes]
) -> list[Fact]:
    """Return the facts that some of these events contradict each other, or earlier ones.

    Args:
        keys: the public keys of their signers, by fingerprint.

    Raises:
        OtherLogError: an earlier event, in another log, cannot be read now.
        TranslogError: one of this log cannot.
    """
    mine = marks_of(origin, seen)
    events = {each.index: each.event for each in seen if each.event is not None}
    earlier: dict[int, list[Mark]] = defaultdict(list)
    for mark in find(sorted({mark.prefix for mark in mine})):
        earlier[mark.prefix].append(mark)
    facts: list[Fact] = []
    for mark in mine:
        event = events[mark.index]
        for other in earlier[mark.prefix]:
            theirs = events.get(other.index) if other.origin == origin else None
            if theirs is None:
                read = _read(read_event, other, origin)
                if read is None:
                    facts.append(_gone(origin, event, other))
                    continue
                theirs, key = read
                keys = {**keys, theirs.signer.fingerprint: key}
            found = equivocation(origin, theirs, event, keys)
            facts += found
            if any(each.severity == "alarm" for each in found):
                break  # one shows it: a key can sign any number, and they make as many pairs
        earlier[mark.prefix].append(mark)
    return facts


def _read(read_event: ReadEvent, mark: Mark, origin: str) -> tuple[Event, bytes] | None:
    try:
        return read_event(mark.origin, mark.index)
    except TranslogError as error:
        if mark.origin == origin:
            raise
        raise OtherLogError(mark.origin, error) from error


def _gone(origin: str, event: Event, other: Mark) -> Fact:
    """Return the fact that what an event may contradict was published once, and is not now."""
    sentence = (
        f"{event.event_id} in {origin} may contradict entry {other.index} of {other.origin}, "
        "which was published when it was scanned, and is not any more"
    )
    return fact("unpublished", (other.origin, other.index), "alarm", sentence)


def equivocation(origin: str, one: Event, other: Event, keys: dict[str, bytes]) -> list[Fact]:
    """Return the fact that two events contradict each other, or nothing."""
    if one.subject != other.subject or not contradict(one, other):
        return []
    ids = sorted((one.event_id, other.event_id))
    signer = one.signer.fingerprint
    if signer != other.signer.fingerprint:
        if not one.event_type == other.event_type == RECORD_CREATED:
            return []
        sentence = f"{one.subject} is created twice in {origin}, by two keys: {ids[0]}, {ids[1]}"
        return [fact("two-creations", tuple(ids), "warning", sentence)]
    accused = Trust(keys={keys[signer]: "the signer"}) if signer in keys else None
    return [
        fact(
            "equivocation",
            tuple(ids),
            "alarm",
            f"key {signer} signed two events about {one.subject} of which only one may be: "
            f"{ids[0]}, {ids[1]}",
            claim=SignerEquivocation(one=whole(one), other=whole(other)),
            accused=accused,
        )
    ]


def whole(event: Event) -> dict[str, Any]:
    """Return the whole event of what a log keeps of it."""
    return restore(event.content, event.signature, SOME_TIME)


def check_anchors(seen: Iterable[Seen], tree: Tree) -> list[Fact]:
    """Return the facts that the log states other trees to be anchored than those it signed."""
    own = {fingerprint_hex(log.key.public_key) for log in tree.trust.policy.logs}
    facts: list[Fact] = []
    for each in seen:
        event = each.event
        if (
            event is None
            or event.event_type != timestamp_anchor.TYPE
            or event.signer.fingerprint not in own
            or event.value["payload"]["origin"] != tree.head.origin
        ):
            continue
        facts += _check_anchor(each.index, event, tree)
    return facts


def _check_anchor(index: int, event: Event, tree: Tree) -> list[Fact]:
    head, stated = tree.head, anchored(event, tree.head.origin)
    if stated.size > index:
        # What was anchored was signed before the event was made: its tree cannot contain it.
        sentence = f"{head.origin} states as entry {index} an anchor of {stated.size} entries"
        return [fact("early-anchor", (event.event_id,), "alarm", sentence)]
    if root(stated.size, tree.read) == stated.root:
        return []
    hashes = (
        tuple(range_hashes(consistency_ranges(stated.size, head.size), tree.read))
        if stated.size < head.size
        else ()
    )
    return [
        fact(
            "contradicting-anchor",
            (event.event_id,),
            "alarm",
            f"{head.origin} states in {event.event_id} that another tree of {stated.size} entries "
            "was anchored than the one it signed",
            claim=ContradictingAnchor(anchor=whole(event), checkpoint=head.note, hashes=hashes),
            accused=tree.trust,
        )
    ]


def watched(
    origin: str, seen: Iterable[Seen], watch: Watch, subjects: set[str], now: int
) -> tuple[list[Fact], list[Hit]]:
    """Return what is to be told of these events, and those about watched records.

    Args:
        subjects: the Pith Numbers that are watched; one that a watched alias names is added.
    """
    facts: list[Fact] = []
    hits: list[Hit] = []
    for each in seen:
        event = each.event
        if event is None:
            continue
        reasons = _reasons(event, watch, subjects)
        for what, value in reasons:
            about = (each.index, what, value)
            sentence = (
                f"{event.event_type} {event.event_id} about {event.subject}, by key "
                f"{event.signer.fingerprint}, is entry {each.index} of {origin} ({what} {value})"
            )
            facts.append(fact("watched", about, "notice", sentence))
        if event.subject in subjects:
            hits.append(
                Hit(
                    index=each.index,
                    entry=each.entry,
                    subject=event.subject,
                    content=event.content,
                    since=now,
                )
            )
    return facts, hits


def _reasons(event: Event, watch: Watch, subjects: set[str]) -> list[tuple[str, str]]:
    reasons: list[tuple[str, str]] = []
    if watch.aliases and event.event_type == RECORD_CREATED:
        for value in _aliases(event):
            if value in watch.aliases:
                reasons.append(("alias", value))
                subjects.add(event.subject)
    if event.subject in subjects:
        reasons.append(("record", event.subject))
    if event.signer.fingerprint in watch.keys:
        reasons.append(("key", event.signer.fingerprint))
    if event.event_type in watch.types:
        reasons.append(("type", event.event_type))
    return reasons


def _aliases(event: Event) -> list[str]:
    try:
        named = aliases(event.value["payload"]["canonical_record"], event.created_at)
    except TranslogError:
        return []
    return [each["alias_value"] for each in named]
