"""What the log holds, as documents: events and keys; records in all their forms."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from starlette.requests import Request

from translog.formats.canonical import canonical
from translog.formats.note import NoteSigner
from translog.log import bundler, reader
from translog.log.registry import pith_key
from translog.pith import linked
from translog.pith.event import MAX_EVENT_BYTES
from translog.server.answers import ANYONE, IMMUTABLE, JSON, Answer, Header
from translog.server.documents import Document, seconds_of
from translog.server.kept import Kept
from translog.server.negotiation import JSON_LD, choose
from translog.server.publishing import Publishing
from translog.server.questions import event_hash, suffix
from translog.server.readers import Readers
from translog.store.bodies import unpack
from translog.store.database import Connection

KEPT_BYTES = 64 << 20
BY_ACCEPT = b"accept, accept-encoding"

Bundle = dict[str, Any]


class Records:
    """What answers for documents. A record's are kept for as long as the checkpoint stays."""

    def __init__(
        self, publishing: Publishing, readers: Readers, signer: NoteSigner, base_url: str
    ) -> None:
        self._publishing = publishing
        self._readers = readers
        self._signer = signer
        self._base_url = base_url
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
        own = pith_key(self._signer.verifier, self._base_url)
        content = await self._readers.ask(lambda db: reader.keys_json(db, own))
        return Document(content, JSON).answer(request)

    async def bundle(self, request: Request) -> Answer:
        """GET /pith/<suffix>/bundle.json, and the same under /.well-known/"""
        return await self._answer(request, "bundle", self._bundle)

    async def state(self, request: Request) -> Answer:
        """GET /pith/<suffix>/state.json"""
        return await self._answer(request, "state", self._state)

    async def record(self, request: Request) -> Answer:
        """GET /pith/<suffix>: the record, in the form that the client wants."""
        media_type = choose(request.headers.get("accept"), (JSON_LD, JSON))
        return await self._answer(
            request, media_type, lambda value, size: self._linked(value, size, media_type)
        )

    def _bundle(self, value: Bundle, size: int) -> Document:
        return Document(
            canonical(value), JSON, *_where(value), changed_at=seconds_of(value["built_at"])
        )

    def _state(self, value: Bundle, size: int) -> Document:
        return Document(
            canonical(value["state"]),
            JSON,
            *_where(value),
            changed_at=seconds_of(value["built_at"]),
        )

    def _linked(self, value: Bundle, size: int, media_type: str) -> Document:
        origin = self._signer.verifier.name
        content = linked.document(value, origin=origin, size=size, base_url=self._base_url)
        return Document(
            canonical(content),
            media_type,
            *_where(value),
            changed_at=seconds_of(value["built_at"]),
            vary=BY_ACCEPT,
        )

    async def _answer(
        self, request: Request, form: str, made: Callable[[Bundle, int], Document]
    ) -> Answer:
        """Answer with a form of a record: a kept one, or one that is made once for all who ask."""
        beginning = suffix(request.path_params["suffix"])
        size = self._publishing.checkpoint.size
        key = (form, beginning, size)
        document = self._kept.get(key)
        if document is None:

            def make(db: Connection) -> Document:
                value = bundler.bundle(db, size, beginning, self._signer, self._base_url)
                return made(value, size)

            document = self._kept.put(key, await self._once(key, make))
        return document.answer(request)

    async def _once(self, key: Hashable, make: Callable[[Connection], Document]) -> Document:
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.ensure_future(self._readers.ask(make))
            making.add_done_callback(lambda made: self._made(key, made))
        # One who gives up waiting must not take it away from the others.
        return await asyncio.shield(making)

    def _made(self, key: Hashable, made: asyncio.Future[Document]) -> None:
        del self._making[key]
        if not made.cancelled():
            made.exception()  # looked at, even where everybody has given up waiting


def _where(value: Bundle) -> tuple[Header, ...]:
    """Say under which path a record is known for ever, whatever path it was asked by."""
    resolver: str = value["links"]["resolver"]
    return ((b"link", f'<{resolver}>; rel="canonical"'.encode("ascii", "ignore")),)
