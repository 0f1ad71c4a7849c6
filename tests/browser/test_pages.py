"""The pages in a real browser: nothing leaves the origin, nothing runs, and everyone can read them.

Runs where Chromium and the group `browser` are installed: `apt-get install chromium`, and
`scripts/setup test browser`.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from typing import Any

import pytest

from tests.integration.test_resolver import wait_for_index
from tests.integration.test_server import Process, add
from tests.simulators.asgi import new_log
from tests.simulators.events import created, real_events
from tests.simulators.papers import PAYLOADS, citation, creation, graph, paper, say
from tests.unit.web.test_anchors import row
from tests.unit.web.test_record import HOSTILE, PAGES, facts, real
from tests.unit.web.test_timestamps import FINAL
from translog.pith.record import pith_number
from translog.web.anchors import anchored
from translog.web.pages import AnchorsPage
from translog.web.record import record_page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (group browser)"
)
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SUFFIX = "HAMJZSQVKL4VHWOAINCHUE26II"
TITLE = HOSTILE.replace("\u202e", "")
FULL = paper(TITLE, 1)  # with a hostile title, and every type of event
PATHS = {
    "front": "/",
    "search": "/search?q=longrope",
    "record": f"/pith/{SUFFIX}",
    "full": f"/pith/{pith_number(FULL)[10:]}",
    "disputed": f"/pith/{pith_number(paper('Twice', 2))[10:]}",
    "entry": "/entry/1",
    "checkpoint": "/checkpoints/0",
    "anchors": "/anchors",
    "missing": "/pith/AAAAAAAA",
}
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}


def events() -> list[dict[str, Any]]:
    twice = paper("Twice", 2)
    return [
        *real_events(),
        created(1),
        creation(FULL),
        graph(FULL, TITLE),
        *(say(FULL, kind, payload) for kind, payload in PAYLOADS.items()),
        citation(FULL, "arxiv", "2402.13753"),
        creation(twice),
        creation(twice, created_at="2026-08-01T00:00:00Z"),
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = new_log(tmp_path_factory.mktemp("browser") / "log")
    process = Process(log)
    try:
        with process.client() as client:
            placed = add(client, events(), "?wait=published")
            assert all("index" in each for each in placed), placed
            wait_for_index(process)
        yield process.url
    finally:
        process.popen.kill()
        process.popen.communicate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with closing(launched):
            yield launched


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")])
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    with closing(context):
        yield context.new_page()


@pytest.mark.parametrize("name", PATHS)
def test_nothing_leaves_the_origin_and_nothing_is_refused(site: str, page: Any, name: str) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{site}{PATHS[name]}", wait_until="networkidle")
    assert len(asked) >= 2  # the page and its style
    assert [url for url in asked if not url.startswith(f"{site}/")] == []
    expected = 1 if name == "missing" else 0  # that the page itself is a 404
    assert len(said) == expected, said


@pytest.mark.parametrize("name", PATHS)
def test_nothing_is_wider_than_the_screen(site: str, page: Any, name: str) -> None:
    page.goto(f"{site}{PATHS[name]}")
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", PATHS)
def test_everyone_can_read_it(site: str, page: Any, name: str) -> None:
    page.goto(f"{site}{PATHS[name]}")
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []


@pytest.mark.parametrize("name", ["anchors", "record"])
def test_everyone_can_read_what_only_an_anchored_log_shows(page: Any, name: str) -> None:
    bundle = real()
    bundle["timestamp_proofs"] = [{**FINAL, "event_id": bundle["events"][0]["event_id"]}]
    states = ("pending", "attested", "confirmed", "final", "lost")
    shown = {
        "anchors": AnchorsPage(anchors=anchored(map(row, states))),
        "record": record_page(facts(bundle)),
    }
    style = resources.files("translog.web").joinpath("static", "pith.css").read_text()
    html = PAGES.render(shown[name], "./").decode()
    page.set_content(html.replace("</head>", f"<style>{style}</style></head>"))
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_searched_for_is_found_without_javascript(site: str, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    with closing(context):
        page = context.new_page()
        page.goto(site)
        page.get_by_role("searchbox").fill("longrope")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="LongRoPE").click()
        assert page.url.endswith(f"/pith/{SUFFIX}")
        page.get_by_role("link", name="0", exact=True).first.click()
        assert page.url.endswith("/entry/0")


def test_the_keyboard_reaches_the_content_first(site: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{site}/pith/{SUFFIX}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_a_page_of_another_site_cannot_frame_it(site: str, browser: Any) -> None:
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.set_content(f'<iframe src="{site}/"></iframe>')
    page.wait_for_load_state("networkidle")
    assert any("frame-ancestors" in each for each in said), said
