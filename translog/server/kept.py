"""Answers that are kept in memory: bounded in bytes, the least recently used go first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

OVERHEAD_BYTES = 1_024  # an answer's headers, and its place here


class Held(Protocol):
    """What can be kept: it knows how much it takes."""

    @property
    def held_bytes(self) -> int: ...


Thing = TypeVar("Thing", bound=Held)


class Kept(Generic[Thing]):
    """Answers by any key. For one thread: the event loop's."""

    def __init__(self, max_bytes: int) -> None:
        self._things: OrderedDict[Hashable, Thing] = OrderedDict()
        self._room = max_bytes

    def get(self, key: Hashable) -> Thing | None:
        thing = self._things.get(key)
        if thing is not None:
            self._things.move_to_end(key)
        return thing

    def put(self, key: Hashable, thing: Thing) -> Thing:
        """Keep an answer, and return it."""
        before = self._things.pop(key, None)
        if before is not None:
            self._room += _bytes(before)
        self._things[key] = thing
        self._room -= _bytes(thing)
        while self._room < 0:
            _, oldest = self._things.popitem(last=False)
            self._room += _bytes(oldest)
        return thing


def _bytes(thing: Held) -> int:
    return thing.held_bytes + OVERHEAD_BYTES
