"""Serving a log until told to stop."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvicorn

from translog.errors import UnavailableError
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.server.app import build
from translog.server.connections import Connection
from translog.server.logs import LOGGER, written
from translog.server.settings import Clock, Settings

BACKLOG = 2_048
KEEP_ALIVE_SECONDS = 30
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    directory: LogDirectory, host: str, port: int, publish_interval: float, base_url: str | None
) -> None:
    """Serve a log until SIGINT or SIGTERM; then finish what was taken in and sign a last head.

    Args:
        directory: of the log.
        host: the address to listen on.
        port: the port to listen on; 0 for any, which the line that says "serving" names.
        publish_interval: seconds from one signed head to the next.
        base_url: under which the world reaches the server, for the links in what it signs; None
            for the address it listens on.

    Raises:
        ConflictError: another process writes to this log.
        VerificationError: what is stored contradicts itself, or what was signed.
        UnavailableError: the address is taken, or the disk fails.
    """
    clock = Clock(now=time.time, steady=time.monotonic)
    with (
        written(),
        open_writer(directory, lambda: int(clock.now())) as writer,
        closing(_listen(host, port)) as listening,
    ):
        url = _url(listening)
        settings = Settings(
            base_url=(base_url or url).rstrip("/"), publish_interval_seconds=publish_interval
        )
        config = uvicorn.Config(
            build(writer, directory, settings, clock),
            interface="asgi3",
            http=Connection,
            loop="uvloop",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `rates.client_of` reads them, where they count
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(settings.request_seconds) + 5,
        )
        _Server(config, directory.origin, url).run(sockets=[listening])
        LOGGER.info("stopped taking requests at size %d", writer.head.size)


class _Server(uvicorn.Server):
    """uvicorn's server, which says where it is, and returns when it is stopped."""

    def __init__(self, config: uvicorn.Config, origin: str, url: str) -> None:
        super().__init__(config)
        self._origin = origin
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        fields = {"origin": self._origin, "url": self._url}
        LOGGER.info("serving %s on %s", self._origin, self._url, extra={"fields": fields})

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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise UnavailableError(f"{host}:{port} cannot be listened on: {error}") from error


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
