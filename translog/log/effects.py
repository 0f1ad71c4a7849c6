"""What an event that decides something changes in the rows beside the log, in its transaction.

The registry of keys, and the line of events that wait, are what the log says of them: nothing else
writes there. docs/formats/registry.md.
"""

from translog.formats.entry import Entry
from translog.log.intake import Admitted
from translog.pith.event import MAX_EVENT_BYTES, Event, from_value, restore
from translog.pith.kinds import decisions
from translog.pith.permits import after
from translog.store import decisions as held
from translog.store import registry
from translog.store.bodies import from_micros, unpack
from translog.store.database import Connection
from translog.store.decisions import ACCEPTED, REFUSED


def write(db: Connection, admitted: Admitted, index: int) -> None:
    """Write what follows from a decision that becomes entry `index`."""
    event = _event(admitted)
    if event.event_type in (decisions.EVENT_ACCEPTED, decisions.EVENT_REFUSED):
        digest = bytes.fromhex(event.value["payload"]["event_id"].removeprefix("sha256:"))
        state = ACCEPTED if event.event_type == decisions.EVENT_ACCEPTED else REFUSED
        held.judge_held(db, digest, state)
        return
    permits = {row.key.fingerprint: row for row in registry.read_signers(db)}
    for permit in after(permits, event, index):
        registry.write_signer(db, permit)


def _event(admitted: Admitted) -> Event:
    content = unpack(admitted.body, limit=MAX_EVENT_BYTES)
    signature = Entry.parse(admitted.entry).signature
    return from_value(restore(content, signature, from_micros(admitted.signed_at)))
