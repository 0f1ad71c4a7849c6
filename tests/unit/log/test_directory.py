"""A log's directory: made once, whole or not at all, and opened with its own key."""

import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.simulators.logs import NOW, ORIGIN
from translog.errors import (
    ConflictError,
    MalformedError,
    MissingError,
    UnavailableError,
    VerificationError,
)
from translog.log import directory
from translog.store import database, log


def test_a_log_is_made_with_a_key_of_its_own(tmp_path: Path) -> None:
    made = directory.create(tmp_path / "a" / "b", ORIGIN, NOW)
    assert directory.find(made.path) == made
    assert made.origin == ORIGIN
    assert made.read_signer().verifier == made.verifier
    assert stat.S_IMODE((made.path / "log.key").stat().st_mode) == 0o600
    assert made.verifier != directory.create(tmp_path / "c", ORIGIN, NOW).verifier
    with closing(directory.open_reader(made)) as db:
        assert log.read_head(db).size == 0


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\n", "é" * 128, "\ud800"])
def test_an_origin_that_no_log_can_have_makes_nothing(tmp_path: Path, origin: str) -> None:
    with pytest.raises(MalformedError):
        directory.create(tmp_path / "log", origin, NOW)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["log.db", "log.key", "signed-head"])
def test_a_log_is_not_made_over_any_part_of_another(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(ConflictError, match=f"{name} exists already: there is a log, or part"):
        directory.create(tmp_path, ORIGIN, NOW)
    assert (tmp_path / name).read_bytes() == b"precious"
    assert {path.name for path in tmp_path.iterdir()} == {name, "lock"}


def test_a_place_where_no_directory_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot be made"):
        directory.create(tmp_path / "file" / "log", ORIGIN, NOW)


def test_a_directory_without_a_log_says_how_to_make_one(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MissingError, match=r"has no log\.db: `translog init` makes a log"):
            directory.find(path)


@pytest.mark.parametrize("rest", ["log.key", "signed-head"])
def test_a_log_without_its_database_is_not_made_anew(tmp_path: Path, rest: str) -> None:
    (tmp_path / rest).touch()
    with pytest.raises(MissingError, match=rf"log\.db is missing, and {rest} is there: put") as no:
        directory.find(tmp_path)
    assert "init" not in str(no.value)


@pytest.mark.parametrize("left", [False, True])
def test_a_log_where_nothing_can_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    made = directory.create(tmp_path, ORIGIN, NOW)
    modes: list[str] = []
    real = database._connect

    def connect(path: Path, mode: str) -> database.Connection:
        modes.append(mode)
        return real(path, mode)

    monkeypatch.setattr(database, "_connect", connect)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    if left:  # then a writer did not end well, and the database is not all there is
        Path(f"{made.database}-wal").touch()
    with closing(directory.open_reader(made)) as db:
        assert log.read_head(db).size == 0
    assert modes == ["rw" if left else "ro&immutable=1"]
    assert left or {path.name for path in tmp_path.iterdir()} == {"log.db", "log.key", "lock"}


def test_a_key_of_another_log_is_refused(tmp_path: Path) -> None:
    one = directory.create(tmp_path / "one", ORIGIN, NOW)
    for other in (
        directory.create(tmp_path / "two", ORIGIN, NOW),
        directory.create(tmp_path / "three", "other.example/log", NOW),
    ):
        (one.path / "log.key").write_bytes((other.path / "log.key").read_bytes())
        with pytest.raises(VerificationError, match=r"is the key of .*, want that of") as caught:
            one.read_signer()
        assert other.verifier.vkey in str(caught.value)
        assert one.verifier.vkey in str(caught.value)


def test_there_is_one_writer_at_a_time(tmp_path: Path) -> None:
    made = directory.create(tmp_path, ORIGIN, NOW)
    with made.locked(), pytest.raises(ConflictError, match="a log has one writer"), made.locked():
        pass
    with made.locked():
        pass
