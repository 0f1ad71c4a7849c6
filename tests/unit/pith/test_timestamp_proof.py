"""What stands in a bundle's timestamp_proofs, read strictly."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from translog.errors import HashError, MalformedError
from translog.pith.timestamp_proof import BeaconProof, TimestampProof, parse

DATA = json.loads((Path(__file__).parents[2] / "data" / "bundle-times.json").read_text())
TIMESTAMP, BEACON = DATA["bundle"]["timestamp_proofs"]
HEADER = TIMESTAMP["attestations"][0]


def test_what_is_read_is_what_was_written() -> None:
    for value, kind in ((TIMESTAMP, TimestampProof), (BEACON, BeaconProof)):
        proof = parse(value)
        assert isinstance(proof, kind)
        assert proof.to_json() == value


def test_a_promise_is_a_proof_of_nothing_yet() -> None:
    value = {**TIMESTAMP, "status": "pending", "attestations": [], "not_before": None}
    proof = parse(value)
    assert isinstance(proof, TimestampProof)
    assert (proof.blocks, proof.not_before) == ((), None)
    assert proof.to_json() == value


@pytest.mark.parametrize("value", [{}, {"proof_type": "rfc3161"}, {"proof_type": 1}, [], None, 7])
def test_other_kinds_are_left_alone(value: Any) -> None:
    assert parse(value) is None


@pytest.mark.parametrize("name", sorted(TIMESTAMP))
@pytest.mark.parametrize("wrong", [None, 7, -1, True, "", "x", [], {}, ["x"], {"height": 1}])
def test_a_member_of_a_timestamp_that_is_not_of_its_kind_is_refused(name: str, wrong: Any) -> None:
    if (name, wrong) in (("not_before", None), ("tlog_proof", ""), ("tlog_proof", "x")):
        return  # null is one of its kinds; the proof's text is read by whoever follows it
    if (name, wrong) in (("calendars", []), ("ots_b64", ""), ("origin", "x"), ("tree_size", 7)):
        return
    if name == "proof_type" and wrong != "opentimestamps":
        assert parse({**TIMESTAMP, name: wrong}) is None
        return
    with pytest.raises(MalformedError):
        parse({**TIMESTAMP, name: wrong})


@pytest.mark.parametrize("value", [TIMESTAMP, BEACON], ids=["timestamp", "beacon"])
def test_members_are_exactly_these(value: dict[str, Any]) -> None:
    for name in value.keys() - {"proof_type"}:
        with pytest.raises(MalformedError, match="lacks"):
            parse({key: each for key, each in value.items() if key != name})
    with pytest.raises(MalformedError, match="unknown members"):
        parse({**value, "more": 1})


def changed(**changes: Any) -> dict[str, Any]:
    value = deepcopy(TIMESTAMP)
    value["attestations"][0].update(changes)
    return value


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        ({**TIMESTAMP, "index": 4}, MalformedError, "want one below the tree's size, 4"),
        ({**TIMESTAMP, "tree_size": 0}, MalformedError, "tree_size is 0"),
        ({**BEACON, "index": 4}, MalformedError, "want one below the tree's size, 4"),
        ({**BEACON, "event": 1}, MalformedError, "event is 1"),
        ({**TIMESTAMP, "tlog_proof": "x" * 65_537}, MalformedError, "has 65537 characters"),
        ({**TIMESTAMP, "ots_b64": "A" * 90_000}, MalformedError, "has 90000 characters"),
        ({**TIMESTAMP, "status": "pending"}, MalformedError, "is pending, and has 1 attestations"),
        ({**TIMESTAMP, "attestations": []}, MalformedError, "is final, and has 0 attestations"),
        ({**TIMESTAMP, "attestations": [HEADER] * 17}, MalformedError, "has 17 attestations"),
        ({**TIMESTAMP, "attestations": [HEADER] * 2}, MalformedError, "want them ascending"),
        ({**TIMESTAMP, "calendars": ["ftp://x"]}, MalformedError, "calendar is 'ftp://x'"),
        ({**TIMESTAMP, "network": "testnet"}, MalformedError, "network is 'testnet'"),
        (changed(block_hash="00" * 32), HashError, "block_hash is"),
        (changed(header_time="2026-01-01T00:00:00Z"), HashError, "header_time is"),
        (changed(header_hex="00"), MalformedError, "header_hex is"),
        (changed(height=-1), MalformedError, "height is -1"),
        (changed(more=1), MalformedError, "unknown members"),
    ],
)
def test_what_contradicts_itself_is_refused(
    value: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        parse(value)
