"""Kill a server with SIGKILL at random moments under load, and ask the auditor what is left.

    python -m tests.recovery.harness --kills 100 [--seed 1] [--clients 3] [--directory DIR]

Each round starts `translog serve` as anyone would, checks over HTTP that everything that was ever
acknowledged or seen is kept, loads it with clients that write down every answer, and kills it:
mostly under load, sometimes while it starts. The last round stops it with SIGTERM instead, and
everything is checked from the start. Exit code 0 only if no promise was broken.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, IncompleteRead
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from tests.recovery.promises import BrokenPromise, Promises
from tests.simulators.logs import new_log, raw
from translog.log.directory import LogDirectory
from translog.log.source import Source
from translog.net.client import Client

ROOT = Path(__file__).parents[2]
PUBLISH_SECONDS = 0.02
START_SECONDS = 60  # a deadline for what takes half a second
LOAD_SECONDS = 0.25  # the longest that a server lives under load
KILLED_WHILE_STARTING = 0.1  # of all rounds
MOST_EVENTS = 12  # a request
NDJSON = "application/x-ndjson"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run came to."""

    kills: int
    events: int
    heads: int
    size: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.seconds:.1f} s: {self.events} events acknowledged and"
            f" {self.heads} heads seen, all of them kept by a log of {self.size}"
        )


class Server:
    """`translog serve` in a process of its own."""

    def __init__(self, log: LogDirectory) -> None:
        listen = ["--listen", "127.0.0.1:0", "--publish-interval", f"{PUBLISH_SECONDS * 1000:g}ms"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "translog", "serve", str(log.path), *listen],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def url(self) -> str:
        """Wait until it serves, and return where."""
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        said: list[str] = []
        try:
            assert self.process.stderr is not None
            for line in self.process.stderr:
                said.append(line)
                with suppress(ValueError):
                    if url := json.loads(line).get("url"):
                        return str(url)
        finally:
            timer.cancel()
        raise BrokenPromise(f"the server did not start again: {''.join(said)[-2000:]}")

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        _, said = self.process.communicate(timeout=START_SECONDS)
        if "Traceback" in said or "traceback" in said:
            raise BrokenPromise(f"the server told of a bug: {said[-4000:]}")
        return self.process.returncode


class Load:
    """Clients that add events as fast as they are answered, until the server is gone."""

    def __init__(self, url: str, promises: Promises, numbers: Iterator[int], seed: int) -> None:
        self._address = urlsplit(url).netloc
        self._promises = promises
        self._numbers = numbers
        self._seed = seed
        self._lock = threading.Lock()
        self._broken: list[BaseException] = []

    @contextmanager
    def running(self, clients: int) -> Iterator[None]:
        runs = [(self._add, number) for number in range(clients)] + [(self._look, 0)]
        threads = [
            threading.Thread(target=self._until_gone, args=(run, number)) for run, number in runs
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join()
        if self._broken:
            raise self._broken[0]

    def _until_gone(self, run: "type[Load._add]", number: int) -> None:
        try:
            connection = HTTPConnection(self._address, timeout=START_SECONDS)
            with closing(connection), suppress(OSError, HTTPException):
                run(connection, number)  # type: ignore[call-arg, arg-type]
        except BaseException as error:  # noqa: BLE001  # told to whoever runs it
            self._broken.append(error)

    def _add(self, connection: HTTPConnection, number: int) -> None:
        random_ = random.Random(f"{self._seed} {number}")
        while True:
            with self._lock:
                wanted = [next(self._numbers) for _ in range(random_.randint(1, MOST_EVENTS))]
            # Now and then something that was sent before, and may or may not have been logged.
            wanted += [max(0, wanted[0] - random_.randint(1, 60))] * random_.randint(0, 1)
            body = b"".join(raw(each) + b"\n" for each in wanted)
            connection.request("POST", "/add", body, {"Content-Type": NDJSON})
            response = connection.getresponse()
            try:
                answer = response.read()
            except IncompleteRead as error:
                answer = error.partial.rpartition(b"\n")[0]  # whole lines are promises as well
            if response.status == 200:
                self._note(answer)
            elif response.status not in (429, 503):
                raise BrokenPromise(f"status {response.status}: {answer[:500]!r}")

    def _note(self, answer: bytes) -> None:
        with self._lock:
            for line in map(json.loads, answer.splitlines()):
                if "error" not in line:
                    digest = line["event_id"].removeprefix("sha256:")
                    self._promises.acknowledged(digest, line["index"], line["leaf_hash"])
                elif line["error"]["code"] not in ("busy", "unavailable"):
                    raise BrokenPromise(f"refused a good event: {line}")

    def _look(self, connection: HTTPConnection, _: int) -> None:
        while True:
            connection.request("GET", "/checkpoint")
            response = connection.getresponse()
            note = response.read()
            if response.status == 200:
                with self._lock:
                    self._promises.seen(note)


def run(folder: Path, kills: int, seed: int, clients: int) -> Report:
    """Kill a server `kills` times.

    Raises:
        BrokenPromise: the log has lost something, or contradicts itself, or did not come back.
        TranslogError: the auditor says so.
    """
    start = time.monotonic()
    random_ = random.Random(seed)
    log = new_log(folder / "log")
    promises = Promises(verifier=log.verifier)
    numbers = count()
    done = 0
    starting_seconds = 1.0
    while done < kills:
        server = Server(log)
        if random_.random() < KILLED_WHILE_STARTING:
            with suppress(subprocess.TimeoutExpired):
                server.process.wait(random_.uniform(0.2, 1.1) * starting_seconds)
        else:
            began = time.monotonic()
            url = server.url()
            starting_seconds = time.monotonic() - began
            with closing(Client(url)) as client:
                promises.check(client.get)
            with (
                Load(url, promises, numbers, random_.randrange(1 << 30)).running(clients),
                suppress(subprocess.TimeoutExpired),
            ):
                try:
                    server.process.wait(random_.uniform(0, LOAD_SECONDS))
                finally:
                    server.process.kill()
        server.end(signal.SIGKILL)
        done += 1
    size = check_all(log, promises)
    seconds = time.monotonic() - start
    return Report(
        kills=kills,
        events=len(promises.places),
        heads=len(promises.heads),
        size=size,
        seconds=seconds,
    )


def check_all(log: LogDirectory, promises: Promises) -> int:
    """Start the server once more, check everything from the start, and stop it as one should."""
    server = Server(log)
    with closing(Client(server.url())) as client:
        size = promises.check(client.get, whole=True)
    code = server.end(signal.SIGTERM)
    if code != 0:
        raise BrokenPromise(f"the server ended with {code} when it was told to stop")
    with Source(log, "https://log.example") as source:
        if promises.check(source.get) != size:
            raise BrokenPromise("the log grew while nobody added to it")
    return size


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--clients", type=int, default=3)
    options.add_argument("--directory", type=Path, help="where the log is made, and stays")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="translog-kills-") as temporary:
        folder = chosen.directory or Path(temporary)
        report = run(folder, chosen.kills, chosen.seed, chosen.clients)
    sys.stdout.write(f"{report}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
