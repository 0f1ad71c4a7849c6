"""A monitor's scan: every new entry, tied to the head that was believed, and what it is about.

A bundle is scanned whole, and tied to the signed root before anything in it counts: so whatever is
found in it, the log has signed. What the log does not publish is owed, and asked for again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from translog.errors import (
    HashError,
    MalformedError,
    MissingError,
    VerificationError,
)
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.entry import Entry
from translog.formats.keys import verify_signature
from translog.formats.merkle import Hash
from translog.formats.proof import TlogProof
from translog.formats.published import EVENTS, Fetch, parse_events
from translog.formats.tiles import FULL, HEIGHT, Tile, authenticated
from translog.formats.tree import Node, Read, prove_inclusion, subtrees
from translog.pith.event import Event
from translog.verify.bundles import MAX_EVENTS_BYTES, Taken, check_hashes, take
from translog.verify.claims import Logged
from translog.verify.claims_entries import InvalidEntry
from translog.verify.events import Keys, check_event, fetch_content
from translog.verify.findings import Trust
from translog.verify.growth import Growth
from translog.verify.monitor_facts import Fact, Position, fact
from translog.verify.where import fetch_tiles, fetch_wide

CHUNK = FULL  # bundles whose hashes are read at once: one tile of level 1
SINGLY = 8  # so few new bodies are asked for by themselves, and not with all of their bundle
GIVE_UP = 8  # bodies in a row that are not there singly either: the rest of the bundle is owed


class Owed(NamedTuple):
    """An entry whose content, or key, the log has not published: it is asked for again."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    entry: bytes
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The tree of a head, read from where it is published and tied to its root."""

    head: SignedCheckpoint
    fetch: Fetch
    read: Read
    trust: Trust

    @classmethod
    def of(cls, head: SignedCheckpoint, fetch: Fetch, trust: Trust) -> "Tree":
        read = authenticated(head.size, head.root, partial(fetch_tiles, fetch))
        return cls(head=head, fetch=fetch, read=read, trust=trust)

    def logged(self, index: int, entry: bytes) -> Logged:
        """Return the entry with the proof that it is in this tree."""
        hashes = tuple(prove_inclusion(index, self.head.size, self.read))
        proof = TlogProof(index=index, hashes=hashes, checkpoint=self.head.note)
        return Logged(entry, proof)


class Seen(NamedTuple):
    """An entry of a bundle, and the event it stands for, where that is known and right; whether it
    is not known, because the log does not publish it."""

    index: int  # type: ignore[assignment]
    entry: bytes
    event: Event | None
    lacking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """A bundle, scanned.

    Attributes:
        position: the monitor's, behind it.
        seen: its new entries, in order.
        facts: what is wrong with them.
        owed: those that could not be judged.
    """

    position: Position
    seen: tuple[Seen, ...]
    facts: tuple[Fact, ...] = ()
    owed: tuple[Owed, ...] = ()


def scan(position: Position, tree: Tree, judge: "Judge", now: int) -> Iterator[Scanned]:
    """Scan the entries that are new in the head that is believed, bundle by bundle.

    Args:
        position: its head is that of `tree`.

    Raises (the iterator does):
        TranslogError: what is next is not published as it must be, or cannot be read now. What
            was yielded before stands.
    """
    state = position.state
    if state is None or state.size == tree.head.size:
        return
    done = state.size
    growth = Growth(done // FULL, list(state.edge[: (done // FULL).bit_count()]), [])
    for taken, hashes in _bundles(tree, growth.bundles):
        first = max(done, taken.start)
        scanned = judge.bundle(taken, first)
        if len(taken.entries) == FULL:
            growth.extend(hashes[0])
            edge = tuple(growth.edge)
        else:
            edge = (*growth.edge, *hashes)
        here = replace(state, size=taken.start + len(taken.entries), edge=edge)
        yield replace(scanned, position=replace(position, state=here))


def scan_again(first: int, tree: Tree, judge: "Judge") -> Iterator[Scanned]:
    """Scan entries from index `first` on that were scanned before, bundle by bundle.

    Raises (the iterator does):
        TranslogError: as `scan`.
    """
    for taken, _ in _bundles(tree, first // FULL):
        yield judge.bundle(taken, max(first, taken.start))


def _bundles(tree: Tree, start: int) -> Iterator[tuple[Taken, list[Hash]]]:
    """Yield each bundle from `start` on, with its hashes, which the signed root gives, too."""
    size = tree.head.size
    count = -(-size // FULL)
    for first in range(start, count, CHUNK):
        indices = range(first, min(first + CHUNK, count))
        nodes = [_nodes(index, size) for index in indices]
        wanted = iter(tree.read([node for part in nodes for node in part]))
        for index, part in zip(indices, nodes, strict=True):
            taken = take(tree.fetch, Tile.at(0, index, size), depth="hashes")
            hashes = check_hashes(taken)
            if hashes != [next(wanted) for _ in part]:
                raise HashError(f"{taken.path} is not what the log has signed")
            yield taken, hashes


def _nodes(index: int, size: int) -> list[Node]:
    if (index + 1) * FULL <= size:
        return [Node(HEIGHT, index)]
    return list(subtrees(range(index * FULL, size)))


@dataclass
class Judge:
    """Judges entries that are in a signed tree. Keys are fetched when one is not known.

    Attributes:
        known: the public keys as far as they were needed.
    """

    tree: Tree
    keys: Callable[[], Keys]
    now: int
    known: dict[bytes, bytes] = field(default_factory=dict)

    def bundle(self, taken: Taken, first: int) -> Scanned:
        """Judge the entries of a bundle from index `first` on."""
        contents = bodies(self.tree.fetch, taken, first)
        seen: list[Seen] = []
        facts: list[Fact] = []
        owed: list[Owed] = []
        for index in range(first, taken.start + len(taken.entries)):
            entry = taken.entries[index - taken.start]
            event, wrong, missing = self.entry(index, entry, contents.get(index))
            seen.append(Seen(index, entry, event, missing))
            facts += wrong
            owed += [Owed(index, entry, self.now)] * missing
        return Scanned(position=Position(), seen=tuple(seen), facts=tuple(facts), owed=tuple(owed))

    def entry(
        self, index: int, raw: bytes, content: bytes | None
    ) -> tuple[Event | None, list[Fact], bool]:
        """Judge one entry.

        Args:
            content: what it commits to; None where that is not published.

        Returns:
            The event, if all is right with it; what is wrong; whether something is missing.
        """
        try:
            entry = Entry.parse(raw)
        except MalformedError as error:
            return None, [self.invalid(index, raw, None, None, error)], False
        key = self.key(entry)
        if key is None:
            return None, [], True
        try:
            if content is not None:
                return check_event(content, entry, {entry.key_sha256: key}), [], False
            verify_signature(key, entry.content_sha256, entry.signature)
        except (MalformedError, VerificationError) as error:
            return None, [self.invalid(index, raw, key, content, error)], False
        return None, [], True

    def key(self, entry: Entry) -> bytes | None:
        """Return the key that an entry names, if the log publishes it."""
        if entry.key_sha256 not in self.known:
            self.known.update(self.keys())
        return self.known.get(entry.key_sha256)

    def invalid(
        self,
        index: int,
        entry: bytes,
        key: bytes | None,
        content: bytes | None,
        error: MalformedError | VerificationError,
    ) -> Fact:
        origin = self.tree.head.origin
        logged = self.tree.logged(index, entry)
        return fact(
            "invalid-entry",
            (index, sha256(entry).hexdigest()),
            "alarm",
            f"{origin} has as entry {index} what no log may have: {error}",
            claim=InvalidEntry(logged=logged, public_key=key, content=content),
            accused=self.tree.trust,
        )


def bodies(fetch: Fetch, taken: Taken, first: int) -> Mapping[int, bytes]:
    """Return the contents that the log publishes, each the one that its entry commits to.

    What is wrong or missing in the file of all is asked for singly.

    Raises:
        UnavailableError: they cannot be read now.
    """
    new = taken.start + len(taken.entries) - first
    listed = () if new <= SINGLY < len(taken.entries) - new else _listed(fetch, taken)
    few = not listed and new <= SINGLY
    found: dict[int, bytes] = {}
    missed = 0
    for number, raw in enumerate(taken.entries):
        index = taken.start + number
        if index < first or len(raw) < 33:
            continue
        content = listed[number] if number < len(listed) else None
        if content is not None and sha256(content).digest() == raw[1:33]:
            found[index] = content
        elif missed < GIVE_UP or listed or few:
            single = body(fetch, raw)
            missed = 0 if single is not None else missed + 1
            if single is not None:
                found[index] = single
    return found


def body(fetch: Fetch, raw: bytes) -> bytes | None:
    """Return the content of one entry, or None where it is not published as it must be."""
    try:
        entry = Entry.parse(raw)
        _, content = fetch_content(fetch, entry)
    except (MissingError, MalformedError):
        return None
    return content if sha256(content).digest() == entry.content_sha256 else None


def _listed(fetch: Fetch, taken: Taken) -> Sequence[bytes]:
    tile = taken.tile
    try:
        _, raw, width = fetch_wide(fetch, EVENTS, tile.index, tile.width, MAX_EVENTS_BYTES)
        return parse_events(raw, width)[: tile.width]
    except (MissingError, MalformedError):
        return ()
