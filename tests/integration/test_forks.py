"""A log that forks is caught by a monitor that asks a witness, by two that exchange what they see,
and by an auditor with an old checkpoint; and each time the evidence convinces a stranger."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from translog.formats.witnessing import Submission
from translog.net.client import Client
from translog.testing.events import attestation, creation
from translog.testing.log import LyingLog, lying_log

EVENTS = [creation(1), *(attestation(number, paper=1) for number in range(20))]


def translog(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "translog", *arguments], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@contextmanager
def witness(folder: Path, vkey: str) -> Iterator[str]:
    """Serve a real witness that cosigns this log's heads."""
    translog(folder, "witness", "init", "w", "--name", "witness.example/w1")
    translog(folder, "witness", "add-log", "w", vkey)
    command = ["-m", "translog", "witness", "serve", "w", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        found = next(
            match for line in process.stderr if (match := re.search(r"127\.0\.0\.1:(\d+)", line))
        )
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.kill()
        process.communicate()


def config(folder: Path, log: LyingLog, client: str, more: str = "") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "monitor.toml").write_text(
        f"""
database = "monitor.db"
evidence = "evidence"
seen = "seen"
[[log]]
keys = ["{log.verifier.vkey}"]
url = "{log.url(client)}"
{more}
"""
    )
    return str(folder / "monitor.toml")


def alerts(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in translog(folder, *arguments).splitlines()]


def convince(folder: Path, file: Path, vkey: str) -> None:
    """Be the stranger: the file is a proof with the log's key alone, and edited it is none."""
    said = translog(folder, "evidence", "verify", str(file), "--key", vkey, "--json")
    assert json.loads(said)["grade"] == "proof"
    value = file.read_bytes()
    for at in range(40, len(value) - 5, 61):
        edited = bytearray(value)
        edited[at] ^= 1
        (folder / "edited.json").write_bytes(edited)
        # One process for each edit would take minutes: they are all of one kind.
        if at < 200:
            translog(folder, "evidence", "verify", "edited.json", "--key", vkey, code=1)


@pytest.fixture
def log() -> Iterator[LyingLog]:
    with lying_log(EVENTS) as made:
        yield made


def test_a_monitor_that_asks_a_witness_has_proof(log: LyingLog, tmp_path: Path) -> None:
    with witness(tmp_path, log.verifier.vkey) as url:
        head = log.truth.checkpoint(log.truth.size)
        with Client(url) as client:
            body = Submission(old_size=0, proof=(), checkpoint=head).encode()
            client.post("add-checkpoint", body, "text/plain", 10_000)
        file = config(tmp_path / "honest", log, "one", f'witnesses = ["{url}"]')
        assert alerts(tmp_path, "monitor", "--once", file) == []
        log.fork("two", at=7)
        file = config(tmp_path / "victim", log, "two", f'witnesses = ["{url}"]')
        (alert,) = alerts(tmp_path, "monitor", "--once", file)
    assert (alert["kind"], alert["severity"]) == ("fork", "alarm")
    (evidence,) = (tmp_path / "victim" / "evidence").iterdir()
    convince(tmp_path, evidence, log.verifier.vkey)


def test_two_monitors_that_exchange_what_they_see_have_proof(log: LyingLog, tmp_path: Path) -> None:
    log.fork("two", at=7)
    for name, other in (("one", "two"), ("two", "one")):
        config(tmp_path / name, log, name, f'exchange = ["../{other}/seen"]')
    for name in ("one", "two"):  # neither has seen anything of the other's yet, or then has
        alerts(tmp_path, "monitor", "--once", f"{name}/monitor.toml")
    (alert,) = alerts(tmp_path, "monitor", "--once", "one/monitor.toml")
    assert alert["kind"] == "fork"
    for name in ("one", "two"):
        (evidence,) = (tmp_path / name / "evidence").iterdir()
        convince(tmp_path, evidence, log.verifier.vkey)


def test_an_auditor_with_an_old_checkpoint_has_proof(log: LyingLog, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(log.truth.checkpoint(12))
    log.append([attestation(100, paper=1)])
    log.fork("two", at=7)
    honest = (log.url("one"), "--key", log.verifier.vkey, "--since", "old")
    translog(tmp_path, "audit", *honest)
    lied = (log.url("two"), *honest[1:], "--evidence", "fork.json")
    translog(tmp_path, "audit", *lied, code=1)
    convince(tmp_path, tmp_path / "fork.json", log.verifier.vkey)
