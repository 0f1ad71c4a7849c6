"""What a work is called. A record holds only the hash of its title: who knows one can check it."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from translog.pith.record import canonical_text

MAX_TITLE_CHARS = 1_000


def is_title(title: Any, record: Mapping[str, Any]) -> bool:
    """Say whether `title` is that of the work, by the hash in its canonical record."""
    if type(title) is not str or len(title) > MAX_TITLE_CHARS:
        return False
    try:
        digest = sha256(canonical_text(title).encode()).hexdigest()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return bool(digest == record["metadata"]["title_canon_sha256"])


def snapshot_title(payload: Any) -> Any:
    """Return what a `graph_snapshot`'s payload calls the work, unchecked; None where nothing."""
    paper = member(member(payload, "graph_snapshot"), "paper")
    return member(paper, "title")


def find_title(titles: Iterable[Any], record: Mapping[str, Any]) -> str | None:
    """Return the first of `titles` that is the work's own, or None."""
    return next((title for title in titles if is_title(title, record)), None)


def member(value: Any, name: str) -> Any:
    """Return a member of what may be an object, or None: payloads are their signers' own."""
    return value.get(name) if isinstance(value, Mapping) else None
