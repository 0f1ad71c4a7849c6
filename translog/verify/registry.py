"""The registry of keys, computed again from the log: docs/formats/registry.md, section 4.

An audit of the whole log in which each event is also held to what the log had said before it. So
an operator cannot let a key write unsaid, or after they have said that it may not.
"""

from collections.abc import Callable

from translog.errors import ForbiddenError, VerificationError
from translog.formats.entry import Entry
from translog.formats.merkle import Hash
from translog.formats.note import Verifier
from translog.formats.policy import Log, Policy
from translog.formats.published import Fetch
from translog.pith.event import Event, from_content
from translog.pith.kinds.decisions import EVENT_ACCEPTED
from translog.pith.permits import Permit, after, own_permit, require
from translog.verify.auditor import audit
from translog.verify.bundles import Taken, check
from translog.verify.events import Keys, check_event, fetch_content
from translog.verify.state import AuditState, Depth
from translog.verify.where import about


class Replay:
    """Follows a log from its first entry, one event after the other.

    Attributes:
        permits: by fingerprint, after what was followed so far.
        decisions: how many events changed them.
    """

    def __init__(self, verifier: Verifier) -> None:
        own = own_permit(verifier)
        self._origin = verifier.name
        self._accepted: set[str] = set()
        self.permits: dict[str, Permit] = {own.key.fingerprint: own}
        self.decisions = 0

    def follow(self, event: Event, index: int) -> None:
        """Check that entry `index` was permitted, and take note of what it changes.

        Args:
            event: verified, but for its being permitted.

        Raises:
            ForbiddenError: it was not.
        """
        permit = require(self.permits, self._origin, event)
        if event.event_type in permit.held_types and event.event_id not in self._accepted:
            raise ForbiddenError(
                f"event {event.event_id} is of a type that waits, and nothing before it accepts it"
            )
        self.note(event, index)

    def note(self, event: Event, index: int) -> None:
        """Take note of what entry `index` changes, which was permitted."""
        if event.event_type == EVENT_ACCEPTED:
            self._accepted.add(event.value["payload"]["event_id"])
        changed = after(self.permits, event, index)
        self.decisions += bool(changed)
        self.permits.update((each.key.fingerprint, each) for each in changed)


def replay(
    fetch: Fetch, verifier: Verifier, *, progress: Callable[[AuditState], None]
) -> tuple[Replay, AuditState]:
    """Audit a whole log, and each of its entries against the registry that it has stated.

    Args:
        fetch: where the log is published.
        verifier: of the log's key, from someone the caller trusts.

    Raises:
        VerificationError: an entry was not permitted; or as `audit`.
    """
    found = Replay(verifier)

    def follow(taken: Taken, keys: Keys, depth: Depth) -> list[Hash]:
        hashes = check(taken, keys, depth)
        for number, raw in enumerate(taken.entries):
            entry = Entry.parse(raw)
            index = taken.start + number
            with about(f"entry {index}"):
                if taken.contents is None:  # too large for one file, and not checked yet
                    event = check_event(fetch_content(fetch, entry)[1], entry, keys)
                else:
                    content = taken.contents[number]
                    event = from_content(content, entry.content_sha256, entry.signature)
                try:
                    found.follow(event, index)
                except ForbiddenError as error:
                    raise VerificationError(f"was not permitted: {error}") from error
        return hashes

    policy = Policy(logs=(Log(key=verifier),))
    # One worker: what an entry may say depends on all before it.
    return found, audit(fetch, policy, workers=1, check=follow, progress=progress)
