"""Documents that are sent plain or packed, or not at all to who has them already.

Spec: RFC 9110 sections 8.8 and 13 (validators and conditional requests).
"""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256

from starlette.requests import Request

from translog.server.answers import ANYONE, BRIEF, GZIP, Answer, Header, Scope, squeezed, takes_gzip

BY_ACCEPT = b"accept, accept-encoding"  # what else an answer would have been another for
TAG_DIGITS = 32
MIN_PACKED_BYTES = 512  # below, a packet is a packet
# What scripts of other pages may read besides the few headers they always may.
EXPOSED: Header = (b"access-control-expose-headers", b"etag, link")

# Answers whatever a browser asks before a script of another page reads with conditions of its own.
PREFLIGHT = Answer(
    204,
    b"",
    "",
    ANYONE,
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"accept, if-modified-since, if-none-match"),
    (b"access-control-max-age", b"86400"),
)


def is_preflight(scope: Scope) -> bool:
    """Say whether a browser asks what a script of another page may do here: it may read.

    Spec: Fetch standard, "CORS-preflight request". Adding is no reading, and gets no such answer.
    """
    return (
        scope["method"] == "OPTIONS"
        and scope["path"] != "/add"
        and any(name == b"access-control-request-method" for name, _ in scope["headers"])
    )


class Document:
    """One form of a document, ready to be sent.

    Attributes:
        plain: as it is.
        packed: in gzip; the same as `plain` where that would save nothing.
        changed_at: POSIX seconds, or None where nobody knows.
    """

    __slots__ = ("_headers", "_tags", "changed_at", "packed", "plain")

    def __init__(
        self,
        body: bytes,
        media_type: str,
        *headers: Header,
        changed_at: int | None = None,
        vary: bytes = b"accept-encoding",
        cache: Header = BRIEF,
    ) -> None:
        self.changed_at = changed_at
        digest = sha256(body).hexdigest()[:TAG_DIGITS].encode()
        # A strong tag names bytes: those of the packed form are others.
        self._tags = (b'"%b"' % digest, b'"%b-gzip"' % digest)
        self._headers: list[Header] = [cache, ANYONE, EXPOSED, (b"vary", vary), *headers]
        if changed_at is not None:
            self._headers.append((b"last-modified", http_date(changed_at)))
        tagged = [*self._headers, (b"etag", self._tags[0])]
        self.plain = self.packed = Answer(200, body, media_type, *tagged)
        if len(body) >= MIN_PACKED_BYTES:
            tagged = [*self._headers, (b"etag", self._tags[1])]
            self.packed = Answer(200, squeezed(body), media_type, GZIP, *tagged)

    @property
    def held_bytes(self) -> int:
        """What keeping it takes."""
        return len(self.plain.body) + len(self.packed.body)

    def answer(self, request: Request) -> Answer:
        """Return what this client gets: the document, or that it has it already."""
        packed = takes_gzip(request.headers.get("accept-encoding", "").encode("latin-1"))
        chosen = self.packed if packed else self.plain
        if not self._is_known(request):
            return chosen
        tag = self._tags[chosen is not self.plain]
        return Answer(304, b"", "", *self._headers, (b"etag", tag))

    def _is_known(self, request: Request) -> bool:
        tags = request.headers.get("if-none-match")
        if tags is not None:  # a date beside tags counts for nothing
            known = {
                each.strip().removeprefix(b"W/") for each in tags.encode("latin-1").split(b",")
            }
            return b"*" in known or not known.isdisjoint(self._tags)
        since = _seconds(request.headers.get("if-modified-since"))
        return since is not None and self.changed_at is not None and self.changed_at <= since


def http_date(seconds: int) -> bytes:
    """Return a time as HTTP writes it."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True).encode()


def seconds_of(time: str) -> int:
    """Return a time as documents write it, such as 2026-05-17T23:38:53Z, in POSIX seconds."""
    return int(datetime.fromisoformat(time).timestamp())


def _seconds(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).replace(tzinfo=UTC).timestamp()  # always GMT in HTTP
    except (ValueError, OverflowError):
        return None  # as if it were not there
