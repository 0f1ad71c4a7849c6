"""Logs on disk for tests, and events for them that cost as little as the test allows."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.simulators.events import PITH_KEY, SIGNER_ID
from tests.simulators.published import small_event
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.log import directory, lookup
from translog.log.directory import LogDirectory
from translog.log.intake import Admitted
from translog.log.sequencer import Sequencer
from translog.log.writer import Writer, open_writer
from translog.pith.event import KNOWN_TYPES
from translog.pith.permits import ONLY_BY_LOGS
from translog.store import database
from translog.store.bodies import Packer
from translog.testing import permitted

ORIGIN = "example.com/log"
NOW = 1_780_000_000


def new_log(path: Path) -> LogDirectory:
    """Make a log in which the simulators' key may write anything."""
    made = directory.create(path, ORIGIN, NOW)
    with closing(database.open_editor(made.database)) as db:
        permitted.allow(
            db, PITH_KEY, signer_id=SIGNER_ID, event_types=KNOWN_TYPES - ONLY_BY_LOGS, now=NOW
        )
    return made


def raw(number: int) -> bytes:
    """Return a small event as it is sent."""
    return canonical(small_event(number).value)


def raws(*numbers: int) -> list[bytes]:
    return [raw(number) for number in numbers]


@contextmanager
def writing(log: LogDirectory, now: int = NOW) -> Iterator[Writer]:
    with open_writer(log, lambda: now) as writer:
        yield writer


@contextmanager
def sequencing(log: LogDirectory) -> Iterator[Sequencer]:
    """Append without checking or waiting for the disk: for tests that need many leaves."""
    with log.locked(), closing(database.open_writer(log.database)) as db:
        db.execute("PRAGMA synchronous = OFF")
        yield Sequencer(db)


def made_up(number: int, **changes: Any) -> Admitted:
    """Return an event that nobody checked: only what the sequencer looks at is right."""
    content = b"made up %d" % number
    digest = changes.pop("content_sha256", sha256(content).digest())
    signature = changes.pop("signature", sha256(content + b" signed").digest() * 2)
    entry = Entry(content_sha256=digest, key_sha256=bytes(32), signature=signature)
    made = Admitted(
        content_sha256=digest,
        entry=entry.encode(),
        signed_at=0,
        body=Packer().pack(content),
        prefix=lookup.of_hash(digest),
        subject_prefix=lookup.of_hash(sha256(b"subject %d" % (number // 3)).digest()),
    )
    return made._replace(**changes)
