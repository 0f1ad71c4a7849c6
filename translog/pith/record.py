"""Canonical records and Pith Numbers: docs/formats/event.md, "The canonical record".

A Pith Number is the year a work was submitted and the first 130 bits of its record's hash, so
it can be computed from the record by anyone and never has to be looked up.
"""

import re
import unicodedata
from base64 import b32encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from translog.errors import MalformedError, SubjectError
from translog.formats.canonical import INTEGERS, canonical, canonical_exact
from translog.formats.strict import shown
from translog.pith import shape

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SUFFIX_CHARS = 26
SHORT_CHARS = (8, 12, 16)

_NUMBER = re.compile(r"pith:([0-9]{4}):([A-Z2-7]{26})")
_STRINGS = frozenset({str})
_SUFFIX_BYTES = 17  # 26 base32 digits are their first 130 bits
_SPARE_BITS = 6
# RFC 4648 base32 digits to those that int() reads, and all other bytes to one that it does not.
_READ = dict(zip(BASE32.encode(), b"0123456789abcdefghijklmnopqrstuv", strict=True))
_DIGITS = bytes(_READ.get(byte, ord("!")) for byte in range(256))
_RECORD = frozenset({"schema_version", "source", "metadata"})
_SOURCE = frozenset({"kind", "id", "version"})
_METADATA = frozenset(
    {
        "license",
        "primary_cat",
        "submitted_at",
        "cross_cats_sorted",
        "title_canon_sha256",
        "abstract_canon_sha256",
    }
)
_ALIAS = frozenset({"alias_kind", "alias_value", "created_at"})


class PithNumber(NamedTuple):
    """The parts of `pith:2024:HAMJZSQVKL4VHWOAINCHUE26II`."""

    year: str
    suffix: str

    def __str__(self) -> str:
        return f"pith:{self.year}:{self.suffix}"

    @property
    def short(self) -> str:
        """The form for people, `pith:HAMJZSQV`. Not unique for ever."""
        return f"pith:{self.suffix[: SHORT_CHARS[0]]}"


def parse_pith_number(value: Any) -> PithNumber:
    """Read a full Pith Number.

    Raises:
        MalformedError: anything else, short forms too.
    """
    match = _NUMBER.fullmatch(value) if type(value) is str else None
    if match is None:
        raise MalformedError(f"pith number is {shown(value)}, want pith:YYYY:<26 base32 letters>")
    return PithNumber(match[1], match[2])


def base32_bits(digits: str) -> int:
    """Return the number that base32 digits (RFC 4648, in capitals) are the bits of.

    Raises:
        MalformedError: some are not, or there are none.
    """
    try:
        return int(digits.encode().translate(_DIGITS), 32)
    except ValueError as error:
        raise MalformedError(f"Pith Number {digits[:40]!r} is not base32 in capitals") from error


def check_record(record: Any) -> None:
    """Check that `record` has the shape of a canonical record, schema version 1.0.

    Raises:
        MalformedError: a member is missing, unknown or not of its kind.
    """
    shape.exact(record, _RECORD, "canonical_record")
    shape.constant(record, "schema_version", "1.0", "canonical_record")
    check_source(record["source"])
    metadata = shape.exact(record["metadata"], _METADATA, "metadata")
    if metadata["license"] is not None:
        shape.text(metadata, "license", "metadata")
    shape.label(metadata, "primary_cat", "metadata")
    shape.seconds(metadata, "submitted_at", "metadata")
    shape.hex_digits(metadata, "title_canon_sha256", 32, "metadata")
    shape.hex_digits(metadata, "abstract_canon_sha256", 32, "metadata")
    categories = shape.array(metadata, "cross_cats_sorted", "metadata")
    if not _STRINGS.issuperset(map(type, categories)) or sorted(set(categories)) != categories:
        raise MalformedError(
            f"metadata cross_cats_sorted is {shown(categories)}, want strings, each once, in order"
        )


def check_source(source: Any) -> None:
    """Check the shape of `source`: which version of which document where.

    Raises:
        MalformedError: it has another.
    """
    shape.exact(source, _SOURCE, "source")
    shape.label(source, "kind", "source")
    shape.label(source, "id", "source")
    version = source["version"]
    if type(version) is not int or not 1 <= version < INTEGERS.stop:
        raise MalformedError(f"source version is {shown(version)}, want an integer from 1")


def canonical_sha256(record: Mapping[str, Any]) -> bytes:
    """Return the 32-byte hash of a canonical record: what its receipt signs."""
    return sha256(canonical(record)).digest()


def pith_number(record: Mapping[str, Any]) -> str:
    """Return the Pith Number of a record that `check_record` has passed."""
    return number_of(record, canonical_sha256(record))


def number_of(record: Mapping[str, Any], digest: bytes) -> str:
    """Return the Pith Number of a record whose `canonical_sha256` is `digest`."""
    suffix = b32encode(digest[:20]).decode()[:SUFFIX_CHARS]  # 20 bytes are 32 characters
    return f"pith:{record['metadata']['submitted_at'][:4]}:{suffix}"


def check_number(record: Any, number: PithNumber) -> bytes:
    """Check that `number` is the Pith Number of `record`; return its `canonical_sha256`.

    Raises:
        MalformedError: the record has not the shape of one.
        SubjectError: it is another record's number.
    """
    check_record(record)
    digest = sha256(canonical_exact(record)).digest()  # of nothing else, as was just checked
    if not is_number(str(number), record["metadata"]["submitted_at"][:4], digest):
        raise SubjectError(
            f"canonical_record has number {number_of(record, digest)}, want {str(number)!r}"
        )
    return digest


def is_number(text: str, year: str, digest: bytes) -> bool:
    """Say whether `text` is the Pith Number of a record of this year with this hash.

    Raises:
        MalformedError: it ends in what is not base32.
    """
    # The other way round, `b32encode`, takes three times as long: every event comes by here.
    bits = int.from_bytes(digest[:_SUFFIX_BYTES], "big") >> _SPARE_BITS
    head = f"pith:{year}:"
    return (
        len(text) == len(head) + SUFFIX_CHARS
        and text.startswith(head)
        and base32_bits(text[len(head) :]) == bits
    )


def aliases(record: Mapping[str, Any], created_at: str) -> list[dict[str, str]]:
    """Return the other names of a record, sorted by kind: short forms, and what arXiv calls it."""
    names = alias_names(record, parse_pith_number(pith_number(record)).suffix)
    return [
        {"alias_kind": kind, "alias_value": names[kind], "created_at": created_at}
        for kind in sorted(names)
    ]


def alias_names(record: Mapping[str, Any], suffix: str) -> dict[str, str]:
    """Return the same by kind, of a record whose Pith Number ends in `suffix`."""
    return {f"pith_short_{chars}": suffix[:chars] for chars in SHORT_CHARS} | outside_names(record)


def outside_names(record: Mapping[str, Any]) -> dict[str, str]:
    """Return those of them that others have given it."""
    source = record["source"]
    if source["kind"] != "arxiv":
        return {}
    return {
        "arxiv": source["id"],
        "arxiv_version": f"{source['id']}v{source['version']}",
        "doi": f"10.48550/arxiv.{source['id']}",
    }


def check_aliases(aliases: Sequence[Any]) -> None:
    """Check the shape of other names of a record, as bundles list them.

    Raises:
        MalformedError: one is not `{alias_kind, alias_value, created_at}`, or of its kinds.
    """
    for alias in aliases:
        shape.exact(alias, _ALIAS, "alias")
        shape.label(alias, "alias_kind", "alias")
        shape.label(alias, "alias_value", "alias")
        shape.seconds(alias, "created_at", "alias")


def canonical_text(title_or_abstract: str) -> str:
    """Return the form whose hash a record holds: NFC, single spaces, stripped, lower case."""
    return " ".join(unicodedata.normalize("NFC", title_or_abstract).split()).lower()
