"""Load for the server, in a process of its own, over keep-alive connections on loopback.

Usage: python load.py PORT CONNECTIONS REQUESTS_FILE    prints one JSON line

REQUESTS_FILE holds whole HTTP requests, each behind its length as four bytes, big-endian. Every
connection sends one, waits for the whole answer, and takes the next from the common stock.
"""

import json
import selectors
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

RECEIVED_BYTES = 1 << 18


def read_requests(path: Path) -> list[bytes]:
    raw = path.read_bytes()
    requests = []
    at = 0
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "big")
        requests.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    return requests


def write_requests(path: Path, requests: list[bytes]) -> None:
    path.write_bytes(b"".join(len(one).to_bytes(4, "big") + one for one in requests))


def post(path: str, content_type: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


class Client:
    """One connection: one request under way at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._unsent = memoryview(b"")
        self._answer = b""
        self._began = 0.0

    def send(self, request: bytes) -> None:
        """Begin the next request."""
        self._began = time.perf_counter()
        self._answer = b""
        self._unsent = memoryview(request)

    def go_on(self) -> bool:
        """Send what is left of the request; say whether that was all of it."""
        with suppress(BlockingIOError):
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        return not self._unsent

    def receive(self) -> tuple[int, float] | None:
        """Take what has come; return status and seconds once the answer is whole."""
        received = self.socket.recv(RECEIVED_BYTES)
        if not received:
            raise ConnectionError("server closed the connection")
        self._answer += received
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._answer[:end].lower()
        at = head.index(b"content-length:") + len(b"content-length:")
        if len(self._answer) < end + 4 + int(head[at:].split(b"\r\n", 1)[0]):
            return None
        return int(head[9:12]), time.perf_counter() - self._began


class Load:
    """All connections, on plain sockets: what this takes is taken from the server."""

    def __init__(self, port: int, connections: int, requests: list[bytes]) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._clients = [Client(port) for _ in range(min(connections, len(requests)))]
        self.statuses: Counter[int] = Counter()
        self.spent: list[float] = []

    def run(self) -> float:
        """Send everything, and return how many seconds it took."""
        count = len(self._requests)
        self._requests.reverse()  # taken from the end
        start = time.perf_counter()
        for client in self._clients:
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            self._send(client)
        while len(self.spent) < count:
            for key, events in self._selector.select():
                self._turn(key.data, events)
        return time.perf_counter() - start

    def _send(self, client: Client) -> None:
        if self._requests:
            client.send(self._requests.pop())
            self._watch(client)

    def _watch(self, client: Client) -> None:
        if not client.go_on():
            events = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(client.socket, events, client)

    def _turn(self, client: Client, events: int) -> None:
        if events & selectors.EVENT_WRITE and client.go_on():
            self._selector.modify(client.socket, selectors.EVENT_READ, client)
        if events & selectors.EVENT_READ:
            done = client.receive()
            if done is not None:
                status, seconds = done
                self.statuses[status] += 1
                self.spent.append(seconds)
                self._send(client)


def run(port: int, connections: int, requests: list[bytes]) -> dict[str, object]:
    count = len(requests)
    load = Load(port, connections, requests)
    seconds = load.run()
    spent = sorted(load.spent)
    return {
        "requests": count,
        "seconds": seconds,
        "statuses": load.statuses,
        "p50_ms": 1e3 * spent[len(spent) // 2],
        "p99_ms": 1e3 * spent[len(spent) * 99 // 100],
    }


if __name__ == "__main__":
    port, connections, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    print(json.dumps(run(port, connections, read_requests(path))))
