"""Finding a header by its hash, in a chain of a million, in eight bytes a header.

A header holds the hash of the one before it, so the chain is its own list of hashes. What is found
is looked at in full by whoever asked.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from translog.bitcoin.header import HEADER_BYTES, PREVIOUS, header_hash

HEIGHT_BITS = 24  # some three hundred years
HASH_BYTES = 5  # the first of a hash, whose last are zeros


class HashIndex:
    """Where the hashes of a run of headers are. Built once."""

    def __init__(self, raw: bytes, first: int) -> None:
        """Index whole headers.

        Args:
            first: the height of the first.
        """
        hashes = _hashes(raw)
        self._places = array(
            "Q", sorted(_prefix(hash_) | height for height, hash_ in enumerate(hashes, first))
        )

    def heights(self, hash_: bytes) -> Iterator[int]:
        """Give the heights at which the block with that hash may be: nearly always one or none."""
        prefix = _prefix(hash_)
        at = bisect_left(self._places, prefix)
        while at < len(self._places) and self._places[at] >> HEIGHT_BITS == prefix >> HEIGHT_BITS:
            yield self._places[at] & (1 << HEIGHT_BITS) - 1
            at += 1


def _hashes(raw: bytes) -> Iterator[bytes]:
    for at in range(HEADER_BYTES, len(raw), HEADER_BYTES):
        yield raw[at + PREVIOUS.start : at + PREVIOUS.stop]
    if raw:
        yield header_hash(raw[-HEADER_BYTES:])


def _prefix(hash_: bytes) -> int:
    return int.from_bytes(hash_[:HASH_BYTES], "big") << HEIGHT_BITS
