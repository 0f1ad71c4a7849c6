"""Unpacking piece by piece, whatever the pieces."""

import gzip

import pytest

from translog.errors import MalformedError, TooLargeError
from translog.net.gzip import unpack

WHOLE = bytes(range(256)) * 20
PACKED = gzip.compress(WHOLE)


def pieces(size: int, packed: bytes = PACKED) -> list[bytes]:
    return [packed[at : at + size] for at in range(0, len(packed), size)]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_pieces_of_any_size_give_the_whole_or_a_refusal(size):
    assert unpack(pieces(size), len(WHOLE), "x") == WHOLE
    for limit in (0, 1, len(WHOLE) // 2, len(WHOLE) - 1):
        with pytest.raises(TooLargeError, match=f"^x unpacks to more than the {limit} bytes"):
            unpack(pieces(size), limit, "x")
    with pytest.raises(MalformedError, match="cut short"):
        unpack(pieces(size, PACKED[:-1]), len(WHOLE), "x")
    with pytest.raises(MalformedError, match="after the end"):
        unpack(pieces(size, PACKED + PACKED), len(WHOLE), "x")


def test_many_small_parts_do_not_add_up_to_more_than_wanted():
    stored = gzip.compress(WHOLE, 0)
    with pytest.raises(TooLargeError):
        unpack(pieces(10, stored), len(WHOLE) - 1, "x")
