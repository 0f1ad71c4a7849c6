"""Bitcoin headers in a directory: a file of 80 bytes each, and a small one that says what counts.

Spec: docs/formats/headers.md. `headers.bin` only grows at its end, `headers.txt` is replaced as a
whole; what is in the first behind what the second says does not count. So after a crash there
are the headers that were there before, or the first of them up to where another branch begins, or
all of the new.

Not trusted: who can write here can take headers away, and give those after the newest built-in
checkpoint another grade. That they link and lead to the checkpoints is checked when they are
used (`verify.headers`).
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

from translog.bitcoin.grade import CHECKPOINT_LINKED, UNCHECKED, Grade
from translog.bitcoin.header import HEADER_BYTES, MAX_HEIGHT
from translog.bitcoin.network import Network, network_named
from translog.errors import ConflictError, MalformedError, MissingError, UnavailableError
from translog.formats.strict import parse_decimal
from translog.store.files import Lock, read, sync_folder, why, write_atomically

HEADERS = "headers.bin"
STATE = "headers.txt"
LOCK = "headers.lock"
VERSION = "translog/headers/v1"
MAX_STATE_BYTES = 64 << 10


class Graded(NamedTuple):
    """What vouched for the headers from a height on, up to where the next of these begins."""

    first: int
    grade: Grade


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Which headers there are.

    Attributes:
        first: height of the first.
        count: how many; none is allowed.
        grades: in order; the first begins at `first`, if there are headers.
    """

    network: Network
    first: int
    count: int
    grades: tuple[Graded, ...]

    @property
    def end(self) -> int:
        """The height after the newest."""
        return self.first + self.count

    def grade_at(self, height: int) -> Grade:
        """Return what vouched for a header that is there, when it was put there.

        That it is tied to a checkpoint can be seen, so it is not for this file to say.
        """
        grade = next(each.grade for each in reversed(self.grades) if each.first <= height)
        return UNCHECKED if grade == CHECKPOINT_LINKED else grade

    def graded(self, first: int, end: int, grade: Grade) -> "State":
        """Return the state in which the headers from `first` to before `end` have a grade.

        They may be new ones, directly after the newest; then there is nothing after them.
        """
        after = [Graded(end, self.grade_at(end))] if end < self.end else []
        after += [each for each in self.grades if each.first > end]
        before = [each for each in self.grades if each.first < first]
        grades = [*before, Graded(first, grade), *after]
        kept = [each for at, each in enumerate(grades) if not at or grades[at - 1][1] != each.grade]
        return replace(self, count=max(end, self.end) - self.first, grades=tuple(kept))

    def cut(self, end: int) -> "State":
        """Return the state without the headers from the height `end` on."""
        grades = tuple(each for each in self.grades if each.first < end)
        return replace(self, count=end - self.first, grades=grades)

    def __str__(self) -> str:
        lines = [VERSION, f"network {self.network}", f"first {self.first}", f"count {self.count}"]
        lines += [f"from {each.first} {each.grade}" for each in self.grades]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, raw: bytes) -> "State":
        """Read what `str()` writes.

        Raises:
            MalformedError: any other bytes.
        """
        try:
            text = raw.decode("ascii")
        except UnicodeDecodeError as error:
            raise MalformedError(f"{STATE} is not ASCII") from error
        words = [line.split(" ", 2) for line in text.removesuffix("\n").split("\n")[1:]]
        if len(words) < 3 or min(map(len, words)) < 2:
            raise MalformedError(f"{STATE} is not in the form of {VERSION}")
        state = cls(
            network=network_named(words[0][1]),
            first=parse_decimal(words[1][1], f"{STATE}: first"),
            count=parse_decimal(words[2][1], f"{STATE}: count"),
            grades=tuple(_graded(each) for each in words[3:]),
        )
        _check(state)
        if str(state).encode() != raw:
            raise MalformedError(f"{STATE} is not in the canonical form of {VERSION}")
        return state


def _graded(words: list[str]) -> Graded:
    if len(words) != 3:
        raise MalformedError(f"{STATE}: a grade has {len(words)} words, want 3")
    return Graded(parse_decimal(words[1], f"{STATE}: from"), Grade.parse(words[2]))


def _check(state: State) -> None:
    firsts = [each.first for each in state.grades]
    wanted = [state.first] if state.count else []
    if state.end > MAX_HEIGHT or firsts[:1] != wanted:
        raise MalformedError(f"{STATE}: grades do not cover the headers")
    if firsts != sorted(set(firsts)) or (firsts and firsts[-1] >= state.end):
        raise MalformedError(f"{STATE}: grades are not in order")


class HeaderFile:
    """The headers in a directory, for reading, from construction to `close`."""

    def __init__(self, folder: Path) -> None:
        """Open what is there.

        Raises:
            MissingError: there are no headers in this directory.
            UnavailableError: they cannot be read.
        """
        self.folder = folder
        self.state()
        try:
            self._descriptor = os.open(folder / HEADERS, os.O_RDONLY)
        except OSError as error:
            raise UnavailableError(f"{folder / HEADERS} cannot be read: {why(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def state(self) -> State:
        """Return which headers there are now: another process may have added some.

        Raises:
            MissingError: none any more.
            MalformedError: what says so is damaged.
        """
        path = self.folder / STATE
        try:
            return State.parse(read(path, limit=MAX_STATE_BYTES))
        except MissingError as error:
            raise MissingError(
                f"{self.folder} has no Bitcoin headers: {STATE} is missing"
            ) from error
        except MalformedError as error:
            raise MalformedError(f"{path}: {error}") from error

    def read(self, state: State, first: int, count: int) -> bytes:
        """Return the headers of some of the heights that `state` covers.

        Raises:
            MalformedError: the file is shorter than the state says.
            UnavailableError: the disk fails.
        """
        size, start = count * HEADER_BYTES, (first - state.first) * HEADER_BYTES
        parts = []
        try:
            lacking = start + size - os.fstat(self._descriptor).st_size
            if lacking > 0:  # before room is made for what is not there
                raise MalformedError(
                    f"{self.folder / HEADERS} is {lacking} bytes shorter than {STATE} says"
                )
            while size and (part := os.pread(self._descriptor, size, start)):
                parts.append(part)
                size, start = size - len(part), start + len(part)
        except OSError as error:
            raise UnavailableError(
                f"{self.folder / HEADERS} cannot be read: {why(error)}"
            ) from error
        if size:  # cut off since
            raise MalformedError(f"{self.folder / HEADERS} has become shorter")
        return b"".join(parts)


class HeaderWriter:
    """The right to change the headers in a directory, from construction to `close`.

    Each change is durable when its method returns.
    """

    def __init__(self, folder: Path) -> None:
        """Open the directory of headers that is there; see `create`.

        Raises:
            ConflictError: another process changes them.
            MissingError: there are none.
        """
        try:
            self._lock = Lock(folder / LOCK)
        except ConflictError as error:
            raise ConflictError(f"{folder}: its headers are being changed already") from error
        try:
            self.file = HeaderFile(folder)
            self.state = self.file.state()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others change them."""
        self.file.close()
        self._lock.close()

    def append(self, raw: bytes, grade: Grade) -> None:
        """Add headers after the newest.

        A crash before the end leaves those that were there; what was written does not count.
        """
        path = self.file.folder / HEADERS
        size = self.state.count * HEADER_BYTES
        try:
            with path.open("r+b") as file:
                file.truncate(size)  # what a crash left behind
                file.seek(size)
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UnavailableError(f"{path} cannot be written: {why(error)}") from error
        end = self.state.end
        self.grade(end, end + len(raw) // HEADER_BYTES, grade)

    def grade(self, first: int, end: int, grade: Grade) -> None:
        """Note what vouches for the headers from `first` to before `end`."""
        self._write(self.state.graded(first, end, grade))

    def cut(self, end: int) -> None:
        """Take away the headers from the height `end` on.

        They stay in the file until others are written there, and do not count.
        """
        self._write(self.state.cut(end))

    def _write(self, state: State) -> None:
        write_atomically(self.file.folder / STATE, str(state).encode())
        self.state = state


def create(folder: Path, network: Network, first: int) -> None:
    """Make a directory of no headers.

    A crash leaves no such directory, or one of no headers.

    Args:
        first: the height of the first that there will be.

    Raises:
        ConflictError: there are headers already.
        UnavailableError: the disk refuses.
    """
    if (folder / STATE).exists():
        raise ConflictError(f"{folder} has Bitcoin headers already")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / HEADERS).touch()
        sync_folder(folder)
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be written: {why(error)}") from error
    state = State(network=network, first=first, count=0, grades=())
    write_atomically(folder / STATE, str(state).encode())
