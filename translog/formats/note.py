"""Signed notes and verifier keys: c2sp.org/signed-note, with signature type 0x01 (Ed25519).

A note is some text, a blank line, and signature lines. Whose signatures count is the caller's
to say: lines by keys it did not name are ignored, however many and whatever they contain. Keys
of the other types, which sign with a time, are in `formats/cosignature`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, NamedTuple, Protocol, TypeVar

from translog.errors import MalformedError, SignatureError, TooLargeError
from translog.formats.keys import ED25519, PUBLIC_KEY_BYTES, SigningKey, verify_signature
from translog.formats.strict import format_base64, parse_base64

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100  # the specification asks for at least 16
MAX_VKEY_CHARS = 2_100  # an ML-DSA-44 key and a name of 255 bytes have 2,017
KEY_ID_BYTES = 4
DASH = "\N{EM DASH}"
CONTROLS = [chr(code) for code in range(0x20) if chr(code) != "\n"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature line, not verified.

    Attributes:
        name: the key's name.
        key_id: four bytes that tell keys of one name apart; not a hash to rely on.
        blob: what the key's signature type makes of it; for Ed25519 the 64-byte signature.
    """

    name: str
    key_id: bytes
    blob: bytes

    def __str__(self) -> str:
        return f"{DASH} {self.name} {format_base64(self.key_id + self.blob)}\n"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Read a signature line without its newline, or raise MalformedError."""
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != DASH:
            raise MalformedError(f"note: signature line {line[:80]!r} is not dash, name and base64")
        _, name, encoded = parts
        check_name(name, "note: key name")
        raw = parse_base64(encoded, f"note: signature by {name[:80]!r}")
        if len(raw) <= KEY_ID_BYTES:
            raise MalformedError(
                f"note: signature by {name[:80]!r} has {len(raw)} bytes, want at least 5"
            )
        return cls(name=name, key_id=raw[:KEY_ID_BYTES], blob=raw[KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note as it was read: nothing in it is verified. `open_note` is for that.

    Attributes:
        text: what is signed, with its last newline.
        signatures: in the order of their lines; at least one.
    """

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Return the note's bytes."""
        return "".join([self.text, "\n", *map(str, self.signatures)]).encode()

    @classmethod
    def parse(cls, raw: bytes) -> "Note":
        """Read what `encode` writes.

        Raises:
            MalformedError: any other bytes.
        """
        if len(raw) > MAX_NOTE_BYTES:
            raise TooLargeError(f"note has {len(raw)} bytes, want at most {MAX_NOTE_BYTES}")
        try:
            whole = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError(f"note is not UTF-8: {error.reason} at {error.start}") from error
        # SPEC signed-note: "the text is separated from the signatures by the last empty line"
        head, blank, tail = whole.rpartition("\n\n")
        if not blank or not tail.endswith("\n"):
            raise MalformedError("note: want text, a blank line and signature lines")
        text = check_text(head + "\n")
        lines = tail[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise TooLargeError(f"note has {len(lines)} signatures, want at most {MAX_SIGNATURES}")
        return cls(text=text, signatures=tuple(map(Signature.parse, lines)))


class Vkey(NamedTuple):
    """A verifier key in its parts, as every signature type writes it.

    Attributes:
        name: the key's name.
        key_type: the number of the signature type.
        public_key: as long as it was written: whoever knows the type checks the length.
    """

    name: str
    key_type: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand in signature lines."""
        typed_key = bytes([self.key_type]) + self.public_key
        return sha256(self.name.encode() + b"\n" + typed_key).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        typed_key = bytes([self.key_type]) + self.public_key
        return f"{self.name}+{self.key_id.hex()}+{format_base64(typed_key)}"

    @classmethod
    def parse(cls, vkey: str) -> "Vkey":
        """Read name+hex(key id)+base64(type ‖ public key), or raise MalformedError."""
        if len(vkey) > MAX_VKEY_CHARS:
            raise TooLargeError(f"vkey has {len(vkey)} characters, want at most {MAX_VKEY_CHARS}")
        parts = vkey.split("+", 2)  # base64 has a plus of its own, names and hex have none
        if len(parts) != 3:
            raise MalformedError(f"vkey {vkey[:80]!r} is not name+id+key")
        name, key_id, encoded = parts
        check_name(name, "vkey: key name")
        typed_key = parse_base64(encoded, f"vkey of {name[:80]!r}: key")
        if not typed_key:
            raise MalformedError(f"vkey of {name[:80]!r} has no key type, want one byte and a key")
        found = cls(name, typed_key[0], typed_key[1:])
        if found.key_id.hex() != key_id:
            raise MalformedError(
                f"vkey of {name[:80]!r} has key id {key_id[:80]!r}, want {found.key_id.hex()}"
            )
        return found


class NoteVerifier(Protocol):
    """A public key under a name, of any signature type: what `open_note` verifies with."""

    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> bytes: ...

    def verify(self, text: str, blob: bytes) -> None: ...


AnyVerifier = TypeVar("AnyVerifier", bound=NoteVerifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """An Ed25519 key under a name, as in a vkey: what a caller passes to say whom it trusts."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand in signature lines."""
        return Vkey(self.name, ED25519, self.public_key).key_id

    @property
    def vkey(self) -> str:
        """The verifier key: name+hex(key id)+base64(type ‖ public key)."""
        return str(Vkey(self.name, ED25519, self.public_key))

    @classmethod
    def parse(cls, vkey: str) -> "Verifier":
        """Read what `vkey` writes.

        Raises:
            MalformedError: any other text; a key type other than 0x01 among them.
        """
        name, key_type, public_key = Vkey.parse(vkey)
        if key_type != ED25519:
            raise MalformedError(
                f"vkey of {name[:80]!r} has key type 0x{key_type:02x}, want 01 (Ed25519)"
            )
        if len(public_key) != PUBLIC_KEY_BYTES:
            raise MalformedError(
                f"vkey of {name[:80]!r} has a key of {len(public_key)} bytes, "
                f"want {PUBLIC_KEY_BYTES}"
            )
        return cls(name=name, public_key=public_key)

    def verify(self, text: str, blob: bytes) -> None:
        """Check a signature line's blob over a note's text, or raise SignatureError."""
        verify_signature(self.public_key, text.encode(), blob)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedNote(Generic[AnyVerifier]):
    """A note that was verified: only `open_note` makes one.

    Attributes:
        text: signed by every one of `signed_by`.
        signed_by: at least one, each once, in the order of their lines.
        note: the whole note as read, the lines of unknown keys included.
    """

    text: str
    signed_by: tuple[AnyVerifier, ...]
    note: Note


def open_note(raw: bytes, verifiers: Iterable[AnyVerifier]) -> OpenedNote[AnyVerifier]:
    """Parse a note and verify every signature on it that is by one of `verifiers`.

    Spec: signed-note, "Signatures".

    Raises:
        MalformedError: it is not a note.
        SignatureError: a signature by one of `verifiers` is wrong, or there is none by any.
    """
    known: dict[tuple[str, bytes], AnyVerifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise MalformedError(f"vkey: two keys of {verifier.name[:80]!r} have the same key id")
    note = Note.parse(raw)
    signed_by: dict[AnyVerifier, None] = {}
    for signature in note.signatures:
        # SPEC signed-note: "Verifiers MUST ignore signatures from unknown keys"
        signer = known.get((signature.name, signature.key_id))
        if signer is not None:
            signer.verify(note.text, signature.blob)
            signed_by[signer] = None
    if not signed_by:
        names = ", ".join(
            f"{signature.name[:80]!r} (key {signature.key_id.hex()})"
            for signature in note.signatures[:5]
        )
        raise SignatureError(f"note is signed by {names}, and by none of the keys asked for")
    return OpenedNote(text=note.text, signed_by=tuple(signed_by), note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSigner:
    """A signing key under a name."""

    name: str
    key: SigningKey

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(name=self.name, public_key=self.key.public_key)

    def sign(self, text: str) -> Signature:
        """Return the signature line for `text`."""
        blob = self.key.sign(text.encode())
        return Signature(name=self.name, key_id=self.verifier.key_id, blob=blob)


def sign_note(text: str, signers: Sequence[NoteSigner]) -> bytes:
    """Return the note of `text`, signed by each of `signers`.

    Raises:
        MalformedError: the text or a name is not one that a note can have.
    """
    if not signers:
        raise ValueError("a note needs at least one signer")
    check_text(text)
    for signer in signers:
        check_name(signer.name, "note: key name")
    return Note(text=text, signatures=tuple(signer.sign(text) for signer in signers)).encode()


def check_text(text: str) -> str:
    """Return `text` if a note can have it, or raise MalformedError."""
    if not text.endswith("\n"):
        raise MalformedError(f"note: text {text[-80:]!r} does not end in a newline")
    control = next((control for control in CONTROLS if control in text), None)
    if control is not None:
        raise MalformedError(f"note: text has the control character {control!r}")
    return text


def check_name(name: str, what: str) -> None:
    """Refuse a key name that a signature line or a vkey cannot hold.

    Raises:
        MalformedError: it is empty, or has a space of any script, a plus or a control character.
    """
    if not name or any(c == "+" or c in CONTROLS or c.isspace() or is_surrogate(c) for c in name):
        raise MalformedError(
            f"{what} is {name[:80]!r}, want no spaces, plus or controls, and not nothing"
        )


def is_surrogate(character: str) -> bool:
    """Tell whether it is half a character: a Python string can have one, UTF-8 cannot."""
    return "\ud800" <= character <= "\udfff"
