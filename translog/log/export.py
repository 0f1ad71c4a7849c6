"""A log as static files, byte for byte what its server answers: for any web server or bucket.

What is new since the last export is added, and the checkpoint is written last: it is the promise
that everything under it is there. What a crash means: the old checkpoint is still shown, and the
next export writes everything after it once more.
"""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from translog.errors import (
    ConflictError,
    MissingError,
    TooLargeError,
    TranslogError,
    UnavailableError,
    VerificationError,
)
from translog.formats.canonical import canonical
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.entry import Entry, encode_bundle
from translog.formats.keys import key_sha256
from translog.formats.note import NoteSigner
from translog.formats.published import CHECKPOINT, EVENTS, KEYS, encode_events, event_path
from translog.formats.tiles import ENTRIES, FULL, bundle_path, tiles_for
from translog.log import bundler, lookup, reader
from translog.log.directory import DATABASE, LogDirectory, open_reader
from translog.log.export_anchors import write_anchors
from translog.log.registry import pith_key
from translog.pith.event import MAX_EVENT_BYTES, restore
from translog.pith.record import parse_pith_number
from translog.store import files, log, whole
from translog.store.bodies import from_micros, unpack
from translog.store.database import Connection, snapshot
from translog.store.registry import read_signers

ALONE = "of two exports into one folder, the older would undo what the newer writes"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export has done.

    Attributes:
        old_size: what was there before; 0 at first.
        size: what is there now.
        files: how many were written.
        bundles: of records, among them.
        too_large: Pith Numbers with more events than a bundle holds: they have none.
    """

    old_size: int
    size: int
    files: int
    bundles: int
    too_large: tuple[str, ...]


def export(directory: LogDirectory, out: Path, base_url: str, progress: Progress) -> Exported:
    """Bring the files in `out` up to the newest checkpoint.

    Args:
        base_url: where they will be served, without a slash at the end: bundles name it.
        progress: called with the number of events written, and of all there are to write.

    Raises:
        ConflictError: `out` holds something else than an export of this log, or a log; or another
            process exports into it.
        VerificationError: it is an export that this log does not continue.
        MissingError: no checkpoint is signed yet, or the key is not there: a backup has none.
    """
    if (out / DATABASE).exists():
        raise ConflictError(f"{out} is a log itself: export into a directory of its own")
    if directory.path.resolve().is_relative_to(out.resolve()):
        # What is exported is there to be published, with all that lies beside it.
        raise ConflictError(
            f"{out} holds the log's own directory, with its private key: export into a directory"
            " of its own"
        )
    try:
        signer = directory.read_signer()
    except MissingError as error:
        raise MissingError(
            f"{error}. An export signs bundles: put a copy of the log's own key there, mode 0600;"
            " a backup has none"
        ) from error
    with closing(open_reader(directory)) as db:
        with snapshot(db):
            reader.checkpoint_note(db)  # where there is none, nothing is made
        files.make_folder(out)
        with files.alone_in(out, ALONE), snapshot(db):
            return _export(db, directory, out, base_url, signer, progress)


def _export(
    db: Connection,
    directory: LogDirectory,
    out: Path,
    base_url: str,
    signer: NoteSigner,
    progress: Progress,
) -> Exported:
    note = reader.checkpoint_note(db)
    new = open_checkpoint(note, directory.verifier)
    old_size = _old_size(db, out, directory, new)
    writer = _Writer(out)
    bundles = _Bundles(db, new.size, signer, base_url, writer)
    if old_size < new.size:
        _write_events(db, old_size, new.size, writer, bundles, progress)
        _write_tiles(db, old_size, new.size, writer)
        _write_disowned(db, old_size, new.size, bundles)
    write_anchors(db, directory.verifier, out, writer)
    own = pith_key(directory.verifier, base_url)
    writer.write_changed(KEYS, reader.keys_json(db, own))
    if not _holds(out / CHECKPOINT, note):  # a head of the same size may be cosigned by now
        os.sync()  # everything under the checkpoint, before the checkpoint
        files.write_atomically(out / CHECKPOINT, note)
        writer.count += 1
    return Exported(
        old_size=old_size,
        size=new.size,
        files=writer.count,
        bundles=bundles.count,
        too_large=tuple(bundles.too_large),
    )


def _holds(path: Path, content: bytes) -> bool:
    try:
        return files.read(path) == content
    except MissingError:
        return False


def _old_size(db: Connection, out: Path, directory: LogDirectory, new: SignedCheckpoint) -> int:
    """Return the size of the log that is in `out` already."""
    try:
        raw = files.read(out / CHECKPOINT)
    except MissingError:
        return 0
    try:
        old = open_checkpoint(raw, directory.verifier)
    except TranslogError as error:
        raise ConflictError(f"{out} is not an export of {directory.origin}: {error}") from error
    if old.size > new.size:
        raise VerificationError(
            f"{out} has {old.size} events, and this log {new.size}: it is an old copy of the log"
        )
    if reader.root_at(db, old.size) != old.root:
        raise VerificationError(
            f"{out} has another tree of {old.size} events than this log: both are signed by it"
        )
    return old.size


def _write_events(
    db: Connection,
    old_size: int,
    size: int,
    writer: "_Writer",
    bundles: "_Bundles",
    progress: Progress,
) -> None:
    """Write entries and events under every tile of level 0 that is new or has grown."""
    for tile in tiles_for(old_size, size):
        if tile.level:
            return
        start = tile.index * FULL
        leaves = reader.leaves(db, start, tile.width)
        contents = [unpack(leaf.body, limit=MAX_EVENT_BYTES) for leaf in leaves]
        for leaf, content in zip(leaves, contents, strict=True):
            if leaf.leaf_index >= old_size:
                entry = Entry.parse(leaf.entry)
                writer.write(event_path(entry.content_sha256), content)
                bundles.write_if_last(leaf, content)
        entries = encode_bundle(leaf.entry for leaf in leaves)
        writer.write(bundle_path(ENTRIES, tile.index, tile.width), entries)
        writer.write(bundle_path(EVENTS, tile.index, tile.width), encode_events(contents))
        progress(start + tile.width - old_size, size - old_size)


def _write_tiles(db: Connection, old_size: int, size: int, writer: "_Writer") -> None:
    for tile in tiles_for(old_size, size):
        writer.write(tile.path, reader.tile(db, size, tile))


def _write_disowned(db: Connection, old_size: int, size: int, bundles: "_Bundles") -> None:
    """Write bundles again whose events count no more, since their key was said to be lost."""
    for permit in read_signers(db):
        since, decided = permit.compromised_since, permit.compromise_index
        if since is None or decided is None or not old_size <= decided < size:
            continue
        key = key_sha256(permit.key.public_key)
        for start in range(since, old_size, FULL):
            for leaf in log.read_leaves(db, start, min(FULL, old_size - start)):
                bundles.write_if_disowned(leaf, key, old_size)


class _Bundles:
    """Writes the bundle of each record once, at the last of its events that call for it."""

    def __init__(
        self, db: Connection, size: int, signer: NoteSigner, base_url: str, writer: "_Writer"
    ) -> None:
        self._db = db
        self._size = size
        self._signer = signer
        self._base_url = base_url
        self._writer = writer
        self.count = 0
        self.too_large: list[str] = []

    def write_if_last(self, leaf: log.Leaf, content: bytes) -> None:
        self._write_at(leaf, content, lambda _: True)

    def write_if_disowned(self, leaf: log.Leaf, key: bytes, old_size: int) -> None:
        """Write a bundle at the last event of a key, unless a new event has had it written."""

        def is_disowned(leaf: log.Leaf) -> bool:
            return Entry.parse(leaf.entry).key_sha256 == key

        if is_disowned(leaf):
            content = unpack(leaf.body, limit=MAX_EVENT_BYTES)
            self._write_at(
                leaf, content, lambda later: later.leaf_index >= old_size or is_disowned(later)
            )

    def _write_at(
        self, leaf: log.Leaf, content: bytes, is_later: Callable[[log.Leaf], bool]
    ) -> None:
        """Write the bundle of a leaf's record, unless it is written at a later one."""
        subject = _subject(leaf, content)
        if not subject.startswith("pith:") or self._has_later(leaf.leaf_index, subject, is_later):
            return
        suffix = parse_pith_number(subject).suffix
        try:
            bundle = bundler.bundle(self._db, self._size, suffix, self._signer, self._base_url)
        except MissingError:
            return  # no event creates this record yet: a server answers 404
        except TooLargeError:
            self.too_large.append(subject)
            return
        self._writer.write(f"pith/{suffix}/bundle.json", canonical(bundle))
        self._writer.write(f"pith/{suffix}/state.json", canonical(bundle["state"]))
        self.count += 1

    def _has_later(self, index: int, subject: str, is_later: Callable[[log.Leaf], bool]) -> bool:
        prefix = lookup.of_subject(subject)
        later = whole.find_next_lookup(self._db, prefix, index)
        while later is not None and later < self._size:
            for leaf in log.read_leaves(self._db, later, 1):
                # Another record may share the prefix: only the same one counts.
                content = unpack(leaf.body, limit=MAX_EVENT_BYTES)
                if _subject(leaf, content) == subject and is_later(leaf):
                    return True
            later = whole.find_next_lookup(self._db, prefix, later)
        return False


def _subject(leaf: log.Leaf, content: bytes) -> str:
    """Return the record that a leaf is about, if it is about one: its bundle changes with it."""
    value = restore(content, Entry.parse(leaf.entry).signature, from_micros(leaf.signed_at))
    subject = lookup.found_under(
        value["event_type"], value["subject_pith_number"], value["payload"]
    )
    return str(subject)


class _Writer:
    """Writes files below a directory: each whole or not at all, none durable before a sync."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._made: set[Path] = set()
        self.count = 0

    def write(self, path: str, content: bytes) -> None:
        target = self._out / path
        if target.parent not in self._made:
            files.make_folder(target.parent)
            self._made.add(target.parent)
        new = target.with_name(f".{target.name}.new")
        try:
            new.write_bytes(content)
            new.replace(target)
        except OSError as error:
            raise UnavailableError(f"{target} cannot be written: {files.why(error)}") from error
        self.count += 1

    def write_changed(self, path: str, content: bytes) -> None:
        """Write a file that may be the same as before, and then is left alone."""
        target = self._out / path
        if not target.is_file() or target.read_bytes() != content:
            self.write(path, content)
