"""Events out of files, one at a time: single ones, lines of them, and bundles.

A file whose first line is a whole JSON object is read line by line, however long it is; each line
is an event or a bundle. Any other file is one document. What is yielded is compact canonical JSON,
or the reason why there is none.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

from translog.errors import MalformedError, TooLargeError
from translog.formats import canonical
from translog.formats.strict import kind
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
    """Yield what a file holds. No more than two lines, or one document, are in memory."""
    lines = _lines(stream)
    number, line = next(lines, (0, b""))
    if not line:
        yield Item(name, MalformedError(f"{name} is empty"))
    elif not is_whole(line):
        yield from _items(line + stream.read(MAX_BUNDLE_BYTES + 1 - len(line)), name)
    else:
        second = next(lines, None)
        yield from _items(line, name if second is None else f"{name}:{number}")
        for number, line in chain([second] if second else [], lines):
            yield from _items(line, f"{name}:{number}")


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield lines that are not blank, and their numbers; the first part of one that is too long."""
    number = 1
    while line := stream.readline(MAX_BUNDLE_BYTES + 1):
        if line.strip():
            yield number, line
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_BUNDLE_BYTES)
        number += 1


def is_whole(line: bytes) -> bool:
    """Tell a JSON object on a line of its own from the first line of a document."""
    line = line.strip()
    return line.startswith(b"{") and line.endswith(b"}")


def _items(raw: bytes, where: str) -> Iterator[Item]:
    if len(raw) <= MAX_BUNDLE_BYTES:  # what was cut off stays too long
        raw = raw.strip()
    try:
        value = canonical.parse(raw, limit=MAX_BUNDLE_BYTES)
        if type(value) is not dict:
            raise MalformedError(f"json: has {kind(value)}, want an object")
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
