"""A monitor's rule about bundles: one about a watched record has every event that was logged."""

from collections.abc import Iterable, Sequence

from translog.errors import MalformedError, MissingError, TranslogError
from translog.formats.entry import Entry
from translog.formats.published import Fetch
from translog.pith import bundle as pith_bundle
from translog.pith.bundle import MAX_BUNDLE_BYTES, Bundle, path_of
from translog.pith.event import event_id
from translog.pith.succession import event_ids
from translog.verify.claims_bundles import HiddenEvent
from translog.verify.findings import Trust
from translog.verify.monitor_entries import Tree
from translog.verify.monitor_events import Hit
from translog.verify.monitor_facts import Fact, Position, fact, lasts
from translog.verify.monitor_heads import Found

SILENT = "silent-bundles"  # the condition and the kind: the place follows, after a colon


def check_bundles(
    position: Position,
    hits: Sequence[Hit],
    places: Iterable[tuple[str, Fetch]],
    tree: Tree,
    now: int,
    patience: int,
) -> Found:
    """Compare the bundles about watched records with what is logged about them.

    Args:
        hits: the logged events about watched records.
        places: names, and where bundles are served.
        patience: how old a bundle may be, in seconds: what was seen later need not be in it.
    """
    due = [hit for hit in hits if lasts(hit.since, now, patience)]
    facts: list[Fact] = []
    for name, fetch in places:
        silent: TranslogError | None = None
        for subject in sorted({hit.subject for hit in due}):
            try:
                raw = fetch(path_of(subject), MAX_BUNDLE_BYTES)
            except TranslogError as error:
                if isinstance(error, MissingError | MalformedError):
                    facts.append(_missing(subject, name, error))
                else:
                    silent = error
            else:
                mine = [hit for hit in due if hit.subject == subject]
                facts += _check(subject, mine, name, raw, tree, now)
        position, more = _silent(position, name, silent, now, patience)
        facts += more
    return position, facts


def _missing(subject: str, place: str, error: TranslogError) -> Fact:
    sentence = f"{place} has no bundle about {subject}, of which events are logged: {error}"
    return fact("missing-bundle", (place, subject), "warning", sentence)


def _silent(
    position: Position, place: str, error: TranslogError | None, now: int, patience: int
) -> Found:
    """Tell that a place does not answer for bundles, when that lasts."""
    name = f"{SILENT}:{place}"
    if error is None:
        return position.ended(name), []
    position = position.lasting(name, now)
    since = position.conditions[name]
    if now - since < patience:
        return position, []
    sentence = f"{place} has not answered for a bundle for {now - since} s: {error}"
    return position, [fact(SILENT, (place, since), "warning", sentence)]


def _check(
    subject: str, hits: Sequence[Hit], place: str, raw: bytes, tree: Tree, now: int
) -> list[Fact]:
    try:
        bundle = pith_bundle.parse(raw)
    except TranslogError as error:
        sentence = f"{place} serves as bundle about {subject} what is none: {error}"
        return [fact("wrong-bundle", (place, subject), "alarm", sentence)]
    there = event_ids(bundle)
    hidden = [hit for hit in hits if event_id(Entry.parse(hit.entry).content_sha256) not in there]
    return [_hidden(hit, hits, place, raw, bundle, tree, now) for hit in hidden]


def _hidden(
    hit: Hit,
    hits: Sequence[Hit],
    place: str,
    raw: bytes,
    bundle: Bundle,
    tree: Tree,
    now: int,
) -> Fact:
    entry = Entry.parse(hit.entry)
    name = event_id(entry.content_sha256)
    there = event_ids(bundle)
    # Whoever knew an event with a later index knew this one: they are in one tree.
    later = [
        other
        for other in hits
        if other.index > hit.index and event_id(Entry.parse(other.entry).content_sha256) in there
    ]
    claim = HiddenEvent(
        bundle=raw,
        content=hit.content,
        hidden=tree.logged(hit.index, hit.entry),
        later=None if not later else tree.logged(later[0].index, later[0].entry),
        found_at=now,
    )
    return fact(
        "hidden-event",
        (place, name),
        "alarm",
        f"the bundle about {hit.subject} at {place} lacks {name}, entry {hit.index} of "
        f"{tree.head.origin}",
        claim=claim,
        accused=_accused(bundle, tree.trust),
    )


def _accused(bundle: Bundle, trust: Trust) -> Trust:
    """Return the log's keys, and the one that signed the bundle, as far as the bundle lists it."""
    keys = {log.key.public_key: log.key.name for log in trust.policy.logs}
    for listed in bundle.public_keys:
        if listed.fingerprint == bundle.signature.fingerprint:
            keys.setdefault(listed.public_key, listed.key_id)
    return Trust(keys=keys, policy=trust.policy)
