"""What watches a server asks: is it up, does it take events, what has it done?"""

import orjson
from starlette.requests import Request

from translog.errors import UnavailableError
from translog.log.writer import Writer
from translog.server.answers import JSON, NO_STORE, TEXT, Answer
from translog.server.errors import LateError
from translog.server.metrics import MEDIA_TYPE, Metrics
from translog.server.publishing import Publishing


class Health:
    """What answers for the server itself."""

    def __init__(self, writer: Writer, publishing: Publishing, metrics: Metrics) -> None:
        self._writer = writer
        self._publishing = publishing
        self._metrics = metrics
        for name, explanation, read in (
            ("events_waiting", "Events taken in and not yet durable", lambda: writer.waiting),
            ("log_size", "Durable leaves", lambda: writer.head.size),
            (
                "published_size",
                "Leaves under the shown checkpoint",
                lambda: publishing.checkpoint.size,
            ),
            (
                "checkpoint_age_seconds",
                "Since the shown checkpoint was known to be the newest",
                lambda: publishing.age_seconds,
            ),
            ("ready", "1 while events are taken", lambda: float(self._trouble() is None)),
        ):
            metrics.watch(f"translog_{name}", explanation, read)

    async def alive(self, request: Request) -> Answer:
        """GET /healthz: the process runs, and its event loop turns."""
        return Answer(200, b"ok\n", TEXT, NO_STORE)

    async def ready(self, request: Request) -> Answer:
        """GET /readyz: events are taken and heads are signed."""
        trouble = self._trouble()
        if trouble is not None:
            raise LateError(trouble)
        size = self._publishing.checkpoint.size
        return Answer(200, orjson.dumps({"ready": True, "size": size}), JSON, NO_STORE)

    async def metrics(self, request: Request) -> Answer:
        """GET /metrics, in Prometheus's text format."""
        return Answer(200, self._metrics.text(), MEDIA_TYPE, NO_STORE)

    def _trouble(self) -> str | None:
        if self._writer.stopped is not None:
            return "the log takes no more events until it is opened again: its disk failed"
        if self._publishing.failed is not None:
            return "the last turn of the publisher failed"
        if self._publishing.is_late:
            return f"no turn of the publisher for {self._publishing.age_seconds:.0f} s"
        try:
            self._writer.require_room()
        except UnavailableError:  # names paths of this machine, which are not told here
            return "every event is refused: the log's disk is almost full, or cannot be asked"
        return None
