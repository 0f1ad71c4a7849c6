"""The registry asked as its readers do: with curl, jq and python3, as its own pages say."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest

from tests.integration.test_server import Process, add
from tests.simulators.asgi import new_log
from tests.simulators.events import created, real_events

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("TRANSLOG_SHARED_DATA", ROOT / ".." / "shared" / "data"))
SEED_PAGE = SHARED / "pith" / "HAMJZSQVKL4VHWOAINCHUE26II.page.txt"
HASH = "38189cca1552f953d9c043447a135e420636aa9e5d0a13a0ca99322e4750d280"
TOOLS = [tool for tool in ("curl", "jq", "python3") if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(bool(TOOLS), reason=f"not installed: {', '.join(TOOLS)}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(new_log(tmp_path_factory.mktemp("resolver") / "log"))
    try:
        with process.client() as client:
            add(client, real_events(), "?wait=published")
        yield process
    finally:
        process.popen.kill()
        process.popen.communicate()


def wait_for_index(server: Process) -> None:
    """Ask until everything published can be searched: a process of the server's sees to it."""
    with closing(server.connect()) as connection:
        for _ in range(100_000):
            connection.request("GET", "/search?q=a", headers={"Accept": "application/json"})
            response = connection.getresponse()
            found = json.loads(response.read())
            if response.status == 200 and found["events_behind"] == 0:
                return
    raise AssertionError("the index is never made")


def run(snippet: str) -> str:
    """Run lines of shell, and return what they print."""
    done = subprocess.run(
        ["sh", "-euc", snippet], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def snippet_of(page: str) -> str:
    """Return the lines of a page from its curl to what it says to expect."""
    return page[page.index("curl -sH") :].partition("# expect")[0]


@pytest.mark.skipif(
    not SEED_PAGE.is_file(),
    reason="no shared/data/pith/HAMJZSQVKL4VHWOAINCHUE26II.page.txt (or TRANSLOG_SHARED_DATA)",
)
def test_the_snippet_of_the_seed_page_works_here_but_for_the_host(server: Process) -> None:
    snippet = snippet_of(SEED_PAGE.read_text())
    assert snippet.count("https://pith.science") == 1
    assert run(snippet.replace("https://pith.science", server.url)) == HASH


def test_the_snippet_of_the_manual_works(server: Process) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    snippet = page[page.index("$ curl -sH") + 2 :].partition(f"    {HASH}")[0]
    assert run(snippet.replace("https://example.com/log", server.url)) == HASH


def test_the_snippet_of_a_record_s_page_works(server: Process) -> None:
    page = run(f"curl -s {server.url}/pith/HAMJZSQV")
    assert run(snippet_of(unescape(page))) == HASH


def test_a_name_leads_to_the_record_once_the_server_s_own_process_has_indexed_it(
    server: Process,
) -> None:
    wait_for_index(server)
    for name in ("arxiv/2402.13753", "arxiv/2402.13753v1", "doi/10.48550/arXiv.2402.13753"):
        asked = f"curl -sLH 'Accept: application/ld+json' {server.url}/pith/by/{name}"
        assert run(f"{asked} | jq -r .canonical_sha256") == HASH


def test_an_indexer_that_dies_is_replaced(server: Process) -> None:
    wait_for_index(server)
    children = Path(f"/proc/{server.popen.pid}/task").glob("*/children")
    pids = [int(pid) for path in children for pid in path.read_text().split()]
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
    (indexer,) = [pid for pid, line in commands.items() if b"translog.log.indexer" in line]
    os.kill(indexer, signal.SIGKILL)
    with server.client() as client:
        add(client, [created(1)], "?wait=published")
        wait_for_index(server)
        add(client, [created(2)], "?wait=published")
        wait_for_index(server)
