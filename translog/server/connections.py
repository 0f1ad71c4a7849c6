"""Connections and heads of requests, bounded in number, size and time.

What uvicorn leaves open: how many connections there are, how long one may take to say what it
wants, and how much it may say. Bodies are `receiving`'s business, idle time between two requests
is uvicorn's.
"""

import asyncio
import resource
from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from translog.errors import BusyError, TranslogError
from translog.server.answers import Answer, Header
from translog.server.errors import HeadError, problem

HEAD_SECONDS = 10.0  # from the first byte of a head to its last; and for the first of all
MAX_HEAD_BYTES = 16 << 10
MAX_HEADERS = 100
MAX_CONNECTIONS = 1_000
# Descriptors that no connection gets: the log's own files, pipes to checkers, the listening socket.
KEPT_DESCRIPTORS = 100
CLOSE: Header = (b"connection", b"close")
LINE_BYTES = 4  # ": " and the end of a line


def max_connections() -> int:
    """Return how many connections leave the log enough descriptors for its own files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, limit - KEPT_DESCRIPTORS))


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with bounds. One timer serves all its requests."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = True  # between two requests, too
    _got_on = True  # while the last piece was parsed
    _unparsed_bytes = 0  # in pieces that ended no head and held no body
    _since: float | None = None  # when the wait for what is missing of a head began

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > max_connections():
            self._refuse(BusyError("too many connections are open: try again in a second"))
            return
        self._since = self.loop.time()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, in place of uvicorn's own, whose warnings a stranger can provoke."""
        if self.transport.is_closing():
            return
        if self._in_head:  # the rest of a body that was answered already buys no time
            self._unset_keepalive_if_required()
        self._got_on = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # an offer, not taken: the request is answered as any other
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, HeadError):
                self._refuse(cause)
            elif self._owes_an_answer():
                self.transport.close()  # a 400 would be taken for it
            else:
                self.send_400_response("Invalid HTTP request received.")
            return
        if self._got_on:
            self._unparsed_bytes = 0
            return
        if self._in_head and self._since is None:
            self._since = self.loop.time()
        self._unparsed_bytes += len(data)
        if self._unparsed_bytes > MAX_HEAD_BYTES:  # of a head, or of trailers
            self._refuse(HeadError(f"request head has more than {MAX_HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        if self._since is None:
            self._since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        count = len(self.headers)
        if count > MAX_HEADERS:
            raise HeadError(f"request has {count} headers, want at most {MAX_HEADERS}")
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size + LINE_BYTES * count > MAX_HEAD_BYTES:
            raise HeadError(f"request head has more than {MAX_HEAD_BYTES} bytes")
        self._in_head = False
        self._got_on = True
        self._since = None
        self._begin()

    def _begin(self) -> None:
        """Have the application begin with the request whose head is there."""
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            cycle.transport = _Joining(self.transport, cycle)

    def on_body(self, body: bytes) -> None:
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._got_on = True
        super().on_message_complete()

    def _look(self) -> None:
        """Close the connection if the wait is over; look again when it could be."""
        now = self.loop.time()
        if self.cycle is not None and not self.cycle.response_complete:
            if self._since is not None:
                self._since = now  # it may be this side that is waited for
        elif self._since is not None and now - self._since >= HEAD_SECONDS:
            self.transport.close()
            return
        self._timer = self.loop.call_at((self._since or now) + HEAD_SECONDS, self._look)

    def _owes_an_answer(self) -> bool:
        """Say whether a request that is all there, and so was well formed, waits for its answer."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        return bool(self.pipeline) or not self.cycle.more_body

    def _refuse(self, error: TranslogError) -> None:
        """Say why, unless that would be taken for another request's answer, and close."""
        if self.cycle is None or self.cycle.response_complete:
            answer = problem(error)
            self.transport.write(written(answer, [*answer.headers, CLOSE]))
        self.transport.close()


def written(answer: Answer, headers: Iterable[Header]) -> bytes:
    """Return an answer as it leaves, with these headers.

    Spec: RFC 9112 section 4.
    """
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    return b"%b%b\r\n%b" % (STATUS_LINE[answer.status], lines, answer.body)


class _Joining(asyncio.Transport):
    """An answer's way out: its head waits for what follows, so that one packet holds both."""

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        super().__init__()
        self._transport = transport
        self._cycle = cycle
        # None yet; then what is held back. Of an answer to HEAD nothing follows the head.
        self._head: bytes | None = b"" if cycle.scope["method"] == "HEAD" else None

    def write(self, data: Any) -> None:
        if self._transport.is_closing():  # to write would be an error, and nobody reads it
            return
        if self._head is None and self._cycle.response_started:  # before that: 100 Continue
            self._head = data
        elif self._head:
            self._transport.writelines([self._head, data])
            self._head = b""
        else:
            self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
