"""Check published events against the entries that stand for them, and keys against entries."""

from collections.abc import Mapping
from hashlib import sha256

from translog.errors import HashError, MalformedError, UnknownKeyError
from translog.formats import canonical
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.formats.published import KEYS, Fetch, event_path
from translog.pith import event
from translog.pith.key import PithKey
from translog.verify.where import about

MAX_KEYS_BYTES = 16 << 20

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


def fetch_content(fetch: Fetch, entry: Entry) -> tuple[str, bytes]:
    """Fetch the content of one event; return its path, too."""
    path = event_path(entry.content_sha256)
    return path, fetch(path, event.MAX_CONTENT_BYTES)


def check_event(content: bytes, entry: Entry, keys: Keys) -> event.Event:
    """Check that `content` is that of the event which `entry` stands for, and return the event.

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
    read = event.from_content(content, computed, entry.signature)
    event.verify(read, key)
    event.check_subject(read)
    return read
