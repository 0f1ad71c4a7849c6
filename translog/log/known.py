"""What the log holds already that a batch of events depends on: looked up at once for all of them.

An event keeps its place if it is there. It is about a record that is there. It takes the place of
its signer's own events, and of no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from translog.errors import ForbiddenError, MissingError, TranslogError
from translog.formats.canonical import parse
from translog.formats.entry import Entry
from translog.log import lookup
from translog.log.intake import Admitted
from translog.pith.event import MAX_EVENT_BYTES, event_id
from translog.store import log
from translog.store.bodies import unpack
from translog.store.database import Connection, translated

MAX_RECORDS = 1 << 16


@dataclass(slots=True)
class Known:
    """What is known of a batch's surroundings, and what its own events add to it.

    Attributes:
        places: entry to index.
        records: prefixes of records that are there.
        named: hashes of events that some of the batch name, to take their places.
        signers: hash of such an event to that of the key that signed it.
    """

    places: dict[bytes, int]
    records: set[int]
    named: set[bytes]
    signers: dict[bytes, bytes]

    def add(self, admitted: Admitted, index: int) -> None:
        """Take note that an event will be entry `index`."""
        self.places[admitted.entry] = index
        if admitted.creates and admitted.record_prefix is not None:
            self.records.add(admitted.record_prefix)
        if admitted.content_sha256 in self.named:
            self.signers[admitted.content_sha256] = Entry.parse(admitted.entry).key_sha256


class Surroundings:
    """Looks up what batches depend on, and remembers the records that it found. For one thread."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._records: dict[int, None] = {}

    def look_up(self, batch: Sequence[Admitted]) -> Known:
        """Return what the log holds that these events depend on."""
        records = {
            each.record_prefix
            for each in batch
            if each.record_prefix is not None and not each.creates
        }
        named = {
            digest for each in batch if each.special is not None for digest in each.special.replaces
        }
        known = Known({}, {each for each in records if each in self._records}, named, {})
        records -= known.records
        prefixes = {admitted.prefix for admitted in batch} | set(map(lookup.of_hash, named))
        with translated("database"):
            for prefix, index in log.find(self._db, sorted(prefixes | records)):
                if prefix in records:
                    known.records.add(prefix)
                if prefix in prefixes:
                    self._note(known, index)
        self._remember(known.records)
        return known

    def _note(self, known: Known, index: int) -> None:
        for raw in log.read_entries(self._db, index, 1):
            entry = Entry.parse(raw)
            known.places[raw] = index
            known.signers[entry.content_sha256] = entry.key_sha256

    def _remember(self, records: set[int]) -> None:
        if len(self._records) > MAX_RECORDS:
            self._records.clear()
        self._records.update(dict.fromkeys(records))


def refusal(admitted: Admitted, known: Known) -> TranslogError | None:
    """Say why an event may not follow what is in the log, if it may not."""
    record = admitted.record_prefix
    if record is not None and not admitted.creates and record not in known.records:
        return MissingError(
            f"record {_subject(admitted)} is not in this log: an event that creates it comes first"
        )
    if admitted.special is None:
        return None
    for digest in admitted.special.replaces:
        if known.signers.get(digest, None) not in (None, *admitted.special.signers):
            return ForbiddenError(
                f"event {event_id(digest)} is another signer's: only who signed an event"
                " may replace it or take it back"
            )
    return None


def _subject(admitted: Admitted) -> str:
    content = parse(unpack(admitted.body, limit=MAX_EVENT_BYTES), limit=MAX_EVENT_BYTES)
    return str(content["subject_pith_number"])
