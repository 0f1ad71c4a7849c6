"""How much one client may send: a bucket of tokens each, refilled by the clock."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address
from math import ceil

from translog.server.answers import Scope
from translog.server.errors import RateError
from translog.server.receiving import Headers

MAX_CLIENTS = 16_384
IPV6_CLIENT_BITS = 64  # a customer's line gets that many addresses, or more


class Rates:
    """The buckets of every client seen lately. One event (or what `noun` says) is one token.

    Whoever has a token left may send, and a batch may go into debt, which is then waited off:
    so no batch is too large for ever, and nobody gets more than the rate in the long run.
    """

    def __init__(
        self, per_second: float, steady: Callable[[], float], noun: str = "events"
    ) -> None:
        self._noun = noun
        self._per_second = per_second
        self._steady = steady
        self._full: OrderedDict[str, float] = OrderedDict()  # when each bucket is full again

    def check(self, client: str) -> None:
        """Refuse a client whose bucket is empty.

        Raises:
            RateError: it is, and says for how long.
        """
        # A bucket holds what one second brings: it is empty when it is full in a second or more.
        wait = self._full.get(client, 0.0) - self._steady() - 1.0
        if wait >= 0.0:
            raise RateError(
                f"client {client} sent more than {self._per_second:g} {self._noun} a second",
                ceil(wait) or 1,
            )

    def charge(self, client: str, events: int) -> None:
        """Take tokens out of a client's bucket."""
        full = max(self._full.get(client, 0.0), self._steady())
        self._full[client] = full + events / self._per_second
        self._full.move_to_end(client)
        if len(self._full) > MAX_CLIENTS:
            self._full.popitem(last=False)


def client_of(scope: Scope, headers: Headers, trusted_proxies: frozenset[str]) -> str:
    """Return who sent a request: an IPv4 address, or the IPv6 network of one line."""
    peer = scope.get("client")
    address = peer[0] if peer else "unknown"
    if address in trusted_proxies and b"x-forwarded-for" in headers:
        # The last one is what the proxy itself saw; those before it, anybody can claim.
        last = headers[b"x-forwarded-for"].rpartition(b",")[2].strip()
        address = last.decode("latin-1")[:64]
    if ":" not in address:
        return address
    try:
        bits = int(IPv6Address(address.partition("%")[0])) >> 128 - IPV6_CLIENT_BITS
    except ValueError:
        return address
    return str(IPv6Address(bits << 128 - IPV6_CLIENT_BITS))
