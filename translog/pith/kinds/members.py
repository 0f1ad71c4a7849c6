"""What payloads are made of beyond `shape`: bounded texts and numbers, choices, URLs, lists.

Each function looks at the member `name` of a payload that has it, as those of `shape` do, and
raises MalformedError unless it is exactly of that kind.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from translog.errors import MalformedError
from translog.formats.strict import MAX_SIZE, shown
from translog.pith import shape

MAX_TEXT_CHARS = 4_096
MAX_URL_CHARS = 2_048
MAX_ITEMS = 256

# Host and port, and then what RFC 3986 allows. Without a user: it could pass for a host.
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:[/?#][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)?")


def text(members: Mapping[str, Any], name: str, what: str) -> str:
    """A string of at most MAX_TEXT_CHARS characters, also an empty one."""
    value = members[name]
    if type(value) is not str or len(value) > MAX_TEXT_CHARS:
        refuse(value, name, what, f"a string of at most {MAX_TEXT_CHARS} characters")
    return value


def integer(members: Mapping[str, Any], name: str, what: str, lowest: int = 0) -> int:
    """An integer from `lowest` to MAX_SIZE."""
    value = members[name]
    if type(value) is not int or not lowest <= value <= MAX_SIZE:
        refuse(value, name, what, f"an integer from {lowest}")
    return value


def choice(members: Mapping[str, Any], name: str, what: str, among: Collection[str]) -> str:
    """One of these strings."""
    value = members[name]
    if type(value) is not str or value not in among:
        refuse(value, name, what, f"one of {', '.join(sorted(among))}")
    return value


def url(members: Mapping[str, Any], name: str, what: str) -> str:
    """An absolute URL of http or https, in ASCII, without a user."""
    value = members[name]
    if type(value) is not str or len(value) > MAX_URL_CHARS or not _URL.fullmatch(value):
        refuse(value, name, what, f"a URL like https://example.org/, {MAX_URL_CHARS} at most")
    return value


def optional(
    check: Callable[[Mapping[str, Any], str, str], object],
    members: Mapping[str, Any],
    name: str,
    what: str,
) -> None:
    """Null, or what `check` passes."""
    if members[name] is not None:
        check(members, name, what)


def labels(members: Mapping[str, Any], name: str, what: str) -> list[str]:
    """Labels, each once, in ascending order; at most MAX_ITEMS, perhaps none."""
    values = shape.array(members, name, what)
    if len(values) > MAX_ITEMS:
        refuse(values, name, what, f"at most {MAX_ITEMS}")
    for value in values:
        shape.label({name: value}, name, what)
    if values != sorted(set(values)):
        refuse(values, name, what, "them in ascending order, each once")
    return values


def refuse(value: Any, name: str, what: str, want: str) -> NoReturn:
    """Say that a member is not what it has to be."""
    raise MalformedError(f"{what} {name} is {shown(value)}, want {want}")
