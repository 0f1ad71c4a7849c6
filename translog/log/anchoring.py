"""What an operator chooses about anchoring, and where it is written: DIR/anchoring.toml.

A log without that file is not anchored. Every member has a default, and one that is not known is
refused: a list of calendars that is silently not used would be found out in a year.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from translog.bitcoin.claims import RunSource
from translog.bitcoin.network import MAINNET, Network, network_named
from translog.errors import MalformedError, MissingError
from translog.formats.strict import shown
from translog.net.calendars import PUBLIC, PUBLIC_LISTED, Calendars
from translog.net.sources import open_source
from translog.store import builtin, files

FILE = "anchoring.toml"
HEADERS = (
    "quorum:2,esplora:https://blockstream.info/api,esplora:https://mempool.space/api"
    ",electrum:electrum.emzy.de:50002"
)
INTERVAL = "1h"
MAX_INTERVAL_SECONDS = 7 * 86_400

_INTERVAL = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Policy = Literal["first", "every", "none"]


class Happening(NamedTuple):
    """Something that anchoring did or found.

    Attributes:
        what: one word for programs: "submitted", "attested", "refuted", the state that an anchor
            came into, "beacon", "beacon-lost", "announced".
        sentence: the same for people.
    """

    what: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a log is anchored.

    Attributes:
        network: whose blocks count.
        calendars: who is asked to stamp.
        headers: where headers come from, as `net.sources` names it; None for nowhere.
        interval_seconds: from one anchor to the next, and from one beacon to the next.
        statements: of which events the log states that they are anchored: the creation of each
            record, every event about a record, or none.
    """

    network: Network = MAINNET
    calendars: Calendars = field(default_factory=Calendars)
    headers: str | None = HEADERS
    interval_seconds: float = 3_600.0
    statements: Policy = "first"


def read_settings(folder: Path) -> Settings | None:
    """Return how the log in `folder` is anchored; None if it is not.

    Raises:
        MalformedError: the file is not TOML, or a member is unknown or not of its kind.
        UnavailableError: it cannot be read.
    """
    path = folder / FILE
    try:
        raw = files.read(path)
    except MissingError:
        return None
    try:
        return parse(raw)
    except MalformedError as error:
        raise type(error)(f"{path}: {error}") from error


def write_default(folder: Path) -> None:
    """Write the file with what is right for most, unless there is one."""
    if not (folder / FILE).exists():
        files.write_atomically(folder / FILE, DEFAULT.encode())


def open_headers(settings: Settings, note: Callable[[str], None]) -> RunSource | None:
    """Return where headers come from; None for nowhere. Nobody is asked yet.

    Args:
        note: told, in a sentence, of servers that say something else than the others.

    Raises:
        MalformedError: its name in the settings is not one.
    """
    if settings.headers is None:
        return None
    known = builtin.known_of(settings.network)
    return open_source(settings.headers, known, files.read_cookie, note)


def parse(raw: bytes) -> Settings | None:
    """Read settings; None if they say that there is no calendar, and so no anchoring.

    Raises:
        MalformedError: it is not TOML, or a member is unknown or not of its kind.
    """
    try:
        value = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"not TOML: {str(error)[:200]}") from error
    unknown = sorted(value.keys() - _MEMBERS)
    if unknown:
        raise MalformedError(f"unknown members {shown(unknown)}, want {', '.join(_MEMBERS)}")
    urls = _texts(value, "calendars", PUBLIC)
    if not urls:
        return None
    need = value.get("need", min(2, len(urls)))
    if type(need) is not int:
        raise MalformedError(f"need is {shown(need)}, want a number of calendars")
    headers = _text(value, "headers", HEADERS)
    return Settings(
        network=network_named(_text(value, "network", MAINNET.name)),
        calendars=Calendars(urls=urls, listed=_texts(value, "listed", PUBLIC_LISTED), need=need),
        headers=None if headers == "none" else headers,
        interval_seconds=_interval(_text(value, "interval", INTERVAL)),
        statements=_policy(_text(value, "statements", "first")),
    )


def _text(value: Mapping[str, Any], name: str, default: str) -> str:
    found = value.get(name, default)
    if type(found) is not str:
        raise MalformedError(f"{name} is {shown(found)}, want a text")
    return found


def _texts(value: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    found = value.get(name, list(default))
    if type(found) is not list or not all(type(each) is str for each in found):
        raise MalformedError(f"{name} is {shown(found)}, want a list of texts")
    if len(set(found)) != len(found):
        raise MalformedError(f"{name} has one twice: {shown(found)}")
    return tuple(found)


def _interval(text: str) -> float:
    match = _INTERVAL.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= MAX_INTERVAL_SECONDS:
        raise MalformedError(f"interval is {shown(text)}, want one like 30m, 1h or 1d, at most 7d")
    return float(seconds)


def _policy(text: str) -> Policy:
    for policy in ("first", "every", "none"):
        if text == policy:
            return policy
    raise MalformedError(f"statements is {shown(text)}, want first, every or none")


_MEMBERS = ("network", "interval", "calendars", "listed", "need", "headers", "statements")

DEFAULT = f"""\
# How this log is anchored in Bitcoin: docs/operating.md, "Anchoring". Read when it is opened.
# What is left out has the value that stands here; what is misspelt is refused.

# From one anchor to the next, if the log has grown: s, m, h or d.
interval = "{INTERVAL}"

# Who is given the hash of a checkpoint, and how many must take it. An empty list: no anchoring.
calendars = [
{"".join(f'    "{url}",{chr(10)}' for url in PUBLIC)}]
need = 2

# Where block headers come from; your own node is best: "bitcoind:http://127.0.0.1:8332#COOKIEFILE".
# "none": anchors wait until their blocks can be looked up.
headers = "{HEADERS}"

# Of which events the log states, by an event of its own, that they are anchored:
# "first" (the creation of each record), "every" (each event about a record) or "none".
statements = "first"
"""
