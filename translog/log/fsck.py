"""Looks at everything a log has stored, and names the first row that is wrong.

Every event is unpacked and hashed, its signature is verified, and the tree is made again from the
entries; then tiles, lookups, head, checkpoints and the copy of the last signed head are compared
with that, and the registry with what the entries say of it. What stands under no hash can be any
value of its kind: the times of signatures and checkpoints, and what a key may write that no entry
allows.

It reads one commit, from start to end, and takes no lock: it may run beside a writer.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from translog.errors import (
    MalformedError,
    MissingError,
    TranslogError,
    VerificationError,
)
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.entry import Entry
from translog.formats.merkle import HASH_BYTES, Hash, leaf_hash
from translog.formats.note import open_note
from translog.formats.policy import LogKey
from translog.formats.tiles import FULL, Tile, fold_perfect
from translog.log import lookup, reader
from translog.log.directory import LogDirectory, find, open_reader
from translog.log.fsck_anchors import check_anchors
from translog.log.fsck_cosignatures import check_cosignatures
from translog.log.fsck_registry import (
    Replay,
    Ring,
    check_signers,
    check_text,
    check_time,
    named,
)
from translog.pith import event as events
from translog.pith.event import Event
from translog.store import files, log, whole
from translog.store.bodies import from_micros, unpack
from translog.store.database import Connection, is_damage, snapshot

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found right, and how much of it.

    Attributes:
        origin: the log's name.
        size, root: the tree, made again from the entries.
        checkpoints: signed heads, all of them heads of this tree.
        signed_size: the size of the newest of them; None before the first.
        keys: in the registry.
        unstated_keys: those of them that no entry allows, apart from the log's own.
        anchors: checkpoints that were given to calendars.
        has_key: whether the log's private key is there, too.
    """

    origin: str
    size: int
    root: Hash
    checkpoints: int
    signed_size: int | None
    keys: int
    unstated_keys: int
    anchors: int
    has_key: bool


def fsck(path: Path, progress: Progress) -> Checked:
    """Check the log at `path`.

    Args:
        progress: called now and then with the number of events checked, and of all.

    Raises:
        VerificationError: something is wrong; the message names the row.
        MissingError, UnavailableError: there is no log, or it cannot be read.
    """
    with _damage_is_failure(path):
        directory = find(path)
        has_key = _check_key(directory)
        # Before the snapshot: a head signed meanwhile is then in the database, and not ahead.
        copy = _read_copy(directory)
        with closing(open_reader(directory)) as db, snapshot(db):
            damage = whole.find_damage(db)
            if damage is not None:
                raise VerificationError(f"{directory.database}: SQLite finds {damage[:300]}")
            head = log.read_head(db)
            ring = check_signers(db)
            replay = Replay(db, directory.verifier, ring)
            _check_leaves(db, head, ring, replay, progress)
            unstated = replay.finish(directory.origin)
            signed = _check_checkpoints(db, head, directory)
            if copy is not None:
                _check_in_tree(db, head, copy, str(directory.signed_head))
            _check_copy(directory, signed)
            check_cosignatures(db, directory)
            check_anchors(db, directory, head.size)
            return Checked(
                origin=directory.origin,
                size=head.size,
                root=head.root,
                checkpoints=whole.count_rows(db, "checkpoint"),
                signed_size=signed,
                keys=len(ring),
                unstated_keys=unstated,
                anchors=whole.count_rows(db, "anchor"),
                has_key=has_key,
            )


@contextmanager
def _damage_is_failure(path: Path) -> Iterator[None]:
    """Tell a file that SQLite cannot make sense of from one it cannot read."""
    try:
        yield
    except VerificationError:
        raise
    except TranslogError as error:
        if is_damage(error.__cause__):
            raise VerificationError(
                f"{path}: the database file is damaged: {error.__cause__}"
            ) from error
        raise


def _check_key(directory: LogDirectory) -> bool:
    """Check that the key is the log's, where there is one: a backup has none."""
    try:
        with named("row of log"):
            directory.read_signer()
    except VerificationError as error:
        if isinstance(error.__cause__, MissingError):
            return False
        raise
    return True


# Leaves and the tree


def _check_leaves(
    db: Connection, head: log.Head, ring: Ring, replay: Replay, progress: Progress
) -> None:
    """Check leaves, their lookups and the tree that they make, one tile's worth at a time."""
    tree = _Tree(db)
    listed = 0
    for start in range(0, head.size, FULL):
        leaves = log.read_leaves(db, start, min(FULL, head.size - start))
        lookups: set[tuple[int, int]] = set()
        texts = whole.read_raw_texts(db, start, start + FULL)
        for index, leaf in zip(range(start, min(start + FULL, head.size)), leaves, strict=False):
            if leaf.leaf_index != index:
                raise VerificationError(f"leaf {index} is missing")
            with named(f"leaf {index}"):
                event = _check_leaf(leaf, ring)
                replay.follow(event, index)
                if index in texts:
                    check_text(texts[index], event)
                lookups.update(_lookups(event, index))
        if start + len(leaves) < min(start + FULL, head.size):
            raise VerificationError(f"leaf {start + len(leaves)} is missing")
        missing = whole.find_missing_lookups(db, sorted(lookups))
        if missing:
            raise VerificationError(
                f"lookup of leaf {missing[0][1]} under {missing[0][0]} is missing"
            )
        listed += len(lookups)
        tree.add(0, [leaf_hash(leaf.entry) for leaf in leaves])
        progress(start + len(leaves), head.size)
    for table, of in whole.BY_LEAF.items():
        stray = whole.find_stray(db, table, head.size)
        if stray is not None:
            raise VerificationError(f"{of} {stray} is stored, and the head's size is {head.size}")
    if sum(whole.count_rows(db, table) for table in whole.LOOKUPS) != listed:
        _name_stray_lookup(db, head.size)
    tree.finish()
    root = reader.root_at(db, head.size)
    if root != head.root:
        raise VerificationError(
            f"head has root {head.root.hex()}, and the {head.size} leaves make {root.hex()}"
        )


def _check_leaf(leaf: log.Leaf, ring: Ring) -> Event:
    """Check one event in all its parts, and return it."""
    entry = Entry.parse(leaf.entry)
    content = unpack(leaf.body, limit=events.MAX_EVENT_BYTES)
    computed = sha256(content).digest()
    if computed != entry.content_sha256:
        raise MalformedError(
            f"body has SHA-256 {computed.hex()}, its entry {entry.content_sha256.hex()}"
        )
    signed_at = from_micros(leaf.signed_at)
    event = events.from_value(events.restore(content, entry.signature, signed_at))
    public_key = ring.get(entry.key_sha256)
    if public_key is None:
        raise MalformedError(f"key with SHA-256 {entry.key_sha256.hex()} is not in the registry")
    events.verify(event, public_key)
    return event


def _lookups(event: Event, index: int) -> set[tuple[int, int]]:
    """Return the lookup rows that an event must have."""
    payload = event.value["payload"]
    prefixes = lookup.all_of(event.content_sha256, event.event_type, event.subject, payload)
    return {(prefix, index) for prefix in prefixes}


class _Tree:
    """Makes the rows of every tile from the leaves, and compares each tile with what is stored."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._levels: list[list[Hash]] = []  # of each level's last tile, what it holds so far
        self._counts: list[int] = []  # hashes in each level, that tile's included

    def add(self, level: int, hashes: list[Hash]) -> None:
        """Append hashes that do not go over the end of the level's tile."""
        if level == len(self._levels):
            self._levels.append([])
            self._counts.append(0)
        self._levels[level] += hashes
        self._counts[level] += len(hashes)
        if len(self._levels[level]) == FULL:
            full = self._levels[level]
            self._compare(level, full)
            self._levels[level] = []
            self.add(level + 1, [fold_perfect(full)])

    def finish(self) -> None:
        """Compare the partial tiles, and make sure that there is nothing else."""
        for level, hashes in enumerate(self._levels):
            if hashes:
                self._compare(level, hashes)
        rows = {level: -(-count // log.ROW_HASHES) for level, count in enumerate(self._counts)}
        for row_id in whole.read_tile_rows(self._db):
            level, number = row_id >> log.LEVEL_SHIFT, row_id & (1 << log.LEVEL_SHIFT) - 1
            if number >= rows.get(level, 0):
                raise VerificationError(
                    f"tile row {row_id} (level {level}, number {number}) is not in this tree"
                )

    def _compare(self, level: int, want: list[Hash]) -> None:
        index = (self._counts[level] - 1) // FULL
        found = log.read_tile(self._db, level, index)
        if found == b"".join(want):
            return
        tile = Tile(level, index, len(want))
        for number, hash_ in enumerate(want):
            stored = found[number * HASH_BYTES : (number + 1) * HASH_BYTES]
            if stored != hash_:
                row_id = level << log.LEVEL_SHIFT | (index * FULL + number) // log.ROW_HASHES
                raise VerificationError(
                    f"tile row {row_id} ({tile.path}): hash {number} is"
                    f" {stored.hex() or 'missing'}, the leaves make {hash_.hex()}"
                )
        raise VerificationError(
            f"{tile.path} is stored with {len(found)} bytes, want {len(want) * HASH_BYTES}"
        )


def _name_stray_lookup(db: Connection, size: int) -> None:
    """Find the lookup row that is too many, among those of the leaves, which are all there."""
    for prefix, index in log.read_lookups(db):
        name = f"lookup of leaf {index} under {prefix}"
        leaves = log.read_leaves(db, index, 1) if 0 <= index < size else []
        if not leaves:
            raise VerificationError(f"{name}: there is no such leaf")
        entry = Entry.parse(leaves[0].entry)
        content = unpack(leaves[0].body, limit=events.MAX_EVENT_BYTES)
        value = events.restore(content, entry.signature, from_micros(leaves[0].signed_at))
        about = (value["event_type"], value["subject_pith_number"], value["payload"])
        if prefix not in lookup.all_of(entry.content_sha256, *about):
            raise VerificationError(f"{name}: neither that leaf's event nor its subject is there")
    raise VerificationError("lookups: a row is in more than one of the tables")


# Signed heads


def _check_checkpoints(db: Connection, head: log.Head, directory: LogDirectory) -> int | None:
    """Check every signed head, and return the newest one's size."""
    newest = None
    second = directory.read_second_signer()
    own: list[LogKey] = [directory.verifier]
    for size, note, signed_at in whole.read_checkpoints(db):
        name = f"checkpoint of size {size}"
        with named(name):
            checkpoint = open_checkpoint(note, directory.verifier)
            if second is not None:  # where it has signed, it must be right
                open_note(note, [*own, second.cosigner])
            check_time(signed_at)
        if checkpoint.size != size:
            raise VerificationError(f"{name}: its note is about size {checkpoint.size}")
        _check_in_tree(db, head, checkpoint, name)
        newest = size
    return newest


def _check_in_tree(db: Connection, head: log.Head, signed: SignedCheckpoint, name: str) -> None:
    if signed.size > head.size:
        raise VerificationError(
            f"{name}: a head of size {signed.size} was signed, and the database is at size"
            f" {head.size}: it is an old copy of the log"
        )
    root = reader.root_at(db, signed.size)
    if root != signed.root:
        raise VerificationError(
            f"{name}: signed root {signed.root.hex()}, and the leaves make {root.hex()}"
        )


def _read_copy(directory: LogDirectory) -> SignedCheckpoint | None:
    try:
        note = files.read(directory.signed_head)
    except MissingError:
        return None
    with named(str(directory.signed_head)):
        return open_checkpoint(note, directory.verifier)


def _check_copy(directory: LogDirectory, signed: int | None) -> None:
    """Check that the copy of the last signed head is not behind the database.

    It is read again: it may be ahead of what this check has seen, and never behind.
    """
    if signed is None:
        return
    copy = _read_copy(directory)
    if copy is None:
        raise VerificationError(f"{directory.signed_head} is missing, and size {signed} was signed")
    if copy.size < signed:
        raise VerificationError(
            f"{directory.signed_head} is of size {copy.size}, and size {signed} was signed:"
            " it is an old copy"
        )
