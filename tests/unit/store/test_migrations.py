"""A log of an earlier version is brought up to date, and knows the records it has."""

from contextlib import closing
from pathlib import Path

from tests.simulators.logs import new_log, raws, writing
from tests.simulators.published import attestation_event, small_event
from translog.errors import MissingError
from translog.formats.canonical import canonical
from translog.log import lookup
from translog.log.fsck import fsck
from translog.log.sequencer import Placed
from translog.store import database


def test_the_records_of_an_earlier_version_are_known(tmp_path: Path) -> None:
    log = new_log(tmp_path / "log")
    events = [small_event(number) for number in range(3)]
    with writing(log) as writer:
        writer.add([*raws(0, 1, 2), canonical(attestation_event(1).value)])
    forgotten = [(lookup.of_record(event.subject),) for event in events]
    with closing(database.open_editor(log.database)) as db:
        db.executemany("DELETE FROM lookup_new WHERE prefix = ?", forgotten)
    later = canonical(attestation_event(2).value)
    with writing(log) as writer:
        (refused,) = writer.add([later])
        assert isinstance(refused, MissingError)
    with closing(database.open_editor(log.database)) as db:
        db.execute("DELETE FROM _sqlite_migrations WHERE name = '0006_records'")
    with writing(log) as writer:
        (placed,) = writer.add([later])
        assert isinstance(placed, Placed)
    fsck(log.path, lambda done, total: None)
