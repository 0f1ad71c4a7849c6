"""Canonical JSON: docs/formats/canonical.md. The one byte form of a value, and strict parsing.

Canonical bytes are what Python's own encoder writes; a text is accepted only if the strict
standard parser accepts it. orjson does both several times faster, and differs in four ways: it
keeps the last of two equal keys, reads integers of 2^64 and more as floats, prints floats its own
way, and serializes types that are not JSON. Its results are therefore used only where they are
provably the same:

- `made_of(value, EXACT)`: every value is a dict, list, str, int, bool or None, so there is no
  float to print, and none that was an integer in the text.
- OPT_STRICT_INTEGER: orjson itself refuses integers beyond 53 bits.
- A text is *compact* when it is as long as orjson's compact form of its value. That form spends
  the least possible on every token (no white space, shortest escapes, shortest integers), and a
  key that occurs twice costs at least five more bytes (`"":0,`). So a text as short as that has
  no key twice, and strict parsing would give the same value.

Whatever is not proved goes to the standard library, which decides.
"""

import json
from collections import Counter
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

import orjson

from translog.errors import MalformedError, TooLargeError
from translog.formats.strict import kind

MAX_DEPTH = 64  # arrays and objects inside each other; `[]` is one deep
INTEGERS = range(-(2**63), 2**63)

EXACT: frozenset[type] = frozenset({str, int, bool, type(None)})
SCALARS = EXACT | {float}
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of a JSON value.

    Raises:
        TypeError, ValueError: the value is not JSON, which is a bug of the caller.
    """
    if made_of(value, EXACT):
        return canonical_exact(value)
    return _standard(value)


def canonical_exact(value: Any) -> bytes:
    """Return the same of a value that is known to be `made_of` EXACT: nobody looks again."""
    text = compact(value)
    return _standard(value) if text is None else text


def _standard(value: Any) -> bytes:
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def canonical_without(value: Mapping[str, Any], apart: Set[str]) -> bytes:
    """Return the canonical bytes of an object less the members named in `apart`."""
    return canonical({name: member for name, member in value.items() if name not in apart})


def parse(raw: bytes, *, limit: int, depth: int = MAX_DEPTH) -> Any:
    """Read JSON, strictly.

    Raises:
        TooLargeError: more than `limit` bytes; nothing else was looked at.
        MalformedError: not JSON in UTF-8, or a BOM, a lone surrogate, a key twice in one object,
            NaN, an infinite or an out of range number, or nesting deeper than `depth`.
    """
    value = _read(raw, limit)
    if made_of(value, EXACT, depth):
        text = compact(value)
        if text is not None and len(text) == len(raw):
            return value
    return _decide(raw, value, depth)


class Apart(NamedTuple):
    """An object, and what is left of it without some of its members.

    Attributes:
        value: the whole object.
        rest: the canonical bytes of it less those members.
        exact: it is known to be `made_of` EXACT.
    """

    value: dict[str, Any]
    rest: bytes
    exact: bool


def parse_apart(raw: bytes, *, limit: int, apart: Set[str], depth: int = MAX_DEPTH) -> Apart:
    """Read an object, strictly: return it, and the canonical bytes of it less some members.

    The same as `parse` and `canonical_without`, in one go: a signed document leaves out the
    members that hold its own hash and signature, and its bytes are written once for both the
    hash and the proof that the text is compact.

    Raises:
        TooLargeError, MalformedError: as `parse`, or not an object.
    """
    value = _read(raw, limit)
    exact = type(value) is dict and made_of(value, EXACT, depth)
    if exact:
        members = value.copy()
        cut = compact({name: members.pop(name) for name in apart if name in members})
        rest = compact(members)
        if rest is not None and cut is not None:
            # {a} and {b} make {a,b}: two braces less and a comma more. {} adds nothing.
            saved = 1 if len(rest) > 2 and len(cut) > 2 else 2
            if len(rest) + len(cut) - saved == len(raw):
                return Apart(value, rest, exact)
    value = _decide(raw, value, depth)
    if type(value) is not dict:
        raise MalformedError(f"json: has {kind(value)}, want an object")
    return Apart(value, canonical_without(value, apart), exact)


def made_of(value: Any, scalars: frozenset[type], depth: int = MAX_DEPTH) -> bool:
    """Say whether every value inside is an object, an array or one of `scalars`, within `depth`.

    Types are compared exactly: a subclass may print itself in another way.
    """
    level = [value]
    for _ in range(depth):
        deeper: list[Any] = []
        for member in level:
            kind = type(member)
            if kind is str:  # almost every one is, and all `scalars` have it
                continue
            if kind is dict:
                deeper += member.values()
            elif kind is list:
                deeper += member
            elif kind not in scalars:
                return False
        if not deeper:
            return True
        level = deeper
    return scalars.issuperset(map(type, level))


def _read(raw: bytes, limit: int) -> Any:
    """Return what orjson reads: right, but for repeated keys and numbers out of range."""
    if len(raw) > limit:
        raise TooLargeError(f"json: has {len(raw)} bytes, want at most {limit}")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"json: {error}") from error


def compact(value: Any) -> bytes | None:
    """Return the canonical bytes of a value `made_of` EXACT, or None where orjson cannot tell."""
    try:
        return orjson.dumps(value, option=_SORTED)
    except orjson.JSONEncodeError:
        return None


def _decide(raw: bytes, value: Any, depth: int) -> Any:
    """Parse with the standard library what orjson has read as `value`, and refuse the rest."""
    # First the depth, of the value at hand, so that the recursive parser never goes deeper.
    if not made_of(value, SCALARS, depth):
        raise MalformedError(f"json: nests deeper than {depth}")
    return _STRICT.decode(raw.decode())


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise MalformedError(f"json: has the key {twice[:80]!r} twice in one object")
    return members


def _bounded(digits: str) -> int:
    # Never a long run of digits: orjson has refused what is too large for a float.
    integer = int(digits)
    if integer not in INTEGERS:
        raise MalformedError(f"json: {digits[:80]!r} is out of range, want -2^63 <= n < 2^63")
    return integer


_STRICT = json.JSONDecoder(object_pairs_hook=_distinct, parse_int=_bounded)
