"""Bodies as they are stored: an event's canonical content in one zstd frame.

All events have the same members, so a dictionary that knows those halves a frame and the time it
takes. It is part of the format: a log keeps a copy of the one its bodies were written with.

Not trusted: what is unpacked is hashed again by everyone who reads it.
"""

import sys
from datetime import UTC, datetime, timedelta
from importlib import resources

from translog.errors import MalformedError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DICTIONARY = resources.files("translog.data").joinpath("bodies.zdict").read_bytes()
# Level 1 writes frames a third smaller and takes two and a half times as long, and compressing
# stands in the way of every event: docs/performance.md.
LEVEL = -5
_DICTIONARY = zstd.ZstdDict(DICTIONARY)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECONDS_A_DAY = 24 * 60 * 60


class Packer:
    """Compresses bodies one after the other. For one thread at a time: it holds a context."""

    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(level=LEVEL, zstd_dict=_DICTIONARY)

    def pack(self, content: bytes) -> bytes:
        packed: bytes = self._compressor.compress(content, zstd.ZstdCompressor.FLUSH_FRAME)
        return packed


def unpack(body: bytes, *, limit: int) -> bytes:
    """Return the content of a stored body of at most `limit` bytes.

    Raises:
        MalformedError: the body is damaged, or larger than anything that was ever taken in.
    """
    decompressor = zstd.ZstdDecompressor(zstd_dict=_DICTIONARY)
    try:
        content: bytes = decompressor.decompress(body, max_length=limit + 1)
    except zstd.ZstdError as error:
        raise MalformedError(f"stored body of {len(body)} bytes is damaged: {error}") from error
    if len(content) > limit or not decompressor.eof or decompressor.unused_data:
        raise MalformedError(
            f"stored body of {len(body)} bytes is not one frame of {limit} at most"
        )
    return content


def to_micros(moment: str) -> int:
    """Return YYYY-MM-DDTHH:MM:SS.ffffffZ as microseconds since 1970, exactly."""
    since = datetime.fromisoformat(moment) - EPOCH
    return (since.days * SECONDS_A_DAY + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> str:
    """Return what `to_micros` was given.

    Raises:
        MalformedError: it cannot have been given a time that is this.
    """
    try:
        moment = (EPOCH + micros * MICROSECOND).replace(tzinfo=None)
    except OverflowError as error:
        raise MalformedError(f"stored time of {micros} microseconds is in no year") from error
    return moment.isoformat(timespec="microseconds") + "Z"
