"""Anchors in words: how far a checkpoint is on its way into Bitcoin.

What is shown is what this log found when it looked. Pages say how to check it oneself.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from translog.web import words
from translog.web.pages import Anchored
from translog.web.timestamps import MAINNET

_WAITING = {
    "attested": "A calendar names a block, and nobody has looked at it yet",
    "lost": "Its block has left the chain; a newer checkpoint was sent instead",
}
# How a page marks them, and in a word.
_STANDINGS = {
    "pending": ("waiting", "sent"),
    "attested": ("waiting", "in a block, they say"),
    "confirmed": ("waiting", "in a recent block"),
    "final": ("done", "final"),
    "lost": ("failed", "lost"),
}


def anchored(rows: Iterable[Mapping[str, Any]]) -> list[Anchored]:
    """Return the anchors that `/anchors.json` lists, as the page shows them."""
    return [_anchored(row) for row in rows]


def sentences(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what the anchors of one checkpoint say, each in a sentence."""
    return [f"{_sentence(row)}." for row in rows]


def at_a_glance(rows: Iterable[Mapping[str, Any]]) -> tuple[str, str | None]:
    """Return how far the log has come into Bitcoin: in a word or two, and how many entries.

    Args:
        rows: the newest anchors, newest first.
    """
    rows = list(rows)
    for state in ("final", "confirmed", "attested", "pending"):
        for row in rows:
            if row["state"] == state:
                chain = "Block" if row["network"] == MAINNET else f"{row['network']} block"
                block = row["block"]
                word = f"{chain} {block['height']:,}" if block is not None else "On its way"
                return word, f"{words.counted(row['tree_size'], 'entry')}, {_STANDINGS[state][1]}"
    return "Not yet", None


def _anchored(row: Mapping[str, Any]) -> Anchored:
    size = row["tree_size"]
    state, standing = _STANDINGS[row["state"]]
    return Anchored(
        size=size,
        sent_at=row["made_at"],
        state=state,
        standing=standing,
        words=_sentence(row),
        href=f"anchors/{size}.ots" if row["state"] != "lost" else None,
    )


def _sentence(row: Mapping[str, Any]) -> str:
    block = row["block"]
    if block is None:
        sent = f"Sent to {words.counted(len(row['calendars']), 'calendar')}; no block holds it yet"
        return _WAITING.get(row["state"], sent)
    chain = "Bitcoin" if row["network"] == MAINNET else f"the test chain {row['network']}"
    when = (
        f"Existed before block {block['height']:,} of {chain}, {words.moment(block['block_time'])}"
    )
    if row["state"] == "confirmed":
        return f"{when}. The block is recent, and could still be replaced"
    return f"{when} ({block['grade']})"
