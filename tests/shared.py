"""Data that nobody here wrote and that is not part of this project: ../shared/data.

A test that needs a file of it is skipped where that is absent, with the file's name as the reason.
"""

import os
from pathlib import Path

import pytest

SHARED = Path(
    os.environ.get("TRANSLOG_SHARED_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")
)


def needs(*names: str) -> pytest.MarkDecorator:
    """Return the mark of a test that reads these files, named below shared/data."""
    absent = [name for name in names if not (SHARED / name).exists()]
    reason = f"no shared/data/{', '.join(absent)} (or TRANSLOG_SHARED_DATA)"
    return pytest.mark.skipif(bool(absent), reason=reason)
