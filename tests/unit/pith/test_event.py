"""Events: the two real ones, and every member of them wrong in turn."""

from hashlib import sha256
from typing import Any

import pytest

from tests.simulators.payloads import PAYLOADS, beacon
from tests.unit.pith.sample import (
    ALICE,
    BOB,
    NOW,
    NUMBER,
    PITH,
    REAL,
    RECORD,
    changed,
    created,
    draft,
    note_event,
)
from translog.errors import (
    HashError,
    MalformedError,
    SignatureError,
    SubjectError,
    TooLargeError,
    TranslogError,
)
from translog.formats.canonical import canonical
from translog.pith.event import (
    MAX_CONTENT_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENT_DEPTH,
    RECORD_TYPES,
    Event,
    check_subject,
    from_value,
    parse,
    restore,
    sign,
    verify,
)
from translog.pith.key import fingerprint_hex

EVENTS = REAL["events"]
CREATED = EVENTS[0]


def open_event(value: Any, key: bytes = PITH) -> Event:
    event = parse(canonical(value))
    assert event == from_value(value)
    verify(event, key)
    check_subject(event)
    return event


@pytest.mark.parametrize("value", EVENTS, ids=["record_created", "graph_snapshot"])
def test_the_real_events_verify(value: Any) -> None:
    event = open_event(value)
    assert event.event_id == value["event_id"]
    assert event.content_sha256.hex() == sha256(event.content).hexdigest()
    assert event.value == value
    assert event.event_type == value["event_type"]
    assert event.subject == NUMBER
    assert event.created_at == "2026-05-17T23:38:53Z"
    assert event.signer.signer_id == "pith.science"
    assert event.signer.signer_type == "pith_registry"
    assert event.signer.key_id == "pith-v1-2026-05"
    assert event.signer.fingerprint == "8d4b5ee74e4693bcd1df2446408b0d54"
    assert event.signed_at == value["signature"]["signed_at"]


@pytest.mark.parametrize(
    "value", [*EVENTS, note_event(ALICE, event_type="later", payload={"score": 0.5, "n": -0.0})]
)
def test_an_event_is_restored_from_what_a_log_keeps(value: Any) -> None:
    event = from_value(value)
    restored = restore(event.content, event.signature, event.signed_at)
    assert restored == value
    assert canonical(restored) == canonical(value)


def test_what_a_log_keeps_is_read_strictly() -> None:
    event = from_value(CREATED)
    with pytest.raises(MalformedError):
        restore(event.content[:-1], event.signature, event.signed_at)


OTHER_ID = "sha256:" + "0" * 64
OTHER_SIGNATURE = note_event(ALICE)["signature"]["signature_b64"]
OTHER_FINGERPRINT = fingerprint_hex(BOB.public_key)


@pytest.mark.parametrize(
    ("path", "new", "error"),
    [
        (("schema_version",), "1.1", MalformedError),
        (("schema_version",), 1, MalformedError),
        (("event_type",), "graph_snapshot", HashError),
        (("event_type",), "", MalformedError),
        (("event_type",), None, MalformedError),
        (("subject_pith_number",), NUMBER[:-1] + "A", HashError),
        (("subject_pith_number",), 1, MalformedError),
        (("target",), "graph", HashError),
        (("target",), {}, MalformedError),
        (("payload",), {}, HashError),
        (("payload",), [], MalformedError),
        (("payload", "attestation_state"), "signed", HashError),
        (("payload", "canonical_record", "source", "version"), 2, HashError),
        (("signer",), "pith.science", MalformedError),
        (("signer", "extra"), 1, MalformedError),
        (("signer", "signer_id"), "example.org", HashError),
        (("signer", "signer_id"), "a\nb", MalformedError),
        (("signer", "signer_type"), "author", HashError),
        (("signer", "signer_type"), None, MalformedError),
        (("signer", "signer_type"), ["author"], MalformedError),
        (("signer", "key_id"), "other", MalformedError),
        (("signer", "key_id"), 1, MalformedError),
        (("signer", "public_key_fingerprint"), OTHER_FINGERPRINT, MalformedError),
        (("signer", "public_key_fingerprint"), "x", MalformedError),
        (("created_at",), "2026-05-17T23:38:54Z", HashError),
        (("created_at",), "2026-05-17T23:38:53.000000Z", MalformedError),
        (("supersedes",), [OTHER_ID], HashError),
        (("supersedes",), [OTHER_ID[:-1]], MalformedError),
        (("supersedes",), [OTHER_ID, 1], MalformedError),
        (("supersedes",), OTHER_ID, MalformedError),
        (("supersedes",), None, MalformedError),
        (("prev_event",), OTHER_ID, HashError),
        (("prev_event",), "0" * 64, MalformedError),
        (("prev_event",), OTHER_ID + "0", MalformedError),
        (("prev_event",), [], MalformedError),
        (("content_sha256",), "0" * 64, HashError),
        (("content_sha256",), CREATED["content_sha256"].upper(), MalformedError),
        (("content_sha256",), None, MalformedError),
        (("event_id",), OTHER_ID, HashError),
        (("event_id",), CREATED["content_sha256"], MalformedError),
        (("event_id",), 1, MalformedError),
        (("extra",), None, MalformedError),
        (("signature",), None, MalformedError),
        (("signature", "extra"), 1, MalformedError),
        (("signature", "signature_status"), "unsigned", MalformedError),
        (("signature", "algorithm"), "ML-DSA-44", MalformedError),
        (("signature", "key_id"), "other", MalformedError),
        (("signature", "public_key_fingerprint"), OTHER_FINGERPRINT, MalformedError),
        (("signature", "signature_b64"), OTHER_SIGNATURE, SignatureError),
        (("signature", "signature_b64"), OTHER_SIGNATURE[:-1], MalformedError),
        (("signature", "signature_b64"), "AAAA", MalformedError),
        (("signature", "signature_b64"), 1, MalformedError),
        (("signature", "signed_message"), "canonical_sha256_bytes", MalformedError),
        (("signature", "signed_at"), "now", MalformedError),
        (("signature", "signed_at"), "2026-05-27T16:59:45Z", MalformedError),
    ],
    ids=lambda part: str(part)[:40],
)
def test_an_event_with_a_wrong_member_is_refused(path: Any, new: Any, error: type) -> None:
    with pytest.raises(TranslogError) as refusal:
        open_event(changed(CREATED, path, new))
    assert type(refusal.value) is error


def test_every_member_must_be_there() -> None:
    for path in [(name,) for name in CREATED] + [
        (name, inner) for name in ("signer", "signature") for inner in CREATED[name]
    ]:
        value = changed(CREATED, path, None)
        inside = value if len(path) == 1 else value[path[0]]
        del inside[path[-1]]
        for read in (from_value, lambda value: parse(canonical(value))):
            with pytest.raises(MalformedError, match=rf"lacks {path[-1]}$"):
                read(value)


def test_an_event_is_an_object() -> None:
    for raw in (b"[]", b"1", b"null"):
        with pytest.raises(MalformedError):
            parse(raw)
    for value in ([], 1, None, "x"):
        with pytest.raises(MalformedError, match="want an object"):
            from_value(value)


def test_refusals_name_the_member() -> None:
    for path, new, message in [
        (("target",), 7, "event target is 7, want 1 to 255 printable characters"),
        (("event_id",), OTHER_ID,
         f"event event_id is {OTHER_ID}, computed {CREATED['event_id']}"),
        (("extra",), 1,
         "event has unknown members 'extra'"),
    ]:  # fmt: skip
        with pytest.raises(TranslogError) as refusal:
            from_value(changed(CREATED, path, new))
        assert str(refusal.value) == message


def test_signed_at_is_not_signed() -> None:
    redated = changed(CREATED, ("signature", "signed_at"), "2026-05-17T23:38:53.000000Z")
    assert open_event(redated).event_id == CREATED["event_id"]


def test_a_signature_is_by_the_key_the_event_names() -> None:
    event = from_value(note_event(ALICE))
    verify(event, ALICE.public_key)
    for key in (BOB.public_key, PITH, b"", ALICE.public_key[:-1]):
        with pytest.raises(SignatureError):
            verify(event, key)
    for wrong in (event._replace(signature=bytes(64)), event._replace(content_sha256=bytes(32))):
        with pytest.raises(SignatureError):
            verify(wrong, ALICE.public_key)


def test_spelling_does_not_change_an_event() -> None:
    import json

    for raw in (json.dumps(CREATED), json.dumps(CREATED, indent=2, sort_keys=True)):
        assert parse(raw.encode()) == from_value(CREATED)


def test_an_event_is_limited_in_size_and_depth() -> None:
    raw = canonical(CREATED)
    assert parse(raw + b" " * (MAX_EVENT_BYTES - len(raw))).event_id == CREATED["event_id"]
    with pytest.raises(TooLargeError):
        parse(raw + b" " * (MAX_EVENT_BYTES - len(raw) + 1))

    floats = [1e15] * (MAX_CONTENT_BYTES // 19)  # 4 bytes each as sent, 18 and a comma canonically
    sent = str(floats).replace("000000000000000.0", "e15").encode()
    large = canonical(note_event(ALICE, payload={})).replace(
        b'"payload":{}', b'"payload":{"x":' + sent + b"}"
    )
    assert len(large) < MAX_EVENT_BYTES
    with pytest.raises(TooLargeError, match="event content has"):
        parse(large)

    def nested(depth: int) -> Any:
        inner: Any = []
        for _ in range(depth - 3):  # the event, the payload and the innermost list
            inner = [inner]
        return {"x": inner}

    deepest = note_event(ALICE, event_type="later", payload=nested(MAX_EVENT_DEPTH))
    assert open_event(deepest, ALICE.public_key)
    deeper = changed(deepest, ("payload",), nested(MAX_EVENT_DEPTH + 1))
    with pytest.raises(MalformedError, match="deeper than 48"):
        parse(canonical(deeper))
    for exact in (False, True):
        with pytest.raises(MalformedError, match="deeper than 48"):
            from_value(deeper, exact=exact)
        assert from_value(deepest, exact=exact) == parse(canonical(deepest))
    many = note_event(ALICE, event_type="later", payload={"x": [[], {}] * MAX_EVENT_DEPTH})
    assert from_value(many, exact=True) == from_value(many) == parse(canonical(many))


# ---- subjects ----

OTHER_RECORD = changed(RECORD, ("source", "version"), 2)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (created(ALICE, OTHER_RECORD), SubjectError),
        (created(ALICE, subject_pith_number=NUMBER.replace("2024", "2025")), SubjectError),
        (created(ALICE, payload={"canonical_sha256": "0" * 64}), SubjectError),
        (created(ALICE, payload={"canonical_sha256": None}), SubjectError),
        (created(ALICE, payload={"source_kind": "zenodo"}), SubjectError),
        (created(ALICE, payload={"source_id": "2402.13754"}), SubjectError),
        (created(ALICE, payload={"source_version": 2}), SubjectError),
        (created(ALICE, payload={"source_version": True}), SubjectError),
        (created(ALICE, payload={"source_version": 1.0}), SubjectError),
        (created(ALICE, payload={"attestation_state": 1}), MalformedError),
        (created(ALICE, payload={"canonical_record": {}}), MalformedError),
        (created(ALICE, payload={"receipt": {}}), MalformedError),
        (created(ALICE, payload={"receipt": created(ALICE, OTHER_RECORD)["payload"]["receipt"]}),
         SubjectError),
        (note_event(ALICE, event_type="record_created"), MalformedError),
        (note_event(ALICE, subject_pith_number="pith:HAMJZSQV"), SubjectError),
        (note_event(ALICE, subject_pith_number="example.com/log"), SubjectError),
        (note_event(ALICE, event_type="later", subject_pith_number="elsewhere"), SubjectError),
    ],
)  # fmt: skip
def test_an_event_about_something_else_is_refused(value: Any, error: type) -> None:
    event = from_value(value)
    verify(event, ALICE.public_key)
    with pytest.raises(TranslogError) as refusal:
        check_subject(event)
    assert type(refusal.value) is error


def test_each_member_of_a_record_created_payload_is_needed_and_others_are_kept() -> None:
    for name in CREATED["payload"]:
        payload = {key: CREATED["payload"][key] for key in CREATED["payload"] if key != name}
        value = note_event(ALICE, event_type="record_created", payload=payload)
        with pytest.raises(MalformedError, match=f"record_created payload lacks {name}"):
            check_subject(from_value(value))
    more = open_event(created(ALICE, payload={"later": [1]}), ALICE.public_key)
    assert more.value["payload"]["later"] == [1]


def test_subjects_of_every_known_type() -> None:
    for event_type in RECORD_TYPES - {"record_created", "author_attestation"}:
        about = note_event(ALICE, event_type=event_type, payload=PAYLOADS[event_type](0))
        check_subject(from_value(about))
        wrong = note_event(ALICE, event_type=event_type, payload={})
        with pytest.raises(MalformedError, match=f"{event_type} lacks"):
            check_subject(from_value(wrong))
    check_subject(from_value(note_event(ALICE)))
    check_subject(from_value(beacon_about("example.com/log")))
    with pytest.raises(SubjectError, match="subject of the time_beacon event"):
        check_subject(from_value(beacon_about("a+b")))


def beacon_about(origin: str) -> Any:
    return note_event(ALICE, event_type="time_beacon", subject_pith_number=origin, payload=beacon())


# ---- signing ----


def test_signing_gives_the_same_whole_event_every_time() -> None:
    value = note_event(ALICE)
    assert value == note_event(ALICE)
    assert open_event(value, ALICE.public_key).signed_at == NOW


def test_a_bad_draft_is_not_signed() -> None:
    for wrong in (
        draft(ALICE, extra=1),
        draft(ALICE, created_at="today"),
        draft(ALICE, signer={}),
        note_event(ALICE),
        {},
    ):
        with pytest.raises(MalformedError):
            sign(wrong, ALICE, NOW)
    with pytest.raises(MalformedError, match="signed_at"):
        sign(draft(ALICE), ALICE, "today")
    with pytest.raises(SignatureError, match="draft names key"):
        sign(draft(ALICE), BOB, NOW)
