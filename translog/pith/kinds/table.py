"""The one table of event types: what each one's payload must be, and what it is about.

A type that is not here is kept and counted, and its payload never guessed at.
"""

from collections.abc import Callable, Mapping
from typing import Any

from translog.pith.kinds import (
    author_attestation,
    citation_signature,
    correction,
    graph_snapshot,
    mirror_hint,
    record_created,
    replication_record,
    storage_attestation,
    time_beacon,
    timestamp_anchor,
)
from translog.pith.record import PithNumber

CheckAboutRecord = Callable[[Mapping[str, Any], PithNumber, str], None]
"""Check a payload, given the subject and the fingerprint of the key that signs."""

CheckAboutLog = Callable[[Mapping[str, Any], str, str], None]
"""The same for what is about a log: the subject is its origin."""

ABOUT_RECORDS: Mapping[str, CheckAboutRecord] = {
    record_created.TYPE: record_created.check,
    graph_snapshot.TYPE: graph_snapshot.check,
    author_attestation.TYPE: author_attestation.check,
    timestamp_anchor.TYPE: timestamp_anchor.check,
    storage_attestation.TYPE: storage_attestation.check,
    citation_signature.TYPE: citation_signature.check,
    replication_record.TYPE: replication_record.check,
    correction.TYPE: correction.check,
    mirror_hint.TYPE: mirror_hint.check,
}
ABOUT_LOGS: Mapping[str, CheckAboutLog] = {
    time_beacon.TYPE: time_beacon.check,
}
