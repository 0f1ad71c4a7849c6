"""Follow a log: every head it shows, every entry it adds, and what others are shown of it.

One turn asks the log once, and yields steps. Each step is what is known behind it, and what was
found on the way: whoever stores it does so as one, and goes on from there after a crash. Nothing
here waits, remembers or tells the time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial

from translog.errors import MalformedError, TranslogError, VerificationError
from translog.formats.cosigned import CosignedCheckpoint, read_cosigned
from translog.formats.note import MAX_NOTE_BYTES
from translog.formats.policy import Policy
from translog.formats.published import CHECKPOINT, Fetch
from translog.pith.key import fingerprint_hex
from translog.verify.events import fetch_keys
from translog.verify.findings import Trust
from translog.verify.monitor_entries import Judge, Owed, Scanned, Seen, Tree, body, scan
from translog.verify.monitor_events import (
    Find,
    Hit,
    Mark,
    OtherLogError,
    ReadEvent,
    Watch,
    check_anchors,
    contradictions,
    marks_of,
    watched,
)
from translog.verify.monitor_facts import Fact, Position, lasts
from translog.verify.monitor_heads import (
    Found,
    Place,
    check_freshness,
    check_quorum,
    compare,
    judge,
    settle,
)
from translog.verify.monitor_missing import (
    Asked,
    missing,
    silent,
    silent_other,
    unreadable,
    wrong_head,
)
from translog.verify.monitor_permits import Decision, Permits
from translog.verify.monitor_records import check_bundles
from translog.verify.state import AuditState

NOTHING: AbstractContextManager[object] = nullcontext()
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
        permits: who may write what, after the entries that were scanned; followed on.
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


def follow(
    log: Log,
    position: Position,
    known: Known,
    now: int,
    reading: AbstractContextManager[object] = NOTHING,
) -> Iterator[Step]:
    """Take one turn: ask the log for its head, and check all that is new.

    Args:
        now: POSIX seconds.
        reading: held while a bundle of entries is read and stored, which takes memory: for who
            follows many logs. Entered anew for each.
    """
    asked = Asked(log.fetch)
    position = position.not_after(now)
    try:
        raw = asked.get(CHECKPOINT, MAX_NOTE_BYTES)
    except TranslogError as error:
        position, facts = silent(log.origin, position, error, now, log.patience)
        yield Step(position=position, facts=tuple(facts))
        return
    position = position.ended("silent")
    try:
        head = read_cosigned(raw, log.policy)
        if head.origin != log.origin:
            raise VerificationError(f"it is of {head.origin[:80]!r}")
    except (MalformedError, VerificationError) as error:
        position, facts = wrong_head(log.origin, position, error, now)
        yield Step(position=position, facts=tuple(facts))
        return
    position = position.ended("wrong-head")
    yield from _turn(log, position, known, now, head, asked, reading)


def _turn(
    log: Log,
    position: Position,
    known: Known,
    now: int,
    head: CosignedCheckpoint,
    asked: Asked,
    reading: AbstractContextManager[object],
) -> Iterator[Step]:
    """Judge a head that the log has signed, and go on to what is behind it."""
    position, facts = check_quorum(position, head, log.policy, now, log.patience)
    try:
        position, found, good = judge(position, head, asked.get, log.policy, now)
    except TranslogError as error:
        position, found = _unreadable(log, position, head, asked, error, now)
        yield Step(position=position, facts=(*facts, *found))
        return
    facts += found
    if good:
        position = _believe(position, head, now)
    mine = position.head or head
    position, found = check_freshness(position, mine, log.policy, now, log.frozen_after)
    yield Step(position=position, facts=(*facts, *found))
    position, found = compare(position, log.places, asked.get, log.policy, now, log.patience)
    yield Step(position=position, facts=tuple(found))
    if not good:
        return
    try:
        if position.pending:
            position, found, unread = settle(position, asked.get, log.policy, now, log.patience)
            yield Step(position=position, facts=tuple(found))
            if unread is not None:
                raise unread
        if position.size < head.size or now - position.checked_at >= log.check_every:
            for step in _held(_scan(log, position, known, now, head, asked), reading):
                position = step.position
                yield step
    except TranslogError as error:
        position, found = _unreadable(log, position, head, asked, error, now)
        yield Step(position=position, facts=tuple(found))
        return
    yield Step(position=position.ended("unreadable", "silent-other"))


def _unreadable(
    log: Log,
    position: Position,
    head: CosignedCheckpoint,
    asked: Asked,
    error: TranslogError,
    now: int,
) -> Found:
    if isinstance(error, OtherLogError):
        return silent_other(log.origin, position, error, now, log.patience)
    trust = Trust(policy=log.policy)
    return unreadable(position, head, asked.last, error, trust, now, log.patience)


def _believe(position: Position, head: CosignedCheckpoint, now: int) -> Position:
    """Take a head for the one to compare others with, and to scan up to."""
    old = position.state
    if old is None:
        state = AuditState(checkpoint=head, size=0, edge=(), depth="events")
        return replace(position, state=state, changed_at=now)
    if old.checkpoint.note == head.note:
        return position
    changed = (old.checkpoint.size, old.checkpoint.root) != (head.size, head.root)
    state = replace(old, checkpoint=head)
    return replace(position, state=state, changed_at=now if changed else position.changed_at)


def _scan(
    log: Log,
    position: Position,
    known: Known,
    now: int,
    head: CosignedCheckpoint,
    asked: Asked,
) -> Iterator[Step]:
    trust = Trust(policy=log.policy)
    tree = Tree.of(head, asked.get, trust)
    keys = cache(partial(fetch_keys, asked.get))  # once in a turn, however many entries want it
    judging = Judge(tree=tree, keys=keys, now=now, known=known.keys)
    subjects = {*log.watch.records, *(hit.subject for hit in known.hits())}
    for scanned in scan(position, tree, judging, now):
        yield _step(log, scanned, known, tree, judging, subjects, now)
        position = scanned.position
    if now - position.checked_at >= log.check_every:
        position = replace(position, checked_at=now)
        yield _again(log, position, known, tree, judging, subjects, now)
        hits = known.hits()
        if hits:
            position, found = check_bundles(position, hits, log.bundles, tree, now, log.patience)
            yield Step(position=position, facts=tuple(found))


def _held(steps: Iterator[Step], reading: AbstractContextManager[object]) -> Iterator[Step]:
    """Hold `reading` for one step after the other: whoever is slow lets others in between."""
    while True:
        with reading:
            step = next(steps, None)
            if step is None:
                return
            yield step


def _step(
    log: Log,
    scanned: Scanned,
    known: Known,
    tree: Tree,
    judging: Judge,
    subjects: set[str],
    now: int,
) -> Step:
    """Return what a scanned bundle comes to."""
    facts, hits = events_of(log, scanned.seen, known, tree, judging, subjects, now)
    forbidden, decisions = known.permits().check(scanned.seen, tree, judging.known)
    return Step(
        position=scanned.position,
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
    # Whether they were permitted is not asked any more: only what the log decided counts.
    _, decisions = known.permits().check(seen, tree, judging.known)
    return Step(
        position=position,
        facts=(*facts, *more),
        marks=tuple(marks_of(log.origin, seen)),
        hits=tuple(hits),
        owed=tuple(still),
        decisions=tuple(decisions),
        paid=tuple(paid),
    )
