"""A bundle's `timestamp_proofs` in words: what Bitcoin says about when, and how sure that is.

What is shown is what this log found when it checked. Pages say how to check it oneself.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from translog.web import words
from translog.web.lenient import count, items, member, text

Standing = Literal["final", "confirmed", "pending"]
_ORDER: tuple[Standing, ...] = ("final", "confirmed", "pending")
MAINNET = "mainnet"
BEACON = "time_beacon"


class Stamp(NamedTuple):
    """What one proof says.

    Attributes:
        event_id: of the event that it is about.
        standing: how far it has come.
        network: "mainnet" for Bitcoin; any other proves nothing to the world.
        height: of the earliest block it names, or None.
        sentence: all this for people.
        after: height of the block after which it was logged, or None.
    """

    event_id: str
    standing: Standing
    network: str
    height: int | None
    sentence: str
    after: int | None


class Said(NamedTuple):
    """What is known of the time of some events, in a sentence.

    Attributes:
        sentence: how old they are at least.
        after: how old they are at most, or None.
        events: how many.
    """

    sentence: str
    after: str | None
    events: int


def stamps(proofs: Iterable[Mapping[str, Any]]) -> tuple[Stamp, ...]:
    """Return what each timestamp says, in the order given. Beacons stand among them."""
    return tuple(_stamp(proof) for proof in proofs if member(proof, "proof_type") != BEACON)


def best(found: Iterable[Stamp]) -> Stamp | None:
    """Return the one that has come furthest, on the real chain if any is; None of none."""
    return min(
        found,
        key=lambda stamp: (
            stamp.network != MAINNET,
            _ORDER.index(stamp.standing),
            stamp.height or 0,
        ),
        default=None,
    )


def said(found: Iterable[Stamp]) -> tuple[Said, ...]:
    """Return what stamps say, those that say the same as one."""
    groups: dict[str, list[Stamp]] = {}
    for stamp in found:
        groups.setdefault(stamp.sentence, []).append(stamp)
    return tuple(
        Said(sentence, _after([stamp.after for stamp in group]), len(group))
        for sentence, group in groups.items()
    )


def _stamp(proof: Mapping[str, Any]) -> Stamp:
    block = _block(proof)
    return Stamp(
        event_id=text(member(proof, "event_id"), 80) or "unknown",
        standing=_standing(proof),
        network=text(member(proof, "network"), 40) or "an unknown chain",
        height=block[0] if block else None,
        sentence=_sentence(proof),
        after=count(member(proof, "not_before", "height")),
    )


def _standing(proof: Mapping[str, Any]) -> Standing:
    status = member(proof, "status")
    if status in ("final", "confirmed") and _block(proof) is not None:
        return "final" if status == "final" else "confirmed"
    return "pending"


def _sentence(proof: Mapping[str, Any]) -> str:
    standing, found = _standing(proof), _block(proof)
    if found is None:
        asked = len(items(member(proof, "calendars")))
        where = words.counted(asked, "calendar") if asked else "the calendars"
        return f"Sent to {where}; no block holds it yet"
    height, time = found
    network = text(member(proof, "network"), 40)
    chain = "Bitcoin" if network == MAINNET else f"the test chain {network or 'without a name'}"
    when = f"Existed before block {height:,} of {chain}{f', {time}' if time else ''}"
    if standing == "confirmed":
        return f"{when}. The block is recent, and could still be replaced"
    return when


def _block(proof: Mapping[str, Any]) -> tuple[int, str | None] | None:
    """Return height and time of the earliest block that is named."""
    found = [
        (height, _moment(member(each, "header_time")))
        for each in items(member(proof, "attestations"))
        if (height := count(member(each, "height"))) is not None
    ]
    return min(found, key=lambda each: each[0]) if found else None


def _after(heights: list[int | None]) -> str | None:
    """Say what holds of all of several events."""
    known = [height for height in heights if height is not None]
    if len(known) < len(heights):
        return None
    return f"Logged after block {min(known):,}, which the log knew by then"


def _moment(time: Any) -> str | None:
    if type(time) is not str:
        return None
    try:
        return words.moment(time)
    except ValueError:
        return None
