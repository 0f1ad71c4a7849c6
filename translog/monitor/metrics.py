"""What a monitor says of itself, in Prometheus's text format, and the heads that it has seen."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import BoundedSemaphore, Thread, Timer
from typing import Any

from translog.errors import TranslogError, UnavailableError
from translog.formats.witnessing import monitoring_path
from translog.monitor.following import Following
from translog.store.follower import Follower

MAX_REQUESTS = 32  # at a time
TIMEOUT_SECONDS = 10.0
SEVERITIES = ("alarm", "warning", "notice")


def metrics(logs: Mapping[str, Following], store: Follower, late: int) -> str:
    """Return the metrics.

    Args:
        late: turns that could not begin because the one before had not ended.
    """
    counts = store.counts()
    turns = sum(log.turns for log in logs.values())
    entries = sum(log.scanned for log in logs.values())
    lines = [
        *_one("logs", "gauge", "Logs that are followed.", len(logs)),
        *_one("turns_total", "counter", "Turns taken.", turns),
        *_one("late_turns_total", "counter", "Turns not begun: the last had not ended.", late),
        *_one("entries_total", "counter", "Entries scanned.", entries),
        *_one("alerts_waiting", "gauge", "Alerts still to be told.", counts["waiting"]),
        *_many(
            "facts_total",
            "counter",
            "Facts found out, ever.",
            ((f'severity="{name}"', counts.get(name, 0)) for name in SEVERITIES),
        ),
        *_many(
            "log_size",
            "gauge",
            "Entries scanned of a log.",
            ((f'origin="{_label(origin)}"', log.size) for origin, log in logs.items()),
        ),
        *_many(
            "log_turn_seconds",
            "gauge",
            "When the last turn of a log ended, in POSIX seconds.",
            ((f'origin="{_label(origin)}"', log.last_at) for origin, log in logs.items()),
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _one(name: str, kind: str, help_: str, value: int) -> list[str]:
    return [*_head(name, kind, help_), f"translog_monitor_{name} {value}"]


def _many(name: str, kind: str, help_: str, values: Iterable[tuple[str, int]]) -> list[str]:
    rows = [f"translog_monitor_{name}{{{labels}}} {value}" for labels, value in values]
    return [*_head(name, kind, help_), *rows]


def _head(name: str, kind: str, help_: str) -> list[str]:
    return [f"# HELP translog_monitor_{name} {help_}", f"# TYPE translog_monitor_{name} {kind}"]


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Endpoint:
    """A small HTTP server, from construction to `close`.

    It shows /metrics, /healthz, and under /<hex SHA-256 of the origin>/checkpoint the head that is
    believed of a log, the way witnesses do (c2sp.org/tlog-witness): for other monitors to compare.
    """

    def __init__(
        self,
        address: tuple[str, int],
        logs: Mapping[str, Following],
        store: Follower,
        late: Callable[[], int],
    ) -> None:
        """Listen.

        Args:
            late: as `metrics` wants it.

        Raises:
            UnavailableError: the address cannot be had.
        """
        self._logs = {f"/{monitoring_path(origin)}": log for origin, log in logs.items()}
        self._all = logs
        self._store = store
        self._late = late
        try:
            self._http = _Server(address, _handler(self))
        except OSError as error:
            raise UnavailableError(f"{address[0]}:{address[1]}: {error}") from error
        self.port = self._http.server_port
        self._thread = Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _metrics(self) -> bytes:
        return metrics(self._all, self._store, self._late()).encode()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body."""
        text = "text/plain; charset=utf-8"
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4", self._metrics()
        if path == "/healthz":
            return 200, text, b"ok\n"
        log = self._logs.get(path)
        head = None if log is None else log.head
        return (404, text, b"not found\n") if head is None else (200, text, head.note)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._room = BoundedSemaphore(MAX_REQUESTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # The handler's own timeout is for each read: a byte now and then would never end.
        deadline = Timer(TIMEOUT_SECONDS, _hang_up, (request,))
        deadline.daemon = True
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is no event."""


def _hang_up(request: socket) -> None:
    with suppress(OSError):  # it is closed already
        request.shutdown(SHUT_RDWR)


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_SECONDS
        disable_nagle_algorithm = True  # head and body are two writes

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            try:
                status, kind, body = endpoint.answer(self.path)
            except TranslogError as error:
                status, kind, body = 503, "text/plain; charset=utf-8", f"{error}\n".encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    return Handler
