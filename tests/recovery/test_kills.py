"""A server killed again and again keeps its word; and a log that does not is found out."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recovery import harness
from tests.recovery.promises import BrokenPromise, Promises
from tests.simulators.logs import NOW, new_log, raws, writing
from translog.errors import TranslogError
from translog.log.directory import LogDirectory
from translog.log.sequencer import Placed
from translog.log.source import Source

KILLS = int(os.environ.get("TRANSLOG_KILLS", "100"))
PARTS = 4  # for as many workers


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_moment_a_log_keeps_every_promise(tmp_path: Path, part: int) -> None:
    pytest.importorskip("uvicorn", reason="the server is an extra: pip install 'translog[server]'")
    kills = KILLS // PARTS + (part < KILLS % PARTS)
    report = harness.run(tmp_path, kills, seed=part, clients=3)
    assert report.kills == kills
    assert report.size >= report.events
    if kills >= 10:
        assert report.events > kills  # there was something to lose
        assert report.heads > 1


def promised(log: LogDirectory, *batches: range) -> Promises:
    """Add and publish, and return what was promised; each batch under a head of its own."""
    promises = Promises(verifier=log.verifier)
    with writing(log) as writer:
        for batch in batches:
            for result in writer.add(raws(*batch)):
                assert isinstance(result, Placed)
                digest, leaf = result.content_sha256.hex(), result.leaf_hash.hex()
                promises.acknowledged(digest, result.index, leaf)
            promises.seen(writer.publish(NOW).note)
    return promises


def check(log: LogDirectory, promises: Promises) -> int:
    with Source(log, "https://log.example") as source:
        return promises.check(source.get)


def test_a_log_that_keeps_its_word_is_believed(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    promises = promised(log, range(3), range(3, 300))
    assert check(log, promises) == check(log, promises) == 300


def lose_the_end(promises: Promises, log: LogDirectory, old: LogDirectory) -> LogDirectory:
    return old


def lose_an_answer(promises: Promises, log: LogDirectory, old: LogDirectory) -> LogDirectory:
    promises.acknowledged("00" * 32, 1, "00" * 32)
    return log


def lose_a_later_answer(promises: Promises, log: LogDirectory, old: LogDirectory) -> LogDirectory:
    promises.acknowledged("00" * 32, 300, "00" * 32)
    return log


def fork(promises: Promises, log: LogDirectory, old: LogDirectory) -> LogDirectory:
    with writing(old) as writer:
        writer.add(raws(*range(1000, 1500)))
    return old


LIES: list[Callable[[Promises, LogDirectory, LogDirectory], LogDirectory]] = [
    lose_the_end,
    lose_an_answer,
    lose_a_later_answer,
    fork,
]


@pytest.mark.parametrize("audited", [False, True])
@pytest.mark.parametrize("lie", LIES)
def test_a_log_that_does_not_is_found_out(
    tmp_path: Path, lie: Callable[..., LogDirectory], audited: bool
) -> None:
    log = new_log(tmp_path / "log")
    first = promised(log, range(3))
    shutil.copytree(log.path, tmp_path / "old")
    old = LogDirectory(path=tmp_path / "old", verifier=log.verifier)
    promises = promised(log, range(3, 260))
    promises.places |= first.places
    promises.heads |= first.heads
    if audited:
        check(log, promises)
    lying = lie(promises, log, old)
    with pytest.raises((BrokenPromise, TranslogError)):
        check(lying, promises)


def test_two_answers_about_one_event_are_a_broken_promise(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    promises = promised(log, range(3))
    (digest, (index, leaf)) = next(iter(promises.places.items()))
    promises.acknowledged(digest, index, leaf)
    for wrong in ((index + 1, leaf), (index, "00" * 32)):
        with pytest.raises(BrokenPromise, match=f"{digest} is at"):
            promises.acknowledged(digest, *wrong)
