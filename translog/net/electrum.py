"""Headers from a server that speaks Electrum's protocol, over TLS.

Spec: electrumx.readthedocs.io, "Electrum Protocol" 1.4: JSON-RPC, a line each way;
server.version, blockchain.headers.subscribe, blockchain.block.header, blockchain.block.headers.

Up to the newest built-in checkpoint nobody needs to be believed: the server gives the headers to
the end of the period, and they lead to the checkpoint or they do not. After it, it is one server's
word: the server commits itself, once, to a root over the hashes of all headers up to its newest
block (`cp_height`), and each header comes with its place in that tree.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Self

from translog.bitcoin.chain import PERIOD
from translog.bitcoin.claims import Known, check_height, parse_hex
from translog.bitcoin.grade import SINGLE_SERVER, Grade, GradedHeader
from translog.bitcoin.header import HEADER_BYTES, parse_display_hash
from translog.bitcoin.network import Network
from translog.errors import HeaderError, MalformedError, MissingError
from translog.formats.strict import shown
from translog.net.lines import Address, Lines

PROTOCOL = "1.4"
TIMEOUT_SECONDS = 20.0
MAX_LINE_BYTES = 16_384
MAX_RUN_LINE_BYTES = 2 * HEADER_BYTES * PERIOD + MAX_LINE_BYTES


class Commitment(NamedTuple):
    """What a server has committed itself to: a root over the hashes of blocks 0 to `height`."""

    height: int
    root: bytes


class Electrum:
    """One server. A `RunSource`, for one thread. Connects when it is asked first."""

    def __init__(
        self, address: Address, known: Known, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """Ask nothing yet.

        Args:
            timeout_seconds: for each question, to the last byte of the answer.
        """
        self._address = address
        self._known = known
        self._timeout_seconds = timeout_seconds
        self._lines: Lines | None = None
        self._committed: Commitment | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Asking again opens another, to which nothing was said yet."""
        if self._lines is not None:
            self._lines.close()
        self._lines, self._committed = None, None

    @property
    def name(self) -> str:
        """Its host and port."""
        return str(self._address)

    @property
    def network(self) -> Network:
        """The chain that it must know."""
        return self._known.network

    @property
    def grade(self) -> Grade:
        """What its headers are worth at least."""
        return SINGLE_SERVER

    def tip(self) -> int:
        """Return the height of the newest block, as `HeaderSource` says."""
        found = self._ask("blockchain.headers.subscribe", [])
        if not isinstance(found, dict):
            raise MalformedError(f"{self.name}: newest block is {shown(found)}, want an object")
        height = check_height(found.get("height"), f"{self.name}: height of the newest block")
        self._known.read(found.get("hex"), height, self.name)
        return height

    def header(self, height: int) -> GradedHeader:
        """Return the header at a height, as `HeaderSource` says.

        Up to the newest checkpoint it is checkpoint-linked, whoever the server is.
        """
        checkpoints = self._known.checkpoints
        tie = checkpoints.needed(height) if checkpoints is not None else None
        if checkpoints is not None and tie is not None:
            raw = self.run(tie.start, len(tie))
            return self._named(lambda: checkpoints.tie(raw).header(height))
        committed = self._committed or self._commit(height)
        if height > committed.height:
            committed = self._commit(height)
        text, root = self._proved(height, committed.height)
        if root != committed.root:
            self.close()
            raise HeaderError(
                f"{self.name}: header of block {height}: is in another tree of blocks 0 to"
                f" {committed.height} than the server showed before: the chain was reorganised in"
                f" between, or it lies"
            )
        header = self._known.read(text, height, self.name)
        return GradedHeader(header=header, height=height, grade=SINGLE_SERVER)

    def run(self, first: int, count: int) -> bytes:
        """Return many headers, as `RunSource` says."""
        runs = []
        while count:
            some = min(count, PERIOD)
            runs.append(self._run(first, some))
            first, count = first + some, count - some
        return b"".join(runs)

    def _run(self, first: int, count: int) -> bytes:
        found = self._ask("blockchain.block.headers", [first, count], MAX_RUN_LINE_BYTES)
        what = f"{self.name}: headers of blocks {first} to {first + count - 1}"
        if not isinstance(found, dict):
            raise MalformedError(f"{what} are {shown(found)}, want an object")
        given = found.get("count")
        if given != count:
            raise MissingError(f"{what}: it gave {shown(given)}, want {count}")
        return parse_hex(found.get("hex"), count, what)

    def _commit(self, height: int) -> Commitment:
        """Have the server commit itself to a root over all blocks, `height` among them."""
        tip = self.tip()
        if height > tip:
            raise MissingError(f"{self.name} knows no block {height}; {tip} is its newest")
        genesis, root = self._proved(0, tip)
        self._known.read(genesis, 0, self.name)
        self._committed = Commitment(tip, root)
        return self._committed

    def _proved(self, height: int, top: int) -> tuple[str, bytes]:
        """Return the header at a height, in hex, and the root that it was proved to be under."""
        found = self._ask("blockchain.block.header", [height, top])
        what = f"{self.name}: header of block {height}"
        if not isinstance(found, dict) or not isinstance(found.get("branch"), list):
            raise MalformedError(f"{what} is {shown(found)}, want it with its branch and root")
        raw = parse_hex(found.get("header"), 1, what)
        root = _hash(found.get("root"), f"{what}: root")
        branch = [_hash(each, f"{what}: branch") for each in found["branch"]]
        verify_branch(_sha256d(raw), height, top + 1, branch, root, what)
        return raw.hex(), root

    def _ask(self, method: str, params: list[Any], limit: int = MAX_LINE_BYTES) -> Any:
        if self._lines is None:
            self._lines = Lines(self._address, timeout_seconds=self._timeout_seconds)
            self._ask("server.version", ["translog", PROTOCOL])
        try:
            return self._lines.ask(method, params, limit)
        except BaseException:
            self.close()  # what is left of the answer must not be the next one's start
            raise

    def _named(self, tie: Callable[[], GradedHeader]) -> GradedHeader:
        try:
            return tie()
        except (HeaderError, MalformedError) as error:
            raise type(error)(f"{self.name}: {error}") from error


def verify_branch(
    leaf: bytes, index: int, size: int, branch: Sequence[bytes], root: bytes, what: str
) -> None:
    """Check that a leaf is leaf number `index` of a tree as Bitcoin builds them.

    Where a level has an odd number of nodes, the last is paired with itself. That such a tree
    does not tell its size (CVE-2012-2459) is no matter: the size is given.

    Raises:
        HeaderError: it is not.
    """
    wanted = (size - 1).bit_length()
    if not 0 <= index < size or len(branch) != wanted:
        raise HeaderError(f"{what}: branch has {len(branch)} hashes, want {wanted}")
    node, place, last = leaf, index, size - 1
    for sibling in branch:
        if place == last and place % 2 == 0 and sibling != node:
            raise HeaderError(f"{what}: branch has a leaf after the last")
        pair = sibling + node if place % 2 else node + sibling
        node, place, last = _sha256d(pair), place // 2, last // 2
    if node != root:
        raise HeaderError(f"{what}: branch does not lead to the root of blocks 0 to {size - 1}")


def _hash(found: object, what: str) -> bytes:
    return parse_display_hash(found if isinstance(found, str) else shown(found), what)


def _sha256d(content: bytes) -> bytes:
    return sha256(sha256(content).digest()).digest()
