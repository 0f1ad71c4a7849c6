"""Who gets which units: nobody more than fits, each answer to its units, nothing forgotten."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from translog.errors import MalformedError, UnavailableError
from translog.log import crew
from translog.log.checker import Checked, gone
from translog.log.crew import ASKED_EVENTS, IN_HAND_BYTES, Crew
from translog.log.units import Submission, Unit

READY: list[Checked] = []


class Scripted:
    """A process that answers when a test says so: through a real pipe, to be listened to."""

    made: list["Scripted"]

    def __init__(self, database: Path) -> None:
        self.made.append(self)
        self.asked: list[list[bytes]] = []
        self.full = False  # its pipe
        self.flushed = 0
        self.pending: list[list[Checked] | None] = []
        self.ended = False
        self.closed = False
        self.from_, self._said = os.pipe()
        self._asked, self.to = os.pipe()

    def ask(self, raws: Sequence[bytes]) -> bool:
        if self.ended:
            raise gone()
        self.asked.append(list(raws))
        return not self.full

    def end(self) -> None:
        self.ended = True

    def flush(self) -> bool:
        self.flushed += 1
        return not self.full

    def say(self, *answers: list[Checked] | None) -> None:
        """Answer; None says that it has ended."""
        self.pending += answers
        os.write(self._said, b"x")

    def answers(self) -> Iterator[list[Checked]]:
        os.read(self.from_, 1)
        said, self.pending = self.pending, []
        if said == [None]:
            raise gone()
        for answer in said:
            assert answer is not None
            yield answer

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        for end in (self.from_, self._said, self._asked, self.to):
            os.close(end)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Scripted]:
    monkeypatch.setattr(Scripted, "made", [], raising=False)
    monkeypatch.setattr(crew, "Elsewhere", Scripted)
    return Scripted.made


@pytest.fixture
def team(made: list[Scripted]) -> Iterator[Crew]:
    """Two processes that are ready."""
    with closing(Crew(Path("log.db"), 2)) as team:
        team.start()
        for one in made:
            one.say(READY)
        heard(team)
        yield team
    assert all(one.closed for one in made)


def heard(team: Crew) -> list[tuple[list[Unit], Sequence[Checked]]]:
    return [done for said in team.listen(waits=False) for done in team.settle(said)]


def unit(*raws: bytes) -> Unit:
    return Unit(Submission(lambda _: None, [], 0), 0, raws, sum(map(len, raws)))


def units(*sizes: int) -> deque[Unit]:
    """Return units of one event each, told apart by their first byte."""
    return deque(unit(b"%c" % number + bytes(size - 1)) for number, size in enumerate(sizes))


def names(asked: list[list[bytes]]) -> list[list[int]]:
    return [[raw[0] for raw in raws] for raws in asked]


def test_nobody_is_asked_before_it_is_ready(made: list[Scripted]) -> None:
    with closing(Crew(Path("log.db"), 2)) as team:
        assert not team.complete
        team.start()
        assert team.complete and not team.ready and len(made) == 2
        waiting = units(1)
        team.send(waiting)
        assert len(waiting) == 1
        made[1].say(READY)
        assert heard(team) == []
        assert team.ready
        team.send(waiting)
        assert (made[0].asked, names(made[1].asked), len(waiting)) == ([], [[0]], 0)


def test_units_go_to_who_has_fewest_in_hand_and_answers_back_to_them(
    team: Crew, made: list[Scripted]
) -> None:
    sent = [unit(b"a", b"b"), unit(b"c"), unit(b"d"), unit(b"e")]
    for one in sent:
        team.send(deque([one]))
    assert [one.asked for one in made] == [[[b"a", b"b"], [b"e"]], [[b"c"], [b"d"]]]
    error = MalformedError("bad")
    made[1].say([error])
    assert heard(team) == [([sent[1]], [error])]
    made[1].say([error])
    made[0].say([error, error], [error])
    assert sorted(heard(team), key=lambda done: sent.index(done[0][0])) == [
        ([sent[0]], [error, error]),
        ([sent[2]], [error]),
        ([sent[3]], [error]),
    ]


def test_waiting_units_are_shared_out(team: Crew, made: list[Scripted]) -> None:
    team.send(units(1, 1, 1, 1, 1))
    assert [names(one.asked) for one in made] == [[[0, 1, 2]], [[3, 4]]]


def test_one_question_has_a_bound(team: Crew, made: list[Scripted]) -> None:
    half = [b"x"] * (ASKED_EVENTS // 2)
    large = [b"y"] * (ASKED_EVENTS + 1)
    team.send(deque([unit(*half), unit(*half), unit(b"z"), unit(b"z"), unit(*large), unit(b"z")]))
    assert [[len(raws) for raws in one.asked] for one in made] == [
        [ASKED_EVENTS, 1],
        [2, ASKED_EVENTS + 1],  # a unit that has more by itself is not cut
    ]


def test_nobody_has_more_in_hand_than_it_may(team: Crew, made: list[Scripted]) -> None:
    half = IN_HAND_BYTES // 2
    waiting = units(half, half, half, half, 1)
    team.send(waiting)
    assert [names(one.asked) for one in made] == [[[0, 1]], [[2, 3]]]
    assert len(waiting) == 1  # not even the smallest
    made[1].say([MalformedError("bad")] * 2)
    heard(team)
    team.send(waiting)
    assert [names(one.asked) for one in made] == [[[0, 1]], [[2, 3], [4]]]


def test_what_is_larger_goes_to_who_has_nothing_to_do(team: Crew, made: list[Scripted]) -> None:
    large = IN_HAND_BYTES + 1
    waiting = units(large, large, large, 1)
    team.send(waiting)
    assert [names(one.asked) for one in made] == [[[0]], [[1]]]
    made[0].say([MalformedError("bad")])
    heard(team)
    team.send(waiting)
    assert [names(one.asked) for one in made] == [[[0], [2]], [[1]]]
    assert len(waiting) == 1


def test_who_has_a_full_pipe_is_told_the_rest_when_it_has_room(
    team: Crew, made: list[Scripted]
) -> None:
    made[0].full = True
    team.send(units(1))
    assert team.behind
    assert heard(team) == []  # this does not wait: there is room in the pipe
    team.send(deque())
    assert (made[0].flushed, team.behind) == (1, True)
    made[0].full = False
    team.send(deque())
    assert (made[0].flushed, team.behind) == (2, False)
    team.send(deque())
    assert made[0].flushed == 2
    made[0].say([MalformedError("bad")])
    assert len(heard(team)) == 1
    assert team._selector.select(0) == []  # for room in the pipe nobody listens any more


def test_what_an_ended_process_had_in_hand_is_refused(team: Crew, made: list[Scripted]) -> None:
    waiting = units(1, 1, 1, 1)
    team.send(deque([waiting[0]]))
    team.send(deque([waiting[1]]))
    team.send(deque([waiting[2]]))
    answer: list[Checked] = [MalformedError("bad")]
    made[0].say(answer)
    made[0].ended = True
    assert heard(team) == [([waiting[0]], answer)]  # its last words count
    made[0].say(None)
    [(lost, [error])] = heard(team)
    assert lost == [waiting[2]]
    assert isinstance(error, UnavailableError)
    assert str(error) == "checking process ended: send the event again"
    assert made[0].closed
    assert team.ready and not team.complete
    team.start()
    assert len(made) == 3


def test_a_full_pipe_that_has_ended_is_forgotten(team: Crew, made: list[Scripted]) -> None:
    made[0].full = True
    team.send(units(1))
    heard(team)
    made[0].say(None)
    assert len(heard(team)) == 1
    team.start()
    assert made[2].to == made[0].to  # the next process has the same descriptors
    made[2].say(READY)
    heard(team)
    made[2].full = True
    team.send(units(1, 1))
    assert team.behind
    assert heard(team) == []


def test_an_end_is_noticed_by_asking_too(team: Crew, made: list[Scripted]) -> None:
    made[0].ended = True
    waiting = units(1, 1)
    team.send(deque([waiting[0]]))
    team.send(deque([waiting[1]]))
    team.send(deque([waiting[0]]))
    assert (made[0].asked, names(made[1].asked)) == ([], [[1], [0]])
    made[0].say(None)
    [(lost, [error])] = heard(team)
    assert lost == [waiting[0]]
    assert isinstance(error, UnavailableError)


def test_who_could_not_be_asked_is_ended_and_answers_nothing_else(
    team: Crew, made: list[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(raws: Sequence[bytes]) -> bool:
        raise MemoryError

    monkeypatch.setattr(made[0], "ask", fails)
    waiting = units(1, 1)
    team.send(deque([waiting[0]]))
    assert made[0].ended
    team.send(deque([waiting[1]]))
    assert names(made[1].asked) == [[1]]
    made[0].say(None)
    [(lost, [error])] = heard(team)
    assert lost == [waiting[0]]
    assert isinstance(error, UnavailableError)


def test_who_is_found_to_have_ended_is_not_asked_again(team: Crew, made: list[Scripted]) -> None:
    team.send(deque([unit(b"x"), unit(b"y", b"y", b"y", b"y")]))
    made[0].ended = True
    team.send(units(1, 1, 1, 1))  # two for each; but the first has ended, with three in hand
    assert names(made[1].asked[1:]) == [[2, 3]]


def test_a_process_that_ends_before_it_is_ready_is_not_started_again(made: list[Scripted]) -> None:
    with closing(Crew(Path("log.db"), 2)) as team:
        team.start()
        made[0].say(None)
        assert heard(team) == []
        assert team.complete
        made[1].say(READY)
        assert heard(team) == []
        made[1].say(None)
        assert heard(team) == []
        assert made[1].closed
        assert not team.complete  # this one had started
        team.start()
        assert len(made) == 3


def test_a_bell_ends_the_wait_once(team: Crew) -> None:
    team.ring()
    team.ring()
    assert team.listen(waits=True) == []
    team.ring()
    assert team.listen(waits=True) == []
    assert team._selector.select(0) == []


def test_nothing_is_rung_or_ended_twice(made: list[Scripted]) -> None:
    team = Crew(Path("log.db"), 1)
    team.start()
    for _ in range(2):
        team.close()
        team.ring()
