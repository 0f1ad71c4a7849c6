"""What the operator decides becomes an event in the log, and then, in one commit, has its effect.

Whoever may write the log's directory proposes; whoever writes the log settles: `propose` notes a
decision beside a running log, and `settle` has it logged as a statement of the log, in order. So
the registry of keys is a function of the log: docs/formats/registry.md.

A crash means: a proposal stays until its event is in the log, and an event that was accepted stays
in line until it is logged. Settling again makes the same events, which keep their places.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from translog.errors import ForbiddenError, MissingError, TranslogError, UnavailableError
from translog.formats import canonical
from translog.formats.entry import Entry
from translog.formats.keys import check_public_key
from translog.formats.note import NoteSigner, Verifier
from translog.log import bundler, lookup, registry, statements
from translog.log.registry import read_row
from translog.pith.event import MAX_EVENT_BYTES, from_value, restore, sign
from translog.pith.key import PithKey
from translog.pith.kinds import decisions as kinds
from translog.pith.kinds import record_mirrored
from translog.pith.kinds.table import KINDS
from translog.pith.permits import ONLY_BY_LOGS
from translog.store import decisions as rows
from translog.store import log
from translog.store.bodies import from_micros, unpack
from translog.store.database import Connection, snapshot, transaction
from translog.store.decisions import ACCEPTED, WAITING, HeldRow, Proposal

TARGET = "log"


def allow(db: Connection, payload: Mapping[str, Any], *, now: int) -> int:
    """Propose to let a key write, by the payload of a `key_allowed`.

    Raises:
        MalformedError: no signature can be by this key, or the payload is not one.
        ForbiddenError: it is the log's own key, or has been in other hands.
    """
    key = PithKey.from_json(payload["public_key"])
    check_public_key(key.public_key)
    _refuse_own(db, key.public_key)
    try:
        before = read_row(db, key.fingerprint)
    except MissingError:
        before = None
    if before is not None and before.compromised_since is not None:
        raise ForbiddenError(
            f"key {key.fingerprint} may be in other hands since entry {before.compromised_since}:"
            " make another key"
        )
    return propose(db, kinds.KEY_ALLOWED, payload, now=now)


def revoke(db: Connection, fingerprint: str, reason: str, *, now: int) -> int | None:
    """Propose that a key writes no more; return None if that is so already.

    Raises:
        MissingError: there is no such key.
        ForbiddenError: it is the log's own, or has rotated: another writes in its place.
    """
    is_proposed = fingerprint in proposed_keys(db)  # first: what is settled meanwhile is in the row
    row = read_row(db, fingerprint)
    _refuse_own(db, row.key.public_key)
    if row.revoked_at is not None and not is_proposed:
        if row.rotated_to is not None:
            raise ForbiddenError(
                f"key {fingerprint} has rotated to key {row.rotated_to}, and writes no more:"
                " it is that one which can be revoked"
            )
        return None
    payload = kinds.build_revoked(fingerprint=fingerprint, reason=reason)
    return propose(db, kinds.KEY_REVOKED, payload, now=now)


def disown(
    db: Connection, fingerprint: str, since_index: int, reason: str, *, now: int
) -> int | None:
    """Propose that a key may be in other hands since an entry: it writes no more, and what it wrote
    from there on does not count. Return None if that is so already.

    Raises:
        MissingError: there is no such key, or no such entry.
        ForbiddenError: it is the log's own, or more of what it wrote counts for nothing already.
    """
    row = read_row(db, fingerprint)
    _refuse_own(db, row.key.public_key)
    size = log.read_head(db).size
    if since_index > size:
        raise MissingError(f"entry {since_index} is not in this log, which has {size}")
    known = row.compromised_since
    if known is not None and since_index > known:
        raise ForbiddenError(
            f"key {fingerprint} may be in other hands since entry {known} already:"
            " what the log has disowned stays disowned"
        )
    if since_index == known:
        return None
    payload = kinds.build_compromised(
        fingerprint=fingerprint, since_index=since_index, reason=reason
    )
    return propose(db, kinds.KEY_COMPROMISED, payload, now=now)


def judge(db: Connection, content_sha256: bytes, reason: str, *, accept: bool, now: int) -> int:
    """Propose to accept or to refuse an event that waits.

    Raises:
        MissingError: no event with this hash waits.
        ForbiddenError: its key may not write it any more, and so it cannot be accepted.
    """
    value = event_of(find_waiting(db, content_sha256))
    if accept:
        registry.read(db).permit(from_value(value))
    payload = kinds.build_judged(
        event_id=value["event_id"],
        fingerprint=value["signer"]["public_key_fingerprint"],
        reason=reason,
    )
    event_type = kinds.EVENT_ACCEPTED if accept else kinds.EVENT_REFUSED
    return propose(db, event_type, payload, now=now)


def propose(db: Connection, event_type: str, payload: Mapping[str, Any], *, now: int) -> int:
    """Note a decision for whoever writes the log, and return its number.

    Raises:
        MalformedError: the payload is not one of this type.
    """
    if event_type not in ONLY_BY_LOGS:
        raise ValueError(f"{event_type} is no decision")
    identity = log.read_identity(db)
    KINDS[event_type].check(payload, identity.origin, "")
    text = canonical.canonical(payload).decode()
    verifier = Verifier(name=identity.origin, public_key=identity.public_key)
    with transaction(db):
        made = {
            (each.event_type, each.payload, each.created_at) for each in rows.read_proposals(db)
        }
        # To decide the same again within a second is another decision.
        while (event_type, text, now) in made or _is_logged(db, verifier, event_type, payload, now):
            now += 1
        return rows.add_proposal(db, event_type, text, now)


def _is_logged(
    db: Connection, verifier: Verifier, event_type: str, payload: Mapping[str, Any], now: int
) -> bool:
    content = canonical.canonical(_draft(verifier, event_type, payload, now))
    return bool(log.find(db, [lookup.of_hash(sha256(content).digest())]))


def _draft(
    verifier: Verifier, event_type: str, payload: Mapping[str, Any], now: int
) -> dict[str, Any]:
    return statements.draft(
        verifier,
        event_type=event_type,
        subject=verifier.name,
        target=TARGET,
        payload=payload,
        created_at=now,
    )


def proposed_keys(db: Connection) -> set[str]:
    """Return the fingerprints of the keys that are about to be allowed."""
    return {
        canonical.parse(each.payload.encode(), limit=MAX_EVENT_BYTES)["public_key"][
            "fingerprint_sha256_hex"
        ]
        for each in rows.read_proposals(db)
        if each.event_type == kinds.KEY_ALLOWED
    }


def is_stated(db: Connection, number: str) -> bool:
    """Say whether the names of a mirrored record are in the log, or are about to be."""
    stated = [
        (each.event_type, canonical.parse(each.payload.encode(), limit=MAX_EVENT_BYTES))
        for each in rows.read_proposals(db)
    ]
    for _, index in log.find(db, [lookup.of_subject(number)]):
        for leaf in log.read_leaves(db, index, 1):
            value = bundler.event_of(leaf)
            stated.append((value["event_type"], value["payload"]))
    return any(
        event_type == record_mirrored.TYPE and payload["pith_number"] == number
        for event_type, payload in stated
    )


def settle(db: Connection, writer: statements.Adder, signer: NoteSigner) -> int:
    """Have what is proposed logged, in order, and what is accepted; return how many there were.

    Called by whoever holds the log's lock, from one thread at a time.

    Raises:
        BusyError, UnavailableError: the log takes nothing now; the rest stays for the next time.
    """
    with snapshot(db):
        proposals = rows.read_proposals(db)
    for proposal in proposals:
        statements.append(writer, [_statement(proposal, signer)])
        with transaction(db):
            rows.delete_proposal(db, proposal.proposal_id)
    with snapshot(db):
        accepted = rows.read_held(db, [ACCEPTED])
    for row in accepted:
        # It is checked again: its key may have been revoked since.
        (result,) = writer.add([canonical.canonical(event_of(row))])
        if isinstance(result, TranslogError):
            if isinstance(result, UnavailableError):
                raise result
            with transaction(db):
                rows.delete_held(db, row.entry)  # it may no longer be logged
    return len(proposals) + len(accepted)


def _statement(proposal: Proposal, signer: NoteSigner) -> bytes:
    payload = canonical.parse(proposal.payload.encode(), limit=MAX_EVENT_BYTES)
    draft = _draft(signer.verifier, proposal.event_type, payload, proposal.created_at)
    signed_at = from_micros(proposal.created_at * 1_000_000)
    return canonical.canonical(sign(draft, signer.key, signed_at))


def find_waiting(db: Connection, content_sha256: bytes) -> HeldRow:
    """Return an event that waits, or raise MissingError."""
    for row in rows.find_held(db, content_sha256):
        if row.state == WAITING:
            return row
    raise MissingError(f"no event with hash {content_sha256.hex()} waits to be accepted")


def event_of(row: HeldRow) -> dict[str, Any]:
    """Return the whole event that waits."""
    content = unpack(row.body, limit=MAX_EVENT_BYTES)
    return restore(content, Entry.parse(row.entry).signature, from_micros(row.signed_at))


def _refuse_own(db: Connection, public_key: bytes) -> None:
    if public_key == log.read_identity(db).public_key:
        raise ForbiddenError(
            "key is the log's own: it writes what the log itself states, and nothing else;"
            " make another key for anything else"
        )
