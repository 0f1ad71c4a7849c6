"""A log and its witnesses, each a process of its own, some of which are killed."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_server import Process as Server
from tests.integration.test_witness import Process as WitnessServer
from tests.simulators.asgi import new_log
from tests.simulators.events import PITH_KEY
from tests.simulators.published import small_event
from translog.cli.main import run
from translog.errors import TranslogError
from translog.formats.cosignature import ED25519, Cosigner
from translog.formats.cosigned import TrustedCheckpoint, open_trusted
from translog.formats.policy import parse_policy
from translog.formats.proof import TlogProof
from translog.log.directory import LogDirectory
from translog.store.witness_directory import find

ROOT = Path(__file__).parents[2]
LIMIT = 1 << 20
SECONDS = 60
# The log's server, killed when it is about to ask witnesses for the so-manieth time.
DYING = """
import os, signal, sys
from pathlib import Path
from translog.log.cosigning import Cosigning
from translog.log.directory import find
from translog.server.run import serve

count, collect = int(sys.argv[2]), Cosigning.collect

def dying(*arguments):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    collect(*arguments)

Cosigning.collect = dying
serve(find(Path(sys.argv[1])), "127.0.0.1", 0, 0.1, None)
"""


class House:
    """A log and three witnesses, of which two are enough."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log: LogDirectory = new_log(path / "log")
        self.processes: list[Any] = []
        self.ports: dict[str, int] = {}
        self.witnesses = {name: self.start(name) for name in ("w1", "w2", "w3")}
        lines = []
        for name, process in self.witnesses.items():
            (signer,) = find(path / name).read_signers()
            url = f"http://127.0.0.1:{process.port}"
            lines.append(f"witness {name} {signer.cosigner.vkey} {url}\n")
        policy = f"{''.join(lines)}group most 2 w1 w2 w3\nquorum most\n"
        (self.log.path / "policy").write_text(policy)
        (self.log.path / "witnessing.toml").write_text('deadline = "1s"\n')
        self.believed = parse_policy(policy.encode()).trusting([self.log.verifier])

    def start(self, name: str) -> WitnessServer:
        place = self.path / name
        if not place.exists():
            assert run(["witness", "init", str(place), "--name", f"{name}.example"]) == 0
            assert run(["witness", "add-log", str(place), self.log.verifier.vkey]) == 0
        process = WitnessServer(place, port=self.ports.get(name, 0))
        self.ports[name] = process.port
        self.processes.append(process)
        return process

    def kill(self, name: str) -> None:
        self.witnesses[name].popen.kill()
        self.witnesses[name].popen.communicate()

    def serve(self) -> Server:
        server = Server(self.log)
        self.processes.append(server)
        return server

    def shown(self, server: Server) -> TrustedCheckpoint:
        with server.client() as client:
            return open_trusted(client.get("checkpoint", LIMIT), self.believed)

    def check_as_a_reader(self, event: Any, proof: str) -> None:
        """Believe the event by the same policy, and not by one that asks for another witness."""
        files = [self.path / "event.json", self.path / "event.json.tlog-proof"]
        for file, text in zip(files, (json.dumps(event), proof), strict=True):
            file.write_text(text)
        policy = (self.log.path / "policy").read_text()
        other = policy.replace("group most 2 w1 w2 w3", "group most all w1 w2 w3 w4")
        stranger = Cosigner(
            name="w4.example", key_type=ED25519, public_key=self.log.verifier.public_key
        )
        for text, code in ((policy, 0), (f"witness w4 {stranger.vkey}\n{other}", 1)):
            reader = self.path / "reader"
            reader.write_text(f"log {self.log.verifier.vkey}\n{text}")
            arguments = ["verify", *map(str, files), "--policy", str(reader)]
            assert run([*arguments, "--key", PITH_KEY.public_key.hex()]) == code

    def close(self) -> None:
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.kill()
            if not process.popen.stderr.closed:
                process.popen.communicate()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    try:
        yield made
    finally:
        made.close()


def add(server: Server, *numbers: int, query: str = "") -> list[dict[str, Any]]:
    body = b"".join(json.dumps(small_event(each).value).encode() + b"\n" for each in numbers)
    with server.client() as client:
        answer = client.post(f"add{query}", body, "application/x-ndjson", LIMIT)
    return [json.loads(line) for line in answer.splitlines()]


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while True:
        with suppress(TranslogError):
            if is_so():
                return
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_log_goes_on_while_a_quorum_lives_and_holds_what_lacks_one(house: House) -> None:
    server = house.serve()
    (placed,) = add(server, 1, query="?wait=published")
    proof = TlogProof.parse(placed["proof"].encode())
    assert open_trusted(proof.checkpoint, house.believed).size >= 1
    house.check_as_a_reader(small_event(1).value, placed["proof"])
    house.kill("w3")
    add(server, 2, query="?wait=published")
    assert house.shown(server).size == 2
    house.kill("w2")
    add(server, 3)
    time.sleep(0.5)  # several turns of the publisher
    assert house.shown(server).size == 2
    house.witnesses["w2"] = house.start("w2")
    until(lambda: house.shown(server).size == 3)
    server.stop()
    assert run(["fsck", str(house.log.path)]) == 0
    for name in house.witnesses:
        with closing(find(house.path / name).open_reader()) as records:
            assert records.read_inconsistencies() == []


def test_a_log_killed_before_it_asks_goes_on_with_the_head_it_signed(house: House) -> None:
    first = house.serve()
    add(first, 1, query="?wait=published")
    first.stop()
    for count in (1, 2, 3):
        dying = subprocess.Popen(
            [sys.executable, "-c", DYING, str(house.log.path), str(count)],
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        dying.communicate(timeout=SECONDS)
        assert dying.returncode == -signal.SIGKILL
        server = house.serve()
        add(server, 10 * count, query="?wait=published")
        server.stop()
    assert run(["fsck", str(house.log.path)]) == 0


def test_a_log_that_was_put_back_from_a_snapshot_is_not_served(
    house: House, tmp_path: Path
) -> None:
    server = house.serve()
    add(server, 1, query="?wait=published")
    server.stop()
    shutil.copytree(house.log.path, tmp_path / "saved")
    server = house.serve()
    add(server, 2, 3, query="?wait=published")
    server.stop()
    shutil.rmtree(house.log.path)
    shutil.copytree(tmp_path / "saved", house.log.path)
    done = subprocess.run(
        [sys.executable, "-m", "translog", "serve", str(house.log.path), "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "a head of size 3 was signed (the witness http://127.0.0.1:" in done.stderr
    assert "this is an old copy of the log" in done.stderr


def test_the_command_line_asks_witnesses_too(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    events = house.path / "events"
    events.write_text(json.dumps(small_event(1).value))
    assert run(["add", str(house.log.path), str(events)]) == 0
    capsys.readouterr()
    assert run(["publish", str(house.log.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["size"], found["held"]) == (1, None)
    assert open_trusted(found["checkpoint"].encode(), house.believed).size == 1
    for name in ("w1", "w2"):
        house.kill(name)
    events.write_text(json.dumps(small_event(2).value))
    assert run(["add", str(house.log.path), str(events)]) == 0
    capsys.readouterr()
    assert run(["publish", str(house.log.path)]) == 0
    text = capsys.readouterr()
    assert "Held  no quorum of witnesses was heard since the start" in text.out
    assert "witness http://127.0.0.1:" in text.err
    out = house.path / "out"
    assert run(["export", str(house.log.path), str(out)]) == 0
    assert open_trusted((out / "checkpoint").read_bytes(), house.believed).size == 1
