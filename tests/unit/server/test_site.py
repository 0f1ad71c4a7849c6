"""What browsers get: pages under headers that let them run nothing, whatever is asked for."""

import json
import re
from contextlib import closing
from typing import Any

import pytest

from tests.simulators.asgi import NOW, Response, Served, ask, problem
from tests.simulators.events import ALIKE, created, real_events, record
from tests.simulators.papers import citation, creation, graph, paper, say
from tests.unit.web.test_record import HOSTILE, Reader
from translog.pith.record import pith_number
from translog.store import database, search, titles

SUFFIX = "HAMJZSQVKL4VHWOAINCHUE26II"
TITLE = "LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PAGES = ["/", "/search", "/search?q=x", f"/pith/{SUFFIX}", "/entry/0", "/checkpoints/3", "/anchors"]


@pytest.fixture
def real(log: Served) -> Served:
    log.add_all([*real_events(), created(1)])
    log.publish()
    log.index()
    return log


def browse(log: Served, path: str, **headers: str) -> Response:
    return log.get(path, accept=BROWSER, **headers)


def read(response: Response) -> Reader:
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return Reader(response.body)


def test_every_page_runs_nothing_and_loads_nothing_from_elsewhere(real: Served) -> None:
    for path in [*PAGES, "/nothing", "/pith/AAAAAAAA", "/pith/x", "/entry/99"]:
        response = browse(real, path)
        policy = response.headers["content-security-policy"]
        assert policy.split("; ") == [
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-content-type-options"] == "nosniff"
        page = read(response)
        assert "script" not in page.tags
        assert not [each for _, each in page.elements if "style" in each]


@pytest.mark.parametrize("path", [*PAGES, "/nothing/at/all", "/pith/%2e%2e%2fx"])
def test_every_link_of_a_page_within_the_site_leads_somewhere(real: Served, path: str) -> None:
    page = read(browse(real, path))
    targets = page.links + [
        each.get("href") or each.get("src") or ""
        for tag, each in page.elements
        if tag in ("link", "img") and each.get("rel") != "canonical"
    ]
    base = path.partition("?")[0].split("/")[:-1]
    for target in targets:
        if target.startswith(("https://", "http://", "#")):
            continue
        parts = [*base]
        for part in target.split("/"):
            if part == "..":
                assert len(parts) > 1, f"{target} leads above the root"
                parts.pop()
            elif part != ".":
                parts.append(part)
        status = browse(real, "/".join(parts) or "/").status
        assert status == 200, f"{path}: {target} is {status}"


def test_every_anchor_within_a_page_is_there(real: Served) -> None:
    for path in PAGES:
        page = read(browse(real, path))
        ids = [each["id"] for _, each in page.elements if "id" in each]
        assert len(ids) == len(set(ids))
        assert {link[1:] for link in page.links if link.startswith("#")} <= set(ids)


def test_the_front_page_says_how_the_log_is(real: Served) -> None:
    real.time = 90
    page = read(browse(real, "/")).lines
    assert "In the log 3 events; the newest is entry 2" in page
    assert "Checkpoint 1 minute ago Signed 28 May 2026, 20:26:40 UTC" in page
    assert "Bitcoin Not yet" in page
    assert TITLE in page
    assert page.index(pith_number(record(1))[10:18]) < page.index(TITLE)  # newest first


def test_the_front_page_of_an_empty_log_is_a_page(log: Served) -> None:
    page = read(browse(log, "/")).lines
    assert "0 events" in page
    assert "There are none yet." in page


def test_a_search_finds_by_title_number_and_names(real: Served) -> None:
    for query in ("longrope", "hamjzsqv", "arXiv%3A2402.13753", "10.48550/arxiv.2402.13753"):
        page = read(browse(real, f"/search?q={query}"))
        assert f"./pith/{SUFFIX}" in page.links
        assert "1 record" in page.lines
    found = real.get("/search?q=longrope", accept="application/json").json
    assert found["events_behind"] == 0
    assert found["records"] == [
        {
            "pith_number": f"pith:2024:{SUFFIX}",
            "title": TITLE,
            "source": {"kind": "arxiv", "id": "2402.13753", "version": 1},
            "submitted_at": "2024-02-21T12:30:33Z",
            "primary_cat": "cs.CL",
            "resolver": f"https://example.com/log/pith/{SUFFIX}",
        }
    ]
    assert "Nothing has this number" in read(browse(real, "/search?q=nonsense")).lines
    assert "0 records" not in read(browse(real, "/search")).lines


def test_a_search_says_how_far_it_is_behind(real: Served) -> None:
    real.add(created(2))
    real.publish()
    assert real.get("/search?q=longrope", accept="application/json").json["events_behind"] == 1
    assert "1 event behind the log" in read(browse(real, "/search?q=longrope")).lines
    assert "1 event behind the log" in read(browse(real, "/")).lines


def test_a_search_is_bounded_and_strict(real: Served) -> None:
    for query in ("q=" + "x" * 301, "q=a&q=b", "x=1", "q=%ff", "q=" + "x" * 4_000):
        assert problem(real.get(f"/search?{query}")) == (400, "malformed")
    long = "%F0%9F%98%80" * 300  # characters count, and not their bytes
    assert real.get(f"/search?q={long}").status == 200


def test_before_there_is_an_index_a_search_asks_to_wait(log: Served) -> None:
    log.add_all(real_events())
    log.publish()
    assert problem(log.get("/search?q=x")) == (503, "unavailable")
    assert "search index is not made yet" in log.get("/search?q=x").json["detail"]
    assert "2 events behind the log" in read(browse(log, "/")).lines
    assert browse(log, f"/pith/{SUFFIX}").status == 200


def test_what_was_searched_for_is_text(real: Served) -> None:
    page = read(browse(real, "/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"))
    assert "script" not in page.tags
    (field,) = [each for tag, each in page.elements if tag == "input"]
    assert field["value"] == '"><script>alert(1)</script>'


# By alias


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("arxiv/2402.13753", "../../../pith/"),
        ("arxiv/2402.13753v1", "../../../pith/"),
        ("arxiv_version/2402.13753v1", "../../../pith/"),
        ("doi/10.48550/arxiv.2402.13753", "../../../../pith/"),
        ("doi/10.48550/ARXIV.2402.13753", "../../../../pith/"),
    ],
)
def test_a_name_from_elsewhere_leads_to_the_record(real: Served, path: str, location: str) -> None:
    response = real.get(f"/pith/by/{path}")
    assert response.status == 302
    assert response.headers["location"] == f"{location}{SUFFIX}"
    assert response.json["pith_number"] == f"pith:2024:{SUFFIX}"
    assert response.headers["access-control-allow-origin"] == "*"


def test_a_name_that_several_versions_have_gives_them_all(real: Served) -> None:
    papers = [paper("Versions", 7, version) for version in (1, 2)]
    real.add_all(list(map(creation, papers)))
    real.publish()
    real.index()
    response = real.get("/pith/by/arxiv/2607.00007")
    assert problem(response) == (300, "ambiguous")
    assert response.json["candidates"] == [pith_number(each) for each in reversed(papers)]
    assert real.get("/pith/by/arxiv/2607.00007v2").status == 302
    page = read(browse(real, "/pith/by/arxiv/2607.00007"))
    for each in papers:
        assert f"../../../pith/{pith_number(each)[10:]}" in page.links


@pytest.mark.parametrize(
    "path",
    [
        "arxiv/2402.13754",
        "arxiv/",
        "arxiv/2402.13753v2",
        "isbn/2402.13753",
        "arxiv/../../../etc/passwd",
        "doi/<script>",
        "arxiv_version/2402.13753",
    ],
)
def test_a_name_that_nothing_has_is_missing(real: Served, path: str) -> None:
    assert problem(real.get(f"/pith/by/{path}")) == (404, "not-found")


def test_an_index_that_lies_leads_nowhere(real: Served) -> None:
    with search.open_writer(real.log.search) as index, search.transaction(index):
        index.execute("UPDATE alias SET value = '2402.99999' WHERE value = '2402.13753'")
        index.execute("UPDATE alias SET leaf_index = 2 WHERE value = '2402.13753v1'")
    for name in ("2402.99999", "2402.13753v1"):
        assert problem(real.get(f"/pith/by/arxiv/{name}")) == (404, "not-found")


# Entries and checkpoints


def test_an_entry_shows_what_was_signed_and_by_whom(real: Served) -> None:
    page = read(browse(real, "/entry/1"))
    event = real_events()[1]
    for shown in (
        "Entry 1 of 3 entries",
        "Graph snapshot",
        "Signed by pith.science, who says it was made on 17 May 2026, 23:38:53 UTC.",
        event["event_id"],
        event["signature"]["signature_b64"],
        event["signer"]["public_key_fingerprint"],
        f"pith:2024:{SUFFIX}",
    ):
        assert shown in page.lines
    text = page.text[page.text.index("{\n") :]
    shown = json.JSONDecoder().raw_decode(text)[0]
    assert shown == {
        name: event[name]
        for name in event
        if name not in ("signature", "content_sha256", "event_id")
    }
    assert {"../entry/0", "../entry/2", f"../pith/{SUFFIX}"} <= set(page.links)
    assert "../entry/-1" not in read(browse(real, "/entry/0")).links
    assert "../entry/3" not in read(browse(real, "/entry/2")).links


def test_a_long_event_is_cut(real: Served) -> None:
    about = paper("Long")
    real.add_all([creation(about), graph(about, "Long", more=["x" * 1_000] * 400)])
    real.publish()
    response = browse(real, "/entry/4")
    assert "Only its beginning is shown here." in read(response).lines
    assert len(response.body) < 500_000


@pytest.mark.parametrize("number", ["3", "9223372036854775807"])
def test_an_entry_that_is_not_published_is_missing(real: Served, number: str) -> None:
    assert problem(real.get(f"/entry/{number}")) == (404, "not-found")
    real.add(created(9))
    assert problem(real.get(f"/entry/{number}")) == (404, "not-found")


@pytest.mark.parametrize("path", ["/entry/", "/checkpoints/"])
@pytest.mark.parametrize("number", ["-1", "00", "+1", "1_0", "x", "\u0663", "9223372036854775808"])
def test_what_is_no_number_is_malformed(real: Served, path: str, number: str) -> None:
    assert problem(real.get(f"{path}{number}")) == (400, "malformed")


def test_a_checkpoint_shows_its_note_and_its_neighbours(real: Served) -> None:
    note = real.get("/checkpoint").body.decode()
    real.time = 60
    real.add(created(2))
    real.publish()
    page = read(browse(real, "/checkpoints/3"))
    assert note in page.text
    assert "Signed on 28 May 2026, 20:26:40 UTC" in page.lines
    assert {"../checkpoints/0", "../checkpoints/4", "../proof/consistency?from=3&to=4"} <= set(
        page.links
    )
    newest = read(browse(real, "/checkpoints/4"))
    assert "This is the newest." in newest.lines
    assert "../checkpoints/3" in newest.links
    for size in (1, 5):
        assert problem(real.get(f"/checkpoints/{size}")) == (404, "not-found")


def test_a_head_that_is_signed_and_not_shown_yet_is_not_there(real: Served) -> None:
    real.add(created(2))
    real.writer.publish(NOW)  # as in the moment between signing and showing
    assert problem(real.get("/checkpoints/4")) == (404, "not-found")
    assert "../checkpoints/4" not in read(browse(real, "/checkpoints/3")).links


def test_the_checkpoint_of_nothing_is_a_page(log: Served) -> None:
    page = read(browse(log, "/checkpoints/0"))
    assert "0 entries" in page.lines


# Records


def test_a_record_is_a_page_to_who_asks_for_pages(real: Served) -> None:
    response = browse(real, f"/pith/{SUFFIX}")
    assert TITLE in read(response).lines
    assert response.headers["vary"] == "accept, accept-encoding"
    assert browse(real, f"/pith/{SUFFIX}", if_none_match=response.headers["etag"]).status == 304
    assert real.get(f"/pith/{SUFFIX}").body == response.body  # to who takes anything, too


def test_a_title_given_when_the_record_was_made_is_shown(real: Served) -> None:
    about = paper("A given title")
    index = real.add(creation(about)).json["index"]
    real.publish()
    path = f"/pith/{pith_number(about)[10:]}"
    with closing(database.open_editor(real.log.database)) as db, database.transaction(db):
        titles.write_texts(db, [titles.GivenTexts(index, "A given title", None)])
    assert read(browse(real, path)).text.count("A given title") >= 2
    assert real.get(path, accept="application/ld+json").json["title"] == "A given title"


def test_who_cites_a_record_is_on_its_page_while_the_citation_stands(real: Served) -> None:
    citing, other = paper("Citing paper", 1), paper("Other", 2)
    number = f"pith:2024:{SUFFIX}"
    stands, falls = citation(citing, "pith", number), citation(other, "arxiv", "2402.13753")
    gone = {**falls["payload"], "cited": {"kind": "url", "id": "https://example.org/"}}
    again = say(other, "citation_signature", gone, supersedes=[falls["event_id"]])
    real.add_all(
        [creation(citing), graph(citing, "Citing paper"), creation(other), stands, falls, again]
    )
    real.publish()
    real.index()
    page = read(browse(real, f"/pith/{SUFFIX}"))
    assert "Citing paper Extends " + number in page.lines
    assert f"../pith/{pith_number(citing)[10:]}" in page.links
    assert pith_number(other)[10:18] not in page.text
    assert "Citationsby 1 record" in page.lines


def test_a_hostile_title_is_text_wherever_it_is_shown(real: Served) -> None:
    title = HOSTILE.replace("\u202e", "")
    about = paper(title, 9)
    real.add_all([creation(about), graph(about, title)])
    real.publish()
    real.index()
    suffix = pith_number(about)[10:]
    for path in ("/", "/search?q=alert", f"/pith/{suffix}", "/entry/4"):
        page = read(browse(real, path))
        assert "alert(1)" in page.text
        assert "script" not in page.tags


# The badge


def badge(log: Served, suffix: str) -> tuple[int, str]:
    response = log.get(f"/pith/{suffix}/badge.svg")
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    label = re.search(r"<title>(.*)</title>", response.body.decode())
    assert label is not None
    return response.status, label[1]


def test_a_badge_is_honest(real: Served) -> None:
    assert badge(real, SUFFIX) == (200, "pith:HAMJZSQV: in the log")
    assert badge(real, SUFFIX[:8]) == (200, "pith:HAMJZSQV: in the log")
    assert badge(real, "A" * 26) == (404, "pith:AAAAAAAA: not in this log")
    assert badge(real, "nonsense<>&") == (400, "pith:nonsense: no Pith Number")
    assert badge(real, "<&>")[1] == "pith:&lt;&amp;&gt;: no Pith Number"
    assert badge(real, "\u0660" * 8)[1] == "pith: no Pith Number"
    real.add_all([created(each) for each in ALIKE])
    real.publish()
    short = pith_number(record(ALIKE[0]))[10:18]
    assert badge(real, short) == (300, f"pith:{short}: ambiguous")
    twice = paper("Twice", 3)
    real.add_all([creation(twice), creation(twice, created_at="2026-08-01T00:00:00Z")])
    real.publish()
    assert badge(real, pith_number(twice)[10:])[1].endswith(": disputed")


# Refusals


def test_refusals_are_pages_to_browsers_and_problems_to_programs(real: Served) -> None:
    for path, status, said in (
        ("/pith/AAAAAAAA", 404, "Not there"),
        ("/pith/x", 400, "Not in the format wanted"),
        ("/nothing", 404, "Not there"),
        ("/proof/inclusion", 400, "Not in the format wanted"),
        (f"/pith/{SUFFIX}/bundle.json/x", 404, "Not there"),
    ):
        response = browse(real, path)
        assert response.status == status
        assert said in read(response).lines
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["vary"] == "accept"
        assert problem(real.get(path))[0] == status
    response = real.run(ask(real.app, "POST", "/", accept=BROWSER))
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")
    assert "Method not allowed" in read(response).lines


def test_a_bug_is_a_page_too(real: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("secret")

    monkeypatch.setattr("translog.log.views.leaf", broken)
    response = browse(real, "/entry/0")
    assert response.status == 500
    assert "secret" not in response.body.decode()


def test_assets_are_immutable_and_nothing_else_is_there(real: Served) -> None:
    page = read(browse(real, "/"))
    paths = [each["href"] for tag, each in page.elements if tag == "link"]
    assert len(paths) == 2
    for path in paths:
        assert path is not None
        response = real.get(path.removeprefix("."))
        assert response.status == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    for name in ("pith.css", "../pages.py", "..%2fpages.py", "pith-000000000000.css", ""):
        assert real.get(f"/assets/{name}").status == 404


def test_the_style_file_leads_to_this_registry(real: Served) -> None:
    response = real.get("/pith.sty")
    assert b"\\newcommand*\\pith@resolver{https://example.com/log}" in response.body
    assert response.headers["content-disposition"] == 'attachment; filename="pith.sty"'


def test_the_date_of_the_front_page_is_now(real: Served) -> None:
    assert NOW == 1_780_000_000
    real.time = 86_400 * 3
    assert "3 days ago" in read(browse(real, "/")).lines
