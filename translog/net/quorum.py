"""Headers on which several servers of different people agree, byte for byte.

Whoever says otherwise is named: to the caller's `note` where enough agree all the same, in the
refusal where not. A header that is tied to a built-in checkpoint needs no one to agree with it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self, TypeVar

from translog.bitcoin.claims import RunSource
from translog.bitcoin.grade import CHECKPOINT_LINKED, Grade, GradedHeader, quorum
from translog.bitcoin.header import HEADER_BYTES, Header
from translog.bitcoin.network import Network
from translog.errors import (
    HeaderError,
    MalformedError,
    MissingError,
    TranslogError,
    UnavailableError,
)

MAX_SERVERS = 20

T = TypeVar("T")


class Quorum:
    """Several servers. A `RunSource`; asks all of them at the same time."""

    def __init__(
        self, sources: Sequence[RunSource], need: int, note: Callable[[str], None]
    ) -> None:
        """Ask nothing yet.

        Args:
            sources: of one network, and of different people.
            need: how many must agree: more than half, so that no others can agree on something
                else.
            note: told, in a sentence, who says otherwise than those that agree.

        Raises:
            MalformedError: these cannot make a quorum.
        """
        count = len(sources)
        if not 2 <= count <= MAX_SERVERS or not count < 2 * need <= 2 * count:
            raise MalformedError(
                f"quorum of {need} among {count} servers, want more than half of 2 to {MAX_SERVERS}"
            )
        self._sources = list(sources)
        self._need = need
        self._note = note

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all."""
        with ExitStack() as stack:
            for source in self._sources:
                stack.callback(source.close)

    @property
    def name(self) -> str:
        """How many of whom."""
        names = ", ".join(source.name for source in self._sources)
        return f"{self._need} of {names}"

    @property
    def network(self) -> Network:
        """The chain that all must know."""
        return self._sources[0].network

    @property
    def grade(self) -> Grade:
        """What its headers are worth at least."""
        return quorum(self._need)

    def tip(self) -> int:
        """Return the greatest height that enough of them have reached, as `HeaderSource` says."""
        said = self._ask(lambda source: source.tip())
        heights = sorted(found for _, found in said if isinstance(found, int))
        if len(heights) < self._need:
            raise self._disagreement("the newest block", said)
        return heights[-self._need]

    def header(self, height: int) -> GradedHeader:
        """Return the header on which enough agree, as `HeaderSource` says."""
        what = f"block {height}"
        graded = self._ask(lambda source: source.header(height))
        said: list[tuple[str, bytes | TranslogError]] = [
            (name, found.header.raw if isinstance(found, GradedHeader) else found)
            for name, found in graded
        ]
        for _, found in graded:
            if isinstance(found, GradedHeader) and found.grade == CHECKPOINT_LINKED:
                self._tell(what, found.header.raw, said)
                return found
        raw = self._agreed(what, said)
        grade = quorum(sum(found == raw for _, found in said))
        return GradedHeader(header=Header(raw), height=height, grade=grade)

    def run(self, first: int, count: int) -> bytes:
        """Return many headers on which enough agree, as `RunSource` says."""
        what = f"blocks {first} to {first + count - 1}"
        return self._agreed(what, self._ask(lambda source: source.run(first, count)))

    def _ask(self, question: Callable[[RunSource], T]) -> list[tuple[str, T | TranslogError]]:
        def ask(source: RunSource) -> tuple[str, T | TranslogError]:
            try:
                return source.name, question(source)
            except TranslogError as error:
                return source.name, error

        with ThreadPoolExecutor(len(self._sources)) as pool:
            return list(pool.map(ask, self._sources))

    def _agreed(self, what: str, said: Sequence[tuple[str, bytes | TranslogError]]) -> bytes:
        found = [each for _, each in said if isinstance(each, bytes)]
        for each in found:
            if found.count(each) >= self._need:
                self._tell(what, each, said)
                return each
        raise self._disagreement(what, said)

    def _tell(
        self, what: str, raw: bytes, said: Sequence[tuple[str, bytes | TranslogError]]
    ) -> None:
        for name, found in said:
            if found != raw:
                self._note(f"{what}: against the others, {_sentence(name, found)}")

    def _disagreement(
        self, what: str, said: Sequence[tuple[str, object | TranslogError]]
    ) -> TranslogError:
        sentences = "; ".join(_sentence(name, found) for name, found in said)
        kinds = {type(found) for _, found in said}
        kind: type[TranslogError] = UnavailableError
        if kinds == {MissingError}:
            kind = MissingError
        elif HeaderError in kinds or len({found for _, found in said if _is_answer(found)}) > 1:
            kind = HeaderError
        return kind(f"{what}: {self._need} of {len(said)} must agree, and do not: {sentences}")


def _is_answer(found: object) -> bool:
    return not isinstance(found, TranslogError)


def _sentence(name: str, found: object) -> str:
    """Say who said what. An error names its server itself."""
    if isinstance(found, TranslogError):
        return str(found)
    if isinstance(found, bytes):
        return f"{name} has {Header(found[-HEADER_BYTES:])}"
    return f"{name} says {found}"
