"""What a log publishes, and under which paths: docs/formats/audit.md, "What is published".

The paths are the same below a log's URL and in a directory of static files, so that whoever
checks a log need not know where the bytes come from.
"""

import re
from collections.abc import Callable, Iterable

from translog.errors import MalformedError
from translog.formats.tiles import ENTRIES, FULL, Tile, parse_bundle_path

CHECKPOINT = "checkpoint"
KEYS = "keys.json"
EVENT = "event"
EVENTS = "events"

_EVENT = re.compile(rf"{EVENT}/[0-9a-f]{{64}}")

Fetch = Callable[[str, int], bytes]
"""Return the bytes published under a path, unchecked. Called from several threads at once.

Args: the path, as `check_path` accepts it, and the largest number of bytes wanted.

Raises:
    MissingError: nothing is published there.
    TooLargeError: there are more bytes than wanted.
    MalformedError: what is there cannot be unpacked.
    UnavailableError: it cannot be read now.
"""


def check_path(path: str) -> None:
    """Refuse a path under which no log publishes anything.

    Raises:
        MalformedError: it is such a path; `..`, leading zeros and empty parts among them.
    """
    if path in (CHECKPOINT, KEYS):
        return
    if path.startswith(f"{ENTRIES}/"):
        parse_bundle_path(ENTRIES, path)
    elif path.startswith(f"{EVENTS}/"):
        parse_bundle_path(EVENTS, path)
    elif path.startswith(f"{EVENT}/"):
        if not _EVENT.fullmatch(path):
            raise MalformedError(f"path {path[:80]!r} is not {EVENT}/ and 64 lower-case hex digits")
    else:
        Tile.parse(path)


def event_path(content_sha256: bytes) -> str:
    """Return the path of one event's content."""
    return f"{EVENT}/{content_sha256.hex()}"


def encode_events(contents: Iterable[bytes]) -> bytes:
    """Return the content of an events file: one event's canonical content a line."""
    return b"".join([content + b"\n" for content in contents])


def parse_events(raw: bytes, count: int) -> list[bytes]:
    """Cut an events file into lines, without looking at what they hold.

    Args:
        count: how many there must be, 1 to 256: the width in the file's path.

    Raises:
        MalformedError: fewer or more lines than that, or the last one does not end.
    """
    if not 1 <= count <= FULL:
        raise ValueError(f"events file of {count} lines, want 1 to {FULL}")
    *lines, rest = raw.split(b"\n")
    if rest or len(lines) != count:
        raise MalformedError(
            f"events file has {len(lines)} lines and {len(rest)} bytes after the last, "
            f"want {count} lines"
        )
    return lines
