"""What the operator decides is an event first; who may write is what the log says of it."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import CREATED_AT, PITH_KEY, SIGNED_AT, record
from tests.simulators.logs import NOW, ORIGIN, writing
from tests.simulators.payloads import attested, erratum, rotated
from tests.simulators.published import record_event
from tests.unit.pith.sample import ALICE, BOB, MALLORY
from translog.errors import (
    BusyError,
    ForbiddenError,
    MalformedError,
    MissingError,
    TranslogError,
    UnknownKeyError,
)
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.log import (
    bundler,
    checker,
    decisions,
    directory,
    intake,
    listing,
    moderation,
    registry,
)
from translog.log.directory import LogDirectory
from translog.log.fsck import fsck
from translog.log.moderation import Held
from translog.log.reader import published
from translog.log.sequencer import Placed, Result
from translog.log.writer import Writer
from translog.pith import bundle as bundles
from translog.pith import event as events
from translog.pith.key import PithKey, fingerprint_hex
from translog.pith.kinds import decisions as kinds
from translog.pith.kinds.correction import build as correct
from translog.pith.listed import ListedKey
from translog.pith.record import pith_number
from translog.store import database
from translog.store import decisions as rows
from translog.store import log as store

NUMBER = pith_number(record(1))
OTHER_NUMBER = pith_number(record(2))
TYPES = ["author_attestation", "correction", "key_rotated"]
CAROL = SigningKey(b"c" * 32)
CAROLS = fingerprint_hex(CAROL.public_key)


def named(key: SigningKey) -> PithKey:
    return replace(PITH_KEY, public_key=key.public_key, key_id="key-1", signer_id=None)


ALICES, BOBS, MALLORYS = (fingerprint_hex(key.public_key) for key in (ALICE, BOB, MALLORY))


def signed(key: SigningKey, event_type: str, payload: Any, **changes: Any) -> dict[str, Any]:
    draft = {
        "schema_version": "1.0",
        "event_type": event_type,
        "subject_pith_number": NUMBER,
        "target": "record",
        "payload": payload,
        "signer": {
            "signer_id": "someone",
            "signer_type": "author",
            "key_id": "key-1",
            "public_key_fingerprint": fingerprint_hex(key.public_key),
        },
        "created_at": CREATED_AT,
        "supersedes": [],
        "prev_event": None,
        **changes,
    }
    return events.sign(draft, key, SIGNED_AT)


def said(key: SigningKey, number: int = 0, **changes: Any) -> dict[str, Any]:
    return signed(key, "author_attestation", attested(key.public_key, number), **changes)


def rotation(old: SigningKey, new: SigningKey) -> dict[str, Any]:
    subject = f"key:{fingerprint_hex(old.public_key)}"
    return signed(old, "key_rotated", rotated(old, new), subject_pith_number=subject)


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return directory.create(tmp_path / "log", ORIGIN, NOW)


@pytest.fixture
def db(log: LogDirectory) -> Iterator[sqlite3.Connection]:
    with closing(database.open_editor(log.database)) as opened:
        yield opened


def allow(db: sqlite3.Connection, key: SigningKey | PithKey, **changes: Any) -> None:
    pith = key if isinstance(key, PithKey) else named(key)
    wanted: dict[str, Any] = {"signer_id": "someone", "event_types": TYPES}
    decisions.allow(db, kinds.build_allowed(key=pith, **(wanted | changes)), now=NOW)


def allow_registry(db: sqlite3.Connection) -> None:
    allow(db, PITH_KEY, signer_id="registry.example", event_types=["record_created"])


def add(writer: Writer, *values: Mapping[str, Any]) -> list[Result]:
    return writer.add([canonical(value) for value in values])


def start(writer: Writer) -> None:
    """Log two records."""
    for number in (1, 2):
        (placed,) = add(writer, record_event(number).value)
        assert isinstance(placed, Placed)


def outcome(writer: Writer, *values: Mapping[str, Any]) -> list[type]:
    return [type(result) for result in add(writer, *values)]


def logged(log: LogDirectory) -> list[dict[str, Any]]:
    from translog.log.bundler import event_of
    from translog.store import log as leaves

    with closing(directory.open_reader(log)) as reader:
        return [event_of(leaf) for leaf in leaves.read_leaves(reader, 0, 1000)]


# ---- allowing and revoking ----


def test_a_decision_is_an_event_of_the_log_before_it_has_an_effect(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    with writing(log) as writer:
        allow_registry(db)
        assert outcome(writer, record_event(1).value) == [UnknownKeyError]
        writer.settle()
        assert rows.read_proposals(db) == []
        start(writer)
    first, second, _ = logged(log)
    assert first["event_type"] == "key_allowed" and first["subject_pith_number"] == ORIGIN
    assert first["signer"]["public_key_fingerprint"] == fingerprint_hex(log.verifier.public_key)
    assert first["payload"]["public_key"] == PITH_KEY.to_json()
    assert second["event_type"] == "record_created"
    row = registry.read_row(db, PITH_KEY.fingerprint)
    assert (row.allowed_index, row.ended_index, row.allowed_at) == (0, None, NOW)


def test_what_was_proposed_while_nobody_wrote_is_logged_when_somebody_does(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    with writing(log) as writer:
        start(writer)
    assert [event["event_type"] for event in logged(log)][:1] == ["key_allowed"]


def test_publishing_settles_first(log: LogDirectory, db: sqlite3.Connection) -> None:
    with writing(log) as writer:
        allow_registry(db)
        assert writer.publish(NOW).size == 1
        start(writer)


def test_settling_again_after_a_crash_changes_nothing(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    (proposal,) = rows.read_proposals(db)
    with writing(log):
        pass
    rows.add_proposal(db, proposal.event_type, proposal.payload, proposal.created_at)
    with writing(log):
        pass
    assert rows.read_proposals(db) == [] and len(logged(log)) == 1


def test_a_revoked_key_writes_nothing_after_the_event_that_revokes_it(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        assert outcome(writer, said(ALICE, 1)) == [Placed]
        decisions.revoke(db, ALICES, "gone", now=NOW + 5)
        writer.settle()
        assert outcome(writer, said(ALICE, 2)) == [ForbiddenError]
        assert outcome(writer, said(ALICE, 1)) == [ForbiddenError]  # it is there, and refused again
        allow(db, ALICE)
        writer.settle()
        assert outcome(writer, said(ALICE, 1), said(ALICE, 2)) == [Placed, Placed]
    types = [event["event_type"] for event in logged(log)]
    assert types == [
        "key_allowed",
        "key_allowed",
        "record_created",
        "record_created",
        "author_attestation",
        "key_revoked",
        "key_allowed",
        "author_attestation",
    ]


def test_what_was_checked_before_a_decision_is_checked_again_after_it(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        decisions.revoke(db, ALICES, "", now=NOW)
        (proposal,) = rows.read_proposals(db)
        statement = decisions._statement(proposal, log.read_signer())
        # One submission: all of it is checked before any of it is logged.
        raws = [canonical(said(ALICE, 1)), statement, canonical(said(ALICE, 2))]
        found = [type(result) for result in writer.add(raws)]
    assert found == [Placed, Placed, ForbiddenError]


def test_a_crowd_behind_a_decision_is_held_to_it(log: LogDirectory, db: sqlite3.Connection) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        crowd = [canonical(said(ALICE, number)) for number in range(200)]
        results: list[list[Result]] = []
        decisions.revoke(db, ALICES, "", now=NOW)
        (proposal,) = rows.read_proposals(db)
        statement = decisions._statement(proposal, log.read_signer())
        for part in (crowd[:100], [statement], crowd[100:]):
            writer.submit(part, results.append)
        writer.add([canonical(record_event(1).value)])  # after all of them
    before, decided, after = results
    assert {type(result) for result in before} == {Placed}
    assert {type(result) for result in decided} == {Placed}
    assert {type(result) for result in after} == {ForbiddenError}


def test_a_crowd_is_held_to_what_only_a_decision_allowed(
    log: LogDirectory, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = canonical(record_event(4).value)
    sequenced, checked, on = threading.Event(), threading.Event(), threading.Event()
    look_up, check = store.find, intake.admit_all

    def find(*arguments: Any) -> Any:
        sequenced.set()
        on.wait()
        return look_up(*arguments)

    def admit_all(raws: Sequence[bytes], *arguments: Any) -> Any:
        if raws == [last]:  # and all before it are ready
            checked.set()
        return check(raws, *arguments)

    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        allow(db, BOB)
        (proposal,) = rows.read_proposals(db)
        statement = decisions._statement(proposal, log.read_signer())
        monkeypatch.setattr(store, "find", find)
        monkeypatch.setattr(checker, "admit_all", admit_all)
        results: list[list[Result]] = []
        writer.submit([canonical(record_event(3).value)], results.append)
        sequenced.wait()
        both = [said(ALICE, 1), rotation(BOB, CAROL), said(BOB, 2)]
        for part in ([statement], [canonical(said(ALICE))], [canonical(each) for each in both]):
            writer.submit(part, results.append)
        writer.submit([last], results.append)
        checked.wait()
        on.set()
    # Nothing of Bob's was known when it was checked; when it was logged, the first ended the rest.
    found = [[type(result) for result in part] for part in results[2:4]]
    assert found == [[Placed], [Placed, Placed, ForbiddenError]]


@pytest.mark.parametrize(
    "propose",
    [
        lambda db, log: decisions.revoke(db, own(log).fingerprint, "", now=NOW),
        lambda db, log: decisions.disown(db, own(log).fingerprint, 0, "", now=NOW),
        lambda db, log: allow(db, own(log)),
    ],
)
def test_the_operator_decides_nothing_of_the_logs_own_key(
    log: LogDirectory, db: sqlite3.Connection, propose: Any
) -> None:
    with pytest.raises(ForbiddenError, match="key is the log's own"):
        propose(db, log)
    assert rows.read_proposals(db) == []


def own(log: LogDirectory) -> PithKey:
    return registry.pith_key(log.verifier, "")


def test_a_proposal_that_cannot_be_is_refused(db: sqlite3.Connection) -> None:
    with pytest.raises(MissingError, match="is not in this log's registry"):
        decisions.revoke(db, ALICES, "", now=NOW)
    with pytest.raises(MalformedError, match="event_types"):
        allow(db, ALICE, event_types=[])
    with pytest.raises(MalformedError, match="no signature is accepted under it"):
        allow(db, replace(named(ALICE), public_key=bytes(32)))
    with pytest.raises(MissingError, match="no event with hash 0000"):
        decisions.judge(db, bytes(32), "", accept=True, now=NOW)
    with pytest.raises(ValueError, match="is no decision"):
        decisions.propose(db, "time_beacon", {}, now=NOW)
    assert rows.read_proposals(db) == []


def test_nobody_but_the_log_decides(log: LogDirectory, db: sqlite3.Connection) -> None:
    allow(db, MALLORY, event_types=[*TYPES, "key_allowed", "record_mirrored"])
    with writing(log) as writer:
        payload = kinds.build_allowed(key=named(BOB), signer_id="x", event_types=["x"])
        (refused,) = add(
            writer, signed(MALLORY, "key_allowed", payload, subject_pith_number=ORIGIN)
        )
    assert isinstance(refused, ForbiddenError)
    assert "may not write 'key_allowed'" in str(refused)
    assert registry.read_row(db, MALLORYS).event_types == frozenset(TYPES)


def test_a_decision_of_another_log_decides_nothing_here(
    log: LogDirectory, db: sqlite3.Connection, tmp_path: Path
) -> None:
    other = directory.create(tmp_path / "other", "other.example/log", NOW)
    with closing(database.open_editor(other.database)) as others:
        allow(others, ALICE)
    with writing(other):
        pass
    (elsewhere,) = logged(other)
    with writing(log) as writer:
        assert outcome(writer, elsewhere) == [UnknownKeyError]


# ---- subjects, and what has to be there ----


def test_a_key_may_be_bound_to_records(log: LogDirectory, db: sqlite3.Connection) -> None:
    allow_registry(db)
    allow(db, ALICE, subjects=[NUMBER])
    with writing(log) as writer:
        start(writer)
        assert outcome(writer, said(ALICE)) == [Placed]
        (refused,) = add(writer, said(ALICE, subject_pith_number=OTHER_NUMBER))
        assert isinstance(refused, ForbiddenError)
        assert "may not write about" in str(refused)
        assert outcome(writer, rotation(ALICE, BOB)) == [Placed]  # about itself, it always may
        assert outcome(writer, said(BOB, subject_pith_number=OTHER_NUMBER)) == [ForbiddenError]


def test_an_event_about_a_record_that_is_not_there_is_refused(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        (refused,) = add(writer, said(ALICE))
        assert isinstance(refused, MissingError)
        assert f"record {NUMBER} is not in this log" in str(refused)
        # In one batch, in this order.
        wanted = [MissingError, Placed, Placed, MissingError]
        found = outcome(
            writer,
            said(ALICE, 1),
            record_event(1).value,
            said(ALICE, 2),
            said(ALICE, 3, subject_pith_number=OTHER_NUMBER),
        )
        assert found == wanted
    with writing(log) as writer:  # found again, and not only remembered
        assert outcome(writer, said(ALICE, 1)) == [Placed]
    assert fsck(log.path, lambda done, total: None)


def test_a_record_is_there_only_under_its_whole_number(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        for like in (f"pith:1999:{NUMBER[10:]}", f"{NUMBER[:-1]}{'AB'[NUMBER[-1] == 'A']}"):
            assert outcome(writer, said(ALICE, subject_pith_number=like)) == [MissingError]


def test_a_strangers_event_is_neither_superseded_nor_taken_back(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    for key in (ALICE, BOB):
        allow(db, key)
    alices = said(ALICE)
    retraction = correct(action="retraction", corrected_event=alices["event_id"], reason="not true")
    with writing(log) as writer:
        start(writer)
        bobs = [
            said(BOB, supersedes=[alices["event_id"]]),
            signed(BOB, "correction", retraction),
        ]
        # In the same batch as the event, and after it.
        found = add(writer, alices, *bobs)
        assert [type(each) for each in found] == [Placed, ForbiddenError, ForbiddenError]
        assert "is another signer's" in str(found[1])
        assert outcome(writer, *bobs) == [ForbiddenError] * 2
        unknown = said(BOB, supersedes=["sha256:" + "0" * 64])  # whose it is, nobody knows
        assert outcome(writer, unknown) == [Placed]
        assert outcome(writer, signed(BOB, "correction", erratum())) == [Placed]
        assert outcome(writer, said(ALICE, 2, supersedes=[alices["event_id"]])) == [Placed]
        assert outcome(writer, signed(ALICE, "correction", retraction)) == [Placed]


# ---- rotation ----


def test_a_key_is_followed_by_the_one_it_names(log: LogDirectory, db: sqlite3.Connection) -> None:
    allow_registry(db)
    allow(db, ALICE, held_types=["correction"])
    with writing(log) as writer:
        start(writer)
        first = said(ALICE)
        assert outcome(writer, first, rotation(ALICE, BOB)) == [Placed, Placed]
        found = add(writer, said(ALICE, 2), said(BOB, 3, supersedes=[first["event_id"]]))
        assert [type(each) for each in found] == [ForbiddenError, Placed]
        assert f"has rotated to key {BOBS}" in str(found[0])
        assert outcome(writer, signed(BOB, "correction", erratum())) == [Held]
    old, new = registry.read_row(db, ALICES), registry.read_row(db, BOBS)
    assert (old.rotated_to, old.ended_index, new.allowed_index) == (BOBS, 5, 5)
    assert (new.rotated_from, new.rotation_index) == (ALICES, 5)
    assert (new.signer_id, new.event_types) == (old.signer_id, old.event_types)


def test_a_key_rotates_once_and_to_a_new_key(log: LogDirectory, db: sqlite3.Connection) -> None:
    allow_registry(db)
    for key in (ALICE, BOB):
        allow(db, key)
    with writing(log) as writer:
        (refused,) = add(writer, rotation(ALICE, BOB))
        assert isinstance(refused, ForbiddenError)
        assert "is in this log's registry already" in str(refused)
        assert outcome(writer, rotation(ALICE, MALLORY)) == [Placed]
        third = SigningKey(bytes([4]) * 32)
        assert outcome(writer, rotation(ALICE, third)) == [ForbiddenError]
        # A chain of keys is one signer.
        assert outcome(writer, rotation(MALLORY, third)) == [Placed]
    assert registry.read_row(db, MALLORYS).rotated_from == ALICES


def test_a_key_that_was_not_allowed_to_rotate_does_not(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow(db, ALICE, event_types=["correction"])
    with writing(log) as writer:
        assert outcome(writer, rotation(ALICE, BOB)) == [ForbiddenError]
    with pytest.raises(MissingError):
        registry.read_row(db, BOBS)


# ---- compromise ----


def test_a_compromised_key_writes_no_more_and_is_not_allowed_again(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        assert outcome(writer, said(ALICE)) == [Placed]
        decisions.disown(db, ALICES, 4, "stolen", now=NOW)
        writer.settle()
        (refused,) = add(writer, said(ALICE, 1))
        assert "may be in other hands since entry 4" in str(refused)
        with pytest.raises(ForbiddenError, match="make another key"):
            allow(db, ALICE)
        # It was known earlier than was thought; and later is no news, whoever writes it.
        for since, held in ((2, 2), (3, 2), (0, 0)):
            payload = kinds.build_compromised(fingerprint=ALICES, since_index=since)
            decisions.propose(db, kinds.KEY_COMPROMISED, payload, now=NOW + since)
            writer.settle()
            assert registry.read_row(db, ALICES).compromised_since == held
    with pytest.raises(MissingError, match="entry 10 is not in this log, which has 9"):
        decisions.disown(db, ALICES, 10, "", now=NOW)


def test_what_a_decision_would_not_change_is_refused_or_not_logged(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    for who in (ALICE, BOB, MALLORY):
        allow(db, who)
    with writing(log) as writer:
        start(writer)
        decisions.revoke(db, BOBS, "", now=NOW)
        decisions.disown(db, MALLORYS, 3, "", now=NOW)
        assert outcome(writer, rotation(ALICE, CAROL)) == [Placed]
        writer.settle()
        before = [registry.read_row(db, each) for each in (ALICES, BOBS, MALLORYS)]
        size = writer.head.size
        with pytest.raises(ForbiddenError, match=f"has rotated to key {CAROLS}, and writes no"):
            decisions.revoke(db, ALICES, "", now=NOW)
        with pytest.raises(ForbiddenError, match="in other hands since entry 3 already"):
            decisions.disown(db, MALLORYS, 4, "", now=NOW)
        assert decisions.revoke(db, BOBS, "again", now=NOW) is None
        assert decisions.revoke(db, MALLORYS, "", now=NOW) is None
        assert decisions.disown(db, MALLORYS, 3, "again", now=NOW) is None
        writer.settle()
        assert [registry.read_row(db, each) for each in (ALICES, BOBS, MALLORYS)] == before
        assert writer.head.size == size
        # What changes something is logged: an earlier entry, and a key that has rotated.
        assert decisions.disown(db, MALLORYS, 2, "", now=NOW) is not None
        assert decisions.disown(db, ALICES, 1, "", now=NOW) is not None
        assert decisions.revoke(db, CAROLS, "", now=NOW) is not None
        # A key that is about to be allowed again is one that writes.
        allow(db, BOB)
        assert decisions.revoke(db, BOBS, "", now=NOW) is not None
        writer.settle()
    rows_now = [registry.read_row(db, each) for each in (ALICES, BOBS, MALLORYS, CAROLS)]
    assert [row.compromised_since for row in rows_now] == [1, None, 2, None]
    assert all(row.revoked_at is not None for row in rows_now)


# ---- moderation ----


def waiting(db: sqlite3.Connection) -> list[str]:
    return [decisions.event_of(row)["event_id"] for row in rows.read_held(db, ["waiting"])]


def digest(event: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(event["content_sha256"])


@pytest.fixture
def moderated(log: LogDirectory, db: sqlite3.Connection) -> LogDirectory:
    allow_registry(db)
    allow(db, ALICE, held_types=["author_attestation"])
    with writing(log) as writer:
        start(writer)
    return log


def test_an_event_of_a_held_type_waits_and_is_not_logged(
    moderated: LogDirectory, db: sqlite3.Connection
) -> None:
    with writing(moderated) as writer:
        size = writer.head.size
        found = add(writer, said(ALICE, 1), said(ALICE, 1), signed(ALICE, "correction", erratum()))
        assert [type(each) for each in found] == [Held, Held, Placed]
        assert outcome(writer, said(ALICE, 1)) == [Held]
        assert writer.head.size == size + 1
        assert [each.event_id for each in found[:1] if isinstance(each, Held)] == waiting(db)
    assert waiting(db) == [said(ALICE, 1)["event_id"]]


def test_only_what_is_right_waits(moderated: LogDirectory, db: sqlite3.Connection) -> None:
    with writing(moderated) as writer:
        wrong = [
            said(ALICE, subject_pith_number=f"pith:1999:{NUMBER[10:]}"),
            {**said(ALICE), "target": "x"},
            signed(ALICE, "author_attestation", attested(BOB.public_key)),
            said(MALLORY),
        ]
        assert Held not in outcome(writer, *wrong)
    assert waiting(db) == []


def test_what_is_accepted_is_logged_after_the_decision(
    moderated: LogDirectory, db: sqlite3.Connection
) -> None:
    event = said(ALICE, 1)
    with writing(moderated) as writer:
        assert outcome(writer, event) == [Held]
        decisions.judge(db, digest(event), "as agreed", accept=True, now=NOW)
        writer.settle()
        (again,) = add(writer, event)
        assert isinstance(again, Placed) and again.duplicate
    decision, accepted = logged(moderated)[-2:]
    assert decision["event_type"] == "event_accepted"
    assert decision["payload"] == {
        "event_id": event["event_id"],
        "public_key_fingerprint": ALICES,
        "reason": "as agreed",
    }
    assert accepted == event
    assert rows.find_held(db, digest(event)) == []


def test_what_is_refused_is_refused_for_good_and_its_body_is_gone(
    moderated: LogDirectory, db: sqlite3.Connection
) -> None:
    event = said(ALICE, 1)
    with writing(moderated) as writer:
        assert outcome(writer, event) == [Held]
        decisions.judge(db, digest(event), "", accept=False, now=NOW)
        writer.settle()
        (refused,) = add(writer, event)
        assert isinstance(refused, ForbiddenError)
        assert "was refused by the log's operator" in str(refused)
    assert [event["event_type"] for event in logged(moderated)][-1] == "event_refused"
    assert [row.body for row in rows.find_held(db, digest(event))] == [b""]
    with pytest.raises(MissingError):
        decisions.judge(db, digest(event), "", accept=True, now=NOW)


def test_what_was_accepted_is_logged_though_the_log_stopped_in_between(
    moderated: LogDirectory, db: sqlite3.Connection
) -> None:
    event = said(ALICE, 1)
    with writing(moderated) as writer:
        assert outcome(writer, event) == [Held]
        decisions.judge(db, digest(event), "", accept=True, now=NOW)
        (proposal,) = rows.read_proposals(db)
        # Stopped after the decision was logged: the proposal is still noted.
        writer.add([decisions._statement(proposal, moderated.read_signer())])
        assert logged(moderated)[-1]["event_type"] == "event_accepted"
    with writing(moderated):
        pass
    assert logged(moderated)[-1] == event
    assert [each["event_type"] for each in logged(moderated)].count("event_accepted") == 1


def test_an_event_of_a_key_that_is_revoked_meanwhile_is_not_accepted(
    moderated: LogDirectory, db: sqlite3.Connection
) -> None:
    first, second = said(ALICE, 1), said(ALICE, 2)
    with writing(moderated) as writer:
        assert outcome(writer, first, second) == [Held, Held]
        decisions.revoke(db, ALICES, "", now=NOW)
        decisions.judge(db, digest(first), "", accept=True, now=NOW)
        writer.settle()
        with pytest.raises(ForbiddenError, match="was revoked"):
            decisions.judge(db, digest(second), "", accept=True, now=NOW)
    assert first["event_id"] not in [event["event_id"] for event in logged(moderated)]
    assert waiting(db) == [second["event_id"]]


def test_the_line_of_waiting_events_is_bounded_for_each_key_and_for_all(
    moderated: LogDirectory, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(db, BOB, held_types=["author_attestation"])
    monkeypatch.setattr(moderation, "MAX_HELD_OF_ONE_KEY", 2)
    monkeypatch.setattr(moderation, "MAX_HELD", 3)
    with writing(moderated) as writer:
        found = outcome(writer, *(said(ALICE, number) for number in range(3)))
        assert found == [Held, Held, BusyError]
        assert outcome(writer, said(ALICE, 3), said(ALICE, 0)) == [BusyError, Held]
        assert outcome(writer, said(BOB, 0), said(BOB, 1)) == [Held, BusyError]
        assert len(waiting(db)) == 3


def test_held_events_and_logged_ones_in_one_batch_are_each_what_they_are(
    moderated: LogDirectory,
) -> None:
    def mixed(numbers: Sequence[int]) -> list[type]:
        values = [
            value
            for number in numbers
            for value in (said(ALICE, number), signed(ALICE, "correction", erratum(number)))
        ]
        return outcome(writer, *values)

    with writing(moderated) as writer:
        assert mixed(range(40)) == [Held, Placed] * 40
        assert all(not issubclass(each, TranslogError) for each in mixed(range(20, 60)))
    assert fsck(moderated.path, lambda done, total: None)


# ---- what bundles say of it ----


def bundle_of(log: LogDirectory, number: str = NUMBER) -> dict[str, Any]:
    with closing(directory.open_reader(log)) as reader:
        size = published(reader).size
        return bundler.bundle(reader, size, number[10:], log.read_signer(), "https://log.example")


def keys_of(log: LogDirectory, *keys: bytes) -> list[bytes]:
    return [PITH_KEY.public_key, log.verifier.public_key, *keys]


def test_a_bundle_lists_the_keys_that_its_events_need_and_how_they_followed_each_other(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    first = said(ALICE)
    newer = said(BOB, 2, supersedes=[first["event_id"]])
    with writing(log) as writer:
        start(writer)
        assert outcome(writer, first, rotation(ALICE, BOB), newer) == [Placed] * 3
    bundle = bundle_of(log)
    fingerprints = [key["fingerprint_sha256_hex"] for key in bundle["public_keys"]]
    assert set(fingerprints) == {PITH_KEY.fingerprint, ALICES, BOBS, own(log).fingerprint}
    (follower,) = [key for key in bundle["public_keys"] if "rotation" in key]
    assert follower["public_key_hex"] == BOB.public_key.hex()
    assert follower["rotation"] == rotation(ALICE, BOB)
    # The newer key took the place of what the older one signed.
    listed = bundle["state"]["current"]["author_attestations"]
    assert [item["event_id"] for item in listed] == [newer["event_id"]]
    trusted = keys_of(log, ALICE.public_key, BOB.public_key)
    bundles.open_bundle(canonical(bundle), trusted)
    found = bundles.inspect(bundles.parse(canonical(bundle)), trusted)
    (said_so,) = [each.sentence for each in found if each.what.startswith("rotation")]
    assert said_so == f"key {ALICES} said that key {BOBS} takes its place"
    with pytest.raises(UnknownKeyError, match=ALICES):
        bundles.open_bundle(canonical(bundle), keys_of(log, BOB.public_key))


def test_a_record_whose_events_are_all_of_the_newer_key_names_the_older_one(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        assert outcome(writer, rotation(ALICE, BOB), said(BOB)) == [Placed] * 2
    listed = [key["fingerprint_sha256_hex"] for key in bundle_of(log)["public_keys"]]
    assert ALICES in listed and BOBS in listed
    others = [key["fingerprint_sha256_hex"] for key in bundle_of(log, OTHER_NUMBER)["public_keys"]]
    assert ALICES not in others and BOBS not in others


def test_a_rotation_in_a_bundle_proves_itself_or_fails(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        assert outcome(writer, rotation(ALICE, BOB), said(BOB)) == [Placed] * 2
    bundle = bundle_of(log)
    trusted = keys_of(log, ALICE.public_key, BOB.public_key, MALLORY.public_key)
    for forged in (rotation(MALLORY, BOB), rotation(ALICE, MALLORY), said(ALICE), {}):
        changed = json.loads(json.dumps(bundle))
        for key in changed["public_keys"]:
            if "rotation" in key:
                key["rotation"] = forged
        found = bundles.inspect(bundles.parse(canonical(changed)), trusted)
        statuses = {each.what.split()[0]: each.status for each in found}
        if forged == rotation(MALLORY, BOB):  # true of itself, and the key is simply not listed
            assert statuses["rotation"] == "proved"
        else:
            assert statuses["rotation"] == "failed"
        assert statuses["bundle"] == "failed"


def test_events_of_a_compromised_key_do_not_count_from_where_it_was_lost(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    before, after = said(ALICE, 1), said(ALICE, 2)
    with writing(log) as writer:
        start(writer)
        (kept, lost) = add(writer, before, after)
        assert isinstance(kept, Placed) and isinstance(lost, Placed)
        writer.publish(NOW)
        whole = bundle_of(log)
        decisions.disown(db, ALICES, lost.index, "stolen", now=NOW)
        writer.settle()
    bundle = bundle_of(log)
    state = bundle["state"]
    listed = state["current"]["author_attestations"]
    assert [item["event_id"] for item in listed] == [before["event_id"]]
    assert [(each["event_id"], each["reason"]) for each in state["invalid_events"]] == [
        (after["event_id"], "key-compromised")
    ]
    assert whole["state"]["invalid_events"] == []
    assert {event["event_id"] for event in bundle["events"]} >= {after["event_id"]}
    trusted = keys_of(log, ALICE.public_key)
    bundles.open_bundle(canonical(bundle), trusted)
    sentences = [
        each.sentence
        for each in bundles.inspect(bundles.parse(canonical(bundle)), trusted)
        if each.what.startswith("compromise")
    ]
    assert sentences == [
        f"key {fingerprint_hex(log.verifier.public_key)} said that key {ALICES} may be in other"
        f" hands since entry {lost.index}; events by it that do not count: 1"
    ]


def test_nobody_but_the_builder_of_a_bundle_disowns_in_it(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE)
    with writing(log) as writer:
        start(writer)
        assert outcome(writer, said(ALICE)) == [Placed]
        decisions.disown(db, ALICES, 0, "", now=NOW)
        writer.settle()
    bundle = bundle_of(log)
    trusted = keys_of(log, ALICE.public_key, MALLORY.public_key)
    payload = kinds.build_compromised(fingerprint=ALICES, since_index=0)
    mallorys = signed(MALLORY, "key_compromised", payload, subject_pith_number=ORIGIN)
    for forged in (mallorys, said(ALICE)):
        changed = json.loads(json.dumps(bundle))
        for key in changed["public_keys"]:
            if "compromise" in key:
                key["compromise"]["event"] = forged
        found = bundles.inspect(bundles.parse(canonical(changed)), trusted)
        (status,) = [each.status for each in found if each.what.startswith("compromise")]
        assert status in ("failed", "unknown-key")


def test_what_is_said_of_keys_is_read_strictly() -> None:
    whole = ListedKey(
        key=named(ALICE), rotation={}, compromise={}, disowned=("sha256:" + "0" * 64,)
    )
    value = whole.to_json()
    assert ListedKey.from_json(value) == whole
    assert ListedKey.from_json(named(ALICE).to_json()) == ListedKey(key=named(ALICE))
    cases: list[Any] = [
        {**value, "rotation": None},
        {**value, "rotation": []},
        {**value, "compromise": None},
        {**value, "compromise": {"event": {}}},
        {**value, "compromise": {"event": {}, "event_ids": [], "more": 1}},
        {**value, "compromise": {"event": [], "event_ids": []}},
        {**value, "compromise": {"event": {}, "event_ids": ["x"]}},
        {**value, "compromise": {"event": {}, "event_ids": list(whole.disowned * 2)}},
        {**value, "more": 1},
        [],
    ]
    for wrong in cases:
        with pytest.raises(MalformedError):
            ListedKey.from_json(wrong)


def test_the_keys_of_a_registry_say_from_when_until_when(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    allow_registry(db)
    allow(db, ALICE, event_types=["record_created", "key_rotated"])
    allow(db, MALLORY)
    with writing(log) as writer:
        assert outcome(writer, rotation(ALICE, BOB)) == [Placed]
        decisions.disown(db, PITH_KEY.fingerprint, 1, "", now=NOW + 60)
        writer.settle()
    with closing(directory.open_reader(log)) as reader:
        found = {key["fingerprint_sha256_hex"]: key for key in listing.registry_keys(reader)}
    assert {each: found[each]["status"] for each in found} == {
        PITH_KEY.fingerprint: "compromised",
        ALICES: "rotated",
        BOBS: "active",
    }
    assert found[BOBS]["rotated_from"] == ALICES and found[ALICES]["rotated_to"] == BOBS
    assert found[ALICES]["valid_until"] == CREATED_AT == found[BOBS]["valid_from"]
    assert found[BOBS]["valid_until"] is None and found[BOBS]["valid_from_index"] == 3
    assert found[PITH_KEY.fingerprint]["compromised_since_index"] == 1
