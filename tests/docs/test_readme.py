"""The tour in README.md prints what it is said to print."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytest.importorskip("uvicorn", reason="the tour serves a log, which wants translog[server]")


def test_the_tour_prints_what_is_shown() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "docs-readme"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
