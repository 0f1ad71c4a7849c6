"""Events that wait until the operator accepts them: a bounded line, and what is decided of each.

What a crash means: a batch's waiting events are on disk with it, or nobody was told. Accepting is
an event in the log; what was accepted is logged after it, now or when the log is opened again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from translog.errors import BusyError, ForbiddenError, TranslogError
from translog.formats.entry import Entry
from translog.log.intake import Admitted
from translog.pith.event import event_id
from translog.store import decisions as rows
from translog.store.database import Connection
from translog.store.decisions import ACCEPTED, REFUSED, WAITING, HeldRow

MAX_HELD = 10_000
MAX_HELD_OF_ONE_KEY = 1_000


class Held(NamedTuple):
    """An event that is right, and waits on disk until the log's operator accepts it.

    Attributes:
        content_sha256: 32 bytes, what its id is made of.
        fresh: it did not wait before.
    """

    content_sha256: bytes
    fresh: bool

    @property
    def event_id(self) -> str:
        return event_id(self.content_sha256)


def judge(
    db: Connection, admitted: Admitted, waiting: Sequence[Admitted]
) -> Held | TranslogError | None:
    """Say what becomes of an event of a type that is held. None: it was accepted.

    Args:
        waiting: what this batch has put in line before it.
    """
    state = rows.read_state(db, admitted.entry)
    if state == ACCEPTED:
        return None
    name = event_id(admitted.content_sha256)
    if state == REFUSED:
        return ForbiddenError(f"event {name} was refused by the log's operator")
    if state == WAITING or any(admitted.entry == each.entry for each in waiting):
        return Held(admitted.content_sha256, fresh=False)
    key = Entry.parse(admitted.entry).key_sha256
    of_key = sum(Entry.parse(each.entry).key_sha256 == key for each in waiting)
    if rows.count_held(db) + len(waiting) >= MAX_HELD:
        return BusyError(f"{MAX_HELD} events wait for the log's operator: send it again later")
    if rows.count_held(db, key) + of_key >= MAX_HELD_OF_ONE_KEY:
        return BusyError(
            f"{MAX_HELD_OF_ONE_KEY} events of this key wait for the log's operator:"
            " send it again later"
        )
    return Held(admitted.content_sha256, fresh=True)


def write(db: Connection, waiting: Sequence[Admitted], placed: Sequence[Admitted]) -> None:
    """Put events in line, and take out those that are logged; inside the batch's transaction."""
    for each in waiting:
        rows.add_held(
            db, HeldRow(each.content_sha256, each.entry, each.signed_at, each.body, WAITING)
        )
    for each in placed:
        rows.delete_held(db, each.entry)
