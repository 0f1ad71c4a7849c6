"""The short way of single events: nobody can tell it from the one through ASGI.

Each request is sent both ways, to logs in the same state, and what comes back has to be the same:
in one piece and in two to connections that know the short way, and to one that does not.
"""

import asyncio
import gzip
import json
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from tests.simulators.asgi import Served, full, served, stuck, unsigning
from tests.simulators.events import created
from translog.errors import UnavailableError
from translog.formats.keys import SigningKey
from translog.log.moderation import Held
from translog.log.sequencer import Result
from translog.log.writer import Writer
from translog.server import connections
from translog.server.connections import Connection
from translog.server.direct import MOST_BYTES, LogConnection

DATE = (b"date", b"Sun, 22 Nov 2026 10:00:00 GMT")  # uvicorn's, which a test's does not change
EVENT = json.dumps(created(1)).encode()
KIND = b"Content-Type: application/json\r\n"
CLIENT = b"X-Forwarded-For: 198.51.100.7, 192.0.2.1\r\n"  # loopback is trusted to say so
GET = b"GET /checkpoint HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = re.compile(rb"HTTP/1.1 [1-5][0-9]{2} .*?\r\n\r\n", re.DOTALL)


def post(body: bytes = EVENT, more: bytes = KIND, line: bytes = b"POST /add HTTP/1.1") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"%b\r\nHost: x\r\n%b%b%b\r\n%b" % (line, length, CLIENT, more, body)


def halves(request: bytes) -> list[bytes]:
    """Return a request in two pieces, the second of which is not empty."""
    cut = max(request.find(b"\r\n\r\n") + 4, len(request) - 5)
    return [request[:cut], request[cut:]] if cut < len(request) else [request[:-1], request[-1:]]


class Peer:
    """One connection: what a client sends on it, and what it reads."""

    def __init__(
        self, served: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.served = served
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Have pieces arrive, each in one, as the network may deliver them and seldom does."""
        for piece in pieces:
            self.served.data_received(piece)
            await asyncio.sleep(0)

    async def answer(self) -> bytes:
        """Read one answer, and no byte more."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100"):
            return head + await self.answer()
        found = re.search(rb"\r\ncontent-length: ([0-9]+)\r\n", head)
        return head + await self.reader.readexactly(int(found[1]) if found else 0)

    async def ask(self, *pieces: bytes) -> bytes:
        await self.send(*pieces)
        return await self.answer()


class Site:
    """A log's connections on loopback."""

    def __init__(self, log: Served) -> None:
        self.log = log
        self.state = ServerState()
        self.state.default_headers = [DATE]
        self.config = uvicorn.Config(
            log.app,  # with what `listening.run` says
            interface="asgi3",
            http=LogConnection,
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=30,
        )
        self.made: type[Connection] = LogConnection
        self.short = 0  # requests that took the short way
        self.faults: list[Any] = []
        self._clients: list[asyncio.StreamWriter] = []
        self._real = log.app.add_one

    def count(self, *arguments: Any) -> None:
        self.short += 1
        self._real(*arguments)

    async def connect(self, sock: socket.socket | None = None) -> Peer:
        before = set(self.state.connections)
        if sock is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        else:
            reader, writer = await asyncio.open_connection(sock=sock)
        self._clients.append(writer)
        while not (new := set(self.state.connections) - before):
            await asyncio.sleep(0)
        (connection,) = new
        assert isinstance(connection, Connection)
        return Peer(connection, reader, writer)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.faults.append(context))
        server = await loop.create_server(
            lambda: self.made(self.config, self.state, {}), "127.0.0.1", 0
        )
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                yield
            finally:
                for writer in self._clients:
                    writer.transport.abort()
                while self.state.connections or self.state.tasks:
                    await asyncio.sleep(0)
        assert self.faults == []


def at(log: Served, test: Callable[[Site], Awaitable[Any]]) -> Any:
    """Run a test with a served log, in the event loop that servers have."""

    async def run() -> Any:
        site = Site(log)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(log.app, "add_one", site.count)
            async with site.open(), asyncio.timeout(20):
                return await test(site)

    return uvloop.run(run())


def counted(log: Served) -> Any:
    metrics = log.app._metrics
    return dict(metrics.requests), dict(metrics.events), sum(metrics.adding._counts)


Before = Callable[[Served], AbstractContextManager[None]]


class Ways:
    """Requests sent the short way, in one piece and in two, and through ASGI: to a log each."""

    def __init__(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.tmp_path = tmp_path
        self.caplog = caplog

    def __call__(
        self,
        *requests: bytes,
        before: Before = lambda _: nullcontext(),
        short: int | None = None,
        **settings: Any,
    ) -> list[bytes]:
        """Return the answers, which are the same all ways, as are counters and lines.

        Args:
            requests: on one connection, each after the answer to the last.
            before: brings the log into the state that is wanted.
            short: how many of them take the short way: all, if not said.
        """
        wanted = len(requests) if short is None else short
        whole, cut = [[each] for each in requests], [halves(each) for each in requests]
        one = self._seen("one", LogConnection, whole, before, settings)
        two = self._seen("two", LogConnection, cut, before, settings)
        other = self._seen("other", Connection, whole, before, settings)
        assert [each.pop("short") for each in (one, two, other)] == [wanted, wanted, 0]
        assert one == other
        assert two == other
        answers: list[bytes] = one["answers"]
        return answers

    def _seen(
        self,
        name: str,
        made: type[Connection],
        requests: Sequence[Sequence[bytes]],
        before: Before,
        settings: Any,
    ) -> dict[str, Any]:
        async def test(site: Site) -> dict[str, Any]:
            site.made = made
            peer = await site.connect()
            answers = []
            for pieces in requests:
                peer.served.client = ("127.0.0.1", 1)  # its port is in no answer, but in lines
                answers.append(await peer.ask(*pieces))
            return {"answers": answers, "closed": peer.reader.at_eof(), "short": site.short}

        self.caplog.clear()
        with served(self.tmp_path / name, **settings) as log:
            with before(log):
                seen: dict[str, Any] = at(log, test)
            return {
                **seen,
                "counted": counted(log),
                "size": log.size,
                "lines": [
                    each.getMessage().replace(str(log.log.path), "")
                    for each in self.caplog.records
                    if each.levelno >= logging.WARNING
                ],
            }


@pytest.fixture
def ways(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Ways:
    return Ways(tmp_path, caplog)


def status(answer: bytes) -> int:
    return int(answer[9:12])


def code(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])["code"]


# What is different before the request comes


@contextmanager
def logged(log: Served) -> Iterator[None]:
    log.add(EVENT)
    yield


@contextmanager
def in_debt(log: Served) -> Iterator[None]:
    log.add_all([b"{"] * 9)
    yield


@contextmanager
def broken(log: Served) -> Iterator[None]:
    log.add(created(2))
    with unsigning(log):
        log.publish()
        yield


def submitting(monkeypatch: pytest.MonkeyPatch, submit: Any) -> None:
    monkeypatch.setattr(Writer, "submit", lambda self, raws, deliver: submit(raws, deliver))


def held(raws: Sequence[bytes]) -> list[Result]:
    return [Held(bytes(32), fresh=True) for _ in raws]


STRANGERS = json.dumps(created(1, SigningKey(bytes(32)))).encode()
WRONG = json.dumps({**created(1), "content_sha256": "0" * 64}).encode()


def test_an_event_that_comes_whole_takes_the_short_way(log: Served) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        for number in range(3):
            peer.writer.write(post(json.dumps(created(number)).encode()))
            assert json.loads((await peer.answer()).split(b"\r\n\r\n")[1])["index"] == number
        assert site.short == 3

    at(log, test)


def test_what_may_be_logged_is_answered_the_same(ways: Ways) -> None:
    first, again = ways(post(), post(json.dumps(created(1), indent=1).encode()))
    assert first.startswith(b"HTTP/1.1 200 OK\r\n" + b": ".join(DATE) + b"\r\ncontent-type: ")
    assert json.loads(first.split(b"\r\n\r\n")[1])["duplicate"] is False
    assert json.loads(again.split(b"\r\n\r\n")[1])["duplicate"] is True


REFUSED: dict[str, tuple[bytes, Before, dict[str, Any], int, str]] = {
    "wrong hash": (WRONG, logged, {}, 400, "wrong-hash"),
    "unknown key": (STRANGERS, logged, {}, 403, "unknown-key"),
    "no event": (b" {}", logged, {}, 400, "malformed"),
    "too large": (b" " * 101, logged, {"max_body_bytes": 100}, 413, "too-large"),
    "client in debt": (EVENT, in_debt, {"events_per_second": 2.0}, 429, "rate-limited"),
    "nothing can be signed": (EVENT, broken, {}, 503, "unavailable"),
    "full line": (EVENT, full, {}, 503, "busy"),
    "late": (EVENT, stuck, {"request_seconds": 0.05}, 503, "unavailable"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_answered_the_same(ways: Ways, name: str) -> None:
    body, before, settings, wanted, said = REFUSED[name]
    (answer,) = ways(post(body), before=before, **settings)
    assert (status(answer), code(answer)) == (wanted, said)
    assert (b"\r\nretry-after: " in answer) == (wanted in (429, 503) and name != "too large")


def test_single_events_are_charged_for(ways: Ways) -> None:
    answers = ways(*[post()] * 4, events_per_second=2.0)
    assert [status(each) for each in answers] == [200, 200, 429, 429]


def test_a_held_event_is_answered_the_same(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    submitting(monkeypatch, lambda raws, deliver: deliver(held(raws)))
    assert [status(each) for each in ways(post(), post())] == [202, 202]


def test_a_bug_is_one_line_and_one_answer(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(raws: Any, deliver: Any) -> None:
        if EVENT in raws:
            raise ZeroDivisionError
        deliver(held(raws))

    submitting(monkeypatch, submit)
    answers = ways(post(), post(b"{}"))  # the connection goes on
    assert [status(each) for each in answers] == [500, 202]
    assert code(answers[0]) == "internal"
    assert [each.getMessage() for each in ways.caplog.records] == ["a request failed by a bug"]


@pytest.mark.parametrize("name", ["require_working", "_note", "charge"])
def test_a_bug_anywhere_is_answered(name: str, ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    def break_it(log: Served) -> AbstractContextManager[None]:
        adding = log.app._adding
        owner = {"require_working": adding._publishing, "charge": adding._rates}.get(name, adding)
        monkeypatch.setattr(owner, name, fail)
        return nullcontext()

    (answer,) = ways(post(), before=break_it)
    assert (status(answer), code(answer)) == (500, "internal")


DISK = UnavailableError("disk is full")


@pytest.mark.parametrize(
    ("before", "line"),
    [
        (broken, "unavailable: log cannot be signed"),
        (stuck, "unavailable: no answer within"),
        (nullcontext, "unavailable: disk is full"),
    ],
)
def test_what_the_log_cannot_do_is_complained_of_once(
    ways: Ways, before: Before, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before is nullcontext:
        submitting(monkeypatch, lambda raws, deliver: deliver([DISK] * len(raws)))
    ways(post(), before=before, request_seconds=0.05)
    lines = [each.getMessage() for each in ways.caplog.records]
    assert [each[: len(line)] for each in lines if each.startswith("unavailable")] == [line]


CODED = b"Transfer-Encoding: chunked\r\n"


def chunked(body: bytes) -> bytes:
    head = b"POST /add HTTP/1.1\r\nHost: x\r\n" + CLIENT + KIND + CODED + b"\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


OTHERS = {
    "GET": (post(line=b"GET /add HTTP/1.1"), 405),
    "PUT": (post(line=b"PUT /add HTTP/1.1"), 405),
    "other path": (post(line=b"POST /addx HTTP/1.1"), 404),
    "same path, written otherwise": (post(line=b"POST /%61dd HTTP/1.1"), 200),
    "query": (post(line=b"POST /add?wait=yes HTTP/1.1"), 400),
    "charset": (post(more=b"Content-Type: application/json; charset=utf-8\r\n"), 200),
    "capitals": (post(more=b"Content-Type: Application/JSON\r\n"), 200),
    "lines": (post(more=b"Content-Type: application/x-ndjson\r\n"), 200),
    "other kind": (post(more=b"Content-Type: text/plain\r\n"), 415),
    "no kind": (post(more=b""), 415),
    "packed": (post(gzip.compress(EVENT), KIND + b"Content-Encoding: gzip\r\n"), 200),
    "packed unknown": (post(more=KIND + b"Content-Encoding: br\r\n"), 415),
    "chunked": (chunked(EVENT), 200),
    "large": (post(EVENT + b" " * (MOST_BYTES + 1 - len(EVENT))), 200),
    "huge": (post(b" " * 100_000), 400),
    "without length": (post().partition(b"Content-Length")[0] + CLIENT + KIND + b"\r\n", 400),
    "expecting": (post(more=KIND + b"Expect: 100-continue\r\n"), 100),
    "last": (post(more=KIND + b"Connection: close\r\n"), 200),
    "old": (post(line=b"POST /add HTTP/1.0"), 200),
    "old, and kept": (
        post(more=KIND + b"Connection: keep-alive\r\n", line=b"POST /add HTTP/1.0"),
        200,
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_is_unusual_goes_the_other_way(ways: Ways, name: str) -> None:
    request, wanted = OTHERS[name]
    (answer,) = ways(request, short=0)
    assert status(answer) == wanted


def test_an_offer_of_something_else_goes_the_other_way(log: Served) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        offer = KIND + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        # The parser leaves a body that follows an offer to what is offered.
        assert status(await peer.ask(post(more=offer))) == 400
        assert site.short == 0

    at(log, test)


@pytest.mark.parametrize("first", [True, False])
def test_who_states_a_length_and_sends_chunks_is_refused(log: Served, first: bool) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        length = b"Content-Length: %d\r\n" % len(EVENT)
        both = length + CODED if first else CODED + length
        assert status(await peer.ask(chunked(EVENT).replace(CODED, both))) == 400
        assert site.short == 0

    at(log, test)
    assert log.size == 0


def test_chunks_are_no_way_around_the_limit(ways: Ways) -> None:
    (answer,) = ways(chunked(EVENT), short=0, max_body_bytes=100)
    assert (status(answer), code(answer)) == (413, "too-large")


def test_the_last_of_two_kinds_counts_on_both_ways(ways: Ways) -> None:
    other = b"Content-Type: text/plain\r\n"
    (answer,) = ways(post(more=KIND + other), short=0)
    assert status(answer) == 415


def test_who_waits_for_a_proof_gets_it(log: Served) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        await peer.send(post(line=b"POST /add?wait=published HTTP/1.1"))
        asked = asyncio.create_task(peer.answer())
        while not asked.done():
            await log.app.publishing.turn()
        assert b'"proof":' in await asked
        assert site.short == 0

    at(log, test)


def test_another_client_has_another_rate(tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        answers = [
            await peer.ask(post().replace(b"192.0.2.1", address))
            for address in [b"192.0.2.1"] * 2 + [b"192.0.2.2"]
        ]
        assert [status(each) for each in answers] == [200, 429, 200]
        assert site.short == 3

    with served(tmp_path / "log", events_per_second=1.0) as log:
        at(log, test)


# Several on one connection, and in pieces


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("start", [0, 1])
def test_requests_in_one_packet_are_answered_in_order(log: Served, count: int, start: int) -> None:
    requests = [post(EVENT), GET, post(WRONG), post(b""), GET, post(STRANGERS)][start:]

    async def test(site: Site) -> None:
        peer = await site.connect()
        apart = [await peer.ask(*halves(each)) for each in requests]
        again = []
        for place in range(0, len(requests), count):
            await peer.send(b"".join(requests[place : place + count]))
            again += [await peer.answer() for _ in requests[place : place + count]]
        assert again == apart
        assert site.short > 0

    log.add(EVENT)
    at(log, test)


def test_what_follows_while_an_event_is_under_way_waits_for_its_answer(log: Served) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        with stuck(log):
            await peer.send(post(), GET + post()[:40], post()[40:], GET)
            assert site.short == 1
            assert peer.reader._buffer == b""  # type: ignore[attr-defined]
        said = [(await peer.answer()).partition(b"\r\n\r\n")[2] for _ in range(4)]
        assert [each.startswith(b'{"index":0') for each in said] == [True, False, True, False]
        assert [each.startswith(b"example.com") for each in said] == [False, True, False, True]

    at(log, test)


def test_a_request_may_be_cut_anywhere(log: Served) -> None:
    request = post()
    head = request.find(b"\r\n\r\n") + 4
    cuts = [*range(1, head + 3), head + 500, *range(len(request) - 3, len(request))]

    async def test(site: Site) -> None:
        peer = await site.connect()
        whole = await peer.ask(request)
        for cut in cuts:
            assert await peer.ask(request[:cut], request[cut:]) == whole
            assert await peer.ask(request[:cut], request[cut:-1], request[-1:]) == whole
            # The rest of one and the start of the next come together.
            await peer.send(request[:cut], request[cut:] + request[:cut], request[cut:])
            assert [await peer.answer(), await peer.answer()] == [whole, whole]
        assert site.short == 1 + 3 * len(cuts)  # the last began while another was under way

    log.add(EVENT)
    at(log, test)


ANY = [
    *[post(each) for each in (EVENT, EVENT, WRONG, STRANGERS, b"")] * 3,
    *[
        request
        for name, (request, _) in OTHERS.items()
        if name not in ("last", "old", "old, and kept")
    ],
    GET,
]


async def trickle(peer: Peer, pieces: Sequence[bytes]) -> None:
    """Send pieces of two kinds by turns: one at once, one when all is answered that is there."""
    for number, piece in enumerate(filter(None, pieces)):
        served = peer.served
        while served.flow.read_paused or (number % 2 and not rests(served)):
            await asyncio.sleep(0)
        served.data_received(piece)


def rests(served: Connection) -> bool:
    cycle = served.cycle
    return cycle is None or cycle.response_complete or (cycle.more_body and not served.pipeline)


@pytest.mark.parametrize("seed", range(4))
def test_any_requests_in_any_pieces_are_answered_as_through_asgi(log: Served, seed: int) -> None:
    random = Random(seed)

    async def test(site: Site) -> None:
        for _ in range(20):
            requests = random.choices(ANY, k=8)
            stream = b"".join(requests)
            ends = list(accumulate(map(len, requests)))
            cuts = sorted({*random.choices(ends, k=5), *random.choices(range(len(stream)), k=2)})
            pieces = [stream[i:j] for i, j in pairwise([0, *cuts, len(stream)])]
            answers = []
            for site.made in (Connection, LogConnection):
                peer = await site.connect()
                sending = asyncio.create_task(trickle(peer, pieces))
                answers.append([await peer.answer() for _ in requests])
                await sending
            assert answers[0] == answers[1], pieces
        assert site.short > 10

    log.add(EVENT)
    at(log, test)


def test_a_body_that_does_not_come_is_waited_for_the_other_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)

    async def test(site: Site) -> None:
        peer = await site.connect()
        answer = await peer.ask(post()[:-1])
        assert (status(answer), code(answer)) == (408, "request-timeout")
        assert site.short == 0

    with served(tmp_path / "log", request_seconds=0.05) as log:
        at(log, test)


def test_a_body_that_comes_late_is_taken_the_other_way(
    log: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)

    async def test(site: Site) -> None:
        peer = await site.connect()
        request = post()
        await peer.send(request[:-9])
        while peer.served.cycle is None:
            await asyncio.sleep(0)
        assert status(await peer.ask(request[-9:-4], request[-4:])) == 200
        assert site.short == 0

    at(log, test)


# Connections


async def settled(log: Served) -> None:
    """Wait until what was sent is answered for, here too."""
    while log.writer.waiting or not sum(log.app._metrics.requests.values()):
        await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize("more", [b"", post(), GET, GET + b"\0", post() + b"\0", b"\0"])
def test_who_goes_away_has_its_event_logged_and_harms_nobody(
    log: Served, caplog: pytest.LogCaptureFixture, more: bytes
) -> None:
    async def test(site: Site) -> None:
        leaving, staying = await site.connect(), await site.connect()
        with stuck(log):
            # Both are handed over together, and so answered in one go.
            leaving.served.data_received(post(json.dumps(created(1)).encode()) + more)
            staying.served.data_received(post(json.dumps(created(2)).encode()))
            leaving.writer.transport.abort()
            if not leaving.served.flow.read_paused or more.endswith(b"\0"):  # which closes it
                while leaving.served in site.state.connections:
                    await asyncio.sleep(0)
        assert status(await staying.answer()) == 200
        await settled(log)
        assert log.size >= 2
        assert leaving.served.timeout_keep_alive_task is None
        assert site.short == 2

    caplog.set_level(logging.INFO)
    at(log, test)
    assert [each.getMessage() for each in caplog.records] == []


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_who_goes_away_with_several_requests_writes_no_lines(
    log: Served, caplog: pytest.LogCaptureFixture, method: bytes
) -> None:
    async def test(site: Site) -> None:
        leaving = await site.connect()
        leaving.served.data_received(GET.replace(b"GET", method) * 2)
        leaving.served.transport.abort()  # as it is when it goes away
        await settled(log)

    caplog.set_level(logging.INFO)
    at(log, test)
    assert [each.getMessage() for each in caplog.records] == []


@pytest.mark.parametrize("cut", [0, 5])
def test_a_stop_lets_a_request_finish_and_says_that_it_is_the_last(log: Served, cut: int) -> None:
    first, second = post()[: len(post()) - cut], post()[len(post()) - cut :]

    async def test(site: Site) -> bytes:
        peer = await site.connect()
        with stuck(log):
            await peer.send(first)
            peer.served.shutdown()
            await peer.send(*([second] if second else []))
        answer = await peer.answer()
        assert await peer.reader.read() == b""
        assert site.short == (not cut)
        assert peer.served.timeout_keep_alive_task is None
        return answer

    wanted = b"HTTP/1.1 200 OK\r\n%b\r\ncontent-type: application/json\r\n" % b": ".join(DATE)
    answer = at(log, test)
    assert answer.startswith(wanted)
    assert b"\r\ncache-control: no-store\r\nconnection: close\r\n\r\n" in answer


def test_answers_that_nobody_reads_do_not_pile_up(tmp_path: Path) -> None:
    request = post(b"{}")

    async def test(site: Site) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.connect(("127.0.0.1", site.port))
        peer = await site.connect(sock)
        await peer.ask(request)  # all others are refused for the rate, at once
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        served = peer.served
        served.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096
        )
        for _ in range(500):
            if served.flow.read_paused:
                break
            served.data_received(request)
            for _ in range(10):  # turns, of which an answer takes one; or waits to be read
                await asyncio.sleep(0)
        assert served.flow.read_paused
        assert served.transport.get_write_buffer_size() < 70_000
        assert site.short > 10

    with served(tmp_path / "log", events_per_second=0.001) as log:
        at(log, test)


def test_answers_never_come_while_requests_are_read(tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        await peer.ask(post())
        peer.served.data_received(post() * 2)  # which are refused without asking the log
        assert not peer.served.cycle.response_complete
        assert peer.served.timeout_keep_alive_task is None  # not while a request is under way
        assert site.short == 2
        assert [status(await peer.answer()) for _ in range(2)] == [429, 429]
        assert peer.served.timeout_keep_alive_task is not None

    with served(tmp_path / "log", events_per_second=1.0) as log:
        at(log, test)


def test_a_connection_may_rest_as_long_after_the_short_way(log: Served) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        peer.served.timeout_keep_alive = 0.05  # type: ignore[assignment]
        with stuck(log):
            await peer.send(post())
            assert peer.served.timeout_keep_alive_task is None
        assert status(await peer.answer()) == 200
        assert await peer.reader.read() == b""  # and no longer

    at(log, test)


def test_only_what_was_answered_is_counted(log: Served) -> None:
    async def test(site: Site) -> None:
        peer = await site.connect()
        for request in (post(), post(), post(WRONG), GET):
            await peer.ask(request)
        assert site.state.total_requests == 4

    at(log, test)
    requests, events, added = counted(log)
    assert requests == {("add", 200): 2, ("add", 400): 1, ("checkpoint", 200): 1}
    assert events == {"added": 1, "duplicate": 1, "wrong-hash": 1}
    assert added == 3
