"""The chains whose headers can be checked from the headers alone.

Only mainnet proves anything. A proof file does not say which chain it is about: whoever keeps one
keeps the network's name beside it. Test networks with rules of their own (20-minute blocks,
signed blocks) are left out: their headers alone do not tell a right chain from a wrong one.
"""

from dataclasses import dataclass

from translog.bitcoin.header import Header
from translog.errors import MalformedError
from translog.formats.strict import shown

_GENESIS_ROOT = "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A Bitcoin network.

    Attributes:
        name: what is written beside a proof, such as "mainnet".
        genesis: the header of block 0.
        limit_bits: the easiest target a block may have, in compact form.
        retargets: whether the target changes every 2016 blocks; where not, it is the limit.
        proves: whether a block here costs anything, so that it can show when something existed.
    """

    name: str
    genesis: Header
    limit_bits: int
    retargets: bool
    proves: bool

    def __str__(self) -> str:
        return self.name


def _genesis(time: int, bits: int, nonce: int) -> Header:
    numbers = [number.to_bytes(4, "little") for number in (time, bits, nonce)]
    return Header(
        (1).to_bytes(4, "little") + bytes(32) + bytes.fromhex(_GENESIS_ROOT) + b"".join(numbers)
    )


MAINNET = Network(
    name="mainnet",
    genesis=_genesis(1231006505, 0x1D00FFFF, 2083236893),
    limit_bits=0x1D00FFFF,
    retargets=True,
    proves=True,
)
REGTEST = Network(
    name="regtest",
    genesis=_genesis(1296688602, 0x207FFFFF, 2),
    limit_bits=0x207FFFFF,
    retargets=False,
    proves=False,
)
NETWORKS = {network.name: network for network in (MAINNET, REGTEST)}


def network_named(name: str) -> Network:
    """Return the network of that name.

    Raises:
        MalformedError: there is none.
    """
    if name not in NETWORKS:
        raise MalformedError(f"network is {shown(name)}, want one of {', '.join(NETWORKS)}")
    return NETWORKS[name]
