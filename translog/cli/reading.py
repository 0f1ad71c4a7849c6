"""Events out of files, one at a time: single ones, lines of them, and bundles.

A file whose first line is a whole JSON object is read line by line, however long it is; each line
is an event or a bundle. Any other file is one document. What is yielded is compact canonical JSON,
or the reason why there is none.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from translog.errors import MalformedError, TooLargeError
from translog.formats import canonical
from translog.pith.bundle import MAX_BUNDLE_BYTES
from translog.pith.event import MAX_EVENT_BYTES


class Item(NamedTuple):
    """One event as it was found.

    Attributes:
        where: file, line and, in a bundle, the JSON pointer: log.ndjson:7, a.json#/events/1
        event: its canonical bytes, or what is wrong with it.
    """

    where: str
    event: bytes | MalformedError


def read_items(stream: BinaryIO, name: str) -> Iterator[Item]:
    """Yield what a file holds. No more than one line, or one document, is in memory."""
    number, line = 0, b"\n"  # of the line before the first
    while line and not line.strip():
        number, line = number + 1, stream.readline(MAX_BUNDLE_BYTES + 1)
    if not line:
        yield Item(name, MalformedError(f"{name} is empty"))
    elif _is_whole(line):
        following = stream.readline(MAX_BUNDLE_BYTES + 1)
        yield from _items(line, f"{name}:{number}" if following else name)
        yield from _lines(following, number + 1, stream, name)
    else:
        yield from _items(line + stream.read(MAX_BUNDLE_BYTES + 1 - len(line)), name)


def _lines(line: bytes, number: int, stream: BinaryIO, name: str) -> Iterator[Item]:
    while line:
        if line.strip():
            yield from _items(line, f"{name}:{number}")
        while line and not line.endswith(b"\n"):  # it was cut off for its length, or is the last
            line = stream.readline(MAX_BUNDLE_BYTES)
        number, line = number + 1, stream.readline(MAX_BUNDLE_BYTES + 1)


def _is_whole(line: bytes) -> bool:
    line = line.strip()
    return line.startswith(b"{") and line.endswith(b"}")


def _items(raw: bytes, where: str) -> Iterator[Item]:
    raw = raw.strip()
    try:
        value = canonical.parse(raw, limit=MAX_BUNDLE_BYTES)
        if type(value) is not dict:
            raise MalformedError(f"json: has a {type(value).__name__}, want an object")
        if "bundle_type" not in value:
            yield Item(where, _event(value))
            return
        events = value.get("events")
        if type(events) is not list:
            raise MalformedError("bundle has no array events")
    except MalformedError as error:
        yield Item(where, error)
        return
    for index, event in enumerate(events):
        try:
            yield Item(f"{where}#/events/{index}", _event(event))
        except MalformedError as error:
            yield Item(f"{where}#/events/{index}", error)


def _event(value: Any) -> bytes:
    content = canonical.canonical(value)
    if len(content) > MAX_EVENT_BYTES:
        raise TooLargeError(f"event has {len(content)} bytes, want at most {MAX_EVENT_BYTES}")
    return content
