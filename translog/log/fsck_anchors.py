"""Looks at everything that is stored of anchors, and names the first row that is wrong.

Checkpoints are looked for in the tree, paths are followed to the blocks beside them, and beacons to
their leaves. What stands under no hash can be any value of its kind: times, grades, and whether a
block is still in the chain.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from translog.bitcoin.anchor import tip
from translog.bitcoin.attestation import InBlock, Pending
from translog.bitcoin.grade import Grade
from translog.bitcoin.header import Header
from translog.bitcoin.network import network_named
from translog.bitcoin.ots import Timestamp
from translog.errors import TranslogError, UnavailableError, VerificationError
from translog.formats.canonical import parse
from translog.formats.checkpoint import open_checkpoint
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.log import reader
from translog.log.directory import LogDirectory
from translog.pith.event import MAX_EVENT_BYTES, TIME_BEACON
from translog.store import anchors, announcements, log
from translog.store.anchors import AnchorRow, BeaconRow, StampRow
from translog.store.announcements import AnnouncementRow
from translog.store.bodies import unpack
from translog.store.database import Connection


def check_anchors(db: Connection, directory: LogDirectory, size: int) -> None:
    """Check all rows of anchoring.

    Args:
        size: of the log, whose leaves and tree were checked before.

    Raises:
        VerificationError: one is wrong.
    """
    checker = _Checker(db, directory, size)
    for row in chain(anchors.every(db), announcements.every(db)):
        with _named(row):
            checker.check(row)
    if not 0 <= anchors.read_quiet_to(db) <= size:
        raise VerificationError(f"anchoring: quiet_to is not within the log of {size} events")


@contextmanager
def _named(row: AnchorRow | StampRow | BeaconRow | AnnouncementRow) -> Iterator[None]:
    kind = type(row).__name__.removesuffix("Row").lower()
    name = f"{kind} {row[0]}" if not isinstance(row, StampRow) else f"stamp of anchor {row[0]}"
    try:
        yield
    except UnavailableError:
        raise
    except TranslogError as error:
        raise VerificationError(f"{name}: {error}") from error


class _Checker:
    def __init__(self, db: Connection, directory: LogDirectory, size: int) -> None:
        self._db = db
        self._directory = directory
        self._size = size
        self._own = key_sha256(directory.verifier.public_key)
        self._tips: dict[int, bytes] = {}
        self._sizes: dict[int, int] = {}

    def check(self, row: AnchorRow | StampRow | BeaconRow | AnnouncementRow) -> None:
        match row:
            case AnchorRow():
                self._check_anchor(row)
            case StampRow():
                self._check_stamp(row)
            case BeaconRow():
                self._check_beacon(row)
            case AnnouncementRow():
                self._check_announcement(row)

    def _check_anchor(self, row: AnchorRow) -> None:
        network_named(row.network)
        _check_times(row.made_at, row.changed_at)
        checkpoint = open_checkpoint(row.note, self._directory.verifier)
        if checkpoint.size != row.size:
            raise VerificationError(f"its note is about size {checkpoint.size}, want {row.size}")
        if row.size > self._size or reader.root_at(self._db, row.size) != checkpoint.root:
            raise VerificationError(f"its checkpoint of size {row.size} is not of this tree")
        message = tip(checkpoint, row.note)
        self._tips[row.anchor_id], self._sizes[row.anchor_id] = message, row.size
        if row.height is None or row.header is None or row.path is None or row.grade is None:
            if row.state != "lost" and not anchors.read_stamps(self._db, row.anchor_id):
                raise VerificationError("no calendar has taken it, and no block holds it")
            return  # all of them are None, the schema says
        Grade.parse(row.grade)
        claim = InBlock(Header(row.header).merkle_root, row.height)
        if Timestamp.parse(row.path, message).attestations() != [claim]:
            raise VerificationError(f"its path does not end in its block {row.height}")

    def _check_stamp(self, row: StampRow) -> None:
        _check_times(row.submitted_at, row.ask_after)
        message = self._tips.get(row.anchor_id)
        if message is None:
            raise VerificationError("there is no such anchor")
        answer = Timestamp.parse(row.pending, message)
        promises = [each for each in answer.attestations() if isinstance(each, Pending)]
        if not promises and not answer.in_blocks():
            raise VerificationError(f"{row.calendar} has promised nothing")
        if row.attested is not None and not Timestamp.parse(row.attested, message).in_blocks():
            raise VerificationError(f"{row.calendar} names no block")

    def _check_beacon(self, row: BeaconRow) -> None:
        network_named(row.network)
        _check_times(row.made_at)
        if row.leaf_index is None:
            return
        leaves = log.read_leaves(self._db, row.leaf_index, 1)
        entry = Entry.parse(leaves[0].entry) if leaves else None
        if entry is None or entry.key_sha256 != self._own:
            raise VerificationError(f"leaf {row.leaf_index} is not an event of the log's own")
        content = parse(unpack(leaves[0].body, limit=MAX_EVENT_BYTES), limit=MAX_EVENT_BYTES)
        payload = content["payload"]
        stated = (content["event_type"], payload.get("height"), payload.get("header_hex"))
        if stated != (TIME_BEACON, row.height, row.header.hex()):
            raise VerificationError(f"leaf {row.leaf_index} does not state this block")

    def _check_announcement(self, row: AnnouncementRow) -> None:
        _check_times(row.made_at)
        size = self._sizes.get(row.anchor_id)
        if size is None:
            raise VerificationError("there is no such anchor")
        if row.stop > size or row.log_size > self._size:
            raise VerificationError(f"leaves {row.start} to {row.stop} are not below its anchor")
        if row.state == "done" and row.position != row.stop:
            raise VerificationError(f"it is done, and has come to leaf {row.position} only")


def _check_times(*times: int) -> None:
    for time in times:
        if not 0 <= time <= log.MAX_TIME:
            raise VerificationError(f"time is {time}, want 0 to {log.MAX_TIME}")
