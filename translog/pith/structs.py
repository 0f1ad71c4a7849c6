"""The shapes of events as they mostly are, for msgspec to read and write: see `quick`.

Members stand in the order of canonical JSON, so that what is written of an object is canonical. The
types say what `event.parse` and `event.check_subject` ask of single members, as far as types can,
and never less. `quick` asks the rest.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from translog.formats.keys import SIGNATURE_BYTES
from translog.pith.shape import MAX_LABEL_CHARS

PAYLOAD_DEPTH = 8  # of objects and arrays inside each other; the types for more take long to make

Label = Annotated[str, Meta(min_length=1, max_length=MAX_LABEL_CHARS)]
Digest = Annotated[str, Meta(min_length=64, max_length=64)]
Fingerprint = Annotated[str, Meta(min_length=32, max_length=32)]
Signed = Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
Seconds = Annotated[datetime, Meta(tz=True)]  # written again without zeros for microseconds
Micros = Annotated[str, Meta(min_length=27, max_length=27)]
Version = Annotated[int, Meta(ge=1, le=2**63 - 1)]
# Programs print larger ones, and floats, in more than one way.
Count = Annotated[int, Meta(ge=1 - 2**53, le=2**53 - 1)]
Free = str | Count | bool | None  # there is no rule for it


class Object(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An object with these members and no others."""


class Source(Object):
    id: Label
    kind: Label
    version: Version


class Metadata(Object):
    abstract_canon_sha256: Digest
    cross_cats_sorted: list[str]
    license: str | None
    primary_cat: Label
    submitted_at: Seconds
    title_canon_sha256: Digest


class Record(Object):
    metadata: Metadata
    schema_version: Literal["1.0"]
    source: Source


class Receipt(Object):
    algorithm: Literal["ed25519"]
    builder_version: Label
    canonical_sha256: Digest
    first_computed_at: Micros
    key_id: Label
    kind: Literal["pith_receipt"]
    last_reissued_at: Micros
    public_key_fingerprint: Fingerprint
    receipt_version: Literal["0.3"]
    signature_b64: Signed
    signature_status: Literal["signed_v1"]
    signed_at: Micros
    signed_message: Literal["canonical_sha256_bytes"]


class Creation(Object):
    """The payload of a `record_created`."""

    attestation_state: Label
    canonical_record: Record
    canonical_sha256: Digest
    receipt: Receipt
    source_id: str
    source_kind: str
    source_version: int


class Authors(Object):
    count: Count
    snapshot_sha256: Digest
    strong_count: Free


class Claim(Object):
    attestation: Free
    claim_id: Free
    kind: Free
    source: Free
    status: Free
    text: Free


class Claims(Object):
    count: Count
    items: list[Claim]
    snapshot_sha256: Digest


class Canon(Object):
    evidence_count: Count
    snapshot_sha256: Digest


class Paper(Object):
    abstract_excerpt: Free
    authors_text: Free
    cross_cats: list[Free]
    headline: Free
    license: Free
    primary_cat: Free
    submitted_at: Free
    title: Free


class Reference(Object):
    cited_arxiv_id: Free
    doi: Free
    is_internal_anchor: Free
    ref_index: Free
    title: Free
    work_id: Free
    year: Free


class References(Object):
    count: Count
    internal_anchors: Free
    resolved_work: Free
    sample: list[Reference]
    snapshot_sha256: Digest


class SnapshotSource(Object):
    id: Free
    kind: Free
    version: Free


class Verdict(Object):
    created_at: Free
    id: Free
    model_set: dict[str, Free]
    one_line_summary: Free
    pipeline_version: Free
    pith_extraction_headline: Free
    strongest_claim: Free
    weakest_assumption: Free


class Graph(Object):
    author_claims: Authors
    builder_version: Free
    claims: Claims
    formal_canon: Canon
    paper: Paper
    references: References
    source: SnapshotSource
    verdict: Verdict


class Snapshot(Object):
    """The payload of a `graph_snapshot`."""

    graph_snapshot: Graph
    verdict_id: Label | None


class Signature(Object):
    algorithm: Literal["ed25519"]
    key_id: str
    public_key_fingerprint: str
    signature_b64: Signed
    signature_status: Literal["signed_v1"]
    signed_at: Micros
    signed_message: Literal["open_graph_event_sha256_bytes"]


class Signer(Object):
    key_id: str
    public_key_fingerprint: str
    signer_id: str
    signer_type: str


Payload = TypeVar("Payload")


class Event(Object, Generic[Payload]):
    content_sha256: Digest
    created_at: Seconds
    event_id: str
    event_type: Label
    payload: Payload
    prev_event: str | None
    schema_version: Literal["1.0"]
    signature: Signature
    signer: Signer
    subject_pith_number: Label
    supersedes: list[str]
    target: Label


def any_json(depth: int) -> Any:
    """Return the type of JSON without floats, nested so deep: spelled out, to be read as fast.

    Canonical JSON writes floats as Python does, and neither msgspec nor orjson does that.
    """
    scalar = str | int | bool | None
    inside: Any = scalar
    for _ in range(depth):
        inside = scalar | dict[str, inside] | list[inside]
    return inside


read_creation = msgspec.json.Decoder(Event[Creation]).decode
read_snapshot = msgspec.json.Decoder(Event[Snapshot]).decode
read_other = msgspec.json.Decoder(Event[dict[str, any_json(PAYLOAD_DEPTH - 1)]]).decode  # type: ignore[misc]
write = msgspec.json.Encoder(order="deterministic").encode  # the members of a dict by their names
