"""Listening on an address, and answering there until told to stop: what every server here does."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from translog.errors import UnavailableError
from translog.server.connections import Connection
from translog.server.logs import LOGGER

BACKLOG = 2_048
KEEP_ALIVE_SECONDS = 30
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(
    app: Any,
    listening: socket.socket,
    name: str,
    request_seconds: float,
    connection: type[Connection] = Connection,
) -> None:
    """Answer requests with an ASGI application until SIGINT or SIGTERM; then finish those begun.

    Args:
        name: of what is served, for the line that says "serving".
        request_seconds: what a request may take, and so at most the end.
        connection: what reads requests.
    """
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=connection,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `rates.client_of` reads them, where they count
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(request_seconds) + 5,
    )
    _Server(config, name, url_of(listening)).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """Take an address; port 0 for any.

    Raises:
        UnavailableError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise UnavailableError(f"{host}:{port} cannot be listened on: {error}") from error


def url_of(listening: socket.socket) -> str:
    """Return the URL of what listens there."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn's server, which says where it is, and returns when it is stopped."""

    def __init__(self, config: uvicorn.Config, name: str, url: str) -> None:
        super().__init__(config)
        self._name = name
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        fields = {"origin": self._name, "url": self._url}
        LOGGER.info("serving %s on %s", self._name, self._url, extra={"fields": fields})

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal. uvicorn's own raises it again at the end.

        That would kill the process before what was taken in is finished.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread can listen to signals
            return
        before = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
