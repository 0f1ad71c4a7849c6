"""The rules of anchors: what blocks and the time make of them, without network or database."""

from hashlib import sha256

import pytest

from tests.simulators.timestamps import SHA256, Tree, append, in_block, pending
from translog.bitcoin.attestation import InBlock
from translog.bitcoin.grade import (
    CHECKPOINT_LINKED,
    OWN_NODE,
    SINGLE_SERVER,
    UNCHECKED,
    Grade,
    GradedHeader,
)
from translog.bitcoin.header import MERKLE_ROOT, Header
from translog.bitcoin.ots import Timestamp
from translog.log import anchors as rules
from translog.log.anchors import judge
from translog.store.anchors import AnchorRow, StampRow

NOW = 1_780_000_000
TREE = Tree(5)
URI = "https://calendar.example"


def anchor(state: str = "pending", **changes: object) -> AnchorRow:
    row = AnchorRow(
        7, "regtest", 5, TREE.checkpoint.note, NOW - 900, state, NOW - 900, None, None, None, None
    )
    return row._replace(**changes)  # type: ignore[arg-type]


def root(word: bytes) -> bytes:
    """Return what the path through `word` leads to."""
    return sha256(TREE.tip + word).digest()


def path(word: bytes, height: int) -> bytes:
    return append(word) + SHA256 + in_block(height)


def stamp(calendar: str, attested: bytes | None = None) -> StampRow:
    return StampRow(7, calendar, NOW - 900, NOW - 60, pending(URI), attested)


def header(merkle_root: bytes, nonce: int = 0) -> Header:
    raw = bytearray(80)
    raw[MERKLE_ROOT] = merkle_root
    raw[76:80] = nonce.to_bytes(4, "little")
    return Header(bytes(raw))


def graded(word: bytes, height: int, grade: Grade = OWN_NODE, nonce: int = 0) -> GradedHeader:
    return GradedHeader(header=header(root(word), nonce), height=height, grade=grade)


ELSEWHERE = GradedHeader(header=header(bytes(32)), height=100, grade=OWN_NODE)


def in_a_block(state: str, grade: Grade = OWN_NODE) -> AnchorRow:
    """Return an anchor that block 100 was found to vouch for."""
    found = judge(
        anchor(), [stamp("a", path(b"a", 100))], {100: graded(b"a", 100, grade)}, 100, NOW - 800
    ).anchor
    return found._replace(state=state)


def test_what_is_submitted_is_the_tip() -> None:
    assert rules.tip_of(anchor()) == TREE.tip
    assert rules.checkpoint_of(anchor()).root == TREE.checkpoint.root


def test_an_anchor_without_blocks_stays_as_it_is() -> None:
    for stamps in ([], [stamp("a")], [stamp("a"), stamp("b")]):
        assert rules.heights(anchor(), stamps) == set()
        assert not judge(anchor(), stamps, {}, 100, NOW).changed(anchor())


def test_a_block_with_the_right_root_confirms_and_five_more_make_final() -> None:
    stamps = [stamp("a", path(b"a", 100)), stamp("b")]
    assert rules.heights(anchor(), stamps) == {100}
    for newest in range(100, 110):
        judged = judge(anchor("attested"), stamps, {100: graded(b"a", 100)}, newest, NOW)
        assert judged.anchor.state == ("final" if newest >= 105 else "confirmed")
        assert judged.anchor.height == 100
        assert judged.anchor.header == graded(b"a", 100).header.raw
        assert judged.anchor.grade == "own node"
        assert judged.anchor.changed_at == NOW
        assert judged.refuted == []
        kept = Timestamp.parse(judged.anchor.path or b"", TREE.tip)
        assert kept.attestations() == [InBlock(root(b"a"), 100)]


def test_the_oldest_of_several_blocks_counts() -> None:
    stamps = [stamp("a", path(b"a", 102)), stamp("b", path(b"b", 101)), stamp("c", path(b"c", 99))]
    headers = {102: graded(b"a", 102), 101: graded(b"b", 101), 99: ELSEWHERE}
    judged = judge(anchor("attested"), stamps, headers, 106, NOW)
    assert (judged.anchor.height, judged.anchor.state) == (101, "final")
    assert judged.refuted == [stamps[2]]
    again = judge(judged.anchor, stamps[:2], headers, 107, NOW + 1)
    assert not again.changed(judged.anchor)


def test_the_path_that_is_kept_has_no_other_attestation() -> None:
    both = b"\xff" + path(b"a", 100) + pending(URI)
    judged = judge(anchor(), [stamp("a", both)], {100: graded(b"a", 100)}, 100, NOW)
    assert Timestamp.parse(judged.anchor.path or b"", TREE.tip).encode() == path(b"a", 100)


@pytest.mark.parametrize("state", ["attested", "pending"])
def test_a_block_with_another_root_refutes_the_calendar(state: str) -> None:
    stamps = [stamp("a", path(b"a", 100))]
    judged = judge(anchor(state), stamps, {100: ELSEWHERE}, 120, NOW)
    assert judged.refuted == stamps
    assert judged.anchor.state == "pending"
    assert judged.anchor.height is None


def test_a_block_that_is_not_there_yet_is_waited_for() -> None:
    judged = judge(anchor(), [stamp("a", path(b"a", 200))], {200: None}, 120, NOW)
    assert (judged.anchor.state, judged.refuted) == ("attested", [])


def test_nothing_is_believed_of_headers_that_nobody_vouches_for() -> None:
    for found in (
        graded(b"a", 100, UNCHECKED),
        GradedHeader(header=header(bytes(32)), height=100, grade=UNCHECKED),
    ):
        judged = judge(anchor(), [stamp("a", path(b"a", 100))], {100: found}, 120, NOW)
        assert (judged.anchor.state, judged.refuted) == ("attested", [])


@pytest.mark.parametrize("state", ["confirmed", "final"])
def test_an_anchor_whose_block_left_the_chain_is_lost(state: str) -> None:
    before = in_a_block(state)
    stamps = [stamp("a", path(b"a", 100))]
    judged = judge(before, stamps, {100: ELSEWHERE}, 130, NOW)
    assert judged.anchor.state == "lost"
    assert judged.anchor[7:] == (None, None, None, None)
    assert judged.anchor.changed_at == NOW
    assert judged.refuted == stamps
    # Its calendars are asked again, and another block brings it back.
    promises = rules.promises(judged.anchor, [stamp("a")])
    assert [promise.uri for _, promise in promises] == [URI]
    named = stamp("a", path(b"a", 110))
    back = judge(
        judged.anchor._replace(state="attested"), [named], {110: graded(b"a", 110)}, 130, NOW
    )
    assert (back.anchor.state, back.anchor.height) == ("final", 110)


def test_a_lost_anchor_stays_lost_until_somebody_names_a_block() -> None:
    lost = anchor("lost")
    assert not judge(lost, [stamp("a")], {}, 130, NOW).changed(lost)
    judged = judge(lost, [stamp("a", path(b"a", 100))], {100: ELSEWHERE}, 130, NOW)
    assert judged.anchor == lost
    assert judged.refuted == [stamp("a", path(b"a", 100))]


def test_another_block_takes_the_place_of_one_that_left_the_chain() -> None:
    stamps = [stamp("a", path(b"a", 100)), stamp("b", path(b"b", 101))]
    headers = {100: ELSEWHERE, 101: graded(b"b", 101)}
    judged = judge(in_a_block("final"), stamps, headers, 130, NOW)
    assert (judged.anchor.state, judged.anchor.height) == ("final", 101)
    assert judged.anchor.changed_at == NOW
    assert judged.refuted == stamps[:1]


@pytest.mark.parametrize("state", ["confirmed", "final"])
def test_a_chain_that_ends_before_the_block_changes_nothing(state: str) -> None:
    before = in_a_block(state)
    judged = judge(before, [stamp("a", path(b"a", 100))], {100: None}, 99, NOW)
    assert not judged.changed(before)


@pytest.mark.parametrize("state", ["confirmed", "final"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_block_that_another_calendar_names_for_later_keeps_no_anchor(
    state: str, *, kept: bool
) -> None:
    before = in_a_block(state)
    own = [stamp("a", path(b"a", 100))] if kept else []
    stamps = [*own, stamp("b", path(b"b", 100_000))]
    assert rules.heights(before, stamps) == {100, 100_000}
    judged = judge(before, stamps, {100: ELSEWHERE, 100_000: None}, 130, NOW)
    assert (judged.anchor.state, judged.refuted) == ("lost", own)
    there = judge(before, stamps[1:], {100: graded(b"a", 100), 100_000: None}, 130, NOW)
    assert there.anchor == before


def test_what_is_final_stays_so_though_the_newest_block_is_lower_for_a_moment() -> None:
    before = in_a_block("final")
    for newest in (103, 105, 106):
        judged = judge(before, [stamp("a", path(b"a", 100))], {100: graded(b"a", 100)}, newest, NOW)
        assert not judged.changed(before)


def test_the_same_root_in_another_block_is_another_block() -> None:
    before = in_a_block("final")
    found = graded(b"a", 100, nonce=1)
    judged = judge(before, [stamp("a", path(b"a", 100))], {100: found}, 120, NOW)
    assert judged.anchor.header == found.header.raw
    assert judged.anchor.changed_at == NOW


def test_who_knows_less_does_not_overrule_who_knew_more() -> None:
    before = in_a_block("final", CHECKPOINT_LINKED)
    stamps = [stamp("a", path(b"a", 100))]
    for grade in (SINGLE_SERVER, OWN_NODE):
        denied = GradedHeader(header=header(bytes(32)), height=100, grade=grade)
        assert not judge(before, stamps, {100: denied}, 130, NOW).changed(before)
        agreed = judge(before, stamps, {100: graded(b"a", 100, grade)}, 130, NOW)
        assert not agreed.changed(before)
    denied = GradedHeader(header=header(bytes(32)), height=100, grade=CHECKPOINT_LINKED)
    assert judge(before, stamps, {100: denied}, 130, NOW).anchor.state == "lost"


def test_who_knows_more_raises_the_grade() -> None:
    before = in_a_block("final", SINGLE_SERVER)
    better = {100: graded(b"a", 100, CHECKPOINT_LINKED)}
    judged = judge(before, [stamp("a", path(b"a", 100))], better, 130, NOW)
    assert judged.anchor == before._replace(grade="checkpoint-linked")


def test_calendars_are_asked_until_the_anchor_is_final() -> None:
    stamps = [stamp("a", path(b"a", 100)), stamp("b")]
    for state in ("pending", "attested", "confirmed", "lost"):
        assert [each.calendar for each, _ in rules.promises(anchor(state), stamps)] == ["b"]
    assert rules.promises(anchor("final"), stamps) == []


@pytest.mark.parametrize(
    ("since", "now", "due"),
    [(100, 100, False), (100, 159, False), (100, 160, True), (100, 99, True)],
)
def test_something_is_due_after_its_time_and_when_the_clock_went_back(
    since: int, now: int, *, due: bool
) -> None:
    assert rules.is_due(since, now, 60) is due


@pytest.mark.parametrize(
    ("at", "now", "come"),
    [
        (100, 100, True),
        (100, 99, False),
        (100, 5_000, True),
        (172_900, 100, False),
        (172_901, 100, True),
    ],
)
def test_a_time_that_is_too_far_away_was_a_wrong_clock_s(at: int, now: int, *, come: bool) -> None:
    assert rules.is_time(at, now) is come


def test_calendars_are_left_in_peace_longer_the_longer_it_takes() -> None:
    fresh = stamp("a")

    def pause(age: int, chance: float = 0.5, *, urgent: bool = True) -> float:
        return rules.pause(fresh, fresh.submitted_at + age, chance, urgent=urgent)

    assert pause(0) == 60
    assert pause(6_000) == 600
    assert pause(10**7) == 1_800
    assert pause(-(10**7)) == 60
    assert (pause(0, 0.0), pause(0, 1.0)) == (45, 75)
    assert pause(0, urgent=False) == 3_600
    assert pause(10**7, urgent=False) == 86_400
    # Every pause is within what a clock is believed.
    assert pause(10**7, 1.0, urgent=False) < rules.FARTHEST_SECONDS
