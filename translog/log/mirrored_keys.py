"""Whose events a mirrored record brings: which keys our log is to let write, and how they changed.

A key that took over from another does so in our log, too, by the same `key_rotated` event: or else
what it replaced or took back at the source would be a stranger's here. There a key ends when it has
rotated. Here other records can still bring what it wrote before: so it is allowed again, as it was.
What our operator has decided about a key, a revocation among it, is never touched.
"""

from collections.abc import Iterator, Mapping

from translog.formats.canonical import canonical
from translog.log import decisions
from translog.pith.bundle import Bundle
from translog.pith.event import KEY_TYPES, RECORD_TYPES
from translog.pith.kinds import key_rotated
from translog.pith.kinds.decisions import build_allowed
from translog.pith.listed import ListedKey
from translog.pith.permits import Permit
from translog.store import registry
from translog.store.database import Connection
from translog.store.mirrors import Source


def allow(db: Connection, bundle: Bundle, source: Source, *, now: int) -> list[str]:
    """Propose to let the source's keys write what they wrote there, if we never heard of them.

    One that will take over from a key that may write is left to its rotation (`rotations`).

    Returns:
        The fingerprints of the keys that may write once this is settled (`decisions.settle`).
    """
    permits = _permits(db)
    heard_of = permits.keys() | decisions.proposed_keys(db)
    ended = {name for name, permit in permits.items() if _is_decided(permit)}
    allowed: list[str] = []
    for listed, signer_id in _signers(bundle, source):
        fingerprint = listed.key.fingerprint
        old = _older(listed)
        if fingerprint in heard_of:
            continue
        heard_of.add(fingerprint)
        if old is not None and old in heard_of and old not in ended:
            continue
        payload = build_allowed(
            key=listed.key, signer_id=signer_id, event_types=RECORD_TYPES | KEY_TYPES
        )
        decisions.allow(db, payload, now=now)
        allowed.append(fingerprint)
    return allowed


def rotations(db: Connection, bundle: Bundle, source: Source) -> list[bytes]:
    """Return the events by which keys took over that we never heard of, the oldest first.

    What `allow` proposed is settled before. An event is there for each key that `allow` left out.
    """
    permits = _permits(db)
    heard_of = set(permits)
    events: list[bytes] = []
    for listed, _ in _signers(bundle, source):
        old = _older(listed)
        if old not in heard_of or listed.key.fingerprint in heard_of:
            continue
        if old in permits and _is_decided(permits[old]):
            continue
        heard_of.add(listed.key.fingerprint)
        events.append(canonical(listed.rotation))
    return events


def allow_again(db: Connection, bundle: Bundle, *, now: int) -> list[str]:
    """Propose to let keys that have rotated write as before, if the bundle has events by them.

    Returns:
        Their fingerprints.
    """
    signers = {event["signer"]["public_key_fingerprint"] for event in bundle.events}
    signers |= {old for listed in bundle.listed_keys if (old := _older(listed)) is not None}
    proposed = decisions.proposed_keys(db)
    again: list[str] = []
    for permit in _permits(db).values():
        fingerprint = permit.key.fingerprint
        if fingerprint not in signers or fingerprint in proposed:
            continue
        if permit.rotated_to is None or permit.compromised_since is not None:
            continue
        payload = build_allowed(
            key=permit.key,
            signer_id=permit.signer_id,
            event_types=permit.event_types,
            held_types=permit.held_types,
            subjects=permit.subjects,
        )
        decisions.allow(db, payload, now=now)
        again.append(fingerprint)
    return again


def disowned(db: Connection, bundle: Bundle) -> list[str]:
    """Return the keys that a source says may be in other hands, and our log does not."""
    permits = _permits(db)
    return [
        listed.key.fingerprint
        for listed in bundle.listed_keys
        if listed.compromise is not None
        and (permit := permits.get(listed.key.fingerprint)) is not None
        and permit.compromised_since is None
    ]


def _permits(db: Connection) -> Mapping[str, Permit]:
    return {permit.key.fingerprint: permit for permit in registry.read_signers(db)}


def _is_decided(permit: Permit) -> bool:
    """Say whether a key writes no more because our operator says so."""
    if permit.compromised_since is not None:
        return True
    return permit.revoked_at is not None and permit.rotated_to is None


def _older(listed: ListedKey) -> str | None:
    """Return the fingerprint of the key from which a listed one took over."""
    if listed.rotation is None:
        return None
    return key_rotated.parse_subject(str(listed.rotation["subject_pith_number"]))


def _signers(bundle: Bundle, source: Source) -> Iterator[tuple[ListedKey, str]]:
    """Yield the believed keys that signed events of a bundle, and the name of each.

    Those from which they took over are among them, and come first.
    """
    believed = {
        listed.key.fingerprint: listed
        for listed in bundle.listed_keys
        if listed.key.public_key in source.keys
    }
    names: dict[str, str] = {}
    for event in (*bundle.events, *(each.rotation for each in believed.values() if each.rotation)):
        signer = event["signer"]
        names.setdefault(signer["public_key_fingerprint"], signer["signer_id"])
    given: set[str] = set()
    for fingerprint in [name for name in names if name in believed]:
        line = [fingerprint]
        while (old := _older(believed[line[-1]])) in believed and old not in line:
            line.append(old)
        for name in reversed(line):
            if name not in given:
                given.add(name)
                yield believed[name], names[name]
