"""OpenTimestamps calendars: submit a digest to several, ask later for the path to a Bitcoin block.

Spec: github.com/opentimestamps/opentimestamps-server, `otsserver/rpc.py`. POST /digest takes the
raw bytes and gives a timestamp that ends in a pending attestation; GET /timestamp/<hex> gives the
rest, or 404 and a reason. No 404 is final: calendars forget for a moment what they just took.

Rules:

1. Each is asked once, all at the same time; who asks again, when and how often is the caller's.
2. An answer has at most 10,000 bytes and is a whole timestamp. That it is one of what was asked
   for, only a block can show: a timestamp does not name its message. Of the answer to a digest,
   one promise is kept, and nothing else that it may say.
3. A pending attestation may come from a stranger's file. Only calendars that are listed are
   asked, at exactly the listed scheme, host and port, and no redirect leads elsewhere.
"""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

from translog.bitcoin.attestation import Pending
from translog.bitcoin.ots import Timestamp
from translog.errors import MalformedError, TranslogError, UnavailableError, UnlistedError
from translog.formats.strict import shown
from translog.net.exchange import Answer, Exchange, refusal
from translog.net.health import Health

PUBLIC = (
    "https://a.pool.opentimestamps.org",
    "https://b.pool.opentimestamps.org",
    "https://a.pool.eternitywall.com",
    "https://ots.btc.catallaxy.com",
)
"""Where the public calendars take digests."""

PUBLIC_LISTED = (
    "https://*.calendar.opentimestamps.org",
    "https://*.calendar.eternitywall.com",
    "https://*.calendar.catallaxy.com",
)
"""What their pending attestations name, as the reference client lists it."""

MAX_ANSWER_BYTES = 10_000
MAX_DIGEST_BYTES = 64
MAX_URI_CHARS = 1000
MAX_AT_ONCE = 16
GRACE_SECONDS = 1.0  # for an answer that was all there in time to be read
ACCEPT = {"Accept": "application/vnd.opentimestamps.v1", "Accept-Encoding": "identity"}
RAW = {"Content-Type": "application/octet-stream"}

# No user, query, escape or capital: what names a calendar has one spelling.
_URI = re.compile(
    r"(?P<scheme>https?)://(?P<host>(?:\*\.)?[0-9a-z](?:[0-9a-z.-]*[0-9a-z])?)"
    r"(?P<port>:[1-9][0-9]{0,4})?(?P<path>(?:/[0-9A-Za-z_-][0-9A-Za-z._-]*)*)/?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendars:
    """Which calendars are used, and how.

    Attributes:
        urls: where digests are submitted.
        listed: what else pending attestations may name, apart from `urls`. A host may begin with
            `*.`, which stands for one or more labels.
        need: how many calendars must take a digest for it to count as submitted.
        timeout_seconds: for one calendar, from looking up its name to the last byte.
    """

    urls: tuple[str, ...] = PUBLIC
    listed: tuple[str, ...] = PUBLIC_LISTED
    need: int = 2
    timeout_seconds: float = 15.0

    def __post_init__(self) -> None:
        """Check what stands in a configuration.

        Raises:
            MalformedError: an address that is not one, or more calendars needed than there are.
        """
        for url in self.urls:
            if _parts(url) is None or "*" in url:
                raise MalformedError(f"calendar is {shown(url)}, want http(s)://host")
        for uri in self.listed:
            if _parts(uri) is None:
                raise MalformedError(f"listed calendar is {shown(uri)}, want http(s)://host")
        count = len({_parts(url) for url in self.urls})
        if count < len(self.urls):
            raise MalformedError(f"calendars are {shown(self.urls)}: one is there twice")
        if not 1 <= self.need <= count:
            raise MalformedError(
                f"{self.need} calendars needed, want from 1 to the {count} there are"
            )

    def lists(self, uri: str) -> bool:
        """Tell whether a calendar that some file names may be asked."""
        found = _parts(uri)
        if found is None or "*" in uri:
            return False
        return any(_covers(_parts(listed), found) for listed in (*self.urls, *self.listed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of asking one calendar once.

    Attributes:
        calendar: its address.
        seconds: how long it took.
        found: a timestamp of what was asked for, in which nothing is verified; None if there is
            none yet; or why there is no answer: the calendar, the network, or it is not listed.
    """

    calendar: str
    seconds: float
    found: Timestamp | TranslogError | None

    def noted(self, health: Health, now: int) -> Health:
        """Return how the calendar has done with this reply. That there is none yet is an answer."""
        if isinstance(self.found, TranslogError):
            return health.failed_in(self.seconds)
        return health.answered_in(self.seconds, now)


Ask = Callable[[str], Timestamp | None]


def submit(calendars: Calendars, urls: Sequence[str], digest: bytes) -> tuple[Reply, ...]:
    """Give a digest to some calendars at once; one reply for each, in their order.

    May be called again with the same digest: each time makes another timestamp of it.

    Args:
        urls: of `calendars.urls`, those that are to be asked.
        digest: of 1 to 64 bytes. Everybody can learn it.
    """
    if not 1 <= len(digest) <= MAX_DIGEST_BYTES:
        raise ValueError(f"digest has {len(digest)} bytes, want 1 to {MAX_DIGEST_BYTES}")

    ask = partial(_submitted, calendars=calendars, digest=digest)
    return _all([(url, ask) for url in urls], calendars.timeout_seconds)


def upgrade(calendars: Calendars, pending: Sequence[Pending]) -> tuple[Reply, ...]:
    """Ask for what pending attestations promise; one reply for each, in their order.

    Args:
        pending: may come from anyone. What names a calendar that is not listed gets a reply with
            an error, and nobody is asked.
    """

    replies: list[Reply] = []
    for start in range(0, len(pending), MAX_AT_ONCE):
        jobs = [
            (each.uri, partial(_upgraded, calendars=calendars, pending=each))
            for each in pending[start : start + MAX_AT_ONCE]
        ]
        replies += _all(jobs, calendars.timeout_seconds)
    return tuple(replies)


def _submitted(url: str, *, calendars: Calendars, digest: bytes) -> Timestamp:
    with _exchange(url, calendars) as exchange:
        answer = exchange.ask("POST", "digest", MAX_ANSWER_BYTES, body=digest, headers=RAW)
    if answer.status != 200:
        raise refusal(answer, url)
    timestamp = _timestamp(answer, digest, url)
    pending = [each for each in timestamp.attestations() if isinstance(each, Pending)]
    # A promise that nobody can be held to is none.
    listed = [each for each in pending if calendars.lists(each.uri)]
    if not listed:
        named = ", ".join(shown(each.uri) for each in pending[:4]) or "none"
        raise MalformedError(f"{url} answered with attestations of calendars not listed: {named}")
    # What else it says is not kept: it would be shown to others as this calendar's promise.
    return timestamp.pruned(listed[0])


def _upgraded(uri: str, *, calendars: Calendars, pending: Pending) -> Timestamp | None:
    if not calendars.lists(uri):
        raise UnlistedError(f"calendar {shown(uri)} is not listed, and is not asked")
    with _exchange(uri, calendars) as exchange:
        path = f"timestamp/{pending.message.hex()}"
        answer = exchange.ask("GET", path, MAX_ANSWER_BYTES)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise refusal(answer, uri)
    return _timestamp(answer, pending.message, uri)


def _exchange(url: str, calendars: Calendars) -> Exchange:
    return Exchange(url, timeout_seconds=calendars.timeout_seconds, headers=ACCEPT)


def _timestamp(answer: Answer, message: bytes, url: str) -> Timestamp:
    try:
        return Timestamp.parse(answer.body, message)
    except MalformedError as error:
        raise type(error)(f"{url}: {error}") from error


def _all(jobs: Sequence[tuple[str, Ask]], seconds: float) -> tuple[Reply, ...]:
    """Do all at the same time, and give up on what is not done in time.

    Threads that nobody waits for at the end: looking up a name has no bound of its own.
    """
    done: SimpleQueue[tuple[int, Reply]] = SimpleQueue()

    def run(place: int, url: str, ask: Ask) -> None:
        done.put((place, _reply(url, ask)))

    for place, (url, ask) in enumerate(jobs):
        Thread(target=run, args=(place, url, ask), daemon=True).start()
    replies = [Reply(calendar=url, seconds=seconds, found=_late(url, seconds)) for url, _ in jobs]
    deadline = time.monotonic() + seconds + GRACE_SECONDS
    for _ in jobs:
        with suppress(Empty):
            place, reply = done.get(timeout=max(0.0, deadline - time.monotonic()))
            replies[place] = reply
    return tuple(replies)


def _reply(url: str, ask: Ask) -> Reply:
    start = time.monotonic()
    try:
        found: Timestamp | TranslogError | None = ask(url)
    except TranslogError as error:
        found = error
    return Reply(calendar=url, seconds=time.monotonic() - start, found=found)


def _late(url: str, seconds: float) -> TranslogError:
    return UnavailableError(f"{shown(url)} did not answer within {seconds:g} s")


def _parts(uri: str) -> tuple[str, str, str, str] | None:
    """Return scheme, host, port and path of a calendar, or None if it is not written as one."""
    match = _URI.fullmatch(uri)
    if match is None or len(uri) > MAX_URI_CHARS:
        return None
    scheme, host, port, path = match.group("scheme", "host", "port", "path")
    return scheme, host, port or "", path


def _covers(listed: tuple[str, str, str, str] | None, found: tuple[str, str, str, str]) -> bool:
    if listed is None or listed[0] != found[0] or listed[2:] != found[2:]:
        return False
    if listed[1].startswith("*."):
        return found[1].endswith(listed[1][1:])
    return listed[1] == found[1]
