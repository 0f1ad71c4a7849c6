"""The two notations that every text format here is made of, read strictly: decimal and base64.

Python reads more than any of these documents allows (`int("1_0")`, `int("+7")`, `int("٣")`,
base64 with stray bits or white space). What is read here is formatted again and compared, so
that one value has one spelling.
"""

from binascii import a2b_base64, b2a_base64

from translog.errors import MalformedError

MAX_SIZE = 2**63 - 1
"""The largest size or index anywhere: what SQLite and a timestamped cosignature can hold."""

MAX_DECIMAL_DIGITS = len(str(MAX_SIZE))

_KINDS = {type(None): "null", str: "a string", list: "an array", dict: "an object"}


def parse_decimal(text: str, what: str) -> int:
    """Read a number from 0 to MAX_SIZE in ASCII digits, without sign or leading zeros.

    Args:
        what: names the number in the refusal, such as "checkpoint: size".

    Raises:
        MalformedError: any other text.
    """
    # The length first: the time `int` takes grows with the square of it.
    if not 1 <= len(text) <= MAX_DECIMAL_DIGITS or not (text.isascii() and text.isdigit()):
        raise MalformedError(f"{what} is {text[:30]!r}, want a decimal number up to {MAX_SIZE}")
    number = int(text)
    if number > MAX_SIZE or str(number) != text:
        raise MalformedError(f"{what} is {text!r}, want no leading zeros and at most {MAX_SIZE}")
    return number


def parse_base64(text: str, what: str) -> bytes:
    """Read standard base64 (RFC 4648 section 4) in its one canonical spelling.

    Raises:
        MalformedError: any other text.
    """
    try:
        decoded = a2b_base64(text)  # skips what it does not know: the comparison is the check
    except ValueError as error:
        raise MalformedError(f"{what} is {text[:80]!r}, want base64") from error
    if format_base64(decoded) != text:
        raise MalformedError(f"{what} is {text[:80]!r}, which is not how base64 is written")
    return decoded


def format_base64(raw: bytes) -> str:
    """Return what `parse_base64` reads."""
    return b2a_base64(raw, newline=False).decode("ascii")


def is_size(number: object) -> bool:
    """Tell whether `number` is an integer from 0 to MAX_SIZE. True and False are not."""
    return type(number) is int and 0 <= number <= MAX_SIZE


def shown(found: object) -> str:
    """Return `found` for a message, cut short. Never fails: `repr` does, on huge integers."""
    if found is None or isinstance(found, bool):
        return kind(found)
    if isinstance(found, int) and found.bit_length() > 128:
        return f"a number of {found.bit_length()} bits"
    return repr(found)[:40]


def kind(found: object) -> str:
    """Return what `found`, out of parsed JSON, is called there, for a message that says no more."""
    if isinstance(found, bool):
        return "true" if found else "false"
    return _KINDS.get(type(found), "a number")
