"""What can be seen of one header that somebody names for a height, before anything vouches for it.

It has no links to others yet, so it could be another block's. But where there are checkpoints it
cannot be made up for less than a block costs: they tell which target a block must have.
"""

from dataclasses import dataclass
from typing import Protocol

from translog.bitcoin.checkpoints import Checkpoints
from translog.bitcoin.grade import Grade, HeaderSource
from translog.bitcoin.header import HEADER_BYTES, MAX_HEIGHT, Header, display_hash, verify_work
from translog.bitcoin.network import Network
from translog.errors import HeaderError, MalformedError
from translog.formats.strict import is_size, shown


class RunSource(HeaderSource, Protocol):
    """A `HeaderSource` that can be asked for many headers at once."""

    @property
    def name(self) -> str:
        """Where it is, without passwords."""

    @property
    def grade(self) -> Grade:
        """What its headers are worth at least."""

    def close(self) -> None:
        """Close its connections."""

    def run(self, first: int, count: int) -> bytes:
        """Return `count` headers from the height `first` on, 80 bytes each.

        Whether they link and lead anywhere, the caller checks.

        Raises:
            TranslogError: as `HeaderSource.header`.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a chain before anyone is asked.

    Attributes:
        checkpoints: of the network, if it has any.
    """

    network: Network
    checkpoints: Checkpoints | None

    def read(self, text: object, height: int, source: str, *, hash_: str | None = None) -> Header:
        """Read the header that a server named for a height, in hex, and verify what can be.

        Args:
            source: the server, for the refusal.
            hash_: what it said the hash is, as people write it, if it did.

        Raises:
            MalformedError: it is no header.
            HeaderError: it cannot be that of this block.
        """
        what = f"{source}: header of block {height}"
        header = Header(parse_hex(text, 1, what))
        if hash_ is not None and display_hash(header.hash) != hash_:
            raise HeaderError(f"{what}: is {header}, and the hash that goes with it is {hash_}")
        try:
            self.verify(header, height)
        except (HeaderError, MalformedError) as error:
            raise type(error)(f"{source}: {error}") from error
        return header

    def verify(self, header: Header, height: int) -> None:
        """Check that a header could be that of the block at `height`.

        Raises:
            MalformedError: its bits are no target.
            HeaderError: it cannot.
        """
        what = f"header of block {height}"
        if height == 0 and header != self.network.genesis:
            raise HeaderError(
                f"{what}: is {header}, want that of {self.network}, {self.network.genesis}"
            )
        if not self.network.retargets and header.bits != self.network.limit_bits:
            raise HeaderError(
                f"{what}: has target {header.bits:#010x}, want {self.network.limit_bits:#010x}"
            )
        verify_work(header, self.network.limit_bits)
        if self.checkpoints is not None:
            self.checkpoints.verify(height, header)


def parse_hex(text: object, count: int, what: str) -> bytes:
    """Read `count` headers as servers write them: lower-case hex.

    Raises:
        MalformedError: any other text.
    """
    refusal = MalformedError(f"{what} is {shown(text)}, want {2 * HEADER_BYTES * count} hex digits")
    if not isinstance(text, str) or len(text) != 2 * HEADER_BYTES * count:
        raise refusal
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise refusal from error
    if raw.hex() != text:  # white space and capitals
        raise refusal
    return raw


def check_height(found: object, what: str) -> int:
    """Return a height that a server named, if it can be one.

    Raises:
        MalformedError: it cannot.
    """
    if not is_size(found) or found > MAX_HEIGHT:  # type: ignore[operator]  # an int, it says
        raise MalformedError(f"{what} is {shown(found)}, want a height up to {MAX_HEIGHT}")
    return found  # type: ignore[return-value]
