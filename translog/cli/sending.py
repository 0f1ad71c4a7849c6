"""Events to a log, here or behind a URL: in batches, in order, several on their way."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from translog.cli.params import is_url
from translog.cli.places import find_log, now
from translog.errors import BusyError, MalformedError, TranslogError, UnavailableError
from translog.formats import canonical
from translog.formats.strict import is_size, shown
from translog.log.moderation import Held
from translog.log.sequencer import Result
from translog.log.writer import Writer, open_writer
from translog.net.client import Client
from translog.pith.shape import is_event_id

MAX_ANSWER_BYTES = 4096  # for one event: the longest detail a server sends, and the rest
PART_EVENTS = 1024  # sent at once; a server takes 4,096 lines
PART_BYTES = 8 << 20  # the same; a server takes 16 MiB, and no event has more than 1 MiB
NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Where an event is in the log, as its server's answers say it."""

    index: int
    event_id: str
    leaf_hash: str
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why an event is not in the log."""

    code: str
    detail: str

    @property
    def stops(self) -> bool:
        """Whether the log, and not the event, is what is wrong: nothing more is worth sending."""
        return self.code in (UnavailableError.code, BusyError.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """An event that is right, and waits until the log's operator accepts it."""

    event_id: str


Answer = Added | Waits | Refused
Wait = Callable[[], list[Answer]]
Send = Callable[[Sequence[bytes]], Wait]
"""Send a batch; what is returned waits for one answer an event, in order."""


class Opened(NamedTuple):
    """A log that takes events.

    Attributes:
        send: to it.
        writer: who logs them, where that is this process.
    """

    send: Send
    writer: Writer | None


@contextmanager
def opened(place: str) -> Iterator[Opened]:
    """Open a log for adding, while the block runs. One in a directory is published at its end."""
    if is_url(place):
        # One thread: batches arrive in the order of the events.
        with Client(place) as client, ThreadPoolExecutor(1) as pool:
            yield Opened(lambda events: pool.submit(_post, client, events).result, None)
        return
    with open_writer(find_log(place), now) as writer:

        def send(events: Sequence[bytes]) -> Wait:
            done = threading.Event()
            results: list[Result] = []

            def deliver(delivered: list[Result]) -> None:
                results.extend(delivered)
                done.set()

            def wait() -> list[Answer]:
                done.wait()
                return [_answer(result) for result in results]

            writer.submit(events, deliver)
            return wait

        yield Opened(send, writer)


def refused(error: TranslogError) -> Refused:
    return Refused(code=error.code, detail=str(error))


def _answer(result: Result) -> Answer:
    if isinstance(result, TranslogError):
        return refused(result)
    if isinstance(result, Held):
        return Waits(event_id=result.event_id)
    return Added(
        index=result.index,
        event_id=result.event_id,
        leaf_hash=result.leaf_hash.hex(),
        duplicate=result.duplicate,
    )


def _post(client: Client, events: Sequence[bytes]) -> list[Answer]:
    """Send events in as many requests as a server's limits want; for no events, none."""
    return [answer for part in _parts(events) for answer in _post_part(client, part)]


def _parts(events: Sequence[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    held = 0
    for event in events:
        if part and (len(part) == PART_EVENTS or held + len(event) > PART_BYTES):
            yield part
            part, held = [], 0
        part.append(event)
        held += len(event) + 1
    if part:
        yield part


def _post_part(client: Client, events: Sequence[bytes]) -> list[Answer]:
    body = b"".join(event + b"\n" for event in events)
    raw = client.post("add", body, NDJSON, MAX_ANSWER_BYTES * len(events))
    lines = raw.splitlines()
    if len(lines) != len(events):
        raise MalformedError(f"server answers {len(lines)} lines to {len(events)} events")
    return [_read(line) for line in lines]


def _read(line: bytes) -> Answer:
    """Read one answer of a server, which is not trusted to give a right one."""
    value = canonical.parse(line, limit=MAX_ANSWER_BYTES)
    if type(value) is not dict:
        raise MalformedError(f"server answers {shown(value)}, want an object")
    error = value.get("error")
    if type(error) is dict:
        return Refused(code=_text(error, "code"), detail=_text(error, "detail"))
    if value.get("held") is True and is_event_id(value.get("event_id")):
        return Waits(event_id=value["event_id"])
    if (
        not is_size(value.get("index"))
        or not is_event_id(value.get("event_id"))
        or type(value.get("duplicate")) is not bool
    ):
        raise MalformedError(f"server answers {line[:80]!r}, want an index or an error")
    return Added(
        index=value["index"],
        event_id=value["event_id"],
        leaf_hash=_text(value, "leaf_hash"),
        duplicate=value["duplicate"],
    )


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if type(text) is not str:
        raise MalformedError(f"server answers {shown(value)}, want a text {name}")
    return text
