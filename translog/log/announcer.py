"""States of records that they are anchored, when they are: `timestamp_anchor` events of the log.

When an anchor becomes final, the leaves that it is the first to cover are announced: for each
event that the policy names, one event of the log's own about the same record, with the proof.
Announcements are gone through in batches, and how far they have come is stored.

What a crash means: events that were logged, and not counted as done, are made again to the byte,
and keep their places. An anchor whose block leaves the chain takes its announcements with it: the
leaves are announced again by the next final anchor, which supersedes what was said of them before.
"""

from typing import Any

from translog.formats.canonical import parse
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.formats.note import NoteSigner
from translog.log import reader, statements
from translog.log.anchored import Anchored, not_before
from translog.log.anchoring import Policy
from translog.log.writer import Writer
from translog.pith.event import MAX_EVENT_BYTES, RECORD_CREATED, RECORD_TYPES, event_id
from translog.pith.kinds import timestamp_anchor
from translog.pith.record import parse_pith_number
from translog.store import anchors, announcements, log
from translog.store.anchors import AnchorRow
from translog.store.announcements import AnnouncementRow
from translog.store.bodies import unpack
from translog.store.database import Connection, transaction

BATCH_LEAVES = 256
MAX_EARLIER = 10_000  # events about one record that are looked through for what to supersede


def begin(db: Connection, anchor: AnchorRow, log_size: int, now: int) -> None:
    """Announce what a final anchor is the first to cover. Wants to be inside a transaction.

    Args:
        log_size: how many leaves there are now.
    """

    def add(start: int, stop: int, *, again: bool) -> None:
        announcements.add(
            db,
            AnnouncementRow(
                0, anchor.anchor_id, start, stop, start, now, log_size, int(again), "open"
            ),
        )

    for lost in announcements.read(db, "lost"):
        if lost.stop <= anchor.size:
            announcements.write(db, lost._replace(state="replaced"))
            add(lost.start, lost.stop, again=True)
    done = announcements.read_end(db)
    if done < anchor.size:
        add(done, anchor.size, again=False)


def lose(db: Connection, anchor_id: int) -> None:
    """Take back what an anchor announced. Wants to be inside a transaction."""
    for announced in announcements.read_of(db, anchor_id):
        if announced.state in ("open", "done"):
            announcements.write(db, announced._replace(state="lost"))


def go_on(db: Connection, writer: Writer, signer: NoteSigner, policy: Policy) -> int | None:
    """Announce one batch of leaves, and return how many events that took; None if all is done.

    Raises:
        BusyError, UnavailableError: the log takes nothing now; the batch is made again later.
    """
    waiting = announcements.read(db, "open") if policy != "none" else []
    if not waiting:
        return None
    batch = waiting[0]
    made = _Batch(db, signer, batch).events(policy)
    statements.append(writer, made)
    position = min(batch.position + BATCH_LEAVES, batch.stop)
    with transaction(db):
        state = "done" if position == batch.stop else "open"
        announcements.write(db, batch._replace(position=position, state=state))
    return len(made)


class _Batch:
    """Makes the events of one batch."""

    def __init__(self, db: Connection, signer: NoteSigner, row: AnnouncementRow) -> None:
        anchor = anchors.read_anchor(db, row.anchor_id)
        if anchor is None or anchor.height is None or anchor.header is None:
            raise AssertionError("an open announcement is of an anchor with a block")
        self._db = db
        self._signer = signer
        self._row = row
        self._anchored = Anchored(db, anchor, signer.verifier)
        self._block = (anchor.height, anchor.header)
        self._own = key_sha256(signer.key.public_key)

    def events(self, policy: Policy) -> list[bytes]:
        """Return one event for each that the policy names."""
        wanted = frozenset({RECORD_CREATED}) if policy == "first" else RECORD_TYPES
        row = self._row
        count = min(BATCH_LEAVES, row.stop - row.position)
        made = []
        for leaf in log.read_leaves(self._db, row.position, count):
            entry = Entry.parse(leaf.entry)
            if entry.key_sha256 == self._own:
                continue
            content = _content(leaf)
            if content["event_type"] in wanted:
                made.append(self._event(leaf, entry, content["subject_pith_number"]))
        return made

    def _event(self, leaf: log.Leaf, entry: Entry, subject: str) -> bytes:
        return statements.make(
            self._signer,
            event_type=timestamp_anchor.TYPE,
            subject=subject,
            target="record",
            payload=self._payload(leaf, entry),
            created_at=self._row.made_at,
            supersedes=self._earlier(subject, entry) if self._row.is_again else (),
        )

    def _payload(self, leaf: log.Leaf, entry: Entry) -> dict[str, Any]:
        before = not_before(self._db, leaf.leaf_index)
        checkpoint = self._anchored.checkpoint
        return timestamp_anchor.build(
            network=self._anchored.row.network,
            event_id=event_id(entry.content_sha256),
            origin=checkpoint.origin,
            index=leaf.leaf_index,
            tree_size=checkpoint.size,
            root_hash=checkpoint.root,
            ots=self._anchored.event_file(entry, leaf.leaf_index),
            blocks=[self._block],
            not_before=before if before is not None and before[0] < self._block[0] else None,
        )

    def _earlier(self, subject: str, entry: Entry) -> list[str]:
        """Return the ids of what the log has stated of this event before."""
        suffix = parse_pith_number(subject).suffix
        about = event_id(entry.content_sha256)
        earlier = []
        for leaf in reader.find_subject(self._db, self._row.log_size, suffix, MAX_EARLIER):
            found = Entry.parse(leaf.entry)
            if found.key_sha256 == self._own:
                content = _content(leaf)
                if (
                    content["event_type"] == timestamp_anchor.TYPE
                    and content["payload"]["event_id"] == about
                ):
                    earlier.append(event_id(found.content_sha256))
        return earlier


def _content(leaf: log.Leaf) -> dict[str, Any]:
    content: dict[str, Any] = parse(unpack(leaf.body, limit=MAX_EVENT_BYTES), limit=MAX_EVENT_BYTES)
    return content
