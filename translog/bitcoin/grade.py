"""How well a header is known, and the one seam through which headers come.

A header is worth what vouches for it. Each carries its grade from where it was obtained to the
sentence that people read: grades are never mixed, raised or left out on the way.
"""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Protocol

from translog.bitcoin.header import Header
from translog.bitcoin.network import Network
from translog.errors import MalformedError
from translog.formats.strict import shown

_WORDS = {
    0: "unchecked",
    1: "single server",
    2: "quorum of",
    3: "own node",
    4: "checkpoint-linked",
}
_QUORUM = 2
_QUORUM_TEXT = re.compile(r"quorum of ([2-9]|[1-9][0-9]{1,2})", re.ASCII)
MAX_SERVERS = 999


@total_ordering
@dataclass(frozen=True, slots=True)
class Grade:
    """What vouches for a header. Greater is better; a larger quorum is greater than a smaller.

    Use the constants below and `quorum`.

    Attributes:
        rank: place among the five kinds, from 0.
        servers: how many agree, for a quorum; else 0.
    """

    rank: int
    servers: int = 0

    def __str__(self) -> str:
        return f"{_WORDS[self.rank]} {self.servers}" if self.servers else _WORDS[self.rank]

    def __lt__(self, other: "Grade") -> bool:
        return (self.rank, self.servers) < (other.rank, other.servers)

    @property
    def verified(self) -> bool:
        """Whether anything at all vouches for it: only then may the word "verified" stand by it."""
        return self > UNCHECKED

    @classmethod
    def parse(cls, text: str) -> "Grade":
        """Read what `str()` writes.

        Raises:
            MalformedError: any other text.
        """
        for grade in (UNCHECKED, SINGLE_SERVER, OWN_NODE, CHECKPOINT_LINKED):
            if str(grade) == text:
                return grade
        found = _QUORUM_TEXT.fullmatch(text)
        if found is None:
            raise MalformedError(f"grade is {shown(text)}, want one such as 'own node'")
        return quorum(int(found[1]))


UNCHECKED = Grade(0)
"""Someone said so. Nothing with this grade is ever called verified."""

SINGLE_SERVER = Grade(1)
"""One server of somebody else's said so."""

OWN_NODE = Grade(3)
"""The user's own Bitcoin node, which checks every block, said so."""

CHECKPOINT_LINKED = Grade(4)
"""Linked by hashes and proof of work to a built-in checkpoint: nobody need be asked."""


def quorum(servers: int) -> Grade:
    """Return the grade of a header on which that many servers of different people agree."""
    if not 2 <= servers <= MAX_SERVERS:
        raise ValueError(f"quorum of {servers} servers, want 2 to {MAX_SERVERS}")
    return Grade(_QUORUM, servers)


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedHeader:
    """A header at its height, and what vouches for both."""

    header: Header
    height: int
    grade: Grade


class HeaderSource(Protocol):
    """Something that can be asked for headers: a file, a node, servers on the network."""

    @property
    def network(self) -> Network:
        """The chain it knows."""

    def tip(self) -> int:
        """Return the height of the newest block it knows.

        Raises:
            UnavailableError: it cannot be asked now.
            VerificationError: it was caught lying.
        """

    def header(self, height: int) -> GradedHeader:
        """Return the header of the block at `height`.

        Raises:
            MissingError: it knows no block at that height.
            UnavailableError: it cannot be asked now.
            VerificationError: it was caught lying.
        """
