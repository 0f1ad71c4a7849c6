"""A witness as a process of its own: its commands, its crashes, and what it does not load."""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.witnessed import MadeUpLog
from translog.cli.main import run
from translog.formats.checkpoint import open_checkpoint
from translog.formats.cosignature import Cosigner, times
from translog.formats.note import open_note
from translog.formats.witnessing import monitoring_path, parse_size

ROOT = Path(__file__).parents[2]
LOG = MadeUpLog(fork=10)
# What is run: a witness that is killed when its `answer_all` or `replace` was called so often.
CODE = """
import os, signal, sys
from pathlib import Path
from translog.server import cosigning
from translog.server.witness_run import serve
from translog.store.witness import Records
from translog.store.witness_directory import find

place, where, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
answer_all, replace = cosigning.answer_all, Records.replace

def dying(real):
    def call(*arguments):
        global count
        done = real(*arguments)
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return call

if where == "between commit and answer":
    cosigning.answer_all = dying(answer_all)
if where == "before the commit":
    Records.replace = dying(replace)
serve(find(Path(place)), "127.0.0.1", int(sys.argv[4]))
"""


class Process:
    """A witness's server, from its line that says where it is to its end."""

    def __init__(self, path: Path, where: str = "", count: int = 0, port: int = 0) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", CODE, str(path), where, str(count), str(port)],
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.popen.stderr is not None
        line = self.popen.stderr.readline()
        self.ready: dict[str, Any] = json.loads(line)
        self.host, _, port = self.ready["url"].removeprefix("http://").partition(":")
        self.port = int(port)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Return status and body; status 0 when the witness is dead."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def post(self, body: bytes) -> tuple[int, bytes]:
        return self.ask("POST", "/add-checkpoint", body)

    def head(self) -> bytes:
        status, note = self.ask("GET", f"/{monitoring_path(LOG.origin)}")
        return note if status == 200 else b""

    def stop(self) -> None:
        self.popen.send_signal(signal.SIGTERM)
        _, written = self.popen.communicate(timeout=60)
        assert self.popen.returncode == 0, written

    def wait_killed(self) -> None:
        self.popen.communicate(timeout=60)
        assert self.popen.returncode == -signal.SIGKILL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    assert run(["witness", "init", str(tmp_path / "w"), "--name", "witness.example/w1"]) == 0
    assert run(["witness", "add-log", str(tmp_path / "w"), LOG.verifier.vkey]) == 0
    return tmp_path / "w"


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.communicate()


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    code = run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_witness_is_made_told_of_a_log_served_and_listed(
    path: Path, processes: list[Process], capsys: pytest.CaptureFixture[str]
) -> None:
    process = Process(path)
    processes.append(process)
    assert process.ready["message"].startswith("serving witness.example/w1 on http://127.0.0.1:")
    assert process.post(LOG.request(0, 5))[0] == 200
    status, lines = process.post(LOG.request(5, 12))
    assert status == 200
    assert process.post(LOG.request(12, 13, branch=1))[0] == 422
    assert process.head() == LOG.note(12) + lines
    process.stop()
    code, listed = printed(capsys, "witness", "list", str(path))
    assert code == 0
    (log,) = listed["logs"]
    assert (log["origin"], log["size"], log["root"]) == (LOG.origin, 12, LOG.root(12).hex())
    assert log["keys"] == [LOG.verifier.vkey]
    (found,) = listed["inconsistencies"]
    assert (found["kind"], found["size"]) == ("no-proof", 13)
    assert open_checkpoint(found["found"].encode(), LOG.verifier).root == LOG.root(13, branch=1)
    cosigner = Cosigner.parse(listed["keys"][0])
    (time,) = times(open_note(found["cosigned"].encode(), [LOG.verifier, cosigner]))
    assert time.time == log["cosigned_at"]
    assert run(["witness", "list", str(path)]) == 0
    text = capsys.readouterr().out
    for line in ("Size           12", "Contradicting  1 head", "Witness  witness.example/w1"):
        assert line in text


def test_a_fork_is_made_into_evidence_that_a_stranger_can_check(
    path: Path,
    processes: list[Process],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    code, found = printed(capsys, "witness", "evidence", str(path), str(out))
    assert (code, found["written"]) == (0, [])
    process = Process(path)
    processes.append(process)
    process.post(LOG.request(0, 12))
    assert process.post(LOG.request(12, 12, branch=1))[0] == 422
    assert process.post(LOG.request(12, 13, branch=1))[0] == 422  # no proof, and no evidence
    process.stop()
    code, found = printed(capsys, "witness", "evidence", str(path), str(out))
    assert code == 0
    (file,) = found["written"]
    key = LOG.verifier.vkey
    assert run(["evidence", "verify", file, "--key", key]) == 0
    assert run(["witness", "remove-log", str(path), key]) == 0
    other = MadeUpLog(LOG.origin, seed=b"its next key").verifier.vkey
    for add in ([], [other]):  # no key of the log's, and one by which neither is signed
        for vkey in add:
            assert run(["witness", "add-log", str(path), vkey]) == 0
        code, found = printed(capsys, "witness", "evidence", str(path), str(out))
        assert (code, found) == (0, {"written": [], "keyless": [LOG.origin]})
    assert run(["witness", "evidence", str(path), str(out)]) == 0
    assert "example.com/log has forked, and the key that shows it" in capsys.readouterr().out
    raw = Path(file).read_bytes()
    Path(file).write_bytes(raw.replace(b"\\n12\\n", b"\\n11\\n", 1))
    assert run(["evidence", "verify", file, "--key", key]) == 1


def test_without_the_library_no_half_of_a_witness_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ["witness", "init", str(tmp_path / "both"), "--name", "w.example"]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
        assert run([*made, "--key", "ed25519", "--key", "ml-dsa-44"]) == 3
    assert not (tmp_path / "both").exists()
    assert run([*made, "--key", "ed25519", "--key", "ml-dsa-44"]) == 0


def test_logs_are_added_by_a_file_of_their_keys(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [MadeUpLog(f"example.com/{n}", seed=b"%d" % n).verifier.vkey for n in range(3)]
    (tmp_path / "keys").write_text("".join(f"{vkey}\n" for vkey in others))
    code, added = printed(capsys, "witness", "add-log", str(path), str(tmp_path / "keys"))
    assert (code, added["added"]) == (0, others)
    (tmp_path / "keys").write_text("nonsense\n")
    assert run(["witness", "add-log", str(path), str(tmp_path / "keys")]) == 2
    assert "vkey 'nonsense' is not name+id+key" in capsys.readouterr().err


def test_logs_are_added_from_a_list_and_removed_again(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [MadeUpLog(f"example.com/{n}", seed=b"%d" % n) for n in range(40)]
    listing = tmp_path / "logs"
    listing.write_text(
        "# many\n" + "".join(f"log {log.verifier.vkey} https://e.com\n" for log in others)
    )
    code, added = printed(capsys, "witness", "add-log", str(path), str(listing), LOG.verifier.vkey)
    assert (code, len(added["added"]), added["known"]) == (0, 40, 1)
    code, again = printed(capsys, "witness", "add-log", str(path), str(listing))
    assert (again["added"], again["known"]) == ([], 40)
    code, removed = printed(capsys, "witness", "remove-log", str(path), LOG.verifier.vkey, "x")
    assert (code, removed["removed"]) == (0, [LOG.verifier.vkey])
    _, listed = printed(capsys, "witness", "list", str(path))
    assert len(listed["logs"]) == 41
    assert [log["origin"] for log in listed["logs"] if not log["keys"]] == [LOG.origin]
    assert run(["witness", "list", str(path)]) == 0
    assert "none: it is not cosigned any more" in capsys.readouterr().out


def test_a_key_is_added_beside_the_others(
    path: Path, processes: list[Process], capsys: pytest.CaptureFixture[str]
) -> None:
    code, made = printed(capsys, "witness", "add-key", str(path), "--key", "ml-dsa-44")
    assert code == 0
    assert Cosigner.parse(made["key"]).key_type == 6
    process = Process(path)
    processes.append(process)
    _, lines = process.post(LOG.request(0, 5))
    _, listed = printed(capsys, "witness", "list", str(path))
    keys = [Cosigner.parse(vkey) for vkey in listed["keys"]]
    assert set(open_note(LOG.note(5) + lines, keys).signed_by) == set(keys)
    assert made["key"] in listed["keys"]
    process.stop()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["add-log", "{}", "nonsense"], 2, "vkey 'nonsense' is not name+id+key"),
        (["add-log", "{}", "{}/empty"], 2, "has no log lines, want at least one"),
        (["add-log", "{}"], 2, "Missing argument 'VKEY|FILE...'"),
        (["add-log", "{}/nowhere", LOG.verifier.vkey], 3, "has no witness.db"),
        (["init", "{}", "--name", "x"], 3, "exists already: there is a witness"),
        (["init", "{}/2", "--name", "a b"], 2, "key name is 'a b'"),
        (["init", "{}/2"], 2, "Missing option '--name'"),
        (["serve", "{}/nowhere"], 3, "has no witness.db"),
        (["list", "{}/nowhere"], 3, "has no witness.db"),
        (["add-key", "{}", "--key", "rsa"], 2, "'rsa' is not one of 'ed25519', 'ml-dsa-44'"),
    ],
)
def test_what_is_wrong_is_said(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    (path / "empty").write_text("# nothing\n")
    capsys.readouterr()
    assert run(["witness", *(each.replace("{}", str(path)) for each in arguments)]) == code
    assert says in capsys.readouterr().err


def test_a_witness_has_one_process(path: Path, processes: list[Process]) -> None:
    processes.append(Process(path))
    second = subprocess.run(
        [sys.executable, "-m", "translog", "witness", "serve", str(path), "--listen", "[::1]:0"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert second.returncode == 3
    assert "a witness has one; stop it first" in second.stderr


def test_a_witness_is_deployed_without_the_log() -> None:
    code = "import sys, translog.cli.witness, translog.server.witness_run; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    ours = {name for name in done.stdout.split() if name.startswith("translog.")}
    assert "translog.verify.witness" in ours
    assert not {name for name in ours if name.startswith(("translog.log", "translog.web"))}
    assert "translog.store.log" not in ours
    assert "translog.server.app" not in ours


def test_killed_between_commit_and_answer_it_has_one_history(
    path: Path, processes: list[Process]
) -> None:
    dying = Process(path, "between commit and answer", 3)
    processes.append(dying)
    assert dying.post(LOG.request(0, 10))[0] == 200
    assert dying.post(LOG.request(10, 11))[0] == 200
    assert dying.post(LOG.request(11, 12))[0] == 0, "it was killed, and its answer never left"
    dying.wait_killed()
    again = Process(path)
    processes.append(again)
    # The head that nobody has a signature for is remembered all the same, and nothing beside it.
    assert open_checkpoint(again.head(), LOG.verifier).size == 12
    for old_size, size in ((11, 12), (11, 13)):
        status, body = again.post(LOG.request(old_size, size, branch=1))
        assert (status, parse_size(body)) == (409, 12)
    assert again.post(LOG.request(12, 13, branch=1))[0] == 422
    status, body = again.post(LOG.request(11, 12))
    assert (status, parse_size(body)) == (409, 12)
    assert again.post(LOG.request(12, 12))[0] == 200
    again.stop()


def test_killed_before_the_commit_nothing_was_promised(
    path: Path, processes: list[Process]
) -> None:
    dying = Process(path, "before the commit", 2)
    processes.append(dying)
    assert dying.post(LOG.request(0, 10))[0] == 200
    assert dying.post(LOG.request(10, 12))[0] == 0
    dying.wait_killed()
    again = Process(path)
    processes.append(again)
    assert open_checkpoint(again.head(), LOG.verifier).size == 10
    assert again.post(LOG.request(10, 13, branch=1))[0] == 200, "no signature on 12 has left"
    again.stop()


def test_killed_among_50_submitters_no_two_cosigned_heads_contradict(
    path: Path, processes: list[Process], capsys: pytest.CaptureFixture[str]
) -> None:
    log = MadeUpLog(fork=1)
    cosigned: dict[int, set[bytes]] = {}

    def submit(process: Process, number: int) -> None:
        """Go on as one of two branches, from whatever size the witness names."""
        branch, old_size = number % 2, 0
        for _ in range(20):
            size = old_size + 1
            status, body = process.post(log.request(old_size, size, branch))
            if status == 409:
                old_size = parse_size(body)
            elif status == 200:
                cosigned.setdefault(size, set()).add(log.root(size, branch))
                old_size = size
            else:
                return  # a fork, or dead

    for count in (3, 7, 5):
        process = Process(path, "between commit and answer", count)
        processes.append(process)
        with ThreadPoolExecutor(50) as crowd:
            list(crowd.map(lambda number, to=process: submit(to, number), range(50)))
        process.wait_killed()
    assert cosigned
    assert all(len(roots) == 1 for roots in cosigned.values())
    branches = [
        all(root == log.root(size, branch) for size, (root,) in cosigned.items())
        for branch in (0, 1)
    ]
    assert any(branches)
    _, listed = printed(capsys, "witness", "list", str(path))
    assert listed["logs"][0]["size"] >= max(cosigned)
