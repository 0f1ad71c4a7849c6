"""What later versions of Python refuse, and this one does not tell."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "translog"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_placeholders_have_no_numbers(path: Path) -> None:
    # From 3.14 on, sqlite3 takes numbered ones for names, and refuses a sequence for them.
    assert re.findall(r".*\?[0-9].*", path.read_text()) == []
