"""Bodies of requests: never more than is wanted, of one or of all together."""

import asyncio

from translog.errors import BusyError, MalformedError, TooLargeError
from translog.net.gzip import unpack
from translog.server.answers import Receive
from translog.server.errors import MediaTypeError
from translog.server.settings import Settings

MAX_LENGTH_DIGITS = 18

Headers = dict[bytes, bytes]


class Receiving:
    """What arrives at one server: each body is bounded, and so are all together."""

    def __init__(self, settings: Settings) -> None:
        self._room = settings.max_arriving_bytes

    async def body(self, headers: Headers, receive: Receive, limit: int) -> bytes:
        """Return a request's body, unpacked.

        Raises:
            TooLargeError: it has, or says it has, more than `limit` bytes.
            MediaTypeError: it is packed in a way that is not known here.
            MalformedError: its packing is damaged, or the client went away.
            BusyError: too much is arriving from everybody.
        """
        check_length(headers, limit)
        coding = headers.get(b"content-encoding", b"identity").lower()
        if coding not in (b"identity", b"gzip"):
            raise MediaTypeError(f"content encoding is {coding[:40]!r}, want gzip or none")
        raw = await self._collect(receive, limit)
        if coding == b"gzip":
            return await asyncio.to_thread(unpack, [raw], limit, "body")
        return raw

    async def _collect(self, receive: Receive, limit: int) -> bytes:
        raw, more = await _piece(receive)
        if not more:  # as nearly all bodies: there is nothing to keep account of
            if len(raw) > limit:
                raise _too_large(limit)
            return raw
        held = len(raw)
        parts = [raw]
        self._room -= held
        try:
            while True:
                if held > limit:
                    raise _too_large(limit)
                if not more:
                    return b"".join(parts)
                if self._room < 0:
                    raise BusyError("too many large bodies arrive at once: try again in a second")
                raw, more = await _piece(receive)
                parts.append(raw)
                held += len(raw)
                self._room -= len(raw)
        finally:
            self._room += held


async def _piece(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise MalformedError("body ends too early: the client went away")
    return message.get("body", b""), message.get("more_body", False)


def check_length(headers: Headers, limit: int) -> None:
    """Refuse a body that says it has more than `limit` bytes.

    Raises:
        TooLargeError: it does.
        MalformedError: what it says is not a length.
    """
    length = headers.get(b"content-length")
    if length is None:
        return
    if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS:
        raise MalformedError(f"content length is {length[:40]!r}, want a decimal number")
    if int(length) > limit:
        raise TooLargeError(f"body has {int(length)} bytes, want at most {limit}")


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"body has more than {limit} bytes")
