from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.asgi import Served, served


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "log") as running:
        yield running
