"""What an operator chooses about anchoring, and where that is written: DIR/anchoring.toml.

A log without that file is not anchored. Every member is optional, and one that is not known is
refused: a calendar list that is silently not used would be found out in a year.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from translog.bitcoin.network import MAINNET, Network
from translog.log.announcer import Policy
from translog.net.calendars import Calendars


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
        interval_seconds: from one anchor to the next, and from one beacon to the next.
        statements: of which events the log states that they are anchored.
    """

    network: Network = MAINNET
    calendars: Calendars = field(default_factory=Calendars)
    interval_seconds: float = 3_600.0
    statements: Policy = "first"
