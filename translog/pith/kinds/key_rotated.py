"""`key_rotated`: a key says which key takes its place.

Spec: docs/formats/events/key_rotated.md. It is about a key, and holds in every log: its subject is
`key:` and the fingerprint of the key that signs it. The new key signs too, so that nobody can name
somebody else's key as their own.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from translog.errors import MalformedError, SignatureError
from translog.formats.canonical import canonical
from translog.formats.keys import SIGNATURE_BYTES, SigningKey, check_public_key, verify_signature
from translog.formats.strict import format_base64, parse_base64, shown
from translog.pith import shape
from translog.pith.key import PithKey, fingerprint_hex
from translog.pith.kinds import members

TYPE = "key_rotated"

_PAYLOAD = frozenset({"new_public_key", "new_key_signature_b64", "reason"})
_SUBJECT = re.compile(r"key:([0-9a-f]{32})")


def parse_subject(subject: str) -> str:
    """Return the fingerprint in the subject of an event about a key.

    Raises:
        MalformedError: it is not one.
    """
    match = _SUBJECT.fullmatch(subject)
    if match is None:
        raise MalformedError(f"subject is {shown(subject)}, want key: and a fingerprint in hex")
    return match[1]


def check(payload: Mapping[str, Any], about: str, fingerprint: str) -> None:
    """Check the payload of an event about the key `about`, signed by the one `fingerprint`.

    Raises:
        MalformedError: it is not one; a key rotates another, or to itself.
        HashError: the new key's fingerprint is another key's.
        SignatureError: the new key has not signed.
    """
    shape.exact(payload, _PAYLOAD, TYPE)
    if about != fingerprint:
        raise MalformedError(f"{TYPE} is about key {about}, and signed by {fingerprint}")
    key = PithKey.from_json(payload["new_public_key"])
    if key.fingerprint == fingerprint:
        raise MalformedError(f"{TYPE} new_public_key is the old one, {fingerprint}")
    members.text(payload, "reason", TYPE)
    encoded = shape.text(payload, "new_key_signature_b64", TYPE)
    signature = parse_base64(encoded, "new_key_signature_b64")
    if len(signature) != SIGNATURE_BYTES:
        raise MalformedError(
            f"{TYPE} new_key_signature_b64 has {len(signature)} bytes, want {SIGNATURE_BYTES}"
        )
    check_public_key(key.public_key)
    try:
        verify_signature(key.public_key, _consent(fingerprint, key.public_key), signature)
    except SignatureError as error:
        raise SignatureError(f"{TYPE} new_key_signature_b64: {error}") from error


def new_key(payload: Mapping[str, Any]) -> PithKey:
    """Return the key that takes over, out of a payload that `check` has passed."""
    return PithKey.from_json(payload["new_public_key"])


def build(
    *, old_public_key: bytes, new: PithKey, new_signing_key: SigningKey, reason: str = ""
) -> dict[str, Any]:
    """Return the payload, in which the new key agrees to take over."""
    consent = _consent(fingerprint_hex(old_public_key), new.public_key)
    return {
        "new_public_key": new.to_json(),
        "new_key_signature_b64": format_base64(new_signing_key.sign(consent)),
        "reason": reason,
    }


def _consent(old_fingerprint: str, new_public_key: bytes) -> bytes:
    """Return the 32 bytes that the new key signs."""
    statement = {
        "statement": "translog/key_rotated/v1",
        "old_public_key_fingerprint": old_fingerprint,
        "new_public_key_hex": new_public_key.hex(),
    }
    return sha256(canonical(statement)).digest()
