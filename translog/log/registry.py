"""Which keys may write which events. The operator decides; nothing is allowed by default.

A key may write under one `signer_id`, and the types it was allowed. Revoking it stops new events
only: what it wrote stays in the log, and its row stays so that bundles can name the key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from translog.errors import ForbiddenError, MalformedError, MissingError, UnknownKeyError
from translog.formats.keys import check_public_key
from translog.pith.event import RECORD_TYPES, Event
from translog.pith.key import PithKey
from translog.store import registry as rows
from translog.store.bodies import from_micros
from translog.store.database import Connection, snapshot, transaction
from translog.store.registry import SignerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The registry as it stood at one moment.

    Attributes:
        version: of the rows it was read from.
        signers: by fingerprint, revoked ones too.
    """

    version: int
    signers: Mapping[str, SignerRow]

    def permit(self, event: Event) -> bytes:
        """Return the public key of the event's signer, if it may write this event.

        The event is not verified here: whoever claims this key may not hold it.

        Raises:
            UnknownKeyError: no such key was ever allowed.
            ForbiddenError: it was revoked, or may not write this type, or not under this name.
        """
        signer = event.signer
        row = self.signers.get(signer.fingerprint)
        if row is None:
            raise UnknownKeyError(
                f"key {signer.fingerprint} is not in this log's registry:"
                " its operator allows keys with `translog keys allow`"
            )
        if row.revoked_at is not None:
            raise ForbiddenError(f"key {signer.fingerprint} was revoked at {_iso(row.revoked_at)}")
        if event.event_type not in row.event_types:
            raise ForbiddenError(
                f"key {signer.fingerprint} may not write {event.event_type[:80]!r},"
                f" only {', '.join(sorted(row.event_types))}"
            )
        if signer.signer_id != row.signer_id:
            raise ForbiddenError(
                f"key {signer.fingerprint} may write as {row.signer_id!r},"
                f" and the event is signed as {signer.signer_id[:80]!r}"
            )
        return row.key.public_key


def read(db: Connection, known: Registry | None = None) -> Registry:
    """Return the registry as it stands; `known` itself when nothing has changed since."""
    with snapshot(db):
        version = rows.read_version(db)
        if known is not None and version == known.version:
            return known
        signers = {row.key.fingerprint: row for row in rows.read_signers(db)}
    return Registry(version=version, signers=signers)


def _iso(seconds: int) -> str:
    return from_micros(seconds * 1_000_000).replace(".000000Z", "Z")


def allow(
    db: Connection,
    key: PithKey,
    *,
    signer_id: str,
    event_types: Iterable[str] = RECORD_TYPES,
    now: int,
) -> SignerRow:
    """Let a key write, from the next batch on. Allowing it again replaces what it may do.

    Time beacons are not about records, and not for whoever writes about those: they are allowed
    by name only.

    Raises:
        MalformedError: there is no type among the types; or no signature can be by this key.
    """
    check_public_key(key.public_key)
    types = frozenset(event_types)
    if not types:
        raise MalformedError("event types: there are none, want at least one")
    row = SignerRow(key, signer_id, types, now, None)
    with transaction(db):
        rows.write_signer(db, row)
    return row


def revoke(db: Connection, fingerprint: str, *, now: int) -> SignerRow:
    """Let a key write no more, from the next batch on. Revoking again keeps the first time.

    Raises:
        MissingError: there is no such key.
    """
    with transaction(db):
        row = read_row(db, fingerprint)
        if row.revoked_at is None:
            row = row._replace(revoked_at=now)
            rows.write_signer(db, row)
    return row


def read_row(db: Connection, fingerprint: str) -> SignerRow:
    """Return the row of one key, or raise MissingError."""
    for row in rows.read_signers(db):
        if row.key.fingerprint == fingerprint:
            return row
    raise MissingError(f"key {fingerprint[:80]!r} is not in this log's registry")
