"""translog.formats.canonical: what is accepted, what is refused, and what is written."""

import json
from typing import Any

import pytest

from translog.errors import MalformedError, TooLargeError
from translog.formats.canonical import (
    EXACT,
    MAX_DEPTH,
    canonical,
    canonical_without,
    made_of,
    parse,
    parse_apart,
)

LIMIT = 10_000

ACCEPTED = {
    b"null": None,
    b" true\r\n\t": True,
    b'""': "",
    b'"\\u0041\\/\\ud83d\\ude00\x7f"': "A/\N{GRINNING FACE}\x7f",
    b'"a\\u0000b"': "a\0b",
    b"-0": 0,
    b"-0.0": -0.0,
    b"1e5": 100000.0,
    b"1e-400": 0.0,
    b"1E400000".replace(b"1E", b"0E"): 0.0,
    b"-9223372036854775808": -(2**63),
    b"9223372036854775807": 2**63 - 1,
    b"9007199254740993": 2**53 + 1,
    b'{"b":1,"a":[{}, []]}': {"b": 1, "a": [{}, []]},
    b'{"a":{"a":1},"b":{"a":1}}': {"a": {"a": 1}, "b": {"a": 1}},
    b"[" * MAX_DEPTH + b"]" * MAX_DEPTH: None,
    b"[" * MAX_DEPTH + b" " + b"]" * MAX_DEPTH: None,
}
REFUSED = [
    b"",
    b" ",
    b"{}x",
    b"{} {}",
    b"[1,]",
    b"01",
    b"+1",
    b"1.",
    b".5",
    b"'a'",
    b"{a:1}",
    b"nul",
    b"NaN",
    b"[Infinity]",
    b"-Infinity",
    b"1e400",
    b"[-1e400]",
    b"\xef\xbb\xbf{}",
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\\ud800"',
    b'["\\udc00"]',
    b'{"\\ud83d": 1}',
    b'"\x01"',
    b'"\n"',
    b"{}\0",
    b'{"a":1,"a":1}',
    b'{"a":1,"\\u0061":2}',
    b'{"a": 1.5, "a": 2}',
    b'[{"x":{"":0,"":0}}]',
    b'{"a":     1e5,"a":1}',
    b"9223372036854775808",
    b"-9223372036854775809",
    b"[18446744073709551615]",
    b"18446744073709551616",
    b"18446744073709610000",  # as a float, it prints as long as this
    b"1" * 5000,
    b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    b'[{"a": ' * (MAX_DEPTH // 2) + b"[ ]" + b"}]" * (MAX_DEPTH // 2),
    b"[" * 3000 + b"]" * 3000,
    b"[" * 3000,
    "{}".encode("utf-16"),
]


@pytest.mark.parametrize("raw", ACCEPTED, ids=lambda raw: repr(raw)[:30])
def test_strict_json_is_read_as_the_standard_library_reads_it(raw: bytes) -> None:
    value = parse(raw, limit=LIMIT)
    assert repr(value) == repr(json.loads(raw))
    if ACCEPTED[raw] is not None:
        assert repr(value) == repr(ACCEPTED[raw])


@pytest.mark.parametrize("raw", REFUSED, ids=lambda raw: repr(raw)[:30])
def test_what_is_not_strict_json_is_malformed(raw: bytes) -> None:
    for read in (parse, lambda raw, limit: parse_apart(raw, limit=limit, apart={"a"})):
        with pytest.raises(MalformedError) as refusal:
            read(raw, limit=LIMIT)
        assert not isinstance(refusal.value, TooLargeError)
        assert str(refusal.value).startswith("json: ") and len(str(refusal.value)) < 200


def test_refusals_say_what_was_found() -> None:
    for raw, message in {
        b'{"a":1,"b":2,"a":3}': "json: has the key 'a' twice in one object",
        b"9223372036854775808": (
            "json: '9223372036854775808' is out of range, want -2^63 <= n < 2^63"
        ),
        b"[" * 65 + b"]" * 65: "json: nests deeper than 64",
    }.items():
        with pytest.raises(MalformedError) as refusal:
            parse(raw, limit=LIMIT)
        assert str(refusal.value) == message


def test_the_limit_comes_before_anything_else() -> None:
    assert parse(b"[1, 2]", limit=6) == [1, 2]
    with pytest.raises(TooLargeError, match="json: has 6 bytes, want at most 5"):
        parse(b"[1, 2]", limit=5)
    with pytest.raises(TooLargeError):
        parse(b"\xff" * 6, limit=5)
    with pytest.raises(TooLargeError):
        parse_apart(b'{"a":1}', limit=6, apart={"a"})


def test_a_lower_depth_can_be_asked_for() -> None:
    for raw in (b'{"a":[[1]]}', b'{"a":[[1.5]]}', b'{"a": [[]]}'):
        parse(raw, limit=LIMIT, depth=3)
        parse_apart(raw, limit=LIMIT, depth=3, apart=set())
        with pytest.raises(MalformedError, match="deeper than 2"):
            parse(raw, limit=LIMIT, depth=2)
        with pytest.raises(MalformedError, match="deeper than 2"):
            parse_apart(raw, limit=LIMIT, depth=2, apart=set())


@pytest.mark.parametrize(
    ("raw", "apart", "rest"),
    [
        (b'{"b":1,"a":2,"s":3}', {"s"}, b'{"a":2,"b":1}'),
        (b'{"b":1,"a":2,"s":3}', {"s", "t"}, b'{"a":2,"b":1}'),
        (b'{"s":3}', {"s"}, b"{}"),
        (b'{"s":3}', set(), b'{"s":3}'),
        (b"{}", {"s"}, b"{}"),
        (b'{ "s":3}', set(), b'{"s":3}'),
        (b'{"s": 3,"a":1.50}', {"s"}, b'{"a":1.5}'),
        (b'{"s":1.50,"a":1}', {"s"}, b'{"a":1}'),
        (b'{"a":{"s":1},"s":9007199254740993}', {"s"}, b'{"a":{"s":1}}'),
    ],
)
def test_an_object_is_read_apart(raw: bytes, apart: set[str], rest: bytes) -> None:
    found = parse_apart(raw, limit=LIMIT, apart=apart)
    assert found[:2] == (json.loads(raw), rest)
    assert found.exact == (b"." not in raw)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"[]", "an array"),
        (b"[[1]]", "an array"),
        (b"3", "a number"),
        (b"1.5", "a number"),
        (b"null", "null"),
        (b"true", "true"),
        (b'"s"', "a string"),
    ],
)
def test_only_an_object_is_read_apart(raw: bytes, found: str) -> None:
    with pytest.raises(MalformedError, match=f"^json: has {found}, want an object$"):
        parse_apart(raw, limit=LIMIT, apart={"s"})


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ({"b": 1, "a": [True, None, "é\n\x1f\x7f\u2028\"\\/"]},
         '{"a":[true,null,"é\\n\\u001f\x7f\u2028\\"\\\\/"],"b":1}'),
        ({"\uffff": 1, "\U00010000": 2, "": 3}, '{"":3,"\uffff":1,"\U00010000":2}'),
        ([1e-7, 1e16, 1e22, 0.1, -0.0, 1e5], "[1e-07,1e+16,1e+22,0.1,-0.0,100000.0]"),
        ([2**53, 2**63, -(2**80)], "[9007199254740992,9223372036854775808,"
                                   "-1208925819614629174706176]"),
        ((1, 2), "[1,2]"),
    ],
)  # fmt: skip
def test_canonical_bytes_are_pythons(value: Any, want: str) -> None:
    assert canonical(value) == want.encode()


def test_what_is_not_json_has_no_canonical_bytes() -> None:
    from uuid import UUID

    for wrong in (float("nan"), [float("inf")], UUID(int=1), b"", {1, 2}, "\ud800", {"\ud800": 1}):
        with pytest.raises((TypeError, ValueError)):
            canonical(wrong)


def test_canonical_without_leaves_out_the_outer_members_only() -> None:
    assert canonical_without({"b": {"a": 1}, "a": 2}, {"a"}) == b'{"b":{"a":1}}'


def test_a_type_that_prints_itself_is_not_exact() -> None:
    class Loud(str):
        pass

    assert made_of({"a": [1, "x", None, True]}, EXACT)
    for value in (1.5, [1.5], {"a": [1.5]}, [(1,)], [Loud("x")], {"a": {"b": {"c": {1}}}}):
        assert not made_of(value, EXACT)
