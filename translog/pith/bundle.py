"""Bundles: docs/formats/bundle.md. All that is known of one record, in one signed file.

What a bundle says is checked in numbered steps, each of which proves one sentence. Keys inside a
bundle are claims: a step that needs a signature is proved only by a key the caller trusts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from translog.errors import (
    MalformedError,
    TranslogError,
    UnknownKeyError,
    VerificationError,
)
from translog.formats.canonical import parse_apart
from translog.formats.strict import shown
from translog.pith import shape
from translog.pith.key import PithKey
from translog.pith.listed import ListedKey
from translog.pith.merge import MERGE_VERSION
from translog.pith.record import (
    check_aliases,
    check_record,
    check_source,
    parse_pith_number,
)
from translog.pith.signature import NAMES as SIGNATURE_NAMES
from translog.pith.signature import Signature
from translog.pith.steps import Result, Status, Steps

MAX_BUNDLE_BYTES = 16 << 20
SIGNED_MESSAGE = "bundle_sha256_bytes"

_APART = frozenset({"bundle_signature"})
_BUNDLE = _APART | {
    "bundle_type",
    "bundle_version",
    "pith_number",
    "short_pith_number",
    "canonical_record",
    "canonical_sha256",
    "source",
    "source_aliases",
    "events",
    "timestamp_proofs",
    "mirror_hints",
    "public_keys",
    "merge_version",
    "built_at",
    "links",
    "state",
}
_SIGNATURE = SIGNATURE_NAMES | {"bundle_sha256"}
_LINKS = frozenset({"resolver", "bundle", "state", "well_known_bundle"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A well-formed bundle. What it says is not verified: `inspect` does that.

    Attributes:
        value: the whole bundle, as parsed. Not to be modified.
        content_sha256: 32 bytes: the hash of all but its signature.
        signature: the bundle's own.
        listed_keys: the keys it lists, and what happened to them. Claims.
        exact: `value` is known to be `made_of` EXACT.
    """

    value: Mapping[str, Any]
    content_sha256: bytes
    signature: Signature
    listed_keys: tuple[ListedKey, ...]
    exact: bool

    @property
    def public_keys(self) -> tuple[PithKey, ...]:
        """The keys it lists, without what happened to them. Claims."""
        return tuple(listed.key for listed in self.listed_keys)

    @property
    def pith_number(self) -> str:
        return str(self.value["pith_number"])

    @property
    def built_at(self) -> str:
        """When its signer says it was made, to the second."""
        return str(self.value["built_at"])

    @property
    def events(self) -> Sequence[Mapping[str, Any]]:
        """Its events as JSON values, unchecked."""
        events: Sequence[Mapping[str, Any]] = self.value["events"]
        return events


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one step of `inspect` found.

    Attributes:
        step: its number in docs/formats/bundle.md; a step can have several findings.
        what: the part of the bundle it is about.
        status: "proved"; "not-checkable" (the bundle does not hold enough to tell);
            "unknown-key" (proved only to those who trust another key); "failed".
        sentence: what is proved, or why it is not.
        key: fingerprint of the key that proves it, or None where no key is needed.
        error: what `open_bundle` raises for it, if anything.
    """

    step: int
    what: str
    status: Status
    sentence: str
    key: str | None
    error: TranslogError | None


def path_of(pith_number: str) -> str:
    """Return where a registry serves the bundle of a record, below its URL: docs/api.md."""
    return f"pith/{parse_pith_number(pith_number).suffix}/bundle.json"


def parse(raw: bytes) -> Bundle:
    """Read a bundle.

    Raises:
        TooLargeError: more than MAX_BUNDLE_BYTES.
        MalformedError: not strict JSON, or a member is missing, unknown or not of its kind. The
            events' own members are left to step 5.
        HashError: a listed key's fingerprint is another key's.
    """
    value, content, exact = parse_apart(raw, limit=MAX_BUNDLE_BYTES, apart=_APART)
    shape.exact(value, _BUNDLE, "bundle")
    shape.constant(value, "bundle_type", "pith_open_graph_bundle", "bundle")
    shape.constant(value, "bundle_version", "1.0", "bundle")
    shape.constant(value, "merge_version", MERGE_VERSION, "bundle")
    shape.seconds(value, "built_at", "bundle")
    parse_pith_number(value["pith_number"])
    shape.text(value, "short_pith_number", "bundle")
    shape.hex_digits(value, "canonical_sha256", 32, "bundle")
    check_record(value["canonical_record"])
    check_source(value["source"])
    check_aliases(shape.array(value, "source_aliases", "bundle"))
    for name in ("events", "timestamp_proofs", "mirror_hints"):
        if not all(type(item) is dict for item in shape.array(value, name, "bundle")):
            raise MalformedError(f"bundle {name} is {shown(value[name])}, want objects")
    links = shape.exact(value["links"], _LINKS, "links")
    for name in _LINKS:
        shape.text(links, name, "links")
    shape.mapping(value, "state", "bundle")
    signature = shape.exact(value["bundle_signature"], _SIGNATURE, "bundle_signature")
    shape.hex_digits(signature, "bundle_sha256", 32, "bundle_signature")
    listed = shape.array(value, "public_keys", "bundle")
    return Bundle(
        value=value,
        content_sha256=sha256(content).digest(),
        signature=Signature.from_json(signature, SIGNED_MESSAGE, "bundle_signature"),
        listed_keys=tuple(map(ListedKey.from_json, listed)),
        exact=exact,
    )


def open_bundle(raw: bytes, keys: Iterable[bytes]) -> Bundle:
    """Read a bundle and check all it says under the public keys the caller trusts.

    Raises:
        TooLargeError, MalformedError: it is not a bundle.
        VerificationError: something it says is wrong.
        UnknownKeyError: something is signed by a key that is not among `keys`.
    """
    bundle = parse(raw)
    for finding in inspect(bundle, keys):
        if finding.error is not None:
            raise finding.error
    return bundle


def inspect(bundle: Bundle, keys: Iterable[bytes]) -> tuple[Finding, ...]:
    """Check all that a bundle says, and tell what each step found. Raises nothing."""
    steps = Steps(
        bundle.value,
        bundle.content_sha256,
        bundle.signature,
        bundle.listed_keys,
        keys,
        exact=bundle.exact,
    )
    return tuple(_finding(step, what, check) for step, what, check in steps)


def _finding(step: int, what: str, check: Callable[[], Result]) -> Finding:
    error: TranslogError | None = None
    try:
        status, sentence, key = check()
    except UnknownKeyError as unknown:
        status, sentence, key, error = "unknown-key", str(unknown), None, unknown
    except (MalformedError, VerificationError) as wrong:
        status, sentence, key, error = "failed", str(wrong), None, wrong
    return Finding(step=step, what=what, status=status, sentence=sentence, key=key, error=error)
