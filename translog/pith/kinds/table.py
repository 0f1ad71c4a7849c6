"""The one table of event types: what each one is about, and what its payload must be.

A type that is not here is kept and counted, and its payload never guessed at.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from translog.formats.checkpoint import check_origin
from translog.pith.kinds import (
    author_attestation,
    citation_signature,
    correction,
    decisions,
    graph_snapshot,
    key_rotated,
    mirror_hint,
    record_created,
    record_mirrored,
    replication_record,
    storage_attestation,
    time_beacon,
    timestamp_anchor,
)
from translog.pith.record import parse_pith_number


class Kind(NamedTuple):
    """What is checked of the events of a type.

    Attributes:
        read_subject: the subject to what it names, or MalformedError.
        check: a payload, given what the subject names and the fingerprint of the key that signs.
    """

    read_subject: Callable[[str], Any]
    check: Callable[[Mapping[str, Any], Any, str], None]


def _origin(subject: str) -> str:
    check_origin(subject)
    return subject


def _anything(payload: Mapping[str, Any], about: Any, fingerprint: str) -> None:
    """Let a payload pass."""


ABOUT_RECORDS = {
    record_created.TYPE: Kind(parse_pith_number, record_created.check),
    graph_snapshot.TYPE: Kind(parse_pith_number, graph_snapshot.check),
    author_attestation.TYPE: Kind(parse_pith_number, author_attestation.check),
    timestamp_anchor.TYPE: Kind(parse_pith_number, timestamp_anchor.check),
    storage_attestation.TYPE: Kind(parse_pith_number, storage_attestation.check),
    citation_signature.TYPE: Kind(parse_pith_number, citation_signature.check),
    replication_record.TYPE: Kind(parse_pith_number, replication_record.check),
    correction.TYPE: Kind(parse_pith_number, correction.check),
    mirror_hint.TYPE: Kind(parse_pith_number, mirror_hint.check),
}
"""The subject is a Pith Number."""

ABOUT_LOGS = {
    time_beacon.TYPE: Kind(_origin, time_beacon.check),
    record_mirrored.TYPE: Kind(_origin, record_mirrored.check),
    decisions.KEY_ALLOWED: Kind(_origin, decisions.check_allowed),
    decisions.KEY_REVOKED: Kind(_origin, decisions.check_revoked),
    decisions.KEY_COMPROMISED: Kind(_origin, decisions.check_compromised),
    decisions.EVENT_ACCEPTED: Kind(_origin, decisions.check_accepted),
    decisions.EVENT_REFUSED: Kind(_origin, decisions.check_refused),
}
"""The subject is the origin of a log."""

ABOUT_KEYS = {
    key_rotated.TYPE: Kind(key_rotated.parse_subject, key_rotated.check),
}
"""The subject is a key."""

KINDS: Mapping[str, Kind] = {**ABOUT_RECORDS, **ABOUT_LOGS, **ABOUT_KEYS}
UNKNOWN = Kind(parse_pith_number, _anything)
"""What a type that is not in the table is held to: it is about a record."""
