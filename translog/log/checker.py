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
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from io import FileIO
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
READ_BYTES = 1 << 17  # in one go: more takes longer to make room for than to read
_LENGTH = struct.Struct("=Q")


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
    """Checks events in a process of its own.

    One thread asks and another may take the answers; neither waits, but to send what is larger
    than the pipe.
    """

    def __init__(self, database: Path) -> None:
        """Start the process. Its first answer, to nothing, says that it is ready.

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
                bufsize=0,
            )
        except OSError as error:
            raise UnavailableError(f"checking process does not start: {error}") from error
        self._to = cast(FileIO, self._process.stdin)
        self._from = cast(FileIO, self._process.stdout)
        self.room_bytes = min(map(_widened, (self._to, self._from))) * 7 // 8
        self._received = bytearray()

    @property
    def pid(self) -> int:
        """Its number, for who looks after processes."""
        return self._process.pid

    def fileno(self) -> int:
        """Return what to wait on for answers."""
        return self._from.fileno()

    def ask(self, raws: Sequence[bytes]) -> None:
        """Have events checked after those that were asked before.

        Events of `room_bytes` in all lie in the pipe until the process comes to them. With more, or
        where a question is larger than that, it has to be reading: it writes its answer before it
        reads on, and would wait for us to read while we wait for it.

        Raises:
            UnavailableError: the process has ended.
        """
        try:
            _write(self._to, list(raws))
        except OSError as error:
            raise gone() from error

    def answers(self) -> Iterator[list[Checked]]:
        """Yield what was answered meanwhile, in the order of the questions. Reads once.

        Each answer is what `Here.check` returns.

        Raises:
            UnavailableError: the process has ended; what it was asked may be sent again.
        """
        try:
            read = os.read(self._from.fileno(), READ_BYTES)
        except OSError as error:
            raise gone() from error
        if not read:
            raise gone()
        self._received += read
        while message := _cut(self._received):
            yield [
                answer if isinstance(answer, TranslogError) else Admitted._make(answer)
                for answer in pickle.loads(message)  # noqa: S301  # from our own process, see above
            ]

    def close(self) -> None:
        """End the process. It holds nothing that could be lost."""
        self._process.kill()
        self._process.wait()
        self._from.close()
        self._to.close()


def gone() -> UnavailableError:
    """Return what becomes of events whose process ended before it answered."""
    return UnavailableError("checking process ended: send the event again")


def _widened(pipe: FileIO) -> int:
    """Return how many bytes fit into a pipe, once it is as wide as it may be; 0 if nobody knows."""
    if sys.platform != "linux":
        return 0
    with suppress(OSError):  # there may be a limit for all pipes of a user
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)


def _write(pipe: FileIO, message: object) -> None:
    """Write a message behind its length, all of it."""
    packed = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    rest = memoryview(_LENGTH.pack(len(packed)) + packed)
    while rest:
        rest = rest[pipe.write(rest) :]


def _cut(received: bytearray) -> bytes:
    """Take the first message out of what was received; empty if it is not all there yet."""
    if len(received) < _LENGTH.size:
        return b""
    end = _LENGTH.size + _LENGTH.unpack_from(received)[0]
    if len(received) < end:
        return b""
    message = bytes(received[_LENGTH.size : end])
    del received[:end]
    return message


def _read(pipe: BinaryIO) -> Any:
    """Wait for a message, and return it.

    Raises:
        EOFError: there are no more, or the last was cut short.
    """
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    message = pipe.read(length)
    if len(message) < length:
        raise EOFError
    return pickle.loads(message)  # noqa: S301  # from our own process, see above


def _main(database: Path) -> None:
    """Answer until the log closes the pipe, or is killed, which closes it too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    to, from_ = FileIO(1, "wb", closefd=False), sys.stdin.buffer
    with closing(Here(open_reader(database))) as checker:
        _write(to, [])
        while True:
            try:
                raws = _read(from_)
            except EOFError:
                return
            _write(
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
