"""One request and its answer, with servers that are good, slow and hostile, on the loopback."""

import socket
import ssl
import time
from contextlib import closing

import pytest

from tests.unit.net.certificates import certificate
from tests.unit.net.raw import raw_server, raw_server_without_reading, slowly
from translog.errors import (
    BusyError,
    MalformedError,
    MissingError,
    TooLargeError,
    TranslogError,
    UnavailableError,
)
from translog.net import exchange
from translog.net.connections import Connections
from translog.net.exchange import Exchange, refusal
from translog.testing.loopback import Answer, Request, serving


def ask(answer: Answer, *, limit: int = 100, seconds: float = 10.0) -> exchange.Answer:
    with serving(lambda _: answer) as server, opened(server.url, seconds) as asking:
        return asking.ask("GET", "x", limit)


def opened(url: str, seconds: float = 10.0) -> Exchange:
    return Exchange(url, timeout_seconds=seconds, headers={"Accept": "text/plain"})


def test_an_answer_is_its_status_and_its_bytes():
    assert ask(Answer(body=b"hello")) == exchange.Answer(200, b"hello")
    assert ask(Answer(status=404, body=b"Not found")) == exchange.Answer(404, b"Not found")
    assert ask(Answer(status=500)) == exchange.Answer(500, b"")


def test_what_is_sent_is_what_was_given():
    def echo(request: Request) -> Answer:
        return Answer(body=request.body)

    with serving(echo) as server, opened(server.url + "/under/") as asking:
        assert asking.ask("POST", "digest", 9, body=b"\x00\xff", headers={"X-One": "1"})[1] == (
            b"\x00\xff"
        )
        asking.ask("GET", "", 9)
    first, second = server.requests
    assert (first.method, first.path) == ("POST", "/under/digest")
    assert (first.headers["X-One"], first.headers["Accept"]) == ("1", "text/plain")
    assert first.headers["User-Agent"].startswith("translog/")
    assert (second.method, second.path, second.body) == ("GET", "/under/", b"")
    assert first.connection == second.connection


def test_a_request_is_sent_again_on_a_new_connection_where_the_server_closed_the_old_one():
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with raw_server(talk) as url, opened(url) as asking:
        for _ in range(20):  # it closes while the next request is on its way, or before
            assert asking.ask("GET", "x", 9).body == b"ok"


def test_also_where_it_closes_with_the_request_in_its_hands():
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        connection.recv(65_536)

    with raw_server(talk) as url, opened(url) as asking:
        for _ in range(3):
            assert asking.ask("GET", "x", 9).body == b"ok"


def test_a_request_is_not_sent_again_on_a_connection_that_was_new():
    with serving(lambda _: Answer(drop=True)) as server, opened(server.url) as asking:
        check_unavailable(asking, "closed without an answer")
        assert len(server.requests) == 1


def test_as_many_bytes_as_wanted_are_taken_and_not_one_more():
    assert ask(Answer(body=bytes(100))).body == bytes(100)
    for status in (200, 404):
        with pytest.raises(TooLargeError, match="/x has more than the 100 bytes"):
            ask(Answer(status=status, body=bytes(101)))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status):
    with serving(lambda _: Answer(body=b"secret")) as inside:
        answer = Answer(status=status, headers={"Location": inside.url})
        with pytest.raises(MalformedError, match=f"answered {status}, a redirect"):
            ask(answer)
    assert inside.requests == []


def test_a_packed_answer_is_refused():
    with pytest.raises(MalformedError, match="content encoding 'gzip', want none"):
        ask(Answer(headers={"Content-Encoding": "gzip"}, body=b"x"))


def test_an_answer_that_is_cut_short_is_none():
    with pytest.raises(UnavailableError, match=r"the answer was cut short$"):
        ask(Answer(body=b"half", length=8))


def test_who_closes_without_a_word_is_not_available():
    with pytest.raises(UnavailableError, match=r"closed without an answer$"):
        ask(Answer(drop=True))


def test_who_does_not_listen_is_not_available():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with (
        opened(f"http://127.0.0.1:{port}") as asking,
        pytest.raises(UnavailableError, match=r"/x: Connection refused$"),
    ):
        asking.ask("GET", "x", 9)


def test_what_is_not_http_is_not_available():
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"220 mail\r\n")

    with raw_server(talk) as url, opened(url) as asking:
        check_unavailable(asking, "what came is no HTTP: '")


def check_unavailable(asking: Exchange, match: str) -> None:
    with pytest.raises(UnavailableError, match=match):
        asking.ask("GET", "x", 100)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5",
    ],
)
def test_who_sends_a_byte_now_and_then_is_cut_off_in_time(start):
    began = time.monotonic()
    with raw_server(slowly(start)) as url, opened(url, 0.2) as asking:
        check_unavailable(asking, r"did not answer within 0\.2 s")
    assert time.monotonic() - began < 5


def test_who_says_nothing_is_cut_off_in_time():
    with pytest.raises(UnavailableError, match=r"did not answer within 0\.1 s"):
        ask(Answer(hang=True, length=5), seconds=0.1)


def test_a_head_without_end_is_refused():
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200)

    with raw_server(talk) as url, opened(url) as asking, pytest.raises(UnavailableError):
        asking.ask("GET", "x", 9)


def test_a_certificate_of_nobody_we_know_is_refused(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with raw_server_without_reading(talk) as port, opened(f"https://127.0.0.1:{port}") as asking:
        check_unavailable(asking, "certificate verify failed")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a",
        "//a",
        "a",
        "http://",
        "http://a/?x",
        "http://a/#x",
        "http://[:",
        "http://a:b",
    ],
)
def test_what_is_no_base_url_is_refused(url):
    with pytest.raises(MalformedError, match="URL"):
        opened(url)


def test_a_password_in_a_url_is_refused_and_not_shown():
    with pytest.raises(MalformedError, match="names a user") as refused:
        opened("http://alice:secret@example.com/")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "status, kind",
    [
        (404, MissingError),
        (410, MissingError),
        (429, BusyError),
        (503, BusyError),
        (400, UnavailableError),
        (401, UnavailableError),
        (500, UnavailableError),
        (201, UnavailableError),
    ],
)
def test_a_status_stands_for_an_error(status: int, kind: type[TranslogError]):
    error = refusal(exchange.Answer(status, b"said\n" + b"x" * 500), "calendar")
    assert type(error) is kind
    assert str(error).startswith(rf"calendar answered {status}: 'said\nxxx")
    assert len(str(error)) < 250
    assert str(refusal(exchange.Answer(status, b""), "calendar")) == f"calendar answered {status}"


def test_connections_closed_by_another_thread_do_not_outlive_their_last_answer():
    with serving(lambda _: Answer(body=b"hello")) as server:
        connections = Connections(server.url, timeout_seconds=10, headers={})
        with connections.asked("GET", "x", None, {}) as response:
            connections.close()
            assert response.read() == b"hello"
        with connections.asked("GET", "x", None, {}) as response:
            assert response.read() == b"hello"
    first, second = server.requests
    assert first.connection != second.connection


def test_an_answer_that_is_given_up_leaves_no_socket_open():
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 302 x\r\nConnection: close\r\nContent-Length: 500\r\n\r\n")
        connection.recv(1)  # nothing: the client hung up

    with raw_server(talk) as url:
        connections = Connections(url, timeout_seconds=10, headers={})
        with pytest.raises(KeyError), connections.asked("GET", "x", None, {}) as response:
            raise KeyError
        assert response.closed
