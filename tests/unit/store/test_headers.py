"""translog.store.headers: headers in a directory, whole or absent whatever happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translog.bitcoin.grade import (
    OWN_NODE,
    SINGLE_SERVER,
    UNCHECKED,
    Grade,
    quorum,
)
from translog.bitcoin.header import MAX_HEIGHT
from translog.bitcoin.network import MAINNET, REGTEST
from translog.errors import ConflictError, MalformedError, MissingError, UnavailableError
from translog.store import headers
from translog.store.headers import Graded, HeaderFile, HeaderWriter, State, create

GRADES = (UNCHECKED, SINGLE_SERVER, quorum(2), quorum(7), OWN_NODE)
TEXT = """translog/headers/v1
network mainnet
first 2016
count 40
from 2016 single server
from 2020 quorum of 3
"""
STATE = State(
    network=MAINNET,
    first=2016,
    count=40,
    grades=(Graded(2016, SINGLE_SERVER), Graded(2020, quorum(3))),
)


def some(count: int, start: int = 0) -> bytes:
    return b"".join(bytes([number]) * 80 for number in range(start, start + count))


@pytest.fixture
def folder(tmp_path):
    create(tmp_path / "headers", REGTEST, 0)
    return tmp_path / "headers"


def all_of(folder) -> bytes:
    with HeaderFile(folder) as file:
        state = file.state()
        return file.read(state, state.first, state.count)


def test_the_state_is_a_small_text():
    assert str(STATE) == TEXT
    assert State.parse(TEXT.encode()) == STATE
    empty = State(network=REGTEST, first=0, count=0, grades=())
    assert State.parse(str(empty).encode()) == empty


@pytest.mark.parametrize(
    "old, new",
    [
        ("", "x"),
        ("/v1", "/v2"),
        ("mainnet", "testnet"),
        ("mainnet", "mainnet "),
        ("network mainnet\n", ""),
        ("first 2016", "first 02016"),
        ("first 2016", "first -1"),
        ("first 2016", "first"),
        ("count 40", "count 4_0"),
        ("count 40", "count 4"),  # then there is a grade behind the end
        ("count 40", f"count {MAX_HEIGHT}"),
        ("count", "size"),
        ("single server", "single"),
        ("single server", "Single server"),
        ("quorum of 3", "quorum of 1"),
        ("from 2016", "from 2017"),
        ("from 2020", "from 2016"),
        ("from 2020", "from 2056"),
        ("from 2020", "from 02020"),
        ("from 2020 quorum of 3\n", "from 2020\n"),
        ("from 2020 quorum of 3\n", "from 2020 quorum of 3\n\n"),
        ("from 2020 quorum of 3\n", "from 2020 quorum of 3"),
        ("from 2020 quorum of 3\n", "from 2020 quorum of 3\r\n"),
        ("from 2016 single server\nfrom 2020 quorum of 3\n", ""),
        ("count 40\nfrom 2016 single server\nfrom 2020 quorum of 3\n", ""),
        ("from 2016 single server", "from"),
        ("translog/headers/v1\n", ""),
    ],
)
def test_any_other_spelling_is_refused(old, new):
    text = TEXT.replace(old, new, 1) if old else TEXT + new
    with pytest.raises(MalformedError):
        State.parse(text.encode())


@given(st.binary(max_size=300))
def test_only_declared_errors_leave_the_parser(raw):
    try:
        state = State.parse(raw)
    except MalformedError:
        return
    assert str(state).encode() == raw


CHANGE = st.tuples(st.integers(0, 12), st.integers(1, 4), st.sampled_from(GRADES))


@given(st.lists(CHANGE, max_size=6))
def test_grades_are_kept_height_by_height(changes: list[tuple[int, int, Grade]]):
    """Against a list of one grade for each height."""
    state = State(network=REGTEST, first=10, count=0, grades=())
    wanted: list[Grade] = []
    for offset, count, grade in changes:
        first = min(offset, len(wanted))
        wanted[first : first + count] = [grade] * max(count, 0)
        state = state.graded(10 + first, 10 + first + count, grade)
        assert [state.grade_at(10 + at) for at in range(len(wanted))] == wanted
        assert State.parse(str(state).encode()) == state
        assert all(a.grade != b.grade for a, b in zip(state.grades, state.grades[1:], strict=False))
    for end in range(len(wanted) + 1):
        cut = state.cut(10 + end)
        assert [cut.grade_at(10 + at) for at in range(end)] == wanted[:end]
        assert State.parse(str(cut).encode()) == cut


def test_headers_are_added_and_read(folder):
    with HeaderWriter(folder) as writer:
        writer.append(some(3), OWN_NODE)
        writer.append(some(2, 3), quorum(2))
        assert writer.file.read(writer.state, 1, 3) == some(3, 1)
        with HeaderFile(folder) as file:
            assert file.state() == writer.state
    assert all_of(folder) == some(5)
    with HeaderFile(folder) as file:
        state = file.state()
    assert state.grades == (Graded(0, OWN_NODE), Graded(3, quorum(2)))
    assert (state.network, state.first, state.count, state.end) == (REGTEST, 0, 5, 5)


def test_what_is_cut_off_does_not_count_and_is_written_over(folder):
    with HeaderWriter(folder) as writer:
        writer.append(some(5), OWN_NODE)
        writer.cut(2)
        assert all_of(folder) == some(2)
        writer.append(some(1, 9), SINGLE_SERVER)
    assert all_of(folder) == some(2) + some(1, 9)
    assert (folder / headers.HEADERS).stat().st_size == 3 * 80


def test_headers_may_begin_anywhere(tmp_path):
    create(tmp_path, MAINNET, 2016)
    with HeaderWriter(tmp_path) as writer:
        writer.append(some(3), UNCHECKED)
        assert writer.file.read(writer.state, 2017, 1) == some(1, 1)
        assert writer.state.grade_at(2018) == UNCHECKED


class Crash(Exception):
    """The process ends here."""


@pytest.mark.parametrize("crash_in", ["fsync", "write_atomically"])
def test_a_crash_leaves_what_was_there(folder, monkeypatch, crash_in):
    with HeaderWriter(folder) as writer:
        writer.append(some(3), OWN_NODE)

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(headers.os if crash_in == "fsync" else headers, crash_in, crash)
        with pytest.raises(Crash), HeaderWriter(folder) as writer:
            writer.append(some(200, 3), SINGLE_SERVER)
    assert (folder / headers.HEADERS).stat().st_size > 3 * 80  # it was too late to write nothing
    assert all_of(folder) == some(3)
    with HeaderWriter(folder) as writer:
        writer.append(some(1, 7), SINGLE_SERVER)
    assert all_of(folder) == some(3) + some(1, 7)
    assert (folder / headers.HEADERS).stat().st_size == 4 * 80


def test_headers_are_on_disk_before_they_count(folder, monkeypatch):
    order: list[str] = []
    honest_sync, honest_write = headers.os.fsync, headers.write_atomically

    def sync(descriptor: int) -> None:
        if headers.os.path.samestat(
            headers.os.fstat(descriptor), (folder / headers.HEADERS).stat()
        ):
            order.append("headers")
        honest_sync(descriptor)

    def write(*arguments: object) -> None:
        order.append("state")
        honest_write(*arguments)

    monkeypatch.setattr(headers.os, "fsync", sync)
    monkeypatch.setattr(headers, "write_atomically", write)
    with HeaderWriter(folder) as writer:
        writer.append(some(3), OWN_NODE)
    assert order == ["headers", "state"]


def test_a_crash_between_cutting_and_adding_leaves_what_both_branches_share(folder, monkeypatch):
    with HeaderWriter(folder) as writer:
        writer.append(some(9), OWN_NODE)

    def crash(*_: object) -> None:
        raise Crash

    writer = HeaderWriter(folder)
    writer.cut(4)
    with monkeypatch.context() as patch, pytest.raises(Crash), writer:
        patch.setattr(headers, "write_atomically", crash)
        writer.append(some(9, 100), OWN_NODE)
    assert all_of(folder) == some(4)


def test_headers_have_one_writer_and_any_readers(folder):
    refused = pytest.raises(ConflictError, match="its headers are being changed already")
    with HeaderWriter(folder), HeaderFile(folder), refused:
        HeaderWriter(folder)
    HeaderWriter(folder).close()


def test_a_directory_is_made_once(folder):
    with pytest.raises(ConflictError, match="has Bitcoin headers already"):
        create(folder, REGTEST, 0)


def test_a_directory_without_headers_is_missing(tmp_path):
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(MissingError, match=r"has no Bitcoin headers: headers\.txt is missing"):
            HeaderFile(place)
    with pytest.raises((MissingError, UnavailableError)):
        HeaderWriter(tmp_path / "none")
    with pytest.raises(MissingError):
        HeaderWriter(tmp_path)


def test_damage_is_named(folder):
    with HeaderWriter(folder) as writer:
        writer.append(some(3), OWN_NODE)
    (folder / headers.HEADERS).write_bytes(some(2))
    with pytest.raises(MalformedError, match=r"is 80 bytes shorter than headers\.txt says"):
        all_of(folder)
    (folder / headers.STATE).write_bytes(b"x")
    with pytest.raises(MalformedError, match=rf"^{folder}/headers.txt: "):
        HeaderFile(folder)
    (folder / headers.STATE).write_bytes(b"x" * 100_000)
    with pytest.raises(UnavailableError, match="has more than"):
        HeaderFile(folder)


def test_a_disk_that_refuses_is_said(folder, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with HeaderWriter(folder) as writer, monkeypatch.context() as patch:
        patch.setattr(headers.os, "fsync", refuse)
        with pytest.raises(UnavailableError, match="No space left on device"):
            writer.append(some(3), OWN_NODE)
    assert all_of(folder) == b""
