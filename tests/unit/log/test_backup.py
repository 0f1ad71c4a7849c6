"""Backups: made beside a writer, whole or not there, and never the cause of a fork."""

import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.simulators.logs import NOW, new_log, raws, writing
from translog.errors import ConflictError, UnavailableError, VerificationError
from translog.formats.checkpoint import SignedCheckpoint
from translog.log import backup as module
from translog.log import directory
from translog.log.backup import backup
from translog.log.directory import LogDirectory
from translog.log.fsck import fsck
from translog.store import database


def ignore(done: int, total: int) -> None:
    """Want no progress."""


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    made = new_log(tmp_path / "log")
    with writing(made) as writer:
        writer.add(raws(1, 2, 3))
    return made


def names(path: Path) -> set[str]:
    return {each.name for each in path.iterdir()}


def test_a_backup_is_the_log_without_its_key(log: LogDirectory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = backup(log, out, ignore)
    assert (done.size, done.signed_size) == (3, 3)
    assert done.bytes == (out / "log.db").stat().st_size
    assert names(out) == {"log.db", "signed-head"}
    assert (out / "signed-head").read_bytes() == log.signed_head.read_bytes()
    found = fsck(out, ignore)
    assert (found.size, found.signed_size, found.has_key) == (3, 3, False)
    assert directory.find(out).verifier == log.verifier


def test_a_log_that_signed_nothing_can_be_backed_up(tmp_path: Path) -> None:
    made = new_log(tmp_path / "new")
    done = backup(made, tmp_path / "out", ignore)
    assert (done.size, done.signed_size) == (0, None)
    assert names(tmp_path / "out") == {"log.db"}


def test_a_restored_backup_goes_on(log: LogDirectory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    backup(log, out, ignore)
    shutil.copy(log.path / "log.key", out / "log.key")
    with writing(directory.find(out)) as writer:
        assert [result.duplicate for result in writer.add(raws(1, 9))] == [True, False]  # type: ignore[union-attr]
    assert fsck(out, ignore).size == 4


def test_what_is_signed_while_a_backup_begins_is_its_last_head(
    log: LogDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(log) as writer:

        def read_then_sign(directory: LogDirectory) -> SignedCheckpoint | None:
            copied = read_copy(directory)
            writer.add(raws(4))
            writer.publish(NOW)
            return copied

        read_copy = module._read_copy
        monkeypatch.setattr(module, "_read_copy", read_then_sign)
        done = backup(log, tmp_path / "out", ignore)
    assert (done.size, done.signed_size) == (4, 4)
    found = fsck(tmp_path / "out", ignore)
    assert (found.size, found.signed_size) == (4, 4)


def test_the_copy_of_the_last_head_may_be_ahead_of_its_row(
    log: LogDirectory, tmp_path: Path
) -> None:
    """As it is between the two, or when the process ended there."""
    with closing(database.open_editor(log.database)) as db:
        db.execute("DELETE FROM checkpoint WHERE size > 0")
    assert backup(log, tmp_path / "out", ignore).signed_size == 3
    assert (tmp_path / "out" / "signed-head").read_bytes() == log.signed_head.read_bytes()


def test_backups_made_while_events_are_added_are_all_right(
    log: LogDirectory, tmp_path: Path
) -> None:
    stop = threading.Event()
    size = 3
    with writing(log) as writer:

        def add() -> None:
            number = 100
            while not stop.is_set():
                writer.add(raws(*range(number, number + 5)))
                writer.publish(NOW)
                number += 5

        adding = threading.Thread(target=add)
        adding.start()
        try:
            for number in range(5):
                out = tmp_path / f"out-{number}"
                done = backup(log, out, ignore)
                found = fsck(out, ignore)
                assert found.size == done.size >= size
                assert done.signed_size is not None
                assert done.signed_size <= done.size
                size = done.size
        finally:
            stop.set()
            adding.join()


def test_a_copy_is_of_one_commit_though_it_is_made_in_steps(
    log: LogDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("translog.store.whole.COPY_PAGES", 1)
    seen: list[tuple[int, int]] = []
    with writing(log) as writer:

        def progress(done: int, total: int) -> None:
            seen.append((done, total))
            if len(seen) == 3:
                writer.add(raws(50, 51))
                writer.publish(NOW)

        assert backup(log, tmp_path / "out", progress).size == 3
    assert fsck(tmp_path / "out", ignore).size == 3
    assert len(seen) > 5
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})  # it never starts again


def test_a_backup_is_not_written_over(log: LogDirectory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    backup(log, out, ignore)
    before = (out / "log.db").read_bytes()
    with pytest.raises(ConflictError, match="is not empty"):
        backup(log, out, ignore)
    assert (out / "log.db").read_bytes() == before


def test_a_backup_that_stopped_half_way_is_no_log_and_can_be_made_again(
    log: LogDirectory, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(log, tmp_path / "out", stop)
    assert not (tmp_path / "out" / "log.db").exists()
    assert backup(log, tmp_path / "out", ignore).size == 3


def test_a_database_behind_its_signed_head_is_not_kept(log: LogDirectory, tmp_path: Path) -> None:
    shutil.copytree(log.path, tmp_path / "old")
    with writing(log) as writer:
        writer.add(raws(4))
    shutil.copy(log.signed_head, tmp_path / "old" / "signed-head")
    with pytest.raises(VerificationError, match="size 3 does not contain the head of size 4"):
        backup(directory.find(tmp_path / "old"), tmp_path / "out", ignore)
    assert not (tmp_path / "out" / "log.db").exists()


@pytest.mark.parametrize("added", [(5,), (5, 6)])
def test_a_forked_database_is_not_kept(
    log: LogDirectory, tmp_path: Path, added: tuple[int, ...]
) -> None:
    """Also where its own newest head is newer than the last that was signed outside of it."""
    shutil.copytree(log.path, tmp_path / "fork")
    with writing(log) as writer:
        writer.add(raws(4))
    fork = directory.find(tmp_path / "fork")
    with writing(fork) as writer:
        writer.add(raws(*added))
    shutil.copy(log.signed_head, fork.signed_head)
    with pytest.raises(VerificationError, match="does not contain the head of size 4"):
        backup(fork, tmp_path / "out", ignore)
    assert not (tmp_path / "out" / "log.db").exists()


def test_a_place_that_is_no_directory_is_refused(log: LogDirectory, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match="cannot be written"):
        backup(log, tmp_path / "file", ignore)
