"""translog.formats.strict: one value, one spelling."""

import pytest

from translog.errors import MalformedError
from translog.formats.strict import (
    MAX_SIZE,
    format_base64,
    is_size,
    kind,
    parse_base64,
    parse_decimal,
    shown,
)


@pytest.mark.parametrize("number", [0, 1, 9, 10, 255, 10**18, MAX_SIZE])
def test_a_decimal_is_read(number: int) -> None:
    assert parse_decimal(str(number), "size") == number


LOOSE_DECIMALS = [
    "",
    " ",
    "-1",
    "+7",
    "007",
    "00",
    "1_0",
    " 7",
    "7 ",
    "7\n",
    "\u0663",
    "\u00b2",
    "0x1",
    "1e3",
    "1.0",
]
LOOSE_DECIMALS += [str(MAX_SIZE + 1), str(2**64), "9" * 20, "9" * 5000, "0" * 19, "\x00", "\ud800"]


@pytest.mark.parametrize(
    "text",
    LOOSE_DECIMALS,
    ids=lambda text: ascii(text)[:20],
)
def test_a_loose_decimal_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match=r"^size is "):
        parse_decimal(text, "size")


@pytest.mark.parametrize("raw", [b"", b"\0", b"ab", b"abc", bytes(range(256))])
def test_base64_is_read(raw: bytes) -> None:
    assert parse_base64(format_base64(raw), "root") == raw


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AA",
        "AA=",
        "AB==",
        "AAB=",
        "AA==\n",
        " AA==",
        "AA==AA==",
        "A-_A",
        "AAAA=",
        "é",
        "=",
        "====",
    ],
)
def test_loose_base64_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match=r"^root is "):
        parse_base64(text, "root")


@pytest.mark.parametrize("number", [-1, MAX_SIZE + 1, True, False, 1.0, "1", None])
def test_only_integers_in_bounds_are_sizes(number: object) -> None:
    assert not is_size(number)
    assert is_size(0)
    assert is_size(MAX_SIZE)


def test_what_is_shown_is_short() -> None:
    assert shown(10**5000) == "a number of 16610 bits"
    assert shown("x" * 100) == "'" + "x" * 39
    assert shown(-1) == "-1"


def test_what_json_has_words_for_is_shown_in_them() -> None:
    values = [None, True, False, 1, -2.5, 10**5000, "x" * 100, [None], {"a": None}]
    words = ["null", "true", "false", *3 * ["a number"], "a string", "an array", "an object"]
    assert [kind(value) for value in values] == words
    assert [shown(value) for value in values[:3]] == words[:3]
