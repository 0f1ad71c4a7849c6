"""Who may write what: nobody by default, and each change from the next batch on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.simulators.events import KEY, PITH_KEY, SIGNER_ID
from tests.simulators.logs import NOW, ORIGIN, raws, writing
from tests.simulators.published import attestation_event, small_event
from translog.errors import (
    ForbiddenError,
    MalformedError,
    MissingError,
    TranslogError,
    UnknownKeyError,
)
from translog.formats.keys import SigningKey
from translog.log import directory, registry
from translog.log.directory import LogDirectory
from translog.log.sequencer import Placed
from translog.pith.event import RECORD_TYPES
from translog.pith.key import PithKey
from translog.store import database
from translog.store.registry import SignerRow
from translog.testing import permitted

OTHER = SigningKey(b"o" * 32)
FINGERPRINT = PITH_KEY.fingerprint
EVENT = attestation_event(1)


def others(db: sqlite3.Connection) -> dict[str, SignerRow]:
    """Return all rows but that of the log's own key."""
    return {
        fingerprint: row
        for fingerprint, row in registry.read(db).signers.items()
        if row.signer_id != ORIGIN
    }


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_key_under_which_no_signature_is_accepted_is_not_allowed(db: sqlite3.Connection) -> None:
    key = replace(PITH_KEY, public_key=bytes(32))
    with pytest.raises(MalformedError, match="no signature is accepted under it"):
        permitted.allow(db, key, signer_id=SIGNER_ID, now=NOW)
    assert not others(db)


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return directory.create(tmp_path, ORIGIN, NOW)


@pytest.fixture
def db(log: LogDirectory) -> Iterator[sqlite3.Connection]:
    with closing(database.open_editor(log.database)) as opened:
        yield opened


def test_nobody_may_write_by_default(db: sqlite3.Connection) -> None:
    assert others(db) == {}
    empty = registry.read(db)
    with pytest.raises(UnknownKeyError, match=f"key {FINGERPRINT} is not in this log's registry"):
        empty.permit(EVENT)


def test_a_key_may_write_what_it_was_allowed_under_its_name(db: sqlite3.Connection) -> None:
    permitted.allow(
        db, PITH_KEY, signer_id=SIGNER_ID, event_types=["author_attestation", "new_type"], now=NOW
    )
    keys = registry.read(db)
    assert keys.permit(EVENT).key.public_key == KEY.public_key
    assert keys.permit(EVENT._replace(event_type="new_type")).key.public_key == KEY.public_key
    with pytest.raises(ForbiddenError, match="may not write 'correction', only author_attestation"):
        keys.permit(EVENT._replace(event_type="correction"))
    for name in ("", "other", SIGNER_ID.upper(), SIGNER_ID + " "):
        with pytest.raises(ForbiddenError, match=f"may write as '{SIGNER_ID}', and the event is"):
            keys.permit(EVENT._replace(signer=EVENT.signer._replace(signer_id=name)))
    with pytest.raises(UnknownKeyError):
        keys.permit(EVENT._replace(signer=EVENT.signer._replace(fingerprint="0" * 32)))


def test_a_key_is_allowed_some_type(db: sqlite3.Connection) -> None:
    with pytest.raises(MalformedError, match="there are none, want at least one"):
        permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, event_types=[], now=NOW)
    with pytest.raises(ForbiddenError, match="for the log's own key alone"):
        permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, event_types=["key_revoked"], now=NOW)
    assert others(db) == {}


def test_what_is_read_is_what_was_written(db: sqlite3.Connection) -> None:
    key = replace(PITH_KEY, signer_id=None)  # the JSON form has no such member
    row = permitted.allow(db, key, signer_id=SIGNER_ID, now=NOW)
    assert row == SignerRow(key, SIGNER_ID, RECORD_TYPES, NOW, None)
    assert registry.read_row(db, FINGERPRINT) == row
    assert others(db) == {FINGERPRINT: row}
    again = permitted.allow(db, key, signer_id="new name", event_types=["x"], now=NOW + 9)
    assert registry.read_row(db, FINGERPRINT) == again
    assert again == SignerRow(key, "new name", frozenset({"x"}), NOW + 9, None)


def test_a_revoked_key_keeps_its_row_and_the_time(db: sqlite3.Connection) -> None:
    permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, now=NOW)
    permitted.revoke(db, FINGERPRINT, now=NOW + 5)
    assert permitted.revoke(db, FINGERPRINT, now=NOW + 6).revoked_at == NOW + 5
    keys = registry.read(db)
    assert keys.signers[FINGERPRINT].revoked_at == NOW + 5
    with pytest.raises(ForbiddenError, match=f"was revoked at {iso(NOW + 5)}$") as caught:
        keys.permit(EVENT)
    assert not isinstance(caught.value, UnknownKeyError)
    permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, now=NOW + 9)
    assert registry.read(db, keys).permit(EVENT).key.public_key == KEY.public_key


def test_an_unknown_key_cannot_be_revoked(db: sqlite3.Connection) -> None:
    with pytest.raises(MissingError, match="'xyz' is not in this log's registry"):
        permitted.revoke(db, "xyz", now=NOW)


def test_what_has_not_changed_is_not_read_again(db: sqlite3.Connection) -> None:
    first = registry.read(db)
    assert registry.read(db, first) is first
    permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, now=NOW)
    second = registry.read(db, first)
    assert second is not first
    assert registry.read(db, second) is second


def test_changes_count_from_the_next_batch_on(log: LogDirectory, db: sqlite3.Connection) -> None:
    def outcome(number: int) -> type:
        (result,) = writer.add(raws(number))
        return type(result)

    with writing(log) as writer:
        assert outcome(1) is UnknownKeyError
        permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, now=NOW)
        assert outcome(1) is Placed
        permitted.revoke(db, FINGERPRINT, now=NOW)
        assert outcome(2) is ForbiddenError
        permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, event_types=["correction"], now=NOW)
        assert outcome(2) is ForbiddenError
        permitted.allow(db, PITH_KEY, signer_id="another", now=NOW)
        assert outcome(2) is ForbiddenError
        permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, now=NOW)
        assert outcome(2) is Placed
        assert writer.head.size == 2


def test_keys_are_told_apart_by_all_of_their_bits(db: sqlite3.Connection) -> None:
    other = PithKey(
        key_id=PITH_KEY.key_id,
        public_key=OTHER.public_key,
        signer_id=SIGNER_ID,
        rotates_at=None,
        url=PITH_KEY.url,
        notes="",
    )
    permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, now=NOW)
    permitted.allow(db, other, signer_id=SIGNER_ID, now=NOW + 1)
    keys = registry.read(db)
    assert keys.permit(EVENT).key.public_key == KEY.public_key
    assert keys.permit(small_event(1, OTHER)).key.public_key == OTHER.public_key
    assert list(others(db)) == [FINGERPRINT, other.fingerprint]


def test_a_registry_that_cannot_be_read_lets_nobody_write(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    permitted.allow(db, PITH_KEY, signer_id=SIGNER_ID, now=NOW)
    with writing(log) as writer:
        db.execute("ALTER TABLE signer RENAME TO hidden")
        db.execute("UPDATE log SET registry_version = registry_version + 1")
        (refused,) = writer.add(raws(1))
        assert isinstance(refused, TranslogError)
        assert "no such table: signer" in str(refused)
        db.execute("ALTER TABLE hidden RENAME TO signer")
        (placed,) = writer.add(raws(1))
        assert isinstance(placed, Placed)
