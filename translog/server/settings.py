"""What an operator may choose about a server, with what is right for most as default."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and addresses of one server.

    Attributes:
        base_url: under which the world reaches it, without a slash at the end.
        publish_interval_seconds: from one signed head to the next.
        request_seconds: in which a request's body must have come; and then, its answer.
        max_body_bytes: of one POST, packed and unpacked.
        max_batch_events: lines of one POST.
        max_arriving_bytes: of all bodies together that are not complete yet.
        events_per_second: that one client may send, in the long run and in one go.
        trusted_proxies: addresses whose X-Forwarded-For is believed.
    """

    base_url: str
    publish_interval_seconds: float = 1.0
    request_seconds: float = 30.0
    max_body_bytes: int = 16 << 20
    max_batch_events: int = 4096
    max_arriving_bytes: int = 64 << 20
    events_per_second: float = 20_000.0
    trusted_proxies: frozenset[str] = frozenset({"127.0.0.1", "::1"})


class Clock(NamedTuple):
    """Both clocks there are, as functions: tests move them.

    Attributes:
        now: POSIX seconds, for what is written down.
        steady: seconds since some moment, for what is waited for.
    """

    now: Callable[[], float]
    steady: Callable[[], float]
