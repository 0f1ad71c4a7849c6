"""One HTTP request and its answer, bounded in time and bytes. What an answer means, others say.

For servers that are asked once, and again later if at all: calendars, sources of Bitcoin headers.
`client` is for logs, which are asked until they answer.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

from urllib3 import HTTPResponse

from translog.errors import (
    BusyError,
    MalformedError,
    MissingError,
    TooLargeError,
    TranslogError,
    UnavailableError,
)
from translog.net.connections import REFUSALS, Connections, reason

MAX_SHOWN_BYTES = 160


class Answer(NamedTuple):
    status: int
    body: bytes


class Exchange:
    """Connections to one server. May be used from several threads at once."""

    def __init__(
        self, base_url: str, *, timeout_seconds: float, headers: Mapping[str, str]
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: what stands before every path; http or https, without user or query.
            timeout_seconds, headers: see `Connections`.

        Raises:
            MalformedError: `base_url` is not such a URL.
        """
        self._connections = Connections(base_url, timeout_seconds=timeout_seconds, headers=headers)
        self._timeout_seconds = timeout_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    @property
    def base_url(self) -> str:
        """What stands before every path, without a slash at the end."""
        return self._connections.base_url

    def ask(
        self,
        method: str,
        path: str,
        limit: int,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer, whatever its status, if it is no redirect.

        Args:
            path: below the base URL, without a slash in front.
            limit: the largest number of bytes wanted.

        Raises:
            TooLargeError: more bytes than wanted.
            MalformedError: a redirect, which is never followed; an answer that is packed.
            UnavailableError: no whole answer in time.
        """
        what = f"{self.base_url}/{path}"
        try:
            with self._connections.asked(method, path, body, headers or {}) as response:
                return _read(response, limit, what)
        except TimeoutError as error:
            raise UnavailableError(
                f"{what} did not answer within {self._timeout_seconds:g} s"
            ) from error
        except REFUSALS as error:
            raise UnavailableError(f"{what}: {reason(error)}") from error


def _read(response: HTTPResponse, limit: int, what: str) -> Answer:
    if 300 <= response.status < 400:
        raise MalformedError(f"{what} answered {response.status}, a redirect: none is followed")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise MalformedError(f"{what} has content encoding {encoding[:80]!r}, want none")
    body = b""
    while piece := response.read(limit + 1 - len(body)):
        body += piece
        if len(body) > limit:
            raise TooLargeError(f"{what} has more than the {limit} bytes that will be read")
    return Answer(response.status, body)


def refusal(answer: Answer, what: str) -> TranslogError:
    """Return the error that an answer other than 200 stands for."""
    said = f"{what} answered {answer.status}"
    if answer.body:
        said += f": {answer.body[:MAX_SHOWN_BYTES].decode('utf-8', 'replace')!r}"
    if answer.status in (404, 410):
        return MissingError(said)
    return BusyError(said) if answer.status in (429, 503) else UnavailableError(said)
