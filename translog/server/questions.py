"""Parameters of requests, read strictly: unknown, repeated and misspelt ones are refused."""

from urllib.parse import parse_qsl

from translog.errors import MalformedError
from translog.formats.strict import parse_decimal
from translog.pith.record import BASE32, SHORT_CHARS, SUFFIX_CHARS

EVENT_ID = "sha256:"
HASH_DIGITS = 64
MAX_QUERY_BYTES = 1_000


def parameters(query: bytes, *allowed: str, limit: int = MAX_QUERY_BYTES) -> dict[str, str]:
    """Return a query's parameters by name.

    Raises:
        MalformedError: one is not among `allowed`, or is given twice.
    """
    if len(query) > limit:
        raise MalformedError(f"query has {len(query)} bytes, want at most {limit}")
    try:
        pairs = (
            parse_qsl(
                query.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"
            )
            if query
            else []
        )
    except ValueError as error:
        raise MalformedError(f"query is {query[:80]!r}, want name=value&…") from error
    found = dict(pairs)
    unknown = sorted(found.keys() - set(allowed))
    if unknown or len(found) < len(pairs):
        what = f"has {unknown[0][:40]!r}" if unknown else "repeats a name"
        raise MalformedError(f"query {what}, want each of {', '.join(allowed)} at most once")
    return found


def number(found: dict[str, str], name: str) -> int:
    """Return a parameter that must be there, as a number.

    Raises:
        MalformedError: it is missing, or no number up to 2**63 - 1 in plain digits.
    """
    if name not in found:
        raise MalformedError(f"query has no {name}, want {name}=<number>")
    return parse_decimal(found[name], name)


def event_hash(digits: str) -> bytes:
    """Read the 64 digits that name an event.

    Raises:
        MalformedError: they are not lower-case hex, or not as many.
    """
    if len(digits) != HASH_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise MalformedError(f"event hash is {digits[:80]!r}, want {HASH_DIGITS} digits of hex")
    return bytes.fromhex(digits)


def event_id(text: str) -> bytes:
    """Read an event id, as `pith.event.event_id` writes it.

    Raises:
        MalformedError: it is not one.
    """
    if not text.startswith(EVENT_ID):
        raise MalformedError(f"event id is {text[:80]!r}, want {EVENT_ID} and the hash in hex")
    return event_hash(text.removeprefix(EVENT_ID))


def suffix(text: str) -> str:
    """Read the part of a Pith Number that names a record in a path, or a beginning of it.

    Raises:
        MalformedError: it is not base32 in capitals, or not of one of these lengths.
    """
    if len(text) not in (*SHORT_CHARS, SUFFIX_CHARS) or not set(text) <= set(BASE32):
        raise MalformedError(
            f"record is {text[:40]!r}, want {SUFFIX_CHARS} characters of base32 in capitals,"
            f" or the first {', '.join(map(str, SHORT_CHARS))}"
        )
    return text
