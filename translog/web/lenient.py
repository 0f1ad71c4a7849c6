"""Reading what a stranger wrote, to show it: what is not of its kind is as if it were not there.

What has to be right is checked elsewhere. Here only the page must not fail, and must not be led to
say or link anything dangerous.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

MAX_TEXT_CHARS = 4_000
MAX_ITEMS = 100
MAX_COUNT = 10**15

# As in payloads of events: no user, which could pass for a host; nothing that ends an attribute.
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:[/?#][A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=%]*)?")
_DOI = re.compile(r"10\.[0-9.]+/[!-~]+")
_ARXIV = re.compile(r"[A-Za-z.\-]*/?[0-9.]+(?:v[0-9]+)?")


def member(value: Any, *names: str) -> Any:
    """Return the member of a member of what may be an object, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def text(value: Any, limit: int = MAX_TEXT_CHARS) -> str | None:
    """Return a text on one line, cut to `limit` characters; None for nothing, or anything else."""
    if type(value) is not str:
        return None
    # What steers the direction of writing stays inside its own element: pages put it in <bdi>.
    shown = "".join(c if c.isprintable() else " " for c in value[: limit + 1]).strip()
    return f"{shown[:limit]}…" if len(value) > limit else shown or None


def items(value: Any) -> list[Any]:
    """Return the first elements of what may be a list."""
    return value[:MAX_ITEMS] if type(value) is list else []


def count(value: Any) -> int | None:
    """Return what may be a number of things."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def link(value: Any) -> str | None:
    """Return a URL of http or https; None for anything else, such as `javascript:`."""
    if type(value) is not str or len(value) > MAX_TEXT_CHARS or not _URL.fullmatch(value):
        return None
    return value


def arxiv_link(identifier: Any) -> str | None:
    """Return where arXiv shows a paper."""
    if type(identifier) is not str or not _ARXIV.fullmatch(identifier):
        return None
    return f"https://arxiv.org/abs/{quote(identifier, safe='/')}"


def doi_link(doi: Any) -> str | None:
    """Return where a DOI leads."""
    if type(doi) is not str or len(doi) > MAX_TEXT_CHARS or not _DOI.fullmatch(doi):
        return None
    return f"https://doi.org/{quote(doi, safe='/')}"
