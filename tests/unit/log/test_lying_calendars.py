"""Calendars that answer something else than they should: what a log keeps of it, and shows."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.simulators.anchoring import Desk, World, at_work, world
from tests.simulators.timestamps import FORK, SHA256, append, in_block, pending
from translog.bitcoin.ots import Timestamp, TimestampFile
from translog.formats.entry import Entry
from translog.formats.strict import parse_base64
from translog.log import anchored
from translog.log.timestamps import proofs_of
from translog.store import anchors, log
from translog.testing.calendar import Calendar
from translog.testing.loopback import Answer

Build = Callable[[bytes], tuple[bytes, bytes]]
"""Makes of a digest an answer, and the message of the promise in it."""


@pytest.fixture
def at(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "log") as made:
        yield made


@pytest.fixture
def desk(at: World) -> Iterator[Desk]:
    with at_work(at) as opened:
        yield opened


def answering(calendar: Calendar, build: Build) -> None:
    """Have a calendar answer what `build` makes, and put that into blocks as ever."""

    def take(digest: bytes) -> bytes:
        answer, message = build(digest)
        calendar.commitments.append(message)
        return answer

    calendar._take = take  # type: ignore[method-assign]


def deep(calendar: Calendar, count: int) -> Build:
    """Return a promise that lies behind so many operations."""

    def build(digest: bytes) -> tuple[bytes, bytes]:
        message = digest
        for _ in range(count):
            message = sha256(message).digest()
        return SHA256 * count + pending(calendar.url), message

    return build


def beside(calendar: Calendar, others: bytes) -> Build:
    """Return a promise with other attestations beside it."""

    def build(digest: bytes) -> tuple[bytes, bytes]:
        return SHA256 + others + pending(calendar.url), sha256(digest).digest()

    return build


def stamps_of(desk: Desk) -> list[Timestamp]:
    """Return the timestamps in the bundle of every leaf, which must be makeable."""
    size = desk.rows[-1].size
    found = []
    for leaf in log.read_leaves(desk.db, 0, size):
        (proof, *_) = proofs_of(desk.db, [leaf], size, desk.world.log.verifier).values
        found.append(TimestampFile.parse(parse_base64(proof["ots_b64"], "ots")).timestamp)
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 64, 65])
def test_a_promise_too_deep_for_the_files_of_events_is_none(
    at: World, desk: Desk, size: int
) -> None:
    deepest = 256 - 3 - 3 * (size - 1).bit_length() - 3  # the promised message among them
    liar = at.calendars[0]
    answering(liar, deep(liar, deepest))
    desk.add(size)
    desk.turn()
    waiting = desk.anchorer.waiting["stamp"]
    assert f"{liar.url}: timestamp is nested {deepest + 1} deep, want at most {deepest}" in waiting
    assert desk.anchorer.health[liar.url].failed == 1
    assert len(stamps_of(desk)) == size
    answering(liar, deep(liar, deepest - 1))
    at.pass_time(60)
    desk.turn()
    assert "stamp" not in desk.anchorer.waiting
    assert max(stamp.nesting for stamp in stamps_of(desk)) == 256


def test_a_path_too_deep_for_the_files_of_events_is_none(at: World, desk: Desk) -> None:
    liar, honest = at.calendars
    answering(liar, deep(liar, 244))  # from there, it is nine more to the block
    honest.fault = "pending"
    desk.add()
    desk.turn()
    at.mine(2)
    desk.settle()
    assert desk.states == ["pending"]
    assert desk.anchorer.health[liar.url].failed > 0
    honest.fault = None
    desk.finish()
    assert desk.states == ["final"]
    assert "announce" not in desk.anchorer.waiting
    stamps_of(desk)


def test_what_many_calendars_answer_fits_into_one_file(tmp_path: Path) -> None:
    with world(tmp_path / "log", calendars=8) as at, at_work(at) as desk:
        for calendar in at.calendars[:7]:

            def build(digest: bytes, calendar: Calendar = calendar) -> tuple[bytes, bytes]:
                long = b"".join(append(bytes(4000)) + SHA256 for _ in range(2))
                message = digest
                for _ in range(2):
                    message = sha256(message + bytes(4000)).digest()
                return long + pending(calendar.url), message

            answering(calendar, build)
        desk.add()
        desk.turn()
        assert "1 of 2 calendars needed have taken it" in desk.anchorer.waiting["stamp"]
        assert "timestamp has 80" in desk.anchorer.waiting["stamp"]
        stamps_of(desk)


def test_a_false_block_in_the_first_answer_is_shown_to_nobody(at: World, desk: Desk) -> None:
    for calendar in at.calendars:
        answering(calendar, beside(calendar, FORK + in_block(50)))
        calendar.fault = "pending"
    desk.add(3)
    desk.turn()
    for stamp in stamps_of(desk):
        assert stamp.in_blocks() == []
        assert len(stamp.attestations()) == 2
    best = anchored.best(desk.db, 0, at.log.verifier)
    (leaf,) = log.read_leaves(desk.db, 0, 1)
    file = TimestampFile.parse(best.event_file(Entry.parse(leaf.entry), 0))
    assert file.timestamp.in_blocks() == []


def test_nobody_is_asked_for_each_of_the_blocks_that_a_calendar_names(
    at: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar, honest = at.calendars
    honest.fault = "pending"
    desk.add()
    desk.turn()
    many = b"".join(FORK + in_block(height) for height in range(60)) + in_block(60)
    monkeypatch.setattr(liar, "_give", lambda _: Answer(body=many))
    asked: list[int] = []
    header = at.chain.header
    monkeypatch.setattr(at.chain, "header", lambda height: asked.append(height) or header(height))
    at.pass_time(120)
    happened = desk.turn()
    assert [each.what for each in happened] == ["attested", "refuted"]
    assert len(set(asked)) < 10
    honest.fault = None
    desk.finish()
    assert desk.states == ["final"]


def test_a_path_that_leads_to_another_promise_is_none(
    at: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar, honest = at.calendars
    monkeypatch.setattr(liar, "_give", lambda _: Answer(body=pending(liar.url)))
    honest.fault = "pending"
    desk.add()
    desk.turn()
    at.pass_time(120)
    assert desk.turn() == []
    assert desk.states == ["pending"]
    assert desk.anchorer.waiting == {}
    honest.fault = None
    desk.finish()
    assert desk.states == ["final"]


def test_calendars_that_nobody_listed_are_neither_asked_nor_counted(at: World, desk: Desk) -> None:
    liar = at.calendars[0]
    others = [FORK + pending(f"https://x{number}.example") for number in range(5)]
    answering(liar, beside(liar, b"".join(others)))
    for _ in range(3):
        desk.add()
        desk.turn()
        at.pass_time(7200)
        desk.turn()
    assert set(desk.anchorer.health) == {calendar.url for calendar in at.calendars}
    for stamp in anchors.read_stamps(desk.db, 1):
        message = anchored.tip_of(desk.rows[0])
        assert len(Timestamp.parse(stamp.pending, message).attestations()) == 1
