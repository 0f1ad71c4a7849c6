"""The processes that check units, and what each of them has in hand."""

import os
import selectors
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from translog.errors import UnavailableError
from translog.log.checker import Checked, Elsewhere, gone
from translog.log.units import Unit, raws_of

# What one process is asked in one go, at most, unless a unit has more.
ASKED_EVENTS = 64
# More than a message adds to its events, and to each of them.
MESSAGE_BYTES = 128
EVENT_BYTES = 16


class Member:
    """One process: what it was asked and has not answered, first to last."""

    def __init__(self, checker: Elsewhere) -> None:
        self.checker = checker
        self.ready = False  # it has started
        self.gone = False
        self.asked: deque[list[Unit]] = deque()
        self.events = 0
        self.bytes = 0

    def assign(self, units: list[Unit]) -> None:
        """Put units in its hands."""
        self.asked.append(units)
        self._count(units, 1)

    def release(self) -> list[Unit]:
        """Take the first units out of its hands: those that it has answered."""
        units = self.asked.popleft()
        self._count(units, -1)
        return units

    def _count(self, units: list[Unit], sign: int) -> None:
        self.events += sign * sum(len(unit.raws) for unit in units)
        self.bytes += sign * (MESSAGE_BYTES + sum(map(_size, units)))


Said = tuple[Member, list[list[Checked]] | None]
"""Who said something, and the answers; None when it has ended."""

Done = tuple[list[Unit], Sequence[Checked]]


class Crew:
    """Processes that check, from `start` to `close`.

    One thread starts, listens, sends what is large, and closes. `send`, `take_large` and `settle`
    may be called from any, one at a time.
    """

    def __init__(self, database: Path, size: int) -> None:
        """Begin with no process; `start` has them started, up to `size`."""
        self._database = database
        self._wanted = size
        self._members: list[Member] = []
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = os.pipe()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._rung = False

    @property
    def ready(self) -> bool:
        """Whether somebody checks."""
        return any(member.ready for member in self._members)

    @property
    def complete(self) -> bool:
        """Whether nobody is left to be started."""
        return len(self._members) >= self._wanted

    def start(self) -> None:
        """Start who is missing. Processes that cannot be had are done without."""
        while not self.complete:
            try:
                member = Member(Elsewhere(self._database))
            except UnavailableError:
                self._wanted -= 1
            else:
                self._selector.register(member.checker, selectors.EVENT_READ, member)
                self._members = [*self._members, member]

    def send(self, unchecked: deque[Unit]) -> None:
        """Take units from the front and send them out, as long as they fit into the pipes."""
        free = self._free()
        share = -(-len(unchecked) // len(free)) if free else 0  # so that all get some
        while unchecked and free:
            member = min(free, key=lambda one: one.events)
            units = _fitting(member, unchecked, share)
            if not units:
                return
            member.assign(units)
            if not self.ask(member, units):
                free.remove(member)

    def take_large(self, unchecked: deque[Unit]) -> tuple[Member, list[Unit]] | None:
        """Take the first unit for a process that has nothing to do; `ask` sends it.

        After `send`, this is one that fits into no pipe: sending it waits for the process.
        """
        idle = [member for member in self._free() if not member.asked]
        if not unchecked or not idle:
            return None
        units = [unchecked.popleft()]
        idle[0].assign(units)
        return idle[0], units

    def _free(self) -> list[Member]:
        return [member for member in self._members if member.ready and not member.gone]

    def ask(self, member: Member, units: list[Unit]) -> bool:
        """Send a member what was put in its hands; say whether it is still there."""
        try:
            member.checker.ask(raws_of(units))
        except UnavailableError:
            member.gone = True  # `listen` finds out, behind its last answers
        return not member.gone

    def listen(self, *, waits: bool) -> list[Said]:
        """Return what members have said; wait until one has, or for `ring`."""
        said: list[Said] = []
        for key, _ in self._selector.select(None if waits else 0):
            member: Member | None = key.data
            if member is None:
                os.read(self._bell, 1)
                self._rung = False
                continue
            try:
                said.append((member, list(member.checker.answers())))
            except UnavailableError:
                self._selector.unregister(member.checker)
                said.append((member, None))
        return said

    def settle(self, said: Said) -> list[Done]:
        """Return what is checked by what a member said; if it has ended, all it had in hand."""
        member, answers = said
        if answers is None:
            self._members = [one for one in self._members if one is not member]
            self._wanted -= not member.ready  # another would not start either
            member.checker.close()
            lost = [member.release() for _ in range(len(member.asked))]
            return [(units, [gone()] * len(raws_of(units))) for units in lost]
        if answers and not member.ready:
            member.ready = True
            answers = answers[1:]  # the first says so
        return [(member.release(), answer) for answer in answers]

    def ring(self) -> None:
        """End a wait of `listen`: this one, or the next."""
        if not self._rung:
            self._rung = True
            os.write(self._ringer, b"\0")

    def close(self) -> None:
        """End all processes."""
        for member in self._members:
            member.checker.close()
        self._selector.close()
        os.close(self._bell)
        os.close(self._ringer)


def _fitting(member: Member, unchecked: deque[Unit], share: int) -> list[Unit]:
    """Take units from the front that fit into a member's pipe, up to its share."""
    room = member.checker.room_bytes - member.bytes - MESSAGE_BYTES
    units: list[Unit] = []
    events = 0
    while unchecked and len(units) < share:
        room -= _size(unchecked[0])
        events += len(unchecked[0].raws)
        if room < 0 or (units and events > ASKED_EVENTS):
            break
        units.append(unchecked.popleft())
    return units


def _size(unit: Unit) -> int:
    return unit.bytes + EVENT_BYTES * len(unit.raws)
