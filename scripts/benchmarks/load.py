"""Load for the server, in a process of its own, over keep-alive connections on loopback.

Usage: python load.py PORT CONNECTIONS REQUESTS_FILE    prints one JSON line

REQUESTS_FILE holds whole HTTP requests, each behind its length as four bytes, big-endian. Every
connection sends one, waits for the whole answer, and takes the next from the common stock.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import cast

import uvloop


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


class Client(asyncio.Protocol):
    """One connection: one request under way at a time."""

    def __init__(self, requests: list[bytes], statuses: Counter[int], spent: list[float]) -> None:
        self._requests = requests
        self._statuses = statuses
        self._spent = spent
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        if not self._requests:
            self._transport.close()
            self.done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(self._requests.pop())

    def data_received(self, received: bytes) -> None:
        self._answer += received
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + len(b"content-length:")
        if len(body) >= int(lower[at:].split(b"\r\n", 1)[0]):
            self._spent.append(time.perf_counter() - self._sent)
            self._statuses[int(head[9:12])] += 1
            self._answer = b""
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("server closed the connection"))


async def run(port: int, connections: int, requests: list[bytes]) -> dict[str, object]:
    statuses: Counter[int] = Counter()
    spent: list[float] = []
    loop = asyncio.get_running_loop()
    count = len(requests)
    requests.reverse()  # taken from the end
    start = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(requests, statuses, spent), "127.0.0.1", port))
        for _ in range(connections)
    ]
    for _, client in clients:
        await client.done
    seconds = time.perf_counter() - start
    spent.sort()
    return {
        "requests": count,
        "seconds": seconds,
        "statuses": statuses,
        "p50_ms": 1e3 * spent[len(spent) // 2],
        "p99_ms": 1e3 * spent[len(spent) * 99 // 100],
    }


if __name__ == "__main__":
    port, connections, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    print(json.dumps(uvloop.run(run(port, connections, read_requests(path)))))
