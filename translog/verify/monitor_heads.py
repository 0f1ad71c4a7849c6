"""A monitor's rules about heads: is this one good, and can it be true beside the others?

Each rule takes where the monitor stands and what was fetched, and returns where it stands then and
what it found out. The tree of a head is only read to compare it with another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from translog.errors import MalformedError, TranslogError, VerificationError
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.cosigned import CosignedCheckpoint, read_cosigned
from translog.formats.policy import Policy
from translog.formats.published import Fetch
from translog.formats.strict import shown
from translog.verify.claims_heads import FrozenLog, ShrunkenLog
from translog.verify.findings import Trust
from translog.verify.growth import check_continues
from translog.verify.monitor_facts import MAX_PENDING, Fact, Pending, Position, fact
from translog.verify.state import HistoryError

OWN = "the log"  # the place that is followed
PLACE_CONDITIONS = ("wrong-place", "silent-place")  # of a place: its name follows, after a colon
AHEAD_SECONDS = 300  # how far a witness's clock may be ahead of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where else heads of the log can be seen: a witness, a mirror, another monitor.

    Attributes:
        name: what to call it.
        read: return the note that it shows.
        fetch: the log's tree, where it is published there; None where only heads are.
    """

    name: str
    read: Callable[[], bytes]
    fetch: Fetch | None = None


Found = tuple[Position, list[Fact]]


def judge(
    position: Position, head: CosignedCheckpoint, fetch: Fetch, policy: Policy, now: int
) -> tuple[Position, list[Fact], bool]:
    """Judge the head that the log shows now.

    Args:
        head: signed by the log; its cosignatures verified, as many as there are.
        fetch: where its tree is published.

    Returns:
        The position, the facts, and whether the head is one to go on to: it continues the one
        that was believed before, or there was none.

    Raises:
        TranslogError: the tree could not be read: nothing can be said yet.
    """
    trust = Trust(policy=policy)
    old = position.head
    if old is None or _is_same(old, head):
        return position, [], True
    if head.size < old.size:
        return _shrunken(position, old, head, fetch, trust)
    try:
        check_continues(fetch, old, head)
    except HistoryError as error:
        return position, [forked(old, head, error, trust, OWN)], False
    return position, [], True


def forked(
    old: SignedCheckpoint, new: SignedCheckpoint, error: HistoryError, trust: Trust, place: str
) -> Fact:
    """Return the fact that a log has forked: one for each place where the other tree is shown.

    Both trees may grow, and every two of their heads contradict each other: that is no news.
    """
    return fact(
        "fork",
        (place,),
        "alarm",
        f"{old.origin} has forked: it signed a tree of {old.size} entries, and one of {new.size} "
        f"that contradicts it, seen at {place}",
        claim=error.claim,
        accused=trust,
    )


def _shrunken(
    position: Position,
    old: SignedCheckpoint,
    head: SignedCheckpoint,
    fetch: Fetch,
    trust: Trust,
) -> tuple[Position, list[Fact], bool]:
    """Judge a head smaller than the one we believe: an old one, or one of another tree."""
    try:
        check_continues(fetch, head, old)
    except HistoryError as error:
        return position, [forked(head, old, error, trust, OWN)], False
    except TranslogError:
        pass  # it does not show the larger tree any more: then only that it shrank is known
    shrank = fact(
        "shrunken-log",
        (old.size, old.root.hex()),
        "alarm",
        f"{old.origin} showed {old.size} entries, and then {head.size}",
        claim=ShrunkenLog(before=old.note, after=head.note),
        accused=trust,
    )
    return position, [shrank], False


def check_quorum(
    position: Position, head: CosignedCheckpoint, policy: Policy, now: int, patience: int
) -> Found:
    """Check that the witnesses that the policy asks for have cosigned, by clocks like ours."""
    if policy.quorum is None:
        return position, []
    found: list[Fact] = []
    late = max((one.time for one in head.cosigned), default=0)
    if late > now + AHEAD_SECONDS:
        who = next(one.cosigner.name for one in head.cosigned if one.time == late)
        sentence = f"{who} cosigned {head.origin} at {late}, which is {late - now} s from now"
        found.append(fact("clock", (who,), "warning", sentence))
    if policy.is_met(head.cosigners):
        return position.ended("no-quorum"), found
    position = position.lasting("no-quorum", now)
    since = position.conditions["no-quorum"]
    if now - since >= patience:
        names = ", ".join(sorted({one.cosigner.name for one in head.cosigned})) or "no witness"
        sentence = (
            f"{head.origin} shows heads without quorum {shown(policy.quorum)}: {names} cosigned"
        )
        found.append(fact("no-quorum", (since,), "warning", sentence))
    return position, found


def fresh_at(head: SignedCheckpoint, policy: Policy) -> int | None:
    """Return when a quorum of witnesses last saw this head, or None where none is asked for."""
    if policy.quorum is None or not isinstance(head, CosignedCheckpoint):
        return None
    latest = sorted(head.cosigned, key=lambda one: -one.time)
    for count, one in enumerate(latest, start=1):
        if policy.is_met({each.cosigner for each in latest[:count]}):
            return one.time
    return None


def check_freshness(
    position: Position, head: SignedCheckpoint, policy: Policy, now: int, limit: int
) -> Found:
    """Check that the log is not frozen.

    A checkpoint has no time of its own: where witnesses vouch for one, theirs counts, and else
    the time at which the head was first seen here.
    """
    since = fresh_at(head, policy)
    if since is None:
        since = position.changed_at
    if now - since <= limit:
        return position, []
    frozen = fact(
        "frozen-log",
        (head.size, head.root.hex()),
        "warning",
        f"{head.origin} has shown nothing newer than {head.size} entries for {now - since} s",
        claim=FrozenLog(shown=head.note, newest=None, since=since, until=now),
        accused=Trust(policy=policy),
    )
    return position, [frozen]


def compare(
    position: Position,
    places: Sequence[Place],
    fetch: Fetch,
    policy: Policy,
    now: int,
    patience: int,
) -> Found:
    """Compare what others are shown with the head that we believe.

    Heads larger than ours wait until ours has grown: then our tree must contain theirs.
    """
    found: list[Fact] = []
    asked = {f"{kind}:{place.name}" for place in places for kind in PLACE_CONDITIONS}
    position = position.ended(
        *(name for name in position.conditions if _is_of_place(name) and name not in asked)
    )
    for place in places:
        position, more = _look(position, place, fetch, policy, now, patience)
        found += more
    return position, found


def _is_of_place(condition: str) -> bool:
    return condition.partition(":")[0] in PLACE_CONDITIONS


def _look(
    position: Position, place: Place, fetch: Fetch, policy: Policy, now: int, patience: int
) -> Found:
    wrong = f"wrong-place:{place.name}"
    try:
        head = read_cosigned(place.read(), policy)
    except (MalformedError, VerificationError) as error:
        position = position.lasting(wrong, now)
        about = (place.name, position.conditions[wrong])
        sentence = f"{place.name} shows a head that is not one of this log: {error}"
        position = position.ended(f"silent-place:{place.name}")
        return position, [fact("wrong-place", about, "warning", sentence)]
    except TranslogError as error:
        return _silent_place(position, place.name, error, now, patience)
    position, mine = position.ended(wrong, f"silent-place:{place.name}"), position.head
    if mine is None or head.origin != mine.origin or _is_same(head, mine):
        return position, []
    is_ours = head.size <= mine.size  # the tree that must contain the other
    large, small, tree = (mine, head, fetch) if is_ours else (head, mine, place.fetch)
    try:
        if tree is not None:
            check_continues(tree, small, large)
            if is_ours:
                return position, []
    except HistoryError as error:
        return position, [forked(small, large, error, Trust(policy=policy), place.name)]
    except TranslogError:
        pass  # it waits, too: if our tree cannot be read, `settle` says so
    return _wait(position, head, place.name, now), []


def _silent_place(
    position: Position, place: str, error: TranslogError, now: int, patience: int
) -> Found:
    """Tell that nothing can be compared with a place. Whoever shows us a tree of our own would see
    to that first."""
    silent = f"silent-place:{place}"
    position = position.lasting(silent, now)
    since = position.conditions[silent]
    if now - since < patience:
        return position, []
    sentence = f"{place} has shown no head to compare with for {now - since} s: {error}"
    return position, [fact("silent-place", (place, since), "warning", sentence)]


def _wait(position: Position, head: SignedCheckpoint, place: str, now: int) -> Position:
    """Remember a head that cannot be compared with ours yet."""
    known = {(each.size, each.root) for each in position.pending}
    if (head.size, head.root.hex()) in known or len(position.pending) >= MAX_PENDING:
        return position
    waiting = Pending(note=head.note, size=head.size, root=head.root.hex(), place=place, since=now)
    return replace(position, pending=(*position.pending, waiting))


def settle(
    position: Position, fetch: Fetch, policy: Policy, now: int, patience: int
) -> tuple[Position, list[Fact], TranslogError | None]:
    """Compare the heads that waited with ours, if it has reached them. Tell who waits too long.

    Returns:
        The position, the facts, and why our tree cannot be read now, where one waits for that. The
        others come first the next time: one that cannot be compared keeps no other from it.
    """
    mine = position.head
    if mine is None:
        return position, [], None
    waiting: list[Pending] = []
    found: list[Fact] = []
    for number, each in enumerate(position.pending, start=1):
        if each.size > mine.size:
            waiting.append(each)
            if now - each.since >= patience:
                found.append(_behind(mine, each, Trust(policy=policy), now))
            continue
        try:
            found += _settled(mine, each, fetch, policy)
        except TranslogError as error:
            waiting += [*position.pending[number:], each]
            return replace(position, pending=tuple(waiting)), found, error
    return replace(position, pending=tuple(waiting)), found, None


def _settled(mine: SignedCheckpoint, each: Pending, fetch: Fetch, policy: Policy) -> list[Fact]:
    try:
        theirs = read_cosigned(each.note, policy)
    except (MalformedError, VerificationError):
        return []  # a key of then is listed no more: it is no head of this log to us
    try:
        check_continues(fetch, theirs, mine)
    except HistoryError as error:
        return [forked(theirs, mine, error, Trust(policy=policy), each.place)]
    return []


def _behind(mine: SignedCheckpoint, other: Pending, trust: Trust, now: int) -> Fact:
    return fact(
        "behind",
        (mine.size, mine.root.hex()),
        "warning",
        f"{mine.origin} shows us {mine.size} entries, and {other.place} has had a head of "
        f"{other.size} for {now - other.since} s",
        claim=FrozenLog(shown=mine.note, newest=other.note, since=other.since, until=now),
        accused=trust,
    )


def _is_same(one: SignedCheckpoint, other: SignedCheckpoint) -> bool:
    return (one.size, one.root) == (other.size, other.root)
