"""ORCID iDs: sixteen digits, the last of which checks the others.

Spec: ISO 7064, MOD 11-2. The check digit finds a misspelt iD; whose it is, it does not say.
"""

import re
from typing import Any

from translog.errors import MalformedError
from translog.formats.strict import shown

_ORCID = re.compile(r"[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]")


def check_orcid(orcid: Any) -> None:
    """Check the shape and the check digit of an ORCID iD such as 0000-0002-1825-0097.

    Raises:
        MalformedError: it is not one.
    """
    if type(orcid) is not str or not _ORCID.fullmatch(orcid):
        raise MalformedError(f"ORCID iD is {shown(orcid)}, want one like 0000-0002-1825-0097")
    want = check_digit(orcid.replace("-", "")[:15])
    if orcid[-1] != want:
        raise MalformedError(f"ORCID iD {orcid} has check digit {orcid[-1]}, computed {want}")


def check_digit(digits: str) -> str:
    """Return the sixteenth of fifteen digits."""
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11]
