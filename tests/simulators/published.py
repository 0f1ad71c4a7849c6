"""A log that exists only as what it publishes, made of formats code, and able to lie.

It is honest as made. `files` is what it serves: a test changes it by hand, or with the methods
named after lies.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from threading import Lock
from typing import Any

from tests.simulators.events import KEY, PITH_KEY, SIGNED_AT, created, signer
from translog.errors import MissingError, TooLargeError
from translog.formats.canonical import canonical
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.entry import Entry, encode_bundle
from translog.formats.keys import SigningKey, key_sha256
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.note import NoteSigner, Verifier
from translog.formats.published import CHECKPOINT, EVENTS, KEYS, encode_events, event_path
from translog.formats.tiles import ENTRIES, FULL, HEIGHT, bundle_path, tiles_for
from translog.formats.tree import Node, grow, prove_inclusion, root
from translog.pith import event
from translog.pith.key import PithKey

ORIGIN = "example.com/log"
LOG_KEY = SigningKey(bytes([7]) * 32)
VERIFIER = NoteSigner(name=ORIGIN, key=LOG_KEY).verifier


@cache
def small_event(number: int, key: SigningKey = KEY) -> event.Event:
    """Return a signed event that is cheap to make and to check."""
    draft = {
        "event_type": "author_attestation",
        "subject_pith_number": "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II",
        "target": "record",
        "payload": {"number": number},
        "signer": signer(key),
        "created_at": "2026-06-01T00:00:00Z",
        "supersedes": [],
        "prev_event": None,
        "schema_version": "1.0",
    }
    return event.from_value(event.sign(draft, key, SIGNED_AT))


@cache
def record_event(number: int) -> event.Event:
    """Return a signed `record_created`."""
    return event.from_value(created(number))


def small_events(count: int) -> list[event.Event]:
    return [small_event(number) for number in range(count)]


def entry_of(logged: event.Event, key: bytes = KEY.public_key) -> Entry:
    """Return the entry that a log makes of an event signed by `key`."""
    return Entry(
        content_sha256=logged.content_sha256,
        key_sha256=key_sha256(key),
        signature=logged.signature,
    )


class PublishedLog:
    """What a log of some events serves.

    Attributes:
        files: by path. Each `publish` adds to it; what it was before stays.
        asked: the paths fetched, in order.
    """

    def __init__(
        self,
        events: Iterable[event.Event] = (),
        *,
        origin: str = ORIGIN,
        key: SigningKey = LOG_KEY,
        public_keys: Iterable[PithKey] = (PITH_KEY,),
    ) -> None:
        self.origin = origin
        self.key = key
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.public_keys = list(public_keys)
        self.entries: list[bytes] = []
        self.contents: list[bytes] = []
        self.hashes: dict[Node, Hash] = {}
        self._lock = Lock()
        self.append(events)
        self.publish()

    @property
    def verifier(self) -> Verifier:
        return NoteSigner(name=self.origin, key=self.key).verifier

    @property
    def size(self) -> int:
        return len(self.entries)

    def read(self, nodes: Iterable[Node]) -> list[Hash]:
        return [self.hashes[node] for node in nodes]

    def append(self, events: Iterable[event.Event]) -> None:
        """Sequence events by the first of `public_keys`; nothing is published yet."""
        events = list(events)
        key = self.public_keys[0].public_key if self.public_keys else KEY.public_key
        self.append_raw((entry_of(each, key).encode(), each.content) for each in events)

    def append_raw(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Sequence any entries with any contents."""
        pairs = list(pairs)
        leaves = [leaf_hash(entry) for entry, _ in pairs]
        self.hashes.update(grow(self.size, leaves, self.read))
        self.entries += [entry for entry, _ in pairs]
        self.contents += [content for _, content in pairs]

    def checkpoint(self, size: int) -> bytes:
        """Return the signed checkpoint of the first `size` entries."""
        head = Checkpoint(origin=self.origin, size=size, root=root(size, self.read))
        return sign_checkpoint(head, self.key)

    def publish(self, size: int | None = None) -> None:
        """Publish everything that belongs to the tree of `size`, and its checkpoint."""
        size = self.size if size is None else size
        for tile in tiles_for(0, size):
            start = tile.index * FULL
            nodes = [Node(tile.level * HEIGHT, index) for index in range(start, start + tile.width)]
            self.files[tile.path] = b"".join(self.read(nodes))
            if tile.level == 0:
                self._publish_bundle(tile.index, tile.width)
        keys = {"public_keys": [key.to_json() for key in self.public_keys]}
        self.files[KEYS] = canonical(keys)
        self.files[CHECKPOINT] = self.checkpoint(size)

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
        if path not in self.files:
            raise MissingError(f"{path} is not there")
        if len(self.files[path]) > limit:
            raise TooLargeError(f"{path} has more than {limit} bytes")
        return self.files[path]

    def prove(self, index: int, size: int) -> list[Hash]:
        return prove_inclusion(index, size, self.read)

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

    def forked(self, at: int, **options: Any) -> "PublishedLog":
        """Return a log of the same name and key with other events from index `at` on."""
        others = [small_event(1_000_000 + number) for number in range(self.size - at)]
        fork = PublishedLog(origin=self.origin, key=self.key, **options)
        fork.append_raw(zip(self.entries[:at], self.contents[:at], strict=True))
        fork.append(others)
        fork.publish()
        return fork


def copy_of(files: Mapping[str, bytes], log: PublishedLog) -> None:
    """Put everything back as it was."""
    log.files = dict(files)
