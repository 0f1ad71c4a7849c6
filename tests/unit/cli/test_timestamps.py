"""`translog verify FILE.ots`: the file beside it, headers in a file, and how the command ends."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.shared import SHARED, needs
from tests.simulators.headers import TOY, toy_chain
from tests.simulators.timestamps import in_block, pending
from translog.bitcoin.chain import PERIOD
from translog.bitcoin.checkpoints import Checkpoints
from translog.bitcoin.header import Header
from translog.bitcoin.ots import MAGIC, file_head
from translog.cli.main import run
from translog.store import builtin
from translog.testing import headers
from translog.testing.chain import RegtestChain
from translog.verify.documents import TIMESTAMP_START, recognise

HEADERS = "bitcoin/mainnet-headers-822528-830592.bin"
PROOF, CONTENT = "ots/tx-c92630dc.bin.ots", "ots/tx-c92630dc.bin"
LATER = "ots/tx-0780506b.bin.ots"
real = needs(HEADERS, PROOF, CONTENT, LATER)
FILE = b"what is stamped\n"


def translog(*arguments: object) -> int:
    return run([str(each) for each in arguments])


def stamp(folder: Path, tail: bytes, name: str = "file.txt") -> Path:
    (folder / name).write_bytes(FILE)
    path = folder / f"{name}.ots"
    path.write_bytes(file_head("sha256", sha256(FILE).digest()) + tail)
    return path


def small_chain(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[Path, Header]:
    """Stand a chain of one period in for Bitcoin's. Return its headers in a file, and one."""
    network = replace(TOY, proves=True)
    raw = TOY.genesis.raw + toy_chain(PERIOD)
    last, after = (Header(raw[80 * (PERIOD - 1 + n) :][:80]) for n in (0, 1))
    only = Checkpoints(network=network, hashes=(last.hash,), bits=(after.bits,))
    monkeypatch.setattr(builtin, "checkpoints", lambda: only)
    monkeypatch.setattr(builtin, "checkpoints_of", lambda network: only)
    path = folder / "headers"
    path.write_bytes(raw)
    return path, Header(raw[80 * 2000 :][:80])


def test_a_time_is_proved_with_headers_and_0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of_headers, block = small_chain(monkeypatch, tmp_path)
    stamped = tmp_path / "root.ots"
    stamped.write_bytes(file_head("sha256", block.merkle_root) + in_block(2000))
    assert translog("verify", stamped, "--headers", run_of_headers) == 0
    assert "existed before 2011-02-16T20:36:42Z (block 2000, final, checkpoint-linked)" in (
        capsys.readouterr().out
    )
    stamped.write_bytes(file_head("sha256", block.merkle_root) + in_block(2001))
    assert (
        translog("verify", stamped, "--headers", run_of_headers) == 0
    )  # all blocks there have one root
    stamped.write_bytes(file_head("sha256", block.merkle_root) + in_block(PERIOD))
    assert translog("verify", stamped, "--headers", run_of_headers) == 3
    assert "unchecked), if a header is right that nobody vouches for" in capsys.readouterr().out
    stamped.write_bytes(file_head("sha256", b"r" * 32) + in_block(2000))
    assert translog("verify", stamped, "--headers", run_of_headers) == 1
    assert "FAILED         timestamp: leads to 7272" in capsys.readouterr().out
    run_of_headers.write_bytes(run_of_headers.read_bytes()[80 * 7 : 80 * 2010])
    assert translog("verify", stamped, "--headers", run_of_headers) == 1
    said = capsys.readouterr().err
    assert "there is no checkpoint" in said
    assert f"{run_of_headers}: " in said


def test_a_source_that_is_none_is_named_with_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamped = stamp(tmp_path, in_block(7))
    assert translog("verify", stamped, "--headers", "bitcoind:http://127.0.0.1:8332") == 2
    assert "Invalid value for '--headers': node is not given as" in capsys.readouterr().err


def test_headers_beside_the_timestamp_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of_headers, block = small_chain(monkeypatch, tmp_path)
    stamped = tmp_path / "root.ots"
    stamped.write_bytes(file_head("sha256", block.merkle_root) + in_block(2000))
    assert translog("verify", stamped) == 3
    raw = run_of_headers.read_bytes()
    beside = tmp_path / "root.ots.headers"
    beside.write_bytes(raw[80 * 2000 : 80 * PERIOD])
    assert translog("verify", stamped) == 0
    assert "(block 2000, final, checkpoint-linked)" in capsys.readouterr().out
    # They belong to the proof: bad ones fail, and do not hide what is wrong with them.
    beside.write_bytes(raw[80 * 2000 : 80 * (PERIOD - 1)])
    assert translog("verify", stamped) == 1
    assert ".headers: block headers: from " in capsys.readouterr().out


def test_a_directory_of_headers_and_a_server_are_named_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = RegtestChain(time=1_780_000_000)
    (tmp_path / "raw").write_bytes(chain.raw_headers())
    kept = tmp_path / "kept"
    assert translog("headers", "import", kept, tmp_path / "raw", "--network", "regtest") == 0
    root = chain.header(90).header.merkle_root
    stamped = tmp_path / "root.ots"
    stamped.write_bytes(file_head("sha256", root) + in_block(90))
    assert translog("verify", stamped, "--headers", kept) == 1
    assert "regtest proves nothing; there, before 20" in capsys.readouterr().out
    with headers.running(chain) as server:
        # Its blocks are no blocks of mainnet, whatever their roots are.
        assert translog("verify", stamped, "--headers", f"esplora:{server.url}") == 1
        assert f"FAILED         {server.url}: header of block 0: is " in capsys.readouterr().out
    assert translog("verify", stamped, "--headers", f"esplora:{server.url}") == 3
    assert translog("verify", stamped, "--headers", "esplora:nowhere") == 2
    assert translog("verify", stamped, "--headers", "quorum:3,esplora:http://a.example") == 2


@real
def test_a_time_is_proved_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert translog("verify", SHARED / PROOF, "--headers", SHARED / HEADERS) == 0
    said = capsys.readouterr().out
    assert "proved         the timestamp is of this file, sha256 8745053" in said
    assert (
        "proved         the file existed before 2024-02-11T18:17:37Z (block 830000, final,"
        " checkpoint-linked)" in said
    )


@real
def test_the_segment_alone_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = (SHARED / HEADERS).read_bytes()
    segment = tmp_path / "segment"
    segment.write_bytes(raw[80 * (830_000 - 822_528) : -80])
    assert translog("verify", SHARED / PROOF, "--headers", segment, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["findings"][1]["block"]["grade"] == "checkpoint-linked"
    # One header short of the checkpoint, and it is tied to nothing.
    segment.write_bytes(raw[80 * (830_000 - 822_528) : -160])
    assert translog("verify", SHARED / PROOF, "--headers", segment) == 1
    assert "there is no checkpoint" in capsys.readouterr().err


@real
def test_a_block_whose_header_is_not_known_is_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert translog("verify", SHARED / LATER, "--headers", SHARED / HEADERS) == 3
    assert "there are headers of blocks 822528 to 830592, and none of 831333" in (
        capsys.readouterr().out
    )
    assert translog("verify", SHARED / PROOF, "--json") == 3
    assert json.loads(capsys.readouterr().out)["ok"] is False


@real
def test_another_file_is_1_and_nothing_is_proved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.write_bytes((SHARED / CONTENT).read_bytes() + b"\n")
    arguments = ("verify", SHARED / PROOF, "--headers", SHARED / HEADERS, "--of", other)
    assert translog(*arguments) == 1
    said = capsys.readouterr().out
    assert "FAILED         timestamp is of a file with sha256 8745" in said
    assert "existed" not in said
    other.write_bytes((SHARED / CONTENT).read_bytes())
    assert translog(*arguments) == 0


@real
def test_without_the_file_the_hash_is_what_is_proved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "alone.ots"
    alone.write_bytes((SHARED / PROOF).read_bytes())
    assert translog("verify", alone, "--headers", SHARED / HEADERS) == 0
    said = capsys.readouterr().out
    assert (
        "not shown      that it is about a file you have: it is about one with sha256 8745" in said
    )
    assert "proved         a file with that sha256 existed before 2024-02-11" in said


def test_a_promise_is_no_time_and_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = stamp(tmp_path, pending("https://alice.example.com"))
    assert translog("verify", path) == 1
    assert "calendar https://alice.example.com has promised" in capsys.readouterr().out


def test_bad_bytes_are_1_and_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = stamp(tmp_path, b"\xf0" + b"\xff" * 300_000)
    assert translog("verify", path) == 1
    assert "FAILED         timestamp has 3000" in capsys.readouterr().out
    assert translog("verify", stamp(tmp_path, b"\x09")) == 1
    assert "FAILED         timestamp cannot be read: Unknown operation" in capsys.readouterr().out


def test_a_file_that_is_named_and_absent_is_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stamp(tmp_path, in_block(7))
    for option in ("--of", "--headers"):
        assert translog("verify", path, option, tmp_path / "nothing") == 3
        assert "nothing: there is no such file" in capsys.readouterr().err


def test_a_timestamp_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    assert MAGIC.startswith(TIMESTAMP_START)
    assert recognise(MAGIC) == "timestamp"
    path = stamp(tmp_path, in_block(7))
    renamed = path.rename(tmp_path / "renamed")
    assert translog("verify", renamed) == 2  # without a key only FILE.ots, by its name
    assert translog("verify", renamed, "--key", "pith.science") == 3


def test_options_that_say_nothing_about_the_files_are_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [stamp(tmp_path, in_block(7), name) for name in ("a", "b")]
    assert translog("verify", *paths, "--of", tmp_path / "a") == 2
    assert "--of goes with one timestamp, and there are 2" in capsys.readouterr().err
    assert translog("verify", tmp_path / "a", "--key", "pith.science", "--headers", paths[0]) == 2
    assert (
        "--headers goes with a timestamp or a bundle, and there is none" in capsys.readouterr().err
    )


def test_the_worst_of_several_is_how_it_ends(tmp_path: Path) -> None:
    unknown = stamp(tmp_path, in_block(7), "unknown")
    waiting = stamp(tmp_path, pending("https://alice.example.com"), "waiting")
    assert translog("verify", unknown) == 3
    assert translog("verify", unknown, waiting) == 1
    assert translog("verify", waiting, unknown) == 1
