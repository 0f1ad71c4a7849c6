"""Sixty-four bits by which an event is found again: of its hash, of its subject, of its record.

Both are the beginnings of hashes, so they are spread evenly, and one table holds them. What is
found under a prefix is a candidate and is compared in full; two events may share a prefix, and
whoever spends 2**32 hashes to make two that do gains nothing.
"""

from hashlib import sha256
from typing import Any

from translog.pith.event import RECORD_CREATED
from translog.pith.kinds import record_mirrored
from translog.pith.record import base32_bits

BITS = 64
BITS_A_CHAR = 5
NUMBER_PREFIX_CHARS = len("pith:2024:")
LONGEST = -(-BITS // BITS_A_CHAR)  # 13 characters of base32 hold 65 bits


def of_hash(content_sha256: bytes) -> int:
    """Return the prefix of an event's hash, as SQLite holds it: signed, in the same order."""
    return int.from_bytes(content_sha256[:8], "big") - (1 << BITS - 1)


def of_subject(subject: str) -> int:
    """Return the prefix of a Pith Number's digest; of a hash of any other subject."""
    if subject.startswith("pith:"):  # then it is a Pith Number
        bits = base32_bits(subject[NUMBER_PREFIX_CHARS:][:LONGEST])
        return (bits >> LONGEST * BITS_A_CHAR - BITS) - (1 << BITS - 1)
    return of_hash(sha256(subject.encode()).digest())


def of_record(number: str) -> int:
    """Return the prefix under which the events that create the record `number` are found.

    Unlike that of a subject it is of a hash of the whole number: that one is there says that the
    record is, and nobody who names another number can arrange for it.
    """
    return of_hash(sha256(b"creates " + number.encode()).digest())


def all_of(content_sha256: bytes, event_type: str, subject: str, payload: Any) -> set[int]:
    """Return every prefix under which an event is found."""
    prefixes = {of_hash(content_sha256), of_subject(found_under(event_type, subject, payload))}
    return prefixes | {of_record(subject)} if event_type == RECORD_CREATED else prefixes


def found_under(event_type: str, subject: str, payload: Any) -> str:
    """Return the subject under which an event is found: the record's, if a log states its names."""
    return payload["pith_number"] if event_type == record_mirrored.TYPE else subject


def range_of_suffix(suffix: str) -> tuple[int, int]:
    """Return the lowest and the highest prefix of digests that begin with `suffix`.

    Raises:
        MalformedError: it is not base32 in capitals.
    """
    head = suffix[:LONGEST]
    number = base32_bits(head)
    spare = BITS - BITS_A_CHAR * len(head)
    lo = number << spare if spare >= 0 else number >> -spare
    hi = lo + (1 << max(spare, 0)) - 1
    return lo - (1 << BITS - 1), hi - (1 << BITS - 1)
