"""A bundle of up to 256 entries with all that belongs to it: taken whole, and checked whole.

Taking waits for others and uses no processor; checking is arithmetic, and can be done in another
process (`verify/crowd`). What was taken is plain bytes, and small enough to be sent there.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from translog.errors import SignatureError, TooLargeError, UnknownKeyError
from translog.formats.entry import ENTRY_BYTES, MAX_ENTRY_BYTES, Entry, parse_bundle
from translog.formats.keys import ED25519, verify_signature
from translog.formats.merkle import Hash
from translog.formats.published import EVENTS, KEYS, Fetch, parse_events
from translog.formats.tiles import ENTRIES, FULL, Tile, fold_perfect, inside
from translog.formats.tree import subtrees
from translog.verify.events import Keys, check_event, fetch_content
from translog.verify.state import Depth
from translog.verify.where import about, compare_tile, fetch_tile, fetch_wide

MAX_BUNDLE_BYTES = FULL * (2 + MAX_ENTRY_BYTES)
# Enough for 128 KB an event; where there is more, they are fetched one by one.
MAX_EVENTS_BYTES = 32 << 20


class Taken(NamedTuple):
    """A bundle as it was published, with nothing of it checked but the form of its files.

    Attributes:
        tile: the level-0 tile over it.
        path: of the entries.
        entries: as many as the tile is wide.
        hashes: the tile's content.
        events_path: of the contents, where they were wanted.
        contents: of the events; None where none were wanted, or they are too large for one file.
    """

    tile: Tile
    path: str
    entries: list[bytes]
    hashes: bytes
    events_path: str
    contents: list[bytes] | None

    @property
    def start(self) -> int:
        """The index of the first entry."""
        return self.tile.index * FULL


Check = Callable[[Taken, Keys, Depth], list[Hash]]
"""`check`, here or in another process."""


def take(fetch: Fetch, tile: Tile, *, depth: Depth) -> Taken:
    """Fetch what is published of the bundle under a level-0 tile.

    Raises:
        MalformedError: a file has not the form that its path promises.
        MissingError, UnavailableError: it is withheld, or cannot be read now.
    """
    path, raw, width = fetch_wide(fetch, ENTRIES, tile.index, tile.width, MAX_BUNDLE_BYTES)
    with about(path):
        entries = parse_bundle(raw, width)[: tile.width]
    hashes = fetch_tile(fetch, tile)
    events_path, contents = "", None
    if depth == "events":
        events_path, contents = _contents(fetch, tile)
    return Taken(tile, path, entries, hashes, events_path, contents)


def _contents(fetch: Fetch, tile: Tile) -> tuple[str, list[bytes] | None]:
    try:
        path, raw, width = fetch_wide(fetch, EVENTS, tile.index, tile.width, MAX_EVENTS_BYTES)
    except TooLargeError:
        return "", None
    with about(path):
        return path, parse_events(raw, width)[: tile.width]


def check(taken: Taken, keys: Keys, depth: Depth) -> list[Hash]:
    """Check entries against their tile and, as deep as asked, signatures or whole events.

    Args:
        keys: at least those that the entries name; none for "hashes".
        depth: with "events", what was not taken of them is left to `check_singly`.

    Returns:
        The hash of each of `subtrees(range(width))`: one, for a full bundle.

    Raises:
        TranslogError: the first that is wrong, with its path and its index in the log.
    """
    check_form(taken)
    hashes = check_hashes(taken)
    if depth == "signatures":
        check_signatures(taken, keys)
    elif taken.contents is not None:
        for number, (entry, content) in enumerate(
            zip(map(Entry.parse, taken.entries), taken.contents, strict=True), start=taken.start
        ):
            with about(f"{taken.events_path}: entry {number}"):
                check_event(content, entry, keys)
    return hashes


def check_hashes(taken: Taken) -> list[Hash]:
    """Check entries, whatever they are, against their tile; return what `check` does."""
    leaves = [Hash(sha256(b"\x00" + entry).digest()) for entry in taken.entries]
    compare_tile(taken.tile, taken.hashes, leaves)
    if len(leaves) == FULL:
        return [fold_perfect(leaves)]
    return [inside(leaves, node) for node in subtrees(range(len(leaves)))]


def check_form(taken: Taken) -> None:
    """Check what `Entry.parse` does, for all at once."""
    entries = taken.entries
    if {len(entry) for entry in entries} == {ENTRY_BYTES} and {e[0] for e in entries} == {ED25519}:
        return
    for number, entry in enumerate(entries, start=taken.start):
        with about(f"{taken.path}: entry {number}"):
            Entry.parse(entry)


def check_signatures(taken: Taken, keys: Keys) -> None:
    """Check each entry's signature of the hash in it: no content is needed for that."""
    number = 0  # counted by hand: what surrounds each signature is a tenth of the work
    try:
        for entry in taken.entries:
            verify_signature(_key_of(entry, keys), entry[1:33], entry[65:])
            number += 1
    except (SignatureError, UnknownKeyError) as error:
        raise type(error)(f"{taken.path}: entry {taken.start + number}: {error}") from error


def _key_of(entry: bytes, keys: Keys) -> bytes:
    key = keys.get(entry[33:65])
    if key is None:
        raise UnknownKeyError(f"key with SHA-256 {entry[33:65].hex()} is not in {KEYS}")
    return key


def check_singly(fetch: Fetch, taken: Taken, keys: Keys) -> None:
    """Fetch and check events one by one, where they are too large for one file."""
    for number, entry in enumerate(map(Entry.parse, taken.entries), start=taken.start):
        path, content = fetch_content(fetch, entry)
        with about(f"{path}: entry {number}"):
            check_event(content, entry, keys)
