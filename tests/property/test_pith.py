"""Pith: canonical JSON against the standard library, and merges of any events in any order."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.payloads import attested
from tests.unit.pith.sample import ALICE, BOB, MALLORY, NUMBER, RECORD, created, note_event
from tests.unit.pith.test_quick import is_told_quickly, whole
from translog.errors import MalformedError, TranslogError
from translog.formats.canonical import (
    EXACT,
    canonical,
    canonical_without,
    made_of,
    parse,
    parse_apart,
)
from translog.pith import bundle, event
from translog.pith.kinds import correction
from translog.pith.merge import merge

LIMIT = 1 << 20

# ---- JSON texts, written one token at a time so that every spelling can occur ----

numbers = st.sampled_from(
    [
        "0",
        "-0",
        "1",
        "-1",
        "9007199254740991",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709610000",
        "123456789012345678901234567890",
        "1.0",
        "1.50",
        "-0.0",
        "1e5",
        "1E+5",
        "1e-7",
        "1e16",
        "1e22",
        "1e400",
        "-1e999",
        "1e-400",
        "5e-324",
        "0.1",
        "123456789.123456789",
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "+1",
    ]
) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
characters = st.sampled_from(
    [
        "a",
        "b",
        "é",
        "\u2028",
        "\U0001f600",
        "\x7f",
        "\\n",
        "\\/",
        "\\u0061",
        "\\u00e9",
        "\\u001F",
        "\\u0000",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\udc00",
        "\\\\",
        '\\"',
        ",",
        ":1.5",
        "[",
        "{",
        "\n",
        "\x1f",
        "\\x",
    ]
)
strings = st.lists(characters, max_size=4).map(lambda parts: f'"{"".join(parts)}"')
plain_strings = st.text("abé", max_size=2).map(lambda text: f'"{text}"')
spaces = st.sampled_from(["", "", "", " ", "\n", "\t", "\f"])


def texts(numbers: Any, strings: Any, spaces: Any) -> Any:
    scalars = numbers | strings | st.sampled_from(["true", "false", "null"])

    def containers(inside: Any) -> Any:
        member = st.tuples(strings, spaces, inside, spaces).map(
            lambda p: f"{p[0]}{p[1]}:{p[2]}{p[3]}"
        )
        return st.tuples(spaces, st.lists(inside, max_size=4)).map(
            lambda p: f"[{p[0]}{','.join(p[1])}]"
        ) | st.lists(member, max_size=5).map(lambda members: f"{{{','.join(members)}}}")

    return st.recursive(scalars, containers, max_leaves=12).map(str.encode)


spelled = texts(numbers, strings, spaces)
compact = texts(st.integers(-(2**54), 2**54).map(str), plain_strings, st.just(""))
floating = texts(numbers, plain_strings, spaces)
deep = st.tuples(st.integers(60, 70), st.sampled_from(["[%s]", '{"a":%s}', "[ %s]"]), compact).map(
    lambda p: _nested(p[0], p[1], p[2])
)


def _nested(depth: int, shape: str, inner: bytes) -> bytes:
    text = inner.decode()
    for _ in range(depth):
        text = shape % text
    return text.encode()


def strict(raw: bytes) -> Any:
    """Read strict JSON with the standard library alone, or raise ValueError. Slow and plain."""

    def refuse(token: str) -> None:
        raise ValueError(token)

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("key twice")
        return dict(pairs)

    def check(value: Any, depth: int) -> None:
        if isinstance(value, dict | list):
            if depth == 64:
                raise ValueError("deep")
            names = list(value) if isinstance(value, dict) else []
            for inside in [*names, *(value.values() if isinstance(value, dict) else value)]:
                check(inside, depth + 1)
        elif isinstance(value, str):
            value.encode()
        elif isinstance(value, float):
            if value in (float("inf"), float("-inf")):
                raise ValueError("infinite")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("large")

    text = raw.decode("utf-8")
    value = json.loads(text, object_pairs_hook=distinct, parse_constant=refuse)
    check(value, 0)
    return value


def dumps(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@settings(max_examples=600)
@given(raw=spelled | compact | floating | deep | st.binary(max_size=20))
def test_parse_accepts_exactly_what_a_strict_standard_parser_accepts(raw: bytes) -> None:
    try:
        want = strict(raw)
    except ValueError:
        with pytest.raises(MalformedError):
            parse(raw, limit=LIMIT)
        with pytest.raises(MalformedError):
            parse_apart(raw, limit=LIMIT, apart={"a"})
        return
    value = parse(raw, limit=LIMIT)
    assert repr(value) == repr(want)  # repr tells 1 from 1.0 and True, and 0.0 from -0.0
    assert canonical(value) == dumps(value)
    if isinstance(value, dict):
        whole, rest, exact = parse_apart(raw, limit=LIMIT, apart={"a", "é"})
        assert exact == made_of(want, EXACT)
        assert repr(whole) == repr(want)
        assert rest == dumps({k: v for k, v in want.items() if k not in {"a", "é"}})
        assert rest == canonical_without(want, {"a", "é"})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inside)
    ),
    max_leaves=10,
)


@settings(max_examples=300)
@given(value=json_values)
def test_canonical_bytes_are_the_standard_librarys(value: Any) -> None:
    assert canonical(value) == dumps(value)


@given(raw=st.binary(max_size=200) | spelled)
def test_no_bytes_raise_anything_but_the_declared_errors(raw: bytes) -> None:
    for read in (event.parse, bundle.parse):
        with pytest.raises(MalformedError):
            read(raw)


WHOLE = [created(ALICE), note_event(ALICE), note_event(BOB)]
PATHS = sorted(
    {(name,) for name in WHOLE[0]}
    | {(name, inner) for name in ("signer", "signature", "payload") for inner in WHOLE[0][name]}
)


@settings(max_examples=200)
@given(path=st.sampled_from(PATHS), new=json_values)
def test_an_event_with_one_member_changed_is_refused_or_only_redated(path: Any, new: Any) -> None:
    value = json.loads(json.dumps(WHOLE[0]))
    inside = value if len(path) == 1 else value[path[0]]
    if canonical(inside[path[-1]]) == canonical(new):
        return
    inside[path[-1]] = new
    try:
        read = event.parse(canonical(value))
        event.verify(read, ALICE.public_key)
        event.check_subject(read)
    except TranslogError:
        return
    raise AssertionError(f"accepted {path} = {new!r}")


# ---- merges ----

first = note_event(ALICE)
POOL = [
    created(ALICE),
    created(BOB),
    first,
    note_event(ALICE, payload=attested(ALICE.public_key, 1), prev_event=first["event_id"]),
    note_event(ALICE, payload=attested(ALICE.public_key, 2), prev_event=first["event_id"]),
    note_event(BOB, payload=attested(BOB.public_key, 3), prev_event=first["event_id"]),
    note_event(ALICE, payload=attested(ALICE.public_key, 4), supersedes=[first["event_id"]]),
    note_event(BOB, payload=attested(BOB.public_key, 5), supersedes=[first["event_id"]]),
    note_event(MALLORY),
    *(
        note_event(
            key,
            event_type="correction",
            payload=correction.build(
                action="retraction", corrected_event=first["event_id"], reason="no"
            ),
        )
        for key in (ALICE, BOB)
    ),
    note_event(ALICE, event_type="something_later"),
    note_event(ALICE, subject_pith_number=NUMBER[:-1] + "A"),
    {**first, "event_id": "sha256:" + "0" * 64},
    {**first, "target": "elsewhere"},
    {**first, "extra": 1},
    {**first, "signature": note_event(ALICE, target="other")["signature"]},
    {**first, "signature": {**first["signature"], "signed_at": "2031-01-01T00:00:00.000000Z"}},
    {},
    {"event_id": []},
]


@settings(max_examples=150)
@given(data=st.data(), chosen=st.sets(st.integers(0, len(POOL) - 1)))
def test_a_merge_depends_on_neither_order_nor_repetition(data: Any, chosen: set[int]) -> None:
    keys = [ALICE.public_key, BOB.public_key]
    want = merge(NUMBER, RECORD, [], [POOL[i] for i in sorted(chosen)], keys)
    repeated = data.draw(st.lists(st.sampled_from(sorted(chosen)))) if chosen else []
    again = data.draw(st.permutations(sorted(chosen) + repeated))
    assert merge(NUMBER, RECORD, [], [POOL[i] for i in again], keys[::-1]) == want
    counted = want["valid_event_count"] + want["invalid_event_count"]
    assert want["event_count"] == counted
    contradicted = {e for each in want["equivocations"] for e in each["event_ids"]}
    assert len(want["applied_event_ids"]) == want["valid_event_count"] - len(contradicted)
    assert not contradicted & set(want["applied_event_ids"])


@given(text=spelled | compact | floating | deep)
def test_quick_reading_reads_what_slow_reading_does_and_nothing_else(text: bytes) -> None:
    try:
        value = parse(text, limit=LIMIT)
    except MalformedError:
        value = "unknown"
    event_ = whole({**note_event(ALICE), "event_type": "a later one", "payload": {"x": value}})
    raw = canonical(event_)
    is_told_quickly(raw)
    is_told_quickly(raw.replace(b'{"x":' + canonical(value), b'{"x":' + text))
