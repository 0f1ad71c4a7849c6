"""Gives tips of checkpoints to calendars, and asks for the paths to blocks that they promised.

What a crash means: calendars were asked, and nothing is stored. The newest tip is given to them
again; what they had taken before costs them some bytes, and nobody asks for it. Paths to blocks
are asked for again when their next time has come, which is stored before anyone is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from translog.bitcoin.anchor import tip, verify_room
from translog.bitcoin.attestation import Pending
from translog.bitcoin.ots import Timestamp
from translog.errors import TooLargeError, TranslogError, UnavailableError
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.keys import key_sha256
from translog.formats.note import Verifier
from translog.log import anchors as rules
from translog.log.anchoring import Happening, Settings
from translog.log.quiet import has_grown
from translog.net.calendars import Reply, submit, upgrade
from translog.net.health import Health, pause_seconds
from translog.store import anchors, cosignatures
from translog.store.anchors import AnchorRow, StampRow
from translog.store.database import Connection, transaction

MAX_ANCHORS = 1_000  # that are asked for: of more than these, the oldest wait
MAX_ASKED = 16  # promises a turn, so that a turn has an end
FORGOTTEN_SECONDS = 86_400  # a day without a word of a block: the tip is given away again
TRY_SECONDS = (30.0, 600.0)  # the first and the longest pause after a submission in vain


class _Job(NamedTuple):
    """What is to be submitted: a new anchor where there is none, and else to whom is missing."""

    anchor: AnchorRow | None
    urls: tuple[str, ...]


_Asked = tuple[AnchorRow, StampRow, Pending]


class Stamper:
    """The one who asks calendars.

    Attributes:
        health: of every calendar that was asked, by its address.
    """

    def __init__(
        self,
        db: Connection,
        verifier: Verifier,
        settings: Settings,
        chance: Callable[[], float],
        go_on: Callable[[], None],
    ) -> None:
        """Ask nobody yet.

        Args:
            chance: numbers from 0 to 1, random.
            go_on: called after every answer, and raises if nothing may be written any more.
        """
        self.health: dict[str, Health] = {}
        self._db = db
        self._verifier = verifier
        self._settings = settings
        self._chance = chance
        self._go_on = go_on
        self._tries = 0
        self._try_after = 0

    def stamp(self, now: int, *, at_once: bool) -> list[Happening] | None:
        """Submit the newest published checkpoint, if it is time for that.

        Returns:
            What happened; None while a submission that failed waits to be tried again.

        Raises:
            UnavailableError: no calendar took it, or fewer than are needed.
        """
        note = cosignatures.read_shown(self._db)
        if note is None:
            return []
        published = open_checkpoint(note, self._verifier)
        job = self._job(published, now, at_once=at_once)
        if not job.urls:
            return []
        if not at_once and not rules.is_time(self._try_after, now):
            return None
        return self._submit(job, published, now)

    def _job(self, published: SignedCheckpoint, now: int, *, at_once: bool) -> _Job:
        calendars = self._settings.calendars
        newest = next(iter(anchors.read_anchors(self._db, None, 1)), None)
        if self._is_due(newest, published, now, at_once=at_once):
            return _Job(None, calendars.urls)
        if newest is None or newest.state != "pending":
            return _Job(newest, ())
        took = {stamp.calendar for stamp in anchors.read_stamps(self._db, newest.anchor_id)}
        missing = tuple(url for url in calendars.urls if url not in took)
        return _Job(newest, missing if len(took) < calendars.need else ())

    def _is_due(
        self, newest: AnchorRow | None, published: SignedCheckpoint, now: int, *, at_once: bool
    ) -> bool:
        if newest is not None:
            if newest.state == "lost":
                return True  # without waiting: what it covered is under nothing newer
            if newest.state == "pending" and rules.is_due(newest.made_at, now, FORGOTTEN_SECONDS):
                return True  # calendars end, too, and a log that rests would wait for ever
            interval = 0.0 if at_once else self._settings.interval_seconds
            if not rules.is_due(newest.made_at, now, interval):
                return False
        since = 0 if newest is None else newest.size
        own = key_sha256(self._verifier.public_key)
        return has_grown(self._db, own, since, published.size)

    def _submit(self, job: _Job, published: SignedCheckpoint, now: int) -> list[Happening]:
        known = job.anchor
        size = published.size if known is None else known.size
        message = tip(published, published.note) if known is None else rules.tip_of(known)
        self._wait(now)  # first: whatever goes wrong, also here, calendars are left in peace
        given = submit(self._settings.calendars, job.urls, message)
        replies = [self._with_room(reply, size) for reply in given]
        self._go_on()
        self._note(replies, now)
        took = {
            reply.calendar: reply.found for reply in replies if isinstance(reply.found, Timestamp)
        }
        taken = self._keep(job, published, took, now) if took else 0
        need = self._settings.calendars.need
        if taken < need:
            raise UnavailableError(
                f"checkpoint of size {size}: {taken} of {need} calendars needed have taken it"
                + "".join(f"; {error}" for error in _errors(replies))
            )
        self._tries = self._try_after = 0
        names = ", ".join(took)
        return [Happening("submitted", f"checkpoint of size {size} was taken by {names}")]

    def _with_room(self, reply: Reply, size: int) -> Reply:
        """Return a reply; in place of a promise for which files of events have no room, why."""
        if isinstance(reply.found, Timestamp):
            try:
                verify_room(size, reply.found, len(self._settings.calendars.urls))
            except TooLargeError as error:
                return replace(reply, found=TooLargeError(f"{reply.calendar}: {error}"))
        return reply

    def _wait(self, now: int) -> None:
        self._tries += 1
        first, longest = TRY_SECONDS
        pause = pause_seconds(self._tries, self._chance(), first=first, longest=longest)
        self._try_after = now + int(pause)

    def _keep(
        self, job: _Job, published: SignedCheckpoint, took: Mapping[str, Timestamp], now: int
    ) -> int:
        """Store what calendars answered, and return how many have taken the tip by now."""
        with transaction(self._db):
            if job.anchor is None:
                network = self._settings.network.name
                anchor_id = anchors.add_anchor(
                    self._db, network, published.size, published.note, now
                )
            else:
                anchor_id = job.anchor.anchor_id
            for calendar, timestamp in took.items():
                stamp = StampRow(anchor_id, calendar, now, now, timestamp.encode(), None)
                anchors.write_stamp(self._db, self._later(stamp, now, urgent=True))
            return len(anchors.read_stamps(self._db, anchor_id))

    def upgrade(self, now: int, *, at_once: bool) -> list[Happening]:
        """Ask for the paths to blocks whose time has come.

        Raises:
            UnavailableError: none of the calendars that were asked answered.
        """
        asked = self._due(now, at_once=at_once)
        if not asked:
            return []
        covered = anchors.read_newest_in_block(self._db) or 0
        with transaction(self._db):  # first: whatever goes wrong, they are not asked again at once
            anchors.write_ask_after(
                self._db,
                [
                    self._later(stamp, now, urgent=row.anchor_id > covered)
                    for row, stamp, _ in asked
                ],
            )
        replies = upgrade(self._settings.calendars, [promise for _, _, promise in asked])
        self._go_on()
        self._note(replies, now)
        happened = []
        for (row, stamp, promise), reply in zip(asked, replies, strict=True):
            path = self._path(row, stamp, promise, reply)
            if path is not None:
                happened.append(self._take(row, stamp, path, now))
        errors = _errors(replies)
        if len(errors) == len(replies):
            raise UnavailableError("; ".join(errors))
        return happened

    def _due(self, now: int, *, at_once: bool) -> list[_Asked]:
        asked: list[_Asked] = []
        for row in anchors.read_unfinished(self._db, MAX_ANCHORS):
            stamps = anchors.read_stamps(self._db, row.anchor_id)
            due = [each for each in stamps if at_once or rules.is_time(each.ask_after, now)]
            if due:  # to read what is not due would take a second, every few, where many wait
                asked += [(row, *promised) for promised in rules.promises(row, due)]
            if len(asked) >= MAX_ASKED:
                break
        return asked[:MAX_ASKED]

    def _path(
        self, row: AnchorRow, stamp: StampRow, promise: Pending, reply: Reply
    ) -> bytes | None:
        """Return the timestamp of the tip with a path to a block; None if there is none yet.

        Of several blocks the oldest counts: each that is named is one more to be looked up.
        """
        if not isinstance(reply.found, Timestamp) or not reply.found.in_blocks():
            return None
        try:
            promised = Timestamp.parse(stamp.pending, rules.tip_of(row))
            found = promised.upgraded(promise.message, reply.found)
            path = found.pruned(found.in_blocks()[0])
            verify_room(row.size, path, 1)
            return path.encode()
        except TranslogError:  # what files of events have no room for is not an answer
            before = self.health[reply.calendar]
            self.health[reply.calendar] = before.failed_in(reply.seconds)
            return None

    def _take(self, row: AnchorRow, stamp: StampRow, path: bytes, now: int) -> Happening:
        with transaction(self._db):
            anchors.write_stamp(self._db, stamp._replace(attested=path))
            current = anchors.read_anchor(self._db, row.anchor_id)
            if current is not None and current.state in ("pending", "lost"):
                anchors.write_anchor(self._db, current._replace(state="attested", changed_at=now))
        blocks = Timestamp.parse(path, rules.tip_of(row)).in_blocks()
        named = ", ".join(str(block.height) for block in blocks)
        return Happening(
            "attested",
            f"checkpoint of size {row.size} is in block {named}, says {stamp.calendar}",
        )

    def _later(self, stamp: StampRow, now: int, *, urgent: bool) -> StampRow:
        pause = rules.pause(stamp, now, self._chance(), urgent=urgent)
        return stamp._replace(ask_after=now + int(pause))

    def _note(self, replies: Sequence[Reply], now: int) -> None:
        for reply in replies:
            before = self.health.get(reply.calendar, Health())
            self.health[reply.calendar] = reply.noted(before, now)


def _errors(replies: Sequence[Reply]) -> list[str]:
    return [str(reply.found) for reply in replies if isinstance(reply.found, TranslogError)]
