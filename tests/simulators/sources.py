"""A source of headers that knows those it is given, and is as good as the test says."""

from collections.abc import Mapping
from dataclasses import dataclass

from translog.bitcoin.grade import Grade, GradedHeader
from translog.bitcoin.header import Header
from translog.bitcoin.network import MAINNET, Network
from translog.errors import MissingError, TranslogError


@dataclass(frozen=True, kw_only=True)
class Known:
    """A `HeaderSource` over a dictionary.

    Attributes:
        fails: what it raises in place of an answer.
        lies_about_height: gives another height than the one asked for.
    """

    headers: Mapping[int, Header]
    grade: Grade
    newest: int
    network: Network = MAINNET
    fails: TranslogError | None = None
    lies_about_height: bool = False

    def tip(self) -> int:
        return self.newest

    def header(self, height: int) -> GradedHeader:
        if self.fails is not None:
            raise self.fails
        if height not in self.headers:
            raise MissingError(f"{self.grade} knows no block {height}")
        said = height + self.lies_about_height
        return GradedHeader(header=self.headers[height], height=said, grade=self.grade)
