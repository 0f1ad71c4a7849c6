"""Other places where the same log is published, compared with the first byte for byte.

Where the first place was checked, a copy that differs is wrong, whatever is signed over it. A copy
may be behind, or ahead: it is compared as far as both go, and neither may contradict the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from translog.errors import HashError, VerificationError
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.entry import Entry
from translog.formats.merkle import Hash
from translog.formats.published import Fetch
from translog.formats.tiles import FULL, HEIGHT, Tile
from translog.verify.bundles import Taken, take
from translog.verify.events import fetch_content
from translog.verify.growth import check_continues
from translog.verify.state import Depth
from translog.verify.where import about, compare_tile, fetch_tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Another place of the log that is audited.

    Attributes:
        name: what to call it.
        fetch: from there; called from several threads.
        head: the checkpoint it shows, verified.
    """

    name: str
    fetch: Fetch
    head: SignedCheckpoint

    def check_head(self, fetch: Fetch, checkpoint: SignedCheckpoint) -> None:
        """Check that one of the two heads continues the other, whichever is larger.

        Args:
            fetch: where the tree of `checkpoint` is published.

        Raises:
            HistoryError: neither does.
            VerificationError, MalformedError, MissingError: the tiles of the larger are not there.
        """
        if self.head.size > checkpoint.size:
            check_continues(self.fetch, checkpoint, self.head)
        else:
            check_continues(fetch, self.head, checkpoint)

    def check_bundle(self, taken: Taken, depth: Depth) -> None:
        """Compare a bundle with what is published here, as far as it is.

        Raises:
            VerificationError: it differs.
            MissingError: it is not here, though the head says so.
        """
        tile = _cut(taken.tile, self.head.size)
        if tile is None:
            return
        with about(self.name):
            here = take(self.fetch, tile, depth=depth)
            width = min(len(here.entries), len(taken.entries))
            _compare(here.path, here.entries[:width], taken.entries[:width])
            compare_tile(tile, here.hashes[: 32 * width], _hashes(taken.hashes[: 32 * width]))
            if taken.contents is not None and here.contents is not None:
                _compare(here.events_path, here.contents[:width], taken.contents[:width])
            elif depth == "events":
                self._check_singly(taken.entries[:width])

    def _check_singly(self, entries: Sequence[bytes]) -> None:
        """Check that the contents are here, where they are too large for one file."""
        for entry in map(Entry.parse, entries):
            path, content = fetch_content(self.fetch, entry)
            if sha256(content).digest() != entry.content_sha256:
                raise HashError(f"{path} has another content")

    def check_tile(self, tile: Tile, row: Sequence[Hash]) -> None:
        """Compare a tile above level 0, as far as it is here."""
        mine = _cut(tile, self.head.size)
        if mine is not None:
            width = min(mine.width, len(row))
            with about(self.name):
                found = fetch_tile(self.fetch, mine)
                compare_tile(mine, found[: 32 * width], row[:width])


def _cut(tile: Tile, size: int) -> Tile | None:
    """Return this tile as a tree of `size` has it, or None where that has none of it."""
    if size >> HEIGHT * tile.level <= tile.index * FULL:
        return None
    return Tile.at(tile.level, tile.index, size)


def _hashes(content: bytes) -> list[Hash]:
    return [Hash(content[at : at + 32]) for at in range(0, len(content), 32)]


def _compare(path: str, found: Sequence[bytes], want: Sequence[bytes]) -> None:
    for number, (here, there) in enumerate(zip(found, want, strict=True)):
        if here != there:
            raise VerificationError(
                f"{path} has other bytes as number {number} than the first source"
            )
