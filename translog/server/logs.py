"""The server's own log: one JSON object a line, on standard error."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import orjson

from translog.errors import TranslogError
from translog.server.errors import LateError

LOGGER = logging.getLogger("translog.server")
SECONDS_BETWEEN_COMPLAINTS = 1.0


class JsonFormatter(logging.Formatter):
    """A record as one line; `extra={"fields": {…}}` adds members to it."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


@contextmanager
def written() -> Iterator[None]:
    """While the block runs, write what the server says, and what uvicorn warns of."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    before = []
    for name, level in ((LOGGER.name, logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        before.append((logger, logger.level, logger.propagate))
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class Complaints:
    """Errors that come in crowds when something is down: one a second is written."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._next = float("-inf")

    def tell(self, error: TranslogError) -> None:
        now = self._steady()
        if now >= self._next:
            self._next = now + SECONDS_BETWEEN_COMPLAINTS
            # What a stranger may read of it can have a reason that only its operator reads.
            reason = str(error.__cause__ or "") if isinstance(error, LateError) else ""
            LOGGER.error("%s: %s%s", error.code, error, reason and f": {reason}")
