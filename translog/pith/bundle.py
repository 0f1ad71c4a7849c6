"""Bundles: docs/formats/bundle.md. All that is known of one record, in one signed file.

What a bundle says is checked in numbered steps, each of which proves one sentence. Keys inside a
bundle are claims: a step that needs a signature is proved only by a key the caller trusts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Literal

from translog.errors import (
    HashError,
    MalformedError,
    SubjectError,
    TranslogError,
    UnknownKeyError,
    VerificationError,
)
from translog.formats.canonical import canonical, parse_apart
from translog.formats.strict import shown
from translog.pith import shape
from translog.pith.event import RECORD_CREATED, Event, check_subject, from_value, verify
from translog.pith.key import PithKey, find, keyring
from translog.pith.kinds.graph_snapshot import check_table
from translog.pith.listed import ListedKey, disowned_by, open_compromise, open_rotation
from translog.pith.merge import MERGE_VERSION, merge
from translog.pith.receipt import check_receipt, verify_receipt
from translog.pith.record import (
    aliases,
    canonical_sha256,
    check_aliases,
    check_number,
    check_record,
    check_source,
    parse_pith_number,
)
from translog.pith.signature import NAMES as SIGNATURE_NAMES
from translog.pith.signature import Signature

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

Status = Literal["proved", "not-checkable", "unknown-key", "failed"]
Result = tuple[Status, str, str | None]  # with the sentence, and the fingerprint of a key
Ring = dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A well-formed bundle. What it says is not verified: `inspect` does that.

    Attributes:
        value: the whole bundle, as parsed. Not to be modified.
        content_sha256: 32 bytes: the hash of all but its signature.
        signature: the bundle's own.
        listed_keys: the keys it lists, and what happened to them. Claims.
    """

    value: Mapping[str, Any]
    content_sha256: bytes
    signature: Signature
    listed_keys: tuple[ListedKey, ...]

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


def parse(raw: bytes) -> Bundle:
    """Read a bundle.

    Raises:
        TooLargeError: more than MAX_BUNDLE_BYTES.
        MalformedError: not strict JSON, or a member is missing, unknown or not of its kind. The
            events' own members are left to step 5.
        HashError: a listed key's fingerprint is another key's.
    """
    value, content = parse_apart(raw, limit=MAX_BUNDLE_BYTES, apart=_APART)
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
    ring = keyring(keys)
    return tuple(_finding(step, what, check) for step, what, check in _steps(bundle, ring))


def _finding(step: int, what: str, check: Callable[[], Result]) -> Finding:
    error: TranslogError | None = None
    try:
        status, sentence, key = check()
    except UnknownKeyError as unknown:
        status, sentence, key, error = "unknown-key", str(unknown), None, unknown
    except (MalformedError, VerificationError) as wrong:
        status, sentence, key, error = "failed", str(wrong), None, wrong
    return Finding(step=step, what=what, status=status, sentence=sentence, key=key, error=error)


def _steps(bundle: Bundle, ring: Ring) -> Iterator[tuple[int, str, Callable[[], Result]]]:
    yield 1, "record", partial(_record, bundle)
    yield 2, "number", partial(_number, bundle)
    yield 3, "aliases", partial(_aliases, bundle)
    receipts = [payload.get("receipt") for payload in _payloads(bundle, RECORD_CREATED)]
    for receipt in receipts:
        yield 4, "receipt", partial(_receipt, bundle, receipt, ring)
    if not receipts:
        yield (
            4,
            "receipt",
            lambda: ("not-checkable", "no event creates the record", None),
        )
    for index, value in enumerate(bundle.events):
        yield 5, f"event {index}", partial(_event, value, bundle.pith_number, ring)
    for listed in bundle.listed_keys:
        if listed.rotation is not None:
            yield 5, f"rotation to {listed.key.fingerprint}", partial(_rotation, listed, ring)
        if listed.compromise is not None:
            what = f"compromise of {listed.key.fingerprint}"
            yield 5, what, partial(_compromise, listed, bundle, ring)
    for payload in _payloads(bundle, "graph_snapshot"):
        graph = payload.get("graph_snapshot")
        for name, table in graph.items() if type(graph) is dict else ():
            if type(table) is dict and "snapshot_sha256" in table:
                yield 6, f"snapshot {name}", partial(_snapshot, table)
    yield 7, "state", partial(_state, bundle, ring)
    yield 8, "bundle", partial(_bundle, bundle, ring)


def _payloads(bundle: Bundle, event_type: str) -> list[dict[str, Any]]:
    return [
        value["payload"]
        for value in bundle.events
        if value.get("event_type") == event_type and type(value.get("payload")) is dict
    ]


def _record(bundle: Bundle) -> Result:
    stated = bundle.value["canonical_sha256"]
    computed = canonical_sha256(bundle.value["canonical_record"]).hex()
    if stated != computed:
        raise HashError(f"canonical_sha256 is {stated}, computed {computed}")
    return "proved", f"the canonical record has SHA-256 {computed}", None


def _number(bundle: Bundle) -> Result:
    record = bundle.value["canonical_record"]
    number = parse_pith_number(bundle.pith_number)
    check_number(record, number)
    short = number.short
    if bundle.value["short_pith_number"] != short:
        found = shown(bundle.value["short_pith_number"])
        raise SubjectError(f"short_pith_number is {found}, want {short!r}")
    if canonical(bundle.value["source"]) != canonical(record["source"]):
        raise SubjectError("source is not the canonical record's")
    return "proved", f"{bundle.pith_number} is computed from the canonical record", None


def _aliases(bundle: Bundle) -> Result:
    found = [(each["alias_kind"], each["alias_value"]) for each in bundle.value["source_aliases"]]
    want = [
        (each["alias_kind"], each["alias_value"])
        for each in aliases(bundle.value["canonical_record"], bundle.value["built_at"])
    ]
    if found != want:
        raise SubjectError(f"source_aliases are {shown(found)}, want {shown(want)}")
    return "proved", "every alias is computed from the canonical record", None


def _receipt(bundle: Bundle, receipt: Any, ring: Ring) -> Result:
    record = bundle.value["canonical_record"]
    fingerprint = check_receipt(receipt, canonical_sha256(record)).fingerprint
    verify_receipt(receipt, record, find(ring, fingerprint))
    return "proved", f"key {fingerprint} signed the canonical record", fingerprint


def _event(value: Any, pith_number: str, ring: Ring) -> Result:
    event = from_value(value)
    check_subject(event)
    if event.subject != pith_number:
        raise SubjectError(f"event is about {shown(event.subject)}, want {pith_number}")
    fingerprint = event.signer.fingerprint
    verify(event, find(ring, fingerprint))
    return "proved", f"key {fingerprint} signed {event.event_type} {event.event_id}", fingerprint


def _rotation(listed: ListedKey, ring: Ring) -> Result:
    event = open_rotation(listed, ring)
    older, newer = event.signer.fingerprint, listed.key.fingerprint
    return "proved", f"key {older} said that key {newer} takes its place", older


def _compromise(listed: ListedKey, bundle: Bundle, ring: Ring) -> Result:
    # Of a key's events, the one who signs the bundle says which count: nobody else may.
    signer = bundle.signature.fingerprint
    event = open_compromise(listed, {signer: find(ring, signer)})
    since = event.value["payload"]["since_index"]
    sentence = f"key {listed.key.fingerprint} may be in other hands since entry {since}"
    return "proved", f"{sentence}, and {len(listed.disowned)} events by it do not count", signer


def _snapshot(table: Mapping[str, Any]) -> Result:
    count = check_table(table)
    if count is None:
        return "not-checkable", "the bundle does not hold all the rows that were hashed", None
    return "proved", f"the {count} rows have the SHA-256 stated", None


def _state(bundle: Bundle, ring: Ring) -> Result:
    value = bundle.value
    stated = canonical(value["state"])

    # A state is what the events say to one who allows the keys listed, no more and no fewer.
    listed = keyring(key.public_key for key in bundle.public_keys)
    rotations = list(_rotations(bundle, listed))
    disowned = disowned_by(bundle.listed_keys)

    def merged(keys: Iterable[bytes]) -> bytes:
        record, names = value["canonical_record"], value["source_aliases"]
        state = merge(
            bundle.pith_number,
            record,
            names,
            bundle.events,
            keys,
            rotations=rotations,
            disowned=disowned,
        )
        return canonical(state)

    if merged(key for name, key in listed.items() if name in ring) == stated:
        return "proved", f"the state is the merge of the {len(bundle.events)} events", None
    if merged(listed.values()) == stated:
        others = ", ".join(sorted(listed.keys() - ring.keys()))
        raise UnknownKeyError(f"the state counts events by {others}, not among the keys given")
    raise HashError(
        f"state with state_sha256 {shown(value['state'].get('state_sha256'))} "
        "is not the merge of the events"
    )


def _rotations(bundle: Bundle, listed: Ring) -> Iterator[Event]:
    """Yield the rotations that hold, whoever is trusted: those that do not are told by step 5."""
    for key in bundle.listed_keys:
        if key.rotation is not None:
            try:
                yield open_rotation(key, listed)
            except TranslogError:
                continue


def _bundle(bundle: Bundle, ring: Ring) -> Result:
    stated = bundle.value["bundle_signature"]["bundle_sha256"]
    if stated != bundle.content_sha256.hex():
        raise HashError(f"bundle_sha256 is {stated}, computed {bundle.content_sha256.hex()}")
    fingerprint = bundle.signature.fingerprint
    bundle.signature.verify(bundle.content_sha256, find(ring, fingerprint))
    return "proved", f"key {fingerprint} signed the whole bundle", fingerprint
