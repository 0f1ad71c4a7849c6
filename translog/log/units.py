"""What waits in the pipeline's line: submissions, in pieces that are checked and placed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from translog.log.checker import Checked
from translog.log.intake import Admitted
from translog.log.sequencer import Result

Deliver = Callable[[list[Result]], None]


@dataclass(slots=True)
class Submission:
    """What one caller sent, and how to answer when the last of it is placed."""

    deliver: Deliver
    results: list[Result]
    missing: int


@dataclass(slots=True)
class Unit:
    """A piece of a submission: the work of one thread at one time."""

    submission: Submission
    start: int
    raws: Sequence[bytes]
    bytes: int
    checked: list[Checked] = field(default_factory=list)
    ready: bool = False

    @property
    def admitted(self) -> list[Admitted]:
        """What of it goes on to the sequencer."""
        return [done for done in self.checked if isinstance(done, Admitted)]

    @property
    def decides(self) -> bool:
        """Whether it changes who may write: what follows is checked after that."""
        return any(done.special is not None and done.special.decides for done in self.admitted)

    def is_stale(self, version: int) -> bool:
        """Say whether it was checked by another registry than that of this version."""
        # All of it was checked at once. What was refused then may stay refused.
        versions = (done.version for done in self.checked if isinstance(done, Admitted))
        return next(versions, version) != version

    def answer(self, results: Sequence[Result]) -> None:
        """Put in what became of its events, and deliver if they are the submission's last."""
        submission = self.submission
        submission.results[self.start : self.start + len(results)] = results
        submission.missing -= len(results)
        if not submission.missing:
            submission.deliver(submission.results)


def raws_of(units: Iterable[Unit]) -> list[bytes]:
    """Return the events of units, in order."""
    return [raw for unit in units for raw in unit.raws]
