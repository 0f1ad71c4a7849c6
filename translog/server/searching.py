"""Search: by number, by the names that works have elsewhere, by words of titles."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from translog.errors import AmbiguousError, MalformedError, MissingError
from translog.log import finder
from translog.server.errors import LateError
from translog.server.publishing import Publishing
from translog.server.readers import Readers
from translog.store import search
from translog.store.database import Connection
from translog.store.search import NoIndexError, Record

MAX_CANDIDATES = 20
NEWEST = 10

Result = TypeVar("Result")


class Found(NamedTuple):
    """Records, and how many events of the log were not looked at yet."""

    records: Sequence[Record]
    behind: int


class Searching:
    """Questions to the search index, which may be behind the log, or not be there at all."""

    def __init__(self, publishing: Publishing, readers: Readers, index: Path) -> None:
        self._publishing = publishing
        self._readers = readers
        self._index = index

    async def find(self, text: str) -> Found:
        """Return what a person may mean by a text.

        Raises:
            MalformedError: it is longer than anyone means.
            LateError: there is no index yet.
        """
        if len(text) > finder.MAX_QUERY_CHARS:
            raise MalformedError(
                f"search has {len(text)} characters, want at most {finder.MAX_QUERY_CHARS}"
            )
        return await self._ask(lambda _, index: finder.find(index, text))

    async def newest(self) -> Found:
        """Return the records that were created last; none where there is no index yet."""
        try:
            return await self._ask(lambda _, index: search.newest(index, NEWEST))
        except LateError:
            return Found((), self._publishing.checkpoint.size)

    async def by_alias(self, kind: str, value: str) -> Record:
        """Return the one record that has this name of a kind.

        Raises:
            MissingError: none has.
            AmbiguousError: several have.
            LateError: there is no index yet.
        """
        size = self._publishing.checkpoint.size

        def look(db: Connection, index: Connection) -> list[Record]:
            found = finder.find_alias(index, kind, value)[:MAX_CANDIDATES]
            for record in found:
                finder.confirm(db, size, record, kind, finder.folded(kind, value))
            return found

        found = (await self._ask(look)).records
        if len(found) == 1:
            return found[0]
        name = f"{kind[:40]} {value[:200]!r}"
        if not found:
            raise MissingError(f"no record here is known as {name}")
        numbers = [record.number for record in found]
        raise AmbiguousError(f"{len(found)} records are known as {name}", numbers)

    async def _ask(self, question: Callable[[Connection, Connection], Sequence[Record]]) -> Found:
        size = self._publishing.checkpoint.size

        def ask(db: Connection) -> Found:
            with search.open_reader(self._index) as index:
                coverage = search.read_coverage(index)
                covered = coverage.size if coverage else 0
                return Found(question(db, index), max(size - covered, 0))

        try:
            return await self._readers.ask(ask)
        except NoIndexError as error:
            raise LateError("the search index is not made yet: try again in a moment") from error
