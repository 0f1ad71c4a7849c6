"""An HTTP server on the loopback that answers exactly what a test says, good or bad."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread

HANG_SECONDS = 30.0  # no test waits as long


@dataclass(kw_only=True)
class Answer:
    """What to send: a status, headers, and a body in pieces.

    Attributes:
        length: the Content-Length to claim; None for the true one.
        hang: send nothing more after the body until the server is closed.
        drop: close the connection without a word.
        after: send nothing before this is set; if the server is closed first, never.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    hang: bool = False
    drop: bool = False
    after: Event | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked; `connection` is the client's port, and tells connections apart."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: that a client hangs up on a liar is as it should be."""


class Server:
    """Answers requests with `answer(request)`, one at a time, and sends in one thread a connection.

    Attributes:
        url: where it listens.
        requests: what it was asked, in order.
    """

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.over = Event()
        self.lock = Lock()
        self._http = QuietServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def wait_for(self, event: Event | None) -> bool:
        """Wait for an event, if there is one; tell whether it came before the server was closed."""
        while event is not None and not event.wait(0.01):
            if self.over.is_set():
                return False
        return True


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for the client to confirm

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            request = Request(
                method=self.command,
                path=self.path,
                headers=dict(self.headers.items()),
                body=self.rfile.read(length),
                connection=self.client_address[1],
            )
            with server.lock:
                server.requests.append(request)
                answer = server.answer(request)
            self.send(answer)

        do_POST = do_GET

        def send(self, answer: Answer) -> None:
            if answer.drop or not server.wait_for(answer.after):
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            length = len(answer.body) if answer.length is None else answer.length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            try:
                self.wfile.write(answer.body)
            except OSError:
                self.close_connection = True
            if answer.hang:
                server.over.wait(HANG_SECONDS)
            if length != len(answer.body):
                self.close_connection = True

    return Handler


@contextmanager
def serving(answer: Callable[[Request], Answer]) -> Iterator[Server]:
    """Serve while the block runs."""
    server = Server(answer)
    try:
        yield server
    finally:
        server.close()
