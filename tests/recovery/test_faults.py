"""A disk that fails at each step in turn: whoever was answered keeps what he was told.

Under faults.c where there is a C compiler; with a limit to the size of files everywhere; and with
SQLite failing at each statement, and full, in this process.
"""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.recovery.promises import Promises
from tests.simulators.logs import NOW, made_up, new_log, raw, raws, writing
from translog.errors import TranslogError, UnavailableError
from translog.log import directory, registry
from translog.log.directory import LogDirectory
from translog.log.intake import admit
from translog.log.publisher import Publisher
from translog.log.sequencer import Placed, Sequencer
from translog.log.source import Source
from translog.store import database
from translog.store.bodies import Packer

ROOT = Path(__file__).parents[2]
SHIM = Path(__file__).with_name("faults.c")
SYNCS, WRITES, TRUNCATES = 1, 2, 4
SECONDS = 300
WRITING = ("BEGIN IMMEDIATE", "INSERT", "UPDATE", "DELETE", "COMMIT")
EVERY = "TRANSLOG_EVERY_FAULT" in os.environ  # not a part of the many that are alike


class Driver:
    """A process that tries cases, one after the other."""

    def __init__(self, preload: Path | None) -> None:
        environment = os.environ | ({"LD_PRELOAD": str(preload)} if preload else {})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.driver"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, path: Path, fault: dict[str, Any]) -> list[list[Any]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"path": str(path), "fault": fault}) + "\n")
        self._process.stdin.flush()
        seen: list[list[Any]] = json.loads(self._process.stdout.readline())
        return seen

    def close(self) -> None:
        self._process.communicate(timeout=SECONDS)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("faults.c needs a C compiler, and Linux")
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library)]
    subprocess.run([*command, str(SHIM), "-ldl"], check=True, timeout=SECONDS)
    return library


@pytest.fixture(scope="module")
def failing(shim: Path) -> Iterator[Driver]:
    with closing(Driver(shim)) as driver:
        yield driver


def judge(log: LogDirectory, seen: list[list[Any]]) -> None:
    """Open the log on a disk that works, and let the auditor say whether it kept its word."""
    promises = Promises(verifier=log.verifier)
    refused = False
    for kind, *rest in seen:
        assert kind not in ("bug", "died"), rest[0]
        if kind == "ack":
            assert not refused, "the log went on after a failure"
            _, index, digest, leaf = rest
            promises.acknowledged(digest, index, leaf)
        elif kind == "refused":
            refused = True
        elif kind == "head":
            promises.seen(rest[0].encode())
    with writing(log) as writer:
        with Source(log, "https://log.example") as source:
            promises.check(source.get)
        # It goes on as if nothing had been, with what was refused, too.
        for result in writer.add(raws(*range(80))):
            assert isinstance(result, Placed)
            promises.acknowledged(result.content_sha256.hex(), result.index, result.leaf_hash.hex())
        writer.publish(NOW)
        with Source(log, "https://log.example") as source:
            assert promises.check(source.get, whole=True) == 80


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = new_log(tmp_path_factory.mktemp("template") / "log")
    with writing(log) as writer:
        writer.add(raws(0))  # the log is not at its very beginning, and 0 is a duplicate
    return log.path


def copy_of(template: Path, path: Path) -> LogDirectory:
    shutil.copytree(template, path)
    return directory.find(path)


@pytest.mark.parametrize(
    ("calls", "error", "again"),
    [
        pytest.param(SYNCS, errno.EIO, False, id="one sync"),
        pytest.param(SYNCS, errno.EIO, True, id="syncs"),
        pytest.param(WRITES, errno.EIO, False, id="one write"),
        pytest.param(WRITES, errno.ENOSPC, True, id="full"),
        pytest.param(TRUNCATES, errno.EIO, True, id="truncate"),
    ],
)
def test_every_call_to_the_disk_may_fail(
    template: Path, tmp_path: Path, failing: Driver, calls: int, error: int, again: bool
) -> None:
    fault = {"kind": "calls", "calls": calls, "errno": error, "again": again}
    log = copy_of(template, tmp_path / "none")
    *seen, closed, (_, total) = failing.run(log.path, {**fault, "at": 0, "again": False})
    assert closed == ["closed"]
    assert "refused" not in {kind for kind, *_ in seen}
    judge(log, seen)
    if calls != TRUNCATES:
        assert total > 10, "the shim is not where the writes are"
    outcomes = set()
    for at in range(1, total + 1, 1 if EVERY else 1 + total // 16):
        log = copy_of(template, tmp_path / str(at))
        seen = failing.run(log.path, {**fault, "at": at})
        judge(log, [each for each in seen if each[0] != "count"])
        outcomes |= {kind for kind, *_ in seen}
        shutil.rmtree(log.path)
    if calls != TRUNCATES:
        assert outcomes >= {"refused", "unsigned"}


def test_files_that_cannot_grow(template: Path, tmp_path: Path) -> None:
    outcomes = set()
    with closing(Driver(None)) as driver:
        # From smaller than anything that is there to larger than all there will be.
        for size in [10, 200, 4096, 32_768, *range(50_000, 500_000, 30_000), 2_000_000]:
            log = copy_of(template, tmp_path / str(size))
            seen = driver.run(log.path, {"kind": "size", "bytes": size})
            judge(log, seen)
            outcomes |= {kind for kind, *_ in seen}
    assert outcomes >= {"refused", "unsigned", "stopped", "closed", "ack"}


class Failing(sqlite3.Connection):
    """A connection of which statement number `at` fails, before or after it is carried out."""

    at = 0
    after = False
    statements: list[str] = []  # noqa: RUF012  # of all connections of a test, in order

    def _step(self, statement: str) -> bool:
        Failing.statements.append(statement)
        return len(Failing.statements) == Failing.at

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        fails = self._step(statement)
        if fails and not Failing.after:
            raise sqlite3.OperationalError("disk I/O error")
        cursor = super().execute(statement, *values)
        if fails:
            raise sqlite3.OperationalError("disk I/O error")
        return cursor

    def executemany(self, statement: str, *values: Any) -> sqlite3.Cursor:
        fails = self._step(statement)
        if fails and not Failing.after:
            raise sqlite3.OperationalError("disk I/O error")
        cursor = super().executemany(statement, *values)
        if fails:
            raise sqlite3.OperationalError("disk I/O error")
        return cursor


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_sqlite_may_fail_at_every_statement(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """Without the pipeline's threads, so that the order of statements is always the same."""
    with closing(directory.open_reader(directory.find(template))) as db:
        keys = registry.read(db)
    batches = [[admit(raw(n), keys, Packer()) for n in batch] for batch in ([0, 1], [2, 3, 4])]
    real = sqlite3.connect

    def drive(log: LogDirectory) -> Iterator[list[Any]]:
        with log.locked(), closing(database.open_writer(log.database)) as one:
            sequencer = Sequencer(one)
            with closing(database.open_writer(log.database)) as two:
                publisher = Publisher(two, log.read_signer(), log.signed_head)
                for batch in batches:
                    try:
                        for placed in sequencer.append(batch):
                            digest, leaf = placed.content_sha256.hex(), placed.leaf_hash.hex()
                            yield ["ack", 0, placed.index, digest, leaf]
                    except TranslogError as error:
                        yield ["refused", str(error)]
                    try:
                        yield ["head", publisher.publish(NOW).note.decode()]
                    except TranslogError as error:
                        yield ["unsigned", str(error)]

    Failing.after = after
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)  # where a BEGIN failed after it began

    def run(log: LogDirectory, at: int) -> list[list[Any]]:
        Failing.at, Failing.statements = at, []
        seen: list[list[Any]] = []
        with monkeypatch.context() as patch:
            patch.setattr(
                database.sqlite3, "connect", lambda *a, **o: real(*a, **o, factory=Failing)
            )
            try:
                seen.extend(drive(log))
            except TranslogError as error:
                seen.append(["stopped", str(error)])
        return seen

    assert {kind for kind, *_ in run(copy_of(template, tmp_path / "none"), 0)} == {"ack", "head"}
    statements = Failing.statements
    assert statements.count("COMMIT") >= 4
    outcomes = set()
    for at, statement in enumerate(statements, start=1):
        # Every one that writes, and of those that read a part.
        if EVERY or statement.startswith(WRITING) or at % 8 == 0:
            log = copy_of(template, tmp_path / str(at))
            seen = run(log, at)
            judge(log, seen)
            outcomes |= {kind for kind, *_ in seen}
            shutil.rmtree(log.path)
    assert outcomes >= {"ack", "head", "refused", "unsigned", "stopped"}


def test_a_full_database_refuses_until_there_is_room(template: Path, tmp_path: Path) -> None:
    log = copy_of(template, tmp_path / "log")
    acknowledged: list[list[Any]] = []
    with log.locked(), closing(database.open_writer(log.database)) as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + 3}")
        sequencer = Sequencer(db)
        with pytest.raises(UnavailableError, match="database or disk is full"):
            for start in range(0, 10_000, 50):
                before = sequencer.head
                sequencer.append([made_up(n) for n in range(start, start + 50)])
                acknowledged.append([start])
        assert sequencer.head == before
        with pytest.raises(UnavailableError, match="log takes no more events"):
            sequencer.append([])
        assert db.execute("SELECT size FROM head").fetchone() == (before.size,)
    assert acknowledged
    with log.locked(), closing(database.open_writer(log.database)) as db:
        sequencer = Sequencer(db)
        assert sequencer.head == before
        size = before.size
        assert [each.index for each in sequencer.append([made_up(n) for n in range(size - 1)])] == [
            *range(1, size)
        ]
        assert sequencer.append([made_up(99_999)])[0].index == size
