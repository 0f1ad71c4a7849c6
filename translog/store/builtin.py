"""What comes with the package, read once.

Trusted: who can write to the package can do anything anyway.
"""

from functools import cache
from importlib import resources

from translog.bitcoin.checkpoints import Checkpoints
from translog.bitcoin.claims import Known
from translog.bitcoin.network import MAINNET, Network


@cache
def checkpoints() -> Checkpoints:
    """Return the built-in checkpoints of mainnet."""
    file = resources.files("translog.data").joinpath("electrum-checkpoints.json")
    return Checkpoints.parse(file.read_bytes(), MAINNET)


def checkpoints_of(network: Network) -> Checkpoints | None:
    """Return the built-in checkpoints of a network, or None: only mainnet has some."""
    return checkpoints() if network is MAINNET else None


def known_of(network: Network) -> Known:
    """Return what is known of a network before anyone is asked."""
    return Known(network=network, checkpoints=checkpoints_of(network))
