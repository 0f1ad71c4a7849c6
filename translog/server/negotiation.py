"""Which of several forms of a document a client wants: RFC 9110 section 12.5.1."""

from collections.abc import Sequence
from typing import NamedTuple

from translog.errors import MissingError

HTML = "text/html"
JSON_LD = "application/ld+json"


class UnacceptableError(MissingError):
    """The document is there, and in no form that the client takes."""

    code = "not-acceptable"


class _Range(NamedTuple):
    """One of the things a client says it takes."""

    main: str
    sub: str
    weight: float

    def specificity(self, main: str, sub: str) -> int:
        """Return how closely this names a media type, or -1 where it does not."""
        if self.main == main and self.sub == sub:
            return 2
        if self.main == main and self.sub == "*":
            return 1
        return 0 if self.main == self.sub == "*" else -1


def choose(accepted: str | None, offered: Sequence[str]) -> str:
    """Return the media type that the client likes best; of two that it likes alike, the first.

    Args:
        accepted: the Accept header; None, or one that says nothing, takes anything.
        offered: media types without parameters, ours best first.

    Raises:
        UnacceptableError: it takes none of them.
    """
    ranges = [found for part in (accepted or "*/*").split(",") if (found := _range(part))]
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda each: _weight(ranges, each))
    if not _weight(ranges, best):
        raise UnacceptableError(f"client takes none of {', '.join(offered)}")
    return best


def wants_page(accepted: str | None) -> bool:
    """Say whether a client asks for pages by name, as browsers do and programs do not."""
    ranges = [_range(part) for part in (accepted or "").split(",")]
    return any(each and each[:2] == ("text", "html") and each.weight for each in ranges)


def _weight(ranges: Sequence[_Range], media_type: str) -> float:
    main, _, sub = media_type.partition("/")
    closest = max(ranges, key=lambda each: each.specificity(main, sub))
    return closest.weight if closest.specificity(main, sub) >= 0 else 0.0


def _range(part: str) -> _Range | None:
    """Read `type/subtype;q=0.5`. What cannot be read is as if it were not there."""
    media_type, *parameters = part.lower().split(";")
    main, slash, sub = media_type.strip().partition("/")
    if not (main and slash and sub):
        return None
    weight = 1.0
    for parameter in parameters:
        name, _, text = parameter.strip().partition("=")
        if name.strip() == "q":
            weight = _quality(text.strip())
    return _Range(main, sub, weight)


def _quality(text: str) -> float:
    whole, _, thousandths = text.partition(".")
    if whole not in ("0", "1") or len(thousandths) > 3:
        return 0.0
    if thousandths and not (thousandths.isascii() and thousandths.isdigit()):
        return 0.0
    return min(float(text), 1.0)
