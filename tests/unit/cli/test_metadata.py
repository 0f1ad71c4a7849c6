"""Metadata are found in files the same here and in a process beside this one."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pith.test_metadata import ATOM
from translog.cli import metadata
from translog.cli.metadata import MUCH_BYTES, Found, found_in
from translog.errors import MissingError, TooLargeError, UnavailableError
from translog.log.minting import Named


def work(number: int, **changes: Any) -> str:
    value = {
        "source": {"kind": "arxiv", "id": f"2606.{number:05}", "version": 1},
        "title": f"Title {number}",
        "abstract": f"Abstract {number}. " + "word " * 19_000,
        "submitted_at": "2026-06-01T00:00:00Z",
        "primary_cat": "cs.CL",
        **changes,
    }
    return json.dumps(value)


@pytest.fixture(scope="module")
def much(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files that are worth a process, some of what is in them wrong."""
    folder = tmp_path_factory.mktemp("metadata")
    lines = [work(number) for number in range(300)]
    lines[7] = work(7, titel="misspelt")
    lines[8] = "x" * (2 << 20)
    lines[9] = work(9, title_canon_sha256="0" * 64)
    (folder / "lines").write_text("\n".join(lines))
    (folder / "atom").write_text(ATOM)
    (folder / "when").write_text(re.sub("<updated>.*?</updated>", "<updated>soon</updated>", ATOM))
    assert (folder / "lines").stat().st_size >= MUCH_BYTES
    return [str(folder / name) for name in ("lines", "atom", "when")]


def all_of(names: list[str]) -> tuple[list[Found], list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    batches = found_in(names, lambda done, total: seen.append((done, total)))
    return [found for batch in batches for found in batch], seen


def shown(found: Found) -> tuple[str, Any]:
    named = found.named
    return found.where, named if isinstance(named, Named) else (type(named), str(named))


def test_what_another_process_finds_is_what_this_one_does(
    much: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, seen = all_of(much)
    monkeypatch.setattr(metadata, "MUCH_BYTES", 1 << 40)
    here, seen_here = all_of(much)
    assert list(map(shown, found)) == list(map(shown, here))
    assert "submitted_at is 'soon'" in str(found[-1].named)
    assert len(found) == 302 and sum(isinstance(each.named, Named) for each in found) == 298
    assert isinstance(found[8].named, TooLargeError)
    total = sum(Path(name).stat().st_size for name in much)
    assert seen[-1] == seen_here[-1] == (total, total)


def test_what_another_process_cannot_read_is_told_here(much: list[str]) -> None:
    found = found_in([much[0], "/nowhere/at-all"], lambda done, total: None)
    with pytest.raises(MissingError, match=r"^/nowhere/at-all: there is no such file$"):
        assert [len(batch) for batch in found] == []
    assert sum(1 for _ in found) == 0


def test_a_process_that_does_not_start_or_ends_is_told_of(
    much: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for program, said in (("/bin/false", "has ended: mint again"), ("/nowhere", "does not start")):
        monkeypatch.setattr(sys, "executable", program)
        with pytest.raises(UnavailableError, match=said):
            all_of(much)


def test_little_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    (tmp_path / "one").write_text(work(1))
    assert len(all_of([str(tmp_path / "one")])[0]) == 1
