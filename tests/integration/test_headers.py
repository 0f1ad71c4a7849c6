"""`translog headers`, and stock `ots` against the calendar and the servers of the kit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.shared import SHARED, needs
from tests.simulators.ots import serving
from translog.bitcoin.network import MAINNET
from translog.cli.main import run
from translog.store.headers import HeaderWriter, create
from translog.testing import calendar as calendars
from translog.testing import headers as servers
from translog.testing.chain import SPACING, RegtestChain

OTS = Path(sys.executable).with_name("ots")
REAL = "bitcoin/mainnet-headers-822528-830592.bin"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(here, capsys):
    def call(*arguments: str, code: int = 0) -> Any:
        found = run(["headers", *arguments])
        captured = capsys.readouterr()
        assert found == code, captured.err
        if "--json" in arguments:
            return json.loads(captured.out)
        return captured.out + captured.err

    return call


@pytest.fixture
def chain(here) -> RegtestChain:
    chain = RegtestChain(1_750_000_000)
    (here / "raw.bin").write_bytes(chain.raw_headers())
    return chain


REGTEST = ("--network", "regtest")


def test_headers_are_imported_brought_up_shown_and_checked(cli, here, chain):
    value = cli("import", "kept", "raw.bin", *REGTEST, "--json")
    assert (value["added"], value["first"], value["count"]) == (101, 0, 101)
    assert "From     0 on: unchecked" in cli("show", "kept")
    chain.mine_empty(5)
    with servers.running(chain) as server:
        login = server.url.replace("http://", "http://user:password@")
        assert "Added   5 headers" in cli("sync", "kept", "--source", f"bitcoind:{login}")
        (here / "cookie").write_text("user:password\n")
        cookie = f"bitcoind:{server.url}#{here}/cookie"
        assert "Added   0 headers" in cli("sync", "kept", "--source", cookie)
        chain.reorganise(2)
        said = cli("sync", "kept", "--source", f"esplora:{server.url}")
        assert "Added   3 headers, for 2 of a branch with less work" in said
    shown = cli("show", "kept", "--json")
    assert shown["behind"] == [
        {"from": 0, "grade": "own node"},
        {"from": 104, "grade": "single server"},
    ]
    assert (shown["network"], shown["count"], shown["checkpoint"]) == ("regtest", 107, None)
    assert "regtest, which proves nothing" in cli("show", "kept")
    one = cli("show", "kept", "106", "--json")
    assert one["header"] == chain.header(106).header.raw.hex()
    assert (one["height"], one["grade"]) == (106, "single server")
    assert cli("verify", "kept", "--json")["count"] == 107
    assert "Checked  107 headers of regtest" in cli("verify", "kept")


def test_a_new_directory_is_filled_from_a_source(cli, chain):
    with servers.running(chain) as server:
        value = cli("sync", "new", "--source", f"esplora:{server.url}", *REGTEST, "--json")
    assert (value["added"], value["first"]) == (101, 0)


def test_a_source_of_another_chain_leaves_no_directory_and_a_chain_that_is_named_counts(
    cli, here, chain
):
    with servers.running(chain) as server:
        name = f"esplora:{server.url}"
        assert "want that of mainnet" in cli("sync", "new", "--source", name, code=1)
        assert not (here / "new").exists()
        server.lie = "silent"
        cli("sync", "new", "--source", name, *REGTEST, code=3)
        assert not (here / "new").exists()
        server.lie = None
        cli("sync", "new", "--source", name, *REGTEST)
        other = ("--network", "mainnet")
        for command in (("sync", "new", "--source", name), ("import", "new", "raw.bin")):
            said = cli(*command, *other, code=1)
            assert "new has headers of regtest, want mainnet" in said
        assert "Added   0 headers" in cli("sync", "new", "--source", name)


def test_headers_that_are_refused_leave_no_directory(cli, here, chain):
    raw = chain.raw_headers()
    (here / "bad.bin").write_bytes(raw[:-80] + raw[-160:-80])
    assert "header of block 100: follows block" in cli("import", "new", "bad.bin", *REGTEST, code=1)
    assert not (here / "new").exists()
    cli("import", "new", "raw.bin", *REGTEST)


def test_an_empty_directory_says_so(cli, here):
    create(here / "empty", MAINNET, 0)
    said = cli("segment", "empty", "7", "-o", "none", code=3)
    assert "empty has no headers yet, want those of 7 to 2015" in said


def test_what_a_liar_says_is_a_failed_check_and_changes_nothing(cli, here, chain):
    cli("import", "kept", "raw.bin", *REGTEST)
    chain.mine_empty(2)
    before = [path.read_bytes() for path in sorted((here / "kept").iterdir())]
    with servers.running(chain) as server:
        for lie, code, says in [
            ("wrong root", 1, "follows block"),
            ("low work", 1, "has too little work"),
            ("garbage", 1, "want"),
            ("broken", 3, "answered 500"),
        ]:
            server.lie = lie
            said = cli("sync", "kept", "--source", f"esplora:{server.url}", code=code)
            assert says in said
            assert server.url in said
    assert [path.read_bytes() for path in sorted((here / "kept").iterdir())] == before


def test_a_password_is_not_printed(cli, here, chain):
    cli("import", "kept", "raw.bin", *REGTEST)
    with servers.running(chain) as server:
        login = server.url.replace("http://", "http://me:secret@")
        said = cli("sync", "kept", "--source", f"bitcoind:{login}", code=3)
    assert "wrong user, password or cookie" in said
    assert "secret" not in said
    for wrong in ("bitcoind:http://me:secret@x y", "bitcoind:me:secret@x", "http://me:secret@x"):
        assert "secret" not in cli("sync", "kept", "--source", wrong, code=2)


def test_what_is_in_the_way_is_said(cli, here, chain):
    assert "headers.txt is missing" in cli("show", "none", code=3)
    assert "there is no such file" in cli("import", "kept", "none.bin", *REGTEST, code=3)
    (here / "short.bin").write_bytes(chain.raw_headers()[:-1])
    assert "want a multiple of 80" in cli("import", "kept", "short.bin", *REGTEST, code=1)
    (here / "later.bin").write_bytes(chain.raw_headers()[80:])
    assert "want the first block" in cli("import", "kept", "later.bin", *REGTEST, code=1)
    cli("import", "kept", "raw.bin", *REGTEST)
    with HeaderWriter(here / "kept"):
        assert "being changed already" in cli("import", "kept", "raw.bin", code=3)
    assert "no such cookie" in cli(
        "sync", "kept", "--source", "bitcoind:http://127.0.0.1:1#/no/cookie", code=3
    )
    assert "no header of block 101" in cli("show", "kept", "101", code=3)
    cli("show", "kept", "007", code=2)
    cli("import", "kept", "raw.bin", "--grade", "good", code=2)
    said = cli("import", "kept", "raw.bin", "--grade", "checkpoint-linked", code=2)
    assert "what headers are found to be, and nobody's word" in said
    cli("import", "kept", "raw.bin", "--network", "testnet", code=2)
    cli("sync", "kept", code=2)


@needs(REAL)
def test_real_headers_are_tied_to_the_checkpoints_with_nobody_asked(cli):
    value = cli("import", "kept", str(SHARED / REAL), "--json")
    assert (value["first"], value["added"]) == (822_528, 8065)
    shown = cli("show", "kept")
    assert "Up to    830,591: checkpoint-linked" in shown
    assert "From     830,592 on: unchecked" in shown
    one = cli("show", "kept", "830000", "--json")
    assert one["grade"] == "checkpoint-linked"
    assert one["hash"] == "000000000000000000011d55599ed27d7efca05f5849b755319c89eb2cffbc1f"
    assert cli("verify", "kept", "--json")["count"] == 8065


@needs(REAL, "ots/tx-c92630dc.bin.ots")
def test_the_headers_that_tie_a_block_are_written_for_its_timestamp(cli, here, capsys):
    for name in ("tx-c92630dc.bin", "tx-c92630dc.bin.ots"):
        (here / name).write_bytes((SHARED / "ots" / name).read_bytes())
    cli("import", "kept", str(SHARED / REAL))
    wanted = ("segment", "kept", "830000", "-o", "tx.headers", "--json")
    assert cli(*wanted) == {"file": "tx.headers", "first": 830_000, "count": 592}
    assert (here / "tx.headers").stat().st_size == 592 * 80
    assert run(["verify", "tx-c92630dc.bin.ots", "--headers", "tx.headers"]) == 0
    assert "(block 830000, final, checkpoint-linked)" in capsys.readouterr().out
    for height, says in [
        ("822527", "kept has headers of blocks 822528 to 830592, want those of 822527 to 822527"),
        ("830592", "want those of 830592 to 832607"),
        ("963648", "no built-in checkpoint comes after block 963648: the newest is block 963647"),
    ]:
        assert says in cli("segment", "kept", height, "-o", "none", code=3)
    assert not (here / "none").exists()


def test_on_regtest_nothing_is_tied(cli, chain):
    cli("import", "kept", "raw.bin", *REGTEST)
    said = cli("segment", "kept", "7", "-o", "none", code=3)
    assert "no built-in checkpoint comes after block 7" in said


# Stock `ots`


def ots(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(Path.cwd()), "TZ": "UTC"}
    command = [str(OTS), "--no-cache", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_stock_ots_stamps_upgrades_and_verifies_without_a_node(cli, here, chain):
    (here / "file.txt").write_text("hello\n")
    with calendars.running(chain) as one, calendars.running(chain) as two:
        known = ("--btc-regtest", "-l", one.url, "-l", two.url)
        stamped = ots(*known, "stamp", "-c", one.url, "-c", two.url, "-m", "2", "file.txt")
        assert stamped.returncode == 0, stamped.stderr
        waiting = ots(*known, "upgrade", "file.txt.ots")
        assert waiting.returncode == 1
        assert "Pending confirmation in Bitcoin blockchain" in waiting.stderr
        height = one.stamp(chain.time + SPACING)
        upgraded = ots(*known, "upgrade", "file.txt.ots")
        assert "Success! Timestamp complete" in upgraded.stderr
    (here / "raw.bin").write_bytes(chain.raw_headers())
    cli("import", "kept", "raw.bin", *REGTEST)
    with serving("kept") as node:
        verify = ("--btc-regtest", "--bitcoin-node", node, "verify", "file.txt.ots")
        verified = ots(*verify)
        assert f"Success! Bitcoin block {height} attests existence as of" in verified.stderr
        assert verified.returncode == 0
        (here / "file.txt").write_text("hullo\n")
        assert ots(*verify).returncode == 1
    with servers.running(chain) as server:
        node = server.url.replace("http://", f"http://{server.authorization}@")
        (here / "file.txt").write_text("hello\n")
        verify = ("--btc-regtest", "--bitcoin-node", node, "verify", "file.txt.ots")
        assert ots(*verify).returncode == 0
        for lie in ("wrong root", "fork"):
            server.lie = lie
            failed = ots(*verify)
            assert failed.returncode == 1
            assert "Digest does not match merkleroot" in failed.stderr


@needs(REAL, "ots/tx-c92630dc.bin.ots")
def test_stock_ots_verifies_a_real_proof_from_real_headers(cli, here):
    for name in ("tx-c92630dc.bin", "tx-c92630dc.bin.ots"):
        (here / name).write_bytes((SHARED / "ots" / name).read_bytes())
    cli("import", "kept", str(SHARED / REAL))
    with serving("kept") as node:
        verified = ots("--bitcoin-node", node, "verify", "tx-c92630dc.bin.ots")
    assert "Success! Bitcoin block 830000 attests existence as of 2024-02-11" in verified.stderr
    assert verified.returncode == 0
