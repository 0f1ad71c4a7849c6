"""The ASGI application: hot paths first, all others in Starlette; errors become answers here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from translog.errors import BusyError, MissingError, TranslogError, UnavailableError
from translog.log.directory import LogDirectory
from translog.log.writer import Writer
from translog.server.adding import Adding
from translog.server.anchoring import Anchoring
from translog.server.anchors import Anchors
from translog.server.answers import Answer, Message, Receive, Scope, Send
from translog.server.deadline import Deadline
from translog.server.documents import PREFLIGHT, is_preflight
from translog.server.errors import InternalError, LateError, MethodError, problem
from translog.server.health import Health
from translog.server.indexing import Indexing
from translog.server.logs import LOGGER, Complaints
from translog.server.metrics import Metrics
from translog.server.negotiation import wants_page
from translog.server.proofs import Proofs
from translog.server.publishing import Publishing
from translog.server.readers import Readers
from translog.server.registry import Endpoint, build_registry
from translog.server.settings import Clock, Settings
from translog.server.site import Site
from translog.server.tiles import Tiles

READING = ("GET", "HEAD")
HOT_FILES = ("/add", "/checkpoint")
HOT_FOLDERS = ("/tile/", "/events/")

Refusal = Callable[[TranslogError], Answer]


class App:
    """One log's server. Only `build` makes one.

    Attributes:
        publishing: what is shown; its task runs from the lifespan's start to its end.
        paths: what Starlette routes, besides HOT_FILES and HOT_FOLDERS.
    """

    def __init__(
        self,
        *,
        adding: Adding,
        tiles: Tiles,
        publishing: Publishing,
        readers: Readers,
        metrics: Metrics,
        settings: Settings,
        complaints: Complaints,
        indexing: Indexing,
        site: Site,
        routes: dict[str, Endpoint],
    ) -> None:
        self.publishing = publishing
        self.paths = tuple(routes)
        self._indexing = indexing
        self._site = site
        self._adding = adding
        self._tiles = tiles
        self._readers = readers
        self._metrics = metrics
        self._settings = settings
        self._complaints = complaints
        self._known = {path.split("/")[1] for path in (*HOT_FILES, *HOT_FOLDERS, *routes)}
        self._starlette = Starlette(
            routes=[Route(path, self._guarded(answer)) for path, answer in routes.items()],
            # Starlette's types want a Response, and its code any ASGI application.
            exception_handlers={HTTPException: self._refuse},  # type: ignore[dict-item]
            lifespan=self._lifespan,
        )
        self._starlette.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._starlette(scope, receive, send)
            return
        path: str = scope["path"]
        if is_preflight(scope):
            await PREFLIGHT(scope, receive, send)
            return
        if path in HOT_FILES or path.startswith(HOT_FOLDERS):
            answer = await self._made(self._hot(scope, receive), problem)
            self._count(path, answer.status)
            await answer(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(path, message["status"])
            await send(message)

        await self._starlette(scope, receive, counting)

    def add_one(self, scope: Scope, raw: bytes, give: Callable[[Answer], None]) -> None:
        """Answer POST /add of one event, whose body is there, without ASGI: `give` gets it, once.

        Args:
            scope: of the request, as far as its client and headers.
        """

        def tell(outcome: Answer | Exception) -> None:
            answer = outcome if isinstance(outcome, Answer) else self._refused(outcome, problem)
            self._count("/add", answer.status)
            give(answer)

        self._adding.begin(scope, raw, tell)

    async def _hot(self, scope: Scope, receive: Receive) -> Answer:
        path: str = scope["path"]
        if path == "/add":
            return await self._adding.answer(scope, receive)
        if scope["method"] not in READING:
            raise MethodError(scope["method"], ", ".join(READING))
        if path == "/checkpoint":
            return self.publishing.answer
        return await self._tiles.answer(scope)

    async def _made(self, answer: Awaitable[Answer], refusal: Refusal) -> Answer:
        """Return an answer, or the one that says why there is none."""
        try:
            return await answer
        except Exception as error:  # noqa: BLE001  # one request fails, and nothing else
            return self._refused(error, refusal)

    def _refused(self, error: Exception, refusal: Refusal) -> Answer:
        if not isinstance(error, TranslogError):  # a bug: the server's log says where
            LOGGER.error("a request failed by a bug", exc_info=error)
            return refusal(InternalError("the request failed; the server's log says why"))
        if isinstance(error, UnavailableError) and not isinstance(error, BusyError):
            self._complaints.tell(error)
        return refusal(error)

    def _guarded(self, answer: Endpoint) -> Endpoint:
        async def timed(request: Request) -> Answer:
            try:
                with Deadline(self._settings.request_seconds):
                    return await answer(request)
            except TimeoutError as error:
                raise LateError(f"no answer within {self._settings.request_seconds:g} s") from error

        async def endpoint(request: Request) -> Answer:
            return await self._made(timed(request), partial(self._refusal, request))

        return endpoint

    def _refusal(self, request: Request, error: TranslogError) -> Answer:
        """Return the answer that says an error: a page to who asks for pages."""
        if wants_page(request.headers.get("accept")):
            return self._site.refusal(error, request.scope)
        return problem(error)

    async def _refuse(self, request: Request, error: Exception) -> Answer:
        """Answer for what Starlette finds no endpoint for."""
        if isinstance(error, HTTPException) and error.status_code == 405:
            return self._refusal(request, MethodError(request.method, ", ".join(READING)))
        path = request.url.path[:80]
        return self._refusal(request, MissingError(f"path {path!r} is not one of this server's"))

    def _count(self, path: str, status: int) -> None:
        first = path[1:].partition("/")[0]
        self._metrics.requests[first if first in self._known else "other", status] += 1

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self.publishing.run())
        async with self._indexing.running():
            yield
        self.publishing.stop()
        await task
        self.close()

    def close(self) -> None:
        """Close the readers: for tests that run no lifespan."""
        self._readers.close()


def build(
    writer: Writer,
    directory: LogDirectory,
    settings: Settings,
    clock: Clock,
    anchoring: Anchoring | None = None,
) -> App:
    """Make the application of a log that is open for writing, and show its newest head.

    Args:
        anchoring: what runs beside it, if the log is anchored.

    Raises:
        VerificationError, UnavailableError: there is no head that can be shown.
    """
    metrics = Metrics()
    anchoring = anchoring or Anchoring(directory, None)
    publishing = Publishing(writer, clock, metrics, settings.publish_interval_seconds)
    readers = Readers(directory)
    complaints = Complaints(clock.steady)
    registry = build_registry(directory, publishing, readers, settings, clock, anchoring)
    adding = Adding(
        writer=writer,
        publishing=publishing,
        readers=readers,
        metrics=metrics,
        settings=settings,
        clock=clock,
    )
    return App(
        adding=adding,
        tiles=Tiles(publishing, readers),
        publishing=publishing,
        readers=readers,
        metrics=metrics,
        settings=settings,
        complaints=complaints,
        indexing=Indexing(directory, publishing, complaints, lambda: writer.waiting, clock.steady),
        site=registry.site,
        routes={
            **_routes(
                Proofs(publishing, readers),
                Anchors(publishing, readers, directory.verifier, anchoring),
                Health(writer, publishing, metrics, anchoring),
            ),
            **registry.routes,
        },
    )


def _routes(proofs: Proofs, anchors: Anchors, health: Health) -> dict[str, Endpoint]:
    return {
        "/event/{digits}.ots": anchors.event,
        "/anchors.json": anchors.listed,
        "/anchors/{name}": anchors.checkpoint,
        "/proof/inclusion": proofs.inclusion,
        "/proof/consistency": proofs.consistency,
        "/proof/{name}": proofs.text,
        "/healthz": health.alive,
        "/readyz": health.ready,
        "/metrics": health.metrics,
    }
