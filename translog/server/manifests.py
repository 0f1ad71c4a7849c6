"""What the registry says of itself: its keys, its mirrors, and the context of its linked data."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from starlette.requests import Request

from translog.formats.canonical import canonical
from translog.formats.note import Verifier
from translog.log.directory import LogDirectory
from translog.log.listing import registry_keys
from translog.log.registry import pith_key
from translog.pith.linked import CONTEXT
from translog.pith.manifest import mirror, mirror_manifest, signing_key, signing_keys
from translog.pith.permits import iso
from translog.server.answers import JSON, TEXT, Answer, Header
from translog.server.documents import Document
from translog.server.negotiation import JSON_LD
from translog.server.publishing import Publishing
from translog.server.readers import Readers
from translog.store import database, log, mirrors
from translog.web.latex import style_file

ATTACHED: Header = (b"content-disposition", b'attachment; filename="pith.sty"')
HOURLY: Header = (b"cache-control", b"public, max-age=3600")


class Manifests:
    """What answers for documents about the registry."""

    def __init__(
        self, publishing: Publishing, readers: Readers, directory: LogDirectory, base_url: str
    ) -> None:
        self._publishing = publishing
        self._readers = readers
        self._directory = directory
        self._name = directory.origin
        self._key = pith_key(directory.verifier, base_url)
        self._base_url = base_url
        self._style = Document(style_file(base_url), TEXT, ATTACHED, cache=HOURLY)
        self._context = Document(canonical(CONTEXT), JSON_LD, cache=HOURLY)

    async def context(self, request: Request) -> Answer:
        """GET /pith-context.jsonld: what the members of linked data mean."""
        return self._context.answer(request)

    async def signing_keys(self, request: Request) -> Answer:
        """GET /pith-signing-key.json: the keys of this registry, and from when until when."""
        rows = [signing_key(self._key, valid_from=None, valid_until=None)]
        rows += await self._readers.ask(registry_keys)
        return await self._answer(request, lambda now: signing_keys(rows, now))

    async def mirrors(self, request: Request) -> Answer:
        """GET /pith-mirrors.json: where these records are served."""
        own = mirror(self._name, self._base_url, self._key, "primary")
        copied = await self._readers.ask(lambda _: self._sources())
        return await self._answer(request, lambda now: mirror_manifest([own, *copied], now))

    def _sources(self) -> list[dict[str, Any]]:
        """Return the registries from which records are copied; single bundles are none."""
        path = self._directory.path / mirrors.FILE
        if not path.is_file():
            return []
        with closing(database.open_reader(path, mirrors.SCHEMA)) as db:
            sources = [source for source in mirrors.read_sources(db) if source.log_key]
        return [
            mirror(
                source.name,
                source.place,
                pith_key(Verifier.parse(source.log_key), source.place),
                "source",
            )
            for source in sources
        ]

    async def style(self, request: Request) -> Answer:
        """GET /pith.sty: the LaTeX package, whose links lead here."""
        return self._style.answer(request)

    async def _answer(self, request: Request, made: Callable[[str], dict[str, Any]]) -> Answer:
        size = self._publishing.checkpoint.size
        # When the newest checkpoint was signed: before it, nobody said any of this.
        now = await self._readers.ask(lambda db: log.read_signed_at(db, size))
        return Document(canonical(made(iso(now))), JSON, changed_at=now).answer(request)
