"""What a bundle shows of when its events existed, and every way in which it could pretend to."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.anchoring import Desk, World, at_work, world
from tests.simulators.events import KEY, real_bundle, record, snapshot
from translog.bitcoin.grade import CHECKPOINT_LINKED, OWN_NODE, GradedHeader
from translog.bitcoin.network import NETWORKS, REGTEST, Network
from translog.errors import MissingError, UnavailableError
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.formats.strict import format_base64
from translog.log import bundler
from translog.log.anchored import Anchored
from translog.pith.bundle import Bundle, parse
from translog.pith.kinds.block import build_block
from translog.pith.record import pith_number
from translog.store import log
from translog.testing.chain import RegtestChain
from translog.verify.bundle_times import MAX_BLOCKS, Remembered, check_times
from translog.verify.documents import check_document
from translog.verify.findings import Finding, Trust

HOUR = 3_600


class Proving:
    """The test's chain as if it were one that costs something, and tied to a checkpoint."""

    def __init__(self, chain: RegtestChain) -> None:
        self._chain = chain
        self.network: Network = NETWORKS["regtest"]

    def tip(self) -> int:
        return self._chain.tip()

    def header(self, height: int) -> GradedHeader:
        return replace(self._chain.header(height), grade=CHECKPOINT_LINKED)


@pytest.fixture
def proving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "regtest", replace(REGTEST, proves=True))


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("anchored") / "log") as made:
        yield made


@pytest.fixture(scope="module")
def desk(at: World) -> Iterator[Desk]:
    """A log with a beacon, three records that are anchored, and what it stated about them."""
    with at_work(at) as opened:
        opened.turn()
        opened.add(3)
        opened.turn()
        opened.finish()
        yield opened


@pytest.fixture(scope="module")
def value(desk: Desk) -> dict[str, Any]:
    return bundle_of(desk, 1)


def bundle_of(desk: Desk, number: int) -> dict[str, Any]:
    suffix = pith_number(record(number))[10:]
    signer = desk.world.log.read_signer()
    return bundler.bundle(desk.db, desk.writer.head.size, suffix, signer, "https://log.example")


def opened(value: dict[str, Any]) -> Bundle:
    return parse(canonical(value))


def found(value: dict[str, Any], at: World) -> list[tuple[str, str, str | None]]:
    findings = check_times(opened(value), [Proving(at.chain)])
    return [(each.name, each.status, each.code) for each in findings]


GOOD = [
    ("timestamp", "proved", None),
    ("not-before", "proved", None),
    ("time", "not-shown", None),
]


@pytest.mark.usefixtures("proving")
def test_an_event_existed_before_one_block_and_was_logged_after_another(
    value: dict[str, Any], at: World
) -> None:
    existed, after, rest = check_times(opened(value), [Proving(at.chain)])
    assert existed.sentence.startswith(
        "event 0 (record_created) existed before 2026-05-28T20:36:40Z"
        " (block 101, final, checkpoint-linked)"
    )
    assert after.sentence == (
        "event 0 (record_created) was logged after 2026-05-28T19:36:40Z"
        " (block 95, checkpoint-linked): entry 0 of example.com/log names the block, and this is"
        " entry 2"
    )
    assert rest.sentence == "when 1 of its 2 events existed: no proof is about them"
    assert found(value, at) == GOOD


def test_regtest_proves_nothing(value: dict[str, Any], at: World) -> None:
    findings = check_times(opened(value), [at.chain])
    assert [each.status for each in findings] == ["not-shown"] * 3
    assert "regtest proves nothing" in findings[0].sentence
    assert "regtest proves nothing" in findings[1].sentence


@pytest.mark.usefixtures("proving")
def test_headers_beside_the_proof_are_somebody_s_word(value: dict[str, Any]) -> None:
    existed, after, _ = check_times(opened(value), [])
    assert existed.status == after.status == "not-shown"
    assert "(block 101, not final yet, unchecked), if a header is right" in existed.sentence
    assert "that nobody vouches for" in existed.sentence
    assert "its header is not known here" in after.sentence


@pytest.mark.usefixtures("proving")
def test_many_events_in_one_block_are_one_question(tmp_path: Path) -> None:
    asked: list[int | str] = []

    class Counting(Proving):
        def tip(self) -> int:
            asked.append("tip")
            return super().tip()

        def header(self, height: int) -> GradedHeader:
            asked.append(height)
            if height == 95:
                raise MissingError("away")
            return replace(super().header(height), grade=OWN_NODE)

    with world(tmp_path / "log") as at, at_work(at) as desk:
        desk.turn()
        desk.add(1)
        desk.writer.add([canonical(snapshot(0, items=count)) for count in range(1, 5)])
        desk.writer.publish(at.now)
        desk.turn()
        desk.finish()
        bundle = opened(bundle_of(desk, 0))
        findings = check_times(bundle, [Counting(at.chain)])
    assert [each.status for each in findings if each.name == "timestamp"] == ["proved"] * 5
    assert sorted(asked, key=str) == [101, 95, "tip"]


def test_a_bundle_names_no_more_blocks_than_its_events_can_have(at: World) -> None:
    source = Remembered(at.chain)
    for height in range(MAX_BLOCKS):
        with suppress(MissingError):
            source.header(height)
    assert source.header(0).height == 0
    with pytest.raises(UnavailableError, match="names more than 2000 blocks"):
        source.header(MAX_BLOCKS)


@pytest.mark.usefixtures("proving")
def test_a_source_of_another_network_is_not_asked(value: dict[str, Any], at: World) -> None:
    class Silent(Proving):
        def header(self, height: int) -> GradedHeader:
            raise AssertionError("asked")

    source = Silent(at.chain)
    source.network = REGTEST
    existed, *_ = check_times(opened(value), [source])
    assert existed.status == "not-shown"


def test_a_document_is_checked_with_its_times(value: dict[str, Any], at: World) -> None:
    trust = Trust(keys={KEY.public_key: "registry", at.log.verifier.public_key: "log"})
    findings = check_document(canonical(value), trust, sources=[at.chain])
    assert "failed" not in {each.status for each in findings}
    assert {"timestamp", "not-before"} <= {each.name for each in findings}
    without = check_document(real_bundle(), trust)
    assert [each.sentence for each in without if each.name == "time"] == [
        "when its events existed: it has no timestamp proofs"
    ]


def test_what_is_only_promised_is_shown_as_that(tmp_path: Path) -> None:
    with world(tmp_path / "log") as at, at_work(at) as desk:
        desk.add()
        desk.turn()
        findings = check_times(opened(bundle_of(desk, 0)), [at.chain])
        assert [each.name for each in findings] == ["timestamp-pending"] * 2
        assert "has promised to put it into a block" in findings[0].sentence


def other(value: dict[str, Any]) -> dict[str, Any]:
    """Return the proof of another record's event."""
    return value["other"]["timestamp_proofs"][0]


Change = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], object]


def encoded(raw: bytes) -> str:
    return format_base64(raw)


WRONG: dict[str, tuple[Change, str | None]] = {
    "an event that is not there": (
        lambda proof, beacon, other: proof.update(event_id=other["event_id"]),
        "not-found",
    ),
    "the file of another event": (
        lambda proof, beacon, other: proof.update(ots_b64=other["ots_b64"]),
        "wrong-hash",
    ),
    "no file": (lambda proof, beacon, other: proof.update(ots_b64=""), "malformed"),
    "another's place": (
        lambda proof, beacon, other: proof.update(
            tlog_proof=other["tlog_proof"], index=other["index"]
        ),
        "not-included",
    ),
    "an index beside the proof's": (
        lambda proof, beacon, other: proof.update(index=proof["index"] - 1),
        "not-included",
    ),
    "a root beside the proof's": (
        lambda proof, beacon, other: proof.update(root_hash="00" * 32),
        "not-included",
    ),
    "an origin beside the proof's": (
        lambda proof, beacon, other: proof.update(origin="example.com/lag"),
        "not-included",
    ),
    "another note": (
        lambda proof, beacon, other: proof.update(
            tlog_proof=proof["tlog_proof"] + "— example.com/log AAAAAAAA\n"
        ),
        "wrong-timestamp",
    ),
    "a text that is no proof": (
        lambda proof, beacon, other: proof.update(tlog_proof="\ud800"),
        "malformed",
    ),
    "a member too many": (lambda proof, beacon, other: proof.update(more=1), "malformed"),
    "a member too few": (lambda proof, beacon, other: proof.pop("calendars"), "malformed"),
    "a status that does not go with it": (
        lambda proof, beacon, other: proof.update(status="pending"),
        "malformed",
    ),
    "a block's hash beside its header": (
        lambda proof, beacon, other: proof["attestations"][0].update(block_hash="00" * 32),
        "wrong-hash",
    ),
}


@pytest.mark.usefixtures("proving")
@pytest.mark.parametrize("name", WRONG)
def test_a_proof_that_is_wrong_anywhere_proves_nothing(
    value: dict[str, Any], desk: Desk, at: World, name: str
) -> None:
    change, code = WRONG[name]
    changed = json.loads(json.dumps(value))
    proof, beacon = changed["timestamp_proofs"]
    change(proof, beacon, bundle_of(desk, 0)["timestamp_proofs"][0])
    raw = json.dumps(changed)
    bundle = opened(json.loads(raw)) if "\\ud800" not in raw else with_proofs(value, changed)
    findings = check_times(bundle, [Proving(at.chain)])
    assert "proved" not in {each.status for each in findings if each.name == "timestamp"}
    assert (findings[0].status, findings[0].code) == ("failed", code), findings[0].sentence


def with_proofs(value: dict[str, Any], changed: dict[str, Any]) -> Bundle:
    """Return a bundle with proofs that no JSON text could hold."""
    bundle = opened(value)
    return replace(bundle, value={**value, "timestamp_proofs": changed["timestamp_proofs"]})


BAD_BEACONS: dict[str, Change] = {
    "no beacon": lambda proof, beacon, other: beacon.update(proof_type="other"),
    "another block": lambda proof, beacon, other: proof["not_before"].update(block_hash="00" * 32),
    "another height": lambda proof, beacon, other: proof["not_before"].update(height=94),
    "a beacon that comes later": lambda proof, beacon, other: beacon.update(index=3),
    "a beacon of another tree": lambda proof, beacon, other: beacon.update(root_hash="00" * 32),
    "a beacon that is not in the tree": lambda proof, beacon, other: beacon["event"].update(
        created_at="2026-01-01T00:00:00Z"
    ),
    "a beacon's place taken by another event": lambda proof, beacon, other: beacon.update(
        tlog_proof=proof["tlog_proof"]
    ),
    "no event": lambda proof, beacon, other: beacon.update(event={}),
}


@pytest.mark.usefixtures("proving")
@pytest.mark.parametrize("name", BAD_BEACONS)
def test_a_beacon_that_is_wrong_anywhere_shows_nothing(
    value: dict[str, Any], at: World, name: str
) -> None:
    changed = deepcopy(value)
    proof, beacon = changed["timestamp_proofs"]
    BAD_BEACONS[name](proof, beacon, {})
    findings = check_times(opened(changed), [Proving(at.chain)])
    assert {(each.name, each.status) for each in findings} >= {
        ("timestamp", "proved"),
        ("not-before", "failed"),
    }


@pytest.mark.usefixtures("proving")
def test_a_beacon_after_the_event_shows_nothing_of_it(tmp_path: Path) -> None:
    with world(tmp_path / "log") as at, at_work(at) as desk:
        desk.add(1)
        desk.turn()  # a beacon comes after the event
        desk.add(1)
        at.pass_time(HOUR)
        desk.turn()  # an anchor covers both
        desk.finish()
        late = bundle_of(desk, 1)["timestamp_proofs"][1]
        assert late["proof_type"] == "time_beacon"
        row = next(row for row in desk.rows if row.size == late["tree_size"])
        found = Anchored(desk.db, row, at.log.verifier)
        entry = Entry.parse(log.read_entries(desk.db, 0, 1)[0])
        value = bundle_of(desk, 0)
        proof = value["timestamp_proofs"][0] | {
            "tree_size": row.size,
            "root_hash": late["root_hash"],
            "tlog_proof": found.proof(0).encode().decode(),
            "ots_b64": format_base64(found.event_file(entry, 0)),
            "attestations": [build_block(*found.block)] if found.block else [],
            "not_before": {
                "height": late["event"]["payload"]["height"],
                "block_hash": late["event"]["payload"]["block_hash"],
            },
        }
        changed = {**value, "timestamp_proofs": [proof, late]}
        existed, after, _ = check_times(opened(changed), [Proving(at.chain)])
    assert (existed.status, after.status, after.code) == ("proved", "failed", "not-found")


@pytest.mark.usefixtures("proving")
def test_a_beacon_whose_block_is_not_in_the_chain_fails(value: dict[str, Any]) -> None:
    elsewhere = RegtestChain(1_780_000_001)
    findings = {each.name: each for each in check_times(opened(value), [Proving(elsewhere)])}
    assert findings["not-before"].status == "failed"
    assert "beacon names another block 95" in findings["not-before"].sentence


@pytest.mark.usefixtures("proving")
def test_who_knows_the_block_is_asked_after_who_does_not(value: dict[str, Any], at: World) -> None:
    class Nobody(Proving):
        def header(self, height: int) -> GradedHeader:
            raise MissingError(f"no block {height}")

    findings = check_times(opened(value), [Nobody(at.chain), Proving(at.chain)])
    assert [each.status for each in findings[:2]] == ["proved", "proved"]


def test_proofs_of_kinds_that_come_later_are_not_failures(value: dict[str, Any], at: World) -> None:
    changed = {**value, "timestamp_proofs": [{"proof_type": "sundial"}, {}]}
    findings: list[Finding] = check_times(opened(changed), [at.chain])
    assert [each.status for each in findings] == ["not-checkable", "not-checkable", "not-shown"]
