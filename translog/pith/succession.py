"""One bundle after another: what a source that goes on serving a record owes to who holds a copy.

A bundle says when it was made, under its own signature, and its events are for ever. So of two
bundles about one record by one key, the later one holds every event of the earlier; if it does
not, the two together convict whoever signed them, and no further knowledge is needed. Two of one
second may have been made in either order: they convict only if each lacks an event of the other.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from translog.errors import ConflictError, SubjectError
from translog.pith.bundle import Bundle


class Succession(NamedTuple):
    """What a later bundle has beside an earlier one.

    Attributes:
        added: whole events of the later that the earlier lacks, in the later one's order.
        dropped: ids of events of the earlier that the later lacks, in the earlier one's order.
    """

    added: tuple[dict[str, Any], ...]
    dropped: tuple[str, ...]


def succeed(earlier: Bundle, later: Bundle) -> Succession:
    """Compare two verified bundles about one record by one key.

    Raises:
        SubjectError: they are about two records, or signed by two keys.
        ConflictError: `later` was made before `earlier`, or may have been, in the same second: an
            old answer, which shows nothing.
    """
    if later.pith_number != earlier.pith_number:
        raise SubjectError(f"bundle is about {later.pith_number}, want {earlier.pith_number}")
    if later.signature.fingerprint != earlier.signature.fingerprint:
        raise SubjectError(
            f"bundle is signed by key {later.signature.fingerprint}, and the one before it by"
            f" {earlier.signature.fingerprint}"
        )
    # Both are YYYY-MM-DDTHH:MM:SSZ, which sorts as it reads.
    if later.built_at < earlier.built_at:
        raise ConflictError(
            f"bundle about {later.pith_number} was made at {later.built_at}, and the one held"
            f" at {earlier.built_at}: it is an old one"
        )
    held, now = event_ids(earlier), event_ids(later)
    added = tuple(dict(event) for event in later.events if _id(event) not in held)
    dropped = tuple(event_id for event_id in held if event_id not in now)
    if dropped and not added and later.built_at == earlier.built_at:
        raise ConflictError(
            f"bundle about {later.pith_number} was made at {later.built_at}, as the one held was,"
            f" which has {len(dropped)} more events: it may be the older of the two"
        )
    return Succession(added=added, dropped=dropped)


def event_ids(bundle: Bundle) -> dict[str, None]:
    """Return the ids that a bundle's events state, in order. What states none is no event."""
    stated = map(_id, bundle.events)
    return dict.fromkeys(each for each in stated if each is not None)


def _id(event: Mapping[str, Any]) -> str | None:
    stated = event.get("event_id")
    return stated if type(stated) is str else None
