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
    known = anchors.read_quiet_to(db)
    at = max(since, known)
    found = False
    while at < size and not found:
        for leaf in log.read_leaves(db, at, min(CHUNK, size - at)):
            found = not _is_quiet(leaf, own_key_sha256)
            if found:
                break
            at += 1
    if at > known:
        with transaction(db):
            anchors.write_quiet_to(db, at)
    return found


def _is_quiet(leaf: log.Leaf, own_key_sha256: bytes) -> bool:
    if Entry.parse(leaf.entry).key_sha256 != own_key_sha256:
        return False
    content = parse(unpack(leaf.body, limit=MAX_EVENT_BYTES), limit=MAX_EVENT_BYTES)
    return content["event_type"] in QUIET_TYPES
