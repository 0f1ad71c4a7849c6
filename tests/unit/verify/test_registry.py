"""The registry is computed again from the log, and an entry that it did not permit is found."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.logs import NOW, ORIGIN, writing
from tests.simulators.payloads import erratum
from tests.simulators.published import record_event
from tests.unit.log.test_decisions import (
    ALICES,
    BOBS,
    add,
    allow,
    allow_registry,
    digest,
    outcome,
    rotation,
    said,
    signed,
    start,
)
from tests.unit.pith.sample import ALICE, BOB
from translog.errors import VerificationError
from translog.log import decisions, directory, registry
from translog.log.directory import LogDirectory
from translog.log.moderation import Held
from translog.log.sequencer import Placed
from translog.log.source import Source
from translog.store import database
from translog.store import registry as rows
from translog.testing import permitted
from translog.verify.registry import Replay, replay
from translog.verify.state import AuditState


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return directory.create(tmp_path / "log", ORIGIN, NOW)


def replayed(log: LogDirectory) -> tuple[Replay, AuditState]:
    with Source(log, "https://log.example") as source:
        return replay(source.get, log.verifier, progress=lambda state: None)


def test_what_is_computed_is_what_the_log_goes_by(log: LogDirectory) -> None:
    with closing(database.open_editor(log.database)) as db:
        allow_registry(db)
        allow(db, ALICE, held_types=["correction"])
        held = signed(ALICE, "correction", erratum())
        with writing(log) as writer:
            start(writer)
            assert outcome(writer, said(ALICE), held) == [Placed, Held]
            decisions.judge(db, digest(held), "", accept=True, now=NOW)
            writer.settle()
            assert outcome(writer, rotation(ALICE, BOB), said(BOB)) == [Placed] * 2
            decisions.disown(db, BOBS, 8, "", now=NOW)
            writer.settle()
        found, state = replayed(log)
        ours = {row.key.fingerprint: row for row in rows.read_signers(db)}
    assert state.size == 10 and found.decisions == 4
    own = registry.pith_key(log.verifier, "").fingerprint
    assert found.permits.pop(own).event_types == ours.pop(own).event_types
    assert found.permits == ours
    assert ours[ALICES].rotated_to == BOBS and ours[BOBS].compromised_since == 8


def unsaid(log: LogDirectory, what: str, *parameters: Any) -> None:
    """Change the registry behind the log's back, as only its operator can."""
    with closing(database.open_editor(log.database)) as db:
        db.execute(what, parameters)
        db.execute("UPDATE log SET registry_version = registry_version + 1")


def test_a_key_that_was_let_in_unsaid_is_found(log: LogDirectory) -> None:
    with closing(database.open_editor(log.database)) as db:
        allow_registry(db)
        with writing(log) as writer:
            start(writer)
        permitted.allow(db, decisions_key(), signer_id="someone", now=NOW)
    with writing(log) as writer:
        assert outcome(writer, said(ALICE)) == [Placed]
    with pytest.raises(VerificationError, match=r"entry 3: was not permitted: key .* is not in"):
        replayed(log)


def decisions_key() -> Any:
    from tests.unit.log.test_decisions import named

    return named(ALICE)


@pytest.mark.parametrize(
    ("change", "said_of_it"),
    [
        ("UPDATE signer SET revoked_at = NULL WHERE fingerprint = ?", "was revoked at"),
        ("UPDATE signer SET held_types = '[]' WHERE fingerprint = ?", "nothing before it accepts"),
        ("UPDATE signer SET subjects = NULL WHERE fingerprint = ?", "may not write about"),
    ],
)
def test_what_the_log_had_said_cannot_be_unsaid(
    log: LogDirectory, change: str, said_of_it: str
) -> None:
    with closing(database.open_editor(log.database)) as db:
        allow_registry(db)
        if "held" in change:
            allow(db, ALICE, held_types=["author_attestation"])
        elif "subjects" in change:
            allow(db, ALICE, subjects=["pith:2026:AD6P7OEY4I2RODEM7GZJCQO33G"])
        else:
            allow(db, ALICE)
        with writing(log) as writer:
            start(writer)
            if "revoked" in change:
                decisions.revoke(db, ALICES, "", now=NOW)
                writer.settle()
    replayed(log)
    unsaid(log, change, ALICES)
    with writing(log) as writer:
        assert outcome(writer, said(ALICE)) == [Placed]
    with pytest.raises(VerificationError, match=said_of_it):
        replayed(log)


def test_events_of_all_bundles_are_followed_in_order(log: LogDirectory) -> None:
    with closing(database.open_editor(log.database)) as db:
        allow_registry(db)
        with writing(log) as writer:
            add(writer, *(record_event(number).value for number in range(600)))
            decisions.revoke(db, registry_fingerprint(), "", now=NOW)
            writer.settle()
    found, state = replayed(log)
    assert state.size == 602 and found.decisions == 2
    assert found.permits[registry_fingerprint()].ended_index == 601


def registry_fingerprint() -> str:
    from tests.simulators.events import PITH_KEY

    return PITH_KEY.fingerprint
