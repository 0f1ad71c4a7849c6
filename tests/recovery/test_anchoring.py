"""An anchorer killed at any moment ends as one that was not: nothing is lost or doubled."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.simulators.logs import new_log
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.log.bundler import event_of
from translog.log.directory import LogDirectory
from translog.log.fsck import fsck
from translog.store import anchors, database, log
from translog.testing import calendar, headers
from translog.testing.chain import SPACING, RegtestChain

ROOT = Path(__file__).parents[2]
START = 1_780_000_000
RECORDS = 3
PARTS = 4  # for as many workers
KILLS = int(os.environ.get("TRANSLOG_KILLS", "100"))  # half as many moments; 400 are all


class Driver:
    """Processes that take turns, and die when told to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.anchoring_driver"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def turn(self, case: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        seen: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert seen["bug"] is None, seen["bug"]
        return seen

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    with closing(Driver()) as made:
        yield made


class End(NamedTuple):
    """What a history comes to.

    Attributes:
        states: of the anchors, in order.
        stated: how many events of each type the log has stated.
        told: for each record, how many statements about it hold, and are superseded.
        points: at how many moments the process could have died.
    """

    states: list[str]
    stated: Counter[str]
    told: list[tuple[int, int]]
    points: int


class History:
    """A log from its first anchor over a reorganisation to the last, turn by turn."""

    def __init__(self, driver: Driver, path: Path, kill_at: int | None, stack: ExitStack) -> None:
        self._driver = driver
        self._chain = RegtestChain(START)
        self._calendar = stack.enter_context(calendar.running(self._chain))
        self._node = stack.enter_context(headers.running(self._chain))
        self._log: LogDirectory = new_log(path)
        self._now = START
        self._left = kill_at
        self.kills = 0
        self._points = 0

    def run(self) -> End:
        self._turns(2)  # stamped, and a beacon
        self._mine(2)
        self._turns(1)  # confirmed
        self._mine(5)
        self._turns(2)  # final, and told
        self._chain.reorganise(7)
        self._turns(2)  # lost, and stamped again
        self._mine(1)
        self._turns(1)
        self._mine(6)
        self._turns(3)  # final, and told again
        return self._end()

    def _mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self._now += SPACING
            self._calendar.stamp(max(self._now, self._chain.time + 1))

    def _turns(self, count: int) -> None:
        for _ in range(count):
            self._now += 1
            if self._turn(self._left)["killed"]:
                self.kills += 1
                self._left = None
                assert not self._turn(None)["killed"]

    def _turn(self, kill_at: int | None) -> dict[str, Any]:
        seen = self._driver.turn(
            {
                "path": str(self._log.path),
                "now": self._now,
                "node": self._node.url,
                "calendars": [self._calendar.url],
                "add": RECORDS,
                "at_once": True,
                "kill_at": kill_at,
            }
        )
        points = seen.get("points", 0)
        self._points += points
        if self._left is not None:
            self._left -= points
        return seen

    def _end(self) -> End:
        fsck(self._log.path, lambda done, total: None)
        with closing(database.open_reader(self._log.database)) as db:
            own = key_sha256(self._log.verifier.public_key)
            leaves = log.read_leaves(db, 0, log.read_head(db).size)
            values = [
                event_of(leaf) for leaf in leaves if Entry.parse(leaf.entry).key_sha256 == own
            ]
            states = [row.state for row in reversed(anchors.read_anchors(db, None, 100))]
            beacons = anchors.read_beacons_above(db, 0)
        heights = [
            each["payload"]["height"] for each in values if each["event_type"] == "time_beacon"
        ]
        assert sorted(heights) == sorted(
            row.height for row in beacons if row.leaf_index is not None
        )
        assert len(set(heights)) == len(heights)
        return End(
            states, Counter(each["event_type"] for each in values), _told(values), self._points
        )


def _told(values: list[dict[str, Any]]) -> list[tuple[int, int]]:
    told = [each for each in values if each["event_type"] == "timestamp_anchor"]
    superseded = {event_id for each in told for event_id in each["supersedes"]}
    about = {each["payload"]["event_id"] for each in told}
    return [
        (
            sum(
                each["payload"]["event_id"] == one and each["event_id"] not in superseded
                for each in told
            ),
            sum(
                each["payload"]["event_id"] == one and each["event_id"] in superseded
                for each in told
            ),
        )
        for one in about
    ]


def history(driver: Driver, path: Path, kill_at: int | None) -> tuple[End, int]:
    with ExitStack() as stack:
        made = History(driver, path, kill_at, stack)
        return made.run(), made.kills


@pytest.fixture(scope="module")
def whole(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> End:
    """What a history comes to in which nobody dies."""
    end, kills = history(driver, tmp_path_factory.mktemp("whole") / "log", None)
    assert kills == 0
    return end


def test_a_history_in_which_nobody_dies_ends_well(whole: End) -> None:
    assert whole.states == ["final", "final"]
    assert whole.told == [(1, 1)] * RECORDS  # the first statement is superseded by the second
    assert whole.stated["timestamp_anchor"] == 2 * RECORDS
    assert whole.points > 50


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_moment_it_ends_the_same(
    driver: Driver, whole: End, tmp_path: Path, part: int
) -> None:
    moments = min(whole.points, KILLS // 2)
    chosen = [1 + number * whole.points // moments for number in range(moments)]
    for kill_at in chosen[part::PARTS]:
        end, kills = history(driver, tmp_path / str(kill_at), kill_at)
        assert kills == 1, kill_at
        assert end.states == whole.states, kill_at
        assert end.told == whole.told, kill_at
        assert end.stated == whole.stated, kill_at
