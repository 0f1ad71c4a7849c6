"""How a server that is asked now and then has done so far, and when to ask it again: arithmetic."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a server has done so far.

    Attributes:
        answered, failed: how often.
        failed_in_a_row: since it last answered.
        last_answer: when that was, in POSIX seconds; None if never.
        last_seconds: how long it took last time.
    """

    answered: int = 0
    failed: int = 0
    failed_in_a_row: int = 0
    last_answer: int | None = None
    last_seconds: float = 0.0

    def answered_in(self, seconds: float, now: int) -> "Health":
        """Return how it has done with one more answer."""
        return replace(
            self,
            answered=self.answered + 1,
            failed_in_a_row=0,
            last_answer=now,
            last_seconds=seconds,
        )

    def failed_in(self, seconds: float) -> "Health":
        """Return how it has done with one more failure."""
        return replace(
            self,
            failed=self.failed + 1,
            failed_in_a_row=self.failed_in_a_row + 1,
            last_seconds=seconds,
        )


def pause_seconds(tries: int, chance: float, *, first: float, longest: float) -> float:
    """Return how long to wait after a number of tries in vain: doubled each time, up to a limit.

    Args:
        tries: from 1 on.
        chance: from 0 to 1, random, so that not everybody comes back at the same time: the pause
            is between half of what it would be, and all of it.
        first: the longest pause after one try.
    """
    return min(longest, first * 2.0 ** min(tries - 1, 60)) * (1.0 + chance) / 2.0
