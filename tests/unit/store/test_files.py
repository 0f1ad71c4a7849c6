"""Files that are whole or absent, private or refused; and a lock that dies with its holder."""

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from translog.errors import ConflictError, MissingError, UnavailableError
from translog.store import files
from translog.store.files import (
    Lock,
    alone_in,
    read,
    read_private,
    write_atomically,
    write_out,
    write_private,
)

OLD, NEW = b"old " * 500, b"new " * 700

HOLDER = """
import sys
from pathlib import Path
from translog.store.files import Lock
lock = Lock(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


class Crash(BaseException):
    """The process ends here: nothing catches it."""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, how: BaseException) -> list[str]:
    """Let every call to the system but number `step` go through; return the names of all."""
    calls: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) - 1 == step:
                raise how
            return real(*arguments, **options)

        return call

    for name in ("open", "fsync", "fdopen"):
        monkeypatch.setattr(files.os, name, counted(name, getattr(os, name)))
    for name in ("unlink", "replace"):
        monkeypatch.setattr(Path, name, counted(name, getattr(Path, name)))
    return calls


@pytest.mark.parametrize("how", [OSError(5, "Input/output error"), Crash()], ids=["error", "crash"])
def test_a_write_that_stops_anywhere_leaves_the_old_content_or_the_new(
    tmp_path: Path, how: BaseException
) -> None:
    path = tmp_path / "file"
    seen = set()
    for step in range(20):
        path.write_bytes(OLD)
        with pytest.MonkeyPatch.context() as patch:
            calls = stop_at(patch, step, how)
            try:
                write_atomically(path, NEW)
            except (UnavailableError, Crash):
                assert len(calls) == step + 1
            else:
                assert len(calls) <= step
                break
        assert path.read_bytes() in (OLD, NEW)
        seen.add((calls[-1], path.read_bytes() == NEW))
        write_atomically(path, NEW)  # what is left lying about is in nobody's way
        assert path.read_bytes() == NEW
    # The content is durable before it takes the name, and the name before the call returns.
    assert calls == ["unlink", "open", "fdopen", "fsync", "replace", "open", "fsync"]
    assert seen >= {("fsync", False), ("replace", False), ("fsync", True)}


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(
        UnavailableError, match=r"nowhere/file cannot be written: No such file[a-z ]*$"
    ):
        write_atomically(tmp_path / "nowhere" / "file", b"")


def test_what_a_person_wants_in_a_file_replaces_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (OLD, NEW):
        write_out(path, content)
        assert path.read_bytes() == content
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 3, Crash())
        with pytest.raises(Crash):
            write_out(path, OLD)
    assert path.read_bytes() == NEW


def test_a_link_stays_one_when_what_it_names_is_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link, file = tmp_path / "link", tmp_path / "folder" / "file"
    link.symlink_to(file)
    for content in (OLD, NEW):
        write_out(link, content)
        assert link.is_symlink()
        assert file.read_bytes() == content


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_out(path, NEW)
        assert os.read(reading, 2 * len(NEW)) == NEW
    finally:
        os.close(reading)
    assert path.is_fifo()
    with pytest.raises(UnavailableError, match=r"/dev/full cannot be written: No space left"):
        write_out(Path("/dev/full"), NEW)
    with pytest.raises(UnavailableError, match=r"cannot be written: Is a directory"):
        write_out(tmp_path, NEW)
    with pytest.raises(UnavailableError, match=r"k cannot be written: File name too long$"):
        write_out(tmp_path / ("k" * 300), NEW)


def test_a_private_file_whose_place_cannot_be_looked_at_is_an_error_that_names_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / ("k" * 300)
    with pytest.raises(UnavailableError, match=r"k cannot be written: File name too long$"):
        write_private(path, b"secret")


def test_reading_has_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read(path, limit=5) == b"12345"
    with pytest.raises(UnavailableError, match="has more than 4 bytes"):
        read(path, limit=4)
    with pytest.raises(MissingError, match="there is no such file"):
        read(tmp_path / "other")
    with pytest.raises(UnavailableError, match="cannot be read"):
        read(tmp_path)


def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "key"
    modes = []
    real = os.fsync

    def looking(descriptor: int) -> None:
        modes.append(os.fstat(descriptor).st_mode)
        real(descriptor)

    mask = os.umask(0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files.os, "fsync", looking)
            write_private(path, b"secret")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(modes[0]) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_private(path) == b"secret"


def test_a_private_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, b"first")
    with pytest.raises(ConflictError, match="exists already, and a private key is never"):
        write_private(path, b"second")
    assert read_private(path) == b"first"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o620, 0o602, 0o660, 0o644, 0o777])
def test_a_private_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    write_private(path, b"secret")
    path.chmod(mode)
    with pytest.raises(UnavailableError, match=f"has mode {mode:04o}, want 0600"):
        read_private(path)


def test_a_private_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        read_private(tmp_path / "key")
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot be read"):
        read_private(tmp_path / "file" / "key")


def holder(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_second_holder_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        wanted = f"{tmp_path} is being written by process {process.pid}: a log has one writer"
        with pytest.raises(ConflictError, match=wanted):
            Lock(path)
        with pytest.raises(ConflictError, match=wanted):  # asking does not loosen it
            Lock(path)
        process.kill()  # nothing is cleaned up
        process.wait()
        with closing(Lock(path)):
            assert path.read_text() == f"{os.getpid()}\n"


def test_a_lock_is_free_again_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with closing(Lock(path)), pytest.raises(ConflictError):
        Lock(path)
    with closing(Lock(path)):
        pass


def test_a_lock_on_a_strange_disk_is_an_error_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnavailableError, match="cannot be opened"):
        Lock(tmp_path / "nowhere" / "lock")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "pwrite", full)
        held = Lock(tmp_path / "lock")  # all the same
    with closing(held), pytest.raises(ConflictError, match="by process unknown"):
        Lock(tmp_path / "lock")
    monkeypatch.setattr(fcntl, "flock", full)
    with pytest.raises(UnavailableError, match=r"cannot be locked: .*No space"):
        Lock(tmp_path / "lock")


def test_who_is_alone_in_a_folder_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = pytest.raises(ConflictError, match="another process: why")
    with alone_in(tmp_path, ""), refused, alone_in(tmp_path, "why"):
        pass
    with alone_in(tmp_path, "why"):
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnavailableError, match="cannot be opened"), alone_in(tmp_path / "a", ""):
        pass

    def none(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(UnavailableError, match="No locks available"), alone_in(tmp_path, ""):
        pass
