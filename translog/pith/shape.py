"""What the members of every Pith document are made of, read strictly.

Each function looks at the member `name` of an object out of parsed JSON (it must be there: `exact`
comes first), and raises MalformedError, naming it as a member of `what`, unless it is exactly
of that kind.
"""

import re
from collections.abc import Mapping, Set
from datetime import datetime
from typing import Any, NoReturn

from translog.errors import MalformedError
from translog.formats.strict import shown

MAX_LABEL_CHARS = 255
SHOWN_MEMBERS = 8  # that are unknown, in a refusal

_HEX_DIGITS = b"0123456789abcdef"
_EVENT_ID = re.compile(r"sha256:[0-9a-f]{64}")
# What a time is when all its digits are made zeros.
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_SECONDS = b"0000-00-00T00:00:00Z"
_MICROS = b"0000-00-00T00:00:00.000000Z"


def exact(value: Any, names: frozenset[str], what: str) -> dict[str, Any]:
    """Return `value` if it is an object with these members and no others."""
    if type(value) is not dict:
        raise MalformedError(f"{what} is {shown(value)}, want an object")
    if value.keys() != names:
        refuse_members(names - value.keys(), value.keys() - names, what)
    return value


def refuse_members(lacks: Set[str], extra: Set[str], what: str) -> NoReturn:
    """Say of an object which of its members are missing, and which nobody knows."""
    found = [f"lacks {', '.join(sorted(lacks))}"] if lacks else []
    if extra:
        more = f" and {len(extra) - SHOWN_MEMBERS} more" if len(extra) > SHOWN_MEMBERS else ""
        names = ", ".join(map(shown, sorted(extra)[:SHOWN_MEMBERS]))
        found.append(f"has unknown members {names}{more}")
    raise MalformedError(f"{what} {' and '.join(found)}")


def constant(members: Mapping[str, Any], name: str, want: str, what: str) -> None:
    """This very string."""
    if members[name] != want:
        _refuse(members[name], name, what, repr(want))


def text(members: Mapping[str, Any], name: str, what: str) -> str:
    """Any string, also an empty one."""
    value = members[name]
    if type(value) is not str:
        _refuse(value, name, what, "a string")
    return value


def label(members: Mapping[str, Any], name: str, what: str) -> str:
    """A string that can be shown on one line: 1 to MAX_LABEL_CHARS printable characters."""
    value = members[name]
    if type(value) is not str or not 0 < len(value) <= MAX_LABEL_CHARS or not value.isprintable():
        _refuse(value, name, what, f"1 to {MAX_LABEL_CHARS} printable characters")
    return value


def array(members: Mapping[str, Any], name: str, what: str) -> list[Any]:
    """An array of anything."""
    value = members[name]
    if type(value) is not list:
        _refuse(value, name, what, "an array")
    return value


def mapping(members: Mapping[str, Any], name: str, what: str) -> dict[str, Any]:
    """An object of anything."""
    value = members[name]
    if type(value) is not dict:
        _refuse(value, name, what, "an object")
    return value


def hex_digits(members: Mapping[str, Any], name: str, size: int, what: str) -> str:
    """The lower-case hex form of `size` bytes."""
    value = members[name]
    if type(value) is not str or len(value) != 2 * size or not _is_hex(value):
        _refuse(value, name, what, f"{2 * size} lower-case hex digits")
    return value


def event_id(members: Mapping[str, Any], name: str, what: str) -> str:
    """`sha256:` and 64 lower-case hex digits."""
    value = members[name]
    if not is_event_id(value):
        _refuse(value, name, what, "sha256: and 64 lower-case hex digits")
    return str(value)


def is_event_id(value: Any) -> bool:
    return type(value) is str and _EVENT_ID.fullmatch(value) is not None


def seconds(members: Mapping[str, Any], name: str, what: str) -> str:
    """A moment in UTC that exists in the calendar, such as 2026-05-17T23:38:53Z."""
    value = members[name]
    if type(value) is not str or _picture(value) != _SECONDS:
        _refuse(value, name, what, "a time like 2026-05-17T23:38:53Z")
    return value


def moment(members: Mapping[str, Any], name: str, what: str) -> str:
    """The same, or with microseconds: 2026-05-17T23:38:53.019823Z."""
    value = members[name]
    if type(value) is not str or _picture(value) not in (_SECONDS, _MICROS):
        _refuse(value, name, what, "a time like 2026-05-17T23:38:53.019823Z")
    return value


def _is_hex(text: str) -> bool:
    return text.isascii() and not text.encode().translate(None, _HEX_DIGITS)


def _picture(time: str) -> bytes | None:
    """Return a time with all its digits made zeros; None if there is no such moment."""
    try:
        datetime.fromisoformat(time)
        picture = time.encode().translate(_ZEROS)
    except ValueError:
        return None
    # Later versions of Python read 24:00 as the next day.
    return None if time[11:13] == "24" else picture


def _refuse(value: Any, name: str, what: str, want: str) -> NoReturn:
    raise MalformedError(f"{what} {name} is {shown(value)}, want {want}")
