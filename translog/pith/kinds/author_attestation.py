"""`author_attestation`: an author says so with a key of their own.

Spec: docs/formats/events/author_attestation.md. The key in the payload is the one that signs the
event, so that an attestation by somebody else's key, a registry's for instance, is not one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from translog.errors import MalformedError
from translog.pith import shape
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import members
from translog.pith.kinds.orcid import check_orcid
from translog.pith.record import PithNumber

TYPE = "author_attestation"
ATTESTS = frozenset({"authorship", "claims"})

_PAYLOAD = frozenset(
    {"attests", "author_name", "orcid", "author_public_key_hex", "claim_ids", "statement"}
)


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload of an event signed by the key with this fingerprint.

    Raises:
        MalformedError: it is not one, the ORCID iD is misspelt, or the key is not the signer's.
    """
    shape.exact(payload, _PAYLOAD, TYPE)
    attests = members.choice(payload, "attests", TYPE, ATTESTS)
    shape.label(payload, "author_name", TYPE)
    if payload["orcid"] is not None:
        check_orcid(payload["orcid"])
    members.text(payload, "statement", TYPE)
    claims = members.labels(payload, "claim_ids", TYPE)
    if bool(claims) != (attests == "claims"):
        members.refuse(claims, "claim_ids", TYPE, "some to attest claims, and none otherwise")
    key = bytes.fromhex(shape.hex_digits(payload, "author_public_key_hex", 32, TYPE))
    if fingerprint_hex(key) != fingerprint:
        raise MalformedError(
            f"{TYPE} author_public_key_hex is key {fingerprint_hex(key)},"
            f" and the event is signed by {fingerprint}: authors sign with keys of their own"
        )


def build(
    *,
    author_name: str,
    public_key: bytes,
    orcid: str | None = None,
    claim_ids: Sequence[str] = (),
    statement: str = "",
) -> dict[str, Any]:
    """Return the payload: of authorship, or where claims are named, of those."""
    return {
        "attests": "claims" if claim_ids else "authorship",
        "author_name": author_name,
        "orcid": orcid,
        "author_public_key_hex": public_key.hex(),
        "claim_ids": sorted(set(claim_ids)),
        "statement": statement,
    }
