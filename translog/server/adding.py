"""POST /add: events in, places out, each on disk before it is acknowledged.

The one hot path: the body goes to the pipeline's line as it came.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import orjson

from translog.errors import MalformedError, TooLargeError, TranslogError, UnavailableError
from translog.log import reader
from translog.log.moderation import Held
from translog.log.sequencer import Placed, Result
from translog.log.writer import Writer
from translog.pith.event import MAX_EVENT_BYTES
from translog.server.answers import JSON, NDJSON, NO_STORE, Answer, Receive, Scope
from translog.server.deadline import Deadline
from translog.server.errors import MediaTypeError, MethodError, SlowError, brief, late
from translog.server.gathering import Called, Gathering, Outcome, Wakeups
from translog.server.logs import Complaints
from translog.server.metrics import Metrics
from translog.server.publishing import Publishing
from translog.server.rates import Rates, client_of
from translog.server.readers import Readers
from translog.server.receiving import Headers, Receiving, check_length
from translog.server.settings import Clock, Settings
from translog.store.database import Connection

Proofs = dict[int, bytes]
"""The tlog-proof of each leaf index, as JSON."""

NO_PROOFS: Proofs = {}


class Adding:
    """What answers POST /add."""

    def __init__(
        self,
        *,
        writer: Writer,
        publishing: Publishing,
        readers: Readers,
        metrics: Metrics,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._writer = writer
        self._publishing = publishing
        self._readers = readers
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._receiving = Receiving(settings)
        most = settings.max_body_bytes
        self._limits = {True: min(MAX_EVENT_BYTES, most), False: most}  # of one event, of many
        self._rates = Rates(settings.events_per_second, clock.steady)
        self._complaints = Complaints(clock.steady)
        self._wakeups = Wakeups()
        self._gathering = Gathering(writer.submit, self._wakeups, settings.request_seconds)

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Log what a request brings, and say where it is.

        Raises:
            TranslogError: nothing of it was logged; or its one event was refused.
        """
        if scope["method"] != "POST":
            raise MethodError(scope["method"], "POST")
        wait = _wants_published(scope["query_string"])
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind not in (b"application/json", b"application/x-ndjson"):
            raise MediaTypeError(f"content type is {kind[:80]!r}, want {JSON} or {NDJSON}")
        client = self._welcome(scope, headers)
        one = kind == b"application/json"
        body: bytes | None = None
        try:
            with Deadline(self._settings.request_seconds):
                body = await self._receiving.body(headers, receive, self._limits[one])
                raws = [body] if one else self._split(body)
                self._rates.charge(client, len(raws))
                return await (
                    self._add_one(body, wait=wait) if one else self._add_many(raws, wait=wait)
                )
        except TimeoutError as error:
            seconds = self._settings.request_seconds
            if body is None:
                raise SlowError(f"body was not all there within {seconds:g} s") from error
            raise late(seconds) from error

    def begin(self, scope: Scope, raw: bytes, tell: Callable[[Outcome], None]) -> None:
        """Log the one event that is a request's body, all of which is there.

        Args:
            tell: gets the answer, or what `answer` would raise; once, and never before this
                function returns.
        """
        headers = dict(scope["headers"])
        try:
            client = self._welcome(scope, headers)
            check_length(headers, self._limits[True])
            self._rates.charge(client, 1)
        except Exception as error:  # noqa: BLE001  # told, as everything else
            asyncio.get_running_loop().call_soon(tell, error)
            return
        began = self._clock.steady()
        self._gathering.place(raw, Called(partial(self._outcome, began), tell))

    def _welcome(self, scope: Scope, headers: Headers) -> str:
        """Return who the client is, if something may be logged now, and by this client."""
        client = client_of(scope, headers, self._settings.trusted_proxies)
        self._rates.check(client)
        self._publishing.require_working()
        return client

    def _split(self, body: bytes) -> list[bytes]:
        raws = body.split(b"\n", self._settings.max_batch_events)
        if not raws[-1]:
            raws.pop()  # what follows the last line's end
        if len(raws) > self._settings.max_batch_events:
            raise TooLargeError(f"body has over {self._settings.max_batch_events} lines")
        if not raws:
            raise MalformedError("body is empty, want at least one event")
        return raws

    async def _add_one(self, raw: bytes, *, wait: bool) -> Answer:
        began = self._clock.steady()
        placed: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._gathering.place(raw, placed)
        result = await placed
        outcome = self._outcome(began, result)
        if isinstance(outcome, TranslogError):
            raise outcome
        if wait and isinstance(result, Placed):
            return _logged(result, await self._prove([result]))
        return outcome

    def _outcome(self, began: float, result: Result) -> Answer | TranslogError:
        """Return what there is to say of one event, at once."""
        self._note(began, [result])
        if isinstance(result, Placed):
            return _logged(result, NO_PROOFS)
        return Answer(202, _held(result), JSON, NO_STORE) if isinstance(result, Held) else result

    async def _add_many(self, raws: Sequence[bytes], *, wait: bool) -> Answer:
        began = self._clock.steady()
        done: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._writer.submit(raws, partial(self._wakeups.deliver, done))
        results = await done
        self._note(began, results)
        for result in results:
            if isinstance(result, UnavailableError):
                self._complaints.tell(result)
        proofs = await self._prove(results) if wait else NO_PROOFS
        lines = [_any_line(result, proofs) for result in results]
        return Answer(200, b"".join(lines), NDJSON, NO_STORE)

    def _note(self, began: float, results: Sequence[Result]) -> None:
        self._metrics.adding.add(self._clock.steady() - began)
        events = self._metrics.events
        for result in results:
            if isinstance(result, Placed):
                events["duplicate" if result.duplicate else "added"] += 1
            elif isinstance(result, Held):
                events["held"] += 1
            else:
                events[result.code] += 1

    async def _prove(self, results: Sequence[Result]) -> Proofs:
        """Wait until all that was placed is published, and return its proofs."""
        indices = {result.index for result in results if isinstance(result, Placed)}
        if not indices:
            return NO_PROOFS
        checkpoint = await self._publishing.covering(max(indices))

        def prove(db: Connection) -> Proofs:
            return {
                index: orjson.dumps(reader.prove(db, index, checkpoint.note).encode().decode())
                for index in indices
            }

        return await self._readers.ask(prove)


def _logged(placed: Placed, proofs: Proofs) -> Answer:
    return Answer(200, _line(placed, proofs), JSON, NO_STORE)


def _any_line(result: Result, proofs: Proofs) -> bytes:
    if isinstance(result, Placed):
        return _line(result, proofs)
    if isinstance(result, Held):
        return _held(result)
    return orjson.dumps(brief(result), option=orjson.OPT_APPEND_NEWLINE)


def _held(result: Held) -> bytes:
    return b'{"held":true,"event_id":"%b"}\n' % result.event_id.encode()


def _line(placed: Placed, proofs: Proofs) -> bytes:
    proof = proofs.get(placed.index)
    return b'{"index":%d,"event_id":"%b","leaf_hash":"%b","duplicate":%b%b}\n' % (
        placed.index,
        placed.event_id.encode(),
        placed.leaf_hash.hex().encode(),
        b"true" if placed.duplicate else b"false",
        b"" if proof is None else b',"proof":' + proof,
    )


def _wants_published(query: bytes) -> bool:
    if query in (b"", b"wait=published"):
        return query != b""
    raise MalformedError(f"query is {query[:80]!r}, want wait=published or none")
