"""What watches a server asks: is it up, does it take events, what has it done?"""

from collections.abc import Callable

import orjson
from starlette.requests import Request

from translog.errors import UnavailableError
from translog.log.cosigning import Standing
from translog.log.publication import Quorum
from translog.log.writer import Writer
from translog.server.anchoring import Anchoring
from translog.server.answers import JSON, NO_STORE, TEXT, Answer
from translog.server.errors import LateError
from translog.server.metrics import MEDIA_TYPE, Metrics
from translog.server.publishing import Publishing


class Health:
    """What answers for the server itself."""

    def __init__(
        self, writer: Writer, publishing: Publishing, metrics: Metrics, anchoring: Anchoring
    ) -> None:
        self._anchoring = anchoring
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
        metrics.watch_all(anchoring.families)
        if writer.quorum is not None:
            self._watch_witnesses()

    def _watch_witnesses(self) -> None:
        watch, watch_each = self._metrics.watch, self._metrics.watch_each
        watch(
            "translog_quorum",
            "1 while enough witnesses have cosigned the newest signed head",
            self._whether(lambda quorum: quorum.is_met),
        )
        watch(
            "translog_held",
            "1 while the newest signed head is not shown, for want of witnesses",
            self._whether(lambda quorum: quorum.held is not None),
        )
        watch_each(
            "translog_witness_size",
            "Leaves under the newest head that a witness cosigned",
            "witness",
            self._of_each(lambda one: one.size),
        )
        watch_each(
            "translog_witness_failures",
            "Attempts in a row in which a witness failed",
            "witness",
            self._of_each(lambda one: one.failures),
        )

    def _whether(self, read: Callable[[Quorum], bool]) -> Callable[[], float]:
        return lambda: float((quorum := self._writer.quorum) is not None and read(quorum))

    def _of_each(self, read: Callable[[Standing], float]) -> Callable[[], dict[str, float]]:
        def values() -> dict[str, float]:
            quorum = self._writer.quorum
            witnesses = [] if quorum is None else quorum.witnesses
            return {name: read(one) for one in witnesses for name in one.names}

        return values

    async def alive(self, request: Request) -> Answer:
        """GET /healthz: the process runs, and its event loop turns."""
        return Answer(200, b"ok\n", TEXT, NO_STORE)

    async def ready(self, request: Request) -> Answer:
        """GET /readyz: events are taken and heads are signed."""
        trouble = self._trouble()
        if trouble is not None:
            raise LateError(trouble) from self._writer.stopped
        value: dict[str, object] = {
            "ready": True,
            "size": self._publishing.checkpoint.size,
            "anchoring": self._anchoring_word(),  # told, and no reason not to be ready
        }
        quorum = self._writer.quorum
        if quorum is not None:
            value["quorum"] = {
                "met": quorum.is_met,
                "witnesses": [
                    {"names": each.names, "size": each.size, "failures": each.failures}
                    for each in quorum.witnesses
                ],
            }
        return Answer(200, orjson.dumps(value), JSON, NO_STORE)

    def _anchoring_word(self) -> str:
        if not self._anchoring.is_on:
            return "off"
        return "waiting" if self._anchoring.status.waiting else "working"

    async def metrics(self, request: Request) -> Answer:
        """GET /metrics, in Prometheus's text format."""
        return Answer(200, self._metrics.text(), MEDIA_TYPE, NO_STORE)

    def _trouble(self) -> str | None:
        if self._writer.stopped is not None:
            # The reason, which may be the disk's, is the operator's.
            return "no events are taken until the server is started again; its own log says why"
        if self._publishing.failed is not None:
            return "the last turn of the publisher failed"
        quorum = self._writer.quorum
        if self._publishing.is_late and quorum is not None and quorum.held is not None:
            return f"the newest head is held: {quorum.held}"
        if self._publishing.is_late:
            return f"no turn of the publisher for {self._publishing.age_seconds:.0f} s"
        try:
            self._writer.require_room()
        except UnavailableError:  # names paths of this machine, which are not told here
            return "every event is refused: the log's disk is almost full, or cannot be asked"
        return None
