"""Who checks events: this process, or one beside it.

Checking an event is a function of its bytes and the registry, and most of it is Python, which
runs on one core a process. `Here` is at hand at once; an `Elsewhere` takes a moment to start, and
then doubles what a busy log takes in. Both open the database for reading the registry, and write
nothing anywhere.

A process beside this one is trusted like a thread of this one: it runs the same code as the same
user, and its answers come over a pipe that nobody else holds.
"""

import fcntl
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from translog.errors import TranslogError, UnavailableError
from translog.log import registry
from translog.log.intake import Admitted, admit_all
from translog.log.registry import Registry
from translog.store.bodies import Packer
from translog.store.database import Connection, open_reader

Checked = Admitted | TranslogError
# Of a pipe to a process: room for the events that wait while it checks those before.
PIPE_BYTES = 1 << 20


class Here:
    """Checks events in this process, for one thread."""

    def __init__(self, db: Connection) -> None:
        """Take over a connection for reading the registry; `close` closes it."""
        self._db = db
        self._packer = Packer()
        self._keys: Registry | None = None

    def check(self, raws: Sequence[bytes]) -> list[Checked]:
        """Return what `admit` makes of each event, under the registry as it stands now."""
        try:
            keys = self._keys = registry.read(self._db, self._keys)
        except TranslogError as error:  # nobody's key can be looked up: nobody may write
            return [error] * len(raws)
        return admit_all(raws, keys, self._packer)

    def close(self) -> None:
        self._db.close()


class Elsewhere:
    """Checks events in a process of its own, for one thread."""

    def __init__(self, database: Path) -> None:
        """Start the process and wait until it is ready.

        Raises:
            UnavailableError: it does not start.
        """
        try:
            self._process = subprocess.Popen(  # noqa: S603  # this very module
                # -P: nothing is imported from where the log happens to be started.
                [sys.executable, "-P", "-m", __name__, str(database)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the log, which stops this when it is done
            )
        except OSError as error:
            raise UnavailableError(f"checking process does not start: {error}") from error
        self._to = cast(BinaryIO, self._process.stdin)
        self._from = cast(BinaryIO, self._process.stdout)
        self._room = min(map(_widened, (self._to, self._from))) // 2
        try:
            _receive(self._from)
        except (OSError, EOFError) as error:
            self.close()
            raise UnavailableError("checking process ended before it was ready") from error

    @property
    def pid(self) -> int:
        """Its number, for who looks after processes."""
        return self._process.pid

    def check(self, raws: Sequence[bytes]) -> list[Checked]:
        """Return what `Here.check` would.

        Raises:
            UnavailableError: the process has ended; these events may be sent again.
        """
        self.ask(raws)
        return self.answer()

    def ask(self, raws: Sequence[bytes]) -> None:
        """Let events be checked; `answer` returns the results, of the first that were asked first.

        While one answer is due, only what `fits` may be asked: the process writes its answer
        before it reads on, and would wait for us to read while we wait for it.

        Raises:
            UnavailableError: as `check`.
        """
        try:
            _send(self._to, list(raws))
        except OSError as error:
            raise UnavailableError("checking process ended: send the event again") from error

    def fits(self, size: int) -> bool:
        """Say whether events of `size` bytes lie in the pipe until the process comes to them."""
        return size <= self._room

    def answer(self) -> list[Checked]:
        """Wait for the results of what was asked.

        Raises:
            UnavailableError: as `check`.
        """
        try:
            answers = _receive(self._from)
        except (OSError, EOFError) as error:
            raise UnavailableError("checking process ended: send the event again") from error
        return [
            answer if isinstance(answer, TranslogError) else Admitted._make(answer)
            for answer in answers
        ]

    def close(self) -> None:
        """End the process. It holds nothing that could be lost."""
        self._process.kill()
        self._process.wait()
        self._from.close()
        with suppress(BrokenPipeError):  # what was not sent any more has nobody to go to
            self._to.close()


def _widened(pipe: BinaryIO) -> int:
    """Return how many bytes fit into a pipe, once it is as wide as it may be; 0 if nobody knows."""
    if sys.platform != "linux":
        return 0
    with suppress(OSError):  # there may be a limit for all pipes of a user
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)


def _send(pipe: BinaryIO, message: object) -> None:
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _receive(pipe: BinaryIO) -> list[Any]:
    try:
        message: list[Any] = pickle.load(pipe)  # noqa: S301  # from our own process, see above
    except pickle.UnpicklingError as error:  # the other was killed while it sent this
        raise EOFError("message was cut short") from error
    return message


def _main(database: Path) -> None:
    """Answer until the log closes the pipe, or is killed, which closes it too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    to, from_ = sys.stdout.buffer, sys.stdin.buffer
    with closing(Here(open_reader(database))) as checker:
        _send(to, [])
        while True:
            try:
                raws = _receive(from_)
            except EOFError:
                return
            _send(
                to,
                [
                    done if isinstance(done, TranslogError) else tuple(done)
                    for done in checker.check(raws)
                ],
            )


if __name__ == "__main__":
    try:
        _main(Path(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)  # the log was killed; what is left in the pipe has nobody to go to
