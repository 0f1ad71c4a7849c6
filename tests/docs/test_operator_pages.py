"""docs/cli.md is what --help says, and docs/operating.md quotes what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (`.*?) \|", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")


def test_the_page_of_commands_is_what_help_says() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "docs-cli"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_private_key_of_the_tour_cannot_be_committed_by_accident() -> None:
    story = (ROOT / "scripts" / "demonstration" / "story.py").read_text()
    assert "keys generate my.key" in story
    assert "*.key" in (ROOT / ".gitignore").read_text().splitlines()


def refusals() -> list[str]:
    page = (ROOT / "docs" / "operating.md").read_text()
    table = page.partition("## What a refusal means")[2]
    return [quoted for cell in ROW.findall(table) for quoted in QUOTED.findall(cell)]


def said() -> str:
    """All the package's text, with strings that go on in the next line joined."""
    text = "\n".join(path.read_text() for path in (ROOT / "translog").rglob("*.py"))
    return re.sub(r'"\n\s+f?"', "", text)


def test_there_is_a_table_of_refusals() -> None:
    assert len(refusals()) >= 20


@pytest.mark.parametrize("refusal", refusals())
def test_a_refusal_that_is_explained_is_one_that_is_said(refusal: str) -> None:
    assert refusal in said()
