"""The part of `fsck` that looks at who may write, and computes it again from the log.

What the operator decides, and that keys rotate, are events in the log: docs/formats/registry.md.
They are followed as the leaves are read. Then every row of the registry is compared with what they
come to, every event that waits is verified, and of each that was judged the judgement is looked
for. Titles and abstracts are compared with the hashes in the records that they stand beside.

Before logs stated whom they allow, the operator wrote that into the registry. Of a key that no
entry allows there is only that row, and what entries made of it since; such keys are counted.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

from translog.errors import (
    ForbiddenError,
    HashError,
    MalformedError,
    TranslogError,
    UnavailableError,
    VerificationError,
)
from translog.formats import canonical
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.formats.note import Verifier
from translog.formats.strict import shown
from translog.log.registry import own_row
from translog.pith import event as events
from translog.pith.event import Event, event_id
from translog.pith.key import PithKey
from translog.pith.kinds import decisions, key_rotated
from translog.pith.kinds.table import KINDS
from translog.pith.metadata import read_text
from translog.pith.permits import LOG_TYPES, ONLY_BY_LOGS, Permit, after
from translog.store import decisions as rows
from translog.store import log, registry, whole
from translog.store.bodies import from_micros, unpack
from translog.store.database import Connection
from translog.store.decisions import ACCEPTED, REFUSED, WAITING, HeldRow, Proposal

MAX_COLUMN_BYTES = 1 << 20

Ring = dict[bytes, bytes]

_JUDGEMENTS = {ACCEPTED: decisions.EVENT_ACCEPTED, REFUSED: decisions.EVENT_REFUSED}
_FOLLOWED = ONLY_BY_LOGS | {key_rotated.TYPE}


@contextmanager
def named(name: str) -> Iterator[None]:
    """Say which row is wrong: whatever is found in it, the log has failed the check."""
    try:
        yield
    except UnavailableError:
        raise
    except TranslogError as error:
        raise VerificationError(f"{name}: {error}") from error


def check_time(time: int) -> None:
    """Refuse a time that no clock shows, or raise MalformedError."""
    if not 0 <= time <= log.MAX_TIME:
        raise MalformedError(f"time is {time}, want 0 to {log.MAX_TIME}")


# What each row says by itself


def check_signers(db: Connection) -> Ring:
    """Check that every row of the registry can be read; return the keys as entries name them.

    Raises:
        VerificationError: one cannot.
    """
    ring = {}
    for row in whole.read_raw_signers(db):
        with named(f"signer {row.fingerprint.decode('ascii', 'replace')!r}"):
            key = _check_signer(row)
        ring[key_sha256(key.public_key)] = key.public_key
    return ring


def _check_signer(row: whole.RawSigner) -> PithKey:
    key = PithKey.from_json(canonical.parse(row.key_json, limit=MAX_COLUMN_BYTES))
    _text(row.signer_id, "signer id")
    if row.public_key != key.public_key or row.fingerprint != key.fingerprint.encode():
        raise MalformedError(f"public key or fingerprint is not that of {key.fingerprint}")
    if json.dumps(key.to_json()).encode() != row.key_json:
        raise MalformedError("its JSON is not in the form it is written in")
    if not _names(row.event_types):
        raise MalformedError("event types are not a list of names")
    for lists in (row.held_types, row.subjects):
        if lists is not None and _names(lists) is None:
            raise MalformedError("held types or subjects are not a list of names")
    for fingerprint in (row.rotated_from, row.rotated_to):
        _text(fingerprint or b"", "fingerprint of a rotation")
    for time in (row.allowed_at, row.revoked_at or 0):
        check_time(time)
    return key


def _names(column: bytes) -> list[str] | None:
    found = canonical.parse(column, limit=MAX_COLUMN_BYTES)
    if type(found) is not list or not all(type(each) is str for each in found):
        return None
    return found


def _text(column: bytes, what: str) -> str:
    try:
        return column.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"{what} is not UTF-8") from error


def check_text(text: whole.RawText, event: Event) -> None:
    """Check that what was given with a record is what its hashes are of.

    Args:
        event: of the leaf beside which the text stands, verified.

    Raises:
        TranslogError: it is not.
    """
    if event.event_type != events.RECORD_CREATED:
        raise MalformedError(f"a title or abstract stands beside it, and it is {event.event_type}")
    events.check_subject(event)
    metadata = event.value["payload"]["canonical_record"]["metadata"]
    for name, column in (("title", text.title), ("abstract", text.abstract)):
        if column is None:
            continue
        found = read_text(name, _text(column, f"given {name}"))
        want = metadata[f"{name}_canon_sha256"]
        if (found.sha256_hex, found.given.encode() if found.given else b"") != (want, column):
            raise HashError(f"given {name} is not the record's, whose SHA-256 is {want}")


# What all of them come to


class Replay:
    """The registry as the leaves that were followed have made it."""

    def __init__(self, db: Connection, verifier: Verifier, ring: Ring) -> None:
        """Begin before the first leaf, with the keys that no entry allows.

        Args:
            verifier: of the log's own key.
            ring: of `check_signers`, which has passed.
        """
        self._db = db
        self._ring = ring
        self._rows = {row.key.fingerprint: row for row in registry.read_signers(db)}
        self._own = own_row(verifier, 0)
        self._permits = {
            name: _before(row) for name, row in self._rows.items() if row.allowed_index is None
        }
        self._judged: dict[str, set[str]] = defaultdict(set)

    def follow(self, event: Event, index: int) -> None:
        """Take note of what entry `index` changes.

        Args:
            event: verified, but for what its payload says.

        Raises:
            TranslogError: it may not change anything.
        """
        if event.event_type not in _FOLLOWED:
            return
        events.check_subject(event)
        signer = event.signer.fingerprint
        allowed = {self._own.key.fingerprint} if event.event_type in ONLY_BY_LOGS else self._permits
        if signer not in allowed:
            raise ForbiddenError(f"{event.event_type} is by key {signer}, which may not write it")
        if event.event_type in (decisions.EVENT_ACCEPTED, decisions.EVENT_REFUSED):
            self._judged[event.event_type].add(event.value["payload"]["event_id"])
        for permit in after(self._permits, event, index):
            self._permits[permit.key.fingerprint] = permit

    def finish(self, origin: str) -> int:
        """Compare what is stored with what was followed; return how many keys no entry allows.

        Args:
            origin: the log's name.

        Raises:
            VerificationError: something else is stored; the message names the row.
        """
        for name in sorted(self._permits.keys() | self._rows.keys()):
            with named(f"signer {name!r}"):
                self._compare(self._rows.get(name), self._permits.get(name))
        for held in rows.read_held(self._db, [WAITING, ACCEPTED, REFUSED]):
            with named(f"held event {event_id(held.content_sha256)}"):
                self._check_held(held)
        for proposal in rows.read_proposals(self._db):
            with named(f"proposal {proposal.proposal_id}"):
                _check_proposal(proposal, origin)
        unstated = {name for name, row in self._rows.items() if row.allowed_index is None}
        return len(unstated - {self._own.key.fingerprint})

    def _compare(self, found: Permit | None, want: Permit | None) -> None:
        if found is None:
            raise MalformedError("the log's entries allow this key, and its row is missing")
        if found.key.fingerprint == self._own.key.fingerprint:
            # An earlier version, whose log this was, may have stated less.
            types = LOG_TYPES & found.event_types or LOG_TYPES
            want = self._own._replace(allowed_at=found.allowed_at, event_types=types)
        if want is None:
            raise MalformedError(f"entry {found.allowed_index} does not allow this key")
        for member in Permit._fields:
            stored, computed = getattr(found, member), getattr(want, member)
            if stored != computed:
                raise MalformedError(
                    f"{member} is {_shown(stored)}, and the log's entries make {_shown(computed)}"
                )

    def _check_held(self, row: HeldRow) -> None:
        entry = Entry.parse(row.entry)
        public_key = self._ring.get(entry.key_sha256)
        if entry.content_sha256 != row.content_sha256 or public_key is None:
            raise MalformedError("its entry is another event's, or by no key of the registry")
        judged = self._judged.get(_JUDGEMENTS.get(row.state, ""), ())
        if row.state != WAITING and event_id(row.content_sha256) not in judged:
            raise MalformedError(f"is {row.state}, and no entry says so")
        if row.state == REFUSED:
            return  # nothing of it is kept but its name
        content = unpack(row.body, limit=events.MAX_EVENT_BYTES)
        if sha256(content).digest() != row.content_sha256:
            raise HashError(f"body has SHA-256 {sha256(content).hexdigest()}")
        whole_event = events.restore(content, entry.signature, from_micros(row.signed_at))
        events.verify(events.from_value(whole_event), public_key)


def _before(row: Permit) -> Permit:
    """Return what a key that no entry allows might do before entries changed that."""
    by_entry = row.ended_index is not None
    return row._replace(
        revoked_at=None if by_entry else row.revoked_at,
        ended_index=None,
        rotated_to=None,
        compromised_since=None,
        compromise_index=None,
    )


def _check_proposal(proposal: Proposal, origin: str) -> None:
    if proposal.event_type not in ONLY_BY_LOGS:
        raise MalformedError(f"{shown(proposal.event_type)} is no decision")
    raw = proposal.payload.encode()
    payload = canonical.parse(raw, limit=events.MAX_EVENT_BYTES)
    if type(payload) is not dict or canonical.canonical(payload) != raw:
        raise MalformedError("payload is not an object in canonical form")
    KINDS[proposal.event_type].check(payload, origin, "")
    check_time(proposal.created_at)


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        value = sorted(value)
    if isinstance(value, PithKey | Mapping):
        return "another"
    return shown(value)
