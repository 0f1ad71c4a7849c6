"""Follow a log: every head it shows, every entry it adds, and what others are shown of it.

One turn asks the log once, and yields steps. Each step is what is known behind it, and what was
found on the way: whoever stores it does so as one, and goes on from there after a crash. Nothing
here waits, remembers or tells the time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial

from translog.errors import (
    MalformedError,
    TranslogError,
    UnavailableError,
    VerificationError,
)
from translog.formats.cosigned import CosignedCheckpoint, read_cosigned
from translog.formats.note import MAX_NOTE_BYTES
from translog.formats.policy import Policy
from translog.formats.published import CHECKPOINT, KEYS, Fetch, event_path
from translog.formats.strict import shown
from translog.formats.tiles import ENTRIES
from translog.pith.key import fingerprint_hex
from translog.verify.claims_heads import Withheld
from translog.verify.events import fetch_keys
from translog.verify.findings import Trust
from translog.verify.monitor_entries import Judge, Owed, Scanned, Seen, Tree, body, scan
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
from translog.verify.monitor_facts import Fact, Position, fact
from translog.verify.monitor_heads import (
    Place,
    check_freshness,
    check_quorum,
    compare,
    judge,
    settle,
)
from translog.verify.monitor_permits import Decision, Permits
from translog.verify.monitor_records import check_bundles
from translog.verify.state import AuditState

MAX_TILES = 32  # kept during a turn: 8 KB each
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
        reading: held while entries are read, which takes memory: for who follows many logs.
    """
    asked = Asked(log.fetch)
    try:
        raw = asked.get(CHECKPOINT, MAX_NOTE_BYTES)
    except TranslogError as error:
        yield _silent(log, position, error, now)
        return
    position = position.ended("silent")
    try:
        head = read_cosigned(raw, log.policy)
        if head.origin != log.origin:
            raise VerificationError(f"it is of {head.origin[:80]!r}")
    except (MalformedError, VerificationError, UnavailableError) as error:
        yield _wrong_head(log, position, error, now)
        return
    position = position.ended("wrong-head")
    yield from _turn(log, position, known, now, head, asked, reading)


def _turn(
    log: Log,
    position: Position,
    known: Known,
    now: int,
    head: CosignedCheckpoint,
    asked: "Asked",
    reading: AbstractContextManager[object],
) -> Iterator[Step]:
    """Judge a head that the log has signed, and go on to what is behind it."""
    position, facts = check_quorum(position, head, log.policy, now, log.patience)
    try:
        position, found, good = judge(position, head, asked.get, log.policy, now)
    except TranslogError as error:
        yield _unreadable(log, position, head, facts, asked, error, now)
        return
    facts += found
    if good:
        position = _believe(position, head, now)
    mine = position.head or head
    position, found = check_freshness(position, mine, log.policy, now, log.frozen_after)
    yield Step(position=position, facts=(*facts, *found))
    position, found = compare(position, log.places, asked.get, log.policy, now)
    if found or position.pending:
        yield Step(position=position, facts=tuple(found))
    if not good:
        return
    try:
        if position.pending:
            position, found = settle(position, asked.get, log.policy, now, log.patience)
            yield Step(position=position, facts=tuple(found))
        if position.size < head.size or now - position.checked_at >= log.check_every:
            with reading:
                for step in _scan(log, position, known, now, head, asked):
                    position = step.position
                    yield step
    except TranslogError as error:
        yield _unreadable(log, position, head, [], asked, error, now)
        return
    yield Step(position=position.ended("unreadable"))


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
    asked: "Asked",
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
            found = check_bundles(hits, log.bundles, tree, now, log.patience)
            yield Step(position=position, facts=tuple(found))


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
        event, wrong, missing = judging.entry(owed.index, owed.entry, content)
        facts += wrong
        if not missing:
            paid.append(owed.index)
            seen.append(Seen(owed.index, owed.entry, event))
            continue
        still.append(owed)
        if now - owed.since >= log.patience:
            facts.append(_missing(log, owed, content is None, tree, now))
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


def _missing(log: Log, owed: Owed, no_body: bool, tree: Tree, now: int) -> Fact:
    """Return the fact that the log does not publish what one of its entries commits to."""
    path = event_path(owed.entry[1:33]) if no_body else KEYS
    what = "content" if no_body else "key"
    return fact(
        f"missing-{what}",
        (owed.index,) if no_body else (owed.entry[33:65].hex(),),
        "alarm",
        f"{log.origin} does not publish the {what} of entry {owed.index}, {path}",
        claim=Withheld(
            checkpoint=tree.head.note,
            path=path,
            found="not published, or not what the entry says",
            logged=tree.logged(owed.index, owed.entry) if no_body else None,
            since=owed.since,
            until=now,
        ),
        accused=tree.trust,
    )


def _silent(log: Log, position: Position, error: TranslogError, now: int) -> Step:
    position = position.lasting("silent", now)
    since = position.conditions["silent"]
    if now - since < log.patience:
        return Step(position=position)
    sentence = f"{log.origin} has not answered for {now - since} s: {error}"
    return Step(position=position, facts=(fact("silent", (since,), "warning", sentence),))


def _wrong_head(log: Log, position: Position, error: TranslogError, now: int) -> Step:
    position = position.lasting("wrong-head", now)
    since = position.conditions["wrong-head"]
    sentence = f"{log.origin} shows a checkpoint that is not its own: {error}"
    return Step(position=position, facts=(fact("wrong-head", (since,), "alarm", sentence),))


def _unreadable(
    log: Log,
    position: Position,
    head: CosignedCheckpoint,
    facts: Sequence[Fact],
    asked: "Asked",
    error: TranslogError,
    now: int,
) -> Step:
    """Say that what belongs to a signed head is not published as it must be."""
    position = position.lasting("unreadable", now)
    since = position.conditions["unreadable"]
    # What is wrong is told at once; what is missing may be there in a moment.
    wrong = isinstance(error, MalformedError | VerificationError)
    if not wrong and now - since < log.patience:
        return Step(position=position, facts=tuple(facts))
    path = asked.last
    unreadable = fact(
        "corrupt" if wrong else "withheld",
        (since,),
        "alarm",
        f"{log.origin} signed a head of {head.size} entries, and {path} is not as it must be: "
        f"{error}",
        claim=Withheld(
            checkpoint=head.note,
            path=path,
            found=_label(str(error)),
            logged=None,
            since=since,
            until=now,
        ),
        accused=Trust(policy=log.policy),
    )
    return Step(position=position, facts=(*facts, unreadable))


def _label(text: str) -> str:
    """Return text as a label can hold it."""
    return "".join(each if each.isprintable() else "?" for each in text)[:255] or shown(text)


class Asked:
    """A fetch for one turn: remembers what it was asked for, because errors are about that, and
    some tiles, because several questions are about the same ones."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._paths = ["", ""]
        self._tiles: dict[str, bytes] = {}

    def get(self, path: str, limit: int) -> bytes:
        """Do what the fetch does."""
        self._paths = [self._paths[1], path]
        if not path.startswith("tile/") or path.startswith(f"{ENTRIES}/"):
            return self._fetch(path, limit)
        if path not in self._tiles:
            content = self._fetch(path, limit)
            if len(self._tiles) >= MAX_TILES:
                del self._tiles[next(iter(self._tiles))]
            self._tiles[path] = content
        return self._tiles[path]

    @property
    def last(self) -> str:
        """The path asked for last; the partial file, if the full one was asked for in its place."""
        before, path = self._paths
        return before if before.startswith(f"{path}.p/") else path
