"""Answers that are kept in memory: bounded in bytes, the least recently used go first."""

from collections import OrderedDict
from collections.abc import Hashable

from translog.server.answers import Answer

OVERHEAD_BYTES = 1_024  # an answer's headers, and its place here


class Kept:
    """Answers by any key. For one thread: the event loop's."""

    def __init__(self, max_bytes: int) -> None:
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._room = max_bytes

    def get(self, key: Hashable) -> Answer | None:
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, key: Hashable, answer: Answer) -> Answer:
        """Keep an answer, and return it."""
        before = self._answers.pop(key, None)
        if before is not None:
            self._room += _bytes(before)
        self._answers[key] = answer
        self._room -= _bytes(answer)
        while self._room < 0:
            _, oldest = self._answers.popitem(last=False)
            self._room += _bytes(oldest)
        return answer


def _bytes(answer: Answer) -> int:
    return len(answer.body) + OVERHEAD_BYTES
