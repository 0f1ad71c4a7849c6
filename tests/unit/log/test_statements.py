"""What the log itself states: its own key, its own name, these types, and nothing special."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.simulators import payloads
from tests.simulators.events import KEY, PITH_KEY, SIGNER_ID, signer
from tests.simulators.logs import NOW, ORIGIN, new_log, raws, writing
from translog.errors import (
    ForbiddenError,
    MalformedError,
    SubjectError,
    TranslogError,
    UnavailableError,
    UnknownKeyError,
)
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.formats.note import NoteSigner
from translog.log import directory, registry, statements
from translog.log.directory import LogDirectory
from translog.log.fsck import fsck
from translog.log.registry import LOG_TYPES, pith_key
from translog.pith import event as events
from translog.store import database
from translog.testing import permitted

NUMBER = "pith:2026:AD6P7OEY4I2RODEM7GZJCQO33G"


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return new_log(tmp_path / "log")


@pytest.fixture
def db(log: LogDirectory) -> Iterator[sqlite3.Connection]:
    with closing(database.open_editor(log.database)) as opened:
        yield opened


def beacon(signer: NoteSigner, **changes: Any) -> bytes:
    wanted: dict[str, Any] = {
        "event_type": "time_beacon",
        "subject": ORIGIN,
        "target": "log",
        "payload": payloads.beacon(1),
        "created_at": NOW,
    }
    return statements.make(signer, **(wanted | changes))


def test_a_new_log_may_state_what_logs_state_and_nothing_else(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    own = registry.read(db).signers[pith_key(log.verifier, "").fingerprint]
    assert own.key.public_key == log.verifier.public_key
    assert own.signer_id == ORIGIN
    assert own.event_types == LOG_TYPES
    assert (own.allowed_at, own.revoked_at) == (NOW, None)


def test_a_statement_is_an_event_like_all_others(log: LogDirectory) -> None:
    made = events.parse(beacon(log.read_signer()))
    events.verify(made, log.verifier.public_key)
    events.check_subject(made)
    assert made.signer.signer_type == "log"
    assert made.signer.signer_id == ORIGIN
    with writing(log) as writer:
        (first,) = statements.append(writer, [beacon(log.read_signer())])
        assert (first.index, first.duplicate) == (0, False)
    assert fsck(log.path, lambda done, total: None).size == 1


def test_a_statement_made_again_keeps_its_place(log: LogDirectory) -> None:
    for attempt in range(3):
        with writing(log, NOW + attempt) as writer:
            (placed,) = statements.append(writer, [beacon(log.read_signer())])
            assert (placed.index, placed.duplicate) == (0, attempt > 0)
            assert writer.head.size == 1


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"event_type": "author_attestation", "subject": NUMBER}, ForbiddenError),
        ({"event_type": "record_created", "subject": NUMBER}, ForbiddenError),
        ({"subject": "other.example/log"}, ForbiddenError),
        ({"subject": NUMBER}, ForbiddenError),
        ({"subject": "a b"}, ForbiddenError),
        ({"event_type": "timestamp_anchor"}, SubjectError),
    ],
)
def test_what_the_log_may_not_state_is_refused(
    log: LogDirectory, changes: dict[str, Any], refusal: type[TranslogError]
) -> None:
    with writing(log) as writer:
        with pytest.raises(TranslogError) as caught:
            statements.append(writer, [beacon(log.read_signer(), **changes)])
        assert type(caught.value) is refusal
        assert writer.head.size == 0


def test_nobody_else_states_things_in_the_log_s_name(log: LogDirectory) -> None:
    thief = NoteSigner(name=ORIGIN, key=SigningKey(b"t" * 32))
    with writing(log) as writer, pytest.raises(UnknownKeyError):
        statements.append(writer, [beacon(thief)])


def test_a_beacon_of_another_key_is_about_this_log_too(log: LogDirectory) -> None:
    draft = {
        "schema_version": "1.0",
        "event_type": "time_beacon",
        "subject_pith_number": "other.example/log",
        "target": "log",
        "payload": payloads.beacon(),
        "signer": signer(),
        "created_at": "2026-06-01T00:00:00Z",
        "supersedes": [],
        "prev_event": None,
    }
    with writing(log) as writer:
        for subject, wanted in [("other.example/log", ForbiddenError), (ORIGIN, None)]:
            event = events.sign(
                {**draft, "subject_pith_number": subject}, KEY, "2026-06-01T00:00:00.000000Z"
            )
            (result,) = writer.add([canonical(event)])
            assert isinstance(result, wanted or tuple)
    assert isinstance(result, tuple)


def test_the_operator_can_neither_widen_nor_revoke_the_log_s_own_key(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    own = pith_key(log.verifier, "")
    before = registry.read(db)
    with pytest.raises(ForbiddenError, match="key is the log's own"):
        permitted.allow(db, own, signer_id=SIGNER_ID, now=NOW)
    with pytest.raises(ForbiddenError, match="key is the log's own"):
        permitted.revoke(db, own.fingerprint, now=NOW)
    assert registry.read(db) == before


@pytest.mark.parametrize(
    "earlier",
    [
        "DELETE FROM signer WHERE signer_id = 'example.com/log'",
        "UPDATE signer SET event_types = '[\"time_beacon\"]' WHERE signer_id = 'example.com/log'",
        "UPDATE signer SET signer_id = 'me' WHERE signer_id = 'example.com/log'",
        "UPDATE signer SET revoked_at = 5 WHERE signer_id = 'example.com/log'",
    ],
)
def test_a_log_of_an_earlier_version_gets_its_own_key_when_it_is_opened(
    log: LogDirectory, db: sqlite3.Connection, earlier: str
) -> None:
    assert db.execute(earlier).rowcount == 1
    with writing(log, NOW + 7) as writer:
        statements.append(writer, [beacon(log.read_signer())])
    own = registry.read_row(db, pith_key(log.verifier, "").fingerprint)
    assert own.event_types == LOG_TYPES
    assert own.allowed_at == NOW + 7
    version = registry.read(db).version
    with writing(log, NOW + 9) as writer:
        assert isinstance(writer.add(raws(1))[0], tuple)
    assert registry.read(db).version == version  # opening it once more changes nothing
    assert registry.read_row(db, PITH_KEY.fingerprint).signer_id == SIGNER_ID


@pytest.mark.parametrize("origin", ["x" * 247, "zero\u200bwidth"])
def test_a_log_that_no_event_could_name_is_not_made(tmp_path: Path, origin: str) -> None:
    with pytest.raises(MalformedError, match="want at most 246 printable characters"):
        directory.create(tmp_path / "new", origin, NOW)
    assert not (tmp_path / "new").exists()
    longest = directory.create(tmp_path / "longest", "x" * 246, NOW)
    with writing(longest) as writer:
        statements.append(writer, [beacon(longest.read_signer(), subject="x" * 246)])


def test_a_log_that_takes_nothing_takes_no_statement(log: LogDirectory) -> None:
    with writing(log) as writer:
        pass
    with pytest.raises(UnavailableError, match="log is being closed"):
        statements.append(writer, [beacon(log.read_signer())])
