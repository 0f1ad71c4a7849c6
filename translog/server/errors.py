"""Errors as HTTP says them: RFC 9457 problems. The one place that knows status codes of errors."""

from typing import NamedTuple

import orjson

from translog.errors import (
    AmbiguousError,
    BusyError,
    ConflictError,
    ForbiddenError,
    HashError,
    MalformedError,
    MissingError,
    SignatureError,
    SubjectError,
    TooLargeError,
    TranslogError,
    UnavailableError,
    UnknownKeyError,
    VerificationError,
)
from translog.server.answers import ANYONE, NO_STORE, Answer, Header
from translog.server.negotiation import UnacceptableError

PROBLEM = "application/problem+json"
MAX_DETAIL_CHARS = 1_000


class MethodError(MalformedError):
    """The resource is there, and this cannot be done to it."""

    code = "method-not-allowed"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"method is {method[:20]!r}, want {allowed}")
        self.allowed = allowed


class MediaTypeError(MalformedError):
    """The body is of a kind that is not read here."""

    code = "unsupported-media-type"


class HeadError(MalformedError):
    """The request's first line and headers are more than is read here."""

    code = "head-too-large"


class SlowError(MalformedError):
    """The body did not come in time."""

    code = "request-timeout"


class RateError(BusyError):
    """This client asks for more than its share."""

    code = "rate-limited"

    def __init__(self, detail: str, after_seconds: int) -> None:
        super().__init__(detail)
        self.after_seconds = after_seconds


class LateError(UnavailableError):
    """The answer is not there in time, and what that means can be told."""


class DamagedError(UnavailableError):
    """What is stored is not what was stored."""


class InternalError(TranslogError):
    """A bug of ours. What it is stands in the log, and is nobody else's business."""

    code = "internal"


class Kind(NamedTuple):
    """How one class of errors is said.

    Attributes:
        status: of HTTP.
        title: the same for every error of the class.
        help: what its reader can do.
    """

    status: int
    title: str
    help: str


_EVENT_HELP = "Make the event again from its source and sign it; docs/formats/event.md says how."
_LATER = "Send it again in a moment. An event that was logged meanwhile keeps its place."

KINDS: dict[type[TranslogError], Kind] = {
    MalformedError: Kind(
        400, "Not in the format wanted", "Compare it with docs/api.md and docs/formats."
    ),
    TooLargeError: Kind(413, "Too large", "Send less at once; docs/api.md lists the limits."),
    MethodError: Kind(405, "Method not allowed", "Use a method that the Allow header names."),
    MediaTypeError: Kind(
        415, "Media type not read here", "Send application/json or application/x-ndjson."
    ),
    SlowError: Kind(408, "Request took too long", "Send it again, over a faster line or in parts."),
    HeadError: Kind(
        431,
        "Request head too large",
        "Send fewer or shorter headers; docs/api.md lists the limits.",
    ),
    VerificationError: Kind(400, "A check failed", _EVENT_HELP),
    HashError: Kind(400, "Hash or id is not that of the content", _EVENT_HELP),
    SignatureError: Kind(400, "Signature is not that of the event", _EVENT_HELP),
    SubjectError: Kind(400, "Subject is not that of the record", _EVENT_HELP),
    ForbiddenError: Kind(
        403, "Key may not write this", "Ask the log's operator to allow it: `translog keys allow`."
    ),
    UnknownKeyError: Kind(
        403, "Key is not known here", "Ask the log's operator to allow it: `translog keys allow`."
    ),
    MissingError: Kind(
        404, "Not there", "See docs/api.md for the paths; /checkpoint says how large the log is."
    ),
    AmbiguousError: Kind(
        300, "Several have this name", "Ask for one of `candidates` by its whole Pith Number."
    ),
    UnacceptableError: Kind(
        406, "Not in a form you take", "Send another Accept header, or none; see docs/api.md."
    ),
    ConflictError: Kind(409, "Stale", "Read the log's newest state and try again from there."),
    UnavailableError: Kind(
        503, "Not available now", f"{_LATER} If it lasts, tell the log's operator."
    ),
    BusyError: Kind(503, "Too much at once", _LATER),
    RateError: Kind(429, "Too much from one client", "Wait as long as Retry-After says."),
    InternalError: Kind(500, "A fault of the server", "Tell the log's operator when it was."),
}
RETRY_SECONDS = {BusyError: 1, UnavailableError: 5}


def kind_of(error: TranslogError) -> Kind:
    """Return how an error is said: as the nearest of its classes that is in the table."""
    return next(KINDS[of] for of in type(error).__mro__ if of in KINDS)


def detail_of(error: TranslogError) -> str:
    """Return what a stranger may read of an error.

    What disk and database say names paths of this machine: that is for its operator.
    """
    if type(error) is UnavailableError or isinstance(error, DamagedError):
        return "the log cannot do this now; its operator finds the reason in the server's log"
    return str(error)[:MAX_DETAIL_CHARS]


def brief(error: TranslogError) -> dict[str, dict[str, str]]:
    """Return an error as it stands in one line among others."""
    return {"error": {"code": error.code, "detail": detail_of(error)}}


def problem(error: TranslogError) -> Answer:
    """Return the answer that says an error. No cache keeps it."""
    kind = kind_of(error)
    body: dict[str, object] = {
        "title": kind.title,
        "status": kind.status,
        "code": error.code,
        "detail": detail_of(error),
        "help": kind.help,
    }
    if isinstance(error, AmbiguousError):
        body["candidates"] = error.candidates
    return Answer(kind.status, orjson.dumps(body), PROBLEM, NO_STORE, ANYONE, *headers_of(error))


def late(seconds: float) -> LateError:
    """Return what a client is told whose event is not placed in time."""
    return LateError(f"no answer within {seconds:g} s; the events may be logged all the same")


def headers_of(error: TranslogError) -> list[Header]:
    """Return what an error says in headers: when to come again, or how."""
    if isinstance(error, MethodError):
        return [(b"allow", error.allowed.encode())]
    if isinstance(error, RateError):
        return [(b"retry-after", b"%d" % error.after_seconds)]
    return [
        (b"retry-after", b"%d" % seconds)
        for of, seconds in list(RETRY_SECONDS.items())
        if isinstance(error, of)
    ][:1]
