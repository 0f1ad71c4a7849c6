"""Metadata of works, and the canonical records that they make: docs/formats/metadata.md.

A record holds the hashes of title and abstract, not the texts. So metadata give either: a text,
whose hash is taken, or where there is none, the hash.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from translog.errors import HashError, MalformedError
from translog.formats.canonical import parse
from translog.formats.strict import shown
from translog.pith import shape
from translog.pith.record import canonical_text, check_record
from translog.pith.titles import MAX_TITLE_CHARS

MAX_METADATA_BYTES = 1 << 20
MAX_ABSTRACT_CHARS = 100_000
SCHEMA_VERSION = "1.0"

_REQUIRED = frozenset({"source", "submitted_at", "primary_cat"})
_OPTIONAL: Mapping[str, Any] = {"license": None, "cross_cats": (), "graph_snapshot": None}
_TEXTS = ("title", "abstract")
_KNOWN = _REQUIRED | _OPTIONAL.keys() | {*_TEXTS, *(f"{each}_canon_sha256" for each in _TEXTS)}
_LIMITS = {"title": MAX_TITLE_CHARS, "abstract": MAX_ABSTRACT_CHARS}


class Work(NamedTuple):
    """A version of a work, as its metadata give it.

    Attributes:
        record: its canonical record.
        title: with single spaces; None where only its hash was given.
        abstract: the same.
        graph_snapshot: what else is said of it, or None.
    """

    record: dict[str, Any]
    title: str | None
    abstract: str | None
    graph_snapshot: dict[str, Any] | None = None


def read_json(raw: bytes) -> Work:
    """Read the metadata of one work in JSON.

    Raises:
        TooLargeError: more than MAX_METADATA_BYTES.
        MalformedError: not strict JSON, or a member is missing, unknown or not of its kind.
        HashError: a hash stands beside a text, and is not the text's.
    """
    value = parse(raw, limit=MAX_METADATA_BYTES)
    if type(value) is not dict:
        raise MalformedError(f"metadata are {shown(value)}, want an object")
    lacks, extra = _REQUIRED - value.keys(), value.keys() - _KNOWN
    if lacks or extra:
        shape.refuse_members(lacks, extra, "work")
    members = {**_OPTIONAL, **value}
    texts = {name: _text(members, name) for name in _TEXTS}
    snapshot = members["graph_snapshot"]
    if snapshot is not None:
        shape.mapping(members, "graph_snapshot", "metadata")
    categories = members["cross_cats"]
    if type(categories) not in (list, tuple) or not all(type(each) is str for each in categories):
        raise MalformedError(f"metadata cross_cats is {shown(categories)}, want strings")
    return work(
        source=members["source"],
        submitted_at=members["submitted_at"],
        primary_cat=members["primary_cat"],
        cross_cats=categories,
        license=members["license"],
        title=texts["title"],
        abstract=texts["abstract"],
        graph_snapshot=snapshot,
    )


class Text(NamedTuple):
    """A title or an abstract.

    Attributes:
        sha256_hex: as a record holds it.
        given: with single spaces; None where only the hash was given.
    """

    sha256_hex: str
    given: str | None


def read_text(name: str, text: str) -> Text:
    """Return a text by its hash, and as it is spelled.

    Args:
        name: "title" or "abstract".

    Raises:
        MalformedError: it is too long, or nothing but white space.
    """
    given = " ".join(text.split())
    if not given or len(text) > _LIMITS[name]:
        raise MalformedError(
            f"{name} has {len(text)} characters, want 1 to {_LIMITS[name]}, and not only spaces"
        )
    canonical = given.lower() if given.isascii() else canonical_text(text)
    return Text(sha256(canonical.encode()).hexdigest(), given)


def _text(members: Mapping[str, Any], name: str) -> Text:
    """Return a text, or its hash where that is all there is."""
    hashed = f"{name}_canon_sha256"
    if name not in members:
        if hashed not in members:
            raise MalformedError(f"metadata lack {name} and {hashed}, want one of them")
        return Text(shape.hex_digits(members, hashed, 32, "metadata"), None)
    text = read_text(name, shape.text(members, name, "metadata"))
    if members.get(hashed, text.sha256_hex) != text.sha256_hex:
        raise HashError(
            f"metadata {hashed} is {shown(members[hashed])}, computed {text.sha256_hex}"
        )
    return text


def work(
    *,
    source: Mapping[str, Any],
    submitted_at: str,
    primary_cat: str,
    cross_cats: Iterable[str],
    license: str | None,  # the record's word for it
    title: Text,
    abstract: Text,
    graph_snapshot: dict[str, Any] | None = None,
) -> Work:
    """Return the work with these metadata.

    Args:
        cross_cats: in any order, the primary category among them or not.

    Raises:
        MalformedError: they make no canonical record.
    """
    record = {
        "schema_version": SCHEMA_VERSION,
        "source": source,
        "metadata": {
            "license": license,
            "primary_cat": primary_cat,
            "submitted_at": submitted_at,
            "cross_cats_sorted": sorted(set(cross_cats) - {primary_cat}),
            "title_canon_sha256": title.sha256_hex,
            "abstract_canon_sha256": abstract.sha256_hex,
        },
    }
    check_record(record)
    return Work(record, title.given, abstract.given, graph_snapshot)
