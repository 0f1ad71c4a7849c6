"""Which form of a document is sent: RFC 9110 section 12.5.1, its own examples first."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translog.server.negotiation import UnacceptableError, choose, wants_page

HTML, LD, JSON, TEXT = "text/html", "application/ld+json", "application/json", "text/plain"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    ("accepted", "offered", "chosen"),
    [
        # "text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c" of section 12.5.1
        ("text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c", [TEXT, HTML], HTML),
        ("text/*, text/plain, text/plain;format=flowed, */*", [JSON, TEXT], JSON),
        ("text/*;q=0.3, text/plain;q=0.7, */*;q=0.5", [HTML, JSON, TEXT], TEXT),
        ("text/*;q=0.3, text/plain;q=0.7, */*;q=0.5", [HTML, JSON], JSON),
        (FIREFOX, [HTML, LD, JSON], HTML),
        (CHROME, [LD, HTML], HTML),
        (None, [HTML, LD], HTML),
        ("*/*", [HTML, LD], HTML),
        ("", [HTML, LD], HTML),
        ("nonsense", [HTML, LD], HTML),
        (LD, [HTML, LD, JSON], LD),
        ("APPLICATION/LD+JSON", [HTML, LD], LD),
        (f'{LD};profile="http://www.w3.org/ns/json-ld#expanded"', [HTML, LD], LD),
        (f"{LD}, {JSON}", [HTML, LD, JSON], LD),
        (f"{JSON}, {LD};q=0.9", [HTML, LD, JSON], JSON),
        (f"text/html;q=0, {LD}", [HTML, LD], LD),
        ("text/html;q=0, */*", [HTML, LD], LD),
        ("text/html;q=0.001", [HTML, LD], HTML),
        ("text/html;q=2, application/json;q=0.1", [HTML, JSON], JSON),  # no such weight
        ("text/html;q=1.000", [HTML], HTML),
    ],
)
def test_the_form_that_is_liked_best_is_sent(
    accepted: str | None, offered: list[str], chosen: str
) -> None:
    assert choose(accepted, offered) == chosen


@pytest.mark.parametrize(
    "accepted",
    ["image/png", "text/html;q=0", "*/*;q=0", "text/html;q=0.0001", "text/html;q=x", "text/plain"],
)
def test_what_is_not_taken_is_not_sent(accepted: str) -> None:
    with pytest.raises(UnacceptableError, match="takes none of text/html"):
        choose(accepted, [HTML])


@settings(deadline=None)
@given(st.text(max_size=60), st.lists(st.sampled_from([HTML, LD, JSON]), min_size=1))
def test_whatever_is_sent_one_of_the_forms_is_chosen_or_none(
    accepted: str, offered: list[str]
) -> None:
    with suppress(UnacceptableError):
        assert choose(accepted, offered) in offered
    wants_page(accepted)


def test_pages_are_for_who_asks_for_pages() -> None:
    assert wants_page(FIREFOX)
    assert wants_page(CHROME)
    for accepted in (None, "", "*/*", JSON, "text/*", "text/html;q=0", "text/plain"):
        assert not wants_page(accepted)
