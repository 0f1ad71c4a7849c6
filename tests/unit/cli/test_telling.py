"""What commands tell of keys, events that wait and sources is true, and changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulators.logs import NOW
from translog.cli import held
from translog.cli.main import run
from translog.log import directory
from translog.log.directory import LogDirectory

Told = Callable[..., str]


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return directory.create(tmp_path / "log", "example.com/log", NOW)


@pytest.fixture
def told(capsysbinary: pytest.CaptureFixture[bytes]) -> Told:
    def call(*arguments: str, code: int = 0) -> str:
        found = run(list(arguments))
        captured = capsysbinary.readouterr()
        assert found == code, captured
        return (captured.out + captured.err).decode()

    return call


def test_a_list_of_keys_is_in_lines_and_says_which_is_the_log_s_own(
    log: LogDirectory, told: Told
) -> None:
    told("keys", "allow", str(log.path), "pith.science")
    own, other = told("keys", "list", str(log.path)).rstrip("\n").split("\n\n")
    assert own.splitlines()[-1].strip() == "what the log itself states: this is its own key"
    assert other.startswith("Key ")
    assert "\\" not in own


@pytest.mark.parametrize("option", ["--type", "--hold"])
def test_what_only_logs_write_is_nobody_else_s_and_takes_nothing_away(
    log: LogDirectory, told: Told, option: str
) -> None:
    told("keys", "allow", str(log.path), "pith.science")
    before = told("keys", "list", str(log.path))
    said = told("keys", "allow", str(log.path), "pith.science", option, "key_revoked", code=2)
    assert "key_revoked: only the log's own key writes that" in said
    assert told("keys", "list", str(log.path)) == before


def test_listing_sources_makes_nothing(log: LogDirectory, told: Told) -> None:
    assert "nothing is mirrored" in told("mirror", "list", str(log.path))
    assert not (log.path / "mirrors.db").exists()


def test_what_waits_is_shown_in_words_of_json() -> None:
    texts = [held._text(value) for value in ("as it is", None, ["a"], True, 7)]
    assert texts == ["as it is", "null", '["a"]', "true", "7"]
