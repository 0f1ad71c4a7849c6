"""`translog demo --devnet`: the whole way of an anchor, in seconds, and no word that it proves."""

import json

import pytest

from translog.cli.main import run

ORDER = [
    "submitted",
    "attested",
    "confirmed",
    "final",
    "announced",
    "ots",
    "lost",
    "submitted",
    "attested",
    "confirmed",
    "final",
    "announced",
]


def test_every_line_says_that_nothing_is_proved(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--devnet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 30
    assert all(line.startswith("regtest: proves nothing  ") for line in lines)
    assert "proved" not in "".join(lines)


def test_the_whole_way_is_shown_in_its_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--devnet", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    words = [each["word"] for each in told if each["word"] in ORDER]
    assert [word for n, word in enumerate(words) if words[n - 1 : n] != [word]] == ORDER
    (stock,) = [each["sentence"] for each in told if each["word"] == "ots"]
    assert stock.startswith("Success! Bitcoin block 101 attests existence")
    shown = [each["sentence"] for each in told if each["word"] == "not-shown"]
    assert "regtest proves nothing; there, before" in shown[0]
    assert "was logged after" in shown[1]


def test_a_demonstration_says_on_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo"]) == 2
    assert "--devnet" in capsys.readouterr().err
