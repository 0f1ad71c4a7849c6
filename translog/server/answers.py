"""HTTP answers as ASGI sends them, made ready once and sent as often as wanted."""

import gzip
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"

IMMUTABLE: Header = (b"cache-control", b"public, max-age=31536000, immutable")
BRIEF: Header = (b"cache-control", b"public, max-age=2")
NO_STORE: Header = (b"cache-control", b"no-store")
ANYONE: Header = (b"access-control-allow-origin", b"*")  # what is published, any page may read
NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")
GZIP: Header = (b"content-encoding", b"gzip")
VARY: Header = (b"vary", b"accept-encoding")

GZIP_LEVEL = 4  # events become a twentieth larger than at 6, in half the time


class Answer:
    """One answer, an ASGI application of its own. It may be kept and sent again."""

    __slots__ = ("_start", "body", "status")

    @property
    def headers(self) -> list[Header]:
        headers: list[Header] = self._start["headers"]
        return headers

    def __init__(self, status: int, body: bytes, media_type: str, *headers: Header) -> None:
        self.status = status
        self.body = body
        own = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
        self._start: Message = {
            "type": "http.response.start",
            "status": status,
            # An answer without content describes none.
            "headers": [*(own if status not in (204, 304) else ()), NO_SNIFFING, *headers],
        }

    @property
    def held_bytes(self) -> int:
        """What keeping it takes."""
        return len(self.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(self._start)
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


def packed(body: bytes, media_type: str, *headers: Header) -> Answer:
    """Return an answer in gzip."""
    return Answer(200, squeezed(body), media_type, GZIP, VARY, *headers)


def squeezed(body: bytes) -> bytes:
    """Return `body` in gzip, the same bytes for the same body."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


def takes_gzip(accepted: bytes) -> bool:
    """Say whether an Accept-Encoding header allows gzip.

    Spec: RFC 9110 section 12.5.3.
    """
    weights: dict[bytes, bytes] = {}
    for part in accepted.lower().split(b","):
        coding, _, weight = part.partition(b";")
        weights[coding.strip()] = weight.replace(b" ", b"")
    weight = weights.get(b"gzip", weights.get(b"*", b"q=0"))
    return weight.strip(b"0.") != b"q="
