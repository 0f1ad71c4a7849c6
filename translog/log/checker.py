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
# Of a pipe to a process, or from it.
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
    """Checks events in a process of its own. Nothing here waits for it.

    Its caller's lock guards `ask` and `flush`; one thread takes the answers.
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
        self.to = cast(FileIO, self._process.stdin)
        self.from_ = cast(FileIO, self._process.stdout)
        os.set_blocking(self.to.fileno(), False)
        for pipe in (self.to, self.from_):
            _widen(pipe)
        self._unsent = bytearray()
        self._received = bytearray()

    @property
    def pid(self) -> int:
        """Its number, for who looks after processes."""
        return self._process.pid

    def ask(self, raws: Sequence[bytes]) -> bool:
        """Have events checked after those that were asked before; as `flush`.

        Raises:
            UnavailableError: the process has ended.
        """
        self._unsent += _packed(list(raws))
        return self.flush()

    def flush(self) -> bool:
        """Send on, as far as the pipe has room; say whether that was all there is to send.

        Raises:
            UnavailableError: the process has ended.
        """
        try:
            while self._unsent:
                del self._unsent[: os.write(self.to.fileno(), self._unsent)]
        except BlockingIOError:
            return False
        except OSError as error:
            raise gone() from error
        return True

    def answers(self) -> Iterator[list[Checked]]:
        """Yield what was answered meanwhile, in the order of the questions. Reads once.

        Each answer is what `Here.check` returns.

        Raises:
            UnavailableError: the process has ended; what it was asked may be sent again.
        """
        try:
            read = os.read(self.from_.fileno(), READ_BYTES)
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

    def end(self) -> None:
        """End the process. It holds nothing that could be lost."""
        self._process.kill()

    def close(self) -> None:
        """End it, and forget it."""
        self.end()
        self._process.wait()
        self.from_.close()
        self.to.close()


def gone() -> UnavailableError:
    """Return what becomes of events whose process ended before it answered."""
    return UnavailableError("checking process ended: send the event again")


def _widen(pipe: FileIO) -> None:
    """Give a pipe as much room as it may have."""
    if sys.platform == "linux":
        with suppress(OSError):  # there may be a limit for all pipes of a user
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _packed(message: object) -> bytes:
    """Return a message behind its length."""
    packed = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(packed)) + packed


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


def _messages(pipe: BinaryIO) -> Iterator[Any]:
    """Yield the messages that come through a pipe until it ends, also within one."""
    while len(head := pipe.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        message = pipe.read(length)
        if len(message) < length:
            return
        yield pickle.loads(message)  # noqa: S301  # from our own process, see above


def _main(database: Path) -> None:
    """Answer until the log closes the pipe, or is killed, which closes it too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with closing(Here(open_reader(database))) as checker:
        _answer([])
        for raws in _messages(sys.stdin.buffer):
            _answer(
                [
                    done if isinstance(done, TranslogError) else tuple(done)
                    for done in checker.check(raws)
                ]
            )


def _answer(message: object) -> None:
    rest = memoryview(_packed(message))
    while rest:
        rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    try:
        _main(Path(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)  # the log was killed; what is left in the pipe has nobody to go to
