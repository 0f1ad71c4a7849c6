"""Timestamps on the command line: which file one is about, and where headers are."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from translog.bitcoin.grade import HeaderSource
from translog.cli.exits import ENVIRONMENT, FAILED, OK
from translog.errors import MalformedError, MissingError, UnavailableError
from translog.store import builtin, files
from translog.verify.findings import Finding, failed
from translog.verify.timestamps import check_file

ENDING = ".ots"
MAX_HEADERS_BYTES = 160 << 20  # twice the chain of 2026


def content_of(name: str) -> Path | None:
    """Return the file that a timestamp is about, by its name: as `ots verify` has it."""
    path = Path(name.removesuffix(ENDING))
    return path if name.endswith(ENDING) and path.is_file() else None


def sources(headers: Path | None) -> list[HeaderSource]:
    """Return where headers come from: a file of them, tied to the built-in checkpoints.

    Raises:
        MissingError: there is no such file.
        MalformedError: it is not headers.
        HeaderError: they are tied to no checkpoint.
    """
    if headers is None:
        return []
    raw = files.read(headers, limit=MAX_HEADERS_BYTES)
    return [builtin.checkpoints().tie(raw)]


def check(raw: bytes, content: Path | None, known: Sequence[HeaderSource]) -> list[Finding]:
    """Check a timestamp. Bad bytes raise nothing: they are a finding that has failed."""
    read_digest = None if content is None else partial(files.digest, content)
    try:
        return check_file(raw, read_digest, known)
    except MalformedError as error:
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
