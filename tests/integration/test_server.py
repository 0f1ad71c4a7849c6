"""The real server in a process of its own, on a port of its own, asked as an outsider would."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.asgi import NOW, new_log
from tests.simulators.events import real_events
from tests.simulators.published import entry_of, small_event
from translog.errors import ConflictError, MissingError, TooLargeError, UnavailableError
from translog.formats.checkpoint import open_checkpoint
from translog.formats.keys import key_sha256
from translog.formats.merkle import leaf_hash
from translog.formats.proof import TlogProof, verify_proof
from translog.formats.tiles import authenticated
from translog.formats.tree import verify_consistency
from translog.log import directory, reader
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.net.client import Client
from translog.pith import event
from translog.pith.key import PINNED
from translog.server.run import serve
from translog.store import log as rows
from translog.verify.events import fetch_keys
from translog.verify.where import fetch_tiles

ROOT = Path(__file__).parents[2]
LIMIT = 1 << 20
CODE = """
import sys
from pathlib import Path
from translog.errors import TranslogError
from translog.log.directory import find
from translog.server.run import serve
try:
    serve(find(Path(sys.argv[1])), "127.0.0.1", 0, float(sys.argv[2]), None)
except TranslogError as error:
    sys.exit(f"{error.code}: {error}")
"""


class Process:
    """A server, from its line that says where it is to its end."""

    def __init__(self, log: LogDirectory, interval: float = 0.1) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", CODE, str(log.path), str(interval)],
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.popen.stderr is not None
        line = self.popen.stderr.readline()
        self.ready: dict[str, Any] = json.loads(line)
        self.url: str = self.ready["url"]
        self.host, _, port = self.url.removeprefix("http://").partition(":")
        self.port = int(port)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> list[dict[str, Any]]:
        """Stop it as an operator would, and return what it wrote after its first line."""
        self.popen.send_signal(number)
        _, written = self.popen.communicate(timeout=60)
        assert self.popen.returncode == 0, written
        return [json.loads(line) for line in written.splitlines()]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def client(self) -> Client:
        return Client(self.url)


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return new_log(tmp_path / "log")


@pytest.fixture
def server(log: LogDirectory) -> Iterator[Process]:
    process = Process(log)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()


def add(client: Client, events: Sequence[Any], query: str = "") -> list[dict[str, Any]]:
    body = b"".join(json.dumps(each).encode() + b"\n" for each in events)
    answer = client.post(f"add{query}", body, "application/x-ndjson", LIMIT)
    return [json.loads(line) for line in answer.splitlines()]


def test_the_real_bundle_is_added_proved_and_served_again(
    log: LogDirectory, server: Process
) -> None:
    key = PINNED["pith.science"].public_key
    with server.client() as client:
        placed = add(client, real_events(), "?wait=published")
        assert [each["event_id"] for each in placed] == [e["event_id"] for e in real_events()]
        again = add(client, real_events())
        assert [(each["index"], each["duplicate"]) for each in again] == [(0, True), (1, True)]
        checkpoint = open_checkpoint(client.get("checkpoint", LIMIT), log.verifier)
        assert checkpoint.size == 2
        for sent, got in zip(real_events(), placed, strict=True):
            entry = entry_of(event.from_value(sent), key).encode()
            assert verify_proof(TlogProof.parse(got["proof"].encode()), entry, log.verifier)
            assert got["leaf_hash"] == leaf_hash(entry).hex()
            content = client.get(f"event/{sent['content_sha256']}", LIMIT)
            assert content == event.from_value(sent).content
        assert (
            client.get("tile/entries/000.p/2", LIMIT)[2:131]
            == entry_of(event.from_value(real_events()[0]), key).encode()
        )
        assert key_sha256(key) in fetch_keys(client.get)
        bundle = json.loads(client.get("pith/HAMJZSQV/bundle.json", LIMIT))
        assert bundle["events"] == real_events()


def test_many_events_good_and_bad_over_one_connection(log: LogDirectory, server: Process) -> None:
    with server.client() as client:
        good = [small_event(number).value for number in range(300)]
        lines = add(client, [*good[:150], {"bad": 1}, *good[150:]], "?wait=published")
        assert [line.get("index") for line in lines] == [*range(150), None, *range(150, 300)]
        checkpoint = open_checkpoint(client.get("checkpoint", LIMIT), log.verifier)
        read = authenticated(300, checkpoint.root, lambda tiles: fetch_tiles(client.get, tiles))
        assert read([]) == []  # every tile is that of the signed root
        events = client.get("events/001.p/44", LIMIT).splitlines()
        assert events == [small_event(number).content for number in range(256, 300)]
        with pytest.raises(MissingError):
            client.get("tile/0/001.p/45", LIMIT)


def test_a_body_of_100_mb_is_refused_and_the_connection_lives(server: Process) -> None:
    with closing(server.connect()) as connection:
        connection.request(
            "POST", "/add", bytes(100 << 20), {"Content-Type": "application/x-ndjson"}
        )
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["code"] == "too-large"
        connection.request("GET", "/readyz")
        assert connection.getresponse().status == 200
    with server.client() as client, pytest.raises(TooLargeError):
        client.post("add", bytes(2 << 20), "application/json", LIMIT)


def test_a_body_without_a_length_is_cut_off(server: Process) -> None:
    with closing(server.connect()) as connection:
        pieces = (bytes(1 << 20) for _ in range(20))
        headers = {"Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}
        connection.request("POST", "/add", pieces, headers, encode_chunked=True)
        assert connection.getresponse().status == 413


def raw(server: Process, request: bytes) -> bytes:
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


def test_odd_requests_get_errors_and_harm_nobody(server: Process) -> None:
    close = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for target, status in [
        (b"/tile/0/../../etc/passwd", b"400"),
        (b"/tile/0/%2e%2e/000", b"400"),
        (b"/../../etc/passwd", b"404"),
        (b"//checkpoint", b"404"),
        (b"/checkpoint?x=1", b"200"),
        (b"/tile/0/000.p/256", b"400"),
        (b"/" + b"a" * 5_000, b"404"),
    ]:
        assert raw(server, b"GET " + target + close).split(b" ")[1] == status, target
    raw(server, b"\x16\x03\x01 hello")
    raw(server, b"GET / HTTP/9.9\r\n\r\n")
    head = raw(server, b"HEAD /checkpoint" + close)
    assert head.endswith(b"\r\n\r\n")
    assert b"content-length: 0" not in head
    with server.client() as client:
        assert client.get("checkpoint", LIMIT)


def test_a_second_server_on_the_same_log_is_refused(log: LogDirectory, server: Process) -> None:
    with pytest.raises(ConflictError, match=f"written by process {server.popen.pid}"):
        serve(log, "127.0.0.1", 0, 1.0, None)
    second = subprocess.run(
        [sys.executable, "-c", CODE, str(log.path), "1"], capture_output=True, cwd=ROOT, check=False
    )
    assert second.returncode == 1
    assert b"conflict: " in second.stderr


def test_a_taken_port_is_told(log: LogDirectory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port} cannot be listened on"):
            serve(log, "127.0.0.1", port, 1.0, None)


def test_a_stop_under_load_loses_nothing_that_was_acknowledged(
    log: LogDirectory, server: Process
) -> None:
    acknowledged: dict[int, str] = {}
    enough = threading.Event()

    def load(start: int) -> None:
        with closing(server.connect()) as connection:
            for number in range(start, start + 10_000):
                body = json.dumps(small_event(number).value)
                try:
                    connection.request("POST", "/add", body, {"Content-Type": "application/json"})
                    response = connection.getresponse()
                    told = json.loads(response.read())
                except (OSError, http.client.HTTPException):
                    return
                if response.status != 200:
                    return
                acknowledged[told["index"]] = told["event_id"]
                if len(acknowledged) > 100:
                    enough.set()

    threads = [threading.Thread(target=load, args=(10_000 * number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    with server.client() as client:
        seen = open_checkpoint(client.get("checkpoint", LIMIT), log.verifier)
    written = server.stop()
    for thread in threads:
        thread.join()
    assert not [line for line in written if line["level"] in ("error", "warning")]
    with closing(directory.open_reader(log)) as db:
        last = open_checkpoint(reader.checkpoint_note(db), log.verifier)
        size = rows.read_head(db).size
        assert last.size == size >= max(acknowledged) + 1  # the last head covers all of it
        for index, event_id in acknowledged.items():
            digest = bytes.fromhex(event_id.removeprefix("sha256:"))
            assert reader.find_event(db, size, digest).leaf_index == index
        if seen.size:
            proof = reader.consistency(db, seen.size, last.size)
            verify_consistency(seen.size, last.size, seen.root, last.root, proof)


def metrics(server: Process) -> bytes:
    with closing(server.connect()) as connection:
        connection.request("GET", "/metrics")
        return connection.getresponse().read()


def test_whoever_waits_when_the_server_stops_gets_the_answer(log: LogDirectory) -> None:
    server = Process(log, interval=2.0)
    got: list[dict[str, Any]] = []

    def wait() -> None:
        with server.client() as client:
            got.extend(add(client, [small_event(1).value], "?wait=published"))

    thread = threading.Thread(target=wait)
    thread.start()
    while b"translog_log_size 1.0" not in metrics(server):
        pass
    server.stop(signal.SIGINT)
    thread.join()
    assert "proof" in got[0]


def test_a_log_that_was_stopped_can_be_opened_again_at_once(log: LogDirectory) -> None:
    server = Process(log)
    assert server.ready["origin"] == log.origin
    with server.client() as client:
        add(client, [small_event(1).value])
    server.stop()
    with open_writer(log, lambda: NOW) as writer:
        assert writer.head.size == 1
