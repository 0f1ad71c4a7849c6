"""A Bitcoin chain on regtest, mined here: it proves nothing, and every rule of Bitcoin holds in it.

Each block is one that a node on regtest accepts (a test asks Bitcoin Core's own code). What is to
be timestamped gets into a block as it does on mainnet: in an OP_RETURN output of a transaction
that spends money. Time is passed in, and nothing is random: the same calls make the same chain.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

from bitcoin.core import COIN, CBlock, COutPoint, CTransaction, CTxIn, CTxOut
from bitcoin.core.script import OP_RETURN, OP_TRUE, CScript
from opentimestamps.bitcoin import make_timestamp_from_block
from opentimestamps.core.timestamp import Timestamp

from translog.bitcoin.grade import OWN_NODE, GradedHeader
from translog.bitcoin.header import HEADER_BYTES, NONCE, Header, header_hash
from translog.bitcoin.network import REGTEST, Network
from translog.errors import MissingError

SPACING = 600  # seconds from a block to the next, where nobody says otherwise
MATURITY = 100  # blocks until the money made in one can be spent
HALVING = 150  # blocks, on regtest
VERSION = 0x20000000
TARGET = 0x7FFFFF << 8 * 29  # what 0x207fffff stands for: every second hash meets it

ANYONE = CScript([OP_TRUE])


class Money(NamedTuple):
    """An output that anyone can spend."""

    outpoint: Any
    value: int


class Block(NamedTuple):
    """A block of this chain.

    Attributes:
        raw: the block with its transactions, as nodes exchange it.
        money: what the next timestamping transaction spends, once this block is in.
    """

    raw: bytes
    money: Money


class RegtestChain:
    """Blocks from the genesis on. As a `HeaderSource` it is the user's own node.

    Attributes:
        network: regtest, always.
        blocks: by height, from 1 on.
    """

    network: Network = REGTEST

    def __init__(self, time: int) -> None:
        """Mine as many blocks as it takes to have money, the last of them at `time`."""
        self.blocks: dict[int, Block] = {}
        self._headers = [REGTEST.genesis]
        self._branch = 0
        for height in range(1, MATURITY + 1):
            self.mine(time - (MATURITY - height) * SPACING)

    @property
    def height(self) -> int:
        """The height of the newest block."""
        return len(self._headers) - 1

    @property
    def time(self) -> int:
        """The time that the newest block states."""
        return self._headers[-1].time

    def tip(self) -> int:
        """Return `height`, as a `HeaderSource` does."""
        return self.height

    def header(self, height: int) -> GradedHeader:
        """Return the header at `height`, as a `HeaderSource` does.

        Raises:
            MissingError: the chain is not that long.
        """
        if not 0 <= height <= self.height:
            raise MissingError(f"regtest has no block {height}; {self.height} is the highest")
        return GradedHeader(header=self._headers[height], height=height, grade=OWN_NODE)

    def raw_headers(self) -> bytes:
        """Return all headers, 80 bytes each, from the genesis on."""
        return b"".join(header.raw for header in self._headers)

    def mine(self, time: int, messages: Sequence[bytes] = ()) -> int:
        """Add a block at `time`, which commits to each of `messages`, and return its height.

        Args:
            time: later than the median of the last eleven blocks, as Bitcoin has it.
            messages: of at most 75 bytes each.
        """
        height = self.height + 1
        coinbase = self._coinbase(height)
        money = self.blocks[height - 1].money if height > 1 else _output(coinbase, 0)
        spending: list[Any] = []
        for message in messages:
            spending.append(_commit(money, message))
            money = _output(spending[-1], 1)
        content = CBlock(
            nVersion=VERSION,
            hashPrevBlock=self._headers[-1].hash,
            nTime=time,
            nBits=REGTEST.limit_bits,
            vtx=[coinbase, *spending],
        )
        header = worked(content.get_header().serialize())
        self.blocks[height] = Block(header.raw + content.serialize()[HEADER_BYTES:], money)
        self._headers.append(header)
        return height

    def mine_empty(self, blocks: int) -> int:
        """Add empty blocks, SPACING apart, and return the height."""
        for _ in range(blocks):
            self.mine(self.time + SPACING)
        return self.height

    def reorganise(self, depth: int) -> int:
        """Replace the newest `depth` blocks by as many empty ones and one more: a heavier branch.

        What the blocks committed to is in the chain no more.
        """
        if not 1 <= depth <= self.height - MATURITY:
            raise ValueError(f"{depth} blocks of {self.height}: the first {MATURITY} stay")
        for _ in range(depth):
            del self.blocks[self.height]
            del self._headers[-1]
        self._branch += 1
        return self.mine_empty(depth + 1)

    def fork(self, depth: int) -> "RegtestChain":
        """Return another chain, which has one block more and differs in the newest `depth`."""
        other = object.__new__(RegtestChain)
        other.blocks = dict(self.blocks)
        other._headers = list(self._headers)
        other._branch = self._branch + 1000
        other.reorganise(depth)
        return other

    def attest(self, message: bytes, height: int) -> Timestamp:
        """Return the path from a message to the root of the block that commits to it."""
        block = CBlock.deserialize(self.blocks[height].raw)
        timestamp = make_timestamp_from_block(message, block, height)
        if timestamp is None:
            raise MissingError(f"block {height} does not commit to {message.hex()}")
        return timestamp

    def _coinbase(self, height: int) -> Any:
        # The height must come first (BIP 34); the branch makes blocks of two branches two.
        script = CScript([height, self._branch.to_bytes(4, "big")])
        reward = CTxOut((50 * COIN) >> height // HALVING, ANYONE)
        return CTransaction([CTxIn(COutPoint(), script)], [reward])


def _output(transaction: Any, index: int) -> Money:
    return Money(COutPoint(transaction.GetTxid(), index), transaction.vout[index].nValue)


def _commit(money: Money, message: bytes) -> Any:
    """Return a transaction that commits to a message, and pays the money on to anyone."""
    return CTransaction(
        [CTxIn(money.outpoint)],
        [CTxOut(0, CScript([OP_RETURN, message])), CTxOut(money.value, ANYONE)],
    )


def worked(raw: bytes) -> Header:
    """Return the header with the first nonce whose hash meets the target."""
    for nonce in count():
        header = raw[: NONCE.start] + nonce.to_bytes(4, "little")
        if int.from_bytes(header_hash(header), "little") <= TARGET:
            return Header(header)
    raise AssertionError("unreachable")
