"""fsck computes the registry again from the log, and finds what says something else."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import KEY, KEY_ID, PITH_KEY, SIGNER_ID
from tests.simulators.logs import NOW, ORIGIN, writing
from tests.simulators.payloads import erratum
from tests.unit.log.test_decisions import (
    ALICES,
    BOBS,
    NUMBER,
    add,
    allow,
    allow_registry,
    named,
    rotation,
    said,
    signed,
    start,
)
from tests.unit.pith.sample import ALICE, BOB, MALLORY
from translog.errors import VerificationError
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.log import decisions, directory, intake, minting, registry
from translog.log.directory import LogDirectory
from translog.log.fsck import Checked, fsck
from translog.log.minting import Minter
from translog.log.sequencer import Placed, Sequencer
from translog.pith.key import fingerprint_hex
from translog.pith.metadata import read_json
from translog.store import database
from translog.store.bodies import Packer
from translog.testing import permitted

CAROL, DAVE, EVE = (SigningKey(bytes([number]) * 32) for number in (21, 22, 23))
CAROLS, DAVES, EVES = (fingerprint_hex(key.public_key) for key in (CAROL, DAVE, EVE))
MALLORYS = fingerprint_hex(MALLORY.public_key)
METADATA = {
    "source": {"kind": "arxiv", "id": "2606.00001", "version": 1},
    "title": "A Title",
    "abstract": "An abstract.",
    "submitted_at": "2026-06-01T00:00:00Z",
    "primary_cat": "cs.CL",
}
MINTER = Minter(
    KEY,
    signer_id=SIGNER_ID,
    key_id=KEY_ID,
    builder="test",
    now=lambda: "2026-06-01T12:00:00.000001Z",
)


def held(number: int) -> dict[str, Any]:
    return signed(ALICE, "correction", erratum(number))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> LogDirectory:
    """A log with every kind of decision, events that wait, a proposal, and a minted record."""
    log = directory.create(tmp_path_factory.mktemp("log") / "log", ORIGIN, NOW)
    with closing(database.open_editor(log.database)) as db:
        permitted.allow(db, named(DAVE), signer_id="dave", event_types=["x"], now=NOW)
        with writing(log) as writer:
            allow_registry(db)
            allow(db, ALICE, held_types=["correction"])
            allow(db, BOB, subjects=[NUMBER])
            allow(db, MALLORY)
            allow(db, EVE)
            writer.settle()
            start(writer)
            add(writer, held(1), held(2), held(3), said(BOB), rotation(MALLORY, CAROL))
            for number, accept in ((1, True), (2, False)):
                digest = bytes.fromhex(held(number)["content_sha256"])
                decisions.judge(db, digest, "because", accept=accept, now=NOW)
            decisions.revoke(db, BOBS, "because", now=NOW)
            decisions.revoke(db, DAVES, "because", now=NOW)
            decisions.disown(db, EVES, 3, "because", now=NOW)
            writer.settle()
            work = minting.name(read_json(json.dumps(METADATA).encode()))
            (placed,) = writer.add(MINTER.mint(work))
            assert isinstance(placed, Placed)
            minting.keep_texts(db, [(placed.index, work.work)])
        decisions.revoke(db, ALICES, "because", now=NOW)
    return log


@pytest.fixture
def log(made: LogDirectory, tmp_path: Path) -> LogDirectory:
    """A copy of it that a test may change."""
    return directory.find(Path(shutil.copytree(made.path, tmp_path / "log")))


def check(log: LogDirectory) -> Checked:
    return fsck(log.path, lambda done, total: None)


def test_what_the_log_decided_is_found_right(log: LogDirectory) -> None:
    found = check(log)
    # The log's own, the registry's, and those of Alice, Bob, Carol, Dave, Eve and Mallory.
    assert (found.keys, found.unstated_keys) == (8, 1)


def of(fingerprint: str) -> str:
    return f"UPDATE signer SET %s WHERE fingerprint = '{fingerprint}'"


ROW = "^signer '%s': "
WAITING = "UPDATE held SET %s WHERE state = 'waiting'"
HELD = r"^held event sha256:[0-9a-f]+: "
PROPOSAL = "^proposal [0-9]+: "
LEAF = "^leaf [0-9]+: "
LOGS = "UPDATE signer SET %s WHERE signer_id = '" + ORIGIN + "'"
DAMAGE = [
    # What a key may write, and under which name.
    (of(ALICES) % """event_types = '["x"]'""", ROW % ALICES + r"event_types is \['x'\], and"),
    (of(ALICES) % "signer_id = 'another'", ROW % ALICES + "signer_id is 'another', and"),
    (of(ALICES) % "held_types = '[]'", ROW % ALICES + r"held_types is \[\], and"),
    (of(ALICES) % "held_types = '{}'", ROW % ALICES + "held types or subjects are not a list"),
    (of(BOBS) % "subjects = NULL", ROW % BOBS + "subjects is null, and"),
    (of(BOBS) % "subjects = '[1]'", ROW % BOBS + "held types or subjects are not a list"),
    (of(ALICES) % "allowed_at = 7", ROW % ALICES + "allowed_at is 7, and"),
    (of(ALICES) % "allowed_index = 4", ROW % ALICES + "allowed_index is 4, and"),
    (of(ALICES) % "key_json = replace(key_json, 'key-1', 'key-2')", ROW % ALICES + "key is "),
    # That it ended, and how.
    (of(BOBS) % "revoked_at = NULL", ROW % BOBS + "revoked_at is null, and"),
    (of(BOBS) % "ended_index = 3", ROW % BOBS + "ended_index is 3, and"),
    (of(ALICES) % "revoked_at = 7", ROW % ALICES + "revoked_at is 7, and"),
    (of(DAVES) % "revoked_at = NULL", ROW % DAVES + "revoked_at is null, and"),
    (of(EVES) % "compromised_since = 4", ROW % EVES + "compromised_since is 4, and"),
    (of(EVES) % "compromise_index = 4", ROW % EVES + "compromise_index is 4, and"),
    (of(MALLORYS) % "rotated_to = NULL", ROW % MALLORYS + "rotated_to is null, and"),
    (of(MALLORYS) % "rotated_to = CAST(x'ff' AS TEXT)", ROW % MALLORYS + "fingerprint of a rot"),
    (of(CAROLS) % "rotated_from = NULL", ROW % CAROLS + "rotated_from is null, and"),
    (of(CAROLS) % "rotation_index = 2", ROW % CAROLS + "rotation_index is 2, and"),
    # Rows that are missing or too many.
    (f"DELETE FROM signer WHERE fingerprint = '{EVES}'", ROW % EVES + "the log's entries allow"),
    (of(DAVES) % "allowed_index = 2", ROW % DAVES + "entry 2 does not allow this key"),
    # The log's own.
    (LOGS % """event_types = '["record_created"]'""", "event_types is .*'record_created'"),
    (LOGS % "revoked_at = 7", "revoked_at is 7, and"),
    # Events that wait.
    (WAITING % "state = 'accepted'", HELD + "is accepted, and no"),
    (WAITING % "state = 'refused'", HELD + "is refused, and no"),
    (WAITING % "body = x'00'", HELD + "stored body"),
    (WAITING % "signed_at = 1 << 62", HELD + "stored time"),
    (
        WAITING % "body = (SELECT body FROM leaf WHERE leaf_index = 0)",
        HELD + "body has SHA-256",
    ),
    (WAITING % "content_sha256 = zeroblob(32)", "^held event sha256:0+: its entry is"),
    (
        "UPDATE held SET entry = CAST(substr(entry, 1, 33) || zeroblob(96) AS BLOB)"
        " WHERE state = 'refused'",
        HELD + "its entry is .*by no key",
    ),
    (
        WAITING % "entry = CAST(substr(entry, 1, 65) || zeroblob(64) AS BLOB)",
        HELD + "Ed25519 signature",
    ),
    # What is decided and not said yet.
    ("UPDATE proposal SET event_type = 'time_beacon'", PROPOSAL + "'time_beacon' is no decision"),
    ("UPDATE proposal SET payload = payload || ' '", PROPOSAL + "payload is not an object in"),
    ("UPDATE proposal SET payload = '[]'", PROPOSAL + "payload is not an object in"),
    ("UPDATE proposal SET payload = '{}'", PROPOSAL + "key_revoked lacks"),
    ("UPDATE proposal SET created_at = -1", PROPOSAL + "time is -1"),
    # Titles and abstracts.
    ("UPDATE given_text SET title = title || 'x'", LEAF + "given title is not the record's"),
    ("UPDATE given_text SET title = title || ' '", LEAF + "given title is not the record's"),
    ("UPDATE given_text SET title = ''", LEAF + "title has 0 characters"),
    ("UPDATE given_text SET abstract = 'Another.'", LEAF + "given abstract is not the rec"),
    ("UPDATE given_text SET abstract = CAST(x'ff' AS TEXT)", LEAF + "given abstract is not UTF-8"),
    ("UPDATE given_text SET leaf_index = 0", "^leaf 0: a title or abstract stands beside it, and"),
    ("UPDATE given_text SET leaf_index = 1 << 40", "^title or abstract of leaf 1099511627776 is"),
    ("UPDATE given_text SET leaf_index = -1", "^title or abstract of leaf -1 is stored"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "message"), DAMAGE, ids=range(len(DAMAGE)))
def test_what_says_something_else_is_named(log: LogDirectory, statement: str, message: str) -> None:
    with closing(sqlite3.connect(log.database)) as db, db:
        assert db.execute(statement).rowcount == 1, "the test changes one row"
    with pytest.raises(VerificationError, match=message):
        check(log)


def logging_by(key: SigningKey, event: dict[str, Any]) -> Callable[[LogDirectory], None]:
    """Log an event past the rules that would refuse it."""

    def change(log: LogDirectory) -> None:
        with closing(database.open_writer(log.database)) as db:
            permissive = registry.read(db)
            signer = next(iter(permissive.signers.values()))._replace(
                key=named(key), signer_id="someone", event_types=frozenset({event["event_type"]}),
                subjects=None, revoked_at=None,
            )  # fmt: skip
            rules = registry.Registry(
                origin=ORIGIN,
                version=permissive.version,
                signers={fingerprint_hex(key.public_key): signer},
            )
            admitted = intake.admit(canonical(event), rules, Packer())
            Sequencer(db).append([admitted._replace(special=None)])

    return change


def test_a_decision_of_somebody_else_is_found(log: LogDirectory) -> None:
    payload = {"public_key_fingerprint": ALICES, "reason": ""}
    event = signed(BOB, "key_revoked", payload, subject_pith_number=ORIGIN, target="log")
    logging_by(BOB, event)(log)
    with pytest.raises(VerificationError, match=rf"key_revoked is by key {BOBS}, which may not"):
        check(log)


def test_a_rotation_of_a_key_that_nobody_allowed_is_found(log: LogDirectory) -> None:
    frank, grace = SigningKey(b"f" * 32), SigningKey(b"g" * 32)
    logging_by(frank, rotation(frank, grace))(log)
    with closing(database.open_editor(log.database)) as db:
        permitted.allow(db, named(frank), signer_id="x", event_types=["x"], now=NOW)
        db.execute("UPDATE signer SET allowed_index = 3 WHERE signer_id = 'x'")
    with pytest.raises(VerificationError, match=r"key_rotated is by key .*, which may not"):
        check(log)


def test_what_is_logged_and_not_taken_note_of_is_found(log: LogDirectory) -> None:
    logging_by(ALICE, rotation(ALICE, SigningKey(b"n" * 32)))(log)
    with pytest.raises(VerificationError, match=r"^signer .*(is missing|and the log's entries)"):
        check(log)


def test_an_accepted_event_that_is_not_logged_yet_is_right(log: LogDirectory) -> None:
    with closing(database.open_editor(log.database)) as db:
        decisions.judge(db, bytes.fromhex(held(3)["content_sha256"]), "", accept=True, now=NOW + 1)
    with writing(log) as writer:
        writer.settle()
    assert check(log).unstated_keys == 1


def test_an_own_key_that_an_earlier_version_let_state_less_is_right(log: LogDirectory) -> None:
    with closing(sqlite3.connect(log.database)) as db, db:
        db.execute(LOGS % """event_types = '["key_allowed"]'""")
    check(log)
    assert PITH_KEY.fingerprint != ALICES
