"""What a log has promised to those who talked to it, and whether it keeps it.

An acknowledgement promises that the event is in the log, at that index, under that leaf hash; a
signed head, that every later head continues it. An auditor decides, who trusts only the log's key.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.entry import Entry
from translog.formats.merkle import EMPTY_ROOT, leaf_hash
from translog.formats.note import Verifier
from translog.formats.policy import believing
from translog.formats.published import Fetch
from translog.formats.tiles import Tile, authenticated
from translog.formats.tree import prove_consistency, verify_consistency
from translog.verify.auditor import audit
from translog.verify.bundles import take
from translog.verify.state import AuditState


class BrokenPromise(AssertionError):
    """The log has lost or changed something that it had said."""


@dataclass(kw_only=True)
class Promises:
    """What was promised so far.

    Attributes:
        verifier: the log's key.
        places: by content_sha256 in hex: the index and the leaf hash in hex.
        heads: signed heads seen, by size.
        unchecked_places, unchecked_heads: those not yet compared with what is published. What was
            compared once stays true as long as the log continues what was audited.
        audited: how far the auditor came.
    """

    verifier: Verifier
    places: dict[str, tuple[int, str]] = field(default_factory=dict)
    heads: dict[int, SignedCheckpoint] = field(default_factory=dict)
    unchecked_places: set[str] = field(default_factory=set)
    unchecked_heads: set[int] = field(default_factory=set)
    audited: AuditState | None = None

    def acknowledged(self, content_sha256: str, index: int, leaf: str) -> None:
        known = self.places.setdefault(content_sha256, (index, leaf))
        if known != (index, leaf):
            raise BrokenPromise(f"{content_sha256} is at {index}, {leaf}; was at {known}")
        self.unchecked_places.add(content_sha256)

    def seen(self, note: bytes) -> None:
        head = open_checkpoint(note, self.verifier)
        known = self.heads.setdefault(head.size, head)
        if known.root != head.root:
            raise BrokenPromise(f"two roots for {head.size}:\n{known.note!r}\n{head.note!r}")
        self.unchecked_heads.add(head.size)

    def check(self, fetch: Fetch, *, whole: bool = False) -> int:
        """Audit what is published, from where the last audit ended; return its size.

        Args:
            fetch: the published bytes. Every acknowledged event must be covered by now.
            whole: begin from the start, and trust no earlier audit.
        """
        if whole:
            self.unchecked_places, self.unchecked_heads = set(self.places), set(self.heads)
        state = None if whole else self.audited
        self.audited = audit(fetch, believing(self.verifier), state=state, workers=1)
        newest = self.audited.checkpoint
        self.seen(newest.note)
        self._check_heads(fetch, newest)
        self._check_places(fetch, newest.size)
        self.unchecked_places, self.unchecked_heads = set(), set()
        return newest.size

    def _check_heads(self, fetch: Fetch, newest: SignedCheckpoint) -> None:
        def tiles(wanted: Iterable[Tile]) -> list[bytes]:
            return [fetch(tile.path, 8192) for tile in wanted]

        read = authenticated(newest.size, newest.root, tiles)
        for head in map(self.heads.__getitem__, self.unchecked_heads):
            if head.size > newest.size:
                raise BrokenPromise(
                    f"head of {head.size} was seen, and the newest has {newest.size}"
                )
            if head.size == 0:
                if head.root != EMPTY_ROOT:
                    raise BrokenPromise(f"an empty tree has root {head.root.hex()}")
                continue
            proof = prove_consistency(head.size, newest.size, read)
            verify_consistency(head.size, newest.size, head.root, newest.root, proof)

    def _check_places(self, fetch: Fetch, size: int) -> None:
        bundles: dict[int, list[bytes]] = {}
        for content_sha256 in self.unchecked_places:
            index, leaf = self.places[content_sha256]
            if index >= size:
                raise BrokenPromise(
                    f"{content_sha256} was to be at {index}, and the log has {size}"
                )
            number = index // 256
            if number not in bundles:
                taken = take(fetch, Tile.at(0, number, size), depth="hashes")
                bundles[number] = taken.entries
            entry = bundles[number][index % 256]
            found = Entry.parse(entry).content_sha256.hex(), leaf_hash(entry).hex()
            if found != (content_sha256, leaf):
                raise BrokenPromise(f"{content_sha256} was to be at {index}, there is {found}")
