"""The forms of a record: what is made of its bundle for each who asks differently."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from translog.formats.canonical import canonical
from translog.formats.note import NoteSigner
from translog.log import bundler, views
from translog.pith import linked
from translog.pith.kinds.citation_signature import TYPE as CITATION
from translog.pith.titles import find_title, snapshot_title
from translog.server.answers import JSON, Header
from translog.server.documents import BY_ACCEPT, Document, seconds_of
from translog.server.html import page_document
from translog.store import search
from translog.store.database import Connection
from translog.web import badge
from translog.web.pages import Pages
from translog.web.record import MAX_EVENTS, Facts, record_page
from translog.web.statements import Said, Statement, statement

# On anyone's page, and as a page of its own it can do nothing.
BADGE_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)

Bundle = dict[str, Any]
Form = Callable[[Connection, int, str], Document]
"""Of a log, at a size, the record whose number begins so."""


class Forms:
    """Makes them, in whatever thread has a connection."""

    def __init__(self, signer: NoteSigner, base_url: str, pages: Pages, index: Path) -> None:
        self._signer = signer
        self._base_url = base_url
        self._pages = pages
        self._index = index

    def bundle(self, db: Connection, size: int, beginning: str) -> Document:
        """Return the bundle itself."""
        value = self._made(db, size, beginning)
        return self._json(value, value)

    def state(self, db: Connection, size: int, beginning: str) -> Document:
        """Return the merged state."""
        value = self._made(db, size, beginning)
        return self._json(value, value["state"])

    def linked(self, media_type: str, db: Connection, size: int, beginning: str) -> Document:
        """Return linked data, as the media type that was asked for."""
        value = self._made(db, size, beginning)
        origin = self._signer.verifier.name
        content = linked.document(
            value,
            origin=origin,
            size=size,
            base_url=self._base_url,
            titles=views.given_titles(db, size, value),
        )
        return self._json(value, content, media_type, BY_ACCEPT)

    def page(self, db: Connection, size: int, beginning: str) -> Document:
        """Return the page."""
        value = self._made(db, size, beginning)
        shown = [event["event_id"] for event in value["events"][:MAX_EVENTS]]
        facts = Facts(
            bundle=value,
            origin=self._signer.verifier.name,
            size=size,
            indices=views.places(db, size, shown),
            titles=views.given_titles(db, size, value),
            cited_by=self._cited_by(db, size, value),
        )
        body = self._pages.render(record_page(facts), "../")
        return page_document(body, changed_at=seconds_of(value["built_at"]))

    def badge(self, db: Connection, size: int, beginning: str) -> Document:
        """Return the badge."""
        value = self._made(db, size, beginning)
        picture = badge.svg(value["short_pith_number"], badge.badge_of(value))
        changed_at = seconds_of(value["built_at"])
        return Document(picture, badge.MEDIA_TYPE, *BADGE_HEADERS, changed_at=changed_at)

    def _made(self, db: Connection, size: int, beginning: str) -> Bundle:
        return bundler.bundle(db, size, beginning, self._signer, self._base_url)

    def _json(
        self,
        bundle: Bundle,
        content: Mapping[str, Any],
        media_type: str = JSON,
        vary: bytes = b"accept-encoding",
    ) -> Document:
        resolver: str = bundle["links"]["resolver"]
        # Under which name the record is known for ever, whatever it was asked by.
        link: Header = (b"link", f'<{resolver}>; rel="canonical"'.encode("ascii", "ignore"))
        changed_at = seconds_of(bundle["built_at"])
        return Document(canonical(content), media_type, link, changed_at=changed_at, vary=vary)

    def _cited_by(self, db: Connection, size: int, value: Bundle) -> list[Statement]:
        make_bundle = partial(self._made, db, size)
        with suppress(search.NoIndexError), search.open_reader(self._index) as index:
            citing = views.citing(db, index, size, value, make_bundle)
            return [_cited(each, views.given_titles(db, size, each.bundle)) for each in citing]
        return []


def _cited(citing: views.Citing, titles: list[str]) -> Statement:
    """Return a citation as the cited record shows it: the other way round."""
    bundle = citing.bundle
    snapshots = bundle["state"]["current"]["graph_snapshots"]
    payloads = [item["payload"] for item in reversed(snapshots)]
    said_titles = [*titles, *map(snapshot_title, payloads)]
    title = find_title(said_titles, bundle["canonical_record"])
    says = statement(CITATION, citing.item, citing.leaf_index)
    said = Said(
        sentence=title or bundle["short_pith_number"],
        more=says.said.sentence,
        href=f"pith/{bundle['pith_number'].rpartition(':')[2]}",
    )
    return says._replace(said=said)
