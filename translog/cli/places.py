"""Where a log is: a directory with its database, a directory of its files, or a URL."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from translog.cli.exits import AbsentError
from translog.cli.params import is_url
from translog.errors import MissingError
from translog.formats.published import Fetch
from translog.log import directory
from translog.log.directory import DATABASE, KEY, LogDirectory
from translog.log.source import Source
from translog.net.client import Client
from translog.net.directory import Directory


def now() -> int:
    """Return the time, in POSIX seconds."""
    return int(time.time())


def find_log(path: str) -> LogDirectory:
    """Return the log in a directory of this machine."""
    return directory.find(Path(path))


def base_url_of(log: LogDirectory) -> str:
    """Return where a log is said to be served, unless something else is said: at its origin."""
    return f"https://{log.origin}"


@contextmanager
def published(place: str) -> Iterator[Fetch]:
    """Open whatever publishes a log, while the block runs."""
    if is_url(place):
        with Client(place) as client:
            yield client.get
    elif any((Path(place) / name).is_file() for name in (DATABASE, KEY)):
        log = find_log(place)
        with answering():
            source = Source(log, base_url_of(log))
        with source:
            yield source.get
    elif Path(place).is_dir():
        yield Directory(Path(place)).get
    else:
        raise MissingError(f"{place}: there is no such directory")


@contextmanager
def answering() -> Iterator[None]:
    """Turn "not there" into the log's answer, which is a check that failed."""
    try:
        yield
    except MissingError as error:
        raise AbsentError(str(error)) from error
