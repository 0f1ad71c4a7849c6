"""Who may write what to a log: docs/formats/registry.md. A function of what the log has stated.

What the operator decides, and that keys rotate, are events in the log (`kinds/decisions`,
`kinds/key_rotated`). `after` says what each does to the registry of keys, and `require` what the
registry lets pass. The log uses both as it writes, and anyone can use both to check it afterwards.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from translog.errors import ForbiddenError, UnknownKeyError
from translog.formats.note import Verifier
from translog.formats.strict import shown
from translog.pith.event import KEY_TYPES, ORIGIN_TYPES, Event
from translog.pith.key import PithKey
from translog.pith.kinds import (
    decisions,
    key_rotated,
    mirror_hint,
    record_mirrored,
    time_beacon,
    timestamp_anchor,
)
from translog.pith.quick import Passed

# What decides for others: written by a log itself, with its own key, and nobody can be allowed it.
ONLY_BY_LOGS = frozenset(
    {
        decisions.KEY_ALLOWED,
        decisions.KEY_REVOKED,
        decisions.KEY_COMPROMISED,
        decisions.EVENT_ACCEPTED,
        decisions.EVENT_REFUSED,
        record_mirrored.TYPE,
    }
)

LOG_TYPES = ONLY_BY_LOGS | {time_beacon.TYPE, timestamp_anchor.TYPE, mirror_hint.TYPE}
"""What a log itself states."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Permit(NamedTuple):
    """One key and what it may do, or once might.

    Attributes:
        key: the public key and what its owner says about it.
        signer_id: the one name under which it may write.
        event_types: what it may write.
        allowed_at: POSIX seconds.
        revoked_at: POSIX seconds, when it ended, or None while it may write.
        held_types: those of event_types that wait until each event is accepted.
        subjects: the Pith Numbers it may write about; None for all.
        allowed_index: of the entry that allows it; None where none does.
        ended_index: of the entry that ended it; None while there is none.
        rotated_from: fingerprint of the key from which it took over.
        rotation_index: of the entry by which it took over.
        rotated_to: fingerprint of the key that took over from it.
        compromised_since: index of the first entry that its holder may not have signed.
        compromise_index: of the entry that says so.
    """

    key: PithKey
    signer_id: str
    event_types: frozenset[str]
    allowed_at: int
    revoked_at: int | None
    held_types: frozenset[str] = frozenset()
    subjects: frozenset[str] | None = None
    allowed_index: int | None = None
    ended_index: int | None = None
    rotated_from: str | None = None
    rotation_index: int | None = None
    rotated_to: str | None = None
    compromised_since: int | None = None
    compromise_index: int | None = None


Permits = Mapping[str, Permit]
"""By fingerprint of the key; those that have ended too."""


def own_permit(verifier: Verifier) -> Permit:
    """Return the permit of a log's own key, which is there before the first entry."""
    key = PithKey(
        key_id=f"{verifier.name}+{verifier.key_id.hex()}",
        public_key=verifier.public_key,
        signer_id=verifier.name,
        rotates_at=None,
        url="",
        notes="",
    )
    return Permit(key, verifier.name, LOG_TYPES, 0, None)


def require(permits: Permits, origin: str, event: Event | Passed) -> Permit:
    """Return the permit by which the event's signer may write it to the log `origin`.

    The event is not verified here: whoever claims this key may not hold it.

    Raises:
        UnknownKeyError: no such key was ever allowed.
        ForbiddenError: it may write no more, or not this, or the event is about another log.
    """
    fingerprint = event.signer.fingerprint
    permit = permits.get(fingerprint)
    if permit is None:
        raise UnknownKeyError(
            f"key {fingerprint} is not in this log's registry:"
            " its operator allows keys with `translog keys allow`"
        )
    if permit.revoked_at is not None:
        raise ForbiddenError(f"key {fingerprint} {_ended(permit)}")
    if event.event_type not in permit.event_types:
        raise ForbiddenError(
            f"key {fingerprint} may not write {event.event_type[:80]!r},"
            f" only {', '.join(sorted(permit.event_types))}"
        )
    if event.signer.signer_id != permit.signer_id:
        raise ForbiddenError(
            f"key {fingerprint} may write as {permit.signer_id!r},"
            f" and the event is signed as {event.signer.signer_id[:80]!r}"
        )
    if permit.subjects is not None or event.event_type in _NOT_ABOUT_RECORDS:
        _require_subject(permits, permit, origin, event)
    return permit


_NOT_ABOUT_RECORDS = ORIGIN_TYPES | KEY_TYPES


def _require_subject(permits: Permits, permit: Permit, origin: str, event: Event | Passed) -> None:
    if event.event_type in ORIGIN_TYPES:
        if event.subject != origin:
            raise ForbiddenError(
                f"event is about log {event.subject[:80]!r}, and this is {origin!r}"
            )
    elif event.event_type == key_rotated.TYPE and isinstance(event, Event):
        new = event.value["payload"].get("new_public_key")
        fingerprint = new.get("fingerprint_sha256_hex") if type(new) is dict else None
        if fingerprint in permits:
            raise ForbiddenError(
                f"key {fingerprint} is in this log's registry already: rotate to a new one"
            )
    elif permit.subjects is not None and event.subject not in permit.subjects:
        raise ForbiddenError(
            f"key {permit.key.fingerprint} may not write about {shown(event.subject)},"
            f" only about {len(permit.subjects)} other records"
        )


def _ended(permit: Permit) -> str:
    if permit.compromised_since is not None:
        return f"may be in other hands since entry {permit.compromised_since}"
    if permit.rotated_to is not None:
        return f"has rotated to key {permit.rotated_to} at {iso(permit.revoked_at or 0)}"
    return f"was revoked at {iso(permit.revoked_at or 0)}"


def after(permits: Permits, event: Event, index: int) -> list[Permit]:
    """Return the permits that are new or others once a permitted, right event is entry `index`."""
    payload = event.value["payload"]
    now = _seconds(event.created_at)
    if event.event_type == key_rotated.TYPE:
        return _rotated(permits[event.signer.fingerprint], event, index, now)
    if event.event_type == decisions.KEY_ALLOWED:
        return _allowed(permits, event, index, now)
    if event.event_type not in (decisions.KEY_REVOKED, decisions.KEY_COMPROMISED):
        return []
    permit = permits.get(payload["public_key_fingerprint"])
    if permit is None or permit.event_types & ONLY_BY_LOGS:  # a log does not give up its own key
        return []
    if permit.revoked_at is None:
        permit = permit._replace(revoked_at=now, ended_index=index)
    if event.event_type == decisions.KEY_COMPROMISED:
        since, known = payload["since_index"], permit.compromised_since
        if known is None or since < known:  # what was disowned once stays disowned
            permit = permit._replace(compromised_since=since, compromise_index=index)
    return [permit]


def _allowed(permits: Permits, event: Event, index: int, now: int) -> list[Permit]:
    payload = event.value["payload"]
    key = PithKey.from_json(payload["public_key"])
    before = permits.get(key.fingerprint)
    # What has been in other hands is not taken back; nor is a log's own key given away.
    if before is not None and (
        before.compromised_since is not None or before.event_types & ONLY_BY_LOGS
    ):
        return []
    subjects = payload["subjects"]
    return [
        Permit(
            key=key,
            signer_id=payload["signer_id"],
            event_types=frozenset(payload["event_types"]) - ONLY_BY_LOGS,
            allowed_at=now,
            revoked_at=None,
            held_types=frozenset(payload["held_types"]),
            subjects=None if subjects is None else frozenset(subjects),
            allowed_index=index,
            rotated_from=None if before is None else before.rotated_from,
            rotation_index=None if before is None else before.rotation_index,
        )
    ]


def _rotated(old: Permit, event: Event, index: int, now: int) -> list[Permit]:
    key = key_rotated.new_key(event.value["payload"])
    new = old._replace(
        key=key,
        allowed_at=now,
        allowed_index=index,
        rotated_from=old.key.fingerprint,
        rotation_index=index,
    )
    ended = old._replace(revoked_at=now, ended_index=index, rotated_to=key.fingerprint)
    return [ended, new]


def _seconds(time: str) -> int:
    since = datetime.fromisoformat(time) - _EPOCH
    return since.days * 86_400 + since.seconds


def iso(seconds: int) -> str:
    """Return POSIX seconds as YYYY-MM-DDTHH:MM:SSZ."""
    return f"{(_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()}Z"
