"""Unpacking what a stranger packed: never more than was asked for, never less than was sent."""

import zlib
from collections.abc import Iterable

from translog.errors import MalformedError, TooLargeError

_GZIP = zlib.MAX_WBITS | 16


def unpack(packed: Iterable[bytes], limit: int, what: str) -> bytes:
    """Return what a gzip stream of one member holds.

    Args:
        packed: the stream in pieces; the caller bounds how many bytes there are of it.
        limit: the largest number of unpacked bytes. Not one more is made.
        what: names the stream in a refusal.

    Raises:
        TooLargeError: it holds more.
        MalformedError: it is not gzip, is cut short, or goes on after its end.
    """
    stream = zlib.decompressobj(wbits=_GZIP)
    parts: list[bytes] = []
    room = limit
    try:
        for piece in packed:
            # One more than there is room for, so that the byte too many is seen (there is
            # an unconsumed tail only then), and never 0, which would mean "all of it".
            part = stream.decompress(piece, room + 1)
            if len(part) > room:
                raise TooLargeError(f"{what} unpacks to more than the {limit} bytes wanted")
            room -= len(part)
            parts.append(part)
    except zlib.error as error:
        raise MalformedError(f"{what} is not gzip: {error}") from error
    if not stream.eof:
        raise MalformedError(f"{what} is gzip that is cut short")
    if stream.unused_data:
        raise MalformedError(f"{what} has bytes after the end of its gzip")
    return b"".join(parts)
