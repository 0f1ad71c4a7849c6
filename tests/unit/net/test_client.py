"""The client against servers that are good, slow, broken and hostile, on the loopback."""

import gzip
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.simulators.published import VERIFIER, PublishedLog, small_events
from tests.unit.net.raw import raw_server, slowly
from translog.errors import (
    BusyError,
    ConflictError,
    ForbiddenError,
    MalformedError,
    MissingError,
    SignatureError,
    TooLargeError,
    TranslogError,
    UnavailableError,
    UnknownKeyError,
)
from translog.formats.policy import believing
from translog.net.client import MAX_PAUSE_SECONDS, MAX_TRIES, Client
from translog.testing.loopback import Answer, Request, serving
from translog.verify.auditor import audit

GZIP = {"Content-Encoding": "gzip"}


class Pauses(list[float]):
    """A `sleep` that only remembers."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def ask(answer: Answer, *, limit: int = 1000, **options: object) -> bytes:
    with serving(lambda _: answer) as server, client(server.url, **options) as asking:
        return asking.get("x", limit)


def client(url: str, **options: object) -> Client:
    return Client(url, **{"timeout_seconds": 10.0, "sleep": Pauses(), **options})


def in_turn(answers: list[Answer]) -> Callable[[Request], Answer]:
    """Give each answer once."""
    left = iter(answers)
    return lambda _: next(left)


def test_bytes_arrive_plain_or_packed():
    assert ask(Answer(body=b"hello")) == b"hello"
    assert ask(Answer(body=b"")) == b""
    assert ask(Answer(headers=GZIP, body=gzip.compress(b"hello"))) == b"hello"
    assert ask(Answer(headers=GZIP, body=gzip.compress(b""))) == b""
    assert ask(Answer(headers={"Content-Encoding": "identity"}, body=b"hello")) == b"hello"


def test_a_path_is_put_behind_the_prefix_and_connections_are_used_again():
    with serving(lambda _: Answer(body=b"ok")) as server, client(server.url + "/a/log/") as asking:
        assert asking.get("tile/0/000", 9) == b"ok"
        assert asking.post("add", b"{}", "application/json", 9) == b"ok"
    first, second = server.requests
    assert (first.method, first.path) == ("GET", "/a/log/tile/0/000")
    assert first.headers["Accept-Encoding"] == "gzip"
    assert (second.method, second.path, second.body) == ("POST", "/a/log/add", b"{}")
    assert second.headers["Content-Type"] == "application/json"
    assert first.connection == second.connection


def test_several_threads_ask_at_once():
    together = Barrier(4)

    def answer(request: Request) -> Answer:
        return Answer(body=request.path.encode())

    def one(number: int) -> bytes:
        together.wait(10)
        return asking.get(f"{number}", 100)

    with (
        serving(answer) as server,
        client(server.url, connections=2) as asking,
        ThreadPoolExecutor(4) as pool,
    ):
        assert list(pool.map(one, range(40))) == [f"/{n}".encode() for n in range(40)]
    assert len({request.connection for request in server.requests}) <= 2


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_as_many_bytes_as_wanted_are_taken(size):
    body = bytes(size)
    assert ask(Answer(body=body)) == body
    assert ask(Answer(headers=GZIP, body=gzip.compress(body))) == body


@pytest.mark.parametrize("size", [1001, 100_000, 5_000_000])
def test_one_byte_more_than_wanted_is_refused(size):
    with pytest.raises(TooLargeError, match="has more than the 1000 bytes that will be read"):
        ask(Answer(body=bytes(size)))
    with pytest.raises(TooLargeError, match=r"(unpacks to more than the 1000|the 2001) bytes"):
        ask(Answer(headers=GZIP, body=gzip.compress(bytes(size))))


def test_a_gzip_bomb_is_refused_at_its_first_bytes():
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(TooLargeError):
        ask(Answer(headers=GZIP, body=bomb), limit=100_000)


def test_gzip_that_never_makes_a_byte_is_bounded_as_sent():
    packer = zlib.compressobj(wbits=31)
    empty = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH) * 1
    blocks = empty + b"\x00\x00\x00\xff\xff" * 100_000
    with pytest.raises(TooLargeError):
        ask(Answer(headers=GZIP, body=blocks))


def test_incompressible_bytes_fit_when_packed():
    import random

    body = random.Random(1).randbytes(200_000)
    for level in (0, 1, 9):
        packed = gzip.compress(body, level)
        assert ask(Answer(headers=GZIP, body=packed), limit=200_000) == body


def test_gzip_that_is_cut_short_goes_on_or_is_none_is_refused():
    packed = gzip.compress(b"hello" * 50)
    for cut in (0, 5, 15, len(packed) - 1):
        with pytest.raises(MalformedError, match="cut short"):
            ask(Answer(headers=GZIP, body=packed[:cut]))
    with pytest.raises(MalformedError, match="bytes after the end"):
        ask(Answer(headers=GZIP, body=packed + b"\x00"))
    with pytest.raises(MalformedError, match="not gzip"):
        ask(Answer(headers=GZIP, body=b"hello, plainly"))
    wrong_sum = packed[:-8] + bytes(4) + packed[-4:]
    with pytest.raises(MalformedError, match="not gzip"):
        ask(Answer(headers=GZIP, body=wrong_sum))


def test_any_other_encoding_is_refused():
    with pytest.raises(MalformedError, match="'br', want gzip or none"):
        ask(Answer(headers={"Content-Encoding": "br"}, body=b"?"))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    with serving(lambda _: Answer(body=b"elsewhere")) as other:
        to = {"Location": f"{other.url}/x"}
        with pytest.raises(MalformedError, match=f"answered {status}, a redirect"):
            ask(Answer(status=status, headers=to))
    assert other.requests == []


def test_a_server_that_falls_silent_is_left_in_time():
    with pytest.raises(UnavailableError, match=r"did not answer within 0\.2 s"):
        ask(Answer(body=b"half", length=10, hang=True), timeout_seconds=0.2)


def test_a_server_that_trickles_is_left_in_time():
    times = iter([0.0, 5.0, 11.0, 12.0])
    body = bytes(500_000)
    with pytest.raises(UnavailableError, match="was not all there within 10 s"):
        ask(Answer(body=body), limit=len(body), clock=lambda: next(times))


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5",
    ],
)
def test_and_so_is_one_that_trickles_wherever_it_does(start):
    refused = pytest.raises(UnavailableError, match=r"within 0\.2 s")
    with raw_server(slowly(start)) as url, client(url, timeout_seconds=0.2) as asking, refused:
        asking.get("x", 100)


def test_a_timeout_is_not_tried_again():
    with (
        serving(lambda _: Answer(length=5, hang=True)) as server,
        client(server.url, timeout_seconds=0.2) as asking,
        pytest.raises(UnavailableError),
    ):
        asking.get("x", 10)
    assert len(server.requests) == 1


def test_what_fails_for_a_moment_is_tried_again_ever_more_slowly():
    pauses = Pauses()
    answers = [
        Answer(drop=True),
        Answer(status=503),
        Answer(body=b"ab", length=5),
        Answer(body=b"ok"),
    ]
    with (
        serving(in_turn(answers)) as server,
        client(server.url, sleep=pauses) as asking,
    ):
        assert asking.post("add", b"event", "application/json", 10) == b"ok"
    assert pauses == [0.25, 0.5, 1.0]
    assert [request.body for request in server.requests] == [b"event"] * 4


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=503), BusyError),
        (Answer(status=429), BusyError),
        (Answer(drop=True), UnavailableError),
        (Answer(body=b"ab", length=5), UnavailableError),
    ],
)
def test_what_keeps_failing_is_given_up(answer, error):
    pauses = Pauses()
    with (
        serving(lambda _: answer) as server,
        client(server.url, sleep=pauses) as asking,
        pytest.raises(error, match=server.url),
    ):
        asking.get("x", 100)
    assert len(server.requests) == MAX_TRIES == len(pauses) + 1


def test_a_server_that_is_not_there_is_unavailable():
    with serving(lambda _: Answer()) as server:
        url = server.url
    pauses = Pauses()
    with client(url, sleep=pauses) as asking, pytest.raises(UnavailableError, match="refused"):
        asking.get("x", 10)
    assert len(pauses) == MAX_TRIES - 1


def test_retry_after_is_honoured_up_to_a_bound():
    pauses = Pauses()
    for after in ("3", str(int(MAX_PAUSE_SECONDS))):
        answers = [Answer(status=503, headers={"Retry-After": after}), Answer(body=b"ok")]
        with (
            serving(in_turn(answers)) as server,
            client(server.url, sleep=pauses) as asking,
        ):
            assert asking.get("x", 10) == b"ok"
    assert pauses == [3.0, MAX_PAUSE_SECONDS]
    pauses.clear()
    with pytest.raises(BusyError, match="asks to wait 3600 s"):
        ask(Answer(status=503, headers={"Retry-After": "3600"}), sleep=pauses)
    assert pauses == []


@pytest.mark.parametrize("after", ["-1", "nan", "inf", "1e9", "²", "9" * 5000, "Wed, 21 Oct 2026"])
def test_a_strange_retry_after_is_as_good_as_none(after):
    pauses = Pauses()
    headers = {"Retry-After": after}
    answers = [Answer(status=503, headers=headers), Answer(body=b"ok")]
    with serving(in_turn(answers)) as server, client(server.url, sleep=pauses) as asking:
        assert asking.get("x", 10) == b"ok"
    assert pauses == [0.25]


def problem(status: int, code: object, **members: object) -> Answer:
    body = json.dumps({"code": code, "detail": "event is bad", **members}).encode()
    return Answer(status=status, headers={"Content-Type": "application/problem+json"}, body=body)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "malformed", MalformedError),
        (413, "too-large", TooLargeError),
        (400, "wrong-signature", SignatureError),
        (403, "unknown-key", UnknownKeyError),
        (403, "key-not-permitted", ForbiddenError),
        (404, "not-found", MissingError),
        (404, "malformed", MissingError),
        (409, "conflict", ConflictError),
        (500, "malformed", UnavailableError),
        (400, "nonsense", UnavailableError),
        (400, ["malformed"], UnavailableError),
        (400, "inconsistent", UnavailableError),  # a claim to have lied is no evidence
        (418, None, UnavailableError),
    ],
)
def test_a_problem_is_the_error_it_names(status, code, error):
    with pytest.raises(TranslogError) as caught:
        ask(problem(status, code))
    assert type(caught.value) is error
    assert f"answered {status}: 'event is bad'" in str(caught.value)


def test_a_problem_that_is_none_is_only_its_status():
    for body in (b"", b"[]", b"\xff", b"[" * 60_000, b'{"code":1,"detail":{"a":1}}'):
        headers = {"Content-Type": "application/problem+json; charset=utf-8"}
        with pytest.raises(UnavailableError, match=r"answered 400$"):
            ask(Answer(status=400, headers=headers, body=body))
    with pytest.raises(UnavailableError, match=r"answered 400$"):
        ask(Answer(status=400, body=problem(400, "malformed").body))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://a/",
        "file:///etc/passwd",
        "http://",
        "http://u:p@a/",
        "http://a/?q",
    ],
)
def test_only_plain_http_urls_are_taken(url):
    with pytest.raises(MalformedError, match="URL"):
        Client(url)


def test_a_log_is_audited_over_http():
    log = PublishedLog(small_events(300))

    def answer(request: Request) -> Answer:
        if request.path[1:] not in log.files:
            return Answer(status=404)
        body = log.files[request.path[1:]]
        return Answer(headers=GZIP, body=gzip.compress(body))

    with serving(answer) as server, client(server.url) as asking:
        assert audit(asking.get, believing(VERIFIER)).size == 300
        log.withhold("tile/1/000.p/1")
        with pytest.raises(MissingError, match=r"tile/1/000\.p/1"):
            audit(asking.get, believing(VERIFIER))
