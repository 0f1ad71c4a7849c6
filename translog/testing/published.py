"""A log that exists only as what it publishes, made of formats code, and able to lie.

It is honest as made. `files` is what it serves: a test changes it by hand, or with the methods
named after lies.
"""

from collections.abc import Iterable
from threading import Lock
from typing import Self

from translog.errors import MissingError, TooLargeError
from translog.formats.canonical import canonical
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.entry import Entry, encode_bundle
from translog.formats.keys import SigningKey, key_sha256
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.note import NoteSigner, Verifier
from translog.formats.proof import TlogProof
from translog.formats.published import CHECKPOINT, EVENTS, KEYS, encode_events, event_path
from translog.formats.tiles import ENTRIES, FULL, HEIGHT, bundle_path, tiles_for
from translog.formats.tree import Node, grow, prove_inclusion, root
from translog.pith.event import Event
from translog.pith.key import PithKey, keyring
from translog.testing.events import pith_key, signing_key

ORIGIN = "example.com/log"
LOG_KEY = signing_key("log")


def entry_of(logged: Event, key: bytes) -> Entry:
    """Return the entry that a log makes of an event signed by `key`."""
    return Entry(
        content_sha256=logged.content_sha256,
        key_sha256=key_sha256(key),
        signature=logged.signature,
    )


def limited(path: str, content: bytes | None, limit: int) -> bytes:
    """Return what a `published.Fetch` makes of a file's content, or of None."""
    if content is None:
        raise MissingError(f"{path} is not there")
    if len(content) > limit:
        raise TooLargeError(f"{path} has more than {limit} bytes")
    return content


class Published:
    """What a log of some events serves.

    Attributes:
        files: by path. Each `publish` adds to it; what it was before stays.
        asked: the paths fetched, in order.
        public_keys: whose events it takes, and what its keys.json lists.
    """

    def __init__(
        self,
        events: Iterable[Event] = (),
        *,
        origin: str = ORIGIN,
        key: SigningKey = LOG_KEY,
        public_keys: Iterable[PithKey] = (),
    ) -> None:
        self.origin = origin
        self.key = key
        self.public_keys = list(public_keys) or [pith_key()]
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.entries: list[bytes] = []
        self.contents: list[bytes] = []
        self.hashes: dict[Node, Hash] = {}
        self._lock = Lock()
        self._published = 0
        self.append(events)
        self.publish()

    @property
    def verifier(self) -> Verifier:
        return NoteSigner(name=self.origin, key=self.key).verifier

    @property
    def size(self) -> int:
        return len(self.entries)

    def read(self, nodes: Iterable[Node]) -> list[Hash]:
        """The whole tree as a `tree.Read`."""
        return [self.hashes[node] for node in nodes]

    def append(self, events: Iterable[Event]) -> None:
        """Sequence events by `public_keys`; nothing is published yet."""
        ring = keyring(key.public_key for key in self.public_keys)
        self.append_raw(
            (entry_of(each, ring[each.signer.fingerprint]).encode(), each.content)
            for each in events
        )

    def append_raw(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Sequence any entries with any contents."""
        pairs = list(pairs)
        leaves = [leaf_hash(entry) for entry, _ in pairs]
        self.hashes.update(grow(self.size, leaves, self.read))
        self.entries += [entry for entry, _ in pairs]
        self.contents += [content for _, content in pairs]

    def checkpoint(self, size: int) -> bytes:
        """Return the signed checkpoint of the first `size` entries."""
        return self.sign(Checkpoint(origin=self.origin, size=size, root=root(size, self.read)))

    def sign(self, head: Checkpoint) -> bytes:
        """Sign anything at all, as a log may that lies."""
        return sign_checkpoint(head, self.key)

    def publish(self, size: int | None = None) -> None:
        """Publish everything that belongs to the tree of `size`, and its checkpoint."""
        size = self.size if size is None else size
        for tile in tiles_for(self._published if self._published <= size else 0, size):
            start = tile.index * FULL
            nodes = [Node(tile.level * HEIGHT, index) for index in range(start, start + tile.width)]
            self.files[tile.path] = b"".join(self.read(nodes))
            if tile.level == 0:
                self._publish_bundle(tile.index, tile.width)
        keys = {"public_keys": [key.to_json() for key in self.public_keys]}
        self.files[KEYS] = canonical(keys)
        self.files[CHECKPOINT] = self.checkpoint(size)
        self._published = size

    def _publish_bundle(self, index: int, width: int) -> None:
        held = slice(index * FULL, index * FULL + width)
        bundle = encode_bundle(self.entries[held])
        self.files[bundle_path(ENTRIES, index, width)] = bundle
        events = encode_events(self.contents[held])
        self.files[bundle_path(EVENTS, index, width)] = events
        for entry, content in zip(self.entries[held], self.contents[held], strict=True):
            self.files[event_path(entry[1:33])] = content

    def get(self, path: str, limit: int) -> bytes:
        """The log as a `published.Fetch`."""
        with self._lock:
            self.asked.append(path)
        return limited(path, self.files.get(path), limit)

    def prove(self, index: int, size: int) -> list[Hash]:
        return prove_inclusion(index, size, self.read)

    def proof(self, index: int, size: int | None = None) -> TlogProof:
        """Return the tlog-proof of an entry, under the checkpoint of `size` or of all."""
        size = self.size if size is None else size
        return TlogProof(
            index=index, hashes=tuple(self.prove(index, size)), checkpoint=self.checkpoint(size)
        )

    # Lies

    def flip(self, path: str, at: int, bit: int = 0) -> None:
        """Change one bit of what is served."""
        served = bytearray(self.files[path])
        served[at] ^= 1 << bit
        self.files[path] = bytes(served)

    def withhold(self, path: str) -> None:
        """Serve a path no longer."""
        del self.files[path]

    def prune(self) -> None:
        """Serve no partial file of which the full one is there. Not a lie: a log may do so."""
        for path in [path for path in self.files if path.partition(".p/")[0] + ".p/" in path]:
            if path.partition(".p/")[0] in self.files:
                del self.files[path]

    def rewritten(self, at: int, events: Iterable[Event] = ()) -> Self:
        """Return a log of the same name and key: the first `at` entries, and then `events`."""
        other = type(self)(origin=self.origin, key=self.key, public_keys=self.public_keys)
        other.append_raw(zip(self.entries[:at], self.contents[:at], strict=True))
        other.append(events)
        other.publish()
        return other
