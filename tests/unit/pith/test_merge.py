"""The merge: the real state byte for byte, and each rule of docs/formats/merge.md."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import permutations
from typing import Any

import pytest

from tests.simulators.payloads import PAYLOADS, attested, rotated
from tests.unit.pith.sample import (
    ALICE,
    BOB,
    MALLORY,
    NUMBER,
    PITH,
    REAL,
    RECORD,
    changed,
    created,
    note_event,
)
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.pith.event import Event, check_subject, from_value
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import correction
from translog.pith.merge import merge, state_sha256

KEYS = [ALICE.public_key, BOB.public_key]


def merged(*events: Mapping[str, Any], keys: Iterable[bytes] = KEYS) -> dict[str, Any]:
    return merge(NUMBER, RECORD, [], events, keys)


def ids(*events: Mapping[str, Any]) -> list[str]:
    return [event["event_id"] for event in events]


def listed(state: Mapping[str, Any], name: str = "author_attestations") -> list[str]:
    return [item["event_id"] for item in state["current"][name]]


def test_the_real_state_comes_out_byte_for_byte() -> None:
    for events in (REAL["events"], REAL["events"][::-1], REAL["events"] * 2):
        state = merge(NUMBER, RECORD, REAL["source_aliases"], events, [PITH])
        assert canonical(state) == canonical(REAL["state"])
    assert state_sha256(REAL["state"]) == REAL["state"]["state_sha256"]


def test_no_events_give_an_empty_state() -> None:
    state = merged()
    assert state["event_count"] == 0 and state["applied_event_ids"] == []
    assert state["current"]["record_created"] is None
    assert set(state["current"]) == set(REAL["state"]["current"])
    assert set(state) == set(REAL["state"])


def test_events_of_each_type_are_listed_under_it() -> None:
    names = {
        "graph_snapshot": "graph_snapshots",
        "author_attestation": "author_attestations",
        "timestamp_anchor": "timestamp_anchors",
        "storage_attestation": "storage_attestations",
        "citation_signature": "citation_signatures",
        "replication_record": "replication_records",
        "correction": "corrections",
        "mirror_hint": "mirror_hints",
    }
    for event_type, name in names.items():
        payload = attested(ALICE.public_key)
        if event_type in PAYLOADS:
            payload = PAYLOADS[event_type](1)
        event = note_event(ALICE, event_type=event_type, payload=payload)
        state = merged(event)
        assert state["current"][name] == [
            {key: event[key] for key in ("event_id", "target", "created_at", "signer", "payload")}
        ]
        assert sum(len(state["current"][other]) for other in names.values()) == 1


def test_an_unknown_type_is_counted_and_applied_and_in_no_list() -> None:
    event = note_event(ALICE, event_type="something_later")
    state = merged(event)
    assert state["valid_event_count"] == 1 and state["applied_event_ids"] == ids(event)
    assert state["current"] == merged()["current"]


def test_events_are_in_order_of_time_then_id_with_the_creation_first() -> None:
    late = created(ALICE, created_at="2026-06-09T00:00:00Z")
    same = [note_event(ALICE, payload=attested(ALICE.public_key, n)) for n in range(5)]
    early = note_event(BOB, created_at="2026-05-01T00:00:00Z")
    state = merged(*same, early, late)
    assert state["applied_event_ids"] == [*ids(late, early), *sorted(ids(*same))]
    assert listed(state) == state["applied_event_ids"][1:]


def test_a_duplicate_counts_once_however_it_is_dated() -> None:
    event = note_event(ALICE)
    redated = changed(event, ("signature", "signed_at"), "2030-01-01T00:00:00.000000Z")
    assert merged(event, event, redated) == merged(event) == merged(redated)
    bad = {**event, "target": "other"}
    assert merged(bad, bad) == merged(bad)


EVENT = note_event(ALICE)
INVALID = {
    "wrong-hash": changed(EVENT, ("payload",), {"a": 1}),
    "wrong-signature": changed(EVENT, ("signature",), note_event(ALICE, target="x")["signature"]),
    "unknown-key": note_event(MALLORY),
    "wrong-subject": note_event(ALICE, subject_pith_number=NUMBER[:-1] + "A"),
    "malformed": {**EVENT, "extra": 1},
}


@pytest.mark.parametrize("reason", INVALID)
def test_an_invalid_event_is_listed_with_its_reason_and_has_no_effect(reason: str) -> None:
    event = INVALID[reason]
    state = merged(event)
    assert state["invalid_events"] == [
        {
            "event_sha256": sha256(canonical(event)).hexdigest(),
            "event_id": event["event_id"],
            "reason": reason,
        }
    ]
    assert (state["event_count"], state["valid_event_count"], state["invalid_event_count"]) == (
        1,
        0,
        1,
    )
    assert state["current"] == merged()["current"] and state["applied_event_ids"] == []


def test_an_invalid_event_does_not_hide_the_valid_one_whose_id_it_states() -> None:
    state = merged(EVENT, INVALID["wrong-signature"])
    assert listed(state) == ids(EVENT)
    assert state["invalid_event_count"] == 1


def test_invalid_events_are_sorted_and_need_no_id() -> None:
    state = merged(*INVALID.values(), {}, {"event_id": 1}, {"event_id": "x"})
    hashes = [each["event_sha256"] for each in state["invalid_events"]]
    assert hashes == sorted(hashes) and len(hashes) == 8
    assert [each["event_id"] for each in state["invalid_events"]].count(None) == 3


def test_a_creation_of_another_record_is_invalid() -> None:
    other = changed(RECORD, ("source", "version"), 2)
    assert merged(created(ALICE, payload={"source_version": 2}))["invalid_event_count"] == 1
    assert merged(created(ALICE, other))["invalid_events"][0]["reason"] == "wrong-subject"
    # The number is right, and the record that the caller has is another one all the same.
    state = merge(NUMBER, other, [], [created(ALICE)], KEYS)
    assert state["invalid_events"][0]["reason"] == "wrong-subject"


def test_only_the_keys_given_count() -> None:
    assert merged(EVENT, keys=[BOB.public_key])["invalid_events"][0]["reason"] == "unknown-key"
    assert merged(EVENT, keys=[])["invalid_event_count"] == 1


# ---- between events ----

first = note_event(ALICE, payload=attested(ALICE.public_key, 0))
left = note_event(ALICE, payload=attested(ALICE.public_key, 1), prev_event=first["event_id"])
right = note_event(ALICE, payload=attested(ALICE.public_key, 2), prev_event=first["event_id"])


def test_two_events_after_one_by_the_same_key_are_an_equivocation() -> None:
    state = merged(first, left, right)
    assert state["equivocation_count"] == 1
    assert state["equivocations"] == [
        {
            "kind": "prev_event",
            "public_key_fingerprint": left["signer"]["public_key_fingerprint"],
            "prev_event": first["event_id"],
            "event_ids": sorted(ids(left, right)),
        }
    ]
    assert state["valid_event_count"] == 3
    assert listed(state) == state["applied_event_ids"] == ids(first)


def test_events_after_one_by_different_keys_or_after_none_are_not() -> None:
    bobs = note_event(BOB, payload=attested(BOB.public_key, 2), prev_event=first["event_id"])
    chain = note_event(ALICE, payload=attested(ALICE.public_key, 3), prev_event=left["event_id"])
    free = [note_event(ALICE, payload=attested(ALICE.public_key, n)) for n in (7, 8)]
    state = merged(first, left, bobs, chain, *free)
    assert state["equivocations"] == [] and len(state["applied_event_ids"]) == 6


def test_one_key_under_two_names_is_one_signer() -> None:
    renamed = {**left["signer"], "signer_id": "someone.else"}
    other = note_event(
        ALICE, payload=attested(ALICE.public_key, 2), prev_event=first["event_id"], signer=renamed
    )
    assert merged(first, left, other)["equivocation_count"] == 1


def test_an_invalid_event_makes_no_equivocation() -> None:
    forged = changed(right, ("signature",), first["signature"])
    assert listed(merged(left, forged)) == ids(left)


def test_two_creations_of_one_record_are_an_equivocation() -> None:
    creations = created(ALICE), created(BOB)
    state = merged(*creations, first)
    assert state["equivocations"] == [
        {
            "kind": "record_created",
            "public_key_fingerprint": None,
            "prev_event": None,
            "event_ids": sorted(ids(*creations)),
        }
    ]
    assert state["current"]["record_created"] is None
    assert state["applied_event_ids"] == ids(first)


def test_a_superseded_event_leaves_the_lists_and_stays_applied() -> None:
    newer = note_event(ALICE, payload=attested(ALICE.public_key, 9), supersedes=ids(first))
    state = merged(first, newer)
    assert listed(state) == ids(newer)
    assert sorted(state["applied_event_ids"]) == sorted(ids(first, newer))


def test_only_its_own_signer_supersedes_an_event() -> None:
    assert len(listed(merged(first, note_event(BOB, supersedes=ids(first))))) == 2


def test_a_superseded_event_does_not_come_back() -> None:
    second = note_event(ALICE, payload=attested(ALICE.public_key, 9), supersedes=ids(first))
    third = note_event(ALICE, payload=attested(ALICE.public_key, 10), supersedes=ids(second))
    assert listed(merged(first, second, third)) == ids(third)


def test_a_creation_can_be_superseded_by_another_type() -> None:
    creation = created(ALICE)
    gone = note_event(
        ALICE, event_type="correction", payload=PAYLOADS["correction"](0), supersedes=ids(creation)
    )
    state = merged(creation, gone)
    assert state["current"]["record_created"] is None
    assert listed(state, "corrections") == ids(gone)


def retraction(key: SigningKey, *events: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    payload = correction.build(
        action=members.pop("action", "retraction"),
        corrected_event=events[0]["event_id"],
        reason="it is not so",
    )
    return note_event(key, event_type="correction", payload=payload, **members)


def test_a_signer_takes_back_their_own_events_and_nobody_elses() -> None:
    event = note_event(ALICE)
    own, bobs = retraction(ALICE, event), retraction(BOB, event)
    erratum = retraction(ALICE, event, action="erratum")
    assert listed(merged(event, bobs, erratum)) == ids(event)
    state = merged(event, own, bobs)
    assert listed(state) == []
    assert sorted(listed(state, "corrections")) == sorted(ids(own, bobs))
    assert set(state["applied_event_ids"]) == set(ids(event, own, bobs))


def test_what_is_taken_back_does_not_come_back() -> None:
    event = note_event(ALICE)
    own = retraction(ALICE, event)
    again = retraction(ALICE, own)
    state = merged(event, own, again)
    assert listed(state) == [] and listed(state, "corrections") == ids(again)


def test_a_retraction_that_equivocates_has_no_effect() -> None:
    event = note_event(ALICE)
    two = [
        retraction(
            ALICE, event, prev_event=event["event_id"], created_at=f"2026-06-0{day}T00:00:00Z"
        )
        for day in (2, 3)
    ]
    assert listed(merged(event, *two)) == ids(event)


def rotation(old: SigningKey, new: SigningKey) -> Event:
    subject = f"key:{fingerprint_hex(old.public_key)}"
    value = note_event(
        old, event_type="key_rotated", subject_pith_number=subject, payload=rotated(old, new)
    )
    event = from_value(value)
    check_subject(event)
    return event


def test_keys_that_follow_each_other_are_one_signer() -> None:
    event = note_event(ALICE)
    newer = note_event(BOB, payload=attested(BOB.public_key, 1), supersedes=ids(event))
    third = retraction(MALLORY, newer)
    chain = [rotation(ALICE, BOB), rotation(BOB, MALLORY)]
    keys = [*KEYS, MALLORY.public_key]

    def state(*rotations: Event) -> dict[str, Any]:
        return merge(NUMBER, RECORD, [], [event, newer, third], keys, rotations=rotations)

    assert sorted(listed(state())) == sorted(ids(event, newer))
    assert listed(state(chain[0])) == ids(newer)
    assert listed(state(chain[1])) == ids(event)
    for rotations in permutations([*chain, chain[0]]):
        assert listed(state(*rotations)) == []
    circle = [*chain, rotation(MALLORY, ALICE)]
    assert canonical(state(*circle)) == canonical(state(*chain)) == canonical(state(*circle[::-1]))


def test_keys_that_follow_each_other_contradict_each_other() -> None:
    pair = [
        note_event(key, payload=attested(key.public_key, n), prev_event=first["event_id"])
        for n, key in enumerate((ALICE, BOB))
    ]
    assert merged(*pair)["equivocations"] == []
    for turned in (rotation(ALICE, BOB), rotation(BOB, ALICE)):
        (found,) = merge(NUMBER, RECORD, [], pair, KEYS, rotations=[turned])["equivocations"]
        lowest = min(fingerprint_hex(key) for key in KEYS)
        assert found["public_key_fingerprint"] == lowest
        assert found["event_ids"] == sorted(ids(*pair))


def test_what_a_lost_key_signed_does_not_count() -> None:
    kept, lost = (note_event(ALICE, payload=attested(ALICE.public_key, n)) for n in (1, 2))
    after = note_event(ALICE, payload=attested(ALICE.public_key, 3), supersedes=ids(kept))
    bobs = note_event(BOB)
    alices = fingerprint_hex(ALICE.public_key)
    disowned = {alices: ids(lost, after, bobs)}
    state = merge(NUMBER, RECORD, [], [kept, lost, after, bobs], KEYS, disowned=disowned)
    assert sorted(listed(state)) == sorted(ids(kept, bobs))
    assert {each["event_id"] for each in state["invalid_events"]} == set(ids(lost, after))
    assert {each["reason"] for each in state["invalid_events"]} == {"key-compromised"}


def test_an_equivocation_cannot_be_undone_and_supersedes_nothing() -> None:
    old = note_event(ALICE, payload=attested(ALICE.public_key, 20))
    a = note_event(ALICE, prev_event=first["event_id"], supersedes=ids(old))
    undo = note_event(ALICE, payload=attested(ALICE.public_key, 21), supersedes=ids(a))
    state = merged(old, a, left, undo)
    assert state["equivocation_count"] == 1
    assert sorted(listed(state)) == sorted(ids(old, undo))
