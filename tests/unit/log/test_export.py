"""Exports: static files that an auditor accepts as the log, added to and never taken back."""

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import PITH_KEY, SIGNER_ID, created, snapshot
from tests.simulators.logs import NOW, new_log, raws, writing
from tests.unit.pith.sample import ALICE
from translog.errors import (
    ConflictError,
    MalformedError,
    MissingError,
    TooLargeError,
    UnavailableError,
    VerificationError,
)
from translog.formats.canonical import canonical
from translog.formats.policy import believing
from translog.log import bundler, decisions
from translog.log.directory import LogDirectory
from translog.log.export import Exported, export
from translog.log.lookup import of_subject
from translog.log.source import Source
from translog.net.directory import Directory
from translog.pith.bundle import inspect, parse
from translog.pith.event import RECORD_TYPES
from translog.store import database
from translog.testing import permitted
from translog.verify.auditor import audit

URL = "https://example.com/log"


def ignore(done: int, total: int) -> None:
    """Want no progress."""


def add(log: LogDirectory, *events: bytes) -> None:
    with writing(log) as writer:
        results = writer.add(events)
        assert not [result for result in results if isinstance(result, Exception)]


def records(*numbers: int) -> list[bytes]:
    return [canonical(created(number)) for number in numbers]


def snapshots(*numbers: int) -> list[bytes]:
    return [canonical(snapshot(number)) for number in numbers]


def ship(log: LogDirectory, out: Path) -> Exported:
    return export(log, out, URL, ignore)


def content_of(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def times_of(out: Path) -> dict[str, int]:
    return {
        path.relative_to(out).as_posix(): path.stat().st_mtime_ns
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return new_log(tmp_path / "log")


def test_an_auditor_accepts_what_was_exported_at_every_size(
    log: LogDirectory, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    state = None
    done = 0
    for size in (1, 2, 255, 256, 257, 512, 600):
        add(log, *raws(*range(done, size)))
        assert ship(log, out).old_size == done
        state = audit(Directory(out).get, believing(log.verifier), state=state)
        assert state.size == size
        assert audit(Directory(out).get, believing(log.verifier)).size == size
        done = size


def test_files_are_those_of_the_log_and_named_so(log: LogDirectory, tmp_path: Path) -> None:
    add(log, *records(1), *raws(*range(299)))
    done = ship(log, tmp_path / "out")
    found = content_of(tmp_path / "out")
    assert set(found) - {path for path in found if path.startswith(("event/", "pith/"))} == {
        "checkpoint",
        "keys.json",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
        "events/000",
        "events/001.p/44",
    }
    assert len([path for path in found if path.startswith("event/")]) == 300
    assert done == Exported(old_size=0, size=300, files=len(found), bundles=300, too_large=())
    with Source(log, URL) as source:
        for path, content in found.items():
            if not path.startswith("pith/"):
                assert source.get(path, 1 << 24) == content, path


def test_exporting_again_changes_nothing(log: LogDirectory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    add(log, *records(1, 2))
    ship(log, out)
    before = times_of(out)
    assert ship(log, out) == Exported(old_size=2, size=2, files=0, bundles=0, too_large=())
    assert times_of(out) == before


def test_exporting_bit_by_bit_ends_where_exporting_at_once_does(
    log: LogDirectory, tmp_path: Path
) -> None:
    events = [*records(1, 2, 3), *raws(*range(300)), canonical(snapshot(2)), canonical(snapshot(3))]
    for start in range(0, len(events), 61):
        add(log, *events[start : start + 61])
        ship(log, tmp_path / "bits")
    ship(log, tmp_path / "once")
    bits, once = content_of(tmp_path / "bits"), content_of(tmp_path / "once")
    # Partial tiles of earlier checkpoints stay, and bundles say under which they were made.
    assert {path for path in bits.keys() - once.keys() if ".p/" not in path} == set()
    for path, content in once.items():
        if path.endswith(".json") and path.startswith("pith/"):
            content, bits[path] = (_events(raw) for raw in (content, bits[path]))
        assert bits[path] == content, path


def _events(raw: bytes) -> Any:
    value = json.loads(raw)
    return value.get("events", value.get("applied_event_ids"))


def test_only_what_is_new_is_written(log: LogDirectory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    add(log, *records(1), *raws(*range(300)))
    ship(log, out)
    before = times_of(out)
    add(log, *records(2))
    ship(log, out)
    touched = {path for path, time in times_of(out).items() if time != before.get(path)}
    named = {path for path in touched if not path.startswith(("event/", "pith/"))}
    assert named == {
        "checkpoint",
        "tile/0/001.p/46",
        "tile/entries/001.p/46",
        "events/001.p/46",
    } | ({"tile/1/000.p/1"} & named)
    assert len(touched - named) == 3  # one event, one bundle, one state


def test_bundles_hold_every_event_of_their_record(log: LogDirectory, tmp_path: Path) -> None:
    add(log, *records(1, 2), canonical(snapshot(1)))
    done = ship(log, tmp_path / "out")
    assert done.bundles == 2
    signer = log.read_signer()
    for folder in (tmp_path / "out" / "pith").iterdir():
        raw = (folder / "bundle.json").read_bytes()
        keys = [bytes.fromhex(key["public_key_hex"]) for key in json.loads(raw)["public_keys"]]
        assert signer.key.public_key in keys
        bundle = parse(raw)
        findings = {finding.what: finding.status for finding in inspect(bundle, keys)}
        assert findings["state"] == findings["bundle"] == "proved"
        assert json.loads((folder / "state.json").read_bytes()) == bundle.value["state"]
        assert bundle.value["links"]["bundle"] == f"{URL}/pith/{folder.name}/bundle.json"
    counts = sorted(
        len(json.loads(path.read_bytes())["events"])
        for path in (tmp_path / "out" / "pith").rglob("bundle.json")
    )
    assert counts == [1, 2]


def test_a_record_gets_its_bundle_again_when_more_is_said_of_it(
    log: LogDirectory, tmp_path: Path
) -> None:
    add(log, *records(1, 2))
    assert ship(log, tmp_path / "out").bundles == 2
    add(log, canonical(snapshot(1)))
    assert ship(log, tmp_path / "out").bundles == 1


def state_of(out: Path, number: str) -> Any:
    return json.loads((out / "pith" / number.rpartition(":")[2] / "state.json").read_bytes())


def test_a_record_gets_its_bundle_again_when_its_events_count_no_more(
    log: LogDirectory, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    other = replace(PITH_KEY, public_key=ALICE.public_key)
    with closing(database.open_editor(log.database)) as db:
        permitted.allow(db, other, signer_id=SIGNER_ID, event_types=RECORD_TYPES, now=NOW)
    add(log, *records(1, 2), *snapshots(1, 2), canonical(snapshot(1, items=3)))
    add(log, canonical(created(3, ALICE)))
    assert ship(log, out).bundles == 3
    numbers = [created(number)["subject_pith_number"] for number in (1, 2)]
    assert all(state_of(out, number)["current"]["graph_snapshots"] for number in numbers)
    add(log, canonical(snapshot(2, ALICE)))  # with which its bundle is written anyway
    with closing(database.open_editor(log.database)) as db:
        decisions.disown(db, PITH_KEY.fingerprint, 2, "stolen", now=NOW)
    add(log)
    assert ship(log, out).bundles == 2  # each once, and not that of the third
    states = [state_of(out, number) for number in numbers]
    assert [len(state["current"]["graph_snapshots"]) for state in states] == [0, 1]
    reasons = {each["reason"] for state in states for each in state["invalid_events"]}
    assert reasons == {"key-compromised"}
    add(log, canonical(created(4, ALICE)))
    assert ship(log, out).bundles == 1


def test_one_process_exports_into_a_folder_at_a_time(log: LogDirectory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    add(log, *records(1))

    def export_too(done: int, total: int) -> None:
        add(log, *records(2))
        with pytest.raises(ConflictError, match=f"{out} is being written by another process: of"):
            ship(log, out)

    assert export(log, out, URL, export_too).size == 1
    assert ship(log, out).size == 2


def test_an_event_past_the_checkpoint_is_in_no_file_and_hides_no_bundle(
    log: LogDirectory, tmp_path: Path
) -> None:
    add(log, *records(1))
    with suppress(RuntimeError), writing(log) as writer:
        writer.add([canonical(snapshot(1))])
        raise RuntimeError("stopped before it was signed")
    done = ship(log, tmp_path / "out")
    assert (done.size, done.bundles) == (1, 1)
    assert len(list((tmp_path / "out" / "event").iterdir())) == 1


def test_an_empty_log_is_exported_with_its_checkpoint(log: LogDirectory, tmp_path: Path) -> None:
    add(log)
    assert ship(log, tmp_path / "out").files == 2
    assert set(content_of(tmp_path / "out")) == {"checkpoint", "keys.json"}
    assert audit(Directory(tmp_path / "out").get, believing(log.verifier)).size == 0
    assert ship(log, tmp_path / "out").files == 0


def test_records_with_too_many_events_are_named(
    log: LogDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundler, "MAX_EVENTS", 1)
    add(log, *records(1), canonical(snapshot(1)))
    done = ship(log, tmp_path / "out")
    assert done.too_large == (created(1)["subject_pith_number"],)
    assert not (tmp_path / "out" / "pith").exists()


def test_nothing_is_exported_before_a_checkpoint(log: LogDirectory, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="none is signed yet"):
        ship(log, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_an_entry_that_is_not_stored_any_more_shifts_no_other(
    log: LogDirectory, tmp_path: Path, missing: int
) -> None:
    add(log, *raws(1, 2, 3))
    with closing(sqlite3.connect(log.database)) as db, db:
        db.execute("DELETE FROM leaf WHERE leaf_index = ?", (missing,))
    with pytest.raises(MalformedError, match="leaves 0 to 3 are stored as 2 rows only"):
        ship(log, tmp_path / "out")
    assert content_of(tmp_path / "out") == {}


@pytest.mark.parametrize("table", ["shown", "leaf"])
def test_a_damaged_database_is_an_error_that_says_so(
    log: LogDirectory, tmp_path: Path, table: str
) -> None:
    add(log, *raws(1))
    with closing(sqlite3.connect(log.database)) as db, db:
        db.execute(f"DROP TABLE {table}")
    with pytest.raises(UnavailableError, match=f"database: no such table: {table}"):
        ship(log, tmp_path / "out")


def test_a_log_is_not_exported_into_a_log(log: LogDirectory) -> None:
    add(log, *raws(1))
    with pytest.raises(ConflictError, match="is a log itself"):
        ship(log, log.path)


def test_no_private_key_lies_in_an_export(log: LogDirectory) -> None:
    add(log, *raws(1))
    for above in log.path.parents[:2]:
        before = sorted(above.iterdir())
        with pytest.raises(ConflictError, match="holds the log's own directory, with its private"):
            ship(log, above)
        assert sorted(above.iterdir()) == before
    ship(log, log.path / "public")  # below it is nothing but the export


def test_another_logs_export_is_not_written_over(log: LogDirectory, tmp_path: Path) -> None:
    other = new_log(tmp_path / "other")
    add(other, *raws(1))
    ship(other, tmp_path / "out")
    before = content_of(tmp_path / "out")
    add(log, *raws(2, 3))
    refusal = r"is not an export of example\.com/log: note is signed"
    with pytest.raises(ConflictError, match=refusal):
        ship(log, tmp_path / "out")
    assert content_of(tmp_path / "out") == before


def test_an_old_log_does_not_take_an_export_back(log: LogDirectory, tmp_path: Path) -> None:
    add(log, *raws(1))
    shutil.copytree(log.path, tmp_path / "old")
    add(log, *raws(2))
    ship(log, tmp_path / "out")
    before = content_of(tmp_path / "out")
    old = LogDirectory(path=tmp_path / "old", verifier=log.verifier)
    with pytest.raises(VerificationError, match="has 2 events, and this log 1"):
        ship(old, tmp_path / "out")
    add(old, *raws(3, 4))
    with pytest.raises(VerificationError, match="another tree of 2 events"):
        ship(old, tmp_path / "out")
    assert content_of(tmp_path / "out") == before


def test_an_export_that_stopped_half_way_is_finished(
    log: LogDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    add(log, *records(1), *raws(*range(300)))
    ship(log, out)
    shown = (out / "checkpoint").read_bytes()
    add(log, *raws(*range(300, 600)))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(log, out, URL, stop)
    assert (out / "checkpoint").read_bytes() == shown
    # What is shown is all there.
    assert audit(Directory(out).get, believing(log.verifier)).size == 301
    ship(log, out)
    assert audit(Directory(out).get, believing(log.verifier)).size == 601


def test_a_key_that_is_allowed_later_is_exported_without_a_new_checkpoint(
    log: LogDirectory, tmp_path: Path
) -> None:
    add(log, *raws(1))
    ship(log, tmp_path / "out")
    (tmp_path / "out" / "keys.json").write_bytes(b"{}")
    assert ship(log, tmp_path / "out").files == 1
    assert json.loads((tmp_path / "out" / "keys.json").read_bytes())["public_keys"]


def test_a_record_hides_no_other_with_the_same_lookup_prefix(
    log: LogDirectory, tmp_path: Path
) -> None:
    # Two records under one prefix: made here by hand, since nobody can make such Pith Numbers.
    add(log, *records(1, 2))
    with closing(sqlite3.connect(log.database)) as db, db:
        first = of_subject(created(1)["subject_pith_number"])
        db.execute("INSERT INTO lookup_new VALUES (?, 1)", (first,))
    assert ship(log, tmp_path / "out").bundles == 2


@pytest.mark.parametrize(
    "path", ["tile/0/000.p/3", "tile/1/000", "events/001", "event/" + "0" * 64]
)
def test_a_source_has_nothing_past_its_checkpoint(log: LogDirectory, path: str) -> None:
    add(log, *raws(1, 2))
    with Source(log, URL) as source:
        with pytest.raises(MissingError):
            source.get(path, 1 << 20)
        with pytest.raises(TooLargeError, match="has more than the 63 bytes wanted"):
            source.get("tile/0/000.p/2", 63)


@pytest.mark.parametrize("path", ["event/xx", "../log.key", "tile/0/000.p/256", "pith/X", ""])
def test_a_source_has_nothing_where_no_log_has(log: LogDirectory, path: str) -> None:
    add(log, *raws(1))
    with Source(log, URL) as source, pytest.raises(MalformedError):
        source.get(path, 1 << 20)


def test_a_source_stays_at_its_checkpoint(log: LogDirectory) -> None:
    add(log, *raws(1))
    with Source(log, URL) as source:
        add(log, *raws(2))
        assert audit(source.get, believing(log.verifier)).size == 1
    with Source(log, URL) as source:
        assert audit(source.get, believing(log.verifier)).size == 2


def test_there_is_no_source_before_a_checkpoint(log: LogDirectory) -> None:
    with pytest.raises(MissingError, match="none is signed yet"):
        Source(log, URL)
