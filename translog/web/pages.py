"""Every page there is: a value in, HTML out.

Whatever stands in a value is escaped where it is printed. Links are relative, so that a page works
under any address, and nothing is loaded from anywhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from translog.web import words
from translog.web.record import RecordPage

STATIC = {"pith.css": "text/css; charset=utf-8", "pith.svg": "image/svg+xml"}
ASSETS = "assets"

# Titles and statements may hold any character. HTML knows no such ones, and a page is also read in
# terminals, which obey them.
_CONTROLS = {
    code: "\N{REPLACEMENT CHARACTER}"
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if chr(code) not in "\t\n"
}


class Asset(NamedTuple):
    """A file that pages load: under a name that changes when it does."""

    path: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A record in a list of several."""

    suffix: str
    short: str
    title: str | None
    source: str
    day: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPage:
    size: int
    signed_at: str
    signed_age: str
    anchored: str
    anchored_more: str | None
    newest: Sequence[Listed]
    behind: int
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """What was found. `more`: there may be others; `behind`: events that are not searched yet."""

    query: str
    found: Sequence[Listed]
    more: bool
    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    index: int
    size: int
    kind: str
    subject: str
    suffix: str | None
    event_id: str
    leaf_hash: str
    signer: str
    key_id: str
    fingerprint: str
    signature: str
    created_at: str
    supersedes: Sequence[str]
    prev_event: str | None
    content: str
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPage:
    """A signed head. `before` and `after` are the sizes of its neighbours, `newest` of the last."""

    size: int
    root: str
    note: str
    signed_at: str
    signers: Sequence[str]
    before: int | None
    after: int | None
    newest: int
    anchors: Sequence[str]


class Anchored(NamedTuple):
    """A checkpoint on its way into Bitcoin. `state` is how it is marked, `standing` a word."""

    size: int
    sent_at: str
    state: str
    standing: str
    words: str
    href: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorsPage:
    anchors: Sequence[Anchored]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """Why there is no page. `candidates`: (number, suffix) of what could have been meant."""

    status: int
    title: str
    detail: str
    help: str
    candidates: Sequence[tuple[str, str]]


Page = RecordPage | FrontPage | SearchPage | EntryPage | CheckpointPage | AnchorsPage | ErrorPage
_TEMPLATES: dict[type[Any], str] = {
    RecordPage: "record.html",
    FrontPage: "front.html",
    SearchPage: "search.html",
    EntryPage: "entry.html",
    CheckpointPage: "checkpoint.html",
    AnchorsPage: "anchors.html",
    ErrorPage: "error.html",
}


class Pages:
    """The pages of one site."""

    def __init__(self, origin: str) -> None:
        assets = [_asset(name) for name in STATIC]
        self.assets = {asset.path: asset for asset in assets}
        style, icon = self.assets
        self._site = {"origin": origin, "style": style, "icon": icon}

    def render(self, page: Page, root: str) -> bytes:
        """Return a page as HTML.

        Args:
            root: leads from the page's address to the site's: "", "../" or more of them.
        """
        template = _environment().get_template(_TEMPLATES[type(page)])
        text = template.render(page=page, root=root or "./", site=self._site)
        return text.translate(_CONTROLS).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("translog.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        day=words.day, moment=words.moment, counted=words.counted, spoken=words.spoken
    )
    return environment


def _asset(name: str) -> Asset:
    content = resources.files("translog.web").joinpath("static", name).read_bytes()
    stem, _, ending = name.rpartition(".")
    digest = sha256(content).hexdigest()[:12]
    return Asset(f"{ASSETS}/{stem}-{digest}.{ending}", STATIC[name], content)
