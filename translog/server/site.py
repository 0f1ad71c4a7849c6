"""What answers to browsers: every page but those of records."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from translog.errors import AmbiguousError, MissingError, TranslogError
from translog.formats.canonical import canonical
from translog.formats.checkpoint import Checkpoint
from translog.formats.merkle import leaf_hash
from translog.formats.note import Note
from translog.formats.strict import parse_decimal
from translog.log import anchored, bundler, views
from translog.log.finder import MAX_FOUND
from translog.pith.permits import iso
from translog.pith.record import PithNumber, parse_pith_number
from translog.server.answers import ANYONE, BRIEF, IMMUTABLE, JSON, NO_STORE, Answer, Scope
from translog.server.documents import BY_ACCEPT, Document
from translog.server.errors import detail_of, headers_of, kind_of
from translog.server.html import MEDIA_TYPE, SECURITY, page_document, root_of
from translog.server.negotiation import HTML, choose
from translog.server.publishing import Publishing
from translog.server.questions import parameters
from translog.server.readers import Readers
from translog.server.searching import Found, Searching
from translog.server.settings import Clock
from translog.store import log
from translog.store.database import Connection
from translog.store.search import Record
from translog.web import anchors, words
from translog.web.pages import (
    AnchorsPage,
    CheckpointPage,
    EntryPage,
    ErrorPage,
    FrontPage,
    Listed,
    Page,
    Pages,
    SearchPage,
)
from translog.web.record import source_name

MAX_QUERY_BYTES = 4_000
MAX_SHOWN_CHARS = 200_000  # of an event's content


class Site:
    """The pages of one log, apart from those of records."""

    def __init__(
        self,
        *,
        pages: Pages,
        publishing: Publishing,
        readers: Readers,
        searching: Searching,
        clock: Clock,
        base_url: str,
    ) -> None:
        self._pages = pages
        self._publishing = publishing
        self._readers = readers
        self._searching = searching
        self._clock = clock
        self._base_url = base_url
        self._assets = {
            asset.path: Document(asset.content, asset.media_type, cache=IMMUTABLE)
            for asset in pages.assets.values()
        }

    async def front(self, request: Request) -> Answer:
        """GET /"""
        size = self._publishing.checkpoint.size

        def read(db: Connection) -> tuple[int, tuple[str, str | None]]:
            at_a_glance = anchors.at_a_glance(anchored.page(db, None)["anchors"])
            return log.read_signed_at(db, size), at_a_glance

        signed_at, (standing, covered) = await self._readers.ask(read)
        newest = await self._searching.newest()
        page = FrontPage(
            size=size,
            signed_at=iso(signed_at),
            signed_age=words.age(self._clock.now() - signed_at),
            anchored=standing,
            anchored_more=covered,
            newest=[listed(record) for record in newest.records],
            behind=newest.behind,
            base_url=self._base_url,
        )
        return self._page(request, page)

    async def search(self, request: Request) -> Answer:
        """GET /search?q=…: a page, or JSON."""
        asked = parameters(request.scope["query_string"], "q", limit=MAX_QUERY_BYTES)
        media_type = choose(request.headers.get("accept"), (HTML, JSON))
        query = asked.get("q", "").strip()
        found = await self._searching.find(query) if query else Found((), 0)
        if media_type == JSON:
            return self._found(request, query, found)
        page = SearchPage(
            query=query,
            found=[listed(record) for record in found.records],
            more=len(found.records) >= MAX_FOUND,
            behind=found.behind,
        )
        return self._page(request, page)

    async def by_alias(self, request: Request) -> Answer:
        """GET /pith/by/<kind>/<name>: to the one record that has this name."""
        kind, name = request.path_params["kind"], request.path_params["name"]
        record = await self._searching.by_alias(kind, name)
        location = f"{root_of(request.scope)}pith/{record.suffix}"
        body = json.dumps({"pith_number": record.number, "location": location}).encode()
        return Answer(302, body, JSON, BRIEF, ANYONE, (b"location", location.encode()))

    async def entry(self, request: Request) -> Answer:
        """GET /entry/<index>"""
        index = parse_decimal(request.path_params["index"], "entry")
        size = self._publishing.checkpoint.size
        root = root_of(request.scope)

        def read(db: Connection) -> Document:  # in a thread: an event may be long
            page = entry_page(views.leaf(db, size, index), size)
            return page_document(self._pages.render(page, root))

        return (await self._readers.ask(read)).answer(request)

    async def checkpoint(self, request: Request) -> Answer:
        """GET /checkpoints/<size>"""
        size = parse_decimal(request.path_params["size"], "checkpoint size")
        newest = self._publishing.checkpoint.size

        def read(db: Connection) -> tuple[views.Head, list[dict[str, Any]]]:
            return views.head(db, size, newest), anchored.of_checkpoint(db, size)

        head, rows = await self._readers.ask(read)
        return self._page(request, checkpoint_page(head, newest, anchors.sentences(rows)))

    async def anchors(self, request: Request) -> Answer:
        """GET /anchors"""
        page = await self._readers.ask(lambda db: anchored.page(db, None))
        return self._page(request, AnchorsPage(anchors=anchors.anchored(page["anchors"])))

    async def asset(self, request: Request) -> Answer:
        """GET /assets/<name>"""
        document = self._assets.get(f"assets/{request.path_params['name']}")
        if document is None:
            raise MissingError(f"there is no asset {request.path_params['name'][:80]!r}")
        return document.answer(request)

    def refusal(self, error: TranslogError, scope: Scope) -> Answer:
        """Return the page that says an error."""
        kind = kind_of(error)
        candidates = error.candidates if isinstance(error, AmbiguousError) else ()
        page = ErrorPage(
            status=kind.status,
            title=kind.title,
            detail=detail_of(error),
            help=kind.help,
            candidates=[(each, parse_pith_number(each).suffix) for each in candidates],
        )
        body = self._pages.render(page, root_of(scope))
        headers = [(b"vary", b"accept"), *headers_of(error), *SECURITY]
        return Answer(kind.status, body, MEDIA_TYPE, NO_STORE, *headers)

    def _page(self, request: Request, page: Page) -> Answer:
        body = self._pages.render(page, root_of(request.scope))
        return page_document(body).answer(request)

    def _found(self, request: Request, query: str, found: Found) -> Answer:
        records = [
            {
                "pith_number": record.number,
                "title": record.title,
                "source": {
                    "kind": record.source_kind,
                    "id": record.source_id,
                    "version": record.version,
                },
                "submitted_at": record.submitted_at,
                "primary_cat": record.category,
                "resolver": f"{self._base_url}/pith/{record.suffix}",
            }
            for record in found.records
        ]
        value = {"query": query, "events_behind": found.behind, "records": records}
        return Document(canonical(value), JSON, vary=BY_ACCEPT).answer(request)


def listed(record: Record) -> Listed:
    """Return a record as lists show it."""
    return Listed(
        suffix=record.suffix,
        short=PithNumber(record.year, record.suffix).short,
        title=record.title,
        source=source_name(record.source_kind, record.source_id, record.version),
        day=words.day(record.submitted_at),
        category=record.category,
    )


def entry_page(leaf: log.Leaf, size: int) -> EntryPage:
    """Return what the page of an entry shows."""
    event = bundler.event_of(leaf)
    signature = event.pop("signature")
    shown = {name: event[name] for name in event if name not in ("content_sha256", "event_id")}
    content = json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False)
    subject = event["subject_pith_number"]
    return EntryPage(
        index=leaf.leaf_index,
        size=size,
        kind=event["event_type"],
        subject=subject,
        suffix=parse_pith_number(subject).suffix if subject.startswith("pith:") else None,
        event_id=event["event_id"],
        leaf_hash=leaf_hash(leaf.entry).hex(),
        signer=event["signer"]["signer_id"],
        key_id=event["signer"]["key_id"],
        fingerprint=event["signer"]["public_key_fingerprint"],
        signature=signature["signature_b64"],
        created_at=event["created_at"],
        supersedes=event["supersedes"],
        prev_event=event["prev_event"],
        content=content[:MAX_SHOWN_CHARS],
        cut=len(content) > MAX_SHOWN_CHARS,
    )


def checkpoint_page(head: views.Head, newest: int, anchors: Sequence[str]) -> CheckpointPage:
    """Return what the page of a checkpoint shows."""
    note = Note.parse(head.note)
    checkpoint = Checkpoint.parse(note.text)
    return CheckpointPage(
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        note=head.note.decode(),
        signed_at=iso(head.signed_at),
        signers=[signature.name for signature in note.signatures],
        before=head.before,
        after=head.after,
        newest=newest,
        anchors=anchors,
    )
