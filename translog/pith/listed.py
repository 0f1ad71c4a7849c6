"""Keys as bundles list them: docs/formats/bundle.md, "Keys that changed".

Beside a key may stand the event by which it took over from another, and what says since when it
may be in other hands. Both are events, so that whoever reads them needs to believe nobody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from translog.errors import MalformedError, SubjectError
from translog.pith import shape
from translog.pith.event import Event, check_subject, from_value, verify
from translog.pith.key import PithKey, find
from translog.pith.kinds import decisions, key_rotated

_COMPROMISE = frozenset({"event", "event_ids"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key and, where something happened to it, what did. Nothing of it is verified.

    Attributes:
        key: the key.
        rotation: the `key_rotated` event by which it took over from another, or None.
        compromise: the `key_compromised` event about it, or None.
        disowned: ids of the events that its holder may not have signed, by whoever lists it.
    """

    key: PithKey
    rotation: Mapping[str, Any] | None = None
    compromise: Mapping[str, Any] | None = None
    disowned: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the form that stands in a bundle's `public_keys`."""
        value = self.key.to_json()
        if self.rotation is not None:
            value["rotation"] = self.rotation
        if self.compromise is not None:
            value["compromise"] = {"event": self.compromise, "event_ids": list(self.disowned)}
        return value

    @classmethod
    def from_json(cls, value: Any) -> "ListedKey":
        """Read what `to_json` writes.

        Raises:
            MalformedError: a member is missing, unknown or not of its kind.
            HashError: the key's fingerprint is another key's.
        """
        if type(value) is not dict or not value.keys() & {"rotation", "compromise"}:
            return cls(key=PithKey.from_json(value))
        members = dict(value)
        rotation = members.pop("rotation", None)
        if "rotation" in value and type(rotation) is not dict:
            raise MalformedError("public key rotation is not an object")
        compromise, disowned = None, []
        if "compromise" in members:
            said = shape.exact(members.pop("compromise"), _COMPROMISE, "compromise")
            compromise = shape.mapping(said, "event", "compromise")
            disowned = shape.array(said, "event_ids", "compromise")
            if not all(map(shape.is_event_id, disowned)) or disowned != sorted(set(disowned)):
                raise MalformedError("compromise event_ids are not event ids in ascending order")
        return cls(
            key=PithKey.from_json(members),
            rotation=rotation,
            compromise=compromise,
            disowned=tuple(disowned),
        )


def open_rotation(listed: ListedKey, ring: Mapping[str, bytes]) -> Event:
    """Return the event by which a listed key took over, verified under the older key.

    Args:
        listed: has a rotation.
        ring: `keyring` of the keys that may rotate.

    Raises:
        MalformedError, VerificationError: it is no such event, or not this key took over.
        UnknownKeyError: the older key is not in the ring.
    """
    event = _open(listed.rotation, key_rotated.TYPE, ring)
    new = key_rotated.new_key(event.value["payload"])
    if new.public_key != listed.key.public_key:
        raise SubjectError(
            f"key {new.fingerprint} took over, and it is listed with {listed.key.fingerprint}"
        )
    return event


def open_compromise(listed: ListedKey, ring: Mapping[str, bytes]) -> Event:
    """Return the event that says since when a listed key may be in other hands, verified.

    Args:
        listed: has a compromise.
        ring: `keyring` of the keys that may say so: that of the log that lists it.

    Raises:
        MalformedError, VerificationError: it is no such event, or about another key.
        UnknownKeyError: it is said by another.
    """
    event = _open(listed.compromise, decisions.KEY_COMPROMISED, ring)
    about = event.value["payload"]["public_key_fingerprint"]
    if about != listed.key.fingerprint:
        raise SubjectError(f"compromise is of key {about}, listed with {listed.key.fingerprint}")
    return event


def _open(value: Any, event_type: str, ring: Mapping[str, bytes]) -> Event:
    event = from_value(value)
    if event.event_type != event_type:
        raise SubjectError(f"event is a {event.event_type[:80]!r}, want a {event_type}")
    verify(event, find(ring, event.signer.fingerprint))
    check_subject(event)
    return event


def disowned_by(listed: Iterable[ListedKey]) -> dict[str, frozenset[str]]:
    """Return the events that do not count, by the fingerprint of their key, as `merge` wants."""
    return {each.key.fingerprint: frozenset(each.disowned) for each in listed if each.disowned}
