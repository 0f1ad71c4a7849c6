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
_STANDINGS = {"final": "final", "confirmed": "confirmed"}


def anchored(rows: Iterable[Mapping[str, Any]]) -> list[Anchored]:
    """Return the anchors that `/anchors.json` lists, as the page shows them."""
    return [_anchored(row) for row in rows]


def sentences(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what the anchors of one checkpoint say, each in a sentence."""
    return [f"{_sentence(row)}." for row in rows]


def _anchored(row: Mapping[str, Any]) -> Anchored:
    block = row["block"]
    size = row["tree_size"]
    return Anchored(
        size=size,
        sent_at=row["made_at"],
        state=_STANDINGS.get(row["state"], "pending"),
        words=_sentence(row),
        block=f"{block['height']:,}" if block is not None else None,
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
