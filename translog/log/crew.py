"""The processes that check units, and what each of them has in hand."""

import os
import selectors
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from translog.errors import UnavailableError
from translog.log.checker import GONE, Checked, Elsewhere
from translog.log.units import Unit, raws_of

# What one process is asked in one go, at most, unless a unit has more.
ASKED_EVENTS = 64


class Member:
    """One process: what it was asked and has not answered, first to last."""

    def __init__(self, checker: Elsewhere) -> None:
        self.checker = checker
        self.ready = False  # it has started
        self.ended = False
        self.asked: deque[list[Unit]] = deque()
        self.events = 0
        self.bytes = 0

    def count(self, units: Sequence[Unit], sign: int) -> None:
        """Keep account of units that were sent, or answered."""
        self.events += sign * sum(len(unit.raws) for unit in units)
        self.bytes += sign * sum(unit.bytes for unit in units)


Said = tuple[Member, list[list[Checked]]]
"""Who said something, and the answers."""

Done = tuple[list[Unit], Sequence[Checked]]


class Crew:
    """Processes that check, from `start` to `close`.

    One thread starts, listens and closes. `send` and `settle` are called by any, one at a time.
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

    def send(self, unchecked: deque[Unit], *, waits: bool) -> None:
        """Take units from the front and send them out, as long as there is room.

        Args:
            waits: whether what is larger than a pipe may be sent as well, to who waits for it.
        """
        free = [member for member in self._members if member.ready and not member.ended]
        while free and unchecked:
            member = min(free, key=lambda one: one.events)
            units = _fitting(member, unchecked, waits=waits)
            if not units:
                return
            member.asked.append(units)
            member.count(units, 1)
            try:
                member.checker.ask(raws_of(units))
            except UnavailableError:
                member.ended = True  # `listen` reads so, behind its last answers
                free.remove(member)

    def listen(self, *, waits: bool) -> list[Said]:
        """Return what members have said; wait until one has, or for `ring`."""
        said: list[Said] = []
        for key, _ in self._selector.select(None if waits else 0):
            if key.data is None:
                os.read(self._bell, 1)
                self._rung = False
                continue
            try:
                said.append((key.data, list(key.data.checker.answers())))
            except UnavailableError:
                self._selector.unregister(key.data.checker)
                key.data.ended = True
                said.append((key.data, []))
        return said

    def settle(self, said: Said) -> list[Done]:
        """Return which units are checked by what a member said; if it has ended, all it had."""
        member, answers = said
        done: list[Done] = []
        for answer in answers:
            if member.ready:
                done.append((member.asked.popleft(), answer))
            member.ready = True
        if member.ended and not answers:
            self._members = [one for one in self._members if one is not member]
            self._wanted -= not member.ready  # another would not start either
            error = UnavailableError(GONE)
            done += [(units, [error] * len(raws_of(units))) for units in member.asked]
            member.checker.close()
        for units, _ in done:
            member.count(units, -1)
        return done

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


def _fitting(member: Member, unchecked: deque[Unit], *, waits: bool) -> list[Unit]:
    """Take units from the front that a member has room for, as many as it is asked in one go."""
    room = member.checker.room_bytes - member.bytes
    units: list[Unit] = []
    events = 0
    while unchecked:
        unit = unchecked[0]
        fits = unit.bytes <= room or (waits and not units and not member.asked)
        if not fits or (units and events + len(unit.raws) > ASKED_EVENTS):
            break
        units.append(unchecked.popleft())
        room -= unit.bytes
        events += len(unit.raws)
    return units
