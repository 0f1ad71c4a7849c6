"""In order, every one answered once, never more than fits, and nothing after a failure."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests.reference import mth
from tests.simulators.logs import NOW, new_log, raw, raws, writing
from tests.simulators.published import entry_of, small_event
from translog.errors import BusyError, HashError, MalformedError, TranslogError, UnavailableError
from translog.log import checker, directory, pipeline, registry
from translog.log.crew import Crew
from translog.log.directory import LogDirectory
from translog.log.pipeline import CROWD_EVENTS, Pipeline, Result
from translog.log.sequencer import Placed, Sequencer
from translog.store import database
from translog.store import log as store

SECONDS = 30  # a deadline for what takes milliseconds


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return new_log(tmp_path)


@contextmanager
def running(log: LogDirectory) -> Iterator[tuple[Pipeline, Sequencer]]:
    with log.locked(), closing(database.open_writer(log.database)) as db:
        sequencer = Sequencer(db)
        opened = Pipeline(sequencer, log.database)
        with closing(opened):
            yield opened, sequencer


class Inbox:
    """What was delivered: a list of results a submission."""

    def __init__(self) -> None:
        self.delivered: SimpleQueue[list[Result]] = SimpleQueue()

    def __call__(self, results: list[Result]) -> None:
        self.delivered.put(results)

    def take(self) -> list[Result]:
        return self.delivered.get(timeout=SECONDS)


class Gate:
    """Holds the sequencer in `append` until it is opened."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        real = store.find

        def find(*arguments: Any) -> Any:
            self.reached.set()
            assert self.opened.wait(SECONDS)
            return real(*arguments)

        patch.setattr(store, "find", find)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.opened.set()


def indices(results: list[Result]) -> list[int]:
    return [result.index if isinstance(result, Placed) else -1 for result in results]


def stored(log: LogDirectory) -> list[bytes]:
    with closing(directory.open_reader(log)) as db:
        return store.read_entries(db, 0, 100_000)


def test_results_line_up_with_what_was_sent(log: LogDirectory) -> None:
    bad = raw(3).replace(b"2606.1000003", b"2606.1000004")
    with running(log) as (line, _):
        inbox = Inbox()
        line.submit([raw(1), b"{", raw(2), raw(1), bad, raw(3)], inbox)
        results = inbox.take()
    assert indices(results) == [0, -1, 1, 0, -1, 2]
    assert type(results[1]) is MalformedError
    assert type(results[4]) is HashError
    assert [r.duplicate for r in results if isinstance(r, Placed)] == [False, False, True, False]
    assert [r.event_id for r in results if isinstance(r, Placed)] == [
        small_event(number).event_id for number in (1, 2, 1, 3)
    ]
    assert stored(log) == [entry_of(small_event(number)).encode() for number in (1, 2, 3)]


@pytest.mark.parametrize(("unit", "batch"), [(1, 1), (3, 4), (64, 1024)])
def test_the_order_is_kept_within_and_between_submissions(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch, unit: int, batch: int
) -> None:
    monkeypatch.setattr(pipeline, "UNIT_EVENTS", unit)
    monkeypatch.setattr(pipeline, "BATCH_EVENTS", batch)
    sizes = [1, 5, 0, 40, 2, 1, 1, 17]
    inboxes = [Inbox() for _ in sizes]
    with running(log) as (line, sequencer):
        start = 0
        for size, inbox in zip(sizes, inboxes, strict=True):
            line.submit(raws(*range(start, start + size)), inbox)
            start += size
        results = [result for inbox in inboxes for result in inbox.take()]
        assert indices(results) == list(range(start))
        entries = [entry_of(small_event(number)).encode() for number in range(start)]
        assert sequencer.head == (start, mth(tuple(entries)))
    assert stored(log) == entries


def test_many_callers_at_once_each_get_their_own(log: LogDirectory) -> None:
    count, callers = 25, 8
    got: list[list[Result]] = [[] for _ in range(callers)]

    def call(number: int) -> None:
        for at in range(count):
            inbox = Inbox()
            line.submit(raws(number * count + at, 10_000 + at), inbox)  # the second is shared
            got[number] += inbox.take()

    with running(log) as (line, _):
        threads = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert line.waiting == 0
    entries = stored(log)
    assert len(entries) == count * callers + count
    for number, results in enumerate(got):
        for at in range(count):
            own, shared = results[2 * at : 2 * at + 2]
            assert isinstance(own, Placed)
            assert isinstance(shared, Placed)
            assert entries[own.index] == entry_of(small_event(number * count + at)).encode()
            assert entries[shared.index] == entry_of(small_event(10_000 + at)).encode()
            assert not own.duplicate
    new = [result for results in got for result in results[1::2]]
    assert sum(isinstance(each, Placed) and not each.duplicate for each in new) == count


def test_a_full_line_is_busy_and_queues_nothing(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    monkeypatch.setattr(pipeline, "MAX_WAITING_EVENTS", 10)
    inboxes = [Inbox() for _ in range(3)]
    with running(log) as (line, _):
        line.submit(raws(1), inboxes[0])
        assert gate.reached.wait(SECONDS)  # one is with the sequencer, and counts
        line.submit(raws(*range(2, 9)), inboxes[1])
        assert line.waiting == 8
        with pytest.raises(BusyError, match=r"8 events \(\d+ bytes\) wait: try again"):
            line.submit(raws(50, 51, 52), inboxes[2])
        assert line.waiting == 8
        line.submit(raws(50, 51), inboxes[2])
        with pytest.raises(BusyError):
            line.submit(raws(53), inboxes[2])
        gate.opened.set()
        assert [indices(inbox.take()) for inbox in inboxes] == [[0], [*range(1, 8)], [8, 9]]
    assert line.waiting == 0
    assert len(stored(log)) == 10


def test_the_line_is_bounded_in_bytes_too(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    monkeypatch.setattr(pipeline, "MAX_WAITING_BYTES", len(raw(1)) * 5 // 2)
    with running(log) as (line, _):
        inbox = Inbox()
        line.submit(raws(1), Inbox())
        assert gate.reached.wait(SECONDS)
        line.submit(raws(2), inbox)
        with pytest.raises(BusyError):
            line.submit(raws(3), inbox)
        gate.opened.set()
        assert indices(inbox.take()) == [1]
        assert inbox.delivered.empty()


def test_one_large_submission_is_accepted_on_an_empty_line(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "MAX_WAITING_EVENTS", 10)
    monkeypatch.setattr(pipeline, "MAX_WAITING_BYTES", 100)
    with running(log) as (line, _):
        inbox = Inbox()
        line.submit(raws(*range(200)), inbox)
        assert indices(inbox.take()) == list(range(200))


def test_a_crowd_has_other_processes_started_and_less_does_not(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []
    monkeypatch.setattr(Crew, "start", lambda self: started.append(True))
    with running(log) as (line, _):
        for count, wanted in ((1, False), (CROWD_EVENTS - 1, False), (CROWD_EVENTS, True)):
            inbox = Inbox()
            line.submit(raws(*range(count)), inbox)
            assert len(inbox.take()) == count
            assert bool(started) == wanted


def test_nothing_is_answered_at_once_and_counts_for_nothing(log: LogDirectory) -> None:
    with running(log) as (line, _):
        inbox = Inbox()
        line.submit([], inbox)
        assert inbox.delivered.get_nowait() == []


def test_closing_finishes_what_was_queued(log: LogDirectory, gate: Gate) -> None:
    inbox, last = Inbox(), Inbox()
    with running(log) as (line, _):
        line.submit(raws(1), inbox)
        assert gate.reached.wait(SECONDS)
        line.submit([*raws(*range(2, 200)), b"{"], last)
        closer = threading.Thread(target=line.close)
        closer.start()
        refused = False
        while not refused:  # until `close` has begun
            try:
                line.submit(raws(500), Inbox())
            except UnavailableError as error:
                assert "log is being closed" in str(error)
                refused = True
        gate.opened.set()
        closer.join(SECONDS)
        assert not closer.is_alive()
        assert indices(inbox.take()) == [0]
        results = last.take()
        assert indices(results)[:-1] == list(range(1, 199))
        assert type(results[-1]) is MalformedError
    assert len(stored(log)) >= 199


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What the threads ended by, in place of pytest's own warning about it."""
    caught: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: caught.append(args.exc_value))
    return caught


def bug(*_: object, **__: object) -> Any:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("where", [(checker, "admit_all"), (store, "find"), (registry, "read")])
def test_a_bug_in_a_thread_answers_everybody_and_ends_the_intake(
    log: LogDirectory,
    monkeypatch: pytest.MonkeyPatch,
    bugs: list[BaseException | None],
    where: tuple[Any, str],
) -> None:
    with running(log) as (line, _):
        first = Inbox()
        line.submit(raws(0), first)
        assert indices(first.take()) == [0]
        monkeypatch.setattr(*where, bug)
        inboxes = [Inbox() for _ in range(3)]
        refusals = []
        for number, inbox in enumerate(inboxes, start=1):
            try:
                line.submit(raws(number * 100, *range(number * 200, number * 200 + 70)), inbox)
            except UnavailableError as error:
                refusals.append(str(error))
            else:
                for result in inbox.take():
                    assert isinstance(result, UnavailableError)
                    assert "log stopped by a bug: " in str(result)
        assert all("log takes no more events" in refusal for refusal in refusals)
        with pytest.raises(UnavailableError, match="log takes no more events"):
            line.submit(raws(5), Inbox())
        assert line.stopped is not None
        assert line.waiting == 0
    assert all(inbox.delivered.empty() for inbox in inboxes)  # nobody twice
    assert 1 <= len(bugs) <= pipeline.cores()  # every intake thread may have met it
    assert all(isinstance(each, RuntimeError) for each in bugs)
    assert len(stored(log)) == 1


def test_a_bug_answers_those_too_whose_events_were_in_hand_or_behind(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch, bugs: list[BaseException | None]
) -> None:
    monkeypatch.setattr(pipeline, "UNIT_EVENTS", 2)
    monkeypatch.setattr(pipeline, "BATCH_EVENTS", 2)
    gate = Gate(monkeypatch)
    inboxes = [Inbox() for _ in range(4)]
    with running(log) as (line, _):
        for number, inbox in enumerate(inboxes):
            line.submit(raws(*range(number * 10, number * 10 + 5)), inbox)
        assert gate.reached.wait(SECONDS)
        monkeypatch.setattr(Sequencer, "append", bug)  # this batch goes through, the next not
        gate.opened.set()
        for inbox in inboxes:
            results = inbox.take()
            assert len(results) == 5
            assert {type(result) for result in results} == {UnavailableError}
    assert all(inbox.delivered.empty() for inbox in inboxes)
    assert len(bugs) == 1
    assert len(stored(log)) == 2


def test_an_answer_that_fails_stops_the_log_and_leaves_nobody_waiting(
    log: LogDirectory, bugs: list[BaseException | None], gate: Gate
) -> None:
    with running(log) as (line, _):
        line.submit(raws(1), bug)
        assert gate.reached.wait(SECONDS)
        inbox = Inbox()
        line.submit(raws(2), inbox)
        gate.opened.set()
        (result,) = inbox.take()
        assert isinstance(result, UnavailableError | Placed)
        while line.stopped is None:
            threading.Event().wait(0.001)
    assert len(bugs) == 1


def free(patch: pytest.MonkeyPatch, count: int) -> None:
    real = os.statvfs("/")
    fields = list(real)
    fields[0], fields[1], fields[4] = 4096, 4096, count // 4096
    patch.setattr(pipeline.os, "statvfs", lambda _: os.statvfs_result(fields))


def test_an_almost_full_disk_refuses_and_recovers(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(log) as (line, sequencer):
        inbox = Inbox()
        for room, outcome in (
            (pipeline.MIN_FREE_BYTES, Placed),
            (pipeline.MIN_FREE_BYTES - 4096, UnavailableError),
            (0, UnavailableError),
            (pipeline.MIN_FREE_BYTES, Placed),
        ):
            with monkeypatch.context() as patch:
                free(patch, room)
                line.submit(raws(room // 4096), inbox)
                (result,) = inbox.take()
            assert type(result) is outcome
            if outcome is UnavailableError:
                wanted = f"has {room >> 20} MiB free, want 64: nothing was logged; make room"
                assert wanted in str(result)
            assert sequencer.stopped is line.stopped is None
        assert sequencer.head.size == 1  # the first and the last are the same event


def test_a_disk_that_cannot_be_asked_is_not_written_to(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(pipeline.os, "statvfs", gone)
    with running(log) as (line, sequencer):
        inbox = Inbox()
        line.submit(raws(1), inbox)
        (result,) = inbox.take()
        assert isinstance(result, UnavailableError)
        assert sequencer.head.size == 0


def test_a_sequencer_that_failed_refuses_everything_until_the_log_is_opened_again(
    log: LogDirectory,
) -> None:
    inbox = Inbox()
    with running(log) as (line, sequencer):
        line.submit(raws(1), inbox)
        assert indices(inbox.take()) == [0]
        with pytest.MonkeyPatch.context() as patch:

            def fails(*_: object) -> None:
                raise UnavailableError("disk I/O error")

            patch.setattr(store, "append", fails)
            line.submit([*raws(2, 3), b"{"], inbox)
            results = inbox.take()
        assert [type(result) for result in results] == [
            *[UnavailableError, UnavailableError, MalformedError]
        ]
        assert "batch of 2 was not logged: disk I/O error" in str(results[0])
        with pytest.raises(UnavailableError, match="log takes no more events: disk I/O error"):
            line.submit(raws(1), inbox)
        assert line.stopped is sequencer.stopped is not None
        assert line.waiting == 0
    with running(log) as (line, _):
        line.submit(raws(2, 1), inbox)
        assert indices(inbox.take()) == [1, 0]


def test_the_writer_publishes_at_its_beginning_and_its_end(log: LogDirectory) -> None:
    def sizes() -> list[int]:
        with closing(directory.open_reader(log)) as db:
            return store.read_checkpoint_sizes(db)

    with writing(log) as writer:
        assert sizes() == [0]
        writer.add(raws(1, 2))
        assert (writer.head.size, writer.waiting, writer.stopped) == (2, 0, None)
        assert writer.publish(NOW).size == 2
        writer.add(raws(3))
    assert sizes() == [0, 2, 3]
    with pytest.raises(KeyboardInterrupt), writing(log) as writer:
        writer.add(raws(4))
        raise KeyboardInterrupt
    assert sizes() == [0, 2, 3]  # what ends by an error is left to the next who opens it
    with writing(log) as writer:
        assert sizes() == [0, 2, 3, 4]
        assert writer.head.size == 4


def test_a_log_has_one_writer(log: LogDirectory) -> None:
    with writing(log) as writer:
        with pytest.raises(TranslogError, match="a log has one writer"), writing(log):
            pass
        assert isinstance(writer.add(raws(1))[0], Placed)


def test_a_log_that_cannot_be_signed_for_is_not_opened(log: LogDirectory) -> None:
    with writing(log) as writer:
        writer.add(raws(1))
    log.signed_head.unlink()
    threads = threading.active_count()
    for _ in range(2):  # and the lock is free again
        with pytest.raises(TranslogError, match="signed-head is missing"), writing(log):
            pass
    assert threading.active_count() == threads
