"""What the log holds, as documents: events and keys; records in all their forms."""

import asyncio
from collections.abc import Callable, Hashable
from functools import partial

from starlette.requests import Request

from translog.errors import MalformedError, MissingError
from translog.log import reader
from translog.pith.event import MAX_EVENT_BYTES
from translog.pith.key import PithKey
from translog.pith.record import SHORT_CHARS
from translog.server.anchoring import Anchoring
from translog.server.answers import ANYONE, IMMUTABLE, JSON, NO_STORE, Answer
from translog.server.documents import Document
from translog.server.errors import kind_of
from translog.server.forms import BADGE_HEADERS, Form, Forms
from translog.server.kept import Kept
from translog.server.negotiation import HTML, JSON_LD, choose
from translog.server.publishing import Publishing
from translog.server.questions import event_hash, suffix
from translog.server.readers import Readers
from translog.store.bodies import unpack
from translog.store.database import Connection
from translog.web.badge import MEDIA_TYPE, NOTHING, svg

KEPT_BYTES = 32 << 20


class Records:
    """What answers for documents. A record's are kept while checkpoint and anchors stay."""

    def __init__(
        self,
        publishing: Publishing,
        readers: Readers,
        forms: Forms,
        key: PithKey,
        anchoring: Anchoring,
    ) -> None:
        """Make nothing yet.

        Args:
            key: the log's own.
        """
        self._anchoring = anchoring
        self._publishing = publishing
        self._readers = readers
        self._forms = forms
        self._key = key
        self._kept = Kept[Document](KEPT_BYTES)
        self._making: dict[Hashable, asyncio.Future[Document]] = {}

    async def event(self, request: Request) -> Answer:
        """GET /event/<sha256 hex>: an event's canonical content."""
        content_sha256 = event_hash(request.path_params["digits"])
        size = self._publishing.checkpoint.size

        def read(db: Connection) -> Answer:
            leaf = reader.find_event(db, size, content_sha256)
            content = unpack(leaf.body, limit=MAX_EVENT_BYTES)
            return Answer(200, content, JSON, IMMUTABLE, ANYONE)

        return await self._readers.ask(read)

    async def keys(self, request: Request) -> Answer:
        """GET /keys.json: every key that entries may name, and the log's own."""
        content = await self._readers.ask(lambda db: reader.keys_json(db, self._key))
        return Document(content, JSON).answer(request)

    async def bundle(self, request: Request) -> Answer:
        """GET /pith/<suffix>/bundle.json, and the same under /.well-known/"""
        return await self._answer(request, "bundle", self._forms.bundle)

    async def state(self, request: Request) -> Answer:
        """GET /pith/<suffix>/state.json"""
        return await self._answer(request, "state", self._forms.state)

    async def record(self, request: Request) -> Answer:
        """GET /pith/<suffix>: the record, in the form that the client wants."""
        media_type = choose(request.headers.get("accept"), (HTML, JSON_LD, JSON))
        if media_type == HTML:
            return await self._answer(request, media_type, self._forms.page)
        return await self._answer(request, media_type, partial(self._forms.linked, media_type))

    async def badge(self, request: Request) -> Answer:
        """GET /pith/<suffix>/badge.svg: a picture also where there is no such record."""
        try:
            return await self._answer(request, "badge", self._forms.badge)
        except (MalformedError, MissingError) as error:
            nothing = NOTHING.get(error.code)
            if nothing is None:  # a record too large for a bundle, say
                raise
            label = request.path_params["suffix"][: SHORT_CHARS[0]]
            picture = svg(f"pith:{label}" if label.isascii() else "pith", nothing)
            status = kind_of(error).status
            return Answer(status, picture, MEDIA_TYPE, NO_STORE, ANYONE, *BADGE_HEADERS)

    async def _answer(self, request: Request, name: str, form: Form) -> Answer:
        """Answer with a form of a record: a kept one, or one that is made once for all who ask."""
        beginning = suffix(request.path_params["suffix"])
        size = self._publishing.checkpoint.size
        key = (name, beginning, size, self._anchoring.status.version)
        document = self._kept.get(key)
        if document is None:
            made = await self._once(key, lambda db: form(db, size, beginning))
            document = self._kept.put(key, made)
        return document.answer(request)

    async def _once(self, key: Hashable, make: Callable[[Connection], Document]) -> Document:
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.ensure_future(self._readers.ask(make))
            making.add_done_callback(lambda made: self._done(key, made))
        # One who gives up waiting must not take it away from the others.
        return await asyncio.shield(making)

    def _done(self, key: Hashable, made: asyncio.Future[Document]) -> None:
        del self._making[key]
        if not made.cancelled():
            made.exception()  # looked at, even where everybody has given up waiting
