"""What is believed of a source, what is taken over from it, and what is held against it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.logs import new_log, raws, writing
from tests.simulators.published import attestation_event, record_event
from tests.unit.pith.sample import (
    ALICE,
    BOB,
    MALLORY,
    NUMBER,
    PITH,
    RAW,
    created,
    note_event,
    pith_key,
)
from translog.errors import (
    ConflictError,
    ForbiddenError,
    HashError,
    MalformedError,
    MissingError,
    SubjectError,
    TranslogError,
    UnknownKeyError,
)
from translog.formats.canonical import canonical
from translog.formats.note import NoteSigner
from translog.formats.published import CHECKPOINT
from translog.log import mirrored_keys, mirrors, registry
from translog.log.source import Source as LocalLog
from translog.pith.build import build_bundle
from translog.store import database
from translog.store import mirrors as rows
from translog.store.mirrors import SCHEMA, Source
from translog.testing import permitted

NOW = 1_780_000_000
FIRST = created(ALICE)
NOTES = [note_event(BOB, created_at=f"2026-06-0{day}T12:00:00Z") for day in range(1, 5)]
SOURCE = Source("one", "file", "", (ALICE.public_key, BOB.public_key), 0, NOW, None)


def made(*events: Any, at: int = 1, by: Any = ALICE) -> bytes:
    value = build_bundle(
        pith_number=NUMBER,
        events=[FIRST, *events],
        keys=[pith_key(ALICE), pith_key(BOB)],
        built_at=f"2026-07-0{at}T00:00:00Z",
        base_url="https://example.org",
        timestamp_proofs=[],
        mirror_hints=[],
        signing_key=by,
    )
    return canonical(value)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(database.create(tmp_path / rows.FILE, SCHEMA)) as connection:
        mirrors.add(connection, SOURCE)
        yield connection


def hold(db: sqlite3.Connection, raw: bytes) -> None:
    mirrors.hold(db, SOURCE, [mirrors.examine(db, SOURCE, raw, NUMBER)], 0, now=NOW)


def test_the_first_bundle_is_taken_whole_and_later_ones_for_what_is_new(
    db: sqlite3.Connection,
) -> None:
    first = mirrors.examine(db, SOURCE, made(NOTES[1]), None)
    assert first.events == tuple(map(canonical, (FIRST, NOTES[1])))
    assert (first.dropped, first.earlier) == ((), None)
    hold(db, first.raw)
    assert mirrors.examine(db, SOURCE, first.raw, NUMBER).events == ()
    then = mirrors.examine(db, SOURCE, made(*NOTES, at=2), NUMBER)
    assert then.events == tuple(map(canonical, (NOTES[0], *NOTES[2:])))


def test_the_real_bundle_is_believed_under_its_key_only(db: sqlite3.Connection) -> None:
    pith = SOURCE._replace(keys=(PITH,))
    assert len(mirrors.examine(db, pith, RAW, NUMBER).events) == 2
    with pytest.raises(UnknownKeyError):
        mirrors.examine(db, SOURCE, RAW, NUMBER)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (made()[:-1], MalformedError),
        (made().replace(b"2026-07-01T", b"2026-07-02T"), HashError),
        (made(note_event(MALLORY)), UnknownKeyError),
    ],
    ids=["cut", "changed", "an event by a key that is not the source's"],
)
def test_nothing_is_taken_from_a_bundle_that_does_not_verify(
    db: sqlite3.Connection, raw: bytes, error: type[TranslogError]
) -> None:
    with pytest.raises(error):
        mirrors.examine(db, SOURCE, raw, NUMBER)


def test_a_registry_s_bundles_are_signed_by_its_log_and_nobody_else(
    db: sqlite3.Connection,
) -> None:
    def verifier(key: Any) -> str:
        return NoteSigner(name="one.example", key=key).verifier.vkey

    registry_of_alice = SOURCE._replace(log_key=verifier(ALICE))
    assert mirrors.examine(db, registry_of_alice, made(), NUMBER).events
    with pytest.raises(SubjectError, match="want that of the log"):
        mirrors.examine(db, registry_of_alice, made(by=BOB), NUMBER)
    assert mirrors.examine(db, SOURCE, made(by=BOB), NUMBER).events  # of a file, any that is named


def test_another_record_than_was_asked_for_is_refused(db: sqlite3.Connection) -> None:
    with pytest.raises(SubjectError, match="want pith:2024:AAAA"):
        mirrors.examine(db, SOURCE, made(), "pith:2024:" + "A" * 26)


def test_what_a_source_drops_is_evidence_and_takes_no_place(db: sqlite3.Connection) -> None:
    hold(db, made(*NOTES))
    found = mirrors.examine(
        db, SOURCE, made(NOTES[0], note_event(BOB, created_at="2026-06-30T00:00:00Z"), at=2), NUMBER
    )
    assert set(found.dropped) == {note["event_id"] for note in NOTES[1:]}
    assert found.events == ()
    assert found.earlier == made(*NOTES)
    with pytest.raises(ValueError, match="never takes the place"):
        mirrors.hold(db, SOURCE, [found], 0, now=NOW)
    assert rows.read_held(db, "one", NUMBER) == made(*NOTES)


def test_an_older_bundle_and_another_signer_are_refused(db: sqlite3.Connection) -> None:
    hold(db, made(*NOTES, at=2))
    with pytest.raises(ConflictError, match="an old one"):
        mirrors.examine(db, SOURCE, made(at=1), NUMBER)
    with pytest.raises(SubjectError, match="signed by key"):
        mirrors.examine(db, SOURCE, made(*NOTES, at=3, by=BOB), NUMBER)


def test_equivocations_are_taken_over_and_told(db: sqlite3.Connection) -> None:
    after = FIRST["event_id"]
    two = [note_event(BOB, prev_event=after, created_at=f"2026-06-0{n}T12:00:00Z") for n in (1, 2)]
    found = mirrors.examine(db, SOURCE, made(*two), NUMBER)
    assert len(found.events) == 3
    assert [each["kind"] for each in found.equivocations] == ["prev_event"]


def test_a_source_is_added_once_under_a_name(db: sqlite3.Connection) -> None:
    mirrors.hold(db, SOURCE, (), 7, now=NOW)
    mirrors.add(db, SOURCE)  # again: what is known of it stays
    assert mirrors.find(db, "one").position == 7
    for other in (SOURCE._replace(place="else"), SOURCE._replace(log_key="another+vkey")):
        with pytest.raises(ConflictError, match="choose another name"):
            mirrors.add(db, other)
    mirrors.add(db, SOURCE._replace(keys=(PITH,)))
    assert mirrors.find(db, "one") == SOURCE._replace(position=7, keys=(PITH,), pulled_at=NOW)
    with pytest.raises(MissingError, match="'two' is not there"):
        mirrors.find(db, "two")


def test_a_position_only_moves_on(db: sqlite3.Connection) -> None:
    for position, want in [(5, 5), (3, 5), (6, 6)]:
        mirrors.hold(db, SOURCE, (), position, now=NOW)
        assert mirrors.find(db, "one").position == want


def test_only_keys_that_nobody_decided_about_are_allowed(
    db: sqlite3.Connection, tmp_path: Path
) -> None:
    log = new_log(tmp_path / "log")
    bundle = mirrors.examine(db, SOURCE, made(NOTES[0]), NUMBER).bundle
    with closing(database.open_editor(log.database)) as editor:
        permitted.allow(editor, pith_key(BOB), signer_id="b", event_types=["x"], now=NOW)
        permitted.revoke(editor, pith_key(BOB).fingerprint, now=NOW)
        allowed = mirrored_keys.allow(editor, bundle, SOURCE, now=NOW)
        assert allowed == [pith_key(ALICE).fingerprint]
        assert mirrored_keys.allow(editor, bundle, SOURCE, now=NOW) == []
        with writing(log):
            pass  # opening settles
        assert mirrored_keys.allow(editor, bundle, SOURCE, now=NOW) == []
        signers = registry.read(editor).signers
    assert signers[pith_key(BOB).fingerprint].revoked_at == NOW
    assert signers[pith_key(ALICE).fingerprint].signer_id == FIRST["signer"]["signer_id"]
    nobody = SOURCE._replace(keys=())
    with closing(database.open_editor(new_log(tmp_path / "other").database)) as editor:
        assert mirrored_keys.allow(editor, bundle, nobody, now=NOW) == []


def test_a_registry_is_looked_through_from_where_the_last_pull_ended(tmp_path: Path) -> None:
    log = new_log(tmp_path / "log")
    events = [record_event(number) for number in range(300)]
    subjects = [event.subject for event in events]
    with writing(log) as writer:
        writer.add([canonical(event.value) for event in events])
        about = [attestation_event(number, 0) for number in range(2)]  # twice about one record
        writer.add([canonical(event.value) for event in about])
    source = SOURCE._replace(log_key=log.verifier.vkey)
    with LocalLog(log, "https://one.example") as published:
        (part,) = mirrors.changes(published.get, source)
        assert part == (subjects, frozenset(subjects), 302)
        (part,) = mirrors.changes(published.get, source._replace(position=301))
        assert part == ([*subjects[256:], subjects[0]], frozenset(subjects[256:]), 302)
        with pytest.raises(ConflictError, match="has size 302, and had 303"):
            list(mirrors.changes(published.get, source._replace(position=303)))


@pytest.mark.parametrize("line", [b"[]", b"{}", b'{"subject_pith_number": 7}', b"no json"])
def test_what_is_no_list_of_events_is_refused(tmp_path: Path, line: bytes) -> None:
    log = new_log(tmp_path / "log")
    with writing(log) as writer:
        writer.add(raws(1))
    with LocalLog(log, "https://one.example") as published:

        def fetch(path: str, limit: int) -> bytes:
            return published.get(path, limit) if path == CHECKPOINT else line + b"\n"

        with pytest.raises(MalformedError):
            list(mirrors.changes(fetch, SOURCE._replace(log_key=log.verifier.vkey)))


def test_a_key_of_the_log_itself_is_left_to_the_log(db: sqlite3.Connection, tmp_path: Path) -> None:
    """A source that mirrors us back serves what we signed."""
    log = new_log(tmp_path / "log")
    own = log.read_signer().key
    source = SOURCE._replace(keys=(ALICE.public_key, own.public_key))
    value = build_bundle(
        pith_number=NUMBER,
        events=[FIRST, note_event(own)],
        keys=[pith_key(ALICE), pith_key(own)],
        built_at="2026-07-01T00:00:00Z",
        base_url="https://example.org",
        timestamp_proofs=[],
        mirror_hints=[],
        signing_key=ALICE,
    )
    found = mirrors.examine(db, source, canonical(value), NUMBER)
    with closing(database.open_editor(log.database)) as editor:
        assert mirrored_keys.allow(editor, found.bundle, source, now=NOW) == [
            pith_key(ALICE).fingerprint
        ]
        with pytest.raises(ForbiddenError):
            permitted.allow(editor, pith_key(own), signer_id="x", now=NOW)
