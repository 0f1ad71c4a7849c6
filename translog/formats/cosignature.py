"""Cosignatures of checkpoints: c2sp.org/tlog-cosignature, with Ed25519 and ML-DSA-44.

A cosignature says: at this time, this was the largest tree that the cosigner had seen of this
log, and it contains every smaller one that it had seen. Its time stands in the signature line,
before the signature, and is signed. Witnesses sign so; a log may sign its own heads with type
0x06 beside, or in place of, plain Ed25519.

The two messages differ in what they cover. Type 0x04 covers the text, and not the cosigner's
name: one key must not serve two names. Type 0x06 covers the name, and of the text what a
checkpoint says: origin, size and root.
"""

from dataclasses import dataclass
from typing import NamedTuple

from translog.errors import MalformedError, SignatureError
from translog.formats import keys, mldsa
from translog.formats.checkpoint import MAX_ORIGIN_BYTES, Checkpoint
from translog.formats.note import AnyVerifier, OpenedNote, Signature, Vkey, check_name
from translog.formats.strict import MAX_SIZE, is_size

ED25519 = 0x04
ML_DSA_44 = 0x06
TIME_BYTES = 8
KEY_BYTES = {ED25519: keys.PUBLIC_KEY_BYTES, ML_DSA_44: mldsa.PUBLIC_KEY_BYTES}
SIGNATURE_BYTES = {ED25519: keys.SIGNATURE_BYTES, ML_DSA_44: mldsa.SIGNATURE_BYTES}
LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigner:
    """A public key that cosigns, under a name, as in a vkey.

    Attributes:
        name: the key's name, at most 255 bytes.
        key_type: ED25519 or ML_DSA_44.
        public_key: of that type's length.
    """

    name: str
    key_type: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand in signature lines."""
        return Vkey(self.name, self.key_type, self.public_key).key_id

    @property
    def vkey(self) -> str:
        """The verifier key: name+hex(key id)+base64(type ‖ public key)."""
        return str(Vkey(self.name, self.key_type, self.public_key))

    @classmethod
    def parse(cls, vkey: str) -> "Cosigner":
        """Read what `vkey` writes.

        Raises:
            MalformedError: any other text; a key type other than 0x04 and 0x06 among them.
        """
        name, key_type, public_key = Vkey.parse(vkey)
        if key_type not in KEY_BYTES:
            raise MalformedError(
                f"vkey of {name[:80]!r} has key type 0x{key_type:02x}, want 04 (Ed25519"
                " cosignatures) or 06 (ML-DSA-44)"
            )
        if len(public_key) != KEY_BYTES[key_type]:
            raise MalformedError(
                f"vkey of {name[:80]!r} has a key of {len(public_key)} bytes,"
                f" want {KEY_BYTES[key_type]}"
            )
        check_cosigner_name(name)
        return cls(name=name, key_type=key_type, public_key=public_key)

    def verify(self, text: str, blob: bytes) -> None:
        """Check a signature line's blob, time and signature, over a checkpoint's text.

        Raises:
            SignatureError: it is not this key's cosignature of `text`.
            MalformedError: `text` is not a checkpoint.
            UnavailableError: it is of type 0x06, and ML-DSA is not installed.
        """
        checkpoint = Checkpoint.parse_claim(text)  # what was signed, whether it is true or not
        wanted = TIME_BYTES + SIGNATURE_BYTES[self.key_type]
        if len(blob) != wanted:
            raise SignatureError(
                f"cosignature by {self.name[:80]!r} has {len(blob)} bytes, want {wanted}"
            )
        message = message_of(self, checkpoint, time_of(blob))
        if self.key_type == ED25519:
            keys.verify_signature(self.public_key, message, blob[TIME_BYTES:])
        else:
            mldsa.verify_signature(self.public_key, message, blob[TIME_BYTES:])


def time_of(blob: bytes) -> int:
    """Return the POSIX time in a cosignature's blob; verified only if the blob was.

    Raises:
        SignatureError: it is beyond 2**63 - 1.
    """
    time = int.from_bytes(blob[:TIME_BYTES])
    # SPEC tlog-cosignature: "It MUST NOT exceed 2^63 - 1"
    if time > MAX_SIZE:
        raise SignatureError(f"cosignature has time {time}, want at most {MAX_SIZE}")
    return time


def message_of(cosigner: Cosigner, checkpoint: Checkpoint, time: int) -> bytes:
    """Return the bytes that are signed."""
    if cosigner.key_type == ED25519:
        return f"cosignature/v1\ntime {time}\n{checkpoint}".encode()
    name, origin = cosigner.name.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            LABEL,
            len(name).to_bytes(1),
            name,
            time.to_bytes(8),
            len(origin).to_bytes(1),
            origin,
            (0).to_bytes(8),  # SPEC: "If signing a checkpoint, it MUST be zero."
            checkpoint.size.to_bytes(8),
            checkpoint.root,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CosigningKey:
    """A private key that cosigns, under a name. Its type is that of the key."""

    name: str
    key: keys.SigningKey | mldsa.SigningKey

    @property
    def cosigner(self) -> Cosigner:
        """The public half."""
        is_ed25519 = isinstance(self.key, keys.SigningKey)
        key_type = ED25519 if is_ed25519 else ML_DSA_44
        return Cosigner(name=self.name, key_type=key_type, public_key=self.key.public_key)

    def cosign(self, checkpoint: Checkpoint, time: int) -> Signature:
        """Return the signature line by which this key vouches for `checkpoint` at `time`.

        Whoever calls this answers for it that the checkpoint is consistent with all before it.

        Raises:
            MalformedError: the checkpoint or the name is one that nobody could read.
        """
        if not is_size(time):
            raise ValueError(f"time is {time}, want POSIX seconds")
        check_cosigner_name(self.name)
        Checkpoint.parse(str(checkpoint))
        cosigner = self.cosigner
        blob = time.to_bytes(8) + self.key.sign(message_of(cosigner, checkpoint, time))
        return Signature(name=self.name, key_id=cosigner.key_id, blob=blob)


class Cosigned(NamedTuple):
    """That a cosigner vouched for a checkpoint, verified.

    Attributes:
        cosigner: who.
        time: when, in POSIX seconds, by the cosigner's clock; the latest where there are several.
            0 says nothing about time (a key of type 0x06 may).
    """

    cosigner: Cosigner
    time: int


def times(opened: OpenedNote[AnyVerifier]) -> tuple[Cosigned, ...]:
    """Return the verified cosignatures on an opened checkpoint, each cosigner once."""
    latest: dict[Cosigner, int] = {}
    for cosigner in opened.signed_by:
        if isinstance(cosigner, Cosigner):
            for signature in opened.note.signatures:
                if (signature.name, signature.key_id) == (cosigner.name, cosigner.key_id):
                    time = time_of(signature.blob)
                    latest[cosigner] = max(time, latest.get(cosigner, 0))
    return tuple(Cosigned(cosigner, time) for cosigner, time in latest.items())


def check_cosigner_name(name: str) -> None:
    """Refuse a name that a cosigner cannot have: one of a key, and at most 255 bytes.

    Raises:
        MalformedError: it is such a name.
    """
    check_name(name, "cosigner: name")
    if len(name.encode()) > MAX_ORIGIN_BYTES:
        raise MalformedError(f"cosigner: name {name[:80]!r} is over {MAX_ORIGIN_BYTES} bytes")
