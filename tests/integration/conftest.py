"""A folder to work in, and the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import real_bundle, real_events
from translog.cli.main import run

Cli = Callable[..., Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the real bundle and its first event."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paper.bundle.json").write_bytes(real_bundle())
    (tmp_path / "event.json").write_text(json.dumps(real_events()[0], indent=2))
    return tmp_path


@pytest.fixture
def cli(here: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Run a command line, check its exit code, and return what it printed: values, with --json."""

    def call(*arguments: str, code: int = 0) -> Any:
        found = run(list(arguments))
        captured = capsysbinary.readouterr()
        assert found == code, captured.err.decode()
        # A failed check is a result or an error; nothing else is silent, and success is.
        assert code == 1 or (captured.err != b"") == (code > 1), captured.err.decode()
        if "--json" in arguments:
            return [json.loads(line) for line in captured.out.splitlines()]
        return (captured.out + captured.err).decode()

    return call
