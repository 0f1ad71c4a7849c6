"""Whatever a stranger wrote, a page is HTML, and steers nothing."""

from translog.web.pages import ErrorPage, Pages


def test_no_page_has_characters_that_steer_terminals() -> None:
    evil = "".join(map(chr, range(0x100))) + "<script>\u202e"
    page = ErrorPage(status=404, title=evil, detail=evil, help=evil, candidates=[])
    html = Pages("example.com/log").render(page, "").decode()
    controls = {c for c in map(chr, range(0x100)) if not c.isprintable()} - set("\n\t\xa0\xad")
    assert not controls & set(html)
    assert "\N{REPLACEMENT CHARACTER}" in html
    assert "<script>" not in html
    assert "\xa0" in html  # what is no control stays
