"""The whole tour on the real bundle, as an operator and an outsider would take it."""

import json
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import PITH_KEY, real_bundle, real_events
from tests.simulators.logs import raw, raws
from translog.formats.canonical import canonical
from translog.formats.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from translog.formats.cosignature import CosigningKey
from translog.formats.keys import SigningKey
from translog.formats.merkle import EMPTY_ROOT, Hash
from translog.formats.note import NoteSigner, Verifier
from translog.formats.proof import TlogProof
from translog.net.client import Client
from translog.store.keys import read_key

ROOT = Path(__file__).parents[2]
EVENT_IDS = [event["event_id"] for event in real_events()]
ORIGIN = "example.com/log"
PITH_KEYS = ("--key", "pith.science")
FINGERPRINT = "8d4b5ee74e4693bcd1df2446408b0d54"

Cli = Callable[..., Any]


@pytest.fixture
def log(cli: Cli) -> str:
    """Make a log whose entry 0 is a decision and 1 and 2 the real events; return its vkey."""
    (made,) = cli("init", "log", "--origin", ORIGIN, "--json")
    cli("keys", "allow", "log", "pith.science")
    cli("add", "log", "paper.bundle.json")
    return str(made["vkey"])


def test_the_tour(cli: Cli, here: Path) -> None:
    (made,) = cli("init", "log", "--origin", ORIGIN, "--json")
    vkey = made["vkey"]
    assert vkey.startswith(f"{ORIGIN}+")
    assert "log.key" in cli("init", "second", "--origin", ORIGIN)
    assert "nobody else may write to this log" in cli("keys", "list", "log")
    assert "pith.science (pith-v1-2026-05)" in cli("keys", "allow", "log", "pith.science")

    added = cli("add", "log", "paper.bundle.json", "--json")
    assert [(each["index"], each["event_id"]) for each in added] == list(enumerate(EVENT_IDS, 1))
    assert [each["duplicate"] for each in added] == [False, False]
    assert "0 added, 2 there before, 0 refused" in cli("add", "log", "paper.bundle.json")
    (published,) = cli("publish", "log", "--json")
    assert (published["origin"], published["size"]) == (ORIGIN, 3)
    assert cli("checkpoint", "log") == published["checkpoint"]
    assert cli("checkpoint", "log", "--json")[0]["root"] == published["root"]

    proof = cli("prove", "log", EVENT_IDS[0])
    assert "Entry  1 of 3" in cli("prove", "log", EVENT_IDS[0], "-o", "event.json.tlog-proof")
    assert (here / "event.json.tlog-proof").read_text() == proof

    said = cli("verify", "paper.bundle.json", "--key", "pith.science")
    assert "signed the whole bundle" in said
    assert "FAILED" not in said
    both = ("--key", "pith.science", "--key", vkey)
    said = cli("verify", "event.json", "event.json.tlog-proof", *both)
    assert f"logged as entry 1 of {ORIGIN}, in its tree of 3 entries" in said
    (here / "checkpoint").write_text(published["checkpoint"])
    assert "signed a tree of 3 entries" in cli("verify", "checkpoint", "--key", vkey)

    audited = cli("audit", "log", "--key", vkey, "--json")[0]
    assert (audited["size"], audited["root"]) == (3, published["root"])
    assert cli("fsck", "log", "--json")[0]["root"] == published["root"]
    exported = cli("export", "log", "out", "--json")[0]
    assert (exported["size"], exported["bundles"]) == (3, 1)
    assert cli("audit", "out", "--key", vkey, "--state", "state", "--json")[0]["from_size"] == 0
    assert cli("audit", "out", "--key", vkey, "--state", "state", "--json")[0]["from_size"] == 3
    assert "0 written to out" in cli("export", "log", "out")
    served = "out/pith/HAMJZSQVKL4VHWOAINCHUE26II/bundle.json"
    said = cli("verify", served, *both)
    assert "signed the whole bundle" in said
    assert "FAILED" not in said

    assert "not copied: keep log/log.key apart" in cli("backup", "log", "copy")
    assert cli("fsck", "copy", "--json")[0]["has_private_key"] is False
    assert cli("audit", "copy", "--key", vkey, "--json")[0]["root"] == published["root"]
    said = cli("export", "copy", "again", code=3)
    assert "copy/log.key: there is no such file. An export signs bundles: put a copy of" in said
    shutil.copy(here / "log" / "log.key", here / "copy")
    assert cli("export", "copy", "again", "--json")[0]["size"] == 3
    (here / "copy" / "log.db").unlink()
    assert "log.db is missing" in cli("audit", "copy", "--key", vkey, code=3)


def test_a_log_that_is_added_to_is_audited_from_where_it_was(cli: Cli, here: Path) -> None:
    vkey = cli("init", "log", "--origin", ORIGIN, "--json")[0]["vkey"]
    (here / "key.json").write_text(json.dumps(PITH_KEY.to_json()))
    cli("keys", "allow", "log", "key.json", "--signer-id", "registry.example")
    sizes = []
    for start, stop in [(0, 300), (300, 301), (301, 700)]:
        (here / "events").write_bytes(b"".join(each + b"\n" for each in raws(*range(start, stop))))
        assert f"{stop - start} added" in cli("add", "log", "events")
        cli("export", "log", "out")
        found = cli("audit", "out", "--key", vkey, "--state", "state", "--json")[0]
        sizes.append((found["from_size"], found["size"]))
    assert sizes == [(0, 301), (301, 302), (302, 701)]  # the first is a decision
    assert cli("fsck", "log", "--json")[0]["size"] == 701


def test_refused_events_are_named_and_the_others_logged(cli: Cli, here: Path, log: str) -> None:
    bad = json.loads(raw(1))
    bad["payload"]["number"] = 2
    lines = [
        canonical(real_events()[0]),
        b"{]",
        raw(1),
        canonical(bad),
        canonical(real_events()[1]),
    ]
    (here / "lines").write_bytes(b"\n".join(lines))
    answers = cli("add", "log", "lines", "event.json", "--json", code=1)
    assert [each["where"] for each in answers] == [
        *(f"lines:{n}" for n in range(1, 6)),
        "event.json",
    ]
    assert [each.get("error", {}).get("code") for each in answers] == [
        None,
        "malformed",
        "unknown-key",
        "wrong-hash",
        None,
        None,
    ]
    assert [each.get("index") for each in answers] == [1, None, None, None, 2, 1]
    said = cli("add", "log", "lines", code=1)
    assert "refused    lines:4: wrong-hash: event content_sha256 is" in said
    assert "0 added, 2 there before, 3 refused" in said


def test_standard_input_is_a_file(cli: Cli, log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(real_bundle())))
    found = cli("add", "log", "-", "--json")
    assert [each["where"] for each in found] == ["-#/events/0", "-#/events/1"]


def test_people_see_the_first_events_and_every_refusal(cli: Cli, here: Path, log: str) -> None:
    line = canonical(real_events()[0]) + b"\n"
    (here / "lines").write_bytes(line * 400 + b"{]\n")
    said = cli("add", "log", "lines", code=1)
    assert said.count("there      ") == 20
    assert "… more that are added are counted" in said
    assert "refused    lines:401: malformed" in said
    assert "0 added, 400 there before, 1 refused" in said
    assert len(cli("add", "log", "lines", "--json", code=1)) == 401


def test_adding_twice_changes_no_file(cli: Cli, here: Path, log: str) -> None:
    before = cli("fsck", "log")
    checkpoint = cli("checkpoint", "log")
    for _ in range(2):
        cli("add", "log", "paper.bundle.json", "event.json")
        cli("publish", "log")
    assert cli("fsck", "log") == before
    assert cli("checkpoint", "log") == checkpoint


def test_what_is_not_in_the_log_is_a_failed_check(cli: Cli, log: str) -> None:
    assert "is not in the log of 3 events" in cli("prove", "log", "0" * 64, code=1)
    cli("init", "empty", "--origin", ORIGIN)
    assert "none is signed yet" in cli("checkpoint", "empty", code=1)
    assert "none is signed yet" in cli("prove", "empty", EVENT_IDS[0], code=1)
    Path("nothing").mkdir()
    assert "nothing/checkpoint is not there" in cli("audit", "nothing", "--key", log, code=1)


def test_wrong_files_fail(cli: Cli, here: Path, log: str) -> None:
    cli("prove", "log", EVENT_IDS[1], "-o", "other.tlog-proof")
    pith = "pith.science"
    (here / "nonsense").write_bytes(b"\x00\xff")
    wrong, strange = "FAILED", "NOT TRUSTED"
    for names, keys, mark in [
        (["event.json", "other.tlog-proof"], [log, pith], wrong),  # the proof of another event
        (["event.json"], [log], strange),  # its signer is nobody we trust
        (["other.tlog-proof"], [pith], strange),  # nor is its log
        (["paper.bundle.json"], [log], strange),
        (["nonsense"], [log], wrong),
        (["paper.bundle.json", "nonsense"], [pith], wrong),  # one is enough
    ]:
        options = [part for key in keys for part in ("--key", key)]
        said = cli("verify", *names, *options, code=1)
        assert {each for each in (wrong, strange) if f"  {each}  " in said} == {mark}


def test_several_events_find_their_proofs_by_name(cli: Cli, here: Path, log: str) -> None:
    for number, event in enumerate(real_events()):
        (here / f"e{number}.json").write_bytes(canonical(event))
        ending = ".json.tlog-proof" if number else ".tlog-proof"
        cli("prove", "log", event["event_id"], "-o", f"e{number}{ending}")
    files = ["e0.json", "e1.json", "e0.tlog-proof", "e1.json.tlog-proof", "paper.bundle.json"]
    found = cli("verify", *files, "--key", "pith.science", "--key", log, "--json")
    assert [(each["file"], each["proof"], each["ok"]) for each in found] == [
        ("e0.json", "e0.tlog-proof", True),
        ("e1.json", "e1.json.tlog-proof", True),
        ("paper.bundle.json", None, True),
    ]
    assert {"name", "status", "code", "sentence"} == set(found[0]["findings"][0])


def test_a_proof_that_goes_with_no_event_is_said_to_be_unused(cli: Cli, log: str) -> None:
    for name in ("one", "two"):
        cli("prove", "log", EVENT_IDS[0], "-o", f"{name}.tlog-proof")
    keys = ("--key", "pith.science", "--key", log)
    said = cli("verify", "event.json", "one.tlog-proof", "two.tlog-proof", *keys)
    assert said.count("this proof was not used, because none has its name") == 2
    assert "no proof was given with it" in said
    assert "not used" not in cli("verify", "event.json", "one.tlog-proof", *keys)
    assert "not used" not in cli("verify", "one.tlog-proof", *keys)


def test_two_heads_of_one_size_with_different_roots_are_a_fork(cli: Cli, here: Path) -> None:
    signer = NoteSigner(name=ORIGIN, key=SigningKey(bytes([7]) * 32))
    other = NoteSigner(name=ORIGIN, key=SigningKey(bytes([8]) * 32))
    heads = {"one": (signer, 1, 3), "same": (signer, 1, 3), "two": (signer, 2, 3)}
    heads |= {"larger": (signer, 2, 4), "later": (other, 2, 5), "theirs": (other, 2, 3)}
    for name, (by, root, size) in heads.items():
        head = Checkpoint(origin=ORIGIN, size=size, root=Hash(bytes([root]) * 32))
        note = sign_checkpoint(head, by.key)
        (here / name).write_bytes(note)
        (here / f"{name}.tlog-proof").write_bytes(
            TlogProof(index=0, hashes=(), checkpoint=note).encode()
        )
    keys = ("--key", signer.verifier.vkey, "--key", other.verifier.vkey)
    said = cli("verify", "one", "same", "larger", "later", *keys)
    assert "forked" not in said
    # A log is its origin, whatever keys it has had.
    for pair in (
        ("one", "two"),
        ("one", "theirs"),
        ("one", "two.tlog-proof"),
        ("one.tlog-proof", "two.tlog-proof"),
    ):
        (line,) = [x for x in cli("verify", *pair, *keys, code=1).split("\n") if "forked" in x]
        assert line.startswith("  FAILED")
        assert f"signed root {'01' * 32} in {pair[0]} and root {'02' * 32} in {pair[1]}" in line


def test_a_file_name_cannot_forge_a_line(cli: Cli, here: Path, log: str) -> None:
    forging = "a\n  proved         all\r\x1b[2J"
    (here / forging).write_bytes(b"nonsense")
    said = cli("verify", forging, "--key", log, code=1) + cli("add", "log", forging, code=1)
    said += cli("verify", f"{forging}2", "--key", log, code=3)
    assert "a\\n  proved         all\\r\\x1b[2J" in said
    assert all(line.isprintable() and "proved  " not in line[:9] for line in said.split("\n"))


@pytest.mark.parametrize("content", [b"", b"{}", b"{", b"\xff"])
def test_a_broken_state_of_an_audit_is_not_the_logs_fault(
    cli: Cli, here: Path, log: str, content: bytes
) -> None:
    (here / "state").write_bytes(content)
    said = cli("audit", "log", "--key", log, "--state", "state", code=3)
    assert "--state state is not the state of an audit of this log" in said
    assert (here / "state").read_bytes() == content


def test_the_evidence_of_a_fork_convinces_a_stranger(cli: Cli, here: Path, log: str) -> None:
    cli("publish", "log")
    key = read_key(here / "log" / "log.key").key
    head = Checkpoint(origin=ORIGIN, size=3, root=Hash(bytes(32)))
    (here / "old").write_bytes(sign_checkpoint(head, key))
    kept = ("--evidence", "fork.json", "--verdict", "verdict.json")
    said = cli("audit", "log", "--key", log, "--since", "old", *kept, code=1)
    assert said.startswith("translog: log 'example.com/log' forked: it has two roots for 3 entries")
    assert (here / "fork.json").read_text() in said
    verdict = json.loads((here / "verdict.json").read_bytes())
    assert (verdict["ok"], verdict["size"], verdict["error"]["code"]) == (False, 0, "inconsistent")
    assert verdict["evidence"] == json.loads((here / "fork.json").read_bytes())
    (found,) = cli("evidence", "verify", "fork.json", "--key", log, "--json")
    assert (found["proved"], found["grade"], found["accused"]) == (True, "proof", [log])
    assert "proved" in cli("evidence", "verify", "fork.json", "--key", log)
    edited = (here / "fork.json").read_bytes().replace(b"\\n3\\n", b"\\n4\\n", 1)
    (here / "edited.json").write_bytes(edited)
    both = ("evidence", "verify", "edited.json", "fork.json", "--key", log)
    refused, kept_ = cli(*both, "--json", code=1)
    assert (refused["proved"], refused["error"]["code"]) == (False, "wrong-signature")
    assert kept_["proved"]
    assert "SHOWS NOTHING" in cli(*both, code=1)
    assert "is not among those given" in cli("evidence", "verify", "fork.json", *PITH_KEYS, code=1)
    assert "no such file" in cli("evidence", "verify", "none", "--key", log, code=3)


def test_a_fork_is_told_although_no_file_of_it_can_be_written(
    cli: Cli, here: Path, log: str
) -> None:
    cli("publish", "log")
    head = Checkpoint(origin=ORIGIN, size=3, root=Hash(bytes(32)))
    (here / "old").write_bytes(sign_checkpoint(head, read_key(here / "log" / "log.key").key))
    for file in ("--evidence", "--verdict"):
        said = cli("audit", "log", "--key", log, "--since", "old", file, "none/file", code=1)
        assert "none/file cannot be written" in said
        assert "log 'example.com/log' forked: it has two roots for 3 entries" in said
        assert '"kind":"inconsistent-checkpoints"' in said
    said = cli("audit", "log", "--key", log, "--verdict", "none/file", code=3)
    assert "Checked    entries 0 to 2" in said
    assert "none/file cannot be written" in said


def test_an_audit_names_the_keys_that_signed_and_says_when_nothing_is_new(
    cli: Cli, here: Path, log: str
) -> None:
    cli("publish", "log")
    other = NoteSigner(name=ORIGIN, key=SigningKey(bytes([7]) * 32)).verifier.vkey
    said = cli("audit", "log", "--key", log, "--key", other, "--state", "state")
    assert f"signed by key {log.split('+')[1]}\n" in said
    said = cli("audit", "log", "--key", log, "--state", "state")
    assert "Checked    nothing new after 3 entries\n" in said


def test_what_is_only_reported_is_no_proof(cli: Cli, here: Path, log: str) -> None:
    cli("publish", "log")
    cli("audit", "log", "--key", log, "--state", "state")
    key = read_key(here / "log" / "log.key").key
    (here / "out").mkdir()
    empty = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)
    (here / "out" / "checkpoint").write_bytes(sign_checkpoint(empty, key))
    cli("audit", "out", "--key", log, "--state", "state", "--evidence", "shrunk.json", code=1)
    (found,) = cli("evidence", "verify", "shrunk.json", "--key", log, "--json", code=1)
    assert (found["proved"], found["grade"], found["kind"]) == (False, "report", "shrunken-log")
    assert "only reported" in cli("evidence", "verify", "shrunk.json", "--key", log, code=1)


def test_an_audit_says_what_it_did_not_look_at(cli: Cli, here: Path, log: str) -> None:
    cli("publish", "log")
    cli("export", "log", "out")
    options = ("--depth", "signatures", "--compare", "out", "--verdict", "verdict.json")
    said = cli("audit", "log", "--key", log, *options)
    assert "Compared  out, the same up to 3" in said
    verdict = json.loads((here / "verdict.json").read_bytes())
    assert (verdict["ok"], verdict["from_size"], verdict["size"]) == (True, 0, 3)
    assert verdict["trusted"] == {"logs": [log], "witnesses": [], "quorum": None}
    assert verdict["copies"] == [{"place": "out", "size": 3, "same_until": 3}]
    assert "what the entries are about: no content was read" in verdict["not_checked"]
    assert verdict["checkpoint"] == (here / "out" / "checkpoint").read_text()
    tile = here / "out" / "tile" / "0" / "000.p" / "3"
    tile.write_bytes(tile.read_bytes()[::-1])
    assert "out: tile/0/000.p/3 has" in cli("audit", "log", "--key", log, *options, code=1)
    tile.unlink()
    said = cli("audit", "log", "--key", log, *options, code=1)
    assert "tile/0/000.p/3 is not published" in said
    assert json.loads((here / "verdict.json").read_bytes())["error"]["code"] == "not-found"


def test_a_policy_in_place_of_a_key(cli: Cli, here: Path, log: str) -> None:
    shown = cli("publish", "log", "--json")[0]["checkpoint"]
    witness = CosigningKey(name="w.example", key=SigningKey(bytes([3]) * 32))
    lines = [f"log {log}", f"witness w {witness.cosigner.vkey}", "quorum w", ""]
    (here / "policy").write_text("\n".join(lines))
    cli("export", "log", "out")
    assert "no quorum 'w'" in cli("audit", "out", "--policy", "policy", code=1)
    head = open_checkpoint(shown.encode(), Verifier.parse(log))
    cosigned = shown.encode() + str(witness.cosign(head, 1_780_000_000)).encode()
    (here / "out" / "checkpoint").write_bytes(cosigned)
    said = cli("audit", "out", "--policy", "policy", "--verdict", "verdict.json")
    assert "cosigned by the quorum w" in said
    verdict = json.loads((here / "verdict.json").read_bytes())
    assert verdict["cosigned"] == [{"witness": witness.cosigner.vkey, "time": 1_780_000_000}]
    (here / "policy").write_text("quorum none")
    assert "file policy: policy: last line" in cli("audit", "out", "--policy", "policy", code=2)


def test_where_an_audit_begins_is_said_once(cli: Cli, here: Path, log: str) -> None:
    both = ("--since", "old", "--state", "state")
    assert "--since and --state both say" in cli("audit", "log", "--key", log, *both, code=2)
    old = cli("publish", "log", "--json")[0]["checkpoint"]
    (here / "old").write_text(old)
    cli("prove", "log", EVENT_IDS[0], "-o", "proof")
    (here / "key.json").write_text(json.dumps(PITH_KEY.to_json()))
    cli("keys", "allow", "log", "key.json", "--signer-id", "registry.example")
    (here / "more").write_bytes(raw(1))
    cli("add", "log", "more")
    cli("publish", "log")
    for since in ("old", "proof"):
        found = cli("audit", "log", "--key", log, "--since", since, "--json")[0]
        assert (found["from_size"], found["size"]) == (3, 5)
    found = cli("audit", "log", "--key", log, "--until", "old", "--json")[0]
    assert (found["from_size"], found["size"], found["checkpoint"]) == (0, 3, old)


def test_a_key_that_others_can_read_is_refused(cli: Cli, here: Path, log: str) -> None:
    (here / "log" / "log.key").chmod(0o644)
    for arguments in (["publish", "log"], ["add", "log", "event.json"], ["export", "log", "out"]):
        assert "has mode 0644, want 0600" in cli(*arguments, code=3)
    (here / "log" / "log.key").chmod(0o600)
    cli("publish", "log")


def test_a_database_put_back_from_a_backup_is_not_signed_for(
    cli: Cli, here: Path, log: str
) -> None:
    cli("backup", "log", "copy")
    (here / "key.json").write_text(json.dumps(PITH_KEY.to_json()))
    cli("keys", "allow", "log", "key.json", "--signer-id", "registry.example")
    (here / "more").write_bytes(raw(1))
    cli("add", "log", "more")
    shown = cli("checkpoint", "log")
    for name in ("log.db", "log.db-wal", "log.db-shm"):
        (here / "log" / name).unlink(missing_ok=True)
    shutil.copy(here / "copy" / "log.db", here / "log" / "log.db")
    said = cli_error(["publish", "log"], 1)
    assert "database is at size 3, and a head of size 5 was signed" in said
    assert "Put back the newest database" in said
    assert "begin a new log under a new origin" in said
    assert "a head of size 5 was signed, and the database is at size 3" in cli_error(
        ["fsck", "log"], 1
    )
    assert cli_error(["add", "log", "more"], 1) == said
    assert (here / "log" / "signed-head").read_text() == shown


def test_a_restored_log_goes_on_only_under_the_newest_head_that_anybody_has(
    cli: Cli, here: Path, log: str
) -> None:
    cli("backup", "log", "copy")
    shutil.copy(here / "log" / "log.key", here / "copy" / "log.key")
    shutil.copytree(here / "copy", here / "behind")
    assert cli("checkpoint", "log") == (here / "copy" / "signed-head").read_text()
    cli("publish", "copy")
    (here / "key.json").write_text(json.dumps(PITH_KEY.to_json()))
    cli("keys", "allow", "log", "key.json", "--signer-id", "registry.example")
    (here / "more").write_bytes(raw(1))
    cli("add", "log", "more")
    (here / "behind" / "signed-head").write_text(cli("checkpoint", "log"))
    assert "this is an old copy of the log" in cli("publish", "behind", code=1)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "translog", *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        check=False,
    )


def cli_error(arguments: list[str], code: int) -> str:
    """Run in a process of its own, and return its one line on stderr."""
    done = process(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("translog: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_keys_are_made_shown_allowed_listed_and_revoked(cli: Cli, here: Path, log: str) -> None:
    (made,) = cli("keys", "generate", "me.key", "--json")
    assert (here / "me.key").stat().st_mode & 0o777 == 0o600
    assert made["name"] == "me"
    assert cli("keys", "show", "me.key", "--json") == [made]
    assert "exists already" in cli("keys", "generate", "me.key", code=3)
    (shown,) = cli("keys", "show", "log", "--json")
    assert shown["vkey"] == log
    assert shown["public_key"]["key_id"] == f"{ORIGIN}+{log.split('+')[1]}"
    assert cli("keys", "show", "copy", code=3)

    public = made["public_key"]["public_key_hex"]
    (row,) = cli("keys", "allow", "log", public, "--type", "correction", "--json")
    assert row["signer_id"] == row["fingerprint"] == made["fingerprint"]
    assert row["event_types"] == ["correction"]
    (row,) = cli("keys", "allow", "log", made["vkey"], "--signer-id", "A Person", "--json")
    assert row["signer_id"] == "A Person"
    assert len(row["event_types"]) > 5
    listed = cli("keys", "list", "log", "--json")[0]["keys"]
    assert {each["fingerprint"] for each in listed if not each["own"]} == {
        FINGERPRINT,
        made["fingerprint"],
    }
    (own,) = [each for each in listed if each["own"]]
    assert own["signer_id"] == ORIGIN
    assert "own" in cli("keys", "revoke", "log", own["fingerprint"], code=1)
    (row,) = cli("keys", "revoke", "log", FINGERPRINT, "--json")
    assert row["revoked_at"] is not None
    size = cli("publish", "log", "--json")[0]["size"]
    assert cli("keys", "revoke", "log", FINGERPRINT, "--json") == [row]
    assert cli("publish", "log", "--json")[0]["size"] == size
    assert "Revoked" in cli("keys", "list", "log")
    refused = cli("add", "log", "event.json", "--json", code=1)
    assert refused[0]["error"]["code"] == "key-not-permitted"
    cli("keys", "allow", "log", "pith.science")
    assert cli("add", "log", "event.json", "--json")[0]["duplicate"] is True
    assert "is not in this log's registry" in cli("keys", "revoke", "log", "00" * 16, code=1)


def test_a_type_that_is_not_known_is_allowed_and_remarked_upon(log: str) -> None:
    arguments = ["keys", "allow", "log", "pith.science", "--type", "record_craeted"]
    done = process(*arguments)
    assert done.returncode == 0
    assert "'record_craeted' is no type that this version knows" in done.stderr
    assert "May write  record_craeted" in done.stdout


@contextmanager
def server(log: str) -> Iterator[str]:
    """Serve a log in a process of its own, on a port of the system's choice."""
    options = ["--listen", "127.0.0.1:0", "--publish-interval", "50ms"]
    (Path(log) / "anchoring.toml").write_text("calendars = []\n")  # tests talk to nobody
    serving = subprocess.Popen(
        [sys.executable, "-m", "translog", "serve", log, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert serving.stdout is not None
    try:
        said = ""
        while "http://" not in said:
            assert select.select([serving.stdout], [], [], 60)[0], "the server says nothing"
            said = serving.stdout.readline()
            assert said, "the server ended"
        match = re.search(r"http://127\.0\.0\.1:[0-9]+", said)
        assert match is not None
        yield match[0]
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=60)
    assert serving.returncode == 0


def test_the_tour_over_http(cli: Cli, here: Path) -> None:
    vkey = cli("init", "log", "--origin", ORIGIN, "--json")[0]["vkey"]
    with server("log") as url:
        refused = cli("add", url, "paper.bundle.json", "--json", code=1)
        assert [each["error"]["code"] for each in refused] == ["unknown-key"] * 2
        cli("keys", "allow", "log", "pith.science")  # beside the server, which sees it
        added = cli("add", url, "paper.bundle.json", "event.json", "--json")
        assert [each["index"] for each in added] == [1, 2, 1]
        assert [each["duplicate"] for each in added] == [False, False, True]
        (here / "lines").write_bytes((canonical(real_events()[1]) + b"\n") * 1000 + b"{]")
        assert "0 added, 1,000 there before, 1 refused" in cli("add", url, "lines", code=1)
        said = cli("add", "log", "event.json", code=3)
        assert "is being written by process" in said
        assert "add through its server's URL" in said
        assert cli("publish", "log", code=3) == said
        state = ["--key", vkey, "--state", "state", "--json"]
        while cli("audit", url, *state)[0]["size"] < 3:
            pass  # until the next head is signed
        checkpoint = cli("checkpoint", url)
        assert checkpoint == cli("checkpoint", "log")
        assert cli("prove", url, EVENT_IDS[1]) == cli("prove", "log", EVENT_IDS[1])
        assert "answered 404" in cli("prove", url, "0" * 64, code=1)
        assert cli("fsck", "log", "--json")[0]["size"] == 3
        assert cli("export", "log", "out", "--base-url", url, "--json")[0]["size"] == 3
        with Client(url) as client:
            for file in Path("out").rglob("*"):
                if file.is_file():
                    path = file.relative_to("out").as_posix()
                    assert client.get(path, 1 << 24) == file.read_bytes(), path
        cli("backup", "log", "copy")
        assert cli("fsck", "copy", "--json")[0]["size"] == 3
    assert "Connection refused" in cli("checkpoint", url, code=3)
    assert cli("checkpoint", "log") == checkpoint
