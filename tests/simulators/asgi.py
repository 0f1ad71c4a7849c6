"""Requests to an ASGI application without a network, and a log of events to serve."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.simulators.events import PITH_KEY, SIGNER_ID
from translog.log import directory, indexer
from translog.log.directory import LogDirectory
from translog.log.pipeline import MAX_WAITING_EVENTS
from translog.log.writer import Writer, open_writer
from translog.pith.key import PINNED, PithKey
from translog.server.app import App, build
from translog.server.settings import Clock, Settings
from translog.store import database, search
from translog.testing import permitted

ORIGIN = "example.com/log"
BASE_URL = "https://example.com/log"
NOW = 1_780_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


def problem(response: Response) -> tuple[int, str]:
    """Return status and code, having checked that it is a problem that nobody keeps."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert "content-encoding" not in response.headers
    assert response.json["status"] == response.status
    assert response.json["detail"]
    assert response.json["help"]
    assert response.json["title"]
    return response.status, response.json["code"]


async def ask(
    app: App,
    method: str,
    target: str,
    body: bytes | Sequence[bytes] = b"",
    *,
    client: str = "192.0.2.1",
    **headers: str,
) -> Response:
    """Send one request. A sequence as body comes in as many pieces; None in it never comes."""
    path, _, query = target.partition("?")
    pieces = [body] if isinstance(body, bytes) else list(body)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0) if pieces else None
        if piece is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
        "client": (client, 50_000),
        "server": ("example.com", 80),
    }
    await app(scope, receive, send)
    start, *rest = sent
    return Response(
        status=start["status"],
        headers={name.decode(): value.decode() for name, value in start["headers"]},
        body=b"".join(message["body"] for message in rest),
    )


class Served:
    """A log that is open for writing, its application, and clocks that a test moves."""

    def __init__(self, writer: Writer, log: LogDirectory, **settings: Any) -> None:
        self.time = 0.0
        self.writer = writer
        self.log = log
        clock = Clock(now=lambda: NOW + self.time, steady=lambda: 1_000 + self.time)
        self.app = build(writer, log, Settings(base_url=BASE_URL, **settings), clock)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)

    def get(self, target: str, **headers: str) -> Response:
        return self.run(ask(self.app, "GET", target, **headers))

    def add(self, event: Any, query: str = "", **headers: str) -> Response:
        raw = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = {"content_type": "application/json", **headers}
        return self.run(ask(self.app, "POST", f"/add{query}", raw, **headers))

    def add_all(self, events: Sequence[Any], **headers: str) -> Response:
        lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in events]
        raw = b"".join(line + b"\n" for line in lines)
        headers = {"content_type": "application/x-ndjson", **headers}
        return self.run(ask(self.app, "POST", "/add", raw, **headers))

    def publish(self) -> None:
        self.run(self.app.publishing.turn())

    def index(self) -> int:
        """Bring the search index up to what is published."""
        with (
            closing(directory.open_reader(self.log)) as db,
            search.open_writer(self.log.search) as index,
        ):
            return indexer.catch_up(db, index, self.log.origin)

    @property
    def size(self) -> int:
        return self.writer.head.size


@contextmanager
def stuck(log: Served) -> Iterator[None]:
    """Keep the sequencer from answering while the block runs."""
    held, release = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        held.set()
        release.wait()

    log.writer.submit([b"{"], wait)
    held.wait()
    try:
        yield
    finally:
        release.set()


@contextmanager
def full(log: Served) -> Iterator[None]:
    """Have as many events in line as may be, while the block runs."""
    with stuck(log):
        log.writer.submit([b"{"] * MAX_WAITING_EVENTS, lambda _: None)
        yield


@contextmanager
def unsigning(log: Served) -> Iterator[None]:
    """Keep heads from being signed while the block runs."""
    away = log.log.path / "elsewhere"
    log.log.signed_head.rename(away)
    try:
        yield
    finally:
        away.rename(log.log.signed_head)


def new_log(
    path: Path, keys: Sequence[PithKey] = (PITH_KEY, PINNED["pith.science"])
) -> LogDirectory:
    """Make a log in which the signers of test events, and of the real ones, may write."""
    log = directory.create(path, ORIGIN, NOW)
    with closing(database.open_editor(log.database)) as db:
        for key in keys:
            permitted.allow(db, key, signer_id=key.signer_id or SIGNER_ID, now=NOW)
    return log


@contextmanager
def served(path: Path, **settings: Any) -> Iterator[Served]:
    """Serve a new log; nothing is published but by `publish`."""
    log = new_log(path)
    with open_writer(log, lambda: NOW) as writer:
        running = Served(writer, log, **settings)
        try:
            yield running
        finally:
            running.app.close()
