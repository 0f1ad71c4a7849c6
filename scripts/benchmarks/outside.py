"""Measurements of the server, by a load generator on the same cores."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.benchmarks import load, memory
from translog.formats.tiles import FULL, Tile
from translog.log.directory import LogDirectory

NDJSON_EVENTS = 64
LOAD_SECONDS = 120  # after which a load has hung


class Server:
    """A served log: where it listens, and what it takes."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def memory_mb(self) -> float:
        """Return the most memory it has had so far, with the processes that check for it."""
        return sum(memory.peaks_mb(self.process.pid))

    def load(self, folder: Path, connections: int, requests: Sequence[bytes]) -> dict[str, Any]:
        """Send requests and return what `load` prints. Anything but 200 is an error."""
        path = folder / "requests"
        load.write_requests(path, list(requests))
        arguments = [sys.executable, load.__file__, str(self.port), str(connections), str(path)]
        run = subprocess.run(arguments, capture_output=True, text=True, timeout=LOAD_SECONDS)
        if run.returncode:
            raise RuntimeError(f"load failed: {run.stderr[-500:]}")
        result: dict[str, Any] = json.loads(run.stdout)
        if set(result["statuses"]) != {"200"}:
            raise RuntimeError(f"server answered {result['statuses']}")
        return result


@contextmanager
def served(log: LogDirectory) -> Iterator[Server]:
    """Serve a log with the command that an operator would use."""
    command = [sys.executable, "-m", "translog", "serve", str(log.path)]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found:
                yield Server(process, int(found[1]))
                break
        else:
            raise RuntimeError("server did not start")
    finally:
        process.terminate()
        process.wait()


def single_posts(server: Server, folder: Path, events: Sequence[bytes]) -> dict[str, Any]:
    """One event a POST from 64 clients."""
    requests = [load.post("/add", "application/json", event) for event in events]
    return _per_second(server.load(folder, 64, requests), len(events))


def batch_posts(server: Server, folder: Path, events: Sequence[bytes]) -> dict[str, Any]:
    """NDJSON of 64 events a POST, from 8 clients."""
    requests = [
        load.post("/add", "application/x-ndjson", b"\n".join(events[at : at + NDJSON_EVENTS]))
        for at in range(0, len(events), NDJSON_EVENTS)
    ]
    return _per_second(server.load(folder, 8, requests), len(events))


def lone_posts(server: Server, folder: Path, events: Sequence[bytes]) -> dict[str, Any]:
    """One client, one event after the other, each acknowledged."""
    requests = [load.post("/add", "application/json", event) for event in events]
    return server.load(folder, 1, requests)


def published_posts(server: Server, folder: Path, events: Sequence[bytes]) -> dict[str, Any]:
    """Sixteen clients, each waiting for the head that covers its event."""
    path = "/add?wait=published"
    requests = [load.post(path, "application/json", event) for event in events]
    return server.load(folder, 16, requests)


def tile_gets(server: Server, folder: Path, size: int, count: int) -> dict[str, Any]:
    """Full tiles of level 0, a thousand of them in no order."""
    random_ = random.Random(1)
    tiles = min(1_000, size // FULL)
    requests = [load.get("/" + Tile(0, random_.randrange(tiles), FULL).path) for _ in range(count)]
    return _per_second(server.load(folder, 16, requests), count)


def proof_gets(server: Server, folder: Path, size: int) -> dict[str, Any]:
    """Inclusion proofs of leaves in no order, one after the other."""
    random_ = random.Random(2)
    requests = [load.get(f"/proof/inclusion?index={random_.randrange(size)}") for _ in range(400)]
    return server.load(folder, 1, requests)


def _per_second(result: dict[str, Any], count: int) -> dict[str, Any]:
    return {**result, "per_second": count / result["seconds"]}
