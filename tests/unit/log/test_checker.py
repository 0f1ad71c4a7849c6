"""A process that checks gives the answers of this one, and its end loses nothing."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from tests.simulators.logs import new_log, raw, raws, writing
from translog.errors import MalformedError, TranslogError, UnavailableError
from translog.log import directory, pipeline
from translog.log.checker import Checked, Elsewhere, Here
from translog.log.directory import LogDirectory
from translog.log.intake import Admitted
from translog.log.sequencer import Placed
from translog.store import files

BAD = [b"", b"{", raw(3)[:-1], raw(3).replace(b'"target":"', b'"target":"x')]

SECONDS = 60  # a deadline for what takes a moment


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return new_log(tmp_path)


@pytest.fixture
def elsewhere(log: LogDirectory) -> Iterator[Elsewhere]:
    with closing(Elsewhere(log.database)) as checker:
        yield checker


def plain(checked: list[Admitted | TranslogError]) -> list[object]:
    return [(type(one), str(one)) if isinstance(one, TranslogError) else one for one in checked]


def test_both_give_the_same_answers(log: LogDirectory, elsewhere: Elsewhere) -> None:
    sent = [*raws(1, 2), *BAD, *raws(4)]
    with closing(Here(directory.open_reader(log))) as here:
        there = elsewhere.check(sent)
        assert plain(there) == plain(here.check(sent))
    assert [type(one) for one in there if not isinstance(one, TranslogError)] == [Admitted] * 3
    assert type(there[2]) is MalformedError
    assert elsewhere.check([]) == []
    assert len(elsewhere.check(raws(5))) == 1  # and goes on


def test_events_may_wait_before_a_process_that_is_busy(elsewhere: Elsewhere) -> None:
    first, second = raws(1, 2), [b"{", *raws(3)]
    assert elsewhere.fits(0) and not elsewhere.fits(1 << 30)
    elsewhere.ask(first)
    elsewhere.ask(second)
    assert [type(one) for one in elsewhere.answer()] == [Admitted, Admitted]
    assert [type(one) for one in elsewhere.answer()] == [MalformedError, Admitted]


def test_a_process_that_ended_is_an_error_of_the_environment(elsewhere: Elsewhere) -> None:
    os.kill(elsewhere.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="checking process ended: send"):
            elsewhere.check(raws(1))


def test_an_answer_that_was_cut_short_is_one_too(elsewhere: Elsewhere) -> None:
    whole = pickle.dumps([("an", "answer")])
    for length in range(len(whole)):
        with closing(elsewhere._from):
            elsewhere._from = BytesIO(whole[:length])
        with pytest.raises(UnavailableError, match="checking process ended: send"):
            elsewhere.check(raws(1))


def test_a_process_whose_log_was_killed_says_nothing(log: LogDirectory) -> None:
    for sent in (b"", pickle.dumps(raws(1))[:-5], pickle.dumps(raws(1))):
        command = [sys.executable, "-m", "translog.log.checker", str(log.database)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.close()  # as when the log is killed: both pipes end
            _, said = process.communicate(sent, timeout=60)
        assert (process.returncode, said) == (0, b"")


def test_a_process_that_cannot_open_the_log_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="ended before it was ready"):
        Elsewhere(tmp_path / "no.db")


def test_signals_are_left_to_the_log(elsewhere: Elsewhere) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(elsewhere.pid, number)
    assert len(elsewhere.check(raws(1))) == 1


def test_a_process_ends_with_its_log(log: LogDirectory) -> None:
    code = (
        "import os, sys; from pathlib import Path; from translog.log.checker import Elsewhere\n"
        "checker = Elsewhere(Path(sys.argv[1])); print(checker.pid, flush=True); os._exit(0)"
    )
    command = [sys.executable, "-c", code, str(log.database)]
    # It holds its parent's standard error: reading that to its end waits for both to be gone.
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(run.stdout) > 0


@pytest.mark.parametrize("fits", [True, False])
def test_a_crowd_is_placed_in_order_with_other_processes(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch, fits: bool
) -> None:
    monkeypatch.setattr(Elsewhere, "fits", lambda self, size: fits)
    monkeypatch.setattr(pipeline, "cores", lambda: 3)
    monkeypatch.setattr(pipeline, "UNIT_EVENTS", 4)
    monkeypatch.setattr(pipeline, "CROWD_EVENTS", 1)
    sent = [*raws(*range(60)), *BAD, *raws(*range(60, 90))]
    with writing(log) as writer:
        results = writer.add(sent)
        again = writer.add(sent)
    placed = [result for result in results if isinstance(result, Placed)]
    assert [result.index for result in placed] == list(range(90))
    assert [isinstance(result, Placed) for result in results[60:64]] == [False] * 4
    assert [r.index for r in again if isinstance(r, Placed)] == list(range(90))


def test_a_killed_process_is_replaced_and_nothing_is_lost(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "cores", lambda: 2)
    monkeypatch.setattr(pipeline, "UNIT_EVENTS", 4)
    monkeypatch.setattr(pipeline, "CROWD_EVENTS", 1)
    started: list[Elsewhere] = []
    third = threading.Event()

    class Mortal(Elsewhere):
        def __init__(self, database: Path) -> None:
            super().__init__(database)
            started.append(self)
            if len(started) < 3:
                os.kill(self.pid, signal.SIGKILL)
            else:
                third.set()

    class Patient(Here):
        def check(self, raws: Sequence[bytes]) -> list[Checked]:
            assert third.wait(SECONDS)  # leaves all but its first unit to the others
            return super().check(raws)

    monkeypatch.setattr(pipeline, "Elsewhere", Mortal)
    monkeypatch.setattr(pipeline, "Here", Patient)
    sent = raws(*range(40))
    with writing(log) as writer:
        results = writer.add(sent)
        placed = {at: r.index for at, r in enumerate(results) if isinstance(r, Placed)}
        refused = [result for result in results if not isinstance(result, Placed)]
        assert 2 <= len(refused) <= 16
        assert {type(result) for result in refused} == {UnavailableError}
        assert len(placed) == writer.head.size
        again = writer.add([sent[at] for at in placed])
    assert [(a.index, a.duplicate) for a in again if isinstance(a, Placed)] == [
        (index, True) for index in placed.values()
    ]


def test_a_process_that_cannot_start_is_done_without(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(database: Path) -> Elsewhere:
        raise UnavailableError("no")

    monkeypatch.setattr(pipeline, "cores", lambda: 2)
    monkeypatch.setattr(pipeline, "CROWD_EVENTS", 1)
    monkeypatch.setattr(pipeline, "Elsewhere", refuse)
    with writing(log) as writer:
        assert all(isinstance(result, Placed) for result in writer.add(raws(*range(40))))
    assert files.read(log.signed_head)
