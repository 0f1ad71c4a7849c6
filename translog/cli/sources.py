"""Where Bitcoin headers come from, on the command line: one name for each kind of source."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from translog.bitcoin.claims import Known, RunSource
from translog.bitcoin.grade import HeaderSource
from translog.bitcoin.network import MAINNET, Network
from translog.cli.params import Parsed
from translog.errors import MalformedError, MissingError, UnavailableError
from translog.net.sources import open_source
from translog.store import files
from translog.store.builtin import checkpoints_of
from translog.store.headers import HeaderFile
from translog.verify.headers import KeptHeaders

FILE = "file:"
MAX_COOKIE_BYTES = 1000

Note = Callable[[str], None]


def _cookie(path: str) -> str:
    """Return what a node wrote to its cookie file: "user:password"."""
    try:
        return files.read(Path(path), limit=MAX_COOKIE_BYTES).decode("ascii").strip()
    except MissingError as error:
        raise UnavailableError(f"{path}: there is no such cookie: does the node run?") from error
    except UnicodeDecodeError as error:
        raise UnavailableError(f"{path} is no cookie of a node") from error


def known_of(network: Network) -> Known:
    """Return what is known of a network before anyone is asked."""
    return Known(network=network, checkpoints=checkpoints_of(network))


@contextmanager
def asked(name: str, network: Network, note: Note) -> Iterator[RunSource]:
    """Open a source on the network, while the block runs."""
    with closing(open_source(name, known_of(network), _cookie, note)) as source:
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
    open_source(text, known_of(MAINNET), _cookie, lambda _: None).close()
    return text


def _name(text: str) -> str:
    return text if text.startswith(FILE) else _asked_name(text)


ASKED = Parsed("source", _asked_name)
SOURCE = Parsed("source", _name)
