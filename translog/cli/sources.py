"""Where Bitcoin headers come from, on the command line: one name for each kind of source."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from translog.bitcoin.claims import RunSource
from translog.bitcoin.grade import HeaderSource
from translog.bitcoin.network import MAINNET, Network
from translog.cli.params import Parsed
from translog.errors import MalformedError
from translog.net.sources import open_source
from translog.store import files
from translog.store.builtin import checkpoints_of, known_of
from translog.store.headers import HeaderFile
from translog.verify.headers import KeptHeaders

FILE = "file:"

Note = Callable[[str], None]


@contextmanager
def asked(name: str, network: Network, note: Note) -> Iterator[RunSource]:
    """Open a source on the network, while the block runs."""
    with closing(open_source(name, known_of(network), files.read_cookie, note)) as source:
        yield source


@contextmanager
def opened(name: str, network: Network, note: Note) -> Iterator[HeaderSource]:
    """Open a source, on the network or in a directory, while the block runs.

    Raises:
        MalformedError: the directory has headers of another network.
    """
    if not name.startswith(FILE):
        with asked(name, network, note) as source:
            yield source
        return
    with HeaderFile(Path(name.removeprefix(FILE))) as file:
        kept = KeptHeaders(file, checkpoints_of(network))
        if kept.network is not network:
            raise MalformedError(f"{kept.name} has headers of {kept.network}, want {network}")
        yield kept


def _asked_name(text: str) -> str:
    open_source(text, known_of(MAINNET), files.read_cookie, lambda _: None).close()
    return text


def _name(text: str) -> str:
    return text if text.startswith(FILE) else _asked_name(text)


ASKED = Parsed("source", _asked_name)
SOURCE = Parsed("source", _name)
