"""Events out of files: events, lines of any length, bundles, and everything else that comes."""

import json
from io import BytesIO
from typing import BinaryIO, cast

import pytest

from tests.simulators.events import real_bundle, real_events
from translog.cli.reading import Item, read_items
from translog.errors import MalformedError, TooLargeError
from translog.formats.canonical import canonical
from translog.pith.bundle import MAX_BUNDLE_BYTES
from translog.pith.event import MAX_EVENT_BYTES

EVENTS = [canonical(event) for event in real_events()]


def read(raw: bytes) -> list[Item]:
    return list(read_items(BytesIO(raw), "f"))


def reasons(raw: bytes) -> list[tuple[str, str]]:
    return [(where, str(event)) for where, event in read(raw) if isinstance(event, MalformedError)]


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_a_file_can_be_one_event(indent: int | None) -> None:
    raw = json.dumps(real_events()[1], indent=indent, ensure_ascii=False).encode()
    assert read(raw) == read(b"\n \n" + raw + b"\n\n\n") == [Item("f", EVENTS[1])]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_can_be_a_bundle(indent: int | None) -> None:
    raw = json.dumps(json.loads(real_bundle()), indent=indent).encode()
    assert read(raw) == [Item(f"f#/events/{i}", event) for i, event in enumerate(EVENTS)]


def test_a_file_can_be_lines() -> None:
    lines = b"".join(event + b"\n" for event in EVENTS * 3)
    want = [Item(f"f:{number}", event) for number, event in enumerate(EVENTS * 3, start=1)]
    assert read(lines) == read(lines.rstrip()) == read(lines.replace(b"\n", b"\r\n")) == want


def test_lines_are_counted_as_editors_do() -> None:
    raw = b"\n%b\n\n  \n%b\n" % (EVENTS[0], EVENTS[1])
    assert [item.where for item in read(raw)] == ["f:2", "f:5"]


def test_a_line_can_be_a_bundle() -> None:
    found = read(EVENTS[0] + b"\n" + canonical(json.loads(real_bundle())))
    assert [item.where for item in found] == ["f:1", "f:2#/events/0", "f:2#/events/1"]


def test_what_is_wrong_with_a_line_does_not_touch_the_others() -> None:
    raw = b"\n".join([EVENTS[0], b"{]", b'{"a":1,"a":2}', b"\xff", b"[]", EVENTS[1]])
    found = read(raw)
    assert [item.where for item in found] == [f"f:{number}" for number in range(1, 7)]
    assert [type(item.event) for item in found] == [bytes, *[MalformedError] * 4, bytes]
    assert "twice" in str(found[2].event)
    assert "want an object" in str(found[4].event)


def test_a_line_that_is_too_long_is_skipped_to_its_end() -> None:
    long = b'{"a":"' + b"x" * (2 * MAX_BUNDLE_BYTES) + b'"}'
    found = read(b"\n".join([EVENTS[0], long, EVENTS[1]]))
    assert [item.where for item in found] == ["f:1", "f:2", "f:3"]
    assert isinstance(found[1].event, TooLargeError)
    assert found[2].event == EVENTS[1]
    assert isinstance(read(EVENTS[0] + b"\n" + long)[1].event, TooLargeError)


def test_an_event_that_is_too_large_is_refused_here() -> None:
    fits = b'{"a":"' + b"x" * (MAX_EVENT_BYTES - 8) + b'"}'
    assert read(fits) == [Item("f", fits)]
    found = read(fits.replace(b"x", b"xx", 1))
    assert isinstance(found[0].event, TooLargeError)
    assert f"has {MAX_EVENT_BYTES + 1} bytes" in str(found[0].event)


@pytest.mark.parametrize("raw", [b"", b"\n", b" \n\r\n\t"])
def test_an_empty_file_is_refused(raw: bytes) -> None:
    assert reasons(raw) == [("f", "f is empty")]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"nonsense", "json: "),
        (b"[]", "json: has an array, want an object"),
        (b"{\n", "json: "),
        (b'{"bundle_type": "x"}', "bundle has no array events"),
        (b'{"bundle_type": "x",\n"events": {}}', "bundle has no array events"),
        (b"{\n" + b" " * MAX_BUNDLE_BYTES + b"}", "want at most"),
        (b"\x1f\x8b\x08\x00", "json: "),
    ],
    ids=range(7),
)
def test_a_document_that_is_nothing_is_one_refusal(raw: bytes, says: str) -> None:
    ((where, reason),) = reasons(raw)
    assert where == "f"
    assert says in reason


def test_a_long_file_is_never_in_memory() -> None:
    class Endless:
        """Lines without end, that are only made when they are read."""

        given = 0

        def readline(self, size: int = -1) -> bytes:
            self.given += 1
            return EVENTS[0] + b"\n"

    endless = Endless()
    items = read_items(cast(BinaryIO, endless), "f")
    for _ in range(1000):
        next(items)
    assert endless.given <= 1002
