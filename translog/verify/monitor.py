"""Follow a log: every head it shows, every entry it adds, and what others are shown of it.

One turn asks the log once, and yields steps. Each step is what is known behind it, and what was
found on the way: whoever stores it does so as one, and goes on from there after a crash. Nothing
here waits, remembers or tells the time.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from translog.errors import MalformedError, TranslogError, VerificationError
from translog.formats.cosigned import CosignedCheckpoint, read_cosigned
from translog.formats.note import MAX_NOTE_BYTES
from translog.formats.published import CHECKPOINT
from translog.verify.findings import Trust
from translog.verify.monitor_events import OtherLogError
from translog.verify.monitor_facts import Position
from translog.verify.monitor_heads import (
    Found,
    check_freshness,
    check_quorum,
    compare,
    judge,
    settle,
)
from translog.verify.monitor_missing import Asked, silent, silent_other, unreadable, wrong_head
from translog.verify.monitor_steps import Known, Log, Step, scan_entries
from translog.verify.state import AuditState

NOTHING: AbstractContextManager[object] = nullcontext()


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
            for step in _held(scan_entries(log, position, known, now, head, asked), reading):
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


def _held(steps: Iterator[Step], reading: AbstractContextManager[object]) -> Iterator[Step]:
    """Hold `reading` for one step after the other: whoever is slow lets others in between."""
    while True:
        with reading:
            step = next(steps, None)
            if step is None:
                return
            yield step
