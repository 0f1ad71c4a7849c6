"""A later bundle holds what an earlier one held, or the two convict their signer."""

from typing import Any

import pytest

from tests.unit.pith.sample import ALICE, BOB, NUMBER, RAW, created, note_event, pith_key
from translog.errors import ConflictError, SubjectError
from translog.formats.canonical import canonical
from translog.pith.build import build_bundle
from translog.pith.bundle import Bundle, parse
from translog.pith.succession import event_ids, succeed

FIRST = created(ALICE)
NOTES = [note_event(BOB, created_at=f"2026-06-0{day}T12:00:00Z") for day in range(1, 5)]


def made(*events: Any, at: str = "2026-07-01T00:00:00Z", by: Any = ALICE) -> Bundle:
    value = build_bundle(
        pith_number=NUMBER,
        events=[FIRST, *events],
        keys=[pith_key(ALICE), pith_key(BOB)],
        built_at=at,
        base_url="https://example.org",
        timestamp_proofs=[],
        mirror_hints=[],
        signing_key=by,
    )
    return parse(canonical(value))


LATER = "2026-07-02T00:00:00Z"


def test_a_later_bundle_may_hold_more() -> None:
    found = succeed(made(NOTES[1]), made(*NOTES[:3], at=LATER))
    assert found.added == (NOTES[0], NOTES[2])
    assert found.dropped == ()


def test_a_bundle_succeeds_itself() -> None:
    assert succeed(parse(RAW), parse(RAW)) == ((), ())


def test_what_a_later_bundle_lacks_is_named() -> None:
    found = succeed(made(*NOTES), made(NOTES[1], NOTES[3], at=LATER))
    assert found == ((), (NOTES[0]["event_id"], NOTES[2]["event_id"]))


def test_two_bundles_of_one_second_convict_if_each_lacks_an_event_of_the_other() -> None:
    found = succeed(made(NOTES[0]), made(NOTES[1]))
    assert found == ((NOTES[1],), (NOTES[0]["event_id"],))


def test_the_smaller_of_two_bundles_of_one_second_may_be_the_older_and_shows_nothing() -> None:
    assert succeed(made(NOTES[0]), made(*NOTES[:2])).added == (NOTES[1],)
    with pytest.raises(ConflictError, match="has 1 more events: it may be the older"):
        succeed(made(*NOTES[:2]), made(NOTES[0]))


def test_an_old_bundle_shows_nothing() -> None:
    with pytest.raises(ConflictError, match="it is an old one"):
        succeed(made(*NOTES, at=LATER), made())


def test_bundles_by_two_keys_or_about_two_records_are_not_compared() -> None:
    with pytest.raises(SubjectError, match="signed by key"):
        succeed(made(), made(by=BOB, at=LATER))
    with pytest.raises(SubjectError, match=f"is about {NUMBER}, want pith:2024:AAAA"):
        other = parse(canonical({**made().value, "pith_number": "pith:2024:" + "A" * 26}))
        succeed(other, made(at=LATER))


def test_ids_are_in_the_bundles_order() -> None:
    want = [FIRST["event_id"], *(note["event_id"] for note in NOTES)]
    assert [*event_ids(made(*reversed(NOTES)))] == want


def test_what_states_no_id_is_no_event_that_could_be_dropped() -> None:
    def with_odd(bundle: Bundle, *odd: Any) -> Bundle:
        events = [*bundle.value["events"], *odd]
        return parse(canonical({**bundle.value, "events": events}))

    odd = [{}, {"event_id": []}, {"event_id": None}]
    assert [*event_ids(with_odd(made(), *odd))] == [FIRST["event_id"]]
    assert succeed(with_odd(made(), *odd), made(at=LATER)) == ((), ())
    assert succeed(made(), with_odd(made(at=LATER), *odd)) == (tuple(odd), ())
