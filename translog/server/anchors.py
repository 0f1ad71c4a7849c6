"""What answers for anchors: which there are, and the .ots files of events and checkpoints."""

from collections.abc import Callable

from starlette.requests import Request

from translog.bitcoin.block_time import utc
from translog.errors import MalformedError, MissingError
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.formats.note import Verifier
from translog.formats.strict import parse_decimal
from translog.log import anchored, reader
from translog.server.anchoring import Anchoring
from translog.server.answers import JSON, TEXT, Answer
from translog.server.documents import Document
from translog.server.publishing import Publishing
from translog.server.questions import event_hash, number, parameters
from translog.server.readers import Readers
from translog.store.database import Connection

OTS = "application/vnd.opentimestamps.v1"
ENDING = ".ots"


class Anchors:
    """What answers for anchors. Their files change until they are final."""

    def __init__(
        self,
        publishing: Publishing,
        readers: Readers,
        verifier: Verifier,
        anchoring: Anchoring,
    ) -> None:
        self._publishing = publishing
        self._readers = readers
        self._verifier = verifier
        self._anchoring = anchoring

    async def listed(self, request: Request) -> Answer:
        """GET /anchors.json: the newest hundred, and how anchoring stands."""
        asked = parameters(request.url.query.encode(), "before")
        before = number(asked, "before") if asked else None
        page = await self._readers.ask(lambda db: anchored.page(db, before))
        status = self._anchoring.status
        content = {
            "origin": self._verifier.name,
            "anchored": self._anchoring.is_on,
            "waiting": list(status.waiting),
            "calendars": [
                {
                    "calendar": calendar,
                    "answered": health.answered,
                    "failed": health.failed,
                    "failed_in_a_row": health.failed_in_a_row,
                    "last_answer": health.last_answer and utc(health.last_answer),
                }
                for calendar, health in sorted(status.health.items())
            ],
            **page,
        }
        return Document(canonical(content), JSON).answer(request)

    async def checkpoint(self, request: Request) -> Answer:
        """GET /anchors/<size> and /anchors/<size>.ots: a checkpoint as it was anchored."""
        name: str = request.path_params["name"]
        try:
            size = parse_decimal(name.removesuffix(ENDING), "size")
        except MalformedError as error:
            raise MissingError(f"checkpoint {name[:80]!r}: want a size") from error

        def note(db: Connection) -> tuple[bytes, str]:
            found = anchored.of_size(db, size, self._verifier)
            if name.endswith(ENDING):
                return found.checkpoint_file(), OTS
            return found.row.note, TEXT

        return await self._answer(request, note)

    async def event(self, request: Request) -> Answer:
        """GET /event/<sha256 hex>.ots: the timestamp of an event's canonical content."""
        content_sha256 = event_hash(request.path_params["digits"])
        size = self._publishing.checkpoint.size

        def file(db: Connection) -> tuple[bytes, str]:
            leaf = reader.find_event(db, size, content_sha256)
            found = anchored.best(db, leaf.leaf_index, self._verifier)
            return found.event_file(Entry.parse(leaf.entry), leaf.leaf_index), OTS

        return await self._answer(request, file)

    async def _answer(
        self, request: Request, read: Callable[[Connection], tuple[bytes, str]]
    ) -> Answer:
        content, media_type = await self._readers.ask(read)
        return Document(content, media_type).answer(request)
