"""A database is opened as what it is, and a transaction happens or does not."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from translog.errors import ConflictError, MalformedError, TranslogError, UnavailableError
from translog.log.mirrors import add as add_source
from translog.store import database, follower, mirrors, search, witness
from translog.store.database import (
    create,
    is_damage,
    open_editor,
    open_reader,
    open_writer,
    transaction,
)
from translog.store.log import Identity, read_head, read_identity, write_identity
from translog.store.log_schema import LOG_SCHEMA
from translog.store.schema import Schema

IDENTITY = Identity("example.com/log", bytes(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "log.db"
    with closing(create(made)) as db, transaction(db):
        write_identity(db, IDENTITY)
    return made


def setting(db: sqlite3.Connection, name: str) -> object:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_database_is_durable_and_has_large_pages(path: Path) -> None:
    for opened in (open_writer, open_editor):
        with closing(opened(path)) as db:
            assert setting(db, "journal_mode") == "wal"
            assert setting(db, "synchronous") == 2  # FULL
            assert setting(db, "page_size") == 16_384


def test_a_database_is_not_made_over_another(path: Path) -> None:
    with pytest.raises(ConflictError, match="exists already"):
        create(path)
    with closing(open_reader(path)) as db:
        assert read_identity(db) == IDENTITY


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for opened in (open_writer, open_editor, open_reader):
        with pytest.raises(UnavailableError, match="unable to open"):
            opened(tmp_path / "other.db")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"not a database " * 2000)
    for opened in (open_writer, open_editor, open_reader):
        with pytest.raises(
            UnavailableError,
            match=r"file is not a database \(the file is damaged: put a backup in its place",
        ):
            opened(path)


KINDS = pytest.mark.parametrize(
    ("schema", "remedy"),
    [
        (LOG_SCHEMA, "put a backup in its place, and look at it with `translog fsck`"),
        (mirrors.SCHEMA, "put a copy in its place, or remove it and add the sources again"),
        (follower.SCHEMA, "put a copy in its place, or remove it and the monitor begins anew"),
        (witness.SCHEMA, "no copy may take its place: begin again with new keys"),
    ],
)


@KINDS
def test_what_helps_a_damaged_database_is_told_for_its_kind(
    tmp_path: Path, schema: Schema, remedy: str
) -> None:
    path = tmp_path / "some.db"
    for content, error in [(b"not a database " * 2000, UnavailableError), (b"", MalformedError)]:
        path.write_bytes(content)
        for opened in (open_editor, open_reader):
            with pytest.raises(error, match=remedy):
                opened(path, schema)


def test_a_schema_that_is_no_text_any_more_is_damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    assert content.count(b"origin TEXT") == 1
    path.write_bytes(content.replace(b"origin TEXT", b"origin T\xddXT"))
    for opened in (open_writer, open_editor, open_reader):
        with pytest.raises(UnavailableError, match=r"the file is damaged: ") as refused:
            opened(path)
        assert is_damage(refused.value.__cause__)


def test_what_cannot_be_used_is_closed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made.append(connect(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    path = tmp_path / "some.db"
    for content in (b"not a database " * 2000, b""):
        path.write_bytes(content)
        for opened in (open_editor, open_reader, open_writer):
            with suppress(TranslogError):
                opened(path).close()
        with suppress(TranslogError), search.open_reader(path):
            pass
        with suppress(TranslogError), search.open_writer(path):
            pass
    assert len(made) >= 8
    for connection in made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def damage(path: Path) -> None:
    """Change the first page of each table and index on disk, but of what tells the version."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = db.execute(
            "SELECT rootpage FROM sqlite_master"
            " WHERE rootpage > 0 AND tbl_name != '_sqlite_migrations'"
        ).fetchall()
    raw = bytearray(path.read_bytes())
    for (page,) in pages:
        raw[(page - 1) * database.PAGE_BYTES] ^= 0xFF  # the kind of the page
    path.write_bytes(raw)


def ask_mirrors(path: Path) -> Iterator[Callable[[], object]]:
    with closing(open_writer(path, mirrors.SCHEMA)) as db:
        source = mirrors.Source("a", "https://a.example", "", (), 0, 1, None)
        yield lambda: mirrors.read_held(db, "a", "pith:…")
        yield lambda: mirrors.count_held(db, "a")
        yield lambda: mirrors.read_stalest(db, "a", 9)
        yield lambda: mirrors.read_sources(db)
        yield lambda: add_source(db, source)


def ask_witness(path: Path) -> Iterator[Callable[[], object]]:
    with closing(witness.Records(open_writer(path, witness.SCHEMA))) as records:
        yield lambda: records.read("example.com/log")
        yield lambda: records.read_note(bytes(32))
        yield records.read_keys
        yield records.read_all
        yield records.read_inconsistencies

        def change() -> None:
            with records.transaction():
                records.add_key("example.com/log", "vkey")

        yield change


def ask_follower(path: Path) -> Iterator[Callable[[], object]]:
    with follower.Follower(path) as store:
        yield lambda: store.add("example.com/log")
        yield store.counts
        yield lambda: store.due("stdout", 0, 1)


@pytest.mark.parametrize(
    ("schema", "asked"),
    [
        (mirrors.SCHEMA, ask_mirrors),
        (witness.SCHEMA, ask_witness),
        (follower.SCHEMA, ask_follower),
    ],
)
def test_what_helps_is_told_too_where_damage_is_found_later(
    tmp_path: Path, schema: Schema, asked: Callable[[Path], Iterator[Callable[[], object]]]
) -> None:
    path = tmp_path / "some.db"
    create(path, schema).close()
    damage(path)
    for question in asked(path):
        with pytest.raises(UnavailableError, match=re.escape(schema.remedy)):
            question()


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE other (x)")
    for opened in (open_editor, open_reader):
        with pytest.raises(MalformedError, match="is a database of something else, and no log"):
            opened(path)


def test_a_database_of_another_kind_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "witness.db"
    with closing(create(path, witness.SCHEMA)):
        pass
    for opened in (open_editor, open_reader):
        with pytest.raises(MalformedError, match="is a database of something else, and no log"):
            opened(path)
        with closing(opened(path, witness.SCHEMA)):
            pass


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.touch()
    for opened in (open_editor, open_reader):
        with pytest.raises(MalformedError, match=r"log.db is empty, and no log: put a backup"):
            opened(path)


def test_a_database_whose_making_was_cut_off_before_its_first_step_is_made(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die(_: sqlite3.Connection) -> None:
        raise Killed

    path = tmp_path / "witness.db"
    with pytest.raises(Killed):
        create(path, witness.SCHEMA._replace(steps={"0001_first": die}))
    with pytest.raises(MalformedError, match=r"witness.db is empty, and no witness"):
        open_reader(path, witness.SCHEMA)
    with closing(open_writer(path, witness.SCHEMA)), closing(open_reader(path, witness.SCHEMA)):
        pass


def test_a_newer_database_is_refused_to_everyone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('translog', '9999_later', '')"
        )
    for opened in (open_writer, open_editor, open_reader):
        with pytest.raises(MalformedError, match="is not a log of this version"):
            opened(path)


def test_a_reader_cannot_write(path: Path) -> None:
    with (
        closing(open_reader(path)) as db,
        pytest.raises(UnavailableError, match="readonly"),
        transaction(db),
    ):
        db.execute("DELETE FROM head")


def test_a_transaction_that_ends_by_an_error_did_not_happen(path: Path) -> None:
    class Stop(Exception):
        pass

    for error in (Stop("here"), KeyboardInterrupt(), sqlite3.OperationalError("disk I/O error")):
        wanted = UnavailableError if isinstance(error, sqlite3.Error) else type(error)
        with closing(open_writer(path)) as db:
            with pytest.raises(wanted), transaction(db):
                db.execute("UPDATE head SET size = 5")
                raise error
            assert read_head(db).size == 0
            with transaction(db):  # and the next one can
                pass


def test_a_writer_waits_for_another_and_then_gives_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    with closing(open_writer(path)) as one, closing(open_editor(path)) as two:
        with transaction(one), pytest.raises(UnavailableError, match="locked"), transaction(two):
            pass
        with transaction(two):
            pass


def test_a_reader_sees_one_commit_in_a_snapshot(path: Path) -> None:
    with closing(open_writer(path)) as writer, closing(open_reader(path)) as reader:
        with database.snapshot(reader):
            assert read_head(reader).size == 0
            with transaction(writer):
                writer.execute("UPDATE head SET size = 5")
            assert read_head(reader).size == 0
        assert read_head(reader).size == 5
