"""Bodies as they are stored: an event's canonical content in one zstd frame.

Trusted no more than the disk: what is unpacked is hashed again before anyone believes it.
"""

import sys
from datetime import UTC, datetime, timedelta

from translog.errors import MalformedError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Level 1 takes a third of the time of the default here, for bodies a twentieth larger.
LEVEL = 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Packer:
    """Compresses bodies one after the other. For one thread at a time: it holds a context."""

    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(level=LEVEL)

    def pack(self, content: bytes) -> bytes:
        packed: bytes = self._compressor.compress(content, zstd.ZstdCompressor.FLUSH_FRAME)
        return packed


def unpack(body: bytes, *, limit: int) -> bytes:
    """Return the content of a stored body of at most `limit` bytes.

    Raises:
        MalformedError: the body is damaged, or larger than anything that was ever taken in.
    """
    decompressor = zstd.ZstdDecompressor()
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
    return (datetime.fromisoformat(moment) - EPOCH) // MICROSECOND


def from_micros(micros: int) -> str:
    """Return what `to_micros` was given."""
    moment = (EPOCH + micros * MICROSECOND).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"
