"""Private keys in files: mode 0600, one line, the field's encoding of a note's signing key.

    PRIVATE+KEY+<name>+<hex key id>+<base64 of 0x01 and the 32-byte seed>

as golang.org/x/mod/sumdb/note writes them, so that a log's key can move from there or to there.
Trusted: who can read it can sign as us. It is in no backup and in no export.
"""

from pathlib import Path

from translog.errors import MalformedError
from translog.formats.keys import SEED_BYTES, SigningKey
from translog.formats.note import NoteSigner
from translog.formats.strict import format_base64, parse_base64
from translog.store.files import read_private, write_private

PREFIX = "PRIVATE+KEY+"
ED25519 = b"\x01"


def write_key(path: Path, name: str, seed: bytes) -> NoteSigner:
    """Make a key file from 32 bytes of the caller's randomness. It must not exist yet."""
    signer = NoteSigner(name=name, key=SigningKey(seed))
    key_id = signer.verifier.key_id.hex()
    line = f"{PREFIX}{name}+{key_id}+{format_base64(ED25519 + seed)}\n"
    write_private(path, line.encode())
    return signer


def read_key(path: Path) -> NoteSigner:
    """Read a key file.

    Raises:
        MissingError, UnavailableError: as `files.read_private`.
        MalformedError: it is not a key, or its key id is another key's.
    """
    line = read_private(path).decode("utf-8", "replace").removesuffix("\n")
    try:
        name, key_id, encoded = line.removeprefix(PREFIX).split("+", 2)
        blob = parse_base64(encoded, "private key")
    except (ValueError, MalformedError):
        # The cause is not chained: it would quote the key.
        raise MalformedError(f"{path} is not a private key: want a line {PREFIX}…") from None
    if not line.startswith(PREFIX) or blob[:1] != ED25519 or len(blob) != 1 + SEED_BYTES:
        raise MalformedError(f"{path} is not an Ed25519 private key: want a line {PREFIX}…")
    signer = NoteSigner(name=name, key=SigningKey(blob[1:]))
    if signer.verifier.key_id.hex() != key_id:
        raise MalformedError(f"{path}: key id is {key_id[:8]!r}, and not that of the key")
    return signer
