"""Check published events against the entries that stand for them, and keys against entries."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from translog.errors import HashError, MalformedError, TooLargeError, UnknownKeyError
from translog.formats import canonical
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.formats.published import EVENTS, KEYS, Fetch, event_path, parse_events
from translog.formats.tiles import FULL
from translog.pith import event
from translog.pith.key import PithKey
from translog.verify.where import about, fetch_wide

MAX_KEYS_BYTES = 16 << 20
# Enough for 128 KB an event; where there is more, they are fetched one by one.
MAX_EVENTS_BYTES = 32 << 20

# No part of an entry, nor of what is signed: whatever an event is restored with is as good.
SOME_TIME = "1970-01-01T00:00:00.000000Z"

Keys = Mapping[bytes, bytes]
"""Public keys by their SHA-256: whoever says so, they are the keys that entries name."""


def fetch_keys(fetch: Fetch) -> Keys:
    """Fetch the public keys that a log says its entries name.

    Only the 32 bytes of each are used. What else is said about them is unsigned.
    """
    value = canonical.parse(fetch(KEYS, MAX_KEYS_BYTES), limit=MAX_KEYS_BYTES)
    listed = value.get("public_keys") if type(value) is dict and len(value) == 1 else None
    if type(listed) is not list:
        raise MalformedError(f"{KEYS} is not an object with an array public_keys only")
    with about(KEYS):
        keys = [PithKey.from_json(key).public_key for key in listed]
    return {key_sha256(key): key for key in keys}


def check_events(fetch: Fetch, index: int, entries: Sequence[bytes], keys: Keys) -> None:
    """Check the events of entry bundle `index`: contents, keys, signatures.

    Raises:
        TranslogError: the first that is wrong, with its path and its index in the log.
    """
    try:
        path, raw, width = fetch_wide(fetch, EVENTS, index, len(entries), MAX_EVENTS_BYTES)
    except TooLargeError:
        _check_singly(fetch, index, entries, keys)
        return
    with about(path):
        contents = parse_events(raw, width)[: len(entries)]
    for number, (entry, content) in enumerate(
        zip(map(Entry.parse, entries), contents, strict=True), start=index * FULL
    ):
        with about(f"{path}: entry {number}"):
            check_event(content, entry, keys)


def _check_singly(fetch: Fetch, index: int, entries: Sequence[bytes], keys: Keys) -> None:
    for number, entry in enumerate(map(Entry.parse, entries), start=index * FULL):
        path = event_path(entry.content_sha256)
        with about(f"{path}: entry {number}"):
            check_event(fetch(path, event.MAX_CONTENT_BYTES), entry, keys)


def check_event(content: bytes, entry: Entry, keys: Keys) -> None:
    """Check that `content` is that of the event which `entry` stands for.

    Raises:
        HashError: it is another.
        UnknownKeyError: the entry names a key that is not among `keys`.
        MalformedError, SubjectError: a log may not accept such an event.
        SignatureError: the entry's key did not sign it, or the event names another.
    """
    computed = sha256(content).digest()
    if computed != entry.content_sha256:
        raise HashError(f"content has SHA-256 {computed.hex()}, want {entry.content_sha256.hex()}")
    key = keys.get(entry.key_sha256)
    if key is None:
        raise UnknownKeyError(f"key with SHA-256 {entry.key_sha256.hex()} is not in {KEYS}")
    restored = event.from_value(event.restore(content, entry.signature, SOME_TIME))
    event.verify(restored, key)
    event.check_subject(restored)
