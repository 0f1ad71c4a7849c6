"""A log on the loopback that shows each client what the test decides.

It is honest as made. A client is a name, and has a URL of its own: what one is shown need not be
what another is, and only who compares can tell. All names that were not lied to see the same.

    with lying_log(events) as log:
        log.fork("victim", at=3)
        audit(log.fetch("victim"), believing(log.verifier))        # in this process
        Client(log.url("victim"))                       # over HTTP
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from translog.errors import UnavailableError
from translog.formats.checkpoint import Checkpoint
from translog.formats.merkle import Hash
from translog.formats.note import Verifier
from translog.formats.published import CHECKPOINT, Fetch
from translog.pith.event import Event
from translog.testing.events import attestation
from translog.testing.loopback import Answer, Request, Server
from translog.testing.published import ORIGIN, Published, limited

EVERYBODY = "everybody"


@dataclass(kw_only=True)
class View:
    """What one client is shown.

    Attributes:
        log: the tree behind it.
        checkpoint: shown in place of the newest; None for that.
        replaced: other files shown in place of the log's; None for one that is withheld.
        stalled: no answer comes at all.
    """

    log: Published
    checkpoint: bytes | None = None
    replaced: dict[str, bytes | None] = field(default_factory=dict)
    stalled: bool = False

    def answer(self, path: str) -> bytes | None:
        """Return what is shown under a path, or None."""
        if path in self.replaced:
            return self.replaced[path]
        if path == CHECKPOINT and self.checkpoint is not None:
            return self.checkpoint
        return self.log.files.get(path)


class LyingLog:
    """The log; `close` ends its server.

    Attributes:
        truth: what everybody is shown to whom no lie was told.
        server: remembers what was asked.
    """

    def __init__(self, truth: Published) -> None:
        self.truth = truth
        self._views = {EVERYBODY: View(log=truth)}
        self.server = Server(self._answer)

    def close(self) -> None:
        self.server.close()

    @property
    def verifier(self) -> Verifier:
        return self.truth.verifier

    def url(self, client: str = EVERYBODY) -> str:
        """Return the URL of the log for this client."""
        return f"{self.server.url}/{client}"

    def fetch(self, client: str = EVERYBODY) -> Fetch:
        """Return the same without HTTP."""

        def get(path: str, limit: int) -> bytes:
            view = self._view(client)
            if view.stalled:
                raise UnavailableError(f"{path} is not answered")
            return limited(path, view.answer(path), limit)

        return get

    def append(self, events: Iterable[Event]) -> None:
        """Log and publish events, in every tree there is."""
        events = list(events)
        for log in {id(view.log): view.log for view in self._views.values()}.values():
            log.append(events)
            log.publish()

    # Lies

    def fork(self, client: str, at: int) -> None:
        """Show this client a tree of the same size with other events from index `at` on."""
        others = [attestation(1_000_000 + number) for number in range(at, self.truth.size)]
        self._own(client).log = self.truth.rewritten(at, others)

    def backdate(self, event: Event, at: int, client: str = EVERYBODY) -> None:
        """Show an event that is logged now as if it had been logged at index `at`."""
        log = self._own(client).log
        rewritten = log.rewritten(at)
        rewritten.append([event])
        rewritten.append_raw(zip(log.entries[at:], log.contents[at:], strict=True))
        rewritten.publish()
        self._own(client).log = rewritten

    def roll_back(self, size: int, client: str = EVERYBODY) -> None:
        """Show the log as it was at this size."""
        log = self._own(client).log
        self._own(client).checkpoint = log.checkpoint(size)
        log.publish(size)  # what belongs to that size, where it was never shown
        log.publish()

    def freeze(self, client: str = EVERYBODY) -> None:
        """Show the newest checkpoint for ever, however the log grows."""
        view = self._own(client)
        view.checkpoint = view.answer(CHECKPOINT)

    def withhold(self, path: str, client: str = EVERYBODY) -> None:
        """Answer 404 for a path that is published."""
        self._own(client).replaced[path] = None

    def corrupt(self, path: str, at: int, bit: int = 0, client: str = EVERYBODY) -> None:
        """Show one bit of a file otherwise."""
        view = self._own(client)
        served = bytearray(view.answer(path) or b"")
        served[at] ^= 1 << bit
        view.replaced[path] = bytes(served)

    def misstate(self, size: int, root: Hash, client: str = EVERYBODY) -> None:
        """Sign and show any size with any root, with no tree behind it."""
        view = self._own(client)
        claim = Checkpoint(origin=self.truth.origin, size=size, root=root)
        view.checkpoint = view.log.sign(claim)

    def stall(self, client: str = EVERYBODY) -> None:
        """Take requests and never answer. Over HTTP only."""
        self._own(client).stalled = True

    def relent(self, client: str = EVERYBODY) -> None:
        """Show this client the truth again."""
        self._views[client] = View(log=self.truth)

    def _view(self, client: str) -> View:
        return self._views.get(client, self._views[EVERYBODY])

    def _own(self, client: str) -> View:
        return self._views.setdefault(client, View(log=self._view(client).log))

    def _answer(self, request: Request) -> Answer:
        _, client, path = (*request.path.split("/", 2), "", "")[:3]
        view = self._view(client)
        if view.stalled:
            return Answer(body=b"", length=1, hang=True)
        content = view.answer(path)
        return Answer(status=404) if content is None else Answer(body=content)


@contextmanager
def lying_log(events: Iterable[Event] = (), *, origin: str = ORIGIN) -> Iterator[LyingLog]:
    """Run a log while the block runs."""
    log = LyingLog(Published(events, origin=origin))
    try:
        yield log
    finally:
        log.close()
