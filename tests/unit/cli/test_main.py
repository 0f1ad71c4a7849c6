"""How a command ends: exit codes, and one line that says why."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.simulators.events import real_bundle
from tests.simulators.logs import new_log, raws, writing
from translog import __version__, errors
from translog.cli import main
from translog.cli.exits import ENVIRONMENT, EXIT_CODES, FAILED, AbsentError, exit_code
from translog.cli.main import COMMANDS, run, translog
from translog.cli.output import Output
from translog.errors import TranslogError

ROOT = Path(__file__).parents[3]


def every_class(of: type[TranslogError]) -> list[type[TranslogError]]:
    return [of, *(each for below in of.__subclasses__() for each in every_class(below))]


IN_THE_TREE = re.compile(r"^[│ ]*[├└]── (\w+)", re.MULTILINE)


def test_every_error_has_an_exit_code() -> None:
    classes = [each for each in every_class(TranslogError) if each.__module__ == errors.__name__]
    assert {each.__name__ for each in classes[1:]} == set(IN_THE_TREE.findall(errors.__doc__ or ""))
    for kind in classes[1:]:
        assert exit_code(kind.__new__(kind)) in (FAILED, ENVIRONMENT), kind
    assert exit_code(errors.HashError()) == exit_code(errors.UnknownKeyError()) == FAILED
    assert exit_code(errors.TooLargeError()) == exit_code(AbsentError()) == FAILED
    assert exit_code(errors.MissingError()) == exit_code(errors.BusyError()) == ENVIRONMENT
    assert exit_code(errors.ConflictError()) == ENVIRONMENT
    assert TranslogError not in EXIT_CODES  # a new kind of error has to be decided about


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["init"], "Missing argument 'DIR'"),
        (["init", "x"], "Missing option '--origin'"),
        (["init", "x", "--origin", "with space"], "checkpoint: origin is 'with space'"),
        (["init", "x", "--origin", "https://e.com/l"], "without a scheme, such as 'e.com/l'"),
        (["keys", "revoke", "x", "nonsense"], "fingerprint is 'nonsense', want 32 digits"),
        (["keys", "allow", "x", "00" * 32], "no signature is accepted under it"),
        (["verify", "x", "--key", "00" * 32], "no signature is accepted under it"),
        (["init", "x", "--origin", ""], "checkpoint: origin is ''"),
        (["init", "x", "--origin", "x", "--nonsense"], "No such option"),
        (["verify", "x"], "say whom you trust: --key KEY or --policy FILE"),
        (["verify", "--key", "pith.science"], "Missing argument 'FILE...'"),
        (["verify", "x", "--key", "nobody"], "key is 'nobody', want a vkey, 64 digits of hex"),
        (["audit", "x"], "say whom you trust: --key VKEY or --policy FILE"),
        (["audit", "x", "--key", "pith.science"], "is not that of a log, want a vkey"),
        (["prove", "x", "sha256:00"], "event id is 'sha256:00', want sha256: and 64 digits"),
        (["serve", "x", "--listen", "8080"], "address is '8080', want one like"),
        (["serve", "x", "--publish-interval", "0s"], "time is '0s', want one like"),
        (["serve", "x", "--base-url", "example.com"], "url is 'example.com', want a URL"),
        (["keys", "allow", "x", "12"], "key is '12', want a vkey"),
        (["keys", "allow", "x"], "Missing argument 'KEY'"),
        (["keys", "nonsense"], "No such command 'nonsense'"),
        (["keys", "generate", "x", "--name", "a b"], "key name is 'a b'"),
        (["fsck", "x", "--json", "y"], "Got unexpected extra argument"),
    ],
    ids=lambda found: " ".join(found) if isinstance(found, list) else "",
)
def test_a_command_line_without_sense_is_2_and_one_line(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.startswith("translog: ")
    assert captured.err.count("\n") == 1
    assert " --help`)" in captured.err
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = [
        ["serve", "log"],
        ["add", "log", "x"],
        ["publish", "log"],
        ["checkpoint", "log"],
        ["prove", "log", "0" * 64],
        ["verify", "log", "--key", "pith.science"],
        ["audit", "log", "--key", new_log(tmp_path / "other").verifier.vkey],
        ["fsck", "log"],
        ["export", "log", "out"],
        ["backup", "log", "out"],
        ["keys", "show", "log"],
        ["keys", "allow", "log", "pith.science"],
        ["keys", "revoke", "log", "0" * 32],
        ["keys", "list", "log"],
    ]
    for arguments in missing:
        assert run(arguments) == 3, arguments
        assert capsys.readouterr().err.startswith("translog: log"), arguments
    assert {path.name for path in tmp_path.iterdir()} == {"other"}


def test_with_json_an_error_is_json_on_stdout_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fsck", str(tmp_path), "--json"]) == 3
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert error["code"] == "not-found"
    assert captured.err == f"translog: {error['detail']}\n"


def test_an_error_of_the_disk_is_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert run(["init", str(file / "log"), "--origin", "example.com/log"]) == 3
    assert "cannot be made: Not a directory" in capsys.readouterr().err


def test_an_error_that_nobody_expected_of_the_disk_names_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "log/log.db")

    monkeypatch.setattr(main.translog, "main", closed)
    assert run(["fsck", "log"]) == 3
    assert capsys.readouterr().err == "translog: log/log.db: Permission denied\n"


def test_a_file_that_may_not_be_read_is_the_environment_and_no_mistake_in_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    assert run(["fsck", str(tmp_path)]) == 3
    assert "has no log.db" in capsys.readouterr().err
    assert run(["sign", "x", "--key", str(tmp_path / "config")]) == 3
    assert "want 0600" in capsys.readouterr().err


def test_a_key_is_not_made_where_there_may_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ("k" * 300)
    assert run(["keys", "generate", str(path), "--name", "example.org"]) == 3
    assert capsys.readouterr().err == f"translog: {path} cannot be written: File name too long\n"


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.translog, "main", interrupted)
    assert run(["fsck", "x"]) == 130
    assert capsys.readouterr().err == "translog: stopped\n"


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(main.translog, "main", buggy)
    with pytest.raises(ValueError, match="a bug"):
        run(["fsck", "x"])


def test_every_command_is_there_and_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    help_ = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in help_
    context = click.Context(translog, obj=Output())
    modules = {path.stem for path in (ROOT / "translog" / "cli").glob("*.py")}
    assert set(COMMANDS) < modules
    assert [translog.get_command(context, name).name for name in COMMANDS] == list(COMMANDS)  # type: ignore[union-attr]
    assert translog.get_command(context, "output") is None  # a module, and no command


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"translog {__version__}\n"


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, **options
    )


def test_python_m_translog_is_translog() -> None:
    done = python("-m", "translog", "--version")
    assert (done.returncode, done.stdout) == (0, f"translog {__version__}\n")
    assert python("-m", "translog", "fsck", "nowhere").returncode == 3


def test_verifying_loads_neither_log_nor_server_nor_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    file.write_bytes(real_bundle())
    code = (
        "import sys; from translog.cli.main import run;"
        f"code = run(['verify', {str(file)!r}, '--key', 'pith.science']);"
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = python("-c", code)
    assert done.returncode == 0
    loaded = set(done.stderr.split())
    assert "translog.verify.documents" in loaded
    for absent in ("sqlite3", "sqlite_utils", "starlette", "uvicorn", "urllib3", "asyncio", "rich"):
        assert absent not in loaded, absent
    ours = {name.split(".")[1] for name in loaded if name.startswith("translog.")}
    assert ours <= {"bitcoin", "cli", "errors", "formats", "pith", "store", "verify"}
    assert "opentimestamps" not in loaded
    assert {name for name in loaded if name.startswith("translog.store.")} == {
        "translog.store.files"
    }


@pytest.mark.parametrize(("closed", "code"), [("<&-", 1), (">&-", 3), ("2>&-", 3)])
def test_a_process_that_is_started_without_a_stream_ends_as_any_other(
    tmp_path: Path, closed: str, code: int
) -> None:
    log = new_log(tmp_path / "log")
    arguments = ["add", str(log.path), "-"] if code == 1 else ["fsck", str(tmp_path)]
    command = shlex.join([sys.executable, "-m", "translog", *arguments])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} {closed}"], capture_output=True, cwd=ROOT, check=False
    )
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    said = {"<&-": b"- is empty", ">&-": b"has no log.db", "2>&-": b""}
    assert said[closed] in done.stdout + done.stderr


def test_a_reader_that_has_seen_enough_is_no_traceback(tmp_path: Path) -> None:
    log = new_log(tmp_path / "log")
    with writing(log) as writer:
        writer.add(raws(1))
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "translog", "checkpoint", str(log.path)],
            stdout=closed,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")
