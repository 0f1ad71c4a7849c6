"""Headers from a block explorer that speaks Esplora's HTTP interface. One server's word.

Spec: github.com/Blockstream/esplora, `API.md`: GET /blocks/tip/height, /block-height/:height,
/block/:hash/header. The server is believed in nothing that can be computed: the header it gives
must hash to the hash it gave, and must have the work that a block at its height needs.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Self

from translog.bitcoin.claims import Known, check_height
from translog.bitcoin.grade import SINGLE_SERVER, Grade, GradedHeader
from translog.bitcoin.header import Header, parse_display_hash
from translog.bitcoin.network import Network
from translog.errors import MalformedError
from translog.formats.strict import parse_decimal, shown
from translog.net.exchange import Exchange, refusal

MAX_ANSWER_BYTES = 1000
AT_ONCE = 8  # requests, while many headers are wanted
TIMEOUT_SECONDS = 15.0


class Esplora:
    """One server. A `RunSource`; may be used from several threads at once."""

    def __init__(self, url: str, known: Known, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Ask nothing yet.

        Raises:
            MalformedError: `url` is not http(s)://host/path.
        """
        identity = {"Accept-Encoding": "identity"}
        self._exchange = Exchange(url, timeout_seconds=timeout_seconds, headers=identity)
        self._known = known
        self._met = False  # and seen that it is of this network

    @property
    def name(self) -> str:
        """Its address."""
        return self._exchange.base_url

    @property
    def network(self) -> Network:
        """The chain that it must know."""
        return self._known.network

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    @property
    def grade(self) -> Grade:
        """What its headers are worth."""
        return SINGLE_SERVER

    def tip(self) -> int:
        """Return the height of the newest block, as `HeaderSource` says."""
        what = f"{self.name}: height of the newest block"
        return check_height(parse_decimal(self._get("blocks/tip/height"), what), what)

    def header(self, height: int) -> GradedHeader:
        """Return the header at a height, as `HeaderSource` says."""
        if not self._met:
            self._header(0)
            self._met = True
        return GradedHeader(header=self._header(height), height=height, grade=SINGLE_SERVER)

    def run(self, first: int, count: int) -> bytes:
        """Return many headers, as `RunSource` says: with two requests for each."""
        self.header(first)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            headers = pool.map(self._header, range(first, first + count))
            return b"".join(header.raw for header in headers)

    def _header(self, height: int) -> Header:
        hash_ = self._get(f"block-height/{height}")
        parse_display_hash(hash_, f"{self.name}: hash of block {height}")
        text = self._get(f"block/{hash_}/header")
        return self._known.read(text, height, self.name, hash_=hash_)

    def _get(self, path: str) -> str:
        answer = self._exchange.ask("GET", path, MAX_ANSWER_BYTES)
        if answer.status != 200:
            raise refusal(answer, f"{self.name}/{path}")
        try:
            return answer.body.decode("ascii")
        except UnicodeDecodeError as error:
            raise MalformedError(f"{self.name}/{path} answered {shown(answer.body)}") from error
