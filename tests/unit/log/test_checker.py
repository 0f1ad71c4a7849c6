"""A process that checks gives the answers of this one, and its end loses nothing."""

import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.simulators.logs import new_log, raw, raws, writing
from translog.errors import MalformedError, TranslogError, UnavailableError
from translog.log import checker, crew, directory, pipeline
from translog.log.checker import Checked, Elsewhere, Here
from translog.log.directory import LogDirectory
from translog.log.intake import Admitted
from translog.log.sequencer import Placed, Result
from translog.log.writer import Writer
from translog.store import files

BAD = [b"", b"{", raw(3)[:-1], raw(3).replace(b'"target":"', b'"target":"x')]

SECONDS = 60  # a deadline for what takes a moment


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return new_log(tmp_path)


@pytest.fixture
def elsewhere(log: LogDirectory) -> Iterator[Elsewhere]:
    with closing(Elsewhere(log.database)) as made:
        assert awaited(made, 1) == [[]]  # it is ready
        yield made


def check(elsewhere: Elsewhere, sent: Sequence[bytes]) -> list[Checked]:
    """Have a process check events, and wait for it."""
    elsewhere.ask(sent)
    return awaited(elsewhere, 1)[0]


def awaited(elsewhere: Elsewhere, count: int) -> list[list[Checked]]:
    """Return so many answers of a process, and no more than those."""
    answers: list[list[Checked]] = []
    while len(answers) < count:
        answers += elsewhere.answers()
    assert len(answers) == count
    return answers


def plain(checked: list[Admitted | TranslogError]) -> list[object]:
    return [(type(one), str(one)) if isinstance(one, TranslogError) else one for one in checked]


def test_both_give_the_same_answers(log: LogDirectory, elsewhere: Elsewhere) -> None:
    sent = [*raws(1, 2), *BAD, *raws(4)]
    with closing(Here(directory.open_reader(log))) as here:
        there = check(elsewhere, sent)
        assert plain(there) == plain(here.check(sent))
    assert [type(one) for one in there if not isinstance(one, TranslogError)] == [Admitted] * 3
    assert type(there[2]) is MalformedError
    assert check(elsewhere, []) == []
    assert len(check(elsewhere, raws(5))) == 1  # and goes on


def test_events_may_wait_before_a_process_that_is_busy(elsewhere: Elsewhere) -> None:
    first, second = raws(1, 2), [b"{", *raws(3)]
    elsewhere.ask(first)
    elsewhere.ask(second)
    answers = awaited(elsewhere, 2)
    assert [type(one) for one in answers[0]] == [Admitted, Admitted]
    assert [type(one) for one in answers[1]] == [MalformedError, Admitted]


def test_nobody_waits_for_a_process_that_does_not_read(elsewhere: Elsewhere) -> None:
    os.kill(elsewhere.pid, signal.SIGSTOP)
    large = raw(1) + b" " * 3_000_000
    assert elsewhere.ask(raws(1))
    assert not elsewhere.ask([large])
    assert not elsewhere.ask([large])
    assert not elsewhere.flush()
    os.kill(elsewhere.pid, signal.SIGCONT)
    while not elsewhere.flush():
        select.select([], [elsewhere.to], [])
    assert [len(answer) for answer in awaited(elsewhere, 3)] == [1, 1, 1]


def test_a_process_that_ended_is_an_error_of_the_environment(elsewhere: Elsewhere) -> None:
    os.kill(elsewhere.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="checking process ended: send"):
            check(elsewhere, raws(1))
    with pytest.raises(UnavailableError, match="checking process ended: send"):
        next(elsewhere.answers())


@pytest.mark.parametrize("size", [1, 7, 8, 4_096])
def test_answers_come_whole_however_they_are_cut(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(checker, "READ_BYTES", size)
    elsewhere.ask(raws(1, 2))
    elsewhere.ask([b"{"])
    assert [len(answer) for answer in awaited(elsewhere, 2)] == [2, 1]


@pytest.mark.parametrize("cut", [0, 5, 8, 20, -1, None])
def test_a_process_whose_log_was_killed_says_nothing(log: LogDirectory, cut: int | None) -> None:
    """Both its pipes end: before a message, within it, or before it is answered."""
    message = pickle.dumps(raws(1))
    sent = (struct.pack("=Q", len(message)) + message)[:cut]
    command = [sys.executable, "-m", "translog.log.checker", str(log.database)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(8)  # it is ready
        process.stdout.close()
        _, said = process.communicate(sent, timeout=SECONDS)
    assert (process.returncode, said) == (0, b"")


def test_a_process_that_cannot_open_the_log_is_not_ready(tmp_path: Path) -> None:
    with (
        closing(Elsewhere(tmp_path / "no.db")) as made,
        pytest.raises(UnavailableError, match="checking process ended"),
    ):
        awaited(made, 1)


def test_signals_are_left_to_the_log(elsewhere: Elsewhere) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(elsewhere.pid, number)
    assert len(check(elsewhere, raws(1))) == 1


def test_a_process_ends_with_its_log(log: LogDirectory) -> None:
    code = (
        "import os, sys; from pathlib import Path; from translog.log.checker import Elsewhere\n"
        "checker = Elsewhere(Path(sys.argv[1])); print(checker.pid, flush=True); os._exit(0)"
    )
    command = [sys.executable, "-c", code, str(log.database)]
    # It holds its parent's standard error: reading that to its end waits for both to be gone.
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(run.stdout) > 0


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_a_crowd_is_placed_in_order_with_other_processes(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Each process has one question at a time, or the next ones lie before it."""
    monkeypatch.setattr(crew, "IN_HAND_BYTES", most)
    monkeypatch.setattr(pipeline, "cores", lambda: 3)
    monkeypatch.setattr(pipeline, "UNIT_EVENTS", 4)
    monkeypatch.setattr(pipeline, "CROWD_EVENTS", 1)
    sent = [*raws(*range(60)), *BAD, *raws(*range(60, 90))]
    with writing(log) as writer:
        warm_up(writer)
        results = writer.add(sent)
        again = writer.add(sent)
    placed = [result for result in results if isinstance(result, Placed)]
    assert [result.index for result in placed] == list(range(1, 91))
    assert [isinstance(result, Placed) for result in results[60:64]] == [False] * 4
    assert [r.index for r in again if isinstance(r, Placed)] == list(range(1, 91))


def warm_up(writer: Writer) -> None:
    """Have an event checked until all other processes are ready to do it."""
    team = writer._pipeline._crew
    while not (team.complete and all(member.ready for member in team._members)):
        writer.add(raws(1_000))


def test_a_killed_process_is_replaced_and_nothing_is_lost(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "cores", lambda: 2)
    monkeypatch.setattr(pipeline, "UNIT_EVENTS", 4)
    monkeypatch.setattr(pipeline, "CROWD_EVENTS", 1)
    started: list[Elsewhere] = []

    class Listed(Elsewhere):
        def __init__(self, database: Path) -> None:
            super().__init__(database)
            started.append(self)

    monkeypatch.setattr(crew, "Elsewhere", Listed)
    sent = raws(*range(40))
    with writing(log) as writer:
        warm_up(writer)
        dead, _ = started
        os.kill(dead.pid, signal.SIGSTOP)  # so that it has events in hand
        inbox: SimpleQueue[list[Result]] = SimpleQueue()
        writer.submit(sent, inbox.put)
        os.kill(dead.pid, signal.SIGKILL)
        results = inbox.get(timeout=SECONDS)
        placed = {at: r.index for at, r in enumerate(results) if isinstance(r, Placed)}
        refused = [result for result in results if not isinstance(result, Placed)]
        assert placed and refused
        assert {type(result) for result in refused} == {UnavailableError}
        assert {str(result) for result in refused} == {str(checker.gone())}
        assert len(placed) + 1 == writer.head.size
        warm_up(writer)
        assert len(started) == 3
        again = writer.add(sent)
    assert all(isinstance(result, Placed) for result in again)
    assert [again[at] for at in placed] == [results[at]._replace(duplicate=True) for at in placed]


def test_events_larger_than_a_pipe_are_placed_with_other_processes(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "cores", lambda: 2)
    monkeypatch.setattr(pipeline, "CROWD_EVENTS", 1)
    with writing(log) as writer:
        warm_up(writer)
        sent = [raw(number) + b" " * 900_000 for number in range(12)]
        results = writer.add(sent)
    assert [r.index for r in results if isinstance(r, Placed)] == list(range(1, 13))


def test_what_other_processes_have_in_hand_is_finished_at_the_end(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "cores", lambda: 1)
    monkeypatch.setattr(pipeline, "CROWD_EVENTS", 1)
    with writing(log) as writer:
        warm_up(writer)
        (member,) = writer._pipeline._crew._members
        os.kill(member.checker.pid, signal.SIGSTOP)
        inbox: SimpleQueue[list[Result]] = SimpleQueue()
        writer.submit(raws(1), inbox.put)
        closer = threading.Thread(target=writer._pipeline.close)
        closer.start()
        while writer._pipeline._crew._rung or not writer._pipeline._closing:
            threading.Event().wait(0.001)  # until it has looked whether that is all
        os.kill(member.checker.pid, signal.SIGCONT)
        closer.join(SECONDS)
        assert isinstance(inbox.get(timeout=SECONDS)[0], Placed)


def test_a_process_that_cannot_start_is_done_without(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuse(database: Path) -> Elsewhere:
        tried.append(database)
        raise UnavailableError("no")

    monkeypatch.setattr(pipeline, "cores", lambda: 2)
    monkeypatch.setattr(pipeline, "CROWD_EVENTS", 1)
    monkeypatch.setattr(crew, "Elsewhere", refuse)
    with writing(log) as writer:
        for _ in range(3):
            assert all(isinstance(result, Placed) for result in writer.add(raws(*range(40))))
    assert len(tried) == 2
    assert files.read(log.signed_head)
