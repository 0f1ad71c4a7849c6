"""Timestamp proofs in words: no more is said than is known."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.web.test_lenient import JSON
from translog.web import timestamps
from translog.web.badge import DISPUTED, LOGGED, PENDING, Badge, badge_of, svg

BLOCK = {"height": 900_123, "header_time": "2026-05-30T10:00:00Z"}
FINAL = {
    "event_id": "sha256:ab",
    "network": "mainnet",
    "status": "final",
    "attestations": [{"height": 900_200}, BLOCK],
    "calendars": ["https://a.example", "https://b.example"],
    "not_before": {"height": 899_000, "block_hash": "00"},
}


def sentence(**changes: Any) -> str:
    (found,) = timestamps.stamps([{**FINAL, **changes}])
    return found.sentence


def test_a_final_proof_names_the_earliest_block() -> None:
    assert sentence() == "Existed before block 900,123 of Bitcoin, 30 May 2026, 10:00:00 UTC"
    assert timestamps.said(timestamps.stamps([FINAL])) == (
        (sentence(), "Logged after block 899,000, which the log knew by then", 1),
    )


def test_what_is_said_of_several_events_holds_of_each() -> None:
    earlier = {**FINAL, "not_before": {"height": 898_000}}
    pending = {**FINAL, "status": "pending", "attestations": []}
    unknown = {**FINAL, "not_before": None}
    both, other = timestamps.said(timestamps.stamps([FINAL, pending, earlier]))
    assert (both.events, other.events) == (2, 1)
    assert both.after == "Logged after block 898,000, which the log knew by then"
    (all_of_them,) = timestamps.said(timestamps.stamps([FINAL, unknown, earlier]))
    assert (all_of_them.events, all_of_them.after) == (3, None)


def test_a_proof_that_is_not_final_says_so() -> None:
    assert sentence(status="confirmed").endswith("recent, and could still be replaced")
    assert sentence(status="pending", attestations=[]) == (
        "Sent to 2 calendars; no block holds it yet"
    )


def test_a_test_chain_is_not_bitcoin() -> None:
    assert "of the test chain regtest" in sentence(network="regtest")
    assert "of the test chain without a name" in sentence(network=None)


@pytest.mark.parametrize("status", ["verified", None, 7, [], {}, "FINAL"])
def test_an_unknown_standing_is_pending(status: Any) -> None:
    assert timestamps.stamps([{**FINAL, "status": status}])[0].standing == "pending"


def test_without_a_block_nothing_is_final() -> None:
    for attestations in ([], None, [7], [{"height": -1}], [{"height": True}]):
        (found,) = timestamps.stamps([{**FINAL, "attestations": attestations}])
        assert found.standing == "pending"


def test_the_furthest_counts_and_a_test_chain_after_all_others() -> None:
    pending, confirmed = ({**FINAL, "status": each} for each in ("pending", "confirmed"))
    on_test = {**FINAL, "network": "regtest"}

    def best(*proofs: dict[str, Any]) -> tuple[str, str] | None:
        found = timestamps.best(timestamps.stamps(proofs))
        return (found.network, found.standing) if found else None

    assert best(on_test, pending, FINAL, confirmed) == ("mainnet", "final")
    assert best(on_test, pending, confirmed) == ("mainnet", "confirmed")
    assert best(on_test) == ("regtest", "final")
    assert best() is None


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(list(FINAL)), JSON))
def test_whatever_the_proof_says_there_is_a_sentence(proof: dict[str, Any]) -> None:
    (found,) = timestamps.stamps([proof])
    assert found.sentence


# The badge


def badge(*proofs: dict[str, Any], equivocations: int = 0) -> Badge:
    bundle = {"state": {"equivocation_count": equivocations}, "timestamp_proofs": list(proofs)}
    return badge_of(bundle)


def test_a_badge_says_how_far_a_record_has_come() -> None:
    pending = {**FINAL, "status": "pending", "attestations": []}
    assert badge() == LOGGED
    assert badge(pending) == PENDING
    assert badge({**FINAL, "status": "confirmed"}).words == "block 900123, recent"
    assert badge(pending, FINAL).words == "Bitcoin block 900123"


def test_a_dispute_is_stronger_than_any_block() -> None:
    assert badge(FINAL, equivocations=1) == DISPUTED


def test_a_test_chain_gives_no_bitcoin_badge() -> None:
    assert badge({**FINAL, "network": "regtest"}).words == "regtest block 900123"


def test_a_badge_is_escaped() -> None:
    picture = svg('"><script>', Badge("<b>&", "#000")).decode()
    assert "<script>" not in picture
    assert "<b>" not in picture
    assert "&quot;&gt;&lt;script&gt;" in picture


def test_beacons_are_no_timestamps_themselves() -> None:
    assert timestamps.stamps([{"proof_type": "time_beacon"}, FINAL]) == timestamps.stamps([FINAL])
