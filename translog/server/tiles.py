"""The read interface of c2sp.org/tlog-tiles: /checkpoint, /tile/…; and /events/…, named alike."""

from collections.abc import Callable

from translog.formats.published import EVENTS
from translog.formats.tiles import ENTRIES, FULL, Tile, parse_bundle_path
from translog.log import reader
from translog.server.answers import (
    ANYONE,
    BYTES,
    IMMUTABLE,
    NDJSON,
    VARY,
    Answer,
    Scope,
    packed,
    takes_gzip,
)
from translog.server.kept import Kept
from translog.server.publishing import Publishing
from translog.server.readers import Readers
from translog.store.database import Connection

KEPT_BYTES = 32 << 20

ReadBundle = Callable[[Connection, int, int, int], bytes]
"""Of the tree's size, a bundle's index and its width."""


class Tiles:
    """What answers for tiles and bundles. Full ones are kept as answers: they never change."""

    def __init__(self, publishing: Publishing, readers: Readers) -> None:
        self._publishing = publishing
        self._readers = readers
        self._kept = Kept[Answer](KEPT_BYTES)

    async def answer(self, scope: Scope) -> Answer:
        """Return what is under a path that begins with /tile/ or /events/.

        Raises:
            MalformedError: there can never be anything under this path.
            MissingError: it is not published, or not yet.
        """
        path: str = scope["path"][1:]
        if path.startswith(f"{ENTRIES}/"):
            return await self._bundle(scope, ENTRIES, reader.entry_bundle, BYTES)
        if path.startswith(f"{EVENTS}/"):
            return await self._bundle(scope, EVENTS, reader.event_bundle, NDJSON)
        # Only what is published is ever kept, and it stays published.
        return self._kept.get(path) or self._tile(path)

    def _tile(self, path: str) -> Answer:
        tile = Tile.parse(path)
        size = self._publishing.checkpoint.size
        content = self._readers.ask_here(lambda db: reader.tile(db, size, tile))
        answer = Answer(200, content, BYTES, IMMUTABLE, ANYONE)
        return self._kept.put(path, answer) if tile.width == FULL else answer

    async def _bundle(self, scope: Scope, prefix: str, read: ReadBundle, media_type: str) -> Answer:
        path = scope["path"][1:]
        accepted = dict(scope["headers"]).get(b"accept-encoding", b"")
        gzip = takes_gzip(accepted)
        kept = self._kept.get((path, gzip))
        if kept is not None:
            return kept
        index, width = parse_bundle_path(prefix, path)
        size = self._publishing.checkpoint.size

        def make(db: Connection) -> Answer:
            content = read(db, size, index, width)
            if gzip:
                return packed(content, media_type, IMMUTABLE, ANYONE)
            return Answer(200, content, media_type, VARY, IMMUTABLE, ANYONE)

        answer = await self._readers.ask(make)
        return self._kept.put((path, gzip), answer) if width == FULL else answer
