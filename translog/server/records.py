"""What the log holds, as documents: events, keys, and bundles and states of records."""

from hashlib import sha256

from starlette.requests import Request

from translog.errors import MalformedError
from translog.formats.canonical import canonical
from translog.formats.note import NoteSigner
from translog.log import bundler, lookup, reader
from translog.log.registry import pith_key
from translog.pith.event import MAX_EVENT_BYTES
from translog.pith.record import SUFFIX_CHARS
from translog.server.answers import ANYONE, BRIEF, IMMUTABLE, JSON, Answer, Header
from translog.server.kept import Kept
from translog.server.publishing import Publishing
from translog.server.questions import event_hash
from translog.server.readers import Readers
from translog.store.bodies import unpack
from translog.store.database import Connection

KEPT_BYTES = 16 << 20
SHORT_SUFFIXES = (8, 12, 16)


class Records:
    """What answers for documents."""

    def __init__(
        self, publishing: Publishing, readers: Readers, signer: NoteSigner, base_url: str
    ) -> None:
        self._publishing = publishing
        self._readers = readers
        self._signer = signer
        self._base_url = base_url
        self._kept = Kept(KEPT_BYTES)

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
        return _tagged(request, _document(content))

    async def bundle(self, request: Request) -> Answer:
        """GET /pith/<suffix>/bundle.json, and the same under /.well-known/"""
        bundle, _ = await self._record(request)
        return _tagged(request, bundle)

    async def state(self, request: Request) -> Answer:
        """GET /pith/<suffix>/state.json"""
        _, state = await self._record(request)
        return _tagged(request, state)

    async def _record(self, request: Request) -> tuple[Answer, Answer]:
        """Return a record's bundle and its state, kept for as long as the checkpoint stays."""
        suffix = _suffix(request.path_params["suffix"])
        size = self._publishing.checkpoint.size
        keys = [(kind, suffix, size) for kind in ("bundle", "state")]
        kept = [answer for answer in map(self._kept.get, keys) if answer is not None]
        if len(kept) == 2:
            return kept[0], kept[1]

        def make(db: Connection) -> tuple[Answer, Answer]:
            value = bundler.bundle(db, size, suffix, self._signer, self._base_url)
            return _document(canonical(value)), _document(canonical(value["state"]))

        bundle, state = await self._readers.ask(make)
        return self._kept.put(keys[0], bundle), self._kept.put(keys[1], state)


def _suffix(text: str) -> str:
    """Read the part of a Pith Number that names a record in a path."""
    if len(text) not in (*SHORT_SUFFIXES, SUFFIX_CHARS) or not set(text) <= lookup.ALPHABET:
        raise MalformedError(
            f"record is {text[:40]!r}, want {SUFFIX_CHARS} characters of base32 in capitals,"
            f" or the first {', '.join(map(str, SHORT_SUFFIXES))}"
        )
    return text


def _document(content: bytes) -> Answer:
    return Answer(200, content, JSON, BRIEF, ANYONE, _tag(content))


def _tag(content: bytes) -> Header:
    return (b"etag", b'"%b"' % sha256(content).hexdigest()[:32].encode())


def _tagged(request: Request, answer: Answer) -> Answer:
    """Return the answer, or that it has not changed since the client had it."""
    tag = _tag(answer.body)
    asked = request.headers.get("if-none-match", "").encode("latin-1")
    known = {each.strip().removeprefix(b"W/") for each in asked.split(b",")}
    if tag[1] in known or b"*" in known:
        return Answer(304, b"", JSON, BRIEF, ANYONE, tag)
    return answer
