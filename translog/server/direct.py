"""POST /add of one event, from the connection to the line and back without ASGI between.

Most requests of a busy log are these, and ASGI took half of what the event loop spends on one: a
task, a scope, an event to wait for, and two messages each way. A request goes this way if there is
nothing unusual about it and it is small and soon there, and is answered with the same bytes.
Whatever else there is goes the other way: what is large, slow or packed, or waits for a proof.
"""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from translog.server.answers import JSON, Answer, Scope
from translog.server.app import App
from translog.server.connections import CLOSE, Connection, written

PATH = b"/add"
KIND = JSON.encode()
# Nearly all events are smaller. So much for each connection is little for all of them.
MOST_BYTES = 16 << 10
MOST_DIGITS = 5
# What asks for more than to read a body of stated length and to answer.
UNUSUAL = frozenset({b"content-encoding", b"transfer-encoding", b"expect", b"upgrade"})


class LogConnection(Connection):
    """A connection to `App`, for which single events take the short way."""

    app: App  # which is an ASGI application too
    _body: bytearray | None = None  # so far, of a request that may take the short way

    def _look(self) -> None:
        if self._body is not None:
            self._hand_on()
        super()._look()

    def shutdown(self) -> None:
        if self._body is not None:
            self._hand_on()
        super().shutdown()

    def _hand_on(self) -> None:
        """Let a request go the other way, where its body is waited for with all due limits."""
        body, self._body = self._body, None
        super()._begin()
        super().on_body(bytes(body or b""))

    def _begin(self) -> None:
        if self._is_plain():
            self._body = bytearray()
        else:
            super()._begin()

    def _is_plain(self) -> bool:
        if self.url != PATH or self.parser.get_method() != b"POST":
            return False
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        return (
            headers.get(b"content-type") == KIND
            and 0 < len(length) <= MOST_DIGITS
            and int(length) <= MOST_BYTES
            and UNUSUAL.isdisjoint(headers)
            and self.parser.should_keep_alive()
            and self.parser.get_http_version() == "1.1"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
        )

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        else:
            self._got_on = True
            self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, None
        if body is None:
            super().on_message_complete()
            return
        request = _Request(self)
        self.cycle = request
        super().on_message_complete()
        self.app.add_one(cast(Scope, self.scope), bytes(body), request.give)


class _Request(RequestResponseCycle):
    """What uvicorn knows of a request under way, whose answer leaves as soon as it is given."""

    # Nobody waits for more of the body.
    _nobody_waits = asyncio.Event()

    def __init__(self, connection: Connection) -> None:
        super().__init__(
            scope=connection.scope,
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=connection.access_log,
            default_headers=connection.server_state.default_headers,
            message_event=self._nobody_waits,
            expect_100_continue=False,
            keep_alive=True,
            on_response=connection.on_response_complete,
        )

    def give(self, answer: Answer) -> None:
        """Send the answer, unless nobody is there any more."""
        # `disconnected` would not do: uvicorn sets it of a connection's newest request only.
        if self.transport.is_closing():
            return
        self.response_started = self.response_complete = True
        headers = [*self.default_headers, *answer.headers]
        if not self.keep_alive:
            headers.append(CLOSE)
        self.transport.write(written(answer, headers))
        if not self.keep_alive:  # the server is being stopped
            self.transport.close()
        self.on_response()
