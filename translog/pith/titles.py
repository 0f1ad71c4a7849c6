"""What a work is called. A record holds only the hash of its title: who knows one can check it."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from translog.pith.record import canonical_text

MAX_TITLE_CHARS = 1_000


def is_title(title: Any, title_sha256: bytes) -> bool:
    """Say whether `title` is that of the work, by the hash that its canonical record has."""
    if type(title) is not str or len(title) > MAX_TITLE_CHARS:
        return False
    try:
        return sha256(canonical_text(title).encode()).digest() == title_sha256
    except UnicodeEncodeError:  # a lone surrogate
        return False


def snapshot_title(payload: Any) -> Any:
    """Return what a `graph_snapshot`'s payload calls the work, unchecked; None where nothing."""
    paper = member(member(payload, "graph_snapshot"), "paper")
    return member(paper, "title")


def find_title(titles: Iterable[Any], record: Mapping[str, Any]) -> str | None:
    """Return the first of `titles` that is the work's own, or None."""
    title_sha256 = bytes.fromhex(record["metadata"]["title_canon_sha256"])
    return next((title for title in titles if is_title(title, title_sha256)), None)


def member(value: Any, name: str) -> Any:
    """Return a member of what may be an object, or None: payloads are their signers' own."""
    return value.get(name) if isinstance(value, Mapping) else None
