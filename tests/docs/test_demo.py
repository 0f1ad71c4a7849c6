"""scripts/demo: the whole story once, and an outsider who is not easily content."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from translog.pith.key import PINNED

ROOT = Path(__file__).parents[2]
STORY = ROOT / "scripts" / "demonstration" / "story.py"
OUTSIDER = ROOT / "scripts" / "demonstration" / "outsider.py"
TRANSLOG = Path(sys.executable).with_name("translog")
BUNDLE = ROOT / "translog" / "data" / "HAMJZSQVKL4VHWOAINCHUE26II.bundle.json"
IMMUTABLE = "public, max-age=31536000, immutable"
SIGNER = PINNED["pith.science"].public_key.hex()

Lie = Callable[[str, int, bytes], tuple[int, bytes]]
"""Of a path, a status and a body: the status and the body to answer."""

pytest.importorskip("uvicorn", reason="the demonstration wants translog[server]")


def translog(*arguments: object) -> dict[str, str]:
    command = [TRANSLOG, *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    value: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return value


def ask(url: str, vkey: str, signer: str = SIGNER) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, OUTSIDER, url, vkey, signer, BUNDLE]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_demonstration_comes_to_its_end() -> None:
    done = subprocess.run(
        [sys.executable, STORY, "--once"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\nAll of it is true.\n")


def test_an_option_misspelt_does_nothing() -> None:
    done = subprocess.run([sys.executable, STORY, "--onec"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL and the vkey of a log that holds the bundle."""
    log = tmp_path_factory.mktemp("demo") / "log"
    vkey = translog("init", log, "--origin", "example.com/log")["vkey"]
    (log / "anchoring.toml").write_text("calendars = []\n")  # tests talk to nobody
    translog("keys", "allow", log, "pith.science")
    translog("add", log, BUNDLE)
    server = subprocess.Popen(
        [TRANSLOG, "serve", log, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    try:
        yield json.loads(server.stderr.readline())["url"], vkey
    finally:
        server.terminate()
        server.communicate()


@contextmanager
def told(url: str, lie: Lie) -> Iterator[str]:
    """A server that answers as another does, after `lie` has seen the answer."""

    class Liar(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["content-length"])))

        def _pass_on(self, body: bytes | None) -> None:
            kind = {"content-type": self.headers["content-type"]} if body is not None else {}
            try:
                with urlopen(Request(url + self.path, data=body, headers=kind)) as reply:
                    self._say(reply.status, reply.headers, reply.read())
            except HTTPError as error:
                with error:
                    self._say(error.code, error.headers, error.read())

        def _say(self, status: int, headers: Message, body: bytes) -> None:
            status, body = lie(self.path, status, body)
            self.send_response(status)
            self.send_header("content-type", headers["content-type"])
            cached = IMMUTABLE if lie is cached_refusals else headers["cache-control"]
            self.send_header("cache-control", cached)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def at(path: str, wrong: bytes, status: int = 200) -> Lie:
    """Say something else under one path."""
    return lambda asked, code, body: (status, wrong) if asked == path else (code, body)


def added(old: bytes, new: bytes) -> Lie:
    """Say something else about an event that is added."""
    return lambda path, code, body: (code, body.replace(old, new) if path == "/add" else body)


def welcome(code: bytes) -> Lie:
    """Take what is refused for the reason `code`."""
    return lambda _, status, body: (200, body) if code in body else (status, body)


def honest(_: str, status: int, body: bytes) -> tuple[int, bytes]:
    return status, body


def cached_refusals(_: str, status: int, body: bytes) -> tuple[int, bytes]:
    return status, body


def growing() -> Lie:
    """Show another head after the first event was added again."""
    posted = threading.Event()

    def lie(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if path == "/add":
            posted.set()
        return status, body + b" " if path == "/checkpoint" and posted.is_set() else body

    return lie


def test_an_outsider_is_content_with_an_honest_log(served: tuple[str, str]) -> None:
    url, vkey = served
    with told(url, honest) as through:
        done = ask(through, vkey)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 7


EVENTS = json.loads(BUNDLE.read_bytes())["events"]
PROOF = f"/proof/{EVENTS[1]['event_id']}.tlog-proof"
RECORD = "/pith/HAMJZSQVKL4VHWOAINCHUE26II"
LIES: dict[str, tuple[Lie, str]] = {
    "not ready": (at("/readyz", b"", 503), "/readyz answers 503"),
    "no head": (at("/checkpoint", b""), "note"),
    "another head": (growing(), "changed the signed head"),
    "other hashes": (at("/tile/0/000.p/3", bytes(96)), "tile/0/000.p/3"),
    "no proof": (at(PROOF, b"", 404), f"{PROOF} answers 404"),
    "another content": (
        at(f"/event/{EVENTS[0]['content_sha256']}", b"{}"),
        "is another content",
    ),
    "another's bundle": (at(f"{RECORD}/bundle.json", BUNDLE.read_bytes()), "bundle-bundle"),
    "another state": (at(f"{RECORD}/state.json", b"{}"), "state.json is not the state"),
    "logged twice": (added(b'"duplicate":true', b'"duplicate":false'), "was logged twice"),
    "another id": (added(b'"event_id":"sha256:b', b'"event_id":"sha256:c'), "another id"),
    "another place": (at("/proof/inclusion?index=1", b'{"event_id":""}'), "another place"),
    "a changed event": (welcome(b"wrong-hash"), "answered 200, want 400"),
    "another's signature": (welcome(b"wrong-signature"), "answered 200, want 400"),
    "a stranger's event": (welcome(b"unknown-key"), "answered 200, want 403"),
    "another reason": (added(b"unknown-key", b"conflict"), "'conflict', want 'unknown-key'"),
    "a path that is none": (at("/tile/0/00", b""), "/tile/0/00 answers 200"),
    "a refusal for ever": (cached_refusals, "is cached"),
}


@pytest.mark.parametrize("name", LIES)
def test_an_outsider_is_not_content_with_a_lie(served: tuple[str, str], name: str) -> None:
    url, vkey = served
    lie, said = LIES[name]
    with told(url, lie) as through:
        done = ask(through, vkey)
    assert done.returncode == 1
    assert said in done.stderr


def test_an_outsider_wants_the_keys_they_named(served: tuple[str, str], tmp_path: Path) -> None:
    url, vkey = served
    other = translog("keys", "generate", tmp_path / "key", "--name", "example.com/log")
    assert "outsider: " in ask(url, other["vkey"]).stderr
    assert "event-signature" in ask(url, vkey, "00" * 31 + "01").stderr
