"""Private keys in files: mode 0600, one line, the field's encoding of a note's signing key.

    PRIVATE+KEY+<name>+<hex key id>+<base64 of the type's byte and the 32-byte seed>

as golang.org/x/mod/sumdb/note writes them, so that a log's key can move from there or to there.
Of type 0x01 a key signs notes; of types 0x04 and 0x06 it signs checkpoints, with a time.
Trusted: who can read it can sign as us. It is in no backup and in no export.
"""

from pathlib import Path

from translog.errors import MalformedError
from translog.formats import mldsa
from translog.formats.cosignature import ED25519 as COSIGNING
from translog.formats.cosignature import ML_DSA_44, CosigningKey, check_cosigner_name
from translog.formats.keys import SEED_BYTES, SigningKey
from translog.formats.note import NoteSigner
from translog.formats.strict import format_base64, parse_base64
from translog.store.files import read_private, write_private

PREFIX = "PRIVATE+KEY+"
ED25519 = 0x01


def write_key(path: Path, name: str, seed: bytes) -> NoteSigner:
    """Make a key file from 32 bytes of the caller's randomness. It must not exist yet."""
    signer = NoteSigner(name=name, key=SigningKey(seed))
    write_private(path, _line(name, signer.verifier.key_id, ED25519, seed))
    return signer


def make_cosigning_key(name: str, key_type: int, seed: bytes) -> CosigningKey:
    """Return the key of a seed that signs checkpoints with a time.

    Args:
        key_type: `cosignature.ED25519` or `cosignature.ML_DSA_44`.

    Raises:
        MalformedError: no cosigner can have the name.
        UnavailableError: ML-DSA-44 is not installed.
    """
    check_cosigner_name(name)
    key = mldsa.SigningKey(seed) if key_type == ML_DSA_44 else SigningKey(seed)
    return CosigningKey(name=name, key=key)


def write_cosigning_key(path: Path, signer: CosigningKey, seed: bytes) -> None:
    """Make the file of a key that was made from `seed`. It must not exist yet."""
    cosigner = signer.cosigner
    write_private(path, _line(signer.name, cosigner.key_id, cosigner.key_type, seed))


def read_key(path: Path) -> NoteSigner:
    """Read a key file.

    Raises:
        MissingError, UnavailableError: as `files.read_private`.
        MalformedError: it is not a key, or its key id is another key's.
    """
    name, key_id, key_type, seed = _read(path)
    if key_type != ED25519:
        raise MalformedError(f"{path} is not an Ed25519 private key: want a line {PREFIX}…")
    signer = NoteSigner(name=name, key=SigningKey(seed))
    _check_id(path, key_id, signer.verifier.key_id)
    return signer


def read_cosigning_key(path: Path) -> CosigningKey:
    """Read the file of a key that signs checkpoints with a time.

    Raises:
        MissingError, UnavailableError: as `files.read_private`; or ML-DSA-44 is not installed.
        MalformedError: it is not such a key, or its key id is another key's.
    """
    name, key_id, key_type, seed = _read(path)
    if key_type not in (COSIGNING, ML_DSA_44):
        raise MalformedError(
            f"{path} has key type 0x{key_type:02x}, want one that cosigns: 04 or 06"
        )
    signer = make_cosigning_key(name, key_type, seed)
    _check_id(path, key_id, signer.cosigner.key_id)
    return signer


def _line(name: str, key_id: bytes, key_type: int, seed: bytes) -> bytes:
    typed = format_base64(bytes([key_type]) + seed)
    return f"{PREFIX}{name}+{key_id.hex()}+{typed}\n".encode()


def _read(path: Path) -> tuple[str, str, int, bytes]:
    """Return name, key id, type and seed of a key file. No error quotes any of it."""
    line = read_private(path).decode("utf-8", "replace").removesuffix("\n")
    try:
        name, key_id, encoded = line.removeprefix(PREFIX).split("+", 2)
        blob = parse_base64(encoded, "private key")
    except (ValueError, MalformedError):
        # The cause is not chained: it would quote the key.
        raise MalformedError(f"{path} is not a private key: want a line {PREFIX}…") from None
    if not line.startswith(PREFIX) or len(blob) != 1 + SEED_BYTES:
        raise MalformedError(f"{path} is not a private key: want a line {PREFIX}…")
    return name, key_id, blob[0], blob[1:]


def _check_id(path: Path, found: str, wanted: bytes) -> None:
    if found != wanted.hex():
        raise MalformedError(f"{path}: key id is {found[:8]!r}, and not that of the key")
