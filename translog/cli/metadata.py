"""Metadata of works out of files: JSON, lines of it, or arXiv's XML, as they begin."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO, NamedTuple

from translog.cli.add import opened_file, size_of
from translog.cli.output import Progress
from translog.errors import HashError, MalformedError, TooLargeError
from translog.pith.arxiv import read_xml
from translog.pith.metadata import MAX_METADATA_BYTES, Work, read_json

BATCH_WORKS = 256
CHUNK_BYTES = 1 << 16


class Found(NamedTuple):
    """One work as it was found.

    Attributes:
        where: file and line, or file and number.
        work: its metadata, or what is wrong with them.
    """

    where: str
    work: Work | MalformedError | HashError


def found_in(names: Sequence[str], progress: Progress) -> Iterator[list[Found]]:
    """Yield the works of all files, in order, some at a time."""
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
    elif _is_whole(head):
        yield from _lines(head, stream, name)
    else:
        yield Found(name, _json(head + stream.read(MAX_METADATA_BYTES + 1 - len(head))))


def _is_whole(line: bytes) -> bool:
    line = line.strip()
    return line.startswith(b"{") and line.endswith(b"}")


def _lines(head: bytes, stream: BinaryIO, name: str) -> Iterator[Found]:
    number, line = 1, head
    while line:
        if line.strip():
            yield Found(f"{name}:{number}", _json(line))
        while line and not line.endswith(b"\n"):  # the rest of one that is too long
            line = stream.readline(MAX_METADATA_BYTES + 1)
        line = stream.readline(MAX_METADATA_BYTES + 1)
        number += 1


def _json(raw: bytes) -> Work | MalformedError | HashError:
    try:
        return read_json(raw)
    except (MalformedError, HashError) as error:
        return error.with_traceback(None)


def _xml(head: bytes, stream: BinaryIO, name: str) -> Iterator[Found]:
    number = 0
    try:
        for work in read_xml(_chunks(head, stream)):
            number += 1
            yield Found(f"{name}#{number}", work)
    except (MalformedError, TooLargeError) as error:
        yield Found(f"{name}#{number + 1}", error.with_traceback(None))


def _chunks(head: bytes, stream: BinaryIO) -> Iterable[bytes]:
    yield head
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
