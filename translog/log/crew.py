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
# What one process has in hand, at most, unless it is one unit: the next lies before it when it is
# done with the first, and the rest is left to whoever is done first.
IN_HAND_BYTES = 512 << 10


class Member:
    """One process: what it was asked and has not answered, first to last."""

    def __init__(self, checker: Elsewhere) -> None:
        self.checker = checker
        self.ready = False  # it has started
        self.gone = False
        self.behind = False  # not all that it is asked is in its pipe yet
        self.watched = False  # for room in that
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
        self.bytes += sign * sum(unit.bytes for unit in units)

    def tell(self, raws: Sequence[bytes] = ()) -> None:
        """Send it a question, if there is one, and what could not be sent before.

        Where that fails, it is ended: what it says next would be taken for the answer to this
        question. All that it has in hand is refused, once `listen` has found out.
        """
        try:
            self.behind = not (self.checker.ask(raws) if raws else self.checker.flush())
        except (UnavailableError, MemoryError):
            self.gone, self.behind = True, False
            self.checker.end()


Said = tuple[Member, list[list[Checked]] | None]
"""Who said something, and the answers; None when it has ended."""

Done = tuple[list[Unit], Sequence[Checked]]


class Crew:
    """Processes that check, from `start` to `close`.

    One thread starts, listens and closes. `send`, `settle`, `ring` and `close` are called one at a
    time; the first may be called from any thread, and waits for nobody.
    """

    def __init__(self, database: Path, size: int) -> None:
        """Begin with no process; `start` has them started, up to `size`."""
        self._database = database
        self._wanted = size
        self._members: list[Member] = []
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = os.pipe()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._rung = self._closed = False

    @property
    def ready(self) -> bool:
        """Whether somebody checks."""
        return any(member.ready for member in self._members)

    @property
    def behind(self) -> bool:
        """Whether somebody's pipe is full: `listen` has to know."""
        return any(member.behind for member in self._members)

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
                self._selector.register(member.checker.from_, selectors.EVENT_READ, member)
                self._members = [*self._members, member]

    def send(self, unchecked: deque[Unit]) -> None:
        """Take units from the front and send them out, as far as members may have more in hand."""
        for member in self._members:
            if member.behind:
                member.tell()
        free = self._free()
        share = -(-len(unchecked) // len(free)) if free else 0  # so that all get some
        while unchecked and free:
            member = min(free, key=lambda one: one.events)
            units = _fitting(member, unchecked, share)
            if not units:
                break
            member.assign(units)
            member.tell(raws_of(units))
            free = self._free()

    def _free(self) -> list[Member]:
        return [member for member in self._members if member.ready and not member.gone]

    def listen(self, *, waits: bool) -> list[Said]:
        """Return what members have said; wait until one has, has room again, or for `ring`."""
        for member in self._members:
            self._watch(member, member.behind)
        said: list[Said] = []
        for key, _ in self._selector.select(None if waits else 0):
            if key.fileobj == self._bell:
                os.read(self._bell, 1)
                self._rung = False
            elif key.data is not None:
                said.append((key.data, self._heard(key.data)))
        return said

    def _heard(self, member: Member) -> list[list[Checked]] | None:
        try:
            return list(member.checker.answers())
        except UnavailableError:
            self._watch(member, False)
            self._selector.unregister(member.checker.from_)
            return None

    def _watch(self, member: Member, wanted: bool) -> None:
        """Listen for room in a member's pipe, or do not."""
        if wanted and not member.watched:
            self._selector.register(member.checker.to, selectors.EVENT_WRITE)
        elif member.watched and not wanted:
            self._selector.unregister(member.checker.to)
        member.watched = wanted

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
        if not self._rung and not self._closed:
            self._rung = True
            os.write(self._ringer, b"\0")

    def close(self) -> None:
        """End all processes, once."""
        if self._closed:
            return
        self._closed = True
        for member in self._members:
            member.checker.close()
        self._selector.close()
        os.close(self._bell)
        os.close(self._ringer)


def _fitting(member: Member, unchecked: deque[Unit], share: int) -> list[Unit]:
    """Take units from the front that a member may have in hand as well, up to its share."""
    room = IN_HAND_BYTES - member.bytes
    units: list[Unit] = []
    events = 0
    while unchecked and len(units) < share:
        room -= unchecked[0].bytes
        events += len(unchecked[0].raws)
        if (room < 0 and (units or member.asked)) or (units and events > ASKED_EVENTS):
            break
        units.append(unchecked.popleft())
    return units
