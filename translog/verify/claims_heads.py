"""Claims about a log's heads: two that cannot both be true, and what a log no longer shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from translog.errors import ConsistencyError, MalformedError, VerificationError
from translog.formats.checkpoint import Checkpoint
from translog.formats.entry import Entry
from translog.formats.merkle import Hash
from translog.formats.published import EVENT, EVENTS, KEYS, check_path, event_path
from translog.formats.tiles import ENTRIES, FULL, HEIGHT, Tile, parse_bundle_path
from translog.formats.tree import consistency_ranges, join_prefix
from translog.pith import shape
from translog.verify.claims import (
    EVIDENCE,
    Logged,
    Verdict,
    blame,
    hash_list,
    hex_list,
    in_words,
    moment,
    note_of,
    open_heads,
)
from translog.verify.findings import Trust

WHEN = "which of the two was signed first: a checkpoint has no time in it"
WHOSE = "that anybody else was shown the same: who reports it says so"


@dataclass(frozen=True, slots=True, kw_only=True)
class InconsistentCheckpoints:
    """A log has signed two heads, and the tree of `new` does not continue that of `old`.

    Attributes:
        old: the note of the smaller tree, or of either where they are of one size.
        new: the note of the larger one.
        hashes: none where the sizes are the same. Else that of each of
            `tree.consistency_ranges(old.size, new.size)`, in the tree of `new`: they join to the
            root of `new`, and those below the size of `old` to another root than that of `old`.
    """

    kind: ClassVar[str] = "inconsistent-checkpoints"
    names: ClassVar[frozenset[str]] = frozenset({"old", "new", "hashes"})

    old: bytes
    new: bytes
    hashes: tuple[Hash, ...] = ()

    def members(self) -> dict[str, Any]:
        return {
            "old": self.old.decode(),
            "new": self.new.decode(),
            "hashes": hex_list(self.hashes),
        }

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "InconsistentCheckpoints":
        return cls(
            old=note_of(members, "old"),
            new=note_of(members, "new"),
            hashes=hash_list(members, "hashes"),
        )

    def check(self, accused: Trust) -> Verdict:
        old, new = open_heads(self.old, self.new, accused)
        found = contradiction(old, new, self.hashes)
        return Verdict(
            grade="proof",
            sentence=f"{old.origin} signed two heads that cannot both be true: {found}",
            limits=(WHEN,),
            accused=blame(old, new),
        )


def contradiction(old: Checkpoint, new: Checkpoint, hashes: Sequence[Hash]) -> str:
    """Say how two trees of one log contradict each other.

    Args:
        old: the smaller, or either where they are of one size.
        new: the larger.
        hashes: none for trees of one size; else that of each of
            `tree.consistency_ranges(old.size, new.size)`, in the tree of `new`.

    Raises:
        VerificationError: it is not shown that they do.
    """
    sizes = f"{old.size} and {new.size} entries"
    ranges = consistency_ranges(old.size, new.size) if 0 < old.size < new.size else []
    if len(hashes) != len(ranges):
        raise VerificationError(
            f"evidence: trees of {sizes} come with {len(hashes)} hashes, "
            f"want the smaller first, and {len(ranges)}"
        )
    if old.size == new.size and old.root != new.root:
        return f"for {old.size} entries, roots {old.root.hex()} and {new.root.hex()}"
    if not ranges:
        raise ConsistencyError(f"evidence: the trees of {sizes} are consistent")
    before, whole = join_prefix(old.size, new.size, hashes)
    if whole != new.root:
        raise ConsistencyError(
            f"evidence: the hashes join to {whole.hex()}, want the root of {new.size} entries"
        )
    if before == old.root:
        raise ConsistencyError(f"evidence: the trees of {sizes} are consistent")
    return (
        f"the tree of {new.size} entries has root {before.hex()} at {old.size}, and that of "
        f"{old.size} has {old.root.hex()}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoEntries:
    """A log has signed two trees with different entries at one index: two proofs show it."""

    kind: ClassVar[str] = "two-entries-at-one-index"
    names: ClassVar[frozenset[str]] = frozenset({"one", "other"})

    one: Logged
    other: Logged

    def members(self) -> dict[str, Any]:
        return {"one": self.one.to_json(), "other": self.other.to_json()}

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "TwoEntries":
        return cls(one=Logged.read(members, "one"), other=Logged.read(members, "other"))

    def check(self, accused: Trust) -> Verdict:
        one, other = self.one.open(accused), self.other.open(accused)
        index = self.one.proof.index
        if one.origin != other.origin or index != self.other.proof.index:
            raise VerificationError(
                f"evidence: entry {index} of {one.origin!r} and entry {self.other.proof.index} of "
                f"{other.origin!r} are not at one place"
            )
        if self.one.entry == self.other.entry:
            raise ConsistencyError(f"evidence: both proofs are of one entry at index {index}")
        return Verdict(
            grade="proof",
            sentence=f"{one.origin} has two different entries at index {index}: one in its tree of "
            f"{one.size} entries, another in that of {other.size}",
            limits=(WHEN,),
            accused=blame(one, other),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrunkenLog:
    """A log showed a smaller head after a larger one. The order is the reporter's word."""

    kind: ClassVar[str] = "shrunken-log"
    names: ClassVar[frozenset[str]] = frozenset({"before", "after"})

    before: bytes
    after: bytes

    def members(self) -> dict[str, Any]:
        return {"before": self.before.decode(), "after": self.after.decode()}

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "ShrunkenLog":
        return cls(before=note_of(members, "before"), after=note_of(members, "after"))

    def check(self, accused: Trust) -> Verdict:
        before, after = open_heads(self.before, self.after, accused)
        if after.size >= before.size:
            raise VerificationError(
                f"evidence: {after.size} entries after {before.size} is no log that shrank"
            )
        return Verdict(
            grade="report",
            sentence=f"{before.origin} signed heads of {before.size} and of {after.size} entries",
            limits=(
                f"that it showed {after.size} after {before.size}: a checkpoint has no time in it, "
                "and whoever was in between can serve an old one",
                WHOSE,
            ),
            accused=blame(before, after),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenLog:
    """A log went on showing one head. Where a larger one is known, the log had signed that.

    Attributes:
        shown: what it showed.
        newest: a larger head that somebody else was shown, or None.
        since: from when on, in POSIX seconds. The reporter's word, as `until` is.
        until: for how long at least.
    """

    kind: ClassVar[str] = "frozen-log"
    names: ClassVar[frozenset[str]] = frozenset({"shown", "newest", "since", "until"})

    shown: bytes
    newest: bytes | None
    since: int
    until: int

    def members(self) -> dict[str, Any]:
        return {
            "shown": self.shown.decode(),
            "newest": None if self.newest is None else self.newest.decode(),
            "since": self.since,
            "until": self.until,
        }

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "FrozenLog":
        since, until = moment(members, "since"), moment(members, "until")
        if until < since:
            raise MalformedError(f"evidence until is {until}, want it not before {since}")
        newest = None if members["newest"] is None else note_of(members, "newest")
        return cls(shown=note_of(members, "shown"), newest=newest, since=since, until=until)

    def check(self, accused: Trust) -> Verdict:
        spell = f"for {self.until - self.since} seconds up to {in_words(self.until)}"
        shown = accused.open_checkpoint(self.shown)
        heads, sizes = [shown], f"{shown.size}"
        if self.newest is not None:
            _, newest = open_heads(self.shown, self.newest, accused)
            if newest.size <= shown.size:
                raise VerificationError(
                    f"evidence: a head of {newest.size} is not newer than one of {shown.size}"
                )
            heads, sizes = [shown, newest], f"{shown.size} and of {newest.size}"
        return Verdict(
            grade="report",
            sentence=f"{shown.origin} signed heads of {sizes} entries",
            limits=(f"that it showed only the one of {shown.size} entries {spell}", WHOSE),
            accused=blame(*heads),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A log has signed a head, and did not publish what belongs to it.

    Attributes:
        checkpoint: the head.
        path: what was asked for.
        found: what came in its place: the reporter's word, as the times are.
        logged: for the body of an event, the entry that commits to it; else None.
        since: when it was first asked for.
        until: when it was last.
    """

    kind: ClassVar[str] = "withheld"
    names: ClassVar[frozenset[str]] = frozenset(
        {"checkpoint", "path", "found", "logged", "since", "until"}
    )

    checkpoint: bytes
    path: str
    found: str
    logged: Logged | None
    since: int
    until: int

    def members(self) -> dict[str, Any]:
        return {
            "checkpoint": self.checkpoint.decode(),
            "path": self.path,
            "found": self.found,
            "logged": None if self.logged is None else self.logged.to_json(),
            "since": self.since,
            "until": self.until,
        }

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> "Withheld":
        return cls(
            checkpoint=note_of(members, "checkpoint"),
            path=shape.label(members, "path", EVIDENCE),
            found=shape.label(members, "found", EVIDENCE),
            logged=None if members["logged"] is None else Logged.read(members, "logged"),
            since=moment(members, "since"),
            until=moment(members, "until"),
        )

    def check(self, accused: Trust) -> Verdict:
        head = accused.open_checkpoint(self.checkpoint)
        self._check_path(head.size)
        heads = [head]
        sentence = (
            f"{head.origin} signed a tree of {head.size} entries, to which {self.path} belongs"
        )
        if self.logged is not None:
            at = self.logged.open(accused)
            if at.origin != head.origin:
                raise VerificationError(f"evidence: the entry is in a log {at.origin!r}")
            if self.path != event_path(Entry.parse(self.logged.entry).content_sha256):
                raise VerificationError(f"evidence: the entry is not of {self.path}")
            heads.append(at)
            sentence += f": entry {self.logged.proof.index} commits to it"
        return Verdict(
            grade="report",
            sentence=sentence,
            limits=(f"that it is not published ({self.found}): ask the log for it", WHOSE),
            accused=blame(*heads),
        )

    def _check_path(self, size: int) -> None:
        """Refuse a path that belongs to no tree of this size."""
        check_path(self.path)
        if self.path == KEYS:
            return
        if self.path.startswith(f"{EVENT}/") and self.logged is not None:
            return
        level = 0
        if self.path.startswith(f"{ENTRIES}/"):
            index, width = parse_bundle_path(ENTRIES, self.path)
        elif self.path.startswith(f"{EVENTS}/"):
            index, width = parse_bundle_path(EVENTS, self.path)
        elif self.path.startswith("tile/"):
            tile = Tile.parse(self.path)
            level, index, width = tile.level, tile.index, tile.width
        else:
            raise VerificationError(f"evidence: {self.path} belongs to no head by itself")
        if (index * FULL + width) << (HEIGHT * level) > size:
            raise VerificationError(f"evidence: {self.path} is not in a tree of {size} entries")
