"""What the commands that serve have in common: where they listen, and the server, an extra."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from translog.cli.params import LISTEN
from translog.errors import UnavailableError


def listen_option(port: int, why: str = "") -> Callable[[Any], Any]:
    """Return the option that says where to listen: on loopback, unless it is told."""
    return click.option(
        "--listen",
        type=LISTEN,
        default=("127.0.0.1", port),
        metavar="HOST:PORT",
        help=f"Where to listen.  [default: 127.0.0.1:{port}{why}]",
    )


@contextmanager
def installed() -> Iterator[None]:
    """Import what serves in the block, and not above: help and most commands must not need it.

    Raises:
        UnavailableError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "translog":
            raise
        raise UnavailableError(
            f"{package} is not installed: pip install 'translog[server]'"
        ) from error
