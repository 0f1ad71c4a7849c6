"""The steps of a turn in which entries are read: what is new, what is owed, what was not judged.

A crash between steps loses none of this: each is stored whole, with how far it has come. What was
paid and not judged yet is behind `Position.judged`, and read again from there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

from translog.formats.cosigned import CosignedCheckpoint
from translog.formats.policy import Policy
from translog.formats.published import Fetch
from translog.pith.key import fingerprint_hex
from translog.verify.events import fetch_keys
from translog.verify.findings import Trust
from translog.verify.monitor_entries import (
    Judge,
    Owed,
    Scanned,
    Seen,
    Tree,
    body,
    scan,
    scan_again,
)
from translog.verify.monitor_events import (
    Find,
    Hit,
    Mark,
    ReadEvent,
    Watch,
    check_anchors,
    contradictions,
    marks_of,
    watched,
)
from translog.verify.monitor_facts import Fact, Position, lasts
from translog.verify.monitor_heads import Place
from translog.verify.monitor_missing import Asked, missing, unjudged
from translog.verify.monitor_permits import Decision, Permits
from translog.verify.monitor_records import check_bundles

OWED_AT_ONCE = 16  # entries that are asked for again in one turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is followed, and how.

    Attributes:
        policy: its keys, and the witnesses of its heads.
        fetch: where it is published.
        places: where else its heads are shown.
        bundles: names, and where bundles of its records are served.
        watch: what is to be told of its entries.
        frozen_after: seconds after which a head is too old.
        patience: seconds for which something may be missing, or late, before it is told.
        check_every: seconds between looking at bundles, and at what is owed.
    """

    origin: str
    policy: Policy
    fetch: Fetch
    places: tuple[Place, ...] = ()
    bundles: tuple[tuple[str, Fetch], ...] = ()
    watch: Watch = field(default_factory=Watch)
    frozen_after: int = 86_400
    patience: int = 3_600
    check_every: int = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is remembered of earlier entries.

    Attributes:
        find: marks with these 64 bits, in this log and those it continues.
        read_event: an event by its place.
        hits: the logged events about watched records.
        owed: the entries that could not be judged, oldest first.
        permits: who may write what, after the entries that were judged; followed on.
        keys: public keys by their hash, as far as they were needed; more are put in.
    """

    find: Find
    read_event: ReadEvent
    hits: Callable[[], Sequence[Hit]]
    owed: Callable[[], Sequence[Owed]]
    permits: Callable[[], Permits]
    keys: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a turn.

    Attributes:
        position: where the monitor stands behind it.
        facts: what was found out.
        marks, hits, owed, decisions: what is to be remembered of the entries that it covers.
        paid: indices of entries that are owed no more.
        scanned: how many entries it covers.
    """

    position: Position
    facts: tuple[Fact, ...] = ()
    marks: tuple[Mark, ...] = ()
    hits: tuple[Hit, ...] = ()
    owed: tuple[Owed, ...] = ()
    decisions: tuple[Decision, ...] = ()
    paid: tuple[int, ...] = ()
    scanned: int = 0


def scan_entries(
    log: Log,
    position: Position,
    known: Known,
    now: int,
    head: CosignedCheckpoint,
    asked: Asked,
) -> Iterator[Step]:
    """Read what is new in a head that is believed, and now and then what was missing before."""
    trust = Trust(policy=log.policy)
    tree = Tree.of(head, asked.get, trust)
    keys = cache(partial(fetch_keys, asked.get))  # once in a turn, however many entries want it
    judging = Judge(tree=tree, keys=keys, now=now, known=known.keys)
    subjects = {*log.watch.records, *(hit.subject for hit in known.hits())}
    for scanned in scan(position, tree, judging, now):
        step = _step(log, scanned, position.judged, known, tree, judging, subjects, now)
        position = step.position
        yield step
    if now - position.checked_at >= log.check_every:
        yield _again(log, position, known, tree, judging, subjects, now)
        for step in _judge_again(position, known, tree, judging):
            position = step.position
            yield step
        # Not before: what cannot be read again is asked for at every turn, and so told if it lasts.
        position = replace(position, checked_at=now)
        position, found = unjudged(log.origin, position, now, log.patience)
        yield Step(position=position, facts=tuple(found))
        hits = known.hits()
        if hits:
            position, found = check_bundles(position, hits, log.bundles, tree, now, log.patience)
            yield Step(position=position, facts=tuple(found))


def _step(
    log: Log,
    scanned: Scanned,
    judged: int,
    known: Known,
    tree: Tree,
    judging: Judge,
    subjects: set[str],
    now: int,
) -> Step:
    """Return what a scanned bundle comes to.

    Args:
        judged: how many entries were. Those that wait to be come before these.
    """
    facts, hits = events_of(log, scanned.seen, known, tree, judging, subjects, now)
    forbidden: list[Fact] = []
    decisions: list[Decision] = []
    if scanned.seen[0].index == judged:
        forbidden, decisions, judged = known.permits().check(scanned.seen, tree, judging.known)
    return Step(
        position=replace(scanned.position, judged=judged),
        facts=(*scanned.facts, *facts, *forbidden),
        marks=tuple(marks_of(log.origin, scanned.seen)),
        hits=tuple(hits),
        owed=scanned.owed,
        decisions=tuple(decisions),
        scanned=len(scanned.seen),
    )


def events_of(
    log: Log,
    seen: Sequence[Seen],
    known: Known,
    tree: Tree,
    judging: Judge,
    subjects: set[str],
    now: int,
) -> tuple[list[Fact], list[Hit]]:
    """Apply the rules about events to entries that were judged."""
    ring = {fingerprint_hex(key): key for key in judging.known.values()}
    facts = contradictions(log.origin, seen, known.find, known.read_event, ring)
    facts += check_anchors(seen, tree)
    told, hits = watched(log.origin, seen, log.watch, subjects, now)
    return [*facts, *told], hits


def _again(
    log: Log,
    position: Position,
    known: Known,
    tree: Tree,
    judging: Judge,
    subjects: set[str],
    now: int,
) -> Step:
    """Ask again for what the log owes, and tell of what it has owed for too long."""
    facts: list[Fact] = []
    seen: list[Seen] = []
    paid: list[int] = []
    still: list[Owed] = []
    for owed in known.owed()[:OWED_AT_ONCE]:
        content = body(tree.fetch, owed.entry)
        event, wrong, lacking = judging.entry(owed.index, owed.entry, content)
        facts += wrong
        if not lacking:
            paid.append(owed.index)
            seen.append(Seen(owed.index, owed.entry, event))
            continue
        still.append(owed)
        if lasts(owed.since, now, log.patience):
            facts.append(missing(owed, tree, now, no_body=content is None))
    more, hits = events_of(log, seen, known, tree, judging, subjects, now)
    # The others are behind what was judged, and come when those before them are known.
    late = [each for each in seen if each.index < position.judged]
    forbidden = known.permits().check_late(late, tree, judging.known) if late else []
    return Step(
        position=position,
        facts=(*facts, *more, *forbidden),
        marks=tuple(marks_of(log.origin, seen)),
        hits=tuple(hits),
        owed=tuple(still),
        paid=tuple(paid),
    )


def _judge_again(position: Position, known: Known, tree: Tree, judging: Judge) -> Iterator[Step]:
    """Judge entries that were scanned while something before them was withheld, as far as it is
    known now. What has disappeared since is owed.

    A crash between these steps means that the next check goes on where the last one stored ended.
    """
    if position.judged == position.size:
        return
    for scanned in scan_again(position.judged, tree, judging):
        facts, decisions, judged = known.permits().check(scanned.seen, tree, judging.known)
        yield Step(
            position=replace(position, judged=judged),
            facts=(*scanned.facts, *facts),
            owed=tuple(owed for owed in scanned.owed if owed.index <= judged),
            decisions=tuple(decisions),
        )
        if judged <= scanned.seen[-1].index:
            return
