"""What a stranger wrote is shown without harm, or not at all."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translog.web.lenient import arxiv_link, count, doi_link, items, link, member, text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "http://example.org:8080/a?b=c&d=(e)#f",
        "https://[2001:db8::1]/x",
        "https://example.org/%20~a_b-c.d",
    ],
)
def test_a_web_address_is_linked(url: str) -> None:
    assert link(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "//example.org/",
        "/etc/passwd",
        "https://",
        "https:///x",
        "https://user@example.org/",
        "https://example.org/ x",
        "https://example.org/\n",
        "https://example.org/'onclick='x",
        'https://example.org/"onclick="x',
        "https://example.org/<b>",
        "https://example.org/\\x",
        "https://ex\u0430mple.org/",
        " https://example.org",
        "ftp://example.org/",
        "https://example.org/" + "x" * 4_000,
        "",
        None,
        7,
        ["https://example.org"],
    ],
)
def test_what_could_be_more_than_a_web_address_is_not_linked(url: Any) -> None:
    assert link(url) is None


def test_names_of_works_lead_to_where_they_are_known() -> None:
    assert arxiv_link("2402.13753v1") == "https://arxiv.org/abs/2402.13753v1"
    assert arxiv_link("hep-th/9901001") == "https://arxiv.org/abs/hep-th/9901001"
    assert doi_link("10.1000/a(b)<c>?d") == "https://doi.org/10.1000/a%28b%29%3Cc%3E%3Fd"
    for wrong in ("../../x", "javascript:1", "2402.13753 ", "a b", "", None, 7, "10.1000"):
        assert arxiv_link(wrong) is None or wrong == "10.1000"
        assert doi_link(wrong) is None


def test_text_is_one_line_and_bounded() -> None:
    assert text("  a\nb\x00c\u202ed\u2028 ") == "a b c d"
    assert text("x" * 5_000) == "x" * 4_000 + "…"
    assert text("xyz", 3) == "xyz"
    assert text("wxyz", 3) == "wxy…"
    for nothing in ("", "   ", "\n\x00", None, 7, b"x", ["x"], {"x": 1}):
        assert text(nothing) is None


def test_members_of_what_is_no_object_are_nothing() -> None:
    assert member({"a": {"b": 1}}, "a", "b") == 1
    for value in (None, 7, "a", ["a"], {"a": "b"}, {"a": ["b"]}):
        assert member(value, "a", "b") is None


def test_lists_are_bounded() -> None:
    assert items(list(range(200))) == list(range(100))
    for nothing in (None, "abc", {"a": 1}, (1, 2)):
        assert items(nothing) == []


def test_counts_are_counts() -> None:
    assert (count(0), count(7)) == (0, 7)
    for wrong in (-1, True, False, 1.0, "1", None, 10**15 + 1):
        assert count(wrong) is None


@settings(deadline=None)
@given(JSON)
def test_whatever_the_value_nothing_fails(value: Any) -> None:
    for read in (text, items, count, link, arxiv_link, doi_link):
        read(value)
    member(value, "a", "b")
