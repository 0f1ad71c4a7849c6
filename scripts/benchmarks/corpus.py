"""What is measured on: events in the shape of real ones, and logs that already hold many.

Three events of four are `record_created` (2.1 KB), one is a `graph_snapshot` (6.2 KB). The events
a log is filled with before the measurement have contents of that shape and of their own, and
random bytes for signatures: nothing that is measured looks at those.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from hashlib import sha256
from itertools import repeat
from pathlib import Path

from tests.simulators import events
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.log import directory, lookup
from translog.log.directory import LogDirectory
from translog.log.intake import Admitted
from translog.log.sequencer import Sequencer
from translog.pith.event import from_value
from translog.store import database
from translog.store.bodies import Packer
from translog.testing import permitted

ORIGIN = "bench.example/log"
FILL_BATCH = 4_096
SNAPSHOT_EVERY = 4
# A snapshot is about a paper so many events before: also from many clients at once, it comes later.
SNAPSHOT_AFTER = 512


def signed_events(start: int, count: int) -> list[bytes]:
    """Return events `start` to `start + count` as canonical JSON, made on every core."""
    step = 256
    with ProcessPoolExecutor() as pool:
        parts = pool.map(_signed, repeat(start), range(0, count, step), repeat(step))
        return [event for part in parts for event in part][:count]


def _signed(start: int, at: int, count: int) -> list[bytes]:
    return [canonical(_event(start, number)) for number in range(at, at + count)]


def _event(start: int, number: int) -> dict[str, object]:
    """Return event `number` of those from `start` on: the first of them only create records."""
    if number % SNAPSHOT_EVERY == 0 and number >= SNAPSHOT_AFTER:
        return events.snapshot(start + number - SNAPSHOT_AFTER + 1)
    return events.created(start + number)


def new_log(path: Path) -> LogDirectory:
    """Make an empty log that takes the events of `signed_events`."""
    log = directory.create(path, ORIGIN, 0)
    with closing(database.open_editor(log.database)) as db:
        permitted.allow(db, events.PITH_KEY, signer_id=events.SIGNER_ID, now=0)
    return log


def fill(log: LogDirectory, size: int) -> None:
    """Grow an empty log to `size` entries, as fast as it goes: without fsync."""
    with closing(database.open_writer(log.database)) as db:
        db.execute("PRAGMA synchronous = OFF")
        sequencer = Sequencer(db)
        entries = admitted(0)
        while sequencer.head.size < size:
            count = min(FILL_BATCH, size - sequencer.head.size)
            sequencer.append([next(entries) for _ in range(count)])
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def admitted(start: int) -> Iterator[Admitted]:
    """Yield events that intake has passed, from number `start` on, for ever."""
    random_ = random.Random(start)
    packer = Packer()
    # The contents of sixteen papers, each told apart by its number in the place of an identifier.
    shapes = [
        from_value(_event(0, number)).content.split(b'"created_at":"2026-06-01T00:00:00Z"')
        for number in range(SNAPSHOT_AFTER, SNAPSHOT_AFTER + 16)
    ]
    number = start
    while True:
        head, tail = shapes[number % len(shapes)]
        content = b'%s"created_at":"%020d"%s' % (head, number, tail)
        digest = sha256(content).digest()
        entry = Entry(
            content_sha256=digest,
            key_sha256=key_sha256(events.KEY.public_key),
            signature=random_.randbytes(64),
        )
        subject = int.from_bytes(random_.randbytes(8), "big") - (1 << 63)
        yield Admitted(
            digest, entry.encode(), 0, packer.pack(content), lookup.of_hash(digest), subject
        )
        number += 1


def bytes_on_disk(log: LogDirectory) -> int:
    """Return what the database takes, its indexes and its write-ahead log with it."""
    return sum(
        path.stat().st_size
        for path in log.path.iterdir()
        if path.name.startswith(directory.DATABASE)
    )
