"""A directory of Bitcoin headers, and what it can vouch for.

Nothing in it is believed for being there. Up to the newest built-in checkpoint, each header that
is asked for is tied to the next checkpoint, so that it does not matter who wrote the file. After
that, all of them are followed by Bitcoin's rules, and keep the grade of where they came from.
`verify.header_growth` adds to it.
"""

from collections.abc import Callable
from functools import lru_cache

from translog.bitcoin.chain import PERIOD, Head, follow, genesis_head
from translog.bitcoin.checkpoints import Checkpoints, Segment
from translog.bitcoin.grade import GradedHeader
from translog.bitcoin.header import HEADER_BYTES, Header, display_hash
from translog.bitcoin.network import Network
from translog.errors import ConflictError, HeaderError, MalformedError, MissingError
from translog.store.headers import HeaderFile, State
from translog.verify.header_index import HashIndex
from translog.verify.where import about

Progress = Callable[[int, int], None]

MAX_HEADERS_BYTES = 160 << 20  # that are read out of one file: twice the chain of 2026
SEGMENTS = 8  # kept in memory: periods that were asked for lately
RACES = 5  # how often another process may change the headers while they are looked at
NOTHING_YET = "there are no headers yet"


def quiet(done: int, total: int) -> None:
    """Show no progress."""


class KeptHeaders:
    """The headers of a directory as a `HeaderSource`. Sees what other processes add to them."""

    def __init__(self, file: HeaderFile, checkpoints: Checkpoints | None) -> None:
        """Look at nothing yet.

        Args:
            checkpoints: of the file's network, if it has any.
        """
        self._file = file
        self._checkpoints = checkpoints
        self._state = file.state()
        self._covered = -1  # the newest block that is up to a checkpoint
        self._rest = b""  # the headers after that
        self._followed = False
        self._segment = lru_cache(SEGMENTS)(self._tied)
        self._index: HashIndex | None = None

    @property
    def network(self) -> Network:
        """The chain they are of."""
        return self._state.network

    @property
    def name(self) -> str:
        """The directory."""
        return str(self._file.folder)

    def tip(self) -> int:
        """Return the height of the newest, as `HeaderSource` says.

        Raises:
            MissingError: there are none yet.
        """
        self._look()
        if not self._state.count:
            raise MissingError(f"{self.name}: {NOTHING_YET}")
        return self._state.end - 1

    def header(self, height: int) -> GradedHeader:
        """Return the header at a height, as `HeaderSource` says."""
        self._look()
        state = self._state
        if not state.first <= height < state.end:
            there = f"there are those of {state.first} to {state.end - 1}"
            why = there if state.count else NOTHING_YET
            raise MissingError(f"{self.name} has no header of block {height}: {why}")
        if height <= self._covered:
            return self._segment(height // PERIOD).header(height)
        at = (height - max(self._covered + 1, state.first)) * HEADER_BYTES
        header = Header(self._rest[at : at + HEADER_BYTES])
        return GradedHeader(header=header, height=height, grade=state.grade_at(height))

    def height_of(self, hash_: bytes) -> int:
        """Return the height of the block with that hash.

        Raises:
            MissingError: it is not among the headers.
        """
        self._look()
        if self._index is None:
            state = self._state
            self._index = HashIndex(self._file.read(state, state.first, state.count), state.first)
        for height in self._index.heights(hash_):
            if self.header(height).header.hash == hash_:
                return height
        raise MissingError(f"{self.name} has no block {display_hash(hash_)}")

    def _look(self) -> None:
        """Follow what is after the checkpoints, if it is not what was followed before."""
        for _ in range(RACES):
            state = self._file.state()
            if state == self._state and self._followed:
                return
            covered = covered_by(state, self._checkpoints)
            first = max(covered + 1, state.first)
            rest = self._file.read(state, first, state.end - first)
            if self._file.state() == state:
                with about(self.name):
                    follow_from(state.network, self._checkpoints, first, rest)
                self._state, self._covered, self._rest = state, covered, rest
                self._followed, self._index = True, None
                return
        raise ConflictError(f"{self.name}: another process changes the headers all the time")

    def _tied(self, period: int) -> Segment:
        state, checkpoints = self._state, self._checkpoints
        raw = self._file.read(state, period * PERIOD, PERIOD)
        if checkpoints is None:
            raise ValueError("nothing is covered without checkpoints")
        with about(self.name):
            segment = checkpoints.tie(raw)
        if segment.first != period * PERIOD:
            raise HeaderError(
                f"{self.name}: has headers of block {segment.first} in another's place"
            )
        return segment


def check_all(
    file: HeaderFile, checkpoints: Checkpoints | None, progress: Progress = quiet
) -> Head:
    """Follow all headers that are there, from the first to the newest.

    Raises:
        MissingError: there are none.
        HeaderError: one breaks a rule, or is not the one at its checkpoint.
    """
    state = file.state()
    if not state.count:
        raise MissingError(f"{file.folder}: {NOTHING_YET}")
    raw = file.read(state, state.first, state.count)
    with about(str(file.folder)):
        return follow_from(state.network, checkpoints, state.first, raw, progress)


def covered_by(state: State, checkpoints: Checkpoints | None) -> int:
    """Return the height of the newest checkpoint among the headers, or -1 if there is none."""
    if checkpoints is None:
        return -1
    newest = min(state.end // PERIOD * PERIOD - 1, checkpoints.newest)
    return newest if newest >= state.first else -1


def follow_from(
    network: Network,
    checkpoints: Checkpoints | None,
    first: int,
    raw: bytes,
    progress: Progress = quiet,
) -> Head:
    """Check headers that begin with the first block, or right after a checkpoint.

    Raises:
        MalformedError: they begin elsewhere.
        HeaderError: one breaks a rule, or is not the one at its checkpoint.
    """
    if first == 0:
        if raw[:HEADER_BYTES] not in (b"", network.genesis.raw):
            raise HeaderError(f"header of block 0: want that of {network}")
        head, raw = genesis_head(network), raw[HEADER_BYTES:]
    elif checkpoints is not None and first % PERIOD == 0 and first <= checkpoints.newest + 1:
        head = checkpoints.head(first - 1)
    else:
        raise MalformedError(f"headers begin at block {first}, where no checkpoint is before them")
    return follow_known(head, raw, checkpoints, progress)


def follow_known(
    head: Head, raw: bytes, checkpoints: Checkpoints | None, progress: Progress = quiet
) -> Head:
    """Check that headers go on from `head`, and meet every checkpoint.

    Raises:
        HeaderError: one does not.
    """
    at, count = 0, len(raw) // HEADER_BYTES
    while at < count:
        size = PERIOD - (head.height + 1) % PERIOD
        part = raw[at * HEADER_BYTES : (at + size) * HEADER_BYTES]
        head = follow(head, part)
        if checkpoints is not None:
            checkpoints.verify(head.height, Header(part[-HEADER_BYTES:]))
        at = min(at + size, count)
        progress(at, count)
    return head
