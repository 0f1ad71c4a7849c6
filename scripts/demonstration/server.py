"""A server of a log as a process of its own, from when it serves until it has stopped."""

import json
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 60


class ServerError(Exception):
    """It did not start, or did not end well."""


class Server:
    """`translog serve`. Only `serving` makes one.

    Attributes:
        url: where it is; empty until it serves.
    """

    def __init__(self, translog: Path, log: Path, port: int) -> None:
        self.url = ""
        self._said: deque[str] = deque(maxlen=20)
        self._serving = threading.Event()
        # In a process group of its own: Ctrl-C is for us, and we stop it once, in our time.
        self._process = subprocess.Popen(
            [translog, "serve", log, "--listen", f"127.0.0.1:{port}"],
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        return self._process.wait()

    def start(self) -> None:
        if not self._serving.wait(START_SECONDS) or not self.url:
            raise ServerError(f"the server did not start: {self._last_words()}")

    def stop(self) -> None:
        """Let it finish and sign what it has taken in."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise ServerError(f"the server did not stop within {STOP_SECONDS} s") from None
        if code:
            raise ServerError(f"the server ended with {code}: {self._last_words()}")

    def _last_words(self) -> str:
        if self._process.poll() is not None:
            self._listener.join(STOP_SECONDS)
        return "".join(self._said).strip()

    def _listen(self) -> None:
        """Read what the server writes: JSON lines, and plain ones when it cannot start."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            said = json.loads(line) if line.startswith("{") else {}
            if "url" in said:
                self.url = said["url"]
                self._serving.set()
            elif said.get("level", "info") != "info":
                print(f"    server: {said['message']}", file=sys.stderr)
        self._serving.set()  # or nobody would learn that it never will


@contextmanager
def serving(translog: Path, log: Path, port: int) -> Iterator[Server]:
    """Serve a log while the block runs; 0 is any free port.

    Raises:
        ServerError: it did not start, or ended before its time or not well.
    """
    server = Server(translog, log, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()
