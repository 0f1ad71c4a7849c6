"""tests/data/bundle-times.json: what timestamps in a bundle show, and when they show nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from translog.bitcoin.grade import OWN_NODE, GradedHeader
from translog.bitcoin.header import Header
from translog.bitcoin.network import REGTEST, Network
from translog.errors import MissingError
from translog.formats.canonical import canonical
from translog.pith.bundle import parse
from translog.verify.bundle_times import check_times

DATA = json.loads((Path(__file__).parents[1] / "data" / "bundle-times.json").read_text())
HEADERS = [Header.parse(bytes.fromhex(raw)) for raw in DATA["headers"]]


@dataclass(frozen=True)
class Node:
    """The chain of the vectors."""

    network: Network = REGTEST

    def tip(self) -> int:
        return len(HEADERS) - 1

    def header(self, height: int) -> GradedHeader:
        if height >= len(HEADERS):
            raise MissingError(f"no block {height}")
        return GradedHeader(header=HEADERS[height], height=height, grade=OWN_NODE)


def found(bundle: dict[str, Any]) -> list[list[str | None]]:
    findings = check_times(parse(canonical(bundle)), [Node()])
    return [[each.status, each.code] for each in findings if each.name != "time"]


def test_the_bundle_shows_a_time_before_and_a_time_after() -> None:
    bundle = parse(canonical(DATA["bundle"]))
    findings = check_times(bundle, [Node()])
    assert [each.name for each in findings] == DATA["found"]
    assert {each.status for each in findings} == {"not-shown"}  # regtest
    before, after = (each.sentence for each in findings)
    assert "before 2026-05-28T20:36:40Z (regtest block 101, final, own node)" in before
    assert "was logged after 2026-05-28T19:36:40Z (block 95, own node)" in after


@pytest.mark.parametrize("case", DATA["changed"], ids=[case[0] for case in DATA["changed"]])
def test_what_is_changed_is_found(case: Any) -> None:
    _, number, changes, wanted = case
    proofs = [dict(proof) for proof in DATA["bundle"]["timestamp_proofs"]]
    proofs[number].update(changes)
    assert found({**DATA["bundle"], "timestamp_proofs": proofs})[: len(wanted)] == wanted
