"""`translog anchors`: what a server lists of its anchors, read before it is shown."""

from typing import Any

import pytest

from translog.cli.exits import FAILED, OK
from translog.cli.main import run
from translog.formats.canonical import canonical
from translog.testing.loopback import Answer, serving

ROW: dict[str, Any] = {
    "tree_size": 1234,
    "network": "mainnet",
    "state": "final",
    "made_at": "2026-01-01T00:00:00Z",
    "calendars": ["https://a.example"],
    "block": {"height": 900_000, "grade": "own node"},
}
PAGE: dict[str, Any] = {
    "origin": "example.com/log",
    "anchored": True,
    "waiting": [],
    "anchors": [ROW],
}


def asked(page: dict[str, Any], *options: str) -> int:
    with serving(lambda _: Answer(body=canonical(page))) as server:
        return run(["anchors", server.url, *options])


def test_a_page_is_shown_a_line_an_anchor(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(PAGE) == OK
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split() == [
        "1,234", "final", "900000", line.split()[3], "own", "node", "a.example",
    ]  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize(
    "page",
    [
        {**PAGE, "anchored": None},
        {**PAGE, "waiting": [1]},
        {**PAGE, "anchors": [None]},
        *(
            {**PAGE, "anchors": [{**ROW, **wrong}]}
            for wrong in (
                {"tree_size": "1"},
                {"tree_size": True},
                {"state": None},
                {"calendars": [1]},
                {"block": []},
                {"block": {"height": 1}},
                {"block": {"height": [1], "grade": "own node"}},
                {"block": {"height": 1, "grade": None}},
                {"block": {"height": 1, "grade": ["own node"]}},
            )
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(
    capsys: pytest.CaptureFixture[str], page: dict[str, Any], options: tuple[str, ...]
) -> None:
    assert asked(page, *options) == FAILED
    said = capsys.readouterr().err
    assert said.startswith(("translog: server ", "translog: anchor is "))


@pytest.mark.parametrize("time", ["yesterday", "0001-01-01T00:00:00+23:00", ""])
def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], time: str) -> None:
    assert asked({**PAGE, "anchors": [{**ROW, "made_at": time}]}) == FAILED
    assert f"made_at is '{time[:20]}" in capsys.readouterr().err
