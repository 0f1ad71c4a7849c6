"""Somebody else's verifier, aics-tlog of PyPI, reads a log of ours over HTTP.

It needs Python 3.12 or later. Where this one is older, AICS_TLOG may name its command.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_server import Process
from tests.simulators.asgi import new_log
from tests.simulators.published import entry_of, small_event
from translog.formats.canonical import canonical
from translog.log.directory import LogDirectory

COUNT = 700  # two full tiles and a part of one at level 0, and a part of one at level 1
OLD = 300


def command() -> list[str]:
    if named := os.environ.get("AICS_TLOG"):
        return shlex.split(named)
    if importlib.util.find_spec("aics_tlog"):
        return [sys.executable, "-m", "aics_tlog"]
    return []


pytestmark = pytest.mark.skipif(
    not command(), reason="no aics-tlog (PyPI, Python 3.12 or later), and AICS_TLOG names none"
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> LogDirectory:
    return new_log(tmp_path_factory.mktemp("foreign") / "log")


@pytest.fixture(scope="module")
def server(log: LogDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A served log of COUNT entries, whose head at OLD entries was kept in `old`."""
    process = Process(log)
    try:
        with process.client() as client:
            for start, stop in ((0, OLD), (OLD, COUNT)):
                lines = [canonical(small_event(n).value) for n in range(start, stop)]
                query = "add?wait=published"
                client.post(query, b"\n".join(lines), "application/x-ndjson", 64 << 20)
                (log.path / f"head-{stop}").write_bytes(client.get("checkpoint", 10_000))
        yield process
    finally:
        process.popen.kill()
        process.popen.communicate()


def run(log: LogDirectory, server: Process, *arguments: str) -> subprocess.CompletedProcess[str]:
    key = ["--log-key", log.verifier.vkey, "--origin", log.origin]
    return subprocess.run(
        [*command(), *arguments, *key, "--tiles", server.url],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_verifies_the_head(log: LogDirectory, server: Process) -> None:
    done = run(log, server, "verify-checkpoint")
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize("index", [0, 255, 256, 511, 512, COUNT - 1])
def test_it_finds_an_entry_where_it_is_and_nowhere_else(
    log: LogDirectory, server: Process, tmp_path: Path, index: int
) -> None:
    leaf = tmp_path / "leaf"
    leaf.write_bytes(entry_of(small_event(index)).encode())
    arguments = ("verify-inclusion", "--leaf", str(leaf), "--index")
    done = run(log, server, *arguments, str(index))
    assert done.returncode == 0, done.stderr + done.stdout
    assert run(log, server, *arguments, str((index + 1) % COUNT)).returncode != 0


def test_it_sees_that_the_log_only_grew(log: LogDirectory, server: Process) -> None:
    done = run(log, server, "verify-consistency", "--old-checkpoint", str(log.path / f"head-{OLD}"))
    assert done.returncode == 0, done.stderr + done.stdout
