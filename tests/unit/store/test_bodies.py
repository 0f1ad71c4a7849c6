"""Bodies and times as they are stored come back as they were, or not at all."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators.events import created, snapshot
from translog.errors import MalformedError
from translog.formats.canonical import canonical
from translog.store.bodies import Packer, from_micros, to_micros, unpack

CONTENT = canonical(snapshot(1))


@given(st.lists(st.binary(max_size=2000), max_size=4))
def test_what_is_packed_is_unpacked(contents: list[bytes]) -> None:
    packer = Packer()
    bodies = [packer.pack(content) for content in contents]
    assert [unpack(body, limit=2000) for body in bodies] == contents


def test_a_body_is_smaller_than_the_event_and_does_not_depend_on_those_before() -> None:
    packer = Packer()
    first, _, again = [packer.pack(each) for each in (CONTENT, canonical(created(1)), CONTENT)]
    assert len(first) < len(CONTENT)
    assert again == first == Packer().pack(CONTENT)


def test_a_body_larger_than_the_limit_is_refused() -> None:
    body = Packer().pack(bytes(1 << 20))
    assert unpack(body, limit=1 << 20) == bytes(1 << 20)
    with pytest.raises(MalformedError, match="is not one frame of 1048575 at most"):
        unpack(body, limit=(1 << 20) - 1)


def test_a_damaged_body_raises_nothing_else() -> None:
    body = Packer().pack(CONTENT)
    for at in range(len(body)):
        with suppress(MalformedError):  # or it is other content, which has another hash
            unpack(body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :], limit=1 << 20)
    for cut in range(0, len(body), 11):
        with pytest.raises(MalformedError):
            unpack(body[:cut], limit=1 << 20)
    for more in (b"\0", body):
        with pytest.raises(MalformedError, match="is not one frame"):
            unpack(body + more, limit=1 << 20)


@pytest.mark.parametrize(
    "moment",
    [
        "1970-01-01T00:00:00.000000Z",
        "1969-12-31T23:59:59.999999Z",
        "2026-06-01T12:34:56.789012Z",
        "0001-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        "2024-02-29T23:59:59.000001Z",
    ],
)
def test_a_time_comes_back_to_the_microsecond(moment: str) -> None:
    assert from_micros(to_micros(moment)) == moment


@given(st.integers(min_value=-62_135_596_800_000_000, max_value=253_402_300_799_999_999))
def test_every_microsecond_of_every_year_has_one_number(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


@pytest.mark.parametrize("micros", [-(2**63), 2**63 - 1, 253_402_300_800_000_000])
def test_a_number_that_is_no_time_is_damage(micros: int) -> None:
    with pytest.raises(MalformedError, match="is in no year"):
        from_micros(micros)
