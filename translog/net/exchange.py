"""One HTTP request and its answer, bounded in time and bytes. What an answer means, others say.

For servers that are asked once, and again later if at all: calendars, sources of Bitcoin headers.
`client` is for logs, which are asked until they answer.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from threading import Event, Timer
from typing import Any, NamedTuple, Self

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Url, parse_url

from translog import __version__
from translog.errors import (
    BusyError,
    MalformedError,
    MissingError,
    TooLargeError,
    TranslogError,
    UnavailableError,
)

MAX_SHOWN_BYTES = 160


class Answer(NamedTuple):
    status: int
    body: bytes


class Exchange:
    """Connections to one server. May be used from several threads at once."""

    def __init__(
        self, base_url: str, *, timeout_seconds: float, headers: Mapping[str, str]
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: what stands before every path; http or https, without user or query.
            timeout_seconds: from connecting to the last byte of the answer. Only looking up the
                server's name is not in it: that has no bound but the system's.
            headers: sent with each request, and never shown.

        Raises:
            MalformedError: `base_url` is not such a URL.
        """
        self._url = read_url(base_url)
        self.base_url = self._url.url.rstrip("/")
        self._headers = {"User-Agent": f"translog/{__version__}", **headers}
        self._timeout_seconds = timeout_seconds
        self._idle: list[HTTPConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    def ask(
        self,
        method: str,
        path: str,
        limit: int,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer, whatever its status, if it is no redirect.

        Args:
            path: below the base URL, without a slash in front.
            limit: the largest number of bytes wanted.

        Raises:
            TooLargeError: more bytes than wanted.
            MalformedError: a redirect, which is never followed; an answer that is packed.
            UnavailableError: no whole answer in time.
        """
        what = f"{self.base_url}/{path}"
        late = f"{what} did not answer within {self._timeout_seconds:g} s"
        where = f"{(self._url.path or '').rstrip('/')}/{path}"
        connection = self._connection()
        try:
            try:
                connection.request(
                    method,
                    where,
                    body=body,
                    headers={**self._headers, **(headers or {})},
                    preload_content=False,
                    decode_content=False,
                )
                with _in_time(connection):
                    answer = _read(connection.getresponse(), limit, what)
            except BaseException:
                connection.close()  # what is left of the answer must not be the next one's start
                raise
        except TimeoutError as error:
            raise UnavailableError(late) from error
        except (HTTPError, HTTPException, OSError) as error:
            said = f"{type(error).__name__}: {str(error)[:200]}"
            raise UnavailableError(f"{what}: {said}") from error
        self._idle.append(connection)
        return answer

    def _connection(self) -> HTTPConnection:
        with suppress(IndexError):
            connection = self._idle.pop()
            if not connection.is_connected:
                connection.close()  # it is opened again with the next request
            return connection
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        host = (self._url.host or "").strip("[]")
        return kind(host, self._url.port, timeout=self._timeout_seconds)


@contextmanager
def _in_time(connection: HTTPConnection) -> Iterator[None]:
    """Bound the block by the connection's timeout, which itself bounds the wait for each byte.

    Raises:
        TimeoutError: it took longer, and the connection was cut.
    """
    cut = Event()

    def cut_off(sock: Any) -> None:
        cut.set()
        with suppress(OSError):  # closed in the meantime
            # Not TLS's own shutdown, which would wait for the other side.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = Timer(connection.timeout or 0.0, cut_off, (connection.sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if cut.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if cut.is_set():  # for the standard library, a head that was cut off is a whole one
        raise TimeoutError


def _read(response: HTTPResponse, limit: int, what: str) -> Answer:
    if 300 <= response.status < 400:
        raise MalformedError(f"{what} answered {response.status}, a redirect: none is followed")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise MalformedError(f"{what} has content encoding {encoding[:80]!r}, want none")
    body = b""
    while piece := response.read(limit + 1 - len(body)):
        body += piece
        if len(body) > limit:
            raise TooLargeError(f"{what} has more than the {limit} bytes that will be read")
    return Answer(response.status, body)


def refusal(answer: Answer, what: str) -> TranslogError:
    """Return the error that an answer other than 200 stands for."""
    said = f"{what} answered {answer.status}"
    if answer.body:
        said += f": {answer.body[:MAX_SHOWN_BYTES].decode('utf-8', 'replace')!r}"
    if answer.status in (404, 410):
        return MissingError(said)
    return BusyError(said) if answer.status in (429, 503) else UnavailableError(said)


def read_url(text: str) -> Url:
    """Return the parts of a base URL.

    Raises:
        MalformedError: it is not http or https, or has a user, a query or a fragment.
    """
    try:
        url = parse_url(text)
    except LocationParseError as error:
        raise MalformedError(f"URL {text[:200]!r} cannot be read") from error
    if url.auth:  # not shown: it may be a password
        raise MalformedError(f"URL of {url.host!r} names a user, which has no place there")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise MalformedError(f"URL {text[:200]!r} is not http(s)://host/path, without a query")
    return url
