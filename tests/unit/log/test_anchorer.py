"""A whole log, anchored on regtest: what the turns of an anchorer come to, whatever happens."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.anchoring import START, Desk, World, at_work, world
from tests.simulators.events import KEY, record, signer
from tests.simulators.published import attestation_event
from translog.bitcoin.grade import UNCHECKED, GradedHeader
from translog.bitcoin.network import REGTEST, Network
from translog.bitcoin.ots import TimestampFile
from translog.errors import BusyError, MissingError, SignatureError, UnavailableError
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.formats.note import Verifier
from translog.log import anchored, statements
from translog.log.announcer import BATCH_LEAVES
from translog.log.bundler import event_of
from translog.log.fsck import fsck
from translog.log.timestamps import Proofs, proofs_of
from translog.pith import event
from translog.pith.kinds import time_beacon
from translog.pith.record import pith_number
from translog.store import anchors, announcements, log
from translog.testing.chain import RegtestChain

HOUR = 3_600
DAY = 24 * HOUR


@pytest.fixture
def at(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "log") as made:
        yield made


@pytest.fixture
def desk(at: World) -> Iterator[Desk]:
    with at_work(at) as opened:
        yield opened


def words(happened: list[Any]) -> list[str]:
    return [each.what for each in happened]


def stated(desk: Desk, event_type: str) -> list[dict[str, Any]]:
    """Return the events of a type that the log itself has logged, in order."""
    own = key_sha256(desk.world.log.verifier.public_key)
    leaves = log.read_leaves(desk.db, 0, desk.writer.head.size)
    values = [event_of(leaf) for leaf in leaves if Entry.parse(leaf.entry).key_sha256 == own]
    return [value for value in values if value["event_type"] == event_type]


def submissions(at: World) -> int:
    return sum(
        request.method == "POST" for calendar in at.calendars for request in calendar.requests
    )


# The way of an anchor


def test_a_checkpoint_is_stamped_attested_confirmed_final_and_announced(
    at: World, desk: Desk
) -> None:
    desk.add(3)
    assert words(desk.turn()) == ["submitted", "beacon"]
    assert desk.states == ["pending"]
    assert submissions(at) == 2
    at.mine(2)
    happened = desk.settle()
    assert words(happened) == ["attested", "attested", "confirmed"]
    assert desk.states == ["confirmed"]
    first = desk.rows[0]
    assert first.header == at.chain.header(101).header.raw
    assert (first.size, first.height, first.grade, first.network) == (3, 101, "own node", "regtest")
    at.mine(3)
    assert words(desk.settle()) == []
    at.mine()
    assert words(desk.settle()) == ["final", "beacon", "announced"]
    assert desk.states == ["final"]
    assert desk.rows[0].changed_at == at.now
    assert desk.anchorer.waiting == {}
    fsck(at.log.path, lambda done, total: None)


def test_every_event_has_a_file_that_leads_to_the_block(at: World, desk: Desk) -> None:
    desk.add(7)
    desk.turn()
    desk.finish()
    block = at.chain.header(101).header
    for index in range(7):
        best = anchored.best(desk.db, index, at.log.verifier)
        leaf = log.read_leaves(desk.db, index, 1)[0]
        entry = Entry.parse(leaf.entry)
        found = TimestampFile.parse(best.event_file(entry, index))
        assert found.digest == entry.content_sha256
        (attestation,) = found.timestamp.in_blocks()
        assert (attestation.message, attestation.height) == (block.merkle_root, 101)
    file = TimestampFile.parse(best.checkpoint_file())
    assert file.digest == sha256(desk.rows[0].note).digest()
    assert file.timestamp.in_blocks() == [attestation]
    with pytest.raises(MissingError, match="leaf 7 is under no anchor yet"):
        anchored.best(desk.db, 7, at.log.verifier)


def test_before_a_block_is_verified_files_hold_only_promises(at: World, desk: Desk) -> None:
    desk.add()
    desk.turn()
    best = anchored.best(desk.db, 0, at.log.verifier)
    leaf = log.read_leaves(desk.db, 0, 1)[0]
    found = TimestampFile.parse(best.event_file(Entry.parse(leaf.entry), 0))
    promised = {getattr(each, "uri", None) for each in found.timestamp.attestations()}
    assert promised == {calendar.url for calendar in at.calendars}


def proofs_at(desk: Desk, size: int) -> Proofs:
    leaves = log.read_leaves(desk.db, 0, 1)
    return proofs_of(desk.db, leaves, size, desk.world.log.verifier)


def test_a_bundle_has_no_timestamp_under_a_larger_tree_than_its_own(at: World, desk: Desk) -> None:
    desk.add(2)
    desk.add(1)
    desk.turn()  # the anchor is of three entries
    assert proofs_at(desk, 2) == ([], 0)
    (proof,) = proofs_at(desk, 3).values
    assert proof["tree_size"] == 3


def test_what_a_bundle_says_of_its_time_never_goes_back(at: World, desk: Desk) -> None:
    desk.add(2)
    desk.turn()
    times = [proofs_at(desk, 2).changed_at]
    at.mine(2)
    for move in (lambda: at.mine(5), lambda: at.chain.reorganise(7)):
        desk.settle()
        times.append(proofs_at(desk, 2).changed_at)
        move()
        at.pass_time(-DAY)  # the clock is set back
    desk.turn(at_once=True)
    times.append(proofs_at(desk, 2).changed_at)
    assert desk.states[0] == "lost"
    assert times == sorted(times)
    assert times[0] > 0


def test_an_empty_log_and_one_that_has_not_grown_are_not_stamped(at: World, desk: Desk) -> None:
    desk.turn(at_once=True)
    assert submissions(at) == 0
    desk.add()
    desk.turn()
    desk.finish()
    for _ in range(5):
        at.pass_time(HOUR)
        assert "submitted" not in words(desk.settle())
        assert "submitted" not in words(desk.turn(at_once=True))
    assert submissions(at) == 2


def test_a_log_that_grows_is_stamped_once_an_interval(at: World, desk: Desk) -> None:
    for number in range(8):
        desk.add()
        desk.settle()
        at.pass_time(HOUR // 4)
        assert len(desk.rows) == 1 + number // 4
    desk.add()
    assert words(desk.turn(at_once=True)).count("submitted") == 1


def test_anchors_and_beacons_alone_never_cause_another_anchor(at: World, desk: Desk) -> None:
    desk.add(2)
    desk.turn()
    for _ in range(60):
        at.mine()
        at.pass_time(HOUR)
        desk.settle()
    assert desk.states == ["final"]
    assert len(stated(desk, "time_beacon")) > 30
    assert len(stated(desk, "timestamp_anchor")) == 2


def test_what_the_log_states_besides_is_anchored(at: World, desk: Desk) -> None:
    desk.add()
    desk.turn()
    desk.finish()
    hint = statements.make(
        at.log.read_signer(),
        event_type="mirror_hint",
        subject=pith_number(record(0)),
        target="record",
        payload={
            "name": "a mirror",
            "mirror_type": "https",
            "base_url": "https://mirror.example",
            "bundle_url": "https://mirror.example/bundle.json",
            "state_url": "https://mirror.example/state.json",
            "well_known_bundle_url": "https://mirror.example/.well-known/bundle.json",
            "status": "active",
        },
        created_at=at.now,
    )
    statements.append(desk.writer, [hint])
    desk.writer.publish(at.now)
    at.pass_time(HOUR)
    assert "submitted" in words(desk.turn())


def test_a_beacon_of_another_s_key_is_an_event_like_others(at: World, desk: Desk) -> None:
    desk.add()
    desk.turn()
    desk.finish()
    draft = {
        "schema_version": "1.0",
        "event_type": "time_beacon",
        "subject_pith_number": at.log.origin,
        "target": "log",
        "payload": time_beacon.build(
            network="regtest", height=1, header=at.chain.header(1).header.raw
        ),
        "signer": signer(),
        "created_at": "2026-06-01T00:00:00Z",
        "supersedes": [],
        "prev_event": None,
    }
    sent = event.sign(draft, KEY, "2026-06-01T00:00:00.000000Z")
    (placed,) = desk.writer.add([canonical(sent)])
    assert isinstance(placed, tuple), placed
    desk.writer.publish(at.now)
    at.pass_time(HOUR)
    assert "submitted" in words(desk.turn())


def test_anchoring_costs_the_same_for_many_entries_as_for_few(tmp_path: Path) -> None:
    asked = []
    for count in (1, 600):
        with world(tmp_path / str(count)) as at, at_work(at) as desk:
            at.settings = replace(at.settings, statements="none")
            desk.anchorer._settings = at.settings
            desk.add(count)
            desk.turn()
            desk.finish()
            asked.append([len(calendar.requests) for calendar in at.calendars])
    assert asked[0] == asked[1]


# Calendars


def test_two_calendars_down_of_four_change_nothing(tmp_path: Path) -> None:
    with world(tmp_path / "log", calendars=4) as at, at_work(at) as desk:
        at.calendars[1].fault = "server error"
        at.calendars[3].close()
        desk.add(2)
        assert "submitted" in words(desk.turn())
        health = desk.anchorer.health
        assert [health[each.url].failed for each in at.calendars] == [0, 1, 0, 1]
        desk.finish()
        assert desk.states == ["final"]
        assert len(anchors.read_stamps(desk.db, 1)) == 2
        assert submissions(at) == 3


def test_a_submission_that_too_few_take_is_made_up_for(tmp_path: Path) -> None:
    with world(tmp_path / "log", calendars=3) as at, at_work(at) as desk:
        for calendar in at.calendars[1:]:
            calendar.fault = "busy"
        desk.add()
        desk.turn()
        assert desk.states == ["pending"]
        assert "1 of 2 calendars needed have taken it" in desk.anchorer.waiting["stamp"]
        before = submissions(at)
        desk.turn()
        assert submissions(at) == before  # not at once
        at.calendars[2].fault = None
        at.pass_time(60)
        assert words(desk.turn()) == ["submitted"]
        assert desk.anchorer.waiting == {}
        assert len(desk.rows) == 1
        stamps = anchors.read_stamps(desk.db, 1)
        assert {stamp.calendar for stamp in stamps} == {at.calendars[n].url for n in (0, 2)}
        assert len(at.calendars[0].commitments) == 1


@pytest.mark.parametrize(
    "fault",
    ["server error", "busy", "redirect", "garbage", "cut short", "oversized", "foreign calendar"],
)
def test_a_log_that_no_calendar_serves_waits_and_says_so(at: World, desk: Desk, fault: str) -> None:
    for calendar in at.calendars:
        calendar.fault = fault
    desk.add(4)
    for _ in range(5):
        assert words(desk.turn()) in ([], ["beacon"])
        at.pass_time(HOUR)
    assert desk.rows == []
    waiting = desk.anchorer.waiting["stamp"]
    assert waiting.startswith("checkpoint of size")
    assert "0 of 2 calendars needed have taken it" in waiting
    for calendar in at.calendars:
        calendar.fault = None
    assert "submitted" in words(desk.turn())
    assert desk.anchorer.waiting == {}


@pytest.mark.parametrize(
    "fault", ["pending", "confirming", "not found", "posted, then not found", "server error"]
)
def test_a_calendar_that_has_no_path_yet_is_asked_again(at: World, desk: Desk, fault: str) -> None:
    desk.add()
    desk.turn()
    for calendar in at.calendars:
        calendar.fault = fault
    at.mine()
    assert "attested" not in words(desk.turn())
    assert desk.states == ["pending"]
    assert ("upgrade" in desk.anchorer.waiting) == (fault == "server error")
    for calendar in at.calendars:
        calendar.fault = None
    at.mine()
    assert "attested" in words(desk.settle())


def test_a_calendar_is_not_asked_again_at_once(at: World, desk: Desk) -> None:
    desk.add()
    desk.turn()
    at.pass_time(90)
    desk.settle()
    asked = sum(len(calendar.requests) for calendar in at.calendars)
    for _ in range(5):
        desk.turn()
    assert sum(len(calendar.requests) for calendar in at.calendars) == asked
    desk.turn(at_once=True)
    assert sum(len(calendar.requests) for calendar in at.calendars) == asked + 2


def test_on_a_disk_that_takes_nothing_calendars_are_left_in_peace(at: World, desk: Desk) -> None:
    desk.add()
    desk.db.execute("PRAGMA query_only = ON")
    for _ in range(60):
        at.pass_time(5)
        desk.anchorer.turn(at.now)
    assert "readonly" in desk.anchorer.waiting["stamp"]
    assert 2 <= submissions(at) <= 10
    desk.db.execute("PRAGMA query_only = OFF")
    at.pass_time(600)
    assert "submitted" in words(desk.turn())
    at.pass_time(90)
    desk.db.execute("PRAGMA query_only = ON")
    before = sum(len(calendar.requests) for calendar in at.calendars)
    desk.anchorer.turn(at.now)
    assert "readonly" in desk.anchorer.waiting["upgrade"]
    assert sum(len(calendar.requests) for calendar in at.calendars) == before


def test_a_log_that_rests_is_stamped_again_where_calendars_have_ended(
    at: World, desk: Desk
) -> None:
    for calendar in at.calendars:
        calendar.fault = "never upgrading"
    desk.add()
    desk.turn()
    for _ in range(23):
        at.pass_time(HOUR)
        desk.turn()
    assert desk.states == ["pending"]
    at.pass_time(HOUR)
    assert "submitted" in words(desk.turn())
    assert desk.states == ["pending", "pending"]
    for calendar in at.calendars:
        calendar.fault = None
        del calendar.commitments[0]
    desk.finish()
    assert desk.states == ["pending", "final"]
    at.pass_time(2 * DAY)
    desk.settle()
    assert len(desk.rows) == 2


def test_a_calendar_that_names_a_block_it_is_not_in_is_refuted(at: World, desk: Desk) -> None:
    desk.add()
    desk.turn()
    other = RegtestChain(START + 7)  # the calendar lives on another chain
    liar = at.calendars[0]
    liar._chain = other
    liar.stamp(other.time + 600)
    at.calendars[1].fault = "pending"
    at.mine()
    assert "refuted" in words(desk.settle())
    assert desk.states == ["pending"]
    assert all(stamp.attested is None for stamp in anchors.read_stamps(desk.db, 1))
    at.calendars[1].fault = None
    desk.finish()
    assert desk.states == ["final"]


def test_an_older_anchor_that_a_newer_one_covers_is_asked_for_less_often(
    at: World, desk: Desk
) -> None:
    desk.add()
    for calendar in at.calendars:
        calendar.fault = "never upgrading"
    desk.turn()
    stuck = [calendar.commitments[0] for calendar in at.calendars]
    at.pass_time(HOUR)
    for calendar in at.calendars:
        calendar.fault = None
        calendar.commitments.remove(stuck.pop(0))
    desk.add()
    desk.turn()
    desk.finish()
    assert desk.states == ["pending", "final"]
    before = at.calendars[0].requests[:]
    for _ in range(10):
        at.pass_time(HOUR // 2 + 60)  # the longest pause for what nothing newer covers
        desk.settle()
    asked = len(at.calendars[0].requests) - len(before)
    assert 3 <= asked <= 6


# Blocks


def test_without_headers_an_anchor_waits_and_says_so(at: World) -> None:
    at.headers = None
    with at_work(at) as desk:
        desk.add()
        desk.turn()
        desk.finish()
        assert desk.states == ["attested"]
        assert desk.anchorer.waiting["look"] == "no source of block headers is configured"
        assert stated(desk, "time_beacon") == stated(desk, "timestamp_anchor") == []
    at.headers = at.chain
    with at_work(at) as desk:
        desk.settle()
        assert desk.states == ["final"]
        assert desk.anchorer.waiting == {}


class Doubtful:
    """A source of headers with a trouble of its own."""

    def __init__(self, chain: RegtestChain, trouble: str) -> None:
        self._chain = chain
        self._trouble = trouble

    @property
    def network(self) -> Network:
        return REGTEST

    def tip(self) -> int:
        if self._trouble == "down":
            raise UnavailableError("node does not answer")
        return self._chain.tip() - (10 if self._trouble in ("behind", "modest") else 0)

    def header(self, height: int) -> GradedHeader:
        if height > self.tip() and self._trouble != "modest":
            raise MissingError(f"no block {height}")
        found = self._chain.header(height)
        return replace(found, grade=UNCHECKED) if self._trouble == "unchecked" else found


@pytest.mark.parametrize("trouble", ["down", "behind", "modest", "unchecked"])
def test_nothing_is_confirmed_while_headers_cannot_be_had(at: World, trouble: str) -> None:
    at.headers = Doubtful(at.chain, trouble)
    with at_work(at) as desk:
        desk.add()
        desk.turn()
        at.mine(7)
        desk.settle()
        assert desk.states == ["attested"]
        assert stated(desk, "timestamp_anchor") == []
        if trouble == "unchecked":
            assert stated(desk, "time_beacon") == []
    at.headers = at.chain
    with at_work(at) as desk:
        desk.settle()
        assert desk.states == ["final"]


class Counting(Doubtful):
    """A source that counts how often it was asked."""

    asked = 0

    def tip(self) -> int:
        self.asked += 1
        return super().tip()


def test_a_source_that_does_not_answer_is_asked_no_more_often_than_one_that_does(
    at: World, desk: Desk
) -> None:
    source = desk.anchorer._watcher._headers = Counting(at.chain, "down")
    for _ in range(60):
        at.pass_time(5)
        desk.anchorer.turn(at.now)
    assert source.asked == 5
    assert desk.anchorer.waiting == {"look": "node does not answer"}


def test_what_was_named_while_a_source_was_down_is_looked_at_when_it_answers(
    at: World, desk: Desk
) -> None:
    desk.add()
    desk.turn()
    at.mine(2)
    desk.turn(at_once=True)  # so that there is no newer block than the one that was seen
    desk.anchorer._watcher._headers = Counting(at.chain, "down")
    (first, second) = anchors.read_stamps(desk.db, 1)
    before = desk.rows[0]._replace(
        state="attested", height=None, header=None, grade=None, path=None
    )
    desk.db.execute("BEGIN")
    anchors.write_anchor(desk.db, before)
    anchors.write_stamp(desk.db, first._replace(attested=None, ask_after=0))
    anchors.write_stamp(desk.db, second._replace(attested=None, ask_after=0))
    desk.db.execute("COMMIT")
    assert words(desk.turn()) == ["attested", "attested"]
    desk.anchorer._watcher._headers = at.chain
    at.pass_time(60)
    assert "confirmed" in words(desk.turn())


def test_a_reorganisation_of_seven_blocks_loses_the_anchor_and_it_is_made_again(
    at: World, desk: Desk
) -> None:
    desk.add(3)
    desk.turn()
    at.mine(7)
    desk.settle()
    assert desk.states == ["final"]
    assert desk.rows[0].height == 101
    before = stated(desk, "timestamp_anchor")
    assert len(before) == 3
    at.chain.reorganise(7)
    happened = desk.turn(at_once=True)
    assert "lost" in words(happened)
    assert desk.states == ["lost"]
    assert desk.rows[0].path is None
    with pytest.raises(MissingError):
        anchored.best(desk.db, 0, at.log.verifier)
    happened = desk.turn()
    assert "submitted" in words(happened)  # without waiting for the interval
    assert desk.states[1] == "pending"
    desk.finish()
    assert desk.states == ["final", "final"]  # calendars stamp again what they lose
    assert all(row.height > 108 for row in desk.rows if row.height is not None)
    after = stated(desk, "timestamp_anchor")[3:]
    assert [each["supersedes"] for each in after] == [[each["event_id"]] for each in before]
    fsck(at.log.path, lambda done, total: None)


def test_a_block_that_comes_back_brings_its_anchor_back(at: World, desk: Desk) -> None:
    desk.add()
    desk.turn()
    at.mine(5)
    desk.settle()
    assert desk.states == ["confirmed"]
    chain = at.chain
    desk.anchorer._watcher._headers = chain.fork(5)
    desk.turn(at_once=True)
    assert desk.states == ["lost"]
    desk.anchorer._watcher._headers = chain
    at.mine(6)
    desk.settle()
    assert desk.states[0] == "final"
    assert desk.rows[0].height == 101


def test_a_buried_anchor_is_not_looked_at_again(at: World, desk: Desk) -> None:
    desk.add()
    desk.turn()
    desk.finish()
    desk.settle()
    at.chain.mine_empty(100)
    at.now = at.chain.time
    desk.settle()
    row = desk.rows[0]
    assert row.height is not None
    assert anchors.read_unburied(desk.db, at.chain.height - 100, 10) == []
    at.chain.mine_empty(1)
    assert anchors.read_unburied(desk.db, row.height - 1, 10) == [row]


# The clock


@pytest.mark.parametrize("jump", [-(10**7), -HOUR, -1, 10**7])
def test_a_clock_that_jumps_makes_nothing_wait_for_ever(at: World, desk: Desk, jump: int) -> None:
    desk.add()
    desk.turn()
    at.now += jump
    at.mine()
    desk.add()
    desk.settle()
    at.now -= jump
    desk.add()
    at.pass_time(HOUR)
    desk.settle()
    desk.finish()
    assert desk.states
    assert set(desk.states) == {"final"}
    assert len(desk.states) <= 3
    assert anchored.best(desk.db, 2, at.log.verifier).row.state == "final"
    subjects = [each["subject_pith_number"] for each in stated(desk, "timestamp_anchor")]
    assert sorted(subjects) == sorted({pith_number(record(n)) for n in range(3)})


def test_beacons_are_stated_only_of_fresh_blocks_and_once_an_interval(
    at: World, desk: Desk
) -> None:
    desk.turn()
    assert [each["payload"]["height"] for each in stated(desk, "time_beacon")] == [95]
    for _ in range(6):
        at.mine()
        desk.turn(at_once=True)
    assert len(stated(desk, "time_beacon")) == 2
    at.pass_time(5 * HOUR)  # no block for hours: what we know is old, or our clock is wrong
    desk.turn(at_once=True)
    assert len(stated(desk, "time_beacon")) == 2
    (first, second) = stated(desk, "time_beacon")
    assert first["subject_pith_number"] == at.log.origin
    assert second["payload"]["header_hex"] == at.chain.header(101).header.raw.hex()


def test_what_comes_after_a_beacon_was_not_before_its_block(at: World, desk: Desk) -> None:
    desk.add()
    assert anchored.not_before(desk.db, 0) is None
    desk.turn()
    desk.add()
    beacon = stated(desk, "time_beacon")[0]["payload"]
    assert anchored.not_before(desk.db, 1) is None  # the beacon itself
    assert anchored.not_before(desk.db, 2) == (95, beacon["block_hash"])


def test_a_beacon_whose_block_left_the_chain_shows_nothing(at: World, desk: Desk) -> None:
    at.mine(20)
    desk.turn()
    desk.add()
    (beacon,) = stated(desk, "time_beacon")
    height = beacon["payload"]["height"]
    assert anchored.not_before(desk.db, 1) == (height, beacon["payload"]["block_hash"])
    at.chain.reorganise(at.chain.height - height + 1)
    assert "beacon-lost" in words(desk.turn(at_once=True))
    assert anchored.not_before(desk.db, 1) is None


# What is announced


def test_records_are_told_once_with_the_first_policy(at: World, desk: Desk) -> None:
    desk.add(3)
    desk.turn()
    desk.finish()
    told = stated(desk, "timestamp_anchor")
    assert [each["payload"]["index"] for each in told] == [0, 1, 2]
    for each in told:
        payload = each["payload"]
        assert each["subject_pith_number"] == pith_number(record(payload["index"]))
        assert payload["tree_size"] == 3
        assert payload["attestations"][0]["height"] == 101
        assert each["supersedes"] == []
    at.pass_time(HOUR)
    desk.add(2)
    desk.turn()
    desk.finish()
    told = stated(desk, "timestamp_anchor")[3:]
    assert len(told) == 2
    assert {each["payload"]["not_before"]["height"] for each in told} != {None}


@pytest.mark.parametrize(("policy", "count"), [("none", 0), ("first", 2), ("every", 3)])
def test_the_policy_says_what_is_told(at: World, policy: Any, count: int) -> None:
    at.settings = replace(at.settings, statements=policy)
    with at_work(at) as desk:
        desk.add(2)
        desk.writer.add([canonical(attestation_event(1, 0).value)])  # about the first
        desk.writer.publish(at.now)
        desk.turn()
        desk.finish()
        assert len(stated(desk, "timestamp_anchor")) == count


def test_more_than_a_batch_is_told_in_order(at: World, desk: Desk) -> None:
    count = 2 * BATCH_LEAVES + 3
    desk.add(count)
    desk.turn()
    at.mine(6)
    desk.settle()
    told = stated(desk, "timestamp_anchor")
    assert [each["payload"]["index"] for each in told] == list(range(count))
    (announced,) = announcements.read(desk.db, "done")
    assert (announced.start, announced.position, announced.stop) == (0, count, count)


def test_a_batch_that_the_log_does_not_take_is_not_tried_again_at_once(
    at: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add(3)
    desk.turn()
    at.mine(7)

    def full(raws: Any) -> Any:
        raise BusyError("the line is full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.writer, "add", full)
        desk.settle()
        assert desk.anchorer.waiting["announce"] == "the line is full"
        assert not desk.anchorer.is_behind
    desk.settle()
    assert len(stated(desk, "timestamp_anchor")) == 3


def test_anchors_of_another_key_s_note_are_refused(at: World, desk: Desk) -> None:
    desk.add()
    desk.turn()
    other = Verifier(name=at.log.origin, public_key=bytes(31) + b"\1")
    with pytest.raises(SignatureError):
        anchored.best(desk.db, 0, other)


def test_every_turn_by_another_process_comes_to_the_same(tmp_path: Path) -> None:
    ends = []
    for name, restarts in (("one", False), ("many", True)):
        with world(tmp_path / name) as at:
            with at_work(at) as desk:
                desk.add(3)
                if not restarts:
                    desk.turn()
                    desk.finish()
            for _ in range(14) if restarts else ():
                with at_work(at) as desk:
                    desk.turn()
                at.mine()
            with at_work(at) as desk:
                ends.append((desk.states, len(stated(desk, "timestamp_anchor"))))
                assert submissions(at) == 2
    assert ends[0] == ends[1] == (["final"], 3)
