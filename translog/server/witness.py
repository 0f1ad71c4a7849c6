"""A witness as an ASGI application: c2sp.org/tlog-witness over HTTP.

POST /add-checkpoint
GET  /<hex SHA-256 of the origin>/checkpoint
GET  /healthz, /readyz, /metrics
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from translog.errors import (
    BusyError,
    ConsistencyError,
    MissingError,
    TranslogError,
    UnavailableError,
)
from translog.formats.witnessing import MAX_REQUEST_BYTES, SIZE_TYPE, format_size
from translog.server.answers import (
    ANYONE,
    BRIEF,
    JSON,
    NO_STORE,
    TEXT,
    Answer,
    Receive,
    Scope,
    Send,
)
from translog.server.cosigning import Cosigning, Result
from translog.server.deadline import Deadline
from translog.server.errors import (
    MAX_DETAIL_CHARS,
    InternalError,
    LateError,
    MethodError,
    SlowError,
    headers_of,
    kind_of,
)
from translog.server.logs import LOGGER, Complaints
from translog.server.metrics import MEDIA_TYPE
from translog.server.rates import Rates, client_of
from translog.server.receiving import Receiving
from translog.server.settings import Clock, Settings
from translog.server.witness_metrics import WitnessMetrics
from translog.store.witness import Records
from translog.verify.witness import StaleError

READING = ("GET", "HEAD")
ORIGIN_HASH = re.compile(r"[0-9a-f]{64}")
UNPROCESSABLE = 422


class WitnessApp:
    """One witness's server. Its caller closes `cosigning` and `records`."""

    def __init__(
        self, cosigning: Cosigning, records: Records, settings: Settings, clock: Clock
    ) -> None:
        """Answer with what `cosigning` signs, and with what `records`, a reader, has."""
        self._cosigning = cosigning
        self._records = records
        self._settings = settings
        self._clock = clock
        self._receiving = Receiving(settings)
        self._rates = Rates(settings.events_per_second, clock.steady, "requests")
        self._complaints = Complaints(clock.steady)
        self._metrics = WitnessMetrics(cosigning)
        routes: dict[str, tuple[Callable[[Request], Awaitable[Answer]], tuple[str, ...]]] = {
            "/add-checkpoint": (self._add, ("POST",)),
            "/{origin_hash}/checkpoint": (self._show, READING),
            "/healthz": (self._alive, READING),
            "/readyz": (self._ready, READING),
            "/metrics": (self._counts, READING),
        }
        self._starlette = Starlette(
            routes=[
                Route(path, self._answering(path, answer, allowed), methods=ALL_METHODS)
                for path, (answer, allowed) in routes.items()
            ],
            # Starlette's types want a Response, and its code any ASGI application.
            exception_handlers={HTTPException: self._unrouted},  # type: ignore[dict-item]
            lifespan=_lifespan,
        )
        self._starlette.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._starlette(scope, receive, send)

    async def _add(self, request: Request) -> Answer:
        """POST /add-checkpoint."""
        headers = dict(request.scope["headers"])
        client = client_of(request.scope, headers, self._settings.trusted_proxies)
        self._rates.check(client)
        self._rates.charge(client, 1)
        began = self._clock.steady()
        raw: bytes | None = None
        try:
            with Deadline(self._settings.request_seconds):
                raw = await self._receiving.body(headers, request.receive, MAX_REQUEST_BYTES)
                result = await self._cosign(raw)
        except TimeoutError as error:
            seconds = f"{self._settings.request_seconds:g} s"
            if raw is None:
                raise SlowError(f"body was not all there within {seconds}") from error
            late = f"no answer within {seconds}; it may be cosigned all the same"
            raise LateError(late) from error
        self._metrics.cosigning.add(self._clock.steady() - began)
        if isinstance(result, TranslogError):
            raise result
        return Answer(200, result, TEXT, NO_STORE)

    async def _cosign(self, raw: bytes) -> Result:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()

        def settle(result: Result) -> None:
            if not done.done():  # it is when its request has been given up
                done.set_result(result)

        self._cosigning.submit(raw, lambda result: _tell(loop, settle, result))
        return await done

    async def _show(self, request: Request) -> Answer:
        """GET /<origin hash>/checkpoint: what was cosigned last of a log."""
        origin_hash: str = request.path_params["origin_hash"]
        if ORIGIN_HASH.fullmatch(origin_hash) is None:
            raise MissingError(f"path {request.url.path[:80]!r} is not one of this server's")
        # In the event loop itself: it is one row by its key (docs/decisions/0010).
        note = self._records.read_note(bytes.fromhex(origin_hash))
        if not note:
            # SPEC tlog-witness: "If the witness has never cosigned a checkpoint for that log, it
            # MUST respond with a "404 Not Found" HTTP status code instead."
            raise MissingError(f"no head was cosigned of a log with the hash {origin_hash}")
        return Answer(200, note, TEXT, BRIEF, ANYONE)

    async def _alive(self, request: Request) -> Answer:
        return Answer(200, b"ok\n", TEXT, NO_STORE)

    async def _ready(self, request: Request) -> Answer:
        if self._cosigning.stopped is not None:
            raise LateError("nothing is cosigned until the witness is started again")
        vkeys = [cosigner.vkey for cosigner in self._cosigning.cosigners]
        return Answer(200, orjson.dumps({"ready": True, "keys": vkeys}), JSON, NO_STORE)

    async def _counts(self, request: Request) -> Answer:
        return Answer(200, self._metrics.text(), MEDIA_TYPE, NO_STORE)

    def _answering(
        self, path: str, answer: Callable[[Request], Awaitable[Answer]], allowed: tuple[str, ...]
    ) -> Callable[[Request], Awaitable[Answer]]:
        async def endpoint(request: Request) -> Answer:
            try:
                if request.method not in allowed:
                    raise MethodError(request.method, ", ".join(allowed))
                made = await answer(request)
            except TranslogError as error:
                if isinstance(error, UnavailableError) and not isinstance(error, BusyError):
                    self._complaints.tell(error)
                made = refusal(error)
            except Exception:  # noqa: BLE001  # a bug: one request fails, and the log says where
                LOGGER.exception("a bug, in the answer to %s", path)
                made = refusal(InternalError("a fault of the server"))
            self._metrics.answers[path.rpartition("/")[2], made.status] += 1
            return made

        return endpoint

    async def _unrouted(self, request: Request, error: Exception) -> Answer:
        self._metrics.answers["other", 404] += 1
        return refusal(MissingError(f"path {request.url.path[:80]!r} is not one of this server's"))


ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def refusal(error: TranslogError) -> Answer:
    """Return the answer that says why nothing was cosigned: a line of text."""
    if isinstance(error, StaleError):
        # SPEC tlog-witness: "The response body MUST consist of the tree size of the latest cosigned
        # checkpoint in decimal, followed by a newline (U+000A). The response MUST have a
        # `Content-Type` of `text/x.tlog.size`."
        return Answer(409, format_size(error.size), SIZE_TYPE, NO_STORE)
    # SPEC: "the witness MUST respond with a "422 Unprocessable Entity" HTTP status code" to every
    # head that does not continue the last. All others have the status they have everywhere.
    status = UNPROCESSABLE if isinstance(error, ConsistencyError) else kind_of(error).status
    hidden = type(error) is UnavailableError  # it names what is on this machine
    text = "the witness cannot do this now; its log says why" if hidden else str(error)
    body = f"{text[:MAX_DETAIL_CHARS]}\n".encode("utf-8", "replace")
    return Answer(status, body, TEXT, NO_STORE, *headers_of(error))


def _tell(
    loop: asyncio.AbstractEventLoop, settle: Callable[[Result], None], result: Result
) -> None:
    try:
        loop.call_soon_threadsafe(settle, result)
    except RuntimeError:
        LOGGER.warning("a client is gone before its answer")  # the loop has ended


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
