"""A log anchored on regtest by the commands, and files of it that the stock client verifies."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_server import Process
from tests.simulators import ots
from tests.simulators.asgi import new_log
from tests.simulators.events import created
from translog.cli.main import run
from translog.formats.canonical import canonical
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.testing import calendar, headers
from translog.testing.calendar import Calendar
from translog.testing.chain import SPACING, RegtestChain

Cli = Callable[..., Any]


class Town:
    """A chain, calendars and a node, at the time it is; and a log that is configured for them."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.chain = RegtestChain(int(time.time()) - 20 * SPACING)
        self.calendars: list[Calendar] = [
            stack.enter_context(calendar.running(self.chain)) for _ in range(2)
        ]
        self.node = stack.enter_context(headers.running(self.chain))
        self.log: LogDirectory = new_log(path)
        self.configure()

    def configure(self, **changes: str) -> None:
        settings = {
            "network": '"regtest"',
            "interval": '"1s"',
            "calendars": json.dumps([each.url for each in self.calendars]),
            "headers": json.dumps(f"esplora:{self.node.url}"),
            **changes,
        }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.log.path / "anchoring.toml").write_text(text)

    def add(self, count: int) -> None:
        with open_writer(self.log, lambda: int(time.time())) as writer:
            writer.add([canonical(created(number)) for number in range(count)])

    def mine(self, blocks: int) -> None:
        for number in range(blocks):
            at = self.chain.time + SPACING
            (self.calendars[number].stamp if number < 2 else self.chain.mine)(at)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with ExitStack() as stack:
        yield Town(tmp_path / "log", stack)


@pytest.fixture
def cli(
    town: Town, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """Run a command line beside the log, check its exit code, and return what it printed."""
    monkeypatch.chdir(town.log.path.parent)

    def call(*arguments: str, code: int = 0) -> Any:
        found = run(list(arguments))
        captured = capsysbinary.readouterr()
        assert found == code, captured
        if "--json" in arguments:
            return json.loads(captured.out)
        return (captured.out + captured.err).decode()

    return call


def test_the_whole_way_by_commands(town: Town, cli: Cli) -> None:
    town.add(3)
    assert "not with calendars yet" in cli("anchors", "log")
    happened = cli("anchor", "log", "--now", "--json")["happened"]
    assert "submitted" in {each["what"] for each in happened}
    assert "pending*" in cli("anchors", "log")
    event_id = created(1)["event_id"]
    assert "calendars have promised" in cli("ots", "log", event_id, "-o", "early.json.ots")
    town.mine(2)
    assert "confirmed" in cli("anchor", "log", "--now")
    assert "confirmed* 101 " in cli("anchors", "log")
    assert "single server" in cli("anchors", "log")
    town.mine(5)
    assert "final" in cli("anchor", "log", "--now")
    (row,) = cli("anchors", "log", "--json")["anchors"]
    assert (row["state"], row["block"]["height"]) == ("final", 101)
    assert "waits" not in cli("anchors", "log")  # what the log stated of it wants no other
    written = cli("ots", "log", event_id, "-o", "event.json.ots", "--json")
    assert written == {"content": "event.json", "timestamp": "event.json.ots", "blocks": [101]}
    cli("ots", "log", "checkpoint", "-o", "head.ots")
    shown = cli("verify", "event.json.ots", code=3)
    assert "its header is not known here" in shown
    assert "the timestamp is of this file" in shown


def test_the_stock_client_verifies_what_is_exported_of_a_served_log(
    town: Town, cli: Cli, tmp_path: Path
) -> None:
    town.add(3)
    cli("anchor", "log", "--now")
    town.mine(7)
    cli("anchor", "log", "--now")
    ids = [created(number)["event_id"] for number in range(3)]
    server = Process(town.log)
    try:
        for number, event_id in enumerate(ids):
            cli("ots", server.url, event_id, "-o", f"{number}.json.ots")
        cli("ots", server.url, "checkpoint", "-o", "head.ots")
        assert "final*" in cli("anchors", server.url)
        assert "not in the log" in cli(
            "ots", server.url, f"sha256:{'0' * 64}", "-o", "x.ots", code=1
        )
    finally:
        server.stop()
    node = town.node.url.replace("http://", "http://user:password@")
    files = [tmp_path / f"{number}.json.ots" for number in range(3)] + [tmp_path / "head.ots"]
    for done in ots.verify_many(files, node):
        assert done.code == 0, done.said
        assert "Success! Bitcoin block 101 attests existence" in done.said
    (tmp_path / "1.json").write_bytes(b"x")
    (changed,) = ots.verify_many(files[1:2], node)
    assert changed.code == 1


def test_files_are_not_written_over_and_not_without_their_ending(town: Town, cli: Cli) -> None:
    town.add(1)
    cli("anchor", "log", "--now")
    Path("event.json").write_text("mine")
    event_id = created(0)["event_id"]
    refused = cli("ots", "log", event_id, "-o", "event.json.ots", code=3)
    assert "event.json exists already, and is something else" in refused
    assert Path("event.json").read_text() == "mine"
    assert not Path("event.json.ots").exists()
    assert "does not end in .ots" in cli("ots", "log", event_id, "-o", "event.json", code=2)


def test_what_waits_is_said_and_is_no_success(town: Town, cli: Cli) -> None:
    town.add(1)
    for each in town.calendars:
        each.fault = "server error"
    shown = cli("anchor", "log", code=3)
    assert "waits       stamp: checkpoint of size 1: 0 of 2 calendars needed" in shown
    assert "checkpoint of size 1 is not with calendars yet" in cli("anchors", "log")
    for each in town.calendars:
        each.fault = None
    town.node.lie = "broken"
    assert "look: " in cli("anchor", "log", code=3)


def test_a_log_that_is_not_anchored_says_so(town: Town, cli: Cli) -> None:
    for content in (None, "calendars = []\n"):
        file = town.log.path / "anchoring.toml"
        file.write_text(content) if content is not None else file.unlink()
        assert "is missing, or names no calendar" in cli("anchor", "log", code=3)
        assert "this log is not anchored" in cli("anchors", "log")


def test_settings_that_are_misspelt_are_refused_by_every_command(town: Town, cli: Cli) -> None:
    town.configure(calendar='"x"')
    for command in ("anchor", "anchors", "serve"):
        assert "anchoring.toml: unknown members ['calendar']" in cli(command, "log", code=1)


def test_a_server_anchors_by_itself_says_what_waits_and_stops(town: Town) -> None:
    town.add(1)
    for each in town.calendars:
        each.fault = "server error"
    server = Process(town.log)
    assert server.popen.stderr is not None
    line = json.loads(server.popen.stderr.readline())
    assert "anchoring: stamp waits: checkpoint of size 1: 0 of 2" in line["message"]
    lines = server.stop(signal.SIGTERM)
    assert lines[-1]["message"].startswith("stopped taking requests")
