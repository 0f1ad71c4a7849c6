"""Sixty-four bits find an event again, and never decide that two are the same."""

from base64 import b32encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translog.errors import MalformedError
from translog.log import lookup

DIGESTS = st.binary(min_size=32, max_size=32)
NUMBER = "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II"


def suffix_of(digest: bytes, chars: int = 26) -> str:
    return b32encode(digest).decode()[:chars]


def in_range(prefix: int, suffix: str) -> bool:
    lo, hi = lookup.range_of_suffix(suffix)
    return lo <= prefix <= hi


@given(DIGESTS, DIGESTS, st.integers(min_value=1, max_value=12))
def test_a_range_holds_exactly_the_digests_that_begin_so(a: bytes, b: bytes, chars: int) -> None:
    assert in_range(lookup.of_hash(a), suffix_of(a, chars))
    begins = suffix_of(a).startswith(suffix_of(b, chars))
    assert in_range(lookup.of_hash(a), suffix_of(b, chars)) == begins


@given(DIGESTS, st.integers(min_value=1, max_value=12))
def test_a_range_has_no_gap_beside_the_next(digest: bytes, chars: int) -> None:
    lo, hi = lookup.range_of_suffix(suffix_of(digest, chars))
    for edge, inside in ((lo - 1, False), (lo, True), (hi, True), (hi + 1, False)):
        if -(2**63) <= edge < 2**63:
            near = (edge + 2**63).to_bytes(8, "big") + digest[8:]
            assert lookup.of_hash(near) == edge
            assert suffix_of(near).startswith(suffix_of(digest, chars)) == inside


@given(DIGESTS, st.integers(min_value=13, max_value=26))
def test_a_long_suffix_has_the_one_prefix_of_its_digest(digest: bytes, chars: int) -> None:
    prefix = lookup.of_hash(digest)
    assert lookup.range_of_suffix(suffix_of(digest, chars)) == (prefix, prefix)
    assert lookup.of_subject("pith:2024:" + suffix_of(digest)) == prefix


@given(DIGESTS, DIGESTS)
def test_prefixes_are_in_the_order_of_the_hashes_and_fit_into_sqlite(a: bytes, b: bytes) -> None:
    one, two = lookup.of_hash(a), lookup.of_hash(b)
    assert -(2**63) <= one < 2**63
    assert (one < two) == (a[:8] < b[:8])


def test_the_first_and_the_last_prefix() -> None:
    assert lookup.of_hash(bytes(32)) == -(2**63)
    assert lookup.of_hash(b"\xff" * 32) == 2**63 - 1
    assert lookup.range_of_suffix("A") == (-(2**63), -(2**63) + 2**59 - 1)
    assert lookup.range_of_suffix("7777777777777") == (2**63 - 1, 2**63 - 1)


def test_a_subject_that_is_no_pith_number_has_a_prefix_too() -> None:
    assert lookup.of_subject("example.com/log") == lookup.of_hash(
        sha256(b"example.com/log").digest()
    )
    # The year is no part of it: whoever asks by the suffix does not know it.
    assert lookup.of_subject(NUMBER) == lookup.of_subject(NUMBER.replace("2024", "1999"))


@pytest.mark.parametrize(
    "suffix",
    [
        *["", "hamjzsqv", "HAMJ0SQV", "HAMJ1SQV", "HAMJ8SQV", "HAMJ-SQV", "HAMJ SQV", "+1"],
        *["HAMJ_SQV", "HÄMJZSQV", "HAMJZSQ٣", "../HAMJZ", "HAMJZSQV="],
    ],
)
def test_what_is_not_base32_in_capitals_is_refused(suffix: str) -> None:
    with pytest.raises(MalformedError, match="is not base32 in capitals"):
        lookup.range_of_suffix(suffix)
