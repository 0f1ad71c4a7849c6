"""Anchoring beside a server: what is shown of it, and that nothing waits for it."""

import asyncio
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.anchoring import START, Desk, World, at_work, world
from tests.simulators.asgi import BASE_URL, Response, ask
from tests.simulators.events import created, record
from translog.bitcoin.ots import TimestampFile
from translog.log import stamper
from translog.pith.record import pith_number
from translog.server import anchoring as thread_of
from translog.server.anchoring import Anchoring
from translog.server.app import App, build
from translog.server.settings import Clock, Settings
from translog.store import anchors

CLOCK = Clock(now=lambda: float(START), steady=lambda: 1_000.0)


class Beside:
    """A server's application beside an anchorer that the test turns."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.world = desk.world
        self.anchoring = Anchoring(self.world.log, self.world.settings)
        settings = Settings(base_url=BASE_URL)
        self.app: App = build(desk.writer, self.world.log, settings, CLOCK, self.anchoring)

    def turn(self) -> None:
        """Do what the thread does."""
        self.anchoring._turn(self.desk.anchorer, self.desk.db, self.world.now)
        self.desk.writer.publish(self.world.now)
        asyncio.run(self.app.publishing.turn())

    def get(self, target: str, **headers: str) -> Response:
        return asyncio.run(ask(self.app, "GET", target, **headers))


@pytest.fixture
def at(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "log") as made:
        yield made


@pytest.fixture
def beside(at: World) -> Iterator[Beside]:
    with at_work(at) as desk:
        desk.add(3)
        made = Beside(desk)
        made.turn()
        yield made
        made.app.close()


def finish(beside: Beside) -> None:
    for _ in range(8):
        beside.world.mine()
        beside.turn()


def path_of(number: int) -> str:
    return f"/event/{created(number)['content_sha256']}"


def test_files_of_events_and_checkpoints_are_about_what_is_served_beside_them(
    beside: Beside,
) -> None:
    finish(beside)
    size = beside.desk.rows[0].size
    for path in (path_of(0), path_of(2), f"/anchors/{size}"):
        content, stamp = beside.get(path), beside.get(f"{path}.ots")
        assert stamp.headers["content-type"] == "application/vnd.opentimestamps.v1"
        file = TimestampFile.parse(stamp.body)
        assert file.digest == sha256(content.body).digest()
        assert [block.height for block in file.timestamp.in_blocks()] == [101]


def test_what_is_not_anchored_is_missing(beside: Beside) -> None:
    for path in (
        "/anchors/2",
        "/anchors/2.ots",
        "/anchors/x.ots",
        "/anchors/.ots",
        f"/event/{'0' * 64}.ots",
    ):
        assert beside.get(path).status == 404, path
    assert beside.get("/event/0.ots").status == 400
    beside.desk.add()
    beside.turn()
    assert beside.get(path_of(3)).status == 200
    assert beside.get(f"{path_of(3)}.ots").status == 404


def test_anchors_are_listed_with_what_vouches_for_them(beside: Beside) -> None:
    listed = beside.get("/anchors.json").json
    assert (listed["origin"], listed["anchored"], listed["waiting"]) == (
        beside.world.log.origin,
        True,
        [],
    )
    assert [each["answered"] for each in listed["calendars"]] == [1, 1]
    (row,) = listed["anchors"]
    assert (row["state"], row["block"], row["tree_size"]) == ("pending", None, 3)
    assert row["calendars"] == sorted(each.url for each in beside.world.calendars)
    finish(beside)
    (row,) = beside.get("/anchors.json").json["anchors"]
    assert row["state"] == "final"
    assert row["block"]["height"] == 101
    assert row["block"]["grade"] == "own node"
    assert beside.get("/anchors.json?before=1").json["anchors"] == []
    for query in ("?before=", "?before=x", "?after=1", "?before=1&before=2"):
        assert beside.get(f"/anchors.json{query}").status == 400


def test_a_hundred_anchors_are_a_page(beside: Beside) -> None:
    row = beside.desk.rows[0]
    for _ in range(150):
        anchors.add_anchor(beside.desk.db, "regtest", row.size, row.note, START)
    first = beside.get("/anchors.json").json
    second = beside.get(f"/anchors.json?before={first['next']}").json
    assert (len(first["anchors"]), len(second["anchors"]), second["next"]) == (100, 51, None)
    ids = [each["anchor_id"] for each in [*first["anchors"], *second["anchors"]]]
    assert ids == list(range(151, 0, -1))


def test_a_bundle_changes_with_its_anchor(beside: Beside) -> None:
    suffix = pith_number(record(1))[10:]

    def bundle(**headers: str) -> Response:
        return beside.get(f"/pith/{suffix}/bundle.json", **headers)

    first = bundle()
    assert [each["status"] for each in first.json["timestamp_proofs"]] == ["pending"]
    assert bundle(if_none_match=first.headers["etag"]).status == 304
    beside.world.mine(2)
    size = beside.app.publishing.checkpoint.size
    beside.anchoring._turn(beside.desk.anchorer, beside.desk.db, beside.world.now)
    assert beside.app.publishing.checkpoint.size == size  # the same checkpoint, all the same:
    second = bundle(if_none_match=first.headers["etag"])
    assert second.status == 200
    assert [each["status"] for each in second.json["timestamp_proofs"]] == ["confirmed"]


def test_a_server_is_ready_whatever_becomes_of_its_anchors(beside: Beside) -> None:
    assert beside.get("/readyz").json["anchoring"] == "working"
    for calendar in beside.world.calendars:
        calendar.fault = "server error"
    beside.desk.add()
    beside.world.pass_time(3_600)
    beside.turn()
    ready = beside.get("/readyz")
    assert ready.status == 200
    assert ready.json["anchoring"] == "waiting"
    assert "stamp" in beside.get("/anchors.json").json["waiting"]


def test_metrics_tell_of_anchors_and_of_each_calendar(beside: Beside) -> None:
    def metrics() -> str:
        return beside.get("/metrics").body.decode()

    first, second = sorted(each.url for each in beside.world.calendars)
    assert 'translog_anchors{state="pending"} 1.0' in metrics()
    assert "translog_anchor_size 3.0" in metrics()
    assert "translog_final_anchor_size" not in metrics()
    for calendar in (first, second):
        counted = f'translog_calendar_requests_total{{calendar="{calendar}",result="answered"}} 1.0'
        assert counted in metrics()
    finish(beside)
    assert 'translog_anchors{state="final"} 1.0' in metrics()
    assert "translog_final_anchor_size 3.0" in metrics()
    assert "translog_final_anchor_made_seconds 1.78e+09" in metrics()
    for calendar in beside.world.calendars:
        calendar.fault = "server error"
    beside.desk.add()
    beside.world.pass_time(3_600)
    beside.turn()
    assert 'translog_anchoring_waiting{step="stamp"} 1.0' in metrics()
    assert f'translog_calendar_failed_in_a_row{{calendar="{first}"}} 1.0' in metrics()


def test_a_log_without_anchoring_says_so(at: World) -> None:
    with at_work(at) as desk:
        app = build(desk.writer, at.log, Settings(base_url=BASE_URL), CLOCK)
        listed = asyncio.run(ask(app, "GET", "/anchors.json")).json
        assert (listed["anchored"], listed["anchors"]) == (False, [])
        app.close()


# The thread


def test_the_thread_anchors_while_it_runs(at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    turned = threading.Event()
    real = Anchoring._turn

    def turn(self: Anchoring, *arguments: Any) -> None:
        real(self, *arguments)
        turned.set()

    monkeypatch.setattr(Anchoring, "_turn", turn)
    with at_work(at) as desk:
        desk.add()
        anchoring = Anchoring(at.log, at.settings)
        with anchoring.running(desk.writer, CLOCK, lambda: 0.5):
            assert turned.wait(10)
        assert desk.states == ["pending"]
        assert anchoring.status.states == {"pending": 1}
        assert anchoring.status.newest is not None


def test_a_stop_waits_for_no_calendar_and_nothing_is_written_after_it(
    at: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()
    real = stamper.submit

    def slow(*arguments: Any) -> Any:
        replies = real(*arguments)
        asked.set()
        assert answer.wait(10)
        return replies

    monkeypatch.setattr(stamper, "submit", slow)
    monkeypatch.setattr(thread_of, "STOP_SECONDS", 0.0)
    with at_work(at) as desk:
        desk.add()
        anchoring = Anchoring(at.log, at.settings)
        with anchoring.running(desk.writer, CLOCK, lambda: 0.5):
            assert asked.wait(10)
        (thread,) = [each for each in threading.enumerate() if each.name == "anchorer"]
        answer.set()
        thread.join(10)
        assert not thread.is_alive()
        assert desk.rows == []


def test_a_bug_ends_a_turn_and_not_the_thread(
    at: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[int] = []
    enough = threading.Event()

    def turn(self: Anchoring, *arguments: Any) -> None:
        turns.append(1)
        if len(turns) == 2:
            enough.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(Anchoring, "_turn", turn)
    monkeypatch.setattr(thread_of, "TURN_SECONDS", 0.0)
    anchoring = Anchoring(at.log, at.settings)
    with at_work(at) as desk, anchoring.running(desk.writer, CLOCK, lambda: 0.5):
        assert enough.wait(10)
    assert "a turn of anchoring failed" in caplog.text


def test_pages_show_anchors_in_words(beside: Beside) -> None:
    def page(path: str) -> str:
        return beside.get(path, accept="text/html").body.decode()

    assert "Sent to 2 calendars; no block holds it yet" in page("/anchors")
    finish(beside)
    sentence = "Existed before block 101 of the test chain regtest, 28 May 2026, 20:36:40 UTC"
    assert f"{sentence} (own node)" in page("/anchors")
    assert 'anchors/3.ots"' in page("/anchors")
    assert sentence in page("/checkpoints/3")
    assert sentence not in page("/checkpoints/4")
