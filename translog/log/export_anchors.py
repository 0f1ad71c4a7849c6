"""The part of an export that is about anchors: .ots files of what is anchored for good.

Of each final anchor, the file of its last event is written after those of the others: it says that
they are there.
"""

from pathlib import Path
from typing import Protocol

from translog.errors import MissingError
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.formats.note import Verifier
from translog.formats.published import event_path
from translog.log import anchored
from translog.log.anchored import Anchored, Covers
from translog.store import anchors, files, log
from translog.store.database import Connection

CHUNK = 256
FOLDER = "anchors"
LIST = "anchors.json"
ENDING = ".ots"


class Write(Protocol):
    """How files of an export are written."""

    def write(self, path: str, content: bytes) -> None: ...

    def write_changed(self, path: str, content: bytes) -> None: ...


def write_anchors(db: Connection, verifier: Verifier, out: Path, writer: Write) -> None:
    """Write what is new of anchors, or has changed.

    Raises:
        UnavailableError: the disk refused.
    """
    start = 0
    covers = Covers(each for each in anchors.read_covers(db, 0) if each.state == "final")
    for size in anchors.read_final_sizes(db):
        found = anchored.of_size(db, size, verifier)
        own = f"{FOLDER}/{size}"
        stamp = found.checkpoint_file()
        # Where a larger tree is in an older block, its files show more, and stay.
        is_best = covers.of(size - 1) == found.row.anchor_id
        if is_best and not _is_written(db, found, out):
            _write_events(db, found, start, size, writer)
        if _read(out / (own + ENDING)) != stamp:
            writer.write(own, found.row.note)
            writer.write(own + ENDING, stamp)
        start = size if is_best else start
    page = anchored.page(db, None)
    if page["anchors"]:
        listed = {"origin": verifier.name, "anchored": True, "waiting": [], "calendars": []}
        writer.write_changed(LIST, canonical({**listed, **page}))


def _is_written(db: Connection, found: Anchored, out: Path) -> bool:
    """Tell whether the files of an anchor's events are there: the last of them is written last."""
    (leaf,) = log.read_leaves(db, found.row.size - 1, 1)
    path, stamp = _event_file(found, leaf)
    return _read(out / path) == stamp


def _write_events(db: Connection, found: Anchored, start: int, stop: int, writer: Write) -> None:
    for at in range(start, stop, CHUNK):
        for leaf in log.read_leaves(db, at, min(CHUNK, stop - at)):
            writer.write(*_event_file(found, leaf))


def _event_file(found: Anchored, leaf: log.Leaf) -> tuple[str, bytes]:
    entry = Entry.parse(leaf.entry)
    stamp = found.event_file(entry, leaf.leaf_index)
    return event_path(entry.content_sha256) + ENDING, stamp


def _read(path: Path) -> bytes | None:
    try:
        return files.read(path)
    except MissingError:
        return None
