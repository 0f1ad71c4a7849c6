"""docs/api.md names every route, every code and every limit there is."""

from pathlib import Path

import pytest

from tests.simulators.asgi import BASE_URL, Served
from tests.simulators.events import real_events
from tests.simulators.published import entry_of
from translog.formats.merkle import leaf_hash
from translog.pith import event
from translog.pith.key import PINNED
from translog.server.app import HOT_FILES, HOT_FOLDERS
from translog.server.errors import KINDS
from translog.server.settings import Settings

TEXT = (Path(__file__).parents[3] / "docs/api.md").read_text()
TABLE = [line for line in TEXT.splitlines() if line.startswith("| [")]


def test_every_route_is_described(log: Served) -> None:
    routes = [*HOT_FILES, *HOT_FOLDERS, *log.app.paths]
    assert len(routes) == 31
    for route in routes:
        assert any(f"{route}" in line for line in TABLE), route


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_described(kind: type) -> None:
    code, status = kind.code, KINDS[kind].status  # type: ignore[attr-defined]
    rows = [line for line in TEXT.splitlines() if f"`{code}`" in line and f"| {status} |" in line]
    assert len(rows) == 1


def test_the_limits_are_the_defaults() -> None:
    settings = Settings(base_url=BASE_URL)
    for limit in (
        f"{settings.max_body_bytes >> 20} MiB, `413`",
        f"{settings.max_batch_events:,}, `413`",
        f"{settings.request_seconds:g} s, `408` and `503`",
        f"{settings.events_per_second:,.0f} a second, `429`",
    ):
        assert f"| {limit} |" in TEXT


def test_the_examples_are_those_of_the_real_events() -> None:
    key = PINNED["pith.science"].public_key
    for sent in real_events():
        leaf = leaf_hash(entry_of(event.from_value(sent), key).encode())
        assert f'"event_id":"{sent["event_id"]}","leaf_hash":"{leaf.hex()}"' in TEXT
