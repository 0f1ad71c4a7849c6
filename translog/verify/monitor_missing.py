"""A monitor's rules about what a log does not show: no answer, no head of its own, no file.

Whether anything is missing for good cannot be seen from outside, so it is told when it lasts. What
is there and wrong is told at once.
"""

from translog.errors import MalformedError, TranslogError, VerificationError
from translog.formats.cosigned import CosignedCheckpoint
from translog.formats.published import KEYS, Fetch, event_path
from translog.formats.strict import shown
from translog.formats.tiles import ENTRIES
from translog.verify.claims_heads import Withheld
from translog.verify.findings import Trust
from translog.verify.monitor_entries import Owed, Tree
from translog.verify.monitor_events import OtherLogError
from translog.verify.monitor_facts import Fact, Position, fact
from translog.verify.monitor_heads import Found

MAX_TILES = 32  # kept during a turn: 8 KB each


class Asked:
    """A fetch for one turn: remembers what it was asked for, because errors are about that, and
    some tiles, because several questions are about the same ones."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._paths = ["", ""]
        self._tiles: dict[str, bytes] = {}

    def get(self, path: str, limit: int) -> bytes:
        """Do what the fetch does."""
        self._paths = [self._paths[1], path]
        if not path.startswith("tile/") or path.startswith(f"{ENTRIES}/"):
            return self._fetch(path, limit)
        if path not in self._tiles:
            content = self._fetch(path, limit)
            if len(self._tiles) >= MAX_TILES:
                del self._tiles[next(iter(self._tiles))]
            self._tiles[path] = content
        return self._tiles[path]

    @property
    def last(self) -> str:
        """The path asked for last; the partial file, if the full one was asked for in its place."""
        before, path = self._paths
        return before if before.startswith(f"{path}.p/") else path


def silent(origin: str, position: Position, error: TranslogError, now: int, patience: int) -> Found:
    """Take note that a log has not answered, and tell of it when that lasts."""
    position = position.lasting("silent", now)
    since = position.conditions["silent"]
    if now - since < patience:
        return position, []
    sentence = f"{origin} has not answered for {now - since} s: {error}"
    return position, [fact("silent", (since,), "warning", sentence)]


def silent_other(
    origin: str, position: Position, error: OtherLogError, now: int, patience: int
) -> Found:
    """Take note that a log is not followed on, since one that it continues has not answered."""
    position = position.lasting("silent-other", now)
    since = position.conditions["silent-other"]
    if now - since < patience:
        return position, []
    sentence = (
        f"{origin} is followed no further for {now - since} s: what an event may contradict is in "
        f"{error.origin}, and cannot be read: {error}"
    )
    return position, [fact("silent-other", (error.origin, since), "warning", sentence)]


def wrong_head(origin: str, position: Position, error: TranslogError, now: int) -> Found:
    """Tell that a log shows as its checkpoint what is none of its own."""
    position = position.lasting("wrong-head", now)
    since = position.conditions["wrong-head"]
    sentence = f"{origin} shows a checkpoint that is not its own: {error}"
    return position, [fact("wrong-head", (since,), "alarm", sentence)]


def unreadable(
    position: Position,
    head: CosignedCheckpoint,
    path: str,
    error: TranslogError,
    trust: Trust,
    now: int,
    patience: int,
) -> Found:
    """Say that what belongs to a signed head is not published as it must be.

    Args:
        path: what was asked for.
    """
    position = position.lasting("unreadable", now)
    since = position.conditions["unreadable"]
    # What is wrong is told at once; what is missing may be there in a moment.
    wrong = isinstance(error, MalformedError | VerificationError)
    if not wrong and now - since < patience:
        return position, []
    claim = Withheld(
        checkpoint=head.note,
        path=path,
        found=_label(str(error)),
        logged=None,
        since=since,
        until=now,
    )
    unreadable = fact(
        "corrupt" if wrong else "withheld",
        (since,),
        "alarm",
        f"{head.origin} signed a head of {head.size} entries, and {path} is not as it must be: "
        f"{error}",
        claim=claim,
        accused=trust,
    )
    return position, [unreadable]


def unjudged(origin: str, position: Position, now: int, patience: int) -> Found:
    """Take note that entries wait to be judged, and tell of it when that lasts. It ends when none
    does: a log that shows one thing and withholds the next has not ended it."""
    if position.judged == position.size:
        return position.ended("unjudged"), []
    position = position.lasting("unjudged", now)
    since = position.conditions["unjudged"]
    if now - since < patience:
        return position, []
    sentence = (
        f"{origin}: {position.size - position.judged} entries from {position.judged} on are not "
        f"judged for {now - since} s, by what it permits: the log does not publish what it may "
        f"have decided in entry {position.judged}"
    )
    return position, [fact("unjudged", (since,), "alarm", sentence)]


def missing(owed: Owed, tree: Tree, now: int, *, no_body: bool) -> Fact:
    """Return the fact that the log does not publish what one of its entries commits to."""
    path = event_path(owed.entry[1:33]) if no_body else KEYS
    what = "content" if no_body else "key"
    origin = tree.head.origin
    return fact(
        f"missing-{what}",
        (owed.index,) if no_body else (owed.entry[33:65].hex(),),
        "alarm",
        f"{origin} does not publish the {what} of entry {owed.index}, {path}",
        claim=Withheld(
            checkpoint=tree.head.note,
            path=path,
            found="not published, or not what the entry says",
            logged=tree.logged(owed.index, owed.entry) if no_body else None,
            since=min(owed.since, now),
            until=now,
        ),
        accused=tree.trust,
    )


def _label(text: str) -> str:
    """Return text as a label can hold it."""
    return "".join(each if each.isprintable() else "?" for each in text)[:255] or shown(text)
