"""Whether a log has grown by anything but what it states of its own anchors and beacons.

These alone must cause no anchor, since every anchor is the cause of more of them.
"""

from translog.formats.canonical import parse
from translog.formats.entry import Entry
from translog.pith.event import MAX_EVENT_BYTES, TIME_BEACON
from translog.store import anchors, log
from translog.store.bodies import unpack
from translog.store.database import Connection, transaction

QUIET_TYPES = frozenset({TIME_BEACON, "timestamp_anchor"})
CHUNK = 256


def has_grown(db: Connection, own_key_sha256: bytes, since: int, size: int) -> bool:
    """Tell whether any of the leaves [since, size) is more than an anchor's echo.

    How far the answer is no is remembered, so that a leaf is looked at once.

    Args:
        own_key_sha256: the hash of the log's own key, as entries have it.
    """
    at = first_news(db, own_key_sha256, since, size)
    if at > anchors.read_quiet_to(db):
        with transaction(db):
            anchors.write_quiet_to(db, at)
    return at < size


def first_news(db: Connection, own_key_sha256: bytes, since: int, size: int) -> int:
    """Return the first of the leaves [since, size) that is more than an anchor's echo, or size."""
    at = max(since, anchors.read_quiet_to(db))
    while at < size:
        for leaf in log.read_leaves(db, at, min(CHUNK, size - at)):
            if not _is_quiet(leaf, own_key_sha256):
                return at
            at += 1
    return at


def _is_quiet(leaf: log.Leaf, own_key_sha256: bytes) -> bool:
    if Entry.parse(leaf.entry).key_sha256 != own_key_sha256:
        return False
    content = parse(unpack(leaf.body, limit=MAX_EVENT_BYTES), limit=MAX_EVENT_BYTES)
    return content["event_type"] in QUIET_TYPES
