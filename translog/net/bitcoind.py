"""Headers from a Bitcoin node of one's own, over JSON-RPC. The node checks every block.

Spec: Bitcoin Core, `doc/JSON-RPC-interface.md`: getblockcount, getblockhash, getblockheader. The
user and password, or the cookie file that the node writes at each start, are never shown.
"""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Self

from translog.bitcoin.claims import Known, check_height
from translog.bitcoin.grade import OWN_NODE, Grade, GradedHeader
from translog.bitcoin.header import Header, parse_display_hash
from translog.bitcoin.network import Network
from translog.errors import (
    BusyError,
    MalformedError,
    MissingError,
    TranslogError,
    UnavailableError,
)
from translog.formats.strict import shown
from translog.net.exchange import Answer, Exchange, refusal

BATCH = 500  # calls in one request
MAX_ANSWER_BYTES = 1000  # for one call
TIMEOUT_SECONDS = 30.0

NO_SUCH_HEIGHT = -8
NO_SUCH_BLOCK = -5
STARTING = -28

Authorization = Callable[[], str]
"""Gives "user:password"; asked for each request, since a node makes a new one at each start."""


class Bitcoind:
    """One node. A `RunSource`; may be used from several threads at once."""

    def __init__(
        self,
        url: str,
        authorization: Authorization,
        known: Known,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Ask nothing yet.

        Args:
            url: http(s)://host:port, without user and password.

        Raises:
            MalformedError: `url` is not such an address.
        """
        self._exchange = Exchange(
            url,
            timeout_seconds=timeout_seconds,
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
        )
        self._authorization = authorization
        self._known = known
        self._met = False  # and seen that it is of this network

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    @property
    def name(self) -> str:
        """Its address."""
        return self._exchange.base_url

    @property
    def network(self) -> Network:
        """The chain that it must know."""
        return self._known.network

    @property
    def grade(self) -> Grade:
        """What its headers are worth."""
        return OWN_NODE

    def tip(self) -> int:
        """Return the height of the newest block, as `HeaderSource` says."""
        (count,) = self._call([("getblockcount", [])])
        return check_height(count, f"{self.name}: getblockcount")

    def header(self, height: int) -> GradedHeader:
        """Return the header at a height, as `HeaderSource` says."""
        if not self._met:
            self._headers(0, 1)
            self._met = True
        (header,) = self._headers(height, 1)
        return GradedHeader(header=header, height=height, grade=OWN_NODE)

    def run(self, first: int, count: int) -> bytes:
        """Return many headers, as `RunSource` says."""
        self.header(first)
        end = first + count
        headers: list[Header] = []
        for start in range(first, end, BATCH):
            headers += self._headers(start, min(BATCH, end - start))
        return b"".join(header.raw for header in headers)

    def _headers(self, first: int, count: int) -> list[Header]:
        heights = range(first, first + count)
        hashes = self._call([("getblockhash", [height]) for height in heights])
        for height, hash_ in zip(heights, hashes, strict=True):
            parse_display_hash(str(hash_), f"{self.name}: hash of block {height}")
        texts = self._call([("getblockheader", [hash_, False]) for hash_ in hashes])
        return [
            self._known.read(text, height, self.name, hash_=hash_)
            for height, hash_, text in zip(heights, hashes, texts, strict=True)
        ]

    def _call(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Make some calls in one request, and return their results."""
        body = [
            {"jsonrpc": "1.0", "id": place, "method": method, "params": params}
            for place, (method, params) in enumerate(calls)
        ]
        token = base64.b64encode(self._authorization().encode()).decode()
        answer = self._exchange.ask(
            "POST",
            "",
            MAX_ANSWER_BYTES * len(calls),
            body=json.dumps(body).encode(),
            headers={"Authorization": f"Basic {token}"},
        )
        results = _results(answer, len(calls), self.name)
        return [
            _result(found, method, params, self.name)
            for found, (method, params) in zip(results, calls, strict=True)
        ]


def _results(answer: Answer, count: int, name: str) -> list[dict[str, Any]]:
    if answer.status in (401, 403):
        raise UnavailableError(f"{name} answered {answer.status}: wrong user, password or cookie")
    if answer.status != 200:
        raise refusal(answer, name)
    try:
        results = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{name} answered {shown(answer.body)}, want JSON") from error
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise MalformedError(f"{name} answered {shown(results)}, want {count} results")
    by_id = {each.get("id"): each for each in results if type(each.get("id")) is int}
    if len(results) != count or set(by_id) != set(range(count)):
        raise MalformedError(f"{name} gave {len(results)} results, want one for each of {count}")
    return [by_id[place] for place in range(count)]


def _result(found: dict[str, Any], method: str, params: list[Any], name: str) -> Any:
    error = found.get("error")
    if error is None:
        return found.get("result")
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    said = f"{name}: {method} {params[0] if params else ''}".rstrip() + f": {shown(message)}"
    kind: type[TranslogError] = UnavailableError
    if code in (NO_SUCH_HEIGHT, NO_SUCH_BLOCK):
        kind = MissingError
    elif code == STARTING:
        kind = BusyError
    raise kind(said)
