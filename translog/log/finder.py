"""What a person types, to records: a Pith Number, a name the work has elsewhere, words of a title.

Found in the search index, which is not trusted: whoever shows more of a record than its name looks
it up in the log.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from translog.errors import MalformedError, MissingError
from translog.formats.canonical import parse
from translog.pith.event import MAX_EVENT_BYTES, RECORD_CREATED
from translog.pith.record import SUFFIX_CHARS, canonical_text, outside_names
from translog.pith.titles import member
from translog.store import log, search
from translog.store.bodies import unpack
from translog.store.database import Connection
from translog.store.search import Record

MAX_QUERY_CHARS = 300
MAX_WORDS = 16
MIN_SUFFIX_CHARS = 4  # of a number, before it is taken for one and not for a word
MAX_FOUND = 50

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"(?:pith:)?(?:[0-9]{4}:)?([a-z2-7]+)", re.IGNORECASE)
_ARXIV = re.compile(
    r"(?:arxiv:|https?://arxiv\.org/(?:abs|pdf)/)?"
    r"([0-9]{4}\.[0-9]{4,6}|[a-z-]+(?:\.[a-z]{2})?/[0-9]{7})(v[1-9][0-9]{0,3})?",
    re.IGNORECASE,
)
_DOI = re.compile(r"(?:doi:|https?://(?:dx\.)?doi\.org/)?(10\.[0-9.]+/\S+)", re.IGNORECASE)


def find(db: Connection, text: str) -> list[Record]:
    """Return up to MAX_FOUND records, the likeliest first.

    Args:
        db: a connection to the search index.

    Raises:
        MalformedError: more text than anyone means.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise MalformedError(f"search has {len(text)} characters, want at most {MAX_QUERY_CHARS}")
    text = text.strip()
    found = [*_by_number(db, text), *_by_name(db, text), *_by_words(db, text)]
    return list(dict.fromkeys(found))[:MAX_FOUND]


def find_alias(db: Connection, kind: str, value: str) -> list[Record]:
    """Return the records that have this name of a kind, newest first, up to MAX_FOUND.

    An arXiv identifier may have its version behind it; a DOI may be in capitals.
    """
    value = folded(kind, value)
    found = search.find_alias(db, kind, value, MAX_FOUND)
    if not found and kind == "arxiv":
        return search.find_alias(db, "arxiv_version", value, MAX_FOUND)
    return found


def folded(kind: str, value: str) -> str:
    """Return a name as it is kept in the index."""
    return value.lower() if kind == "doi" else value  # DOI handbook 3.4: case does not count


def confirm(db: Connection, size: int, record: Record, kind: str, value: str) -> None:
    """Check in the log that a record which was found has the name it was found by.

    Args:
        db: a connection to the log.

    Raises:
        MissingError: it has not, or there is no such record: the index is wrong.
    """
    for leaf in log.read_leaves(db, record.leaf_index, 1) if record.leaf_index < size else []:
        event = parse(unpack(leaf.body, limit=MAX_EVENT_BYTES), limit=MAX_EVENT_BYTES)
        if event["event_type"] != RECORD_CREATED or event["subject_pith_number"] != record.number:
            break
        names = names_of(event["payload"]["canonical_record"])
        if (value, kind) in names or (value, "arxiv_version") in names:
            return
    raise MissingError(f"search index names {record.number} for {kind} {value[:80]!r}: it is not")


def names_of(canonical_record: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return a record's names in the world, with the kind of each, as they are kept."""
    source = canonical_record["source"]
    # What begins as the number does is found without.
    outside = outside_names(canonical_record).items()
    return {(source["id"], source["kind"]), *((folded(kind, name), kind) for kind, name in outside)}


def cited_by(payload: Any) -> list[tuple[str, str]]:
    """Return the name of what a `citation_signature` cites, as it is kept; nothing for nonsense."""
    cited = member(payload, "cited")
    kind, value = member(cited, "kind"), member(cited, "id")
    if type(kind) is not str or type(value) is not str:
        return []
    return [(folded(kind, value), kind)]


def _by_number(db: Connection, text: str) -> list[Record]:
    match = _NUMBER.fullmatch(text)
    if match is None or not MIN_SUFFIX_CHARS <= len(match[1]) <= SUFFIX_CHARS:
        return []
    return search.find_suffix(db, match[1].upper(), MAX_FOUND)


def _by_name(db: Connection, text: str) -> list[Record]:
    if match := _ARXIV.fullmatch(text):
        return find_alias(db, "arxiv", f"{match[1]}{(match[2] or '').lower()}")
    if match := _DOI.fullmatch(text):
        return find_alias(db, "doi", match[1])
    kind, colon, value = text.partition(":")
    return find_alias(db, kind, value) if colon else []


def _by_words(db: Connection, text: str) -> list[Record]:
    # Composed, as in a record: an accent that stands alone would part a word in two.
    words = _WORD.findall(unicodedata.normalize("NFC", text))[:MAX_WORDS]
    if not words:
        return []
    asked = canonical_text(text)
    # A stable sort: of those alike, the newest stay first.
    return sorted(search.find_words(db, words), key=lambda found: _distance(found, asked))


def _distance(record: Record, asked: str) -> int:
    """Return how far a title is from what was asked: it, its beginning, a part, the words."""
    title = canonical_text(record.title or "")
    if title == asked:
        return 0
    if title.startswith(asked):
        return 1
    return 2 if asked in title else 3
