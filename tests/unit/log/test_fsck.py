"""fsck: each thing that is stored, changed by a bit or a row, is found and named."""

import dataclasses
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.simulators.events import PITH_KEY, SIGNER_ID, created
from tests.simulators.logs import NOW, made_up, new_log, raws, sequencing, writing
from translog.errors import MissingError, TranslogError, UnavailableError, VerificationError
from translog.formats.canonical import canonical
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.keys import SigningKey, key_sha256
from translog.formats.merkle import Hash
from translog.log import directory
from translog.log.fsck import fsck
from translog.store import database, keys
from translog.store.log import LEVEL_SHIFT
from translog.testing import permitted

SIZES = (3, 100, 261)
SIZE = SIZES[-1]  # a full tile, a partial one, and two levels
FINGERPRINT = PITH_KEY.fingerprint

Change = Callable[[Path], None]


def ignore(done: int, total: int) -> None:
    """Want no progress."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a checkpoint at each of SIZES."""
    path = tmp_path_factory.mktemp("log") / "log"
    log = new_log(path)
    with writing(log) as writer:
        done = 0
        for size in SIZES:
            records = [canonical(created(number)) for number in range(done, done + 2)]
            writer.add([*records, *raws(*range(done + 2, size))])
            writer.publish(NOW)
            done = size
    return path


@pytest.fixture
def log(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "log"))


def sql(statement: str, *values: object) -> Change:
    def change(log: Path) -> None:
        with closing(sqlite3.connect(log / "log.db")) as db, db:
            assert db.execute(statement, values).rowcount == 1, "the test changes one row"

    return change


def flip(table: str, column: str, where: str, at: int, bit: int = 0) -> Change:
    """Change one bit of one cell."""

    def change(log: Path) -> None:
        with closing(sqlite3.connect(log / "log.db")) as db, db:
            ((cell,),) = db.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchall()
            raw = bytearray(cell if isinstance(cell, bytes) else cell.encode())
            raw[at] ^= 1 << bit
            flipped = bytes(raw) if isinstance(cell, bytes) else raw.decode()
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (flipped,))

    return change


def written(name: str, content: bytes) -> Change:
    return lambda log: (log / name).write_bytes(content) and None


OPERATORS = f"signer_id = '{SIGNER_ID}'"  # the row of the key that wrote all this
LOWEST = "prefix = (SELECT min(prefix) FROM lookup_new)"
HIGHEST = "prefix = (SELECT max(prefix) FROM lookup_new)"

CHANGES: list[tuple[str, Change]] = [
    # An event: its entry (type, content, key, signature), its body, its time; its row.
    ("leaf 7: entry has signature type 0x00", flip("leaf", "entry", "leaf_index = 7", 0)),
    ("leaf 7: body has SHA-256", flip("leaf", "entry", "leaf_index = 7", 1)),
    ("leaf 7: key with SHA-256", flip("leaf", "entry", "leaf_index = 7", 33)),
    ("leaf 7: Ed25519 signature", flip("leaf", "entry", "leaf_index = 7", 65)),
    ("leaf 260: stored body", flip("leaf", "body", "leaf_index = 260", 0)),
    ("leaf 0: ", flip("leaf", "body", "leaf_index = 0", -1)),
    ("leaf 7: stored time", sql("UPDATE leaf SET signed_at = 1 << 62 WHERE leaf_index = 7")),
    ("leaf 7 is missing", sql("DELETE FROM leaf WHERE leaf_index = 7")),
    ("leaf 255 is missing", sql("DELETE FROM leaf WHERE leaf_index = 255")),
    ("leaf 260 is missing", sql("DELETE FROM leaf WHERE leaf_index = 260")),
    (
        "leaf 261 is stored, and the head's size is 261",
        sql("INSERT INTO leaf SELECT 261, entry, signed_at, body FROM leaf WHERE leaf_index = 7"),
    ),
    (
        "leaf -1 is stored",
        sql("INSERT INTO leaf SELECT -1, entry, signed_at, body FROM leaf WHERE leaf_index = 7"),
    ),
    (
        "lookup of leaf 8 under -?[0-9]+ is missing",  # another event stands there, all of it right
        sql(
            "UPDATE leaf SET (entry, signed_at, body) ="
            " (SELECT entry, signed_at, body FROM leaf WHERE leaf_index = 9) WHERE leaf_index = 8"
        ),
    ),
    # Tiles of both levels: a hash, a row, too little, too much.
    (r"tile row 0 \(tile/0/000\): hash 0 is", flip("tile", "hashes", "row_id = 0", 0)),
    (r"tile row 1 \(tile/0/000\): hash 127 is", flip("tile", "hashes", "row_id = 1", -1, 7)),
    (r"tile row 4 \(tile/0/001.p/5\): hash 4 is", flip("tile", "hashes", "row_id = 4", -1)),
    (
        rf"tile row {1 << LEVEL_SHIFT} \(tile/1/000.p/1\): hash 0 is",
        flip("tile", "hashes", f"row_id = {1 << LEVEL_SHIFT}", 5),
    ),
    (r"tile row 4 .*: hash 0 is missing", sql("DELETE FROM tile WHERE row_id = 4")),
    (
        r"tile/0/001.p/5 is stored with 192 bytes, want 160",
        sql("UPDATE tile SET hashes = CAST(hashes || zeroblob(32) AS BLOB) WHERE row_id = 4"),
    ),
    (
        r"tile row 8 \(level 0, number 8\) is not in this tree",
        sql("INSERT INTO tile VALUES (8, zeroblob(32))"),
    ),
    (
        r"\(level 2, number 0\) is not in this tree",
        sql(f"INSERT INTO tile VALUES ({2 << LEVEL_SHIFT}, zeroblob(32))"),
    ),
    # Lookups: one missing, one wrong, one too many.
    ("lookup of leaf .* is missing", sql(f"DELETE FROM lookup_new WHERE {LOWEST}")),
    (
        "lookup of leaf .* is missing",
        sql(f"UPDATE lookup_new SET prefix = prefix + 1 WHERE {HIGHEST}"),
    ),
    (
        "lookup of leaf .* is missing",
        sql(f"UPDATE lookup_new SET leaf_index = (leaf_index + 1) % 261 WHERE {LOWEST}"),
    ),
    (
        "lookup of leaf 7 under 5: neither",
        sql("INSERT INTO lookup_new VALUES (5, 7)"),
    ),
    (
        "lookup of leaf 261 under 5: there is no such leaf",
        sql("INSERT INTO lookup_old VALUES (5, 261)"),
    ),
    (
        "a row is in more than one of the tables",
        sql(f"INSERT INTO lookup_mid SELECT prefix, leaf_index FROM lookup_new WHERE {LOWEST}"),
    ),
    # The head.
    ("head has root", flip("head", "root", "one = 1", 31)),
    ("leaf 260 is stored, and the head's size is 260", sql("UPDATE head SET size = 260")),
    ("leaf 261 is missing", sql("UPDATE head SET size = 262")),
    # Checkpoints: the note, the size, and the time it can have.
    ("checkpoint of size 100: ", flip("checkpoint", "note", "size = 100", 16)),
    ("checkpoint of size 3: ", flip("checkpoint", "note", "size = 3", -5, 1)),
    (
        "checkpoint of size 101: its note is about size 100",
        sql("UPDATE checkpoint SET size = 101 WHERE size = 100"),
    ),
    (
        "checkpoint of size 100: time is -1",
        sql("UPDATE checkpoint SET signed_at = -1 WHERE size = 100"),
    ),
    (
        "checkpoint of size 100: time is 4611",
        sql("UPDATE checkpoint SET signed_at = 1 << 62 WHERE size = 100"),
    ),
    # The registry.
    ("signer .*: public key or fingerprint", flip("signer", "public_key", OPERATORS, 3)),
    ("signer .*: public key or fingerprint", flip("signer", "fingerprint", OPERATORS, 3)),
    ("signer .*: json", flip("signer", "key_json", OPERATORS, 0)),
    (
        "signer .*: its JSON is not in the form",
        sql(f"UPDATE signer SET key_json = key_json || ' ' WHERE {OPERATORS}"),
    ),
    ("signer .*: ", flip("signer", "key_json", OPERATORS, 200)),
    (
        "signer .*: signer id is not UTF-8",
        sql(f"UPDATE signer SET signer_id = CAST(x'ff' AS TEXT) WHERE {OPERATORS}"),
    ),
    ("signer .*: json", sql(f"UPDATE signer SET event_types = 'x' WHERE {OPERATORS}")),
    (
        "signer .*: event types are not a list",
        sql(f"UPDATE signer SET event_types = '[]' WHERE {OPERATORS}"),
    ),
    (
        "signer .*: event types are not a list",
        sql(f"UPDATE signer SET event_types = '[1]' WHERE {OPERATORS}"),
    ),
    (
        "signer .*: event types are not a list",
        sql(f"UPDATE signer SET event_types = '{{}}' WHERE {OPERATORS}"),
    ),
    (
        "signer .*: event types are not a list",
        sql(f"UPDATE signer SET event_types = '\"x\"' WHERE {OPERATORS}"),
    ),
    ("signer .*: time is -1", sql(f"UPDATE signer SET allowed_at = -1 WHERE {OPERATORS}")),
    ("signer .*: time is -1", sql(f"UPDATE signer SET revoked_at = -1 WHERE {OPERATORS}")),
    ("leaf 0: key with SHA-256", sql(f"DELETE FROM signer WHERE {OPERATORS}")),
    # Who the log is.
    ("row of log: .* is the key of", flip("log", "public_key", "1", 0)),
    ("row of log: .* is the key of", sql("UPDATE log SET origin = 'example.com/lag'")),
    ("row of log: .* is not a private key", written("log.key", b"PRIVATE+KEY+x\n")),
    # The copy of the last signed head.
    ("signed-head is missing, and size 261 was", lambda log: (log / "signed-head").unlink()),
    ("signed-head: note", written("signed-head", b"example.com/log\n261\n\n")),
]


def test_a_log_that_was_written_properly_is_right(log: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = fsck(log, lambda done, total: seen.append((done, total)))
    assert (found.origin, found.size, found.checkpoints) == ("example.com/log", SIZE, 4)
    assert (found.signed_size, found.keys, found.has_key) == (SIZE, 2, True)
    assert seen == [(256, SIZE), (SIZE, SIZE)]


def test_an_empty_log_is_right(tmp_path: Path) -> None:
    new_log(tmp_path / "log")
    found = fsck(tmp_path / "log", ignore)
    assert (found.size, found.signed_size, found.checkpoints) == (0, None, 0)


@pytest.mark.parametrize(("says", "change"), CHANGES, ids=[says for says, _ in CHANGES])
def test_what_was_changed_is_found_and_named(log: Path, says: str, change: Change) -> None:
    change(log)
    with pytest.raises(VerificationError, match=says):
        fsck(log, ignore)


def test_a_checkpoint_that_was_signed_and_is_not_of_this_tree_is_found(log: Path) -> None:
    signer = directory.find(log).read_signer()
    forked = Checkpoint(origin=signer.name, size=100, root=Hash(bytes(32)))
    note = sign_checkpoint(forked, signer.key)
    sql("UPDATE checkpoint SET note = ? WHERE size = 100", note)(log)
    with pytest.raises(VerificationError, match=r"checkpoint of size 100: signed root 00.*, and"):
        fsck(log, ignore)


def test_a_signed_head_of_another_log_is_found(log: Path, tmp_path: Path) -> None:
    other = new_log(tmp_path / "other")
    with writing(other):
        pass
    shutil.copy(other.signed_head, log / "signed-head")
    with pytest.raises(VerificationError, match="signed-head: note is signed by"):
        fsck(log, ignore)


def test_an_older_signed_head_is_found(log: Path) -> None:
    with closing(sqlite3.connect(log / "log.db")) as db:
        (note,) = db.execute("SELECT note FROM checkpoint WHERE size = 100").fetchone()
    (log / "signed-head").write_bytes(note)
    with pytest.raises(VerificationError, match="is of size 100, and size 261 was signed"):
        fsck(log, ignore)


def test_a_signed_head_is_in_the_tree_also_when_no_checkpoint_is_stored(log: Path) -> None:
    sql("UPDATE shown SET size = 100")(log)
    sql("DELETE FROM checkpoint WHERE size = 261")(log)
    assert fsck(log, ignore).signed_size == 100  # what a crash between the two leaves behind


def test_an_old_database_is_found_by_the_signed_head(log: Path, tmp_path: Path) -> None:
    old = new_log(tmp_path / "old")
    shutil.copy(log / "log.key", old.path / "log.key")
    with closing(database.open_writer(old.database)) as db:
        db.execute("UPDATE log SET public_key = ?", (directory.find(log).verifier.public_key,))
    shutil.copy(log / "signed-head", old.signed_head)
    with pytest.raises(VerificationError, match="a head of size 261 was signed, and the database"):
        fsck(old.path, ignore)


def test_a_forked_database_is_found_by_the_signed_head(log: Path, tmp_path: Path) -> None:
    fork = new_log(tmp_path / "fork")
    shutil.copy(log / "log.key", fork.path / "log.key")
    with closing(database.open_writer(fork.database)) as db:
        db.execute("UPDATE log SET public_key = ?", (directory.find(log).verifier.public_key,))
    with writing(directory.find(fork.path)) as writer:
        writer.add(raws(*range(1000, 1000 + SIZE)))
    shutil.copy(log / "signed-head", fork.signed_head)
    with pytest.raises(VerificationError, match=r"signed root .*, and the leaves make"):
        fsck(fork.path, ignore)


def test_events_that_nobody_signed_are_found_though_the_tree_is_right(tmp_path: Path) -> None:
    made = new_log(tmp_path / "log")
    with sequencing(made) as sequencer:
        sequencer.append([made_up(0)])
    with pytest.raises(VerificationError, match="leaf 0: "):
        fsck(made.path, ignore)


def test_an_entry_that_names_another_key_of_the_registry_is_found(log: Path) -> None:
    other = dataclasses.replace(PITH_KEY, public_key=SigningKey(bytes([9]) * 32).public_key)
    with closing(database.open_editor(log / "log.db")) as db:
        permitted.allow(db, other, signer_id="other", now=NOW)
        ((entry,),) = db.execute("SELECT entry FROM leaf WHERE leaf_index = 7").fetchall()
        swapped = entry[:33] + key_sha256(other.public_key) + entry[65:]
        db.execute("UPDATE leaf SET entry = ? WHERE leaf_index = 7", (swapped,))
    with pytest.raises(VerificationError, match="leaf 7: signature names key"):
        fsck(log, ignore)


def test_another_logs_key_is_found(log: Path) -> None:
    (log / "log.key").unlink()
    keys.write_key(log / "log.key", "example.com/log", bytes(32))
    with pytest.raises(VerificationError, match=r"row of log: .*want that of example.com/log"):
        fsck(log, ignore)


def test_a_copy_without_a_key_is_right(log: Path) -> None:
    (log / "log.key").unlink()
    assert not fsck(log, ignore).has_key


def test_a_key_that_others_can_read_is_the_environments_fault(log: Path) -> None:
    (log / "log.key").chmod(0o644)
    with pytest.raises(UnavailableError, match="has mode 0644, want 0600"):
        fsck(log, ignore)


def test_no_log_is_no_finding(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"has no log.db"):
        fsck(tmp_path, ignore)


@pytest.mark.parametrize("page", range(1, 14))
def test_a_damaged_page_is_found(log: Path, page: int) -> None:
    path = log / "log.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(path.read_bytes())
    raw[page * database.PAGE_BYTES] ^= 0xFF  # the kind of the page
    path.write_bytes(raw)
    with pytest.raises(TranslogError) as caught:
        fsck(log, ignore)
    assert isinstance(caught.value, VerificationError), caught.value


def test_a_file_that_is_no_database_is_a_failed_check(log: Path) -> None:
    (log / "log.db").write_bytes(b"no database" * 1000)
    with pytest.raises(VerificationError, match=r"database file is damaged: .*not a database"):
        fsck(log, ignore)


def test_it_runs_beside_a_writer(log: Path) -> None:
    with writing(directory.find(log)) as writer:
        writer.add(raws(5000))
        assert fsck(log, ignore).size == SIZE + 1
