"""Bundles checked by processes beside this one, one for each core.

Signatures alone do well with threads: libsodium lets go of the interpreter while it verifies, and
that is nearly all there is to do. Of whole events, half of the work is Python, which runs on one
core a process. One starts in a third of a second, so the first bundles are checked here: most
audits have no more.

A process is trusted like a thread of this one: it runs the same code as the same user, and its
answers come over a pipe that nobody else holds. It ends when the pipe does, however that happens.
"""

import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import count
from queue import SimpleQueue
from typing import Any, BinaryIO, Self, cast

from translog.errors import TranslogError, UnavailableError
from translog.formats.merkle import Hash
from translog.verify.bundles import Taken, check
from translog.verify.events import Keys
from translog.verify.state import Depth

HERE = 16  # bundles: 4,096 entries


class Crowd:
    """Some processes, and this one. `check` is a `bundles.Check`, for as many threads as like."""

    def __init__(self, processes: int, *, here: int = HERE) -> None:
        """Start nothing yet.

        Args:
            processes: how many, from 1.
            here: how many bundles are checked in this process before any is started.
        """
        self._here = here
        self._seen = count()
        self._idle: SimpleQueue[_Process | None] = SimpleQueue()
        self._started: list[_Process] = []
        for _ in range(processes):
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes. They hold nothing that could be lost."""
        for process in self._started:
            process.close()

    def check(self, taken: Taken, keys: Keys, depth: Depth) -> list[Hash]:
        """Do what `bundles.check` does, when a process is idle.

        Raises:
            UnavailableError: a process does not start, or has ended.
        """
        if depth != "events" or next(self._seen) < self._here:
            return check(taken, keys, depth)
        # Of all the keys there may be, those that these entries name.
        named = {entry[33:65] for entry in taken.entries}
        needed = {name: keys[name] for name in named if name in keys}
        process = self._idle.get()
        try:
            if process is None:
                process = _Process()
                self._started.append(process)
            return process.check(taken, needed, depth)
        finally:
            self._idle.put(process)


class _Process:
    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603  # this very module
                # -P: nothing is imported from where the audit happens to be started.
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the audit, which stops this one
            )
        except OSError as error:
            raise UnavailableError(f"a checking process does not start: {error}") from error
        self._to = cast(BinaryIO, self._process.stdin)
        self._from = cast(BinaryIO, self._process.stdout)

    def check(self, taken: Taken, keys: Keys, depth: Depth) -> list[Hash]:
        try:
            _send(self._to, (tuple(taken), keys, depth))
            answer = _receive(self._from)
        except (OSError, EOFError) as error:
            raise UnavailableError("a checking process has ended: audit again") from error
        if isinstance(answer, TranslogError):
            raise answer
        return cast(list[Hash], answer)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._from.close()
        with suppress(OSError):  # what was not sent any more has nobody to go to
            self._to.close()


def _send(pipe: BinaryIO, message: object) -> None:
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _receive(pipe: BinaryIO) -> Any:
    try:
        return pickle.load(pipe)  # noqa: S301  # from our own process, see above
    except pickle.UnpicklingError as error:  # the other was killed while it sent this
        raise EOFError("message was cut short") from error


def _answer(taken: Taken, keys: Keys, depth: Depth) -> list[Hash] | TranslogError:
    try:
        return check(taken, keys, depth)
    except TranslogError as error:
        # Without what it came from, which need not be fit to be sent.
        return type(error)(str(error))


def _main() -> None:
    """Answer until the pipe is closed, by whom or by whatever."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    to, from_ = sys.stdout.buffer, sys.stdin.buffer
    while True:
        try:
            taken, keys, depth = _receive(from_)
        except EOFError:
            return
        _send(to, _answer(Taken._make(taken), keys, depth))


if __name__ == "__main__":
    try:
        _main()
    except BrokenPipeError:
        os._exit(0)  # nobody is there to answer
