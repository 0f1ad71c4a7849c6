"""No two heads that cannot both be true, whatever lies on the disk and whenever it stopped."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.reference import mth
from tests.simulators.logs import NOW, made_up, sequencing
from translog.errors import (
    ConflictError,
    MalformedError,
    MissingError,
    TranslogError,
    UnavailableError,
    VerificationError,
)
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.keys import SigningKey
from translog.formats.note import NoteSigner
from translog.log import directory, publisher, reader
from translog.log.directory import LogDirectory
from translog.log.publisher import Publisher
from translog.store import database, files
from translog.store import log as store

EVENTS = [made_up(number) for number in range(320)]
FLIPPED = "CAST(substr(hashes, 1, {at} - 1) || ? || substr(hashes, {at} + 1) AS BLOB)"


class Crash(BaseException):
    """The process ends here: nothing catches it."""


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return directory.create(tmp_path / "log", "example.com/log", NOW)


def grow(log: LogDirectory, to: int) -> None:
    with sequencing(log) as sequencer:
        sequencer.append(EVENTS[sequencer.head.size : to])


@contextmanager
def publishing(log: LogDirectory) -> Iterator[Publisher]:
    with closing(database.open_writer(log.database)) as db:
        yield Publisher(db, log.read_signer(), log.signed_head)


def publish(log: LogDirectory, now: int = NOW) -> SignedCheckpoint:
    with publishing(log) as opened:
        return opened.publish(now)


def execute(log: LogDirectory, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(log.database, isolation_level=None)) as db:
        assert db.execute(statement, values).rowcount == 1


def shown(log: LogDirectory) -> bytes | None:
    with closing(directory.open_reader(log)) as db:
        return store.read_checkpoint(db)


def check_head(log: LogDirectory, checkpoint: SignedCheckpoint, size: int) -> None:
    assert open_checkpoint(checkpoint.note, log.verifier) == checkpoint
    assert (checkpoint.size, checkpoint.root) == (size, mth(tuple(e.entry for e in EVENTS[:size])))
    assert log.signed_head.read_bytes() == shown(log) == checkpoint.note


def refuses(log: LogDirectory, why: str, wanted: type[TranslogError] = VerificationError) -> None:
    """Nothing is signed, and the files stay as they are."""
    before = shown(log), copy_of(log)
    for _ in range(2):  # nor the second time it is asked
        with pytest.raises(wanted, match=why) as caught:
            publish(log)
        assert type(caught.value) is wanted
    assert (shown(log), copy_of(log)) == before


def copy_of(log: LogDirectory) -> bytes | None:
    return log.signed_head.read_bytes() if log.signed_head.exists() else None


def test_a_head_is_signed_kept_and_shown(log: LogDirectory) -> None:
    for size in (0, 1, 2, 64, 256, 257, 320):
        grow(log, size)
        checkpoint = publish(log, NOW + size)
        check_head(log, checkpoint, size)
        with closing(directory.open_reader(log)) as db:
            assert store.read_signed_at(db, size) == NOW + size
            assert reader.checkpoint_note(db) == checkpoint.note
            assert reader.published(db).size == size


def test_a_head_is_never_dated_before_the_one_it_continues(log: LogDirectory) -> None:
    for size, now, want in ((1, NOW, NOW), (2, NOW - 5, NOW), (3, NOW + 1, NOW + 1)):
        grow(log, size)
        publish(log, now)
        with closing(directory.open_reader(log)) as db:
            assert store.read_signed_at(db, size) == want


@pytest.mark.parametrize("now", [-1, 253_402_300_800])
def test_a_clock_outside_of_all_years_dates_nothing(log: LogDirectory, now: int) -> None:
    with publishing(log) as made:
        before = made.publish(NOW)
    grow(log, 1)
    with publishing(log) as made:
        with pytest.raises(UnavailableError, match=f"the clock is at {now} s since 1970"):
            made.publish(now)
        assert made.newest == before
        assert made.publish(NOW + 1).size == before.size + 1


def test_before_the_first_head_there_is_none(log: LogDirectory) -> None:
    with (
        closing(directory.open_reader(log)) as db,
        pytest.raises(MissingError, match="none is signed yet"),
    ):
        reader.checkpoint_note(db)


def test_nothing_is_signed_when_nothing_has_changed(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(log, 3)
    first = publish(log, NOW)

    def never(*_: object) -> None:
        raise AssertionError("signed, or written")

    monkeypatch.setattr(publisher, "sign_checkpoint", never)
    monkeypatch.setattr(files, "write_atomically", never)
    monkeypatch.setattr(store, "write_checkpoint", never)
    assert publish(log, NOW + 60) == first
    check_head(log, first, 3)
    with closing(directory.open_reader(log)) as db:
        assert store.read_signed_at(db, 3) == NOW


def test_without_the_copy_nothing_is_signed(log: LogDirectory) -> None:
    grow(log, 3)
    first = publish(log)
    log.signed_head.unlink()
    refuses(log, "signed-head is missing, and size 3 was signed: put the file back")
    grow(log, 4)
    refuses(log, "signed-head is missing")
    log.signed_head.write_bytes(first.note)
    check_head(log, publish(log), 4)


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"\xff" * 200, b"x" * (2 << 20)],
    ids=["empty", "nonsense", "binary", "huge"],
)
def test_a_damaged_copy_is_refused(log: LogDirectory, content: bytes) -> None:
    grow(log, 3)
    publish(log)
    log.signed_head.write_bytes(content)
    if len(content) > files.MAX_FILE_BYTES:
        refuses(log, "has more than 1048576 bytes", UnavailableError)
    else:
        refuses(log, "signed-head is not a head that this log signed: .*Put back the file as it")


def test_every_flipped_bit_of_the_copy_is_refused(log: LogDirectory) -> None:
    grow(log, 3)
    note = publish(log).note
    with publishing(log) as opened:
        for at in range(len(note)):
            log.signed_head.write_bytes(note[:at] + bytes([note[at] ^ 4]) + note[at + 1 :])
            with pytest.raises(VerificationError, match="is not a head that this log signed"):
                opened.publish(NOW)
    assert shown(log) == note


def test_a_head_of_another_log_is_refused_as_the_copy(log: LogDirectory, tmp_path: Path) -> None:
    for name, origin in (("two", "example.com/log"), ("three", "other.example/log")):
        other = directory.create(tmp_path / name, origin, NOW)
        publish(other)
        publish(log)
        kept = log.signed_head.read_bytes()
        shutil.copy(other.signed_head, log.signed_head)
        refuses(log, "is not a head that this log signed")
        log.signed_head.write_bytes(kept)


def test_an_older_copy_is_renewed(log: LogDirectory) -> None:
    grow(log, 3)
    old = publish(log)
    grow(log, 5)
    newest = publish(log)
    log.signed_head.write_bytes(old.note)
    assert publish(log, NOW + 9) == newest
    check_head(log, newest, 5)
    log.signed_head.write_bytes(old.note)
    grow(log, 6)
    check_head(log, publish(log), 6)


def put_back(log: LogDirectory, saved: Path) -> None:
    for path in log.path.glob("log.db*"):
        path.unlink()
    shutil.copy(saved, log.database)


def test_a_database_behind_the_last_signed_head_is_refused(
    log: LogDirectory, tmp_path: Path
) -> None:
    grow(log, 3)
    publish(log)
    shutil.copy(log.database, tmp_path / "old.db")
    grow(log, 5)
    publish(log)
    put_back(log, tmp_path / "old.db")
    why = r"database is at size 3, and a head of size 5 was signed \(.*signed-head\): this is an ol"
    refuses(log, why)
    with sequencing(log) as sequencer:  # and other events do not make it any better
        sequencer.append(EVENTS[100:102])
    refuses(log, r"has another tree below size 5 than the head that was signed \(.*signed-head\)")
    with sequencing(log) as sequencer:
        sequencer.append(EVENTS[102:200])
    refuses(log, "has another tree below size 5 than the head that was signed")


def test_a_database_that_lost_only_its_rows_of_checkpoints_is_healed(log: LogDirectory) -> None:
    grow(log, 5)
    newest = publish(log)
    execute(log, "DELETE FROM checkpoint")
    assert publish(log, NOW + 9) == newest
    check_head(log, newest, 5)


def test_a_copy_that_agrees_does_not_excuse_a_row_that_does_not(log: LogDirectory) -> None:
    grow(log, 5)
    note = publish(log).note
    key = log.read_signer().key
    for wrong in (
        publisher.Checkpoint(origin=log.origin, size=5, root=publisher.root(0, lambda _: [])),
        publisher.Checkpoint(origin=log.origin, size=9, root=publisher.root(0, lambda _: [])),
    ):
        execute(log, "DELETE FROM checkpoint")
        row = publisher.sign_checkpoint(wrong, key)
        execute(log, "INSERT INTO checkpoint VALUES (?, ?, 0)", wrong.size, row)
        refuses(log, r"(below|head of) size \d (than the head that )?was signed \(the database\)")
        assert log.signed_head.read_bytes() == note


def test_a_damaged_row_of_the_newest_head_is_refused(log: LogDirectory) -> None:
    grow(log, 5)
    note = publish(log).note
    other = NoteSigner(name=log.origin, key=SigningKey(bytes(32)))
    checkpoint = publisher.Checkpoint.parse(note.decode().partition("\n\n")[0] + "\n")
    for row in (
        note[:-9] + b"AAAA" + note[-5:],
        note.replace(b"\n5\n", b"\n6\n"),
        note[:50],
        b"",
        publisher.sign_checkpoint(checkpoint, other.key),
    ):
        execute(log, "UPDATE checkpoint SET note = ?", row)
        refuses(log, "newest checkpoint in the database is not a head that this log signed")
    execute(log, "UPDATE checkpoint SET note = ?", note)
    assert publish(log).note == note


@pytest.mark.parametrize("size", [1, 64, 65, 256, 300, 320])
def test_a_flipped_bit_in_any_hash_that_the_head_is_made_of_is_refused(
    log: LogDirectory, size: int
) -> None:
    grow(log, size)
    publish(log)
    with closing(directory.open_reader(log)) as db:
        widths = [(size >> 8 << 8, size, 0), (0, size >> 8, 1)]
        hashes = [
            ((level << 56) + at // 64, at % 64 * 32 + 1 + at % 32)
            for start, end, level in widths
            for at in range(start, end)
        ]
        rows = dict(db.execute("SELECT row_id, hashes FROM tile"))
    with closing(database.open_writer(log.database)) as db:
        db.execute("PRAGMA synchronous = OFF")
        opened = Publisher(db, log.read_signer(), log.signed_head)
        for row_id, at in hashes:
            flipped = bytes([rows[row_id][at - 1] ^ 0x80])
            statement = f"UPDATE tile SET hashes = {FLIPPED.format(at=at)} WHERE row_id = ?"
            db.execute(statement, (flipped, row_id))
            with pytest.raises(VerificationError, match="nothing is signed; `translog fsck` finds"):
                opened.publish(NOW)
            db.execute("UPDATE tile SET hashes = ? WHERE row_id = ?", (rows[row_id], row_id))
        opened.publish(NOW)


def test_a_changed_head_row_is_refused(log: LogDirectory) -> None:
    grow(log, 5)
    publish(log)
    grow(log, 7)
    with closing(directory.open_reader(log)) as db:
        root = store.read_head(db).root
    for at in (0, 15, 31):
        flipped = root[:at] + bytes([root[at] ^ 1]) + root[at + 1 :]
        execute(log, "UPDATE head SET root = ?", flipped)
        refuses(log, "and the stored head has .*: nothing is signed; `translog fsck` finds")
    execute(log, "UPDATE head SET root = ?, size = 6", root)
    refuses(log, "stored tiles give root")
    execute(log, "UPDATE head SET size = 8")
    refuses(log, "is stored with 224 bytes, want 256", MalformedError)
    execute(log, "UPDATE head SET size = 7")
    check_head(log, publish(log), 7)


def before(real: Callable[..., Any]) -> Callable[..., Any]:
    def crash(*_: Any, **__: Any) -> None:
        raise Crash

    return crash


def after(real: Callable[..., Any]) -> Callable[..., Any]:
    def crash(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        raise Crash

    return crash


@pytest.mark.parametrize("size", [0, 7])
@pytest.mark.parametrize("crash", [before, after])
@pytest.mark.parametrize("where", ["sign", "copy", "row", "commit"])
def test_a_crash_anywhere_is_healed_by_publishing_again_and_to_the_same_bytes(
    log: LogDirectory, where: str, crash: Callable[..., Any], size: int
) -> None:
    if size:
        publish(log)
        grow(log, size)
    with pytest.MonkeyPatch.context() as patch:
        target, name = {
            "sign": (publisher, "sign_checkpoint"),
            "copy": (files, "write_atomically"),
            "row": (store, "write_checkpoint"),
            "commit": (publisher, "open_checkpoint"),
        }[where]
        real = getattr(target, name)
        if where == "commit":  # the last call, once the transaction is over
            calls: list[bytes] = []

            def last(note: bytes, verifier: Any) -> SignedCheckpoint:
                calls.append(note)
                return (crash(real) if len(calls) == (3 if size else 1) else real)(note, verifier)

            patch.setattr(target, name, last)
        else:
            patch.setattr(target, name, crash(real))
        with pytest.raises(Crash):
            publish(log)
    left = {note for note in (copy_of(log), shown(log)) if note is not None}
    newest = publish(log, NOW + 9)
    check_head(log, newest, size)
    for note in left:
        checkpoint = open_checkpoint(note, log.verifier)
        assert checkpoint == newest or checkpoint.size == 0 < size
    with closing(directory.open_reader(log)) as db:
        sizes = store.read_checkpoint_sizes(db)
    assert sizes == ([0, size] if size else [0])


def test_a_head_that_cannot_be_kept_is_not_shown(log: LogDirectory) -> None:
    grow(log, 3)
    first = publish(log)
    grow(log, 5)
    with pytest.MonkeyPatch.context() as patch:

        def full(*_: object, **__: object) -> None:
            raise UnavailableError("no space left on device")

        patch.setattr(files, "write_atomically", full)
        refuses(log, "no space left on device", UnavailableError)
    check_head(log, first, 3)
    check_head(log, publish(log), 5)


def test_another_note_at_a_size_is_never_written(log: LogDirectory) -> None:
    grow(log, 3)
    note = publish(log).note
    with (
        closing(database.open_writer(log.database)) as db,
        pytest.raises(ConflictError, match="size 3 is signed already"),
        database.transaction(db),
    ):
        store.write_checkpoint(db, 3, note + b"\n", NOW)
    assert shown(log) == note
