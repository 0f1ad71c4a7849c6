"""Which keys may write which events. The operator decides; nothing is allowed by default.

A key may write under one `signer_id`, and the types it was allowed. Revoking it stops new events
only: what it wrote stays in the log, and its row stays so that bundles can name the key. Rows
follow from events in the log (`decisions`, `effects`).

One row is not the operator's to change: the log's own key writes what the log itself states
(`statements`), under the log's origin, and nothing else. docs/decisions/0018.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from translog.errors import MalformedError, MissingError
from translog.formats.note import Verifier
from translog.pith.event import Event
from translog.pith.key import PithKey
from translog.pith.permits import LOG_TYPES, require
from translog.pith.quick import Passed
from translog.pith.shape import MAX_LABEL_CHARS
from translog.store import log
from translog.store import registry as rows
from translog.store.database import Connection, snapshot, translated
from translog.store.registry import SignerRow

MAX_ORIGIN_CHARS = MAX_LABEL_CHARS - len("+01234567")  # a key's name has its id in it, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The registry as it stood at one moment.

    Attributes:
        origin: the log's name.
        version: of the rows it was read from.
        signers: by fingerprint, revoked ones too.
    """

    origin: str
    version: int
    signers: Mapping[str, SignerRow]

    def permit(self, event: Event | Passed) -> SignerRow:
        """Return the row of the event's signer, if it may write this event.

        The event is not verified here: whoever claims this key may not hold it.

        Raises:
            UnknownKeyError: no such key was ever allowed.
            ForbiddenError: it may write no more, or not this, or the event is about another log.
        """
        return require(self.signers, self.origin, event)


def read(db: Connection, known: Registry | None = None) -> Registry:
    """Return the registry as it stands; `known` itself when nothing has changed since."""
    if known is not None:
        with translated("database"):
            if rows.read_version(db) == known.version:
                return known
    with snapshot(db):
        version = rows.read_version(db)
        origin = log.read_identity(db).origin
        signers = {row.key.fingerprint: row for row in rows.read_signers(db)}
    return Registry(origin=origin, version=version, signers=signers)


def allow_own(db: Connection, verifier: Verifier, *, now: int) -> None:
    """Let the log's own key write LOG_TYPES under the log's origin, and nothing else.

    Wants to be inside a transaction. Nothing is written where it stands so already.

    Raises:
        MalformedError: no event can name this log.
    """
    check_origin(verifier.name)
    row = own_row(verifier, now)
    known = {each.key.public_key: each for each in rows.read_signers(db)}.get(verifier.public_key)
    if known is None or known._replace(allowed_at=now) != row:
        rows.write_signer(db, row)


def own_row(verifier: Verifier, now: int) -> SignerRow:
    """Return the row of a log's own key, there since `now`."""
    key = replace(pith_key(verifier, ""), signer_id=None)
    return SignerRow(key, verifier.name, LOG_TYPES, now, None)


def check_origin(origin: str) -> None:
    """Refuse a name under which a log could not sign events, though it could sign checkpoints.

    Raises:
        MalformedError: it is such a name.
    """
    if not origin.isprintable() or len(origin) > MAX_ORIGIN_CHARS:
        raise MalformedError(
            f"origin is {origin[:80]!r}, want at most {MAX_ORIGIN_CHARS} printable characters,"
            " so that events and bundles can name the log"
        )


def pith_key(verifier: Verifier, base_url: str) -> PithKey:
    """Return a log's own key as bundles name it.

    Args:
        base_url: where the log is served, without a slash at the end; empty if it is not known.
    """
    return PithKey(
        key_id=f"{verifier.name}+{verifier.key_id.hex()}",
        public_key=verifier.public_key,
        signer_id=verifier.name,
        rotates_at=None,
        url=base_url and f"{base_url}/keys.json",
        notes="Signs the bundles of this log, what the log itself states"
        f" and, as {verifier.vkey}, its checkpoints.",
    )


def read_row(db: Connection, fingerprint: str) -> SignerRow:
    """Return the row of one key, or raise MissingError."""
    for row in rows.read_signers(db):
        if row.key.fingerprint == fingerprint:
            return row
    raise MissingError(f"key {fingerprint[:80]!r} is not in this log's registry")
