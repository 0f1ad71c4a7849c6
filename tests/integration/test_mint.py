"""`translog mint`: from files to records, once, here and over HTTP."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Cli
from tests.integration.test_cli import server
from tests.unit.pith.test_metadata import ATOM, BOMB, RAW, REAL_METADATA, REAL_TITLE
from translog.log.directory import find, open_reader
from translog.store import titles

SIGNER = ("--key", "registry.key", "--signer-id", "registry.example")


def metadata(number: int, version: int = 1) -> dict[str, Any]:
    return {
        "source": {"kind": "arxiv", "id": f"2606.{number:05}", "version": version},
        "title": f"Title {number}",
        "abstract": f"Abstract {number}.",
        "submitted_at": "2026-06-01T00:00:00Z",
        "primary_cat": "cs.CL",
    }


@pytest.fixture
def registry(cli: Cli) -> None:
    """Make a log and a registry's key that may write to it."""
    cli("init", "log", "--origin", "example.com/log")
    cli("keys", "generate", "registry.key", "--name", "registry.example")
    (shown,) = cli("keys", "show", "registry.key", "--json")
    cli("keys", "allow", "log", shown["vkey"], "--signer-id", "registry.example")


def test_the_same_metadata_are_minted_once(cli: Cli, here: Path, registry: None) -> None:
    (here / "one.json").write_text(json.dumps(REAL_METADATA, indent=2))
    (found,) = cli("mint", "log", "one.json", *SIGNER, "--json")
    assert found == {
        "where": "one.json",
        "pith_number": "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II",
        "minted": True,
        "index": 1,
    }
    (again,) = cli("mint", "log", "one.json", *SIGNER, "--json")
    assert (again["pith_number"], again["minted"]) == (found["pith_number"], False)
    assert "there      one.json: pith:2024:HAMJZSQV" in cli("mint", "log", "one.json", *SIGNER)
    assert cli("fsck", "log", "--json")[0]["size"] == 2
    with closing(open_reader(find(here / "log"))) as db:
        assert [each.title for each in titles.read_range(db, 0, 9)] == [REAL_TITLE]


def test_lines_and_xml_are_minted_in_order_and_what_is_wrong_is_named(
    cli: Cli, here: Path, registry: None
) -> None:
    lines = [
        json.dumps(metadata(1)),
        "",
        json.dumps({**metadata(2), "titel": "misspelt"}),
        json.dumps(metadata(1)),  # in one run
        "x" * (2 << 20),
        json.dumps(metadata(1, version=2)),
    ]
    (here / "lines").write_text("\n".join(lines))
    (here / "atom.xml").write_text(ATOM)
    (here / "raw.xml").write_text(f"\n{RAW}".lstrip())
    (here / "bomb.xml").write_text(f'<?xml version="1.0"?>{BOMB}<feed>&b;</feed>')
    (here / "empty").write_text(" \n")
    files = ("lines", "atom.xml", "raw.xml", "bomb.xml", "empty")
    found = cli("mint", "log", *files, *SIGNER, "--json", code=1)
    assert [(each["where"], each.get("minted")) for each in found] == [
        ("lines:1", True),
        ("lines:3", None),
        ("lines:4", False),
        ("lines:5", None),
        ("lines:6", True),
        ("atom.xml#1", True),
        ("raw.xml#1", True),
        ("raw.xml#2", True),
        ("bomb.xml#1", None),
        ("empty", None),
    ]
    codes = [each["error"]["code"] for each in found if "error" in each]
    assert codes == ["malformed", "too-large", "malformed", "malformed"]
    said = cli("mint", "log", *files, *SIGNER, code=1)
    assert "0 minted, 6 there before, 4 refused" in said
    assert cli("fsck", "log", "--json")[0]["size"] == 6


def test_a_key_that_is_not_allowed_mints_nothing(cli: Cli, here: Path, registry: None) -> None:
    (here / "one.json").write_text(json.dumps(metadata(1)))
    cli("keys", "generate", "other.key")
    said = cli("mint", "log", "one.json", "--key", "other.key", code=1)
    assert "unknown-key" in said and "0 minted, 0 there before, 1 refused" in said
    said = cli("mint", "log", "one.json", "--key", "registry.key", code=1)
    assert "may write as 'registry.example'" in said
    with closing(open_reader(find(here / "log"))) as db:
        assert titles.read_range(db, 0, 9) == []


def test_many_batches_are_minted_and_a_second_run_mints_the_rest(
    cli: Cli, here: Path, registry: None
) -> None:
    works = [json.dumps(metadata(number)) for number in range(1500)]
    (here / "some").write_text("\n".join(works[:700]))
    (here / "all").write_text("\n".join(works))
    assert "700 minted, 0 there before" in cli("mint", "log", "some", *SIGNER)
    assert "800 minted, 700 there before" in cli("mint", "log", "all", *SIGNER)
    assert cli("fsck", "log", "--json")[0]["size"] == 1501
    with closing(open_reader(find(here / "log"))) as db:
        assert len(titles.read_range(db, 0, 2000)) == 1500


def test_texts_that_were_not_kept_are_kept_the_next_time(
    cli: Cli, here: Path, registry: None
) -> None:
    (here / "one.json").write_text(json.dumps(metadata(1)))
    with server("log") as url:
        assert "1 minted" in cli("mint", url, "one.json", *SIGNER)
        # It is found as soon as the command has ended: a second creation would contradict it.
        assert "0 minted, 1 there before" in cli("mint", url, "one.json", *SIGNER)
    with closing(open_reader(find(here / "log"))) as db:
        assert titles.read_range(db, 0, 9) == []
    assert "1 there before" in cli("mint", "log", "one.json", *SIGNER)
    with closing(open_reader(find(here / "log"))) as db:
        assert [each.title for each in titles.read_range(db, 0, 9)] == ["Title 1"]
