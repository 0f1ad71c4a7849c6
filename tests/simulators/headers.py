"""Headers mined here, on a network of its own whose target changes as mainnet's does."""

from itertools import count

from translog.bitcoin.chain import Head, follow, genesis_head
from translog.bitcoin.header import Header, parse_target
from translog.bitcoin.network import REGTEST, Network

TOY = Network(
    name="toy", genesis=REGTEST.genesis, limit_bits=0x207FFFFF, retargets=True, proves=False
)


def mined(previous: bytes, *, time: int, bits: int, root: bytes = bytes(32)) -> Header:
    """Return a header with work, with the first nonce that does."""
    start = (4).to_bytes(4, "little") + previous + root
    start += time.to_bytes(4, "little") + bits.to_bytes(4, "little")
    for nonce in count():
        header = Header(start + nonce.to_bytes(4, "little"))
        if int.from_bytes(header.hash, "little") <= parse_target(bits):
            return header
    raise AssertionError("unreachable")


def lazy(head: Head, *, time: int, bits: int) -> Header:
    """Return a header after `head` whose hash is over its target."""
    start = (4).to_bytes(4, "little") + head.hash + bytes(32)
    start += time.to_bytes(4, "little") + bits.to_bytes(4, "little")
    for nonce in count():
        header = Header(start + nonce.to_bytes(4, "little"))
        if int.from_bytes(header.hash, "little") > parse_target(bits):
            return header
    raise AssertionError("unreachable")


def run(head: Head, blocks: int, *, spacing: int = 600, root: bytes = bytes(32)) -> bytes:
    """Return headers that go on from `head`, spaced evenly."""
    parts: list[bytes] = []
    for _ in range(blocks):
        header = mined(head.hash, time=head.times[-1] + spacing, bits=head.next_bits, root=root)
        parts.append(header.raw)
        head = follow(head, header.raw)
    return b"".join(parts)


def toy_chain(blocks: int, *, spacing: int = 600) -> bytes:
    """Return the headers of blocks 1 to `blocks` of the toy network."""
    return run(genesis_head(TOY), blocks, spacing=spacing)
