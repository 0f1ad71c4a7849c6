"""Looks at the blocks that calendars name, and again until they are buried.

What a crash means: what was looked at is forgotten, and is looked at again. An anchor's new state,
the words of refuted calendars and what is announced because of it change in one transaction.
"""

from collections.abc import Callable
from typing import NamedTuple

from translog.bitcoin.block_time import verify_known
from translog.bitcoin.grade import GradedHeader, HeaderSource
from translog.bitcoin.header import Header, display_hash
from translog.bitcoin.network import Network
from translog.errors import MissingError, UnavailableError
from translog.log import anchors as rules
from translog.log import announcer, beacons
from translog.log.anchoring import Happening, Settings
from translog.log.anchors import BURIED_BLOCKS, REFUTED_SECONDS, Judged
from translog.store import anchors, builtin
from translog.store.anchors import AnchorRow
from translog.store.database import Connection, transaction

MAX_ANCHORS = 1_000  # that are looked after at one time
LOOK_SECONDS = 60.0  # from one look at the chain to the next


class _Seen(NamedTuple):
    """The newest block there was at the last look."""

    height: int
    header: Header


class Watcher:
    """The one who looks at the chain. Its caller calls from one thread."""

    def __init__(
        self,
        db: Connection,
        settings: Settings,
        headers: HeaderSource | None,
        log_size: Callable[[], int],
        go_on: Callable[[], None],
    ) -> None:
        """Begin without having seen anything.

        Args:
            headers: where blocks are looked up; None to wait until there is such a place.
            log_size: how many leaves the log has now.
            go_on: called after every answer, and raises if nothing may be written any more.
        """
        self._db = db
        self._settings = settings
        self._headers = headers
        self._log_size = log_size
        self._go_on = go_on
        self._looked_at = 0
        self._seen: _Seen | None = None

    def look(self, now: int, *, has_news: bool) -> list[Happening] | None:
        """Look at what is not buried, and decide on a beacon.

        Args:
            has_news: somebody has just named a block, or is waiting for the answer.

        Returns:
            What happened; None if it is too early to look again.

        Raises:
            UnavailableError: no headers can be had now.
            VerificationError: the source of headers was caught lying.
        """
        if not has_news and not rules.is_due(self._looked_at, now, LOOK_SECONDS):
            return None
        if self._headers is None:
            if anchors.count_states(self._db).get("attested"):
                raise UnavailableError("no source of block headers is configured")
            return []
        # First: who does not answer is not asked more often, and what failed is looked at again.
        self._looked_at, before, self._seen = now, self._seen, None
        headers = _Remembered(self._headers, self._go_on)
        newest = headers.tip()
        seen = _Seen(newest, headers.header(newest).header)
        happened = []
        if has_news or seen != before:
            happened += self._look_at_anchors(headers, newest, now)
            for height in beacons.look_again(self._db, headers, newest):
                happened.append(Happening("beacon-lost", f"block {height} has left the chain"))
        beacons.decide(self._db, headers, newest, self._settings.interval_seconds, now)
        self._seen = seen
        return happened

    def _look_at_anchors(self, headers: "_Remembered", newest: int, now: int) -> list[Happening]:
        happened = []
        for row in anchors.read_unburied(self._db, newest - BURIED_BLOCKS, MAX_ANCHORS):
            stamps = anchors.read_stamps(self._db, row.anchor_id)
            heights = rules.heights(row, stamps)
            found = {height: headers.find(height, newest) for height in heights}
            judged = rules.judge(row, stamps, found, newest, now)
            if judged.changed(row):
                self._keep(row, judged, now)
                happened += _told(row, judged)
        return happened

    def _keep(self, before: AnchorRow, judged: Judged, now: int) -> None:
        after = judged.anchor
        was_final = before.state == "final"
        stays = was_final and after.state == "final" and after.header == before.header
        log_size = self._log_size()
        with transaction(self._db):
            if after != before:
                anchors.write_anchor(self._db, after)
            for stamp in judged.refuted:
                forgotten = stamp._replace(attested=None, ask_after=now + REFUTED_SECONDS)
                anchors.write_stamp(self._db, forgotten)
            if was_final and not stays:
                announcer.lose(self._db, after.anchor_id)
            if after.state == "final" and not stays:
                announcer.begin(self._db, after, log_size, now)


def _told(before: AnchorRow, judged: Judged) -> list[Happening]:
    after = judged.anchor
    what = f"checkpoint of size {after.size}"
    told = [
        Happening("refuted", f"{what} is not in the block that {stamp.calendar} names")
        for stamp in judged.refuted
        if before.height is None
    ]
    if after.header is not None and (after.state, after.header) != (before.state, before.header):
        block = f"block {after.height}, {display_hash(Header(after.header).hash)}"
        told.append(Happening(after.state, f"{what} is {after.state} in {block} ({after.grade})"))
    elif after.state == "lost" and before.state != "lost":
        told.append(Happening("lost", f"{what} is in block {before.height} no more"))
    return told


class _Remembered:
    """A source of headers that is asked once for each, while one look lasts."""

    def __init__(self, source: HeaderSource, go_on: Callable[[], None]) -> None:
        self._source = source
        self._go_on = go_on
        self._kept: dict[int, GradedHeader] = {}

    @property
    def network(self) -> Network:
        return self._source.network

    def tip(self) -> int:
        newest = self._source.tip()
        self._go_on()
        return newest

    def header(self, height: int) -> GradedHeader:
        if height not in self._kept:
            found = self._source.header(height)
            self._go_on()
            verify_known(found, height, self.network, builtin.checkpoints_of(self.network))
            self._kept[height] = found
        return self._kept[height]

    def find(self, height: int, newest: int) -> GradedHeader | None:
        """Return a header, or None where there is none yet."""
        if height > newest:
            return None
        try:
            return self.header(height)
        except MissingError:
            return None
