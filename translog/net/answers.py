"""Which error an HTTP answer stands for: docs/api.md, "Errors", read backwards."""

import json

from translog.errors import (
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

PROBLEM = "application/problem+json"
MAX_PROBLEM_BYTES = 64 << 10
MAX_DETAIL_CHARS = 500

# What a server may say about a request. Not the errors that mean "this log has lied": those are
# concluded from evidence here, and never because somebody at the other end says so.
_BY_CODE: dict[str, type[TranslogError]] = {
    kind.code: kind
    for kind in (
        MalformedError,
        TooLargeError,
        VerificationError,
        HashError,
        SignatureError,
        SubjectError,
        ForbiddenError,
        UnknownKeyError,
        MissingError,
        ConflictError,
        UnavailableError,
        BusyError,
    )
}


def error_of(status: int, content_type: str, body: bytes, what: str) -> TranslogError:
    """Return the error that an answer other than 200 stands for.

    Args:
        body: its first MAX_PROBLEM_BYTES at most.
        what: names the request.
    """
    code, detail = _problem(body) if content_type.partition(";")[0].strip() == PROBLEM else ("", "")
    said = f"{what} answered {status}" + (f": {detail[:MAX_DETAIL_CHARS]!r}" if detail else "")
    if status in (300, 404, 410):
        return MissingError(said)
    if status in (429, 503):
        return BusyError(said)
    if 300 <= status < 400:
        return MalformedError(
            f"{said}, a redirect: give the address where it leads, if you trust it"
        )
    if 400 <= status < 500 and code in _BY_CODE:
        return _BY_CODE[code](said)
    return UnavailableError(said)


def _problem(body: bytes) -> tuple[str, str]:
    """Return the code and the detail of problem+json, or empty strings for anything else."""
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if type(problem) is not dict:
        return "", ""
    code, detail = problem.get("code"), problem.get("detail")
    return (code if type(code) is str else "", detail if type(detail) is str else "")
