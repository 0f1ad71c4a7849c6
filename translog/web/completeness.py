"""How complete a record is, in a line each: what anyone has added to it, and what is still open."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from translog.web import timestamps, words
from translog.web.statements import Statement
from translog.web.timestamps import Stamp

State = Literal["done", "waiting", "open"]


class Item(NamedTuple):
    """A line of the completeness list. `anchor` is the section that says more, if one does."""

    name: str
    state: State
    words: str
    anchor: str | None


def completeness(
    current: Mapping[str, Any], stamps: Sequence[Stamp], cited_by: Sequence[Statement]
) -> tuple[Item, ...]:
    """Return the lines, from what a state holds, what stamps show, and what others say."""
    lists = (
        ("Web archive", "storage_attestations", "capture", "storage"),
        ("Author claim", "author_attestations", "attestation", "authors"),
        ("Citations", "citation_signatures", "signed citation", "citations"),
        ("Replications", "replication_records", "record", "replications"),
    )
    found = [
        Item(name, "done", words.counted(len(current[key]), thing), anchor)
        if current[key]
        else Item(name, "open", "none yet", None)
        for name, key, thing, anchor in lists
    ]
    if cited_by:
        cited = Item(
            "Citations", "done", f"by {words.counted(len(cited_by), 'record')}", "cited-by"
        )
        found = [cited if item[:2] == ("Citations", "open") else item for item in found]
    return (
        Item("Bitcoin timestamp", *_bitcoin(timestamps.best(stamps)), "time"),
        *found,
        Item("Portable bundle", "done", "signed by this log", "downloads"),
    )


def _bitcoin(stamp: Stamp | None) -> tuple[State, str]:
    if stamp is None:
        return "open", "none yet"
    if stamp.height is None:
        return "waiting", "sent to calendars"
    if stamp.network != timestamps.MAINNET:
        return "waiting", f"on {stamp.network}"
    if stamp.standing != "final":
        return "waiting", "in a recent block"
    return "done", f"block {stamp.height:,}"
