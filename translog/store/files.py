"""Files that must be whole or absent, private or refused, and locked by one process."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest
from pathlib import Path

from translog.errors import ConflictError, MissingError, UnavailableError

MAX_FILE_BYTES = 1 << 20
MAX_COOKIE_BYTES = 1000
PRIVATE = 0o600
LOG_ADVICE = "a log has one writer; add through its server's URL, or stop it first"


def why(error: OSError) -> str:
    """Return what the system says, without its number and the name that the message has already."""
    return error.strerror or str(error)


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace the file: after a crash it holds the old content or the new, and nothing else.

    Raises:
        UnavailableError: the disk refused; the old content is there, or already the new.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {why(error)}") from error


def write_out(path: Path, content: bytes) -> None:
    """Write to where a person wants it: a device or a pipe stays one, and so does a link.

    Raises:
        UnavailableError: as `write_atomically`.
    """
    try:
        if path.is_file() or not path.exists():
            write_atomically(Path(os.path.realpath(path)), content)
        else:
            path.write_bytes(content)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {why(error)}") from error


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there.

    Raises:
        UnavailableError: the disk refused, or something else is in its place.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be made: {why(error)}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files they name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Make a new file that only its owner can read.

    Raises:
        ConflictError: there is a file of that name: a key is never overwritten.
        UnavailableError: as `write_atomically`.
    """
    try:
        exists = path.exists()
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {why(error)}") from error
    if exists:
        raise ConflictError(f"{path} exists already, and a private key is never overwritten")
    write_atomically(path, content, mode=PRIVATE)


def read(path: Path, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return a small file's content.

    Raises:
        MissingError: there is no such file.
        UnavailableError: it cannot be read, or is larger than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError as error:
        raise MissingError(f"{path}: there is no such file") from error
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {why(error)}") from error
    if len(content) > limit:
        raise UnavailableError(f"{path} has more than {limit} bytes")
    return content


def read_cookie(path: str) -> str:
    """Return what a Bitcoin node of one's own wrote to its cookie file: "user:password".

    Raises:
        UnavailableError: there is none, as while the node does not run; or it is something else.
    """
    try:
        return read(Path(path), limit=MAX_COOKIE_BYTES).decode("ascii").strip()
    except MissingError as error:
        raise UnavailableError(f"{path}: there is no such cookie: does the node run?") from error
    except UnicodeDecodeError as error:
        raise UnavailableError(f"{path} is no cookie of a node") from error


def digest(path: Path, algorithm: str) -> bytes:
    """Return the hash of a file of any size.

    Raises:
        MissingError: there is no such file.
        UnavailableError: it cannot be read, or this machine has no such algorithm.
    """
    try:
        with path.open("rb") as file:
            return file_digest(file, algorithm).digest()
    except FileNotFoundError as error:
        raise MissingError(f"{path}: there is no such file") from error
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{path} cannot be hashed with {algorithm}: {error}") from error


def read_private(path: Path) -> bytes:
    """Return a private file's content, if nobody else could have read it.

    Raises:
        MissingError: there is no such file.
        UnavailableError: others may read or write it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError as error:
        raise MissingError(f"{path}: there is no such file") from error
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {why(error)}") from error
    if mode & 0o077:
        raise UnavailableError(
            f"{path} has mode {mode:04o}, want {PRIVATE:04o}: others may have read this private key"
            f" (chmod 600 makes it private; a key that was read should be replaced)"
        )
    return read(path)


class Lock:
    """The right to be the one writer, held from construction to `close` or the process's end.

    The kernel drops it with the process, however that ends, so there is nothing to clean up.
    """

    def __init__(self, path: Path, advice: str = LOG_ADVICE) -> None:
        self._descriptor = _opened(path, os.O_RDWR | os.O_CREAT)
        try:
            if not _locked(self._descriptor, path):
                holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
                raise ConflictError(
                    f"{path.parent} is being written by process {holder or 'unknown'}: {advice}"
                )
        except BaseException:
            os.close(self._descriptor)
            raise
        with suppress(OSError):  # a full disk: the name is only for the message above
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def alone_in(folder: Path, advice: str) -> Iterator[None]:
    """Be the one process that writes into a folder while the block runs, and leave nothing in it.

    Raises:
        ConflictError: another one does.
        UnavailableError: the folder cannot be opened, or is on a file system without locks.
    """
    descriptor = _opened(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _locked(descriptor, folder):
            raise ConflictError(f"{folder} is being written by another process: {advice}")
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags, 0o644)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be opened: {why(error)}") from error


def _locked(descriptor: int, path: Path) -> bool:
    """Lock what is open, until it is closed or the process ends; say whether nobody else has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        raise UnavailableError(f"{path} cannot be locked: {why(error)}") from error
    return True
