"""What a log publishes, out of its database: the bytes behind every path that verifiers ask for.

One code for the server, for exports and for proofs made from a directory. Everything is asked at
a `size`, that of a signed head: nothing past it is shown, since nobody could check it.
"""

from collections.abc import Iterator, Sequence

from translog.errors import MalformedError, MissingError
from translog.formats.canonical import canonical
from translog.formats.checkpoint import Checkpoint
from translog.formats.entry import Entry, encode_bundle
from translog.formats.keys import key_sha256
from translog.formats.merkle import HASH_BYTES, Hash
from translog.formats.note import Note
from translog.formats.proof import TlogProof
from translog.formats.tiles import FULL, HEIGHT, Tile
from translog.formats.tree import Node, Read, prove_consistency, prove_inclusion, root
from translog.log import lookup
from translog.pith.event import MAX_EVENT_BYTES
from translog.pith.key import PithKey
from translog.store import cosignatures, log, registry
from translog.store.bodies import unpack
from translog.store.database import Connection


def checkpoint_note(db: Connection) -> bytes:
    """Return the newest head that was shown, or raise MissingError before the first."""
    note = cosignatures.read_shown(db)
    if note is None:
        raise MissingError("checkpoint: none is signed yet; `translog publish` signs one")
    return note


def published(db: Connection) -> Checkpoint:
    """Return what the newest head that was shown says; the database is trusted for who signed."""
    return Checkpoint.parse(Note.parse(checkpoint_note(db)).text)


def tile(db: Connection, size: int, asked: Tile) -> bytes:
    """Return a tile, full or partial: any width the tree of `size` has ever had.

    Raises:
        MissingError: the tree has no such tile, or not that much of it.
    """
    wanted = asked.width * HASH_BYTES
    reaches = asked.index * FULL + asked.width
    if reaches > size >> HEIGHT * asked.level:
        raise MissingError(f"{asked.path} is not in the tree of {size} leaves")
    hashes = log.read_tile(db, asked.level, asked.index)
    if len(hashes) < wanted:
        raise MalformedError(f"{asked.path} is stored with {len(hashes)} bytes, want {wanted}")
    return hashes[:wanted]


def entry_bundle(db: Connection, size: int, index: int, width: int) -> bytes:
    """Return the entries [index * 256, + width) as tlog-tiles packs them."""
    start = _start(size, index, width, "entry bundle")
    entries = log.read_entries(db, start, width)
    _all_there(len(entries), width, start)
    return encode_bundle(entries)


def event_bundle(db: Connection, size: int, index: int, width: int) -> bytes:
    """Return the contents of events [index * 256, + width), a line each."""
    start = _start(size, index, width, "event bundle")
    found = leaves(db, start, width)
    return b"".join(unpack(leaf.body, limit=MAX_EVENT_BYTES) + b"\n" for leaf in found)


def leaves(db: Connection, start: int, width: int) -> list[log.Leaf]:
    """Return leaves [start, start + width), or raise MalformedError where one is not stored."""
    found = log.read_leaves(db, start, width)
    _all_there(len(found), width, start)
    return found


def _start(size: int, index: int, width: int, what: str) -> int:
    start = index * FULL
    if start + width > size:
        raise MissingError(f"{what} {index} of {width} is not in the log of {size} events")
    return start


def _all_there(found: int, width: int, start: int) -> None:
    if found != width:
        raise MalformedError(f"leaves {start} to {start + width} are stored as {found} rows only")


def find_event(db: Connection, size: int, content_sha256: bytes) -> log.Leaf:
    """Return the first leaf below `size` with this event's hash.

    Raises:
        MissingError: there is none.
    """
    found = log.find(db, [lookup.of_hash(content_sha256)])
    for index in sorted(index for _, index in found if index < size):
        for leaf in log.read_leaves(db, index, 1):
            if Entry.parse(leaf.entry).content_sha256 == content_sha256:
                return leaf
    raise MissingError(f"event sha256:{content_sha256.hex()} is not in the log of {size} events")


def find_subject(db: Connection, size: int, suffix: str, limit: int) -> Iterator[log.Leaf]:
    """Yield up to `limit` leaves below `size` that may be about a Pith Number beginning so.

    In order. They are candidates: the caller compares the subject itself.

    Raises:
        MalformedError: `suffix` is not base32 in capitals.
    """
    for index in log.find_range(db, *lookup.range_of_suffix(suffix), size, limit):
        yield from log.read_leaves(db, index, 1)


def nodes(db: Connection, size: int) -> Read:
    """Return the `tree.Read` of the first `size` leaves."""

    def read(wanted: Sequence[Node]) -> Sequence[Hash]:
        return log.read_nodes(db, size, wanted)

    return read


def root_at(db: Connection, size: int) -> Hash:
    """Return the root of the first `size` leaves."""
    return root(size, nodes(db, size))


def inclusion(db: Connection, index: int, size: int) -> list[Hash]:
    """Return the audit path of leaf `index` in the tree of `size`, or raise MissingError."""
    if index >= size:
        raise MissingError(f"leaf {index} is not in the tree of {size} leaves")
    return prove_inclusion(index, size, nodes(db, size))


def consistency(db: Connection, old_size: int, size: int) -> list[Hash]:
    """Return the proof that `old_size` leaves are a prefix of `size`, or raise MissingError."""
    if not 0 < old_size <= size:
        raise MissingError(f"proof from {old_size} to {size}: want 0 < old size <= size")
    return prove_consistency(old_size, size, nodes(db, size))


def prove(db: Connection, index: int, note: bytes) -> TlogProof:
    """Return the tlog-proof of leaf `index` under a signed head."""
    size = Checkpoint.parse(Note.parse(note).text).size
    return TlogProof(
        index=index, hashes=tuple(inclusion(db, index, size)), checkpoint=note, extra=None
    )


def public_keys(db: Connection) -> list[dict[str, object]]:
    """Return every key that was ever allowed, in the JSON form of a bundle's `public_keys`.

    Nobody needs to believe it: an entry holds the hash of its key.
    """
    return [row.key.to_json() for row in registry.read_signers(db)]


def keys_json(db: Connection, own: PithKey) -> bytes:
    """Return the content of `keys.json`: every key that entries may name, and the log's own."""
    keys = [key for key in public_keys(db) if key["public_key_hex"] != own.public_key.hex()]
    return canonical({"public_keys": [*keys, own.to_json()]})


def signer_of(db: Connection, entry: Entry) -> registry.SignerRow | None:
    """Return the registry's row of the key that signed an entry."""
    for row in registry.read_signers(db):
        if key_sha256(row.key.public_key) == entry.key_sha256:
            return row
    return None
