"""arXiv's metadata in XML: Atom, as its API answers, and arXivRaw, as it is harvested over OAI-PMH.

Spec: docs/formats/metadata.md. Read as a stream: a file may hold any number of works, and no more
than one of them is in memory. There is no document type, and so no entity: defusedxml refuses both.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]

from translog.errors import MalformedError, TooLargeError
from translog.pith.metadata import Work, read_text, work

MAX_WORK_BYTES = 1 << 20  # of XML, from the end of one work to the end of the next

ATOM = "{http://www.w3.org/2005/Atom}"
ARXIV = "{http://arxiv.org/schemas/atom}"
RAW = "{http://arxiv.org/OAI/arXivRaw/}"

_ABS = re.compile(r"https?://arxiv\.org/abs/(.{1,200})v([1-9][0-9]{0,5})")
_VERSION = re.compile(r"v([1-9][0-9]{0,5})")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# RFC 2822, as arXiv writes it: Mon, 2 Apr 2007 19:18:42 GMT.
_DATE = re.compile(
    rf"({'|'.join(_DAYS)}), ([0-9]{{1,2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)

Read = Work | MalformedError


class _Collector:
    """What the parser tells of each element: keeps one work's texts, and forgets the rest."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self._work: dict[str, Any] | None = None
        self._path: list[str] = []
        self._text: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in (f"{ATOM}entry", f"{RAW}arXivRaw"):
            self._work, self._path = {"kind": tag, "categories": [], "versions": []}, []
            return
        if self._work is None:
            return
        self._path.append(tag)
        self._text = []
        if tag == f"{ATOM}category":
            self._work["categories"].append(attributes.get("term", ""))
        elif tag == f"{ARXIV}primary_category":
            self._work["primary"] = attributes.get("term", "")
        elif tag == f"{RAW}version":
            self._work["versions"].append([attributes.get("version", ""), ""])

    def data(self, text: str) -> None:
        if self._work is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        if self._work is None:
            return
        if tag == self._work["kind"] and not self._path:
            self.done.append(self._work)
            self._work = None
            return
        text = "".join(self._text)
        if len(self._path) == 1:
            self._work.setdefault(tag, text)
        elif self._path[-2:] == [f"{RAW}version", f"{RAW}date"]:
            self._work["versions"][-1][1] = text
        self._path.pop()

    def close(self) -> None:
        """Be told that the document has ended."""


def read_xml(chunks: Iterable[bytes]) -> Iterator[Read]:
    """Yield every work in a document, in order; or what is wrong with it.

    Args:
        chunks: the document, in pieces.

    Raises:
        MalformedError: it is not well-formed XML, it has a document type, or no work is in it.
        TooLargeError: a work is larger than MAX_WORK_BYTES.
    """
    collector = _Collector()
    parser = DefusedXMLParser(target=collector, forbid_dtd=True)
    since = found = 0
    for part in _parts(chunks):
        # Of the end of a work the parser may tell later, when it has seen more, or all.
        _feed(parser, part)
        since = 0 if collector.done else since + len(part)
        if since > MAX_WORK_BYTES:
            raise TooLargeError(f"xml: a work has more than {MAX_WORK_BYTES} bytes")
        done, collector.done = collector.done, []
        found += len(done)
        yield from map(_read, done)
    if not found:
        raise MalformedError("xml: no work is in it, want entries of Atom, or records of arXivRaw")


def _feed(parser: DefusedXMLParser, part: bytes) -> None:
    try:
        parser.feed(part) if part else parser.close()
    except DefusedXmlException as error:
        raise MalformedError("xml: has a document type: nothing may be declared in it") from error
    except ParseError as error:
        raise MalformedError(f"xml: {error}") from error
    except (LookupError, ValueError) as error:
        raise MalformedError(f"xml: its encoding is not read here: {str(error)[:80]}") from error


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a document in pieces in which no work can hide, and an empty one at its end."""
    for chunk in chunks:
        for start in range(0, len(chunk), MAX_WORK_BYTES // 4):
            yield chunk[start : start + MAX_WORK_BYTES // 4]
    yield b""


def _read(found: dict[str, Any]) -> Read:
    try:
        return _atom(found) if found["kind"] == f"{ATOM}entry" else _raw(found)
    except MalformedError as error:
        return error.with_traceback(None)


def _atom(found: dict[str, Any]) -> Work:
    name = found.get(f"{ATOM}id", "").strip()
    match = _ABS.fullmatch(name)
    if match is None:
        raise MalformedError(
            f"entry id is {name[:80]!r}, want http://arxiv.org/abs/… with a version"
        )
    return work(
        source={"kind": "arxiv", "id": match[1], "version": int(match[2])},
        submitted_at=found.get(f"{ATOM}updated", "").strip(),  # of this version
        primary_cat=found.get("primary", ""),
        cross_cats=found["categories"],
        license=None,  # Atom does not say
        title=read_text("title", found.get(f"{ATOM}title", "")),
        abstract=read_text("abstract", found.get(f"{ATOM}summary", "")),
    )


def _raw(found: dict[str, Any]) -> Work:
    """Read a record of arXivRaw: title and abstract are those of the newest version."""
    if not found["versions"]:
        raise MalformedError("record has no versions")
    label, date = found["versions"][-1]
    match = _VERSION.fullmatch(label)
    if match is None:
        raise MalformedError(f"version is {label[:40]!r}, want v and a number")
    categories = found.get(f"{RAW}categories", "").split()
    return work(
        source={
            "kind": "arxiv",
            "id": found.get(f"{RAW}id", "").strip(),
            "version": int(match[1]),
        },
        submitted_at=_time(date.strip()),
        primary_cat=categories[0] if categories else "",
        cross_cats=categories[1:],
        license=found.get(f"{RAW}license", "").strip() or None,
        title=read_text("title", found.get(f"{RAW}title", "")),
        abstract=read_text("abstract", found.get(f"{RAW}abstract", "")),
    )


def _time(date: str) -> str:
    match = _DATE.fullmatch(date)
    if match is None:
        raise MalformedError(f"date is {date[:40]!r}, want one like Mon, 2 Apr 2007 19:18:42 GMT")
    weekday, day, month, year, hour, minute, second = match.groups()
    try:
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second)
        )
    except ValueError as error:
        raise MalformedError(f"date is {date[:40]!r}, and there is none such") from error
    if moment.weekday() != _DAYS.index(weekday):
        raise MalformedError(f"date is {date[:40]!r}, and that was another day of the week")
    return f"{moment.isoformat()}Z"
