"""Metadata of works out of files: JSON, lines of it, or arXiv's XML, as they begin.

Reading metadata is a third of what the process that mints has to do, and needs neither log nor key.
Where there is much of it, a process beside this one reads, as far ahead as a pipe is long; it ends
with the pipe, however that happens. It is trusted like this one: it runs the same code as the same
user, and nobody else holds the pipe.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, cast

from translog.cli.add import opened_file, size_of
from translog.cli.output import Progress
from translog.cli.reading import is_whole
from translog.errors import (
    HashError,
    MalformedError,
    TooLargeError,
    TranslogError,
    UnavailableError,
)
from translog.log import minting
from translog.log.minting import Named
from translog.pith.arxiv import read_xml
from translog.pith.metadata import MAX_METADATA_BYTES, Work, read_json

BATCH_WORKS = 256
CHUNK_BYTES = 1 << 16
MUCH_BYTES = 8 << 20  # some thousand works, which take longer to mint than a process to start


class Found(NamedTuple):
    """One work as it was found.

    Attributes:
        where: file and line, or file and number.
        named: it, with its number; or what is wrong with its metadata.
    """

    where: str
    named: Named | MalformedError | HashError


def found_in(names: Sequence[str], progress: Progress) -> Iterator[list[Found]]:
    """Yield the works of all files, in order, some at a time.

    Raises:
        MissingError, UnavailableError: a file cannot be read, or the process that reads has ended.
    """
    sizes = [size_of(name) for name in names]
    much = None not in sizes and sum(size or 0 for size in sizes) >= MUCH_BYTES
    return (_read_elsewhere if much else _read_here)(names, progress)


def _read_elsewhere(names: Sequence[str], progress: Progress) -> Iterator[list[Found]]:
    # -P: nothing is imported from where the command happens to be started.
    command = [sys.executable, "-P", "-m", __name__, *names]
    try:
        process = subprocess.Popen(  # noqa: S603  # this very module
            command, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise UnavailableError(f"a process to read metadata does not start: {error}") from error
    stream = cast(BinaryIO, process.stdout)
    try:
        while True:
            works, done, total = _receive(stream)
            progress(done, total)  # of those before
            if works is None:
                return
            if isinstance(works, TranslogError):
                raise works
            yield [Found._make(work) for work in works]
    finally:
        process.kill()
        process.wait()
        stream.close()


def _receive(stream: BinaryIO) -> Any:
    try:
        return pickle.load(stream)  # noqa: S301  # from our own process, see above
    except (EOFError, pickle.UnpicklingError) as error:
        raise UnavailableError("the process that reads metadata has ended: mint again") from error


def _main(names: Sequence[str], stream: BinaryIO) -> None:
    """Answer with works that are found, and at the end with None or an error."""
    last = (0, 0)

    def note(done: int, total: int) -> None:
        nonlocal last
        last = done, total

    end: TranslogError | None = None
    try:
        for batch in _read_here(names, note):
            # As they are to whoever did not start this module.
            pickle.dump(([tuple(found) for found in batch], *last), stream, pickle.HIGHEST_PROTOCOL)
    except TranslogError as error:
        end = type(error)(str(error))  # without what it came from, which need not be fit to be sent
    pickle.dump((end, *last), stream)
    stream.flush()


def _read_here(names: Sequence[str], progress: Progress) -> Iterator[list[Found]]:
    total = sum(size_of(name) or 0 for name in names)
    before = 0
    for name in names:
        with opened_file(name) as stream:
            works = _works(stream, name)
            while batch := list(islice(works, BATCH_WORKS)):
                yield batch
                if stream.seekable():
                    progress(before + stream.tell(), total)
        before += size_of(name) or 0


def _works(stream: BinaryIO, name: str) -> Iterator[Found]:
    head = stream.readline(MAX_METADATA_BYTES + 1)
    while head and not head.strip():
        head = stream.readline(MAX_METADATA_BYTES + 1)
    if not head:
        yield Found(name, MalformedError(f"{name} is empty"))
    elif head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        yield from _xml(head, stream, name)
    elif is_whole(head):
        yield from _lines(head, stream, name)
    else:
        yield _json(name, head + stream.read(MAX_METADATA_BYTES + 1 - len(head)))


def _lines(head: bytes, stream: BinaryIO, name: str) -> Iterator[Found]:
    number, line = 1, head
    while line:
        if line.strip():
            yield _json(f"{name}:{number}", line)
        while line and not line.endswith(b"\n"):  # the rest of one that is too long
            line = stream.readline(MAX_METADATA_BYTES + 1)
        line = stream.readline(MAX_METADATA_BYTES + 1)
        number += 1


def _json(where: str, raw: bytes) -> Found:
    try:
        return _found(where, read_json(raw))
    except (MalformedError, HashError) as error:
        return Found(where, error.with_traceback(None))


def _found(where: str, work: Work | MalformedError) -> Found:
    return Found(where, work if isinstance(work, MalformedError) else minting.name(work))


def _xml(head: bytes, stream: BinaryIO, name: str) -> Iterator[Found]:
    number = 0
    try:
        for work in read_xml(_chunks(head, stream)):
            number += 1
            yield _found(f"{name}#{number}", work)
    except (MalformedError, TooLargeError) as error:
        yield Found(f"{name}#{number + 1}", error.with_traceback(None))


def _chunks(head: bytes, stream: BinaryIO) -> Iterable[bytes]:
    yield head
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


if __name__ == "__main__":
    try:
        _main(sys.argv[1:], sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(0)  # whoever minted is gone
