"""Connections to one server over urllib3, each request bounded in time as a whole.

A socket's timeout bounds the wait for each byte, and so does urllib3's: a server that sends one
now and then, in the head of an answer or between its chunks, would keep us for ever. Here the
connection is cut when the time is up, wherever that is.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import cache, partial
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected
from threading import BoundedSemaphore, Event, Timer
from typing import Any

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError
from urllib3.exceptions import TimeoutError as LateError
from urllib3.util import Url, parse_url
from urllib3.util.ssl_ import create_urllib3_context

from translog import __version__
from translog.errors import MalformedError

REFUSALS = (HTTPError, HTTPException, OSError)
"""What `Connections.asked` raises when there is no answer; of these, TimeoutError if it is late."""


class Connections:
    """Kept open from one request to the next. May be used from several threads at once."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float,
        headers: Mapping[str, str],
        at_once: int | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: what stands before every path; http or https, without user or query.
            timeout_seconds: from connecting to the last byte of the answer. Only looking up the
                server's name is not in it: that has no bound but the system's.
            headers: sent with each request, and never shown.
            at_once: how many there may be; None for as many as there are threads.

        Raises:
            MalformedError: `base_url` is not such a URL.
        """
        self._url = read_url(base_url)
        self.base_url = self._url.url.rstrip("/")
        self._prefix = (self._url.path or "").rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._headers = {"User-Agent": f"translog/{__version__}", **headers}
        self._room = nullcontext() if at_once is None else BoundedSemaphore(at_once)
        self._idle: list[HTTPConnection] = []
        self._closed = False

    def close(self) -> None:
        """Close those that nobody uses, and the others as soon as they are done with."""
        self._closed = True
        self._close_idle()

    @contextmanager
    def asked(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Iterator[HTTPResponse]:
        """Send one request, and give the answer, to be read while the block runs.

        Args:
            path: below the base URL, without a slash in front.

        Raises:
            TimeoutError: it was not all there in time; also out of whatever reads the answer.
            HTTPError, HTTPException, OSError: there is no answer.
        """
        send = partial(
            HTTPConnection.request,
            method=method,
            url=f"{self._prefix}/{path}",
            body=body,
            headers={**self._headers, **headers},
            preload_content=False,
            decode_content=False,
        )
        deadline = time.monotonic() + self._timeout_seconds
        with self._room:
            connection = self._connection()
            response: HTTPResponse | None = None
            try:
                sock, response = _answered(connection, send, deadline)
                with _in_time(sock, deadline):
                    yield response
            except BaseException as error:
                connection.close()  # what is left of the answer must not be the next one's start
                if response is not None:  # which has the socket, if the connection gave it away
                    response.close()
                # A refused connection is in urllib3 a kind of TimeoutError.
                if isinstance(error, LateError) and not isinstance(error, NewConnectionError):
                    raise TimeoutError from error
                raise
            self._idle.append(connection)
            if self._closed:  # by another thread, which did not see this one
                self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):  # emptied by several threads at once
            while True:
                self._idle.pop().close()

    def _connection(self) -> HTTPConnection:
        with suppress(IndexError):
            return self._idle.pop()
        host, port = (self._url.host or "").strip("[]"), self._url.port
        if self._url.scheme == "https":
            seconds = self._timeout_seconds
            return HTTPSConnection(host, port, timeout=seconds, ssl_context=tls())
        return HTTPConnection(host, port, timeout=self._timeout_seconds)


@cache
def tls() -> ssl.SSLContext:
    """Return how servers are believed to be who they are: by the system's certificates.

    One for all connections: each would read the certificates anew, and keep a megabyte of them.
    """
    context = create_urllib3_context()
    context.load_default_certs()
    return context


Send = Callable[[HTTPConnection], None]


def _answered(connection: HTTPConnection, send: Send, deadline: float) -> tuple[Any, HTTPResponse]:
    """Send a request; return its socket and the answer, of which the head is there."""
    if connection.is_connected:  # left over: the server may be closing it at this moment
        with suppress(ConnectionError):
            return _asked_once(connection, send, deadline)
    connection.close()  # it is opened again with the next request
    return _asked_once(connection, send, deadline)


def _asked_once(
    connection: HTTPConnection, send: Send, deadline: float
) -> tuple[Any, HTTPResponse]:
    send(connection)
    sock = connection.sock  # which the connection gives away, if it ends with this answer
    with _in_time(sock, deadline):
        return sock, connection.getresponse()


@contextmanager
def _in_time(sock: Any, deadline: float) -> Iterator[None]:
    """Bound the block in time.

    Raises:
        TimeoutError: it took longer, and the connection was cut.
    """
    cut = Event()

    def cut_off() -> None:
        cut.set()
        with suppress(OSError):  # closed in the meantime
            # Not TLS's own shutdown, which would wait for the other side.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = Timer(max(0.0, deadline - time.monotonic()), cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    except REFUSALS as error:
        if cut.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if cut.is_set():  # for the standard library, a head that was cut off is a whole one
        raise TimeoutError


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


def reason(error: BaseException) -> str:
    """Say why there was no answer: in the system's words, if it has any. A server's are cut."""
    links = [error]
    while (inner := links[-1].__cause__ or links[-1].__context__) is not None:
        links.append(inner)
    for each in reversed(links):
        if isinstance(each, RemoteDisconnected):
            return "the connection was closed without an answer"
        if isinstance(each, IncompleteRead):
            return "the answer was cut short"
        if isinstance(each, BadStatusLine):
            return f"what came is no HTTP: {str(each)[:80]!r}"
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return f"{type(error).__name__}: {str(error)[:200]}"
