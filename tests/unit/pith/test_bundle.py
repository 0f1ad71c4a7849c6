"""Bundles: the real one, each part of it wrong in turn, and bundles of our own."""

from typing import Any

import pytest

from tests.unit.pith.sample import (
    ALICE,
    BOB,
    MALLORY,
    NUMBER,
    PITH,
    RAW,
    REAL,
    RECORD,
    changed,
    created,
    note_event,
    pith_key,
)
from translog.errors import (
    HashError,
    MalformedError,
    MissingError,
    SignatureError,
    SubjectError,
    TooLargeError,
    TranslogError,
    UnknownKeyError,
)
from translog.formats.canonical import canonical
from translog.pith import build
from translog.pith.build import build_bundle
from translog.pith.bundle import MAX_BUNDLE_BYTES, Finding, inspect, open_bundle, parse
from translog.pith.event import MAX_EVENT_DEPTH
from translog.pith.record import pith_number

KEYS = [ALICE.public_key, BOB.public_key]


def made(*events: Any, **others: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "pith_number": NUMBER,
        "events": events or (created(ALICE), note_event(BOB)),
        "keys": [pith_key(ALICE), pith_key(BOB)],
        "built_at": "2026-06-02T00:00:00Z",
        "base_url": "https://example.org",
        "timestamp_proofs": [],
        "mirror_hints": [{"name": "m"}],
        "signing_key": ALICE,
    }
    return build_bundle(**{**arguments, **others})


def wrong(findings: tuple[Finding, ...]) -> set[tuple[int, str, type | None]]:
    return {(f.step, f.what, type(f.error)) for f in findings if f.error is not None}


def shown(part: object) -> str:
    """Name a parameter: a set has another order in every process."""
    return str(sorted(part, key=str) if isinstance(part, set) else part)[:40]


def test_the_real_bundle_says_only_what_is_true() -> None:
    bundle = open_bundle(RAW, [PITH])
    assert bundle.pith_number == NUMBER
    assert bundle.events == REAL["events"]
    assert bundle.value == REAL
    assert bundle.public_keys[0].public_key == PITH
    assert bundle.content_sha256.hex() == REAL["bundle_signature"]["bundle_sha256"]


def test_each_step_says_what_is_proved_and_by_which_key() -> None:
    key = "8d4b5ee74e4693bcd1df2446408b0d54"
    found = [(f.step, f.what, f.status, f.key) for f in inspect(parse(RAW), [PITH])]
    assert found == [
        (1, "record", "proved", None),
        (2, "number", "proved", None),
        (3, "aliases", "proved", None),
        (4, "receipt", "proved", key),
        (5, "event 0", "proved", key),
        (5, "event 1", "proved", key),
        (6, "snapshot claims", "proved", None),
        (6, "snapshot references", "not-checkable", None),
        (6, "snapshot formal_canon", "not-checkable", None),
        (6, "snapshot author_claims", "proved", None),
        (7, "state", "proved", None),
        (8, "bundle", "proved", key),
    ]
    for finding in inspect(parse(RAW), [PITH]):
        assert finding.error is None and len(finding.sentence) > 20


def test_a_key_in_the_bundle_proves_nothing_to_who_does_not_trust_it() -> None:
    for keys in ([], [ALICE.public_key]):
        found = {f.step: f.status for f in inspect(parse(RAW), keys)}
        assert found == {
            1: "proved",
            2: "proved",
            3: "proved",
            4: "unknown-key",
            5: "unknown-key",
            6: "proved",
            7: "unknown-key",
            8: "unknown-key",
        }
        with pytest.raises(UnknownKeyError, match="is not among the keys given"):
            open_bundle(RAW, keys)


def test_floats_and_depth_in_a_bundle_are_judged_as_in_an_event() -> None:
    deep: Any = []
    for _ in range(MAX_EVENT_DEPTH - 2):
        deep = [deep]
    odd = note_event(BOB, event_type="later", payload={"x": 1e16})  # orjson writes 1e16
    bundle = parse(canonical(made(created(ALICE), odd)))
    assert {f.status for f in inspect(bundle, KEYS)} == {"proved"} and not bundle.exact
    bundle = parse(canonical(changed(made(), ("events", 1, "payload", "x"), deep)))
    refused = [f.error for f in inspect(bundle, KEYS) if f.what == "event 1"]
    assert bundle.exact and "nests deeper than 48" in str(refused)


CREATED, SNAPSHOT = ("events", 0), ("events", 1)
GRAPH = (*SNAPSHOT, "payload", "graph_snapshot")


@pytest.mark.parametrize(
    ("path", "new", "failing"),
    [
        (("canonical_sha256",), "0" * 64, {(1, "record", HashError)}),
        (
            ("canonical_record", "source", "version"),
            2,
            {
                (1, "record", HashError),
                (2, "number", SubjectError),
                (3, "aliases", SubjectError),
                (4, "receipt", SubjectError),
                (5, "event 0", SubjectError),
                (7, "state", HashError),
            },
        ),
        (
            ("pith_number",),
            NUMBER[:-1] + "A",
            {
                (2, "number", SubjectError),
                (5, "event 0", SubjectError),
                (5, "event 1", SubjectError),
                (7, "state", HashError),
            },
        ),
        (("short_pith_number",), "pith:HAMJZSQW", {(2, "number", SubjectError)}),
        (("source", "id"), "2402.13754", {(2, "number", SubjectError)}),
        (
            ("source_aliases", 0, "alias_value"),
            "2402.13754",
            {(3, "aliases", SubjectError), (7, "state", HashError)},
        ),
        (
            ("source_aliases",),
            REAL["source_aliases"][:-1],
            {(3, "aliases", SubjectError), (7, "state", HashError)},
        ),
        (("source_aliases", 0, "created_at"), "2026-05-17T23:38:54Z", {(7, "state", HashError)}),
        (
            (*CREATED, "payload", "receipt", "signature_b64"),
            REAL["bundle_signature"]["signature_b64"],
            {
                (4, "receipt", SignatureError),
                (5, "event 0", HashError),
                (7, "state", HashError),
            },
        ),
        (
            (*CREATED, "payload", "receipt"),
            None,
            {(4, "receipt", MalformedError), (5, "event 0", HashError), (7, "state", HashError)},
        ),
        (
            (*CREATED, "event_id"),
            "sha256:" + "0" * 64,
            {(5, "event 0", HashError), (7, "state", HashError)},
        ),
        ((*CREATED, "target"), "x", {(5, "event 0", HashError), (7, "state", HashError)}),
        (
            (*SNAPSHOT, "signature", "signature_b64"),
            REAL["bundle_signature"]["signature_b64"],
            {(5, "event 1", SignatureError), (7, "state", HashError)},
        ),
        (SNAPSHOT, {}, {(5, "event 1", MalformedError), (7, "state", HashError)}),
        (
            (*GRAPH, "claims", "items", 0, "text"),
            "another claim",
            {(5, "event 1", HashError), (6, "snapshot claims", HashError), (7, "state", HashError)},
        ),
        (
            (*GRAPH, "claims", "snapshot_sha256"),
            7,
            {(5, "event 1", HashError), (6, "snapshot claims", HashError), (7, "state", HashError)},
        ),
        (
            (*GRAPH, "claims", "count"),
            5,
            {
                (5, "event 1", HashError),
                (6, "snapshot claims", MalformedError),
                (7, "state", HashError),
            },
        ),
        (
            (*GRAPH, "author_claims", "snapshot_sha256"),
            "0" * 64,
            {
                (5, "event 1", HashError),
                (6, "snapshot author_claims", HashError),
                (7, "state", HashError),
            },
        ),
        (
            (*GRAPH, "references", "count"),
            0,
            {
                (5, "event 1", HashError),
                (6, "snapshot references", HashError),
                (7, "state", HashError),
            },
        ),
        (("events",), REAL["events"][:1], {(7, "state", HashError)}),
        (("state", "state_sha256"), "0" * 64, {(7, "state", HashError)}),
        (("state", "event_count"), 3, {(7, "state", HashError)}),
        (("state", "extra"), 1, {(7, "state", HashError)}),
        (("state",), {}, {(7, "state", HashError)}),
        (("public_keys",), [], {(7, "state", HashError)}),
        (("public_keys",), [pith_key(ALICE).to_json()], {(7, "state", HashError)}),
        (("timestamp_proofs",), [{}], set()),
        (("mirror_hints",), [], set()),
        (("built_at",), "2026-05-27T16:59:46Z", set()),
        (("links", "state"), "https://example.org", set()),
    ],
    ids=shown,
)
def test_each_part_changed_fails_its_own_steps_and_the_last(
    path: Any, new: Any, failing: set[Any]
) -> None:
    raw = canonical(changed(REAL, path, new))
    found = wrong(inspect(parse(raw), [PITH]))
    assert found == failing | {(8, "bundle", HashError)}
    with pytest.raises(TranslogError) as refusal:
        open_bundle(raw, [PITH])
    assert (type(refusal.value)) is min(found, key=lambda f: f[:2])[2]


@pytest.mark.parametrize(
    ("name", "new", "error"),
    [
        ("bundle_sha256", "0" * 64, HashError),
        ("public_key_fingerprint", "0" * 32, UnknownKeyError),
        ("signature_b64", REAL["events"][0]["signature"]["signature_b64"], SignatureError),
    ],
)
def test_the_signature_is_of_this_bundle(name: str, new: Any, error: type) -> None:
    raw = canonical(changed(REAL, ("bundle_signature", name), new))
    assert wrong(inspect(parse(raw), [PITH])) == {(8, "bundle", error)}
    with pytest.raises(error):
        open_bundle(raw, [PITH])


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("extra",), 1),
        (("bundle_type",), "bundle"),
        (("bundle_version",), "1.1"),
        (("merge_version",), "pith-open-graph-merge-v2"),
        (("built_at",), "2026-05-27"),
        (("pith_number",), "pith:HAMJZSQV"),
        (("short_pith_number",), None),
        (("canonical_sha256",), None),
        (("canonical_record",), {}),
        (("source",), None),
        (("source", "version"), "1"),
        (("source_aliases",), {}),
        (("source_aliases", 0), []),
        (("source_aliases", 0, "extra"), 1),
        (("source_aliases", 0, "alias_kind"), 1),
        (("source_aliases", 0, "alias_value"), ""),
        (("source_aliases", 0, "created_at"), "then"),
        (("events",), {}),
        (("events", 0), []),
        (("timestamp_proofs",), None),
        (("timestamp_proofs",), [1]),
        (("mirror_hints",), ["x"]),
        (("links",), None),
        (("links", "extra"), ""),
        (("links", "state"), 1),
        (("state",), []),
        (("public_keys",), None),
        (("public_keys", 0, "algorithm"), "rsa"),
        (("bundle_signature",), None),
        (("bundle_signature", "extra"), 1),
        (("bundle_signature", "bundle_sha256"), "x"),
        (("bundle_signature", "signed_message"), "canonical_sha256_bytes"),
        (("bundle_signature", "signed_at"), None),
    ],
    ids=shown,
)
def test_a_bundle_of_another_shape_is_malformed(path: Any, new: Any) -> None:
    with pytest.raises(MalformedError):
        parse(canonical(changed(REAL, path, new)))


def test_every_member_must_be_there() -> None:
    for name in REAL:
        with pytest.raises(MalformedError, match=rf"bundle lacks {name}$"):
            parse(canonical({key: REAL[key] for key in REAL if key != name}))


def test_a_listed_key_with_anothers_fingerprint_is_refused() -> None:
    with pytest.raises(HashError):
        parse(canonical(changed(REAL, ("public_keys", 0, "fingerprint_sha256_hex"), "0" * 32)))


def test_the_limit_comes_first() -> None:
    with pytest.raises(TooLargeError):
        parse(b" " * (MAX_BUNDLE_BYTES + 1))


@pytest.mark.parametrize(
    "graph",
    [{}, {"claims": 1}, {"claims": {"items": []}}, {"claims": {"snapshot_sha256": "0" * 64}}],
)
def test_a_snapshot_of_another_shape_is_left_alone(graph: Any) -> None:
    payload = {"graph_snapshot": graph, "verdict_id": None}
    event = note_event(ALICE, event_type="graph_snapshot", payload=payload)
    bundle = parse(canonical(made(created(ALICE), event)))
    found = {(f.what, f.status) for f in inspect(bundle, KEYS) if f.step == 6}
    assert found <= {("snapshot claims", "not-checkable")}
    open_bundle(canonical(bundle.value), KEYS)


def test_a_bundle_without_a_creation_has_no_receipt_to_check() -> None:
    bundle = made()
    bundle["events"] = bundle["events"][1:]
    findings = [f for f in inspect(parse(canonical(bundle)), KEYS) if f.step == 4]
    assert [(f.status, f.error) for f in findings] == [("not-checkable", None)]


# ---- our own ----


def test_a_built_bundle_opens() -> None:
    bundle = open_bundle(canonical(made()), KEYS)
    assert [value["event_type"] for value in bundle.events] == [
        "record_created",
        "author_attestation",
    ]
    assert bundle.value["canonical_record"] == RECORD
    assert bundle.value["source"] == RECORD["source"]
    assert bundle.value["bundle_signature"]["signed_at"] == "2026-06-02T00:00:00.000000Z"
    suffix = NUMBER[-26:]
    assert bundle.value["links"] == {
        "resolver": f"https://example.org/pith/{suffix}",
        "bundle": f"https://example.org/pith/{suffix}/bundle.json",
        "state": f"https://example.org/pith/{suffix}/state.json",
        "well_known_bundle": f"https://example.org/.well-known/pith/{suffix}/bundle.json",
    }


def test_the_same_events_in_any_order_and_number_build_the_same_bundle() -> None:
    events = [created(ALICE), note_event(BOB), note_event(ALICE)]
    redated = changed(events[1], ("signature", "signed_at"), "2031-01-01T00:00:00.000000Z")
    assert made(*events) == made(*events[::-1]) == made(*events, *events)
    assert made(*events, redated) == made(redated, *events[::-1])
    assert len(made(*events, redated)["events"]) == 3


def test_the_real_events_build_a_bundle_with_the_same_ids() -> None:
    bundle = made(*REAL["events"], keys=[pith_key(ALICE), *parse(RAW).public_keys])
    assert [value["event_id"] for value in bundle["events"]] == REAL["state"]["applied_event_ids"]
    assert bundle["events"] == REAL["events"]
    opened = open_bundle(canonical(bundle), [PITH, ALICE.public_key])
    assert (
        opened.value["state"]["current"]["record_created"]
        == (REAL["state"]["current"]["record_created"])
    )


def test_an_event_by_a_key_that_is_not_listed_is_carried_and_not_applied() -> None:
    bundle = made(created(ALICE), note_event(MALLORY))
    assert bundle["state"]["invalid_events"][0]["reason"] == "unknown-key"
    keys = [*KEYS, MALLORY.public_key]  # who trusts more keys still sees what the builder counted
    assert wrong(inspect(parse(canonical(bundle)), keys)) == set()
    assert wrong(inspect(parse(canonical(bundle)), KEYS)) == {(5, "event 1", UnknownKeyError)}


def test_an_event_about_something_else_is_found_whoever_signed_it() -> None:
    bundle = made(created(ALICE), created(BOB, payload={"source_version": 2}))
    assert bundle["state"]["invalid_events"][0]["reason"] == "wrong-subject"
    found = wrong(inspect(parse(canonical(bundle)), KEYS))
    assert found == {(5, "event 1", SubjectError)}


def test_who_trusts_fewer_keys_learns_what_depends_on_the_others() -> None:
    raw = canonical(made())
    assert wrong(inspect(parse(raw), [ALICE.public_key])) == {
        (5, "event 1", UnknownKeyError),
        (7, "state", UnknownKeyError),
    }
    only = canonical(made(created(ALICE)))  # nothing in it depends on the other key listed
    open_bundle(only, [ALICE.public_key])


def test_a_bundle_needs_a_creation_of_its_record() -> None:
    other = changed(RECORD, ("source", "version"), 2)
    for events in (
        [note_event(ALICE)],
        [created(ALICE, other)],
        [created(ALICE, other, subject_pith_number=pith_number(other))],
        [created(ALICE, payload={"canonical_sha256": "0" * 64})],
    ):
        with pytest.raises(MissingError, match=f"no event creates the record {NUMBER}"):
            made(*events)


def test_only_well_formed_events_are_built_into_a_bundle() -> None:
    with pytest.raises(MalformedError):
        made(created(ALICE), {})
    with pytest.raises(HashError):
        made(created(ALICE), changed(note_event(BOB), ("target",), "x"))


def test_the_builder_is_among_the_keys_that_count() -> None:
    with pytest.raises(KeyError):
        made(signing_key=MALLORY)


def test_a_bundle_that_nobody_would_read_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MAX_CONTENT_BYTES", len(canonical(made())) - 1000)
    with pytest.raises(TooLargeError, match="bundle content has"):
        made()


def test_the_deepest_event_fits_into_a_bundle() -> None:
    inner: Any = []
    for _ in range(45):
        inner = [inner]
    open_bundle(
        canonical(made(created(ALICE), note_event(BOB, event_type="later", payload={"x": inner}))),
        KEYS,
    )
