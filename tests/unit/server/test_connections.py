"""Connections on loopback: what is too much, too slow or not HTTP is cut off."""

import asyncio
import json
import logging
import resource
from collections.abc import Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from translog.server import connections
from translog.server.answers import TEXT, Answer
from translog.server.connections import MAX_CONNECTIONS, Connection, _Joining, max_connections

Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SHORT = 0.1


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the size of the body; at once if the path says so, and late if it says that."""
    size = 0
    more = scope["path"] != "/at-once"
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["path"] == "/late":
        await asyncio.sleep(3 * SHORT)
    await Answer(200, b"%d" % size, TEXT)(scope, receive, send)


def serving(test: Callable[[Open], Awaitable[None]]) -> None:
    async def run() -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            log_config=None,
            access_log=False,
            timeout_keep_alive=30,
        )
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(config, state, {}), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        writers = []

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            return reader, writer

        async with server:
            async with asyncio.timeout(5):
                await test(connect)
            for writer in writers:
                writer.close()
            for connection in list(state.connections):
                connection.transport.abort()

    asyncio.run(run())


async def asked(connect: Open, *pieces: bytes) -> bytes:
    """Return all that is answered until the connection is closed."""
    reader, writer = await connect()
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.01)
    return await reader.read()


def problem(answer: bytes) -> tuple[int, str, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    said = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % said["status"])
    return said["status"], said["code"], said["detail"]


def headers(count: int) -> bytes:
    return b"".join(b"X-%d: y\r\n" % number for number in range(count))


CLOSE = b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "detail"),
    [
        ([GET + b"X: " + b"a" * 16_384 + b"\r\n\r\n"], "request head has more than 16384 bytes"),
        ([GET, b"X: " + b"a" * 16_384], "request head has more than 16384 bytes"),
        ([b"GET /" + b"a" * 16_384], "request head has more than 16384 bytes"),
        ([b"\r\n" * 8_193], "request head has more than 16384 bytes"),
        ([GET + headers(100) + b"\r\n"], "request has 101 headers, want at most 100"),
    ],
)
def test_a_head_that_is_too_large_is_refused(pieces: list[bytes], detail: str) -> None:
    async def test(connect: Open) -> None:
        assert problem(await asked(connect, *pieces)) == (431, "head-too-large", detail)

    serving(test)


def test_what_is_within_the_limits_is_answered() -> None:
    async def test(connect: Open) -> None:
        for request in (
            GET + headers(98) + CLOSE,
            GET + b"X: " + b"a" * 16_000 + b"\r\n" + CLOSE,
            POST + b"Content-Length: 100000\r\n" + CLOSE + b"a" * 100_000,
            (POST + b"Content-Length: 20000\r\n\r\n" + b"a" * 20_000) * 3 + GET + CLOSE,
        ):
            answer = await asked(
                connect, request[:30_000], request[30_000:50_000], request[50_000:]
            )
            assert answer.count(b"HTTP/1.1 200 OK") == request.count(b"HTTP/1.1")

    serving(test)


def test_endless_trailers_are_cut_off() -> None:
    async def test(connect: Open) -> None:
        start = POST + CHUNKED + b"\r\n1\r\na\r\n0\r\n"
        assert await asked(connect, start, b"X: ", b"a" * 16_385) == b""

    serving(test)


@pytest.mark.parametrize(
    "pieces", [[], [GET], [b"\r\n"], [GET + b"\r\n", b"\r\n"], [GET + b"\r\n" + GET]]
)
def test_who_does_not_finish_a_head_is_cut_off(
    pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)

    async def test(connect: Open) -> None:
        answer = await asked(connect, *pieces)
        assert answer.count(b"HTTP/1.1 200 OK") == b"".join(pieces).count(b"\r\n\r\n")

    serving(test)


def test_drops_of_a_head_buy_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)

    async def test(connect: Open) -> None:
        reader, writer = await connect()
        writer.write(GET)
        ended = asyncio.create_task(reader.read())
        for _ in range(30):
            await asyncio.sleep(SHORT / 10)
            if ended.done():
                break
            writer.write(b"X: y\r\n")
        assert ended.done()

    serving(test)


def test_who_waits_for_an_answer_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)

    async def test(connect: Open) -> None:
        reader, writer = await connect()
        writer.write(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n" + GET)  # and begin another
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n0")
        writer.write(CLOSE)
        assert b"200 OK" in await reader.read()

    serving(test)


def test_a_connection_may_rest_between_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)

    async def test(connect: Open) -> None:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(GET + b"\r\n")
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200 ")
            await asyncio.sleep(3 * SHORT)
        assert not reader.at_eof()

    serving(test)


def test_drops_of_a_body_that_was_answered_buy_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Connection.connection_made

    def impatient(self: Connection, transport: Any) -> None:
        self.timeout_keep_alive = SHORT  # type: ignore[assignment]
        real(self, transport)

    monkeypatch.setattr(Connection, "connection_made", impatient)

    async def test(connect: Open) -> None:
        start = b"POST /at-once HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"
        reader, writer = await connect()
        writer.write(start)
        await asyncio.sleep(0.02)
        writer.write(b"a")
        assert b"200 OK" in await reader.read()

    serving(test)


def test_one_connection_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "max_connections", lambda: 2)

    async def test(connect: Open) -> None:
        held = [await connect() for _ in range(2)]
        wanted = (503, "busy", "too many connections are open: try again in a second")
        assert problem(await asked(connect)) == wanted
        held[0][1].close()
        await asyncio.sleep(0.05)
        assert b"200 OK" in await asked(connect, GET + CLOSE)

    serving(test)


@pytest.mark.parametrize(
    ("limit", "most"),
    [(256, 156), (1_099, 999), (1_100, 1_000), (50, 1), (resource.RLIM_INFINITY, MAX_CONNECTIONS)],
)
def test_connections_leave_descriptors_for_the_log(
    limit: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (limit, limit))
    assert max_connections() == most


def test_nobody_can_make_uvicorn_write_lines(caplog: pytest.LogCaptureFixture) -> None:
    async def test(connect: Open) -> None:
        answer = await asked(connect, b"\x16\x03\x01 hello")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.endswith(b"Invalid HTTP request received.")
        upgrade = GET + b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
        assert b"200 OK" in await asked(connect, upgrade)

    caplog.set_level(logging.INFO)
    serving(test)
    assert [each for each in caplog.records if each.name.startswith("uvicorn")] == []


@pytest.mark.parametrize("begun", [b"", POST + CHUNKED + b"\r\n"])
@pytest.mark.parametrize("before", [b"", b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_what_is_not_http_is_never_the_answer_to_what_came_before(
    before: bytes, begun: bytes
) -> None:
    async def test(connect: Open) -> None:
        answer = await asked(connect, before + begun + b"\0\r\n")
        if before:
            assert answer == b""
        else:
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")

    serving(test)


class Recorder(asyncio.Transport):
    """What leaves, packet by packet."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.packets.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.packets.append(b"".join(pieces))

    def close(self) -> None:
        self.packets.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.packets


def begun(method: str = "GET") -> Any:
    return SimpleNamespace(response_started=True, scope={"method": method})


def test_head_and_body_of_an_answer_leave_in_one_packet():
    out, cycle = Recorder(), begun()
    cycle.response_started = False
    way = _Joining(out, cycle)
    way.write(b"100 Continue;")
    cycle.response_started = True
    for piece in (b"head;", b"body;", b"more;"):
        way.write(piece)
    way.close()
    assert out.packets == [b"100 Continue;", b"head;body;", b"more;", b"closed"]


def test_a_head_that_nothing_follows_leaves_before_the_connection_is_closed():
    out = Recorder()
    way = _Joining(out, begun())
    way.write(b"head;")
    assert out.packets == []
    way.close()
    assert out.packets == [b"head;", b"closed"]


def test_a_head_that_nothing_follows_by_its_method_leaves_at_once():
    out = Recorder()
    _Joining(out, begun("HEAD")).write(b"head;")
    assert out.packets == [b"head;"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_is_written_to_a_connection_that_is_closed(method: str) -> None:
    out = Recorder()
    way = _Joining(out, begun(method))
    out.close()
    way.write(b"head;")
    way.write(b"body;")
    way.close()
    assert out.packets == [b"closed", b"closed"]


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_answer_to_every_method_comes_whole(method: bytes) -> None:
    async def test(connect: Open) -> None:
        reader, writer = await connect()
        request = GET.replace(b"GET", method) + b"\r\n"
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        if method == b"GET":
            assert await reader.readexactly(1) == b"0"
        writer.write(request)  # nothing of the first is left
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")

    serving(test)
