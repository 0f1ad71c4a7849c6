"""Timestamps on the command line: which file one is about, and where headers are."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from translog.bitcoin.grade import HeaderSource
from translog.bitcoin.network import MAINNET
from translog.cli.exits import ENVIRONMENT, FAILED, OK
from translog.errors import HeaderError, MalformedError, MissingError, UnavailableError
from translog.store import builtin, files
from translog.store.headers import HeaderFile
from translog.verify.findings import Finding, failed
from translog.verify.headers import MAX_HEADERS_BYTES, KeptHeaders
from translog.verify.timestamps import check_file

ENDING = ".ots"
HEADERS = ".headers"
ASKED = ("esplora:", "electrum:", "bitcoind:", "quorum:", "file:")


def content_of(name: str) -> Path | None:
    """Return the file that a timestamp is about, by its name: as `ots verify` has it."""
    path = Path(name.removesuffix(ENDING))
    return path if name.endswith(ENDING) and path.is_file() else None


@contextmanager
def sources(name: str | None, note: Callable[[str], None]) -> Iterator[list[HeaderSource]]:
    """Open what --headers names: a file of headers, a directory of them, or whom to ask.

    Args:
        note: told, in a sentence, what a quorum's members disagree about.

    Raises:
        MissingError: there is no such file.
        MalformedError: it is not headers.
        HeaderError: they are tied to no checkpoint.
        BadParameter: it is a source's name, and none that can be asked.
    """
    if name is None:
        yield []
    elif name.startswith(ASKED):
        # It loads what asks over the network.
        from translog.cli.sources import SOURCE, opened

        try:
            asked = SOURCE.convert(name, None, None)
        except click.BadParameter as error:
            raise click.BadParameter(error.message, param_hint="'--headers'") from error
        with opened(asked, MAINNET, note) as source:
            yield [source]
    elif Path(name).is_dir():
        with HeaderFile(Path(name)) as file:
            yield [KeptHeaders(file, builtin.checkpoints_of(file.state().network))]
    else:
        yield [_tied(Path(name))]


def _tied(path: Path) -> HeaderSource:
    try:
        return builtin.checkpoints().tie(files.read(path, limit=MAX_HEADERS_BYTES))
    except (MalformedError, HeaderError) as error:
        raise type(error)(f"{path}: {error}") from error


def check(
    name: str, raw: bytes, content: Path | None, known: Sequence[HeaderSource]
) -> list[Finding]:
    """Check a timestamp, with the headers in NAME.headers if there is such a file.

    Bad bytes raise nothing: they are a finding that has failed.
    """
    read_digest = None if content is None else partial(files.digest, content)
    beside = Path(name + HEADERS)
    try:
        tied = [_tied(beside)] if beside.is_file() else []
        return check_file(raw, read_digest, [*known, *tied])
    except (MalformedError, HeaderError) as error:
        return [failed("document", error)]


def end(findings: Sequence[Finding]) -> int:
    """Return an exit code: whoever checks a timestamp asks for a time, and gets one with 0 only."""
    if any(finding.status == "failed" for finding in findings):
        return FAILED
    times = [finding for finding in findings if finding.name == "timestamp"]
    if any(finding.status == "proved" for finding in times):
        return OK
    waiting = {MissingError.code, UnavailableError.code}
    return ENVIRONMENT if any(finding.code in waiting for finding in times) else FAILED
