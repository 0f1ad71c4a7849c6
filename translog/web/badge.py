"""The badge of a record: an SVG of two fields, its number and how far it has come.

It says no more than the log knows: "Bitcoin block …" stands there once the log has checked a block
of six or more confirmations, "disputed" as soon as two events contradict each other.
"""

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from translog.web import timestamps

MEDIA_TYPE = "image/svg+xml"
CHAR_WIDTH = 6.7  # of a monospaced letter of 11 pixels
TEXT_WIDTH = 6.2  # of a letter on the right, on average
PADDING = 7


class Badge(NamedTuple):
    """What a badge says, and on which colour: each has a contrast of 4.5 or more to white."""

    words: str
    colour: str


LOGGED = Badge("in the log", "#0b5a73")
PENDING = Badge("Bitcoin pending", "#8a5a00")
DISPUTED = Badge("disputed", "#a3261f")
NOTHING = {  # by the code of the error: there is no such record to show a badge of
    "not-found": Badge("not in this log", "#5d5a52"),
    "ambiguous": Badge("ambiguous", "#5d5a52"),
    "malformed": Badge("no Pith Number", "#5d5a52"),
}


def badge_of(bundle: Mapping[str, Any]) -> Badge:
    """Return what the badge of a record says."""
    if bundle["state"]["equivocation_count"]:
        return DISPUTED
    stamp = timestamps.best(timestamps.stamps(bundle["timestamp_proofs"]))
    if stamp is None:
        return LOGGED
    if stamp.height is None:
        return PENDING
    if stamp.network != timestamps.MAINNET:
        return Badge(f"{stamp.network} block {stamp.height}", PENDING.colour)
    if stamp.standing != "final":
        return Badge(f"block {stamp.height}, recent", PENDING.colour)
    return Badge(f"Bitcoin block {stamp.height}", "#1f6b3a")


def svg(label: str, badge: Badge) -> bytes:
    """Return the picture. `label` is a short Pith Number, or what was asked for in its place."""
    left = round(len(label) * CHAR_WIDTH) + 2 * PADDING
    right = round(len(badge.words) * TEXT_WIDTH) + 2 * PADDING
    name, words, width = escape(label), escape(badge.words), left + right
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img"'
        f' aria-label="{name}: {words}"><title>{name}: {words}</title>'
        f'<rect width="{width}" height="20" rx="3" fill="#2b2a27"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z"'
        f' fill="{badge.colour}"/>'
        f'<g fill="#fff" font-size="11"><text x="{PADDING}" y="14"'
        f' textLength="{left - 2 * PADDING}" font-family="DejaVu Sans Mono,Menlo,Consolas,'
        f'monospace">{name}</text><text x="{left + PADDING}" y="14"'
        f' textLength="{right - 2 * PADDING}" font-family="Verdana,DejaVu Sans,Geneva,sans-serif">'
        f"{words}</text></g></svg>"
    ).encode()
