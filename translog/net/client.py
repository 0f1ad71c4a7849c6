"""HTTP to one server, over urllib3: bounded in time, in bytes as sent, and in bytes as unpacked.

A request is tried again only where that can help and cannot harm: the connection failed, or the
server asked for it (503, 429). Everything it is used for may safely happen twice.
"""

import time
from collections.abc import Callable, Iterator
from typing import Self

from urllib3.response import BaseHTTPResponse

from translog.errors import BusyError, MalformedError, TooLargeError, UnavailableError
from translog.net.answers import MAX_PROBLEM_BYTES, error_of
from translog.net.connections import REFUSALS, Connections, reason
from translog.net.gzip import unpack

MAX_TRIES = 4
FIRST_PAUSE_SECONDS = 0.25  # doubled for each further try
MAX_PAUSE_SECONDS = 30.0  # who asks for more patience than this has none to ask of us
CHUNK_BYTES = 64 << 10


class Client:
    """A pool of connections to one server. May be used from several threads at once."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float = 30.0,
        connections: int = 8,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: what stands before every path; http or https.
            timeout_seconds: for one try, from connecting to the last byte.
            connections: how many at most, each kept open for the next request.

        Raises:
            MalformedError: `base_url` is not such a URL.
        """
        self._connections = Connections(
            base_url,
            timeout_seconds=timeout_seconds,
            headers={"Accept-Encoding": "gzip"},
            at_once=connections,
        )
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def get(self, path: str, limit: int) -> bytes:
        """Return what is at `path`. As a function, this is a `published.Fetch`.

        Args:
            path: below the base URL, without a slash in front.
            limit: the largest number of bytes wanted, unpacked.

        Raises:
            MissingError: 404 or 410.
            TooLargeError: more bytes than wanted.
            MalformedError: it cannot be unpacked, or is a redirect, which is never followed.
            BusyError, UnavailableError: no good answer in time, after MAX_TRIES tries.
            TranslogError: what the server says is wrong with the request (see `answers`).
        """
        return self._tries("GET", path, limit, None, {})

    def post(self, path: str, body: bytes, content_type: str, limit: int) -> bytes:
        """Send `body`, perhaps more than once, and return the answer.

        Raises:
            TranslogError: as `get`.
        """
        return self._tries("POST", path, limit, body, {"Content-Type": content_type})

    def _tries(
        self, method: str, path: str, limit: int, body: bytes | None, headers: dict[str, str]
    ) -> bytes:
        pause = FIRST_PAUSE_SECONDS
        for _ in range(MAX_TRIES - 1):
            try:
                return self._once(method, path, limit, body, headers)
            except _AgainError as again:
                wait = max(pause, again.after_seconds)
                if wait > MAX_PAUSE_SECONDS:
                    raise BusyError(f"{again}, and asks to wait {wait:.0f} s") from again
            self._sleep(wait)
            pause *= 2
        try:
            return self._once(method, path, limit, body, headers)
        except _AgainError as again:
            raise again.final from again

    def _once(
        self, method: str, path: str, limit: int, body: bytes | None, headers: dict[str, str]
    ) -> bytes:
        what = f"{self._connections.base_url}/{path}"
        deadline = self._clock() + self._timeout_seconds
        try:
            with self._connections.asked(method, path, body, headers) as response:
                return self._body(response, limit, deadline, what)
        except TimeoutError as error:
            raise UnavailableError(
                f"{what} did not answer within {self._timeout_seconds:g} s"
            ) from error
        except REFUSALS as error:
            raise _AgainError(UnavailableError(f"{what}: {reason(error)}")) from error

    def _body(self, response: BaseHTTPResponse, limit: int, deadline: float, what: str) -> bytes:
        if response.status != 200:
            pieces = self._pieces(response, MAX_PROBLEM_BYTES, deadline, what)
            error = error_of(
                response.status,
                response.headers.get("Content-Type", ""),
                b"".join(pieces),
                what,
            )
            if isinstance(error, BusyError):
                raise _AgainError(error, _retry_after(response))
            raise error
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding == "identity":
            return b"".join(self._pieces(response, limit, deadline, what))
        if encoding == "gzip":
            # Gzip makes nothing longer by more than some bytes in each 16 KiB.
            packed = limit + limit // 1000 + 1000
            return unpack(self._pieces(response, packed, deadline, what), limit, what)
        raise MalformedError(f"{what} has content encoding {encoding[:80]!r}, want gzip or none")

    def _pieces(
        self, response: BaseHTTPResponse, limit: int, deadline: float, what: str
    ) -> Iterator[bytes]:
        """Yield the bytes as sent, until there are too many of them or it takes too long."""
        room = limit
        while True:
            # `read1` and not `read`: it returns what has arrived.
            piece = response.read1(min(CHUNK_BYTES, room + 1))
            if not piece:
                return
            room -= len(piece)
            if room < 0:
                raise TooLargeError(f"{what} has more than the {limit} bytes that will be read")
            if self._clock() > deadline:
                raise UnavailableError(
                    f"{what} was not all there within {self._timeout_seconds:g} s"
                )
            yield piece


class _AgainError(Exception):
    """A try failed in a way that another may not. Never leaves this module."""

    def __init__(self, final: UnavailableError, after_seconds: float = 0.0) -> None:
        super().__init__(str(final))
        self.final = final
        self.after_seconds = after_seconds


def _retry_after(response: BaseHTTPResponse) -> float:
    """Return the seconds the server asks to wait, or 0 where it gives a date or nothing."""
    after = response.headers.get("Retry-After", "")
    # Seven digits are three months, and short enough to convert.
    return float(after) if after.isascii() and after.isdigit() and len(after) <= 7 else 0.0
