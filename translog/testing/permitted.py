"""Keys that may write to a log of a test, though the log does not say so.

What an operator decides is an event in the log (`log/decisions`). Here it is a row and nothing
else: so the first entry of a test's log is the test's. `translog keys check` finds such a log
wanting.
"""

from collections.abc import Iterable

from translog.errors import ForbiddenError, MalformedError
from translog.formats.keys import check_public_key
from translog.log.registry import read_row
from translog.pith.event import RECORD_TYPES
from translog.pith.key import PithKey
from translog.pith.permits import ONLY_BY_LOGS
from translog.store import log
from translog.store import registry as rows
from translog.store.database import Connection, transaction
from translog.store.registry import SignerRow


def allow(
    db: Connection,
    key: PithKey,
    *,
    signer_id: str,
    event_types: Iterable[str] = RECORD_TYPES,
    now: int,
) -> SignerRow:
    """Let a key write, from the next batch on. Allowing it again replaces what it may do.

    Raises:
        MalformedError: there is no type among the types; or no signature can be by this key.
        ForbiddenError: it is the log's own key.
    """
    check_public_key(key.public_key)
    types = frozenset(event_types)
    if not types:
        raise MalformedError("event types: there are none, want at least one")
    if types & ONLY_BY_LOGS:
        raise ForbiddenError(
            f"event types {sorted(types & ONLY_BY_LOGS)} are for the log's own key alone"
        )
    row = SignerRow(key, signer_id, types, now, None)
    with transaction(db):
        _refuse_own(db, key.public_key)
        rows.write_signer(db, row)
    return row


def revoke(db: Connection, fingerprint: str, *, now: int) -> SignerRow:
    """Let a key write no more, from the next batch on. Revoking again keeps the first time.

    Raises:
        MissingError: there is no such key.
        ForbiddenError: it is the log's own key.
    """
    with transaction(db):
        row = read_row(db, fingerprint)
        _refuse_own(db, row.key.public_key)
        if row.revoked_at is None:
            row = row._replace(revoked_at=now)
            rows.write_signer(db, row)
    return row


def _refuse_own(db: Connection, public_key: bytes) -> None:
    if public_key == log.read_identity(db).public_key:
        raise ForbiddenError(
            "key is the log's own: it writes what the log itself states, and nothing else;"
            " make another key for anything else"
        )
