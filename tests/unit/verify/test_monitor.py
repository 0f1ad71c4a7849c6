"""The monitor against a log that lies in every way, and one that does not: each is told once."""

import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from tests.simulators.monitors import NOW, Watcher, kinds, proved, watching
from tests.simulators.payloads import rotated
from translog.errors import MissingError, TooLargeError, UnavailableError
from translog.formats import mldsa
from translog.formats.canonical import canonical
from translog.formats.checkpoint import Checkpoint, open_checkpoint
from translog.formats.cosignature import CosigningKey
from translog.formats.keys import SigningKey
from translog.formats.merkle import Hash
from translog.formats.note import NoteSigner
from translog.formats.policy import believing, parse_policy
from translog.formats.published import event_path
from translog.formats.tree import root
from translog.pith.build import build_bundle
from translog.pith.event import Event, restore
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import decisions, timestamp_anchor
from translog.testing.events import (
    KEY,
    SIGNED_AT,
    attestation,
    creation,
    number_of,
    pith_key,
    signed,
    signing_key,
)
from translog.testing.log import LyingLog, lying_log
from translog.testing.published import LOG_KEY, Published, entry_of
from translog.verify.monitor_events import Watch
from translog.verify.monitor_facts import Fact
from translog.verify.monitor_heads import Place
from translog.verify.monitor_permits import Decision, Permits
from translog.verify.monitor_steps import Step

PREVIOUS = f"sha256:{'ab' * 32}"
OTS_HEAD = bytes.fromhex("004f70656e54696d657374616d7073000050726f6f6600bf89e2e884e892940108")
EVENTS = [creation(1), *(attestation(number, paper=1) for number in range(9))]


@pytest.fixture
def log() -> Iterator[LyingLog]:
    with lying_log(EVENTS) as made:
        yield made


def more(start: int, count: int = 3, **changes: Any) -> list[Event]:
    return [attestation(1_000 + start + number, paper=1, **changes) for number in range(count)]


def place_of(log: LyingLog, client: str, *, tree: bool = False) -> Place:
    """Return where heads are seen as this client sees them."""
    fetch = log.fetch(client)
    return Place(
        name=client, read=lambda: fetch("checkpoint", 10_000), fetch=fetch if tree else None
    )


# An honest log


def test_an_honest_log_is_followed_in_silence(log):
    monitor = watching(log)
    for turn in range(20):
        assert monitor.turn() == []
        assert monitor.position.size == log.truth.size
        log.append(more(turn * 10, turn))


def test_it_starts_on_an_empty_log():
    with lying_log() as log:
        monitor = watching(log)
        assert monitor.turn() == []
        assert monitor.position.size == 0
        log.append(EVENTS)
        assert monitor.turn() == []
        assert monitor.position.size == len(EVENTS)


@pytest.mark.parametrize("seed", range(3))
def test_a_long_random_honest_history_is_silent(seed):
    random_ = random.Random(seed)
    with lying_log() as log:
        subject = number_of(1)
        watch = Watch(records=frozenset({number_of(99)}))
        monitor = watching(log, watch=watch)
        other = watching(log, client="other")
        monitor.lets_go_of(
            places=(place_of(log, "witness"), place_of(log, "mirror", tree=True)),
            bundles=(("log", log.fetch("me")),),
        )
        made: list[Event] = []
        for turn in range(40):
            count = random_.choice([0, 0, 1, 2, 30, 300])
            events = [attestation(turn * 1_000 + n, paper=1) for n in range(count)]
            if made and random_.random() < 0.3:
                last = random_.choice(made).event_id
                used = {each.value["prev_event"] for each in made}
                if last not in used:
                    events.append(attestation(turn * 1_000 + 999, prev_event=last))
            made += events
            log.append(events)
            for each in (monitor, other):
                if random_.random() < 0.7:
                    assert each.turn() == [], subject
        assert monitor.turn() == other.turn() == []
        assert monitor.position.size == len(made)
        assert not monitor.position.conditions
        assert not monitor.owed


def test_what_was_scanned_is_not_fetched_again(log):
    monitor = watching(log)
    log.append(more(0, 600))
    monitor.turn()
    asked: list[str] = []
    fetch = monitor.log.fetch

    def counted(path: str, limit: int) -> bytes:
        asked.append(path)
        return fetch(path, limit)

    monitor.lets_go_of(fetch=counted, check_every=10_000)
    monitor.turn()
    assert asked == ["checkpoint"]
    log.append(more(1_000, 2))
    monitor.turn()
    assert not any(path.startswith(("tile/entries/000", "events/000")) for path in asked)


def test_a_step_covers_what_was_scanned_and_no_more(log):
    log.append(more(0, 1_000))
    monitor = watching(log)
    log.withhold("tile/entries/002", "me")
    assert monitor.turn() == []
    assert monitor.position.size == 512
    assert monitor.position.head.size == log.truth.size
    log.relent("me")
    assert monitor.turn() == []
    assert monitor.position.size == log.truth.size
    assert len(monitor.marks) == 1


# Heads


LIES = {
    "fork": lambda log: log.fork("me", at=3),
    "backdate": lambda log: log.backdate(attestation(77), at=2, client="me"),
    "misstate": lambda log: log.misstate(log.truth.size, Hash(bytes(32)), client="me"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_changed_past_is_proved_to_anyone(log, lie):
    monitor = watching(log)
    monitor.turn()
    LIES[lie](log)
    (fact,) = monitor.turn()
    assert (fact.kind, fact.severity) == ("fork", "alarm")
    assert proved(fact, log.verifier)
    for _ in range(3):
        log.append(more(50))
        assert monitor.turn() == []
    assert monitor.position.size == len(EVENTS)


def test_a_log_that_shrank_is_reported_once(log):
    monitor = watching(log)
    monitor.turn()
    for size in (4, 5, 6, 0):
        log.roll_back(size, client="me")
        found = monitor.turn()
        assert kinds(found) == ["shrunken-log"] * (size == 4)
    (fact,) = monitor.facts.values()
    assert not proved(fact, log.verifier)
    log.relent("me")
    log.append(more(0))
    assert monitor.turn() == []
    assert monitor.position.size == log.truth.size


def test_a_smaller_head_of_another_tree_is_a_fork(log):
    monitor = watching(log)
    monitor.turn()
    log.fork("me", at=2)
    log.roll_back(7, client="me")
    log._own("me").log.files |= log.truth.files | {"checkpoint": log._own("me").checkpoint}
    (fact,) = monitor.turn()
    assert fact.kind == "fork"
    assert proved(fact, log.verifier)


def test_a_frozen_log_is_told_after_its_time(log):
    monitor = watching(log)
    monitor.turn()
    log.freeze("me")
    log.append(more(0))
    assert monitor.turn(9_999) == []
    (fact,) = monitor.turn(2)
    assert (fact.kind, fact.severity) == ("frozen-log", "warning")
    assert not proved(fact, log.verifier)
    assert monitor.turn(20_000) == []
    log.relent("me")
    assert monitor.turn() == []


def test_silence_is_told_when_it_lasts_and_again_when_it_begins_anew(log):
    monitor = watching(log)
    for begin in range(2):
        log.stall("me")
        assert monitor.turn() == monitor.turn(99) == []
        (fact,) = monitor.turn(1)
        assert fact.kind == "silent", begin
        assert monitor.turn(1_000) == []
        log.relent("me")
        assert monitor.turn() == []


def test_a_head_that_is_not_the_logs_is_told_at_once(log):
    monitor = watching(log)
    monitor.turn()
    other = Published(EVENTS, key=signing_key("thief"))
    alias = Published(EVENTS, origin="example.com/other", key=LOG_KEY)
    for note in (other.checkpoint(3), b"nonsense", alias.checkpoint(3)):
        log.relent("me")
        assert monitor.turn() == []
        log._own("me").checkpoint = note
        (fact,) = monitor.turn()
        assert (fact.kind, fact.severity) == ("wrong-head", "alarm")
        assert monitor.turn() == []


WITNESS = CosigningKey(name="w.example", key=signing_key("witness"))


def quorate(log: LyingLog, time: int | None) -> None:
    """Show the newest head, cosigned at `time`, or not."""
    note = log.truth.checkpoint(log.truth.size)
    if time is not None:
        head = open_checkpoint(note, log.verifier)
        note += str(WITNESS.cosign(head, time)).encode()
    log._own("me").checkpoint = note


def test_the_head_of_another_log_of_the_same_policy_is_not_the_logs(log):
    other = Published(EVENTS, origin="example.com/other", key=signing_key("other"))
    monitor = watching(log, policy=believing(log.verifier, other.verifier))
    log._own("me").checkpoint = other.checkpoint(3)
    (fact,) = monitor.turn()
    assert fact.kind == "wrong-head"
    assert "it is of 'example.com/other'" in fact.sentence


def test_a_log_that_only_gets_new_cosignatures_is_frozen_all_the_same(log):
    monitor = watching(log)
    for _ in range(10):
        quorate(log, monitor.now)  # nobody asked for these
        assert monitor.turn(1_000) == []
    quorate(log, monitor.now)
    assert kinds(monitor.turn(1_001)) == ["frozen-log"]


def test_a_missing_quorum_is_told_when_it_lasts(log):
    lines = f"log {log.verifier.vkey}\nwitness w {WITNESS.cosigner.vkey}\nquorum w\n"
    monitor = watching(log, policy=parse_policy(lines.encode()))
    quorate(log, NOW)
    assert monitor.turn() == []
    quorate(log, None)
    assert monitor.turn() == []
    (fact,) = monitor.turn(100)
    assert (fact.kind, fact.severity) == ("no-quorum", "warning")
    quorate(log, NOW + 110)
    assert monitor.turn() == []


def test_a_quorum_whose_name_is_no_text_can_be_told(log):
    lines = f"log {log.verifier.vkey}\nwitness w {WITNESS.cosigner.vkey}\ngroup (g) any w\n"
    octets = f"{lines}quorum (g)\n".encode().replace(b"(g)", b"gr\xf6\xdfe")
    monitor = watching(log, policy=parse_policy(octets))
    assert monitor.turn() == []
    (fact,) = monitor.turn(100)
    assert b"without quorum 'gr" in canonical(fact.alert(log.truth.origin, NOW))


def test_a_frozen_log_is_seen_by_the_witnesses_time_at_first_sight(log):
    lines = f"log {log.verifier.vkey}\nwitness w {WITNESS.cosigner.vkey}\nquorum w\n"
    monitor = watching(log, policy=parse_policy(lines.encode()))
    quorate(log, NOW - 20_000)
    assert kinds(monitor.turn()) == ["frozen-log"]
    quorate(log, NOW + 10)
    assert monitor.turn() == []
    quorate(log, NOW + 1_000)
    (fact,) = monitor.turn()
    assert fact.kind == "clock"


def test_a_head_is_as_fresh_as_a_whole_quorum_says(log):
    second = CosigningKey(name="v.example", key=signing_key("second"))
    vkeys = [each.cosigner.vkey for each in (WITNESS, second)]
    lines = f"witness w {vkeys[0]}\nwitness v {vkeys[1]}\ngroup both all w v\nquorum both\n"
    monitor = watching(log, policy=parse_policy(f"log {log.verifier.vkey}\n{lines}".encode()))
    quorate(log, NOW)
    head = open_checkpoint(log.truth.checkpoint(log.truth.size), log.verifier)
    log._own("me").checkpoint += str(second.cosign(head, NOW - 20_000)).encode()
    assert kinds(monitor.turn()) == ["frozen-log"]


# Split views


@pytest.mark.parametrize("ahead", [0, 3])
@pytest.mark.parametrize("tree", [False, True])
def test_a_fork_is_seen_by_asking_a_witness_or_a_mirror(log, ahead, tree):
    monitor = watching(log)
    monitor.lets_go_of(places=(place_of(log, "witness", tree=tree),))
    assert monitor.turn() == []
    log.fork("me", at=5)
    monitor = watching(log)
    monitor.lets_go_of(places=(place_of(log, "witness", tree=tree),))
    if ahead:
        log.truth.append(more(0, ahead))
        log.truth.publish()
    found = monitor.turn()
    if ahead and not tree:
        assert found == []  # theirs is larger: only when ours has grown can it be compared
        assert len(monitor.position.pending) == 1
        log._own("me").log.append(more(100, ahead + 1))
        log._own("me").log.publish()
        found = monitor.turn()
    (fact,) = found
    assert fact.kind == "fork"
    assert proved(fact, log.verifier)
    assert monitor.turn() == []


def test_two_monitors_that_exchange_what_they_see_find_the_fork(log):
    log.fork("two", at=5)
    one, two = watching(log, client="one"), watching(log, client="two")

    def seen_by(monitor: Watcher) -> Place:
        return Place(name="other", read=lambda: monitor.position.head.note)

    assert one.turn() == two.turn() == []
    one.lets_go_of(places=(seen_by(two),))
    two.lets_go_of(places=(seen_by(one),))
    for monitor in (one, two):
        (fact,) = monitor.turn()
        assert fact.kind == "fork"
        assert proved(fact, log.verifier)


def test_a_log_that_shows_others_more_is_told_when_it_lasts(log):
    log.freeze("me")
    log.append(more(0))
    monitor = watching(log)
    monitor.lets_go_of(places=(place_of(log, "witness"),))
    assert monitor.turn() == monitor.turn(99) == []
    (fact,) = monitor.turn(1)
    assert (fact.kind, fact.severity) == ("behind", "warning")
    assert not proved(fact, log.verifier)
    log.relent("me")
    assert monitor.turn() == []
    assert monitor.position.pending == ()


@pytest.mark.parametrize("away", [True, False])
def test_a_log_that_keeps_its_tree_from_comparison_is_told(log, away):
    monitor = watching(log)
    other = log.truth.rewritten(3, more(0, 3))
    others = [other.checkpoint(size) for size in (5, 6)]
    other.publish()
    assert monitor.turn() == []  # all is scanned, so nothing else asks for tiles
    monitor.lets_go_of(
        places=tuple(Place(name=f"w{n}", read=lambda n=n: others[n]) for n in range(2))
    )
    if away:
        log.withhold("tile/0/000.p/10", "me")
        assert monitor.turn() == []
        (fact,) = monitor.turn(100)
        assert (fact.kind, fact.severity) == ("withheld", "alarm")
    else:
        log.corrupt("tile/0/000.p/10", at=0, client="me")
        (fact,) = monitor.turn()
        assert (fact.kind, fact.severity) == ("corrupt", "alarm")
    assert not proved(fact, log.verifier)
    assert monitor.turn() == []
    log.relent("me")
    found = monitor.turn()
    assert [(each.kind, each.about[0]) for each in found] == [("fork", "w0"), ("fork", "w1")]
    assert monitor.position.pending == ()


def test_what_was_compared_does_not_wait(log):
    monitor = watching(log)
    old = log.truth.checkpoint(5)
    assert monitor.turn() == []
    log.roll_back(8, "me")
    monitor.lets_go_of(places=(Place(name="witness", read=lambda: old),))
    assert kinds(monitor.turn()) == ["shrunken-log"]
    assert monitor.position.pending == ()


def test_what_cannot_be_compared_keeps_no_other_head_from_it(log):
    log.append(more(0, 300))
    monitor = watching(log)
    other = log.truth.rewritten(290, more(500, 20))
    heads = [log.truth.checkpoint(100), other.checkpoint(300)]
    assert monitor.turn() == []
    heads_of = [Place(name=f"w{n}", read=lambda n=n: heads[n]) for n in range(2)]
    monitor.lets_go_of(places=tuple(heads_of))
    log.withhold("tile/0/000", "me")
    assert kinds(monitor.turn()) == ["fork"]
    monitor.lets_go_of(places=(heads_of[0],))
    last = monitor.position.pending[-1]
    monitor.position = replace(
        monitor.position,
        pending=(last, replace(last, note=heads[1], size=300, root="", place="late")),
    )
    assert [fact.about for fact in monitor.turn() + monitor.turn()] == [("late",)]
    assert kinds(monitor.turn(100)) == ["withheld"]


def test_a_place_that_shows_nonsense_is_named_and_one_that_is_silent_when_that_lasts(log):
    def wrong() -> bytes:
        return b"nonsense"

    def away() -> bytes:
        raise UnavailableError("away")

    def unknown() -> bytes:
        raise MissingError("it knows no such log")

    monitor = watching(log)
    monitor.lets_go_of(
        places=tuple(Place(name=read.__name__, read=read) for read in (wrong, away, unknown))
    )
    (fact,) = monitor.turn()
    assert (fact.kind, fact.about[0]) == ("wrong-place", "wrong")
    assert monitor.turn() == monitor.turn(89) == []
    found = monitor.turn(1)
    assert [(fact.kind, fact.severity) for fact in found] == [("silent-place", "warning")] * 2
    assert [fact.about[0] for fact in found] == ["away", "unknown"]
    assert "unknown has shown no head to compare with for 100 s" in found[1].sentence
    assert monitor.turn() == []
    good = place_of(log, "away")
    monitor.lets_go_of(places=(good,))
    assert monitor.turn(100) == []
    assert "silent-place:away" not in monitor.position.conditions
    monitor.lets_go_of(places=(Place(name="away", read=away),))
    assert monitor.turn() == []
    assert kinds(monitor.turn(100)) == ["silent-place"]  # it began anew


def test_places_that_are_asked_no_more_leave_nothing_behind(log):
    def away() -> bytes:
        raise UnavailableError("away")

    monitor = watching(log)
    monitor.lets_go_of(places=(Place(name="gone", read=away),))
    monitor.turn()
    assert "silent-place:gone" in monitor.position.conditions
    monitor.lets_go_of(places=())
    monitor.turn()
    assert not monitor.position.conditions


def test_a_log_can_sign_any_number_of_larger_heads_and_few_are_kept(log):
    count = 0

    def larger() -> bytes:
        nonlocal count
        count += 1
        return log.truth.sign(
            Checkpoint(origin=log.truth.origin, size=1_000 + count, root=Hash(bytes(32)))
        )

    monitor = watching(log)
    monitor.lets_go_of(places=(Place(name="w", read=larger),))
    for _ in range(100):
        monitor.turn(0)
    assert len(monitor.position.pending) == 64


# What is published


def test_right_entries_that_are_not_those_that_the_log_signed_are_not_scanned(log):
    log.append(more(0, 300))
    other, fetch = log.truth.rewritten(3, more(1_000, log.truth.size - 3)), log.fetch("me")
    other.publish()

    def get(path: str, limit: int) -> bytes:
        theirs = path.startswith(("tile/entries/", "tile/0/000", "event"))
        return other.files[path] if theirs else fetch(path, limit)

    monitor = watching(log)
    monitor.lets_go_of(fetch=get)
    (fact,) = monitor.turn()
    assert (fact.kind, fact.severity) == ("corrupt", "alarm")
    assert "is not what the log has signed" in fact.sentence
    assert monitor.position.size == 0


@pytest.mark.parametrize("path", ["tile/0/000.p/10", "tile/entries/000.p/10", "keys.json"])
def test_what_is_withheld_is_told_when_it_lasts(log, path):
    log.withhold(path, "me")
    monitor = watching(log)
    assert monitor.turn() == monitor.turn(99) == []
    assert monitor.position.size == 0
    (fact,) = monitor.turn(1)
    assert (fact.kind, fact.severity) == ("withheld", "alarm")
    assert path in fact.sentence
    assert not proved(fact, log.verifier)
    assert monitor.turn(1_000) == []
    log.relent("me")
    assert monitor.turn() == []
    assert monitor.position.size == len(EVENTS)
    assert not monitor.position.conditions


@pytest.mark.parametrize("path", ["tile/0/000", "tile/1/000.p/1", "tile/entries/000", "keys.json"])
def test_a_corrupted_bit_is_told_at_once(log, path):
    log.append(more(0, 300))
    size = len(log.truth.files[path])
    for at in {5, size // 2, size - 3}:
        log.corrupt(path, at, client="me")
        monitor = watching(log)
        found = monitor.turn()
        assert kinds(found) == ["corrupt"], path
        assert not proved(found[0], log.verifier)
        assert monitor.turn() == []
        log.relent("me")
        assert monitor.turn() == []
        assert monitor.position.size == log.truth.size


def test_a_missing_body_is_asked_for_again_and_then_reported(log):
    body = f"event/{log.truth.entries[4][1:33].hex()}"
    for path in (body, "events/000.p/10"):
        log.withhold(path, "me")
    monitor = watching(log)
    assert monitor.turn() == []
    assert monitor.position.size == len(EVENTS)
    assert list(monitor.owed) == [4]
    assert monitor.turn(99) == []
    (fact,) = monitor.turn(1)
    assert (fact.kind, fact.severity) == ("missing-content", "alarm")
    assert not proved(fact, log.verifier)
    assert monitor.turn() == []
    log.relent("me")
    assert monitor.turn() == []
    assert not monitor.owed


def test_a_corrupted_body_is_as_good_as_missing(log):
    body = f"event/{log.truth.entries[4][1:33].hex()}"
    start = log.truth.files["events/000.p/10"].index(log.truth.contents[4])
    log.corrupt("events/000.p/10", start + 3, client="me")
    monitor = watching(log)
    assert monitor.turn() == []
    assert not monitor.owed  # it was there by itself
    log.corrupt(body, 3, client="me")
    monitor = watching(log)
    monitor.turn()
    assert list(monitor.owed) == [4]


def test_when_no_bodies_are_there_few_are_asked_for(log):
    log.append(more(0, 300))
    monitor = watching(log)
    for path in [path for path in log.truth.files if path.startswith("event")]:
        log.withhold(path, "me")
    asked: list[str] = []
    fetch = monitor.log.fetch

    def counted(path: str, limit: int) -> bytes:
        asked.append(path)
        return fetch(path, limit)

    monitor.lets_go_of(fetch=counted)
    assert monitor.turn() == []
    assert len(monitor.owed) == log.truth.size
    assert sum(path.startswith("event/") for path in asked) < 50
    log.relent("me")
    for _ in range(30):
        assert monitor.turn() == []
    assert not monitor.owed


# Entries


def with_entry(log: LyingLog, entry: bytes, content: bytes = b"") -> None:
    log.truth.append_raw([(entry, content)])
    log.truth.publish()


def test_an_entry_that_nobody_signed_is_proved(log):
    made = attestation(50)
    with_entry(log, entry_of(made._replace(signature=bytes(64)), KEY.public_key).encode())
    monitor = watching(log)
    (fact,) = monitor.turn()
    assert (fact.kind, fact.severity) == ("invalid-entry", "alarm")
    assert proved(fact, log.verifier)
    assert monitor.position.size == log.truth.size
    assert monitor.turn() == []


def test_an_entry_that_is_none_or_no_event_is_proved(log):
    value = dict(attestation(70, key=signing_key("other")).value["payload"])
    strange = signed("author_attestation", number_of(1), value, KEY, {})
    with_entry(log, b"anything")
    with_entry(log, entry_of(strange, KEY.public_key).encode(), strange.content)
    nonsense = b"nonsense"
    digest = sha256(nonsense).digest()
    forged = strange._replace(content_sha256=digest, signature=KEY.sign(digest))
    with_entry(log, entry_of(forged, KEY.public_key).encode(), nonsense)
    found = watching(log).turn()
    assert kinds(found) == ["invalid-entry"] * 3
    assert all(proved(fact, log.verifier) for fact in found)


def test_an_entry_by_a_key_that_is_not_published_is_owed_and_told(log):
    other = signing_key("other")
    made = attestation(60, key=other)
    with_entry(log, entry_of(made, other.public_key).encode(), made.content)
    monitor = watching(log)
    assert monitor.turn() == []
    (fact,) = monitor.turn(100)
    assert fact.kind == "missing-key"
    log.truth.public_keys.append(pith_key(other))
    log.truth.publish()
    assert monitor.turn() == []
    assert not monitor.owed


# Signers


def test_a_signer_that_equivocates_is_proved_however_far_apart(log):
    log.append([attestation(500, paper=1, prev_event=PREVIOUS)])
    monitor = watching(log)
    assert monitor.turn() == []
    log.append(more(0, 600))
    assert monitor.turn() == []
    log.append([attestation(501, paper=1, prev_event=PREVIOUS)])
    (fact,) = monitor.turn()
    assert (fact.kind, fact.severity) == ("equivocation", "alarm")
    assert proved(fact, KEY.public_key)
    assert monitor.turn() == []


def test_a_signer_that_equivocates_often_makes_one_fact_of_each_event(log):
    log.append([attestation(500 + n, paper=1, prev_event=PREVIOUS) for n in range(20)])
    monitor = watching(log)
    assert kinds(monitor.turn()) == ["equivocation"] * 19
    read = monitor._read_event
    asked: list[int] = []
    monitor._read_event = lambda origin, index: (asked.append(index), read(origin, index))[1]
    log.append([attestation(600, paper=1, prev_event=PREVIOUS)])
    assert kinds(monitor.turn()) == ["equivocation"]
    assert len(asked) == 1


def test_a_key_is_shown_to_equivocate_although_another_was_first(log):
    other = signing_key("other")
    log.truth.public_keys.append(pith_key(other))
    again = creation(1, created_at="2026-06-02T00:00:00Z", key=other)
    log.append([creation(1, key=other), again])
    assert kinds(watching(log).turn()) == ["two-creations", "two-creations", "equivocation"]


def test_a_shard_is_not_blamed_for_the_silence_of_the_log_that_it_continues(log):
    log.append([attestation(500, paper=1, prev_event=PREVIOUS)])
    first = watching(log)
    first.turn()
    with lying_log([creation(2)], origin="example.com/next") as shard:
        next_ = watching(shard)
        next_.turn()
        next_.others[log.truth.origin] = first
        first.lets_go_of(fetch=missing)
        shard.append([attestation(501, paper=1, prev_event=PREVIOUS)])
        assert next_.turn() == []
        size = next_.position.size
        (fact,) = next_.turn(100)
        assert (fact.kind, fact.evidence) == ("silent-other", None)
        assert "what an event may contradict is in example.com/log" in fact.sentence
        assert next_.position.size == size  # it is looked at again
        first.lets_go_of(fetch=log.fetch("me"))
        assert kinds(next_.turn()) == ["equivocation"]
        assert "silent-other" not in next_.position.conditions


def test_a_record_created_twice_is_proved_within_one_bundle():
    with lying_log([creation(1), creation(1, created_at="2026-06-02T00:00:00Z")]) as log:
        (fact,) = watching(log).turn()
        assert fact.kind == "equivocation"
        assert proved(fact, KEY.public_key)


def test_a_record_created_by_two_keys_is_told_and_nobodys_equivocation():
    other = signing_key("other")
    with lying_log() as log:
        log.truth.public_keys.append(pith_key(other))
        log.append([creation(1), creation(1, key=other)])
        (fact,) = watching(log).turn()
        assert (fact.kind, fact.evidence) == ("two-creations", None)


def test_what_only_looks_like_an_equivocation_is_none(log):
    log.append(
        [
            attestation(500, paper=1, prev_event=PREVIOUS),
            attestation(501, paper=2, prev_event=PREVIOUS),
            attestation(502, paper=1, prev_event=f"sha256:{'cd' * 32}"),
            creation(2),
        ]
    )
    assert watching(log).turn() == []


def test_an_event_that_may_contradict_one_that_is_gone_is_told(log):
    log.append([attestation(500, paper=1, prev_event=PREVIOUS)])
    monitor = watching(log)
    monitor.turn()
    body = f"event/{log.truth.entries[-1][1:33].hex()}"
    log.append([attestation(501, paper=1, prev_event=PREVIOUS)])
    log.withhold(body, "me")
    (fact,) = monitor.turn()
    assert fact.kind == "unpublished"


# Anchors


def anchor(log: Published, size: int, tree: Published, key: SigningKey = LOG_KEY) -> Event:
    payload = timestamp_anchor.build(
        network="regtest",
        event_id=EVENTS[0].event_id,
        origin=log.origin,
        index=0,
        tree_size=size,
        root_hash=root(size, tree.read),
        ots=OTS_HEAD + EVENTS[0].content_sha256,
        blocks=[(100, bytes(68) + NOW.to_bytes(4, "little") + bytes(8))],
        not_before=None,
    )
    changes = stated_by(log.origin, key) if key is LOG_KEY else {}
    return signed("timestamp_anchor", number_of(1), payload, key, changes)


def stated_by(origin: str, key: SigningKey = LOG_KEY) -> dict[str, Any]:
    """Return the members of an event that the log itself states."""
    fingerprint = fingerprint_hex(key.public_key)
    signer = {"signer_id": origin, "signer_type": "log", "key_id": "log"}
    return {"signer": {**signer, "public_key_fingerprint": fingerprint}}


def test_an_anchor_of_another_tree_is_proved(log):
    log.truth.public_keys.append(pith_key(LOG_KEY))
    fork = log.truth.rewritten(3, more(0, 7))
    log.append([anchor(log.truth, 6, log.truth), anchor(log.truth, 10, log.truth)])
    monitor = watching(log)
    assert monitor.turn() == []
    log.append([anchor(log.truth, 6, fork)])
    (fact,) = monitor.turn()
    assert (fact.kind, fact.severity) == ("contradicting-anchor", "alarm")
    assert proved(fact, log.verifier)
    log.append([anchor(log.truth, 10, fork)])
    (fact,) = monitor.turn()
    assert proved(fact, log.verifier)
    log.append([anchor(log.truth, 7, fork, KEY)])
    assert monitor.turn() == []  # it is not the log that says so


def test_an_anchor_of_a_tree_that_was_not_yet_there_is_told(log):
    log.truth.public_keys.append(pith_key(LOG_KEY))
    later = log.truth.rewritten(10, more(0, 20))
    log.append([anchor(log.truth, 25, later)])
    (fact,) = watching(log).turn()
    assert fact.kind == "early-anchor"


# Who may write


def stated(log: LyingLog, event_type: str, payload: dict[str, Any]) -> Event:
    origin = log.truth.origin
    return signed(event_type, origin, payload, LOG_KEY, stated_by(origin))


def allowed(log: LyingLog, key: SigningKey = KEY, **changes: Any) -> Event:
    given = {"signer_id": "registry.example", "event_types": ["record_created", AUTHOR]}
    payload = decisions.build_allowed(key=pith_key(key), **{**given, **changes})
    return stated(log, decisions.KEY_ALLOWED, payload)


AUTHOR = "author_attestation"


@pytest.fixture
def governed() -> Iterator[LyingLog]:
    """A log that has stated who may write from its first entry on."""
    with lying_log() as log:
        log.truth.public_keys += [pith_key(LOG_KEY), pith_key(signing_key("other"))]
        log.append([allowed(log), *EVENTS])
        yield log


def test_what_was_permitted_is_followed_in_silence(governed):
    monitor = watching(governed)
    other = signing_key("other")
    assert monitor.turn() == []
    governed.append([allowed(governed, other), attestation(1, key=other)])
    governed.append([allowed(governed, other, event_types=[AUTHOR], held_types=[AUTHOR])])
    waiting = attestation(2, key=other)
    payload = decisions.build_judged(
        event_id=waiting.event_id, fingerprint=fingerprint_hex(other.public_key)
    )
    governed.append([stated(governed, decisions.EVENT_ACCEPTED, payload), waiting])
    assert monitor.turn() == []
    assert len(monitor.decisions) == 4


def test_an_entry_by_a_key_that_was_never_allowed_is_reported(governed):
    monitor = watching(governed)
    monitor.turn()
    governed.append([attestation(1, key=signing_key("other"))])
    (fact,) = monitor.turn()
    assert (fact.kind, fact.severity) == ("forbidden-entry", "alarm")
    assert not proved(fact, governed.verifier)
    assert fact.evidence.claim.reason == "unknown-key"
    assert monitor.turn() == []


def test_an_entry_of_a_type_that_was_not_allowed_is_reported(governed):
    governed.append([anchor(governed.truth, 3, governed.truth, KEY)])
    (fact,) = watching(governed).turn()
    assert fact.evidence.claim.reason == "not-permitted"


def test_an_entry_by_a_revoked_key_is_reported_with_the_logs_statement(governed):
    monitor = watching(governed)
    monitor.turn()
    payload = decisions.build_revoked(fingerprint=fingerprint_hex(KEY.public_key))
    governed.append([stated(governed, decisions.KEY_REVOKED, payload)])
    assert monitor.turn() == []
    governed.append(more(0, 1))
    (fact,) = monitor.turn()
    assert fact.evidence.claim.reason == "revoked-key"
    assert fact.evidence.claim.decision is not None
    assert not proved(fact, governed.verifier)
    governed.append([allowed(governed), *more(1, 1)])
    assert monitor.turn() == []


def test_an_entry_by_a_key_in_other_hands_is_proved(governed):
    monitor = watching(governed)
    monitor.turn()
    payload = decisions.build_compromised(
        fingerprint=fingerprint_hex(KEY.public_key), since_index=4
    )
    governed.append([stated(governed, decisions.KEY_COMPROMISED, payload)])
    assert monitor.turn() == []
    governed.append([allowed(governed), *more(0, 1)])
    (fact,) = monitor.turn()
    assert fact.evidence.claim.reason == "compromised-key"
    assert proved(fact, governed.verifier)


def test_a_log_without_decisions_is_not_judged_by_them_and_one_that_begins_is(log):
    log.truth.public_keys += [pith_key(LOG_KEY), pith_key(signing_key("other"))]
    monitor = watching(log)
    log.append([attestation(1, key=signing_key("other"))])
    assert monitor.turn() == []
    log.append([allowed(log), attestation(2, key=signing_key("other"))])
    assert kinds(monitor.turn()) == ["forbidden-entry"]


def test_what_the_log_may_have_decided_in_secret_makes_nobody_guilty(governed):
    monitor = watching(governed)
    other = signing_key("other")
    decision = allowed(governed, other)
    governed.append([decision, attestation(1, key=other)])
    body = f"event/{decision.content_sha256.hex()}"
    size = governed.truth.size
    for path in (body, f"events/000.p/{size}"):
        governed.withhold(path, "me")
    assert monitor.turn() == []
    governed.relent("me")
    assert monitor.turn() == []
    governed.append([attestation(2, key=other)])
    assert monitor.turn() == []


def rotation(old: SigningKey, new: SigningKey) -> Event:
    subject = f"key:{fingerprint_hex(old.public_key)}"
    return signed("key_rotated", subject, rotated(old, new), old, {})


def owed(log: LyingLog, event: Event) -> None:
    """Withhold the content of an event that was just logged."""
    for path in (event_path(event.content_sha256), f"events/000.p/{log.truth.size}"):
        log.withhold(path, "me")


def test_what_was_decided_behind_a_missing_decision_counts_when_that_is_there(governed):
    monitor = watching(governed)
    other = signing_key("other")
    decision = allowed(governed, other)
    revoked = decisions.build_revoked(fingerprint=fingerprint_hex(other.public_key))
    governed.append([decision, stated(governed, decisions.KEY_REVOKED, revoked)])
    owed(governed, decision)
    assert monitor.turn() == []
    governed.relent("me")
    assert monitor.turn() == []
    governed.append([attestation(2, key=other)])
    (fact,) = monitor.turn()
    assert (fact.kind, "was revoked" in fact.sentence) == ("forbidden-entry", True)


def test_nothing_is_said_of_permits_while_a_decision_is_missing(governed):
    monitor = watching(governed)
    other = signing_key("other")
    decision = allowed(governed, other)
    governed.append([decision])
    owed(governed, decision)
    assert monitor.turn() == []
    governed.append([attestation(1, key=other)])
    assert monitor.turn() == []
    assert monitor.position.size == governed.truth.size
    governed.relent("me")
    assert monitor.turn() == []


def test_a_key_may_have_rotated_in_what_is_missing(governed):
    keys = [signing_key(name) for name in ("other", "second", "third")]
    governed.truth.public_keys += [pith_key(key) for key in keys]
    types = [AUTHOR, "key_rotated"]
    governed.append([allowed(governed, keys[0], event_types=types)])
    monitor = watching(governed)
    assert monitor.turn() == []
    missing = rotation(keys[0], keys[1])
    governed.append([missing, rotation(keys[1], keys[2]), attestation(1, key=keys[2])])
    owed(governed, missing)
    assert monitor.turn() == []
    governed.relent("me")
    assert monitor.turn() == []
    governed.append([attestation(2, key=keys[2])])
    assert monitor.turn() == []
    for key in keys[:2]:
        governed.append([attestation(3, key=key)])
        assert kinds(monitor.turn()) == ["forbidden-entry"]


def test_a_rotation_that_nobody_was_permitted_counts_for_nothing_later(governed):
    monitor = watching(governed)
    other, second = signing_key("other"), signing_key("second")
    governed.truth.public_keys.append(pith_key(second))
    decision = allowed(governed, signing_key("third"))
    governed.append([decision, rotation(other, second)])
    owed(governed, decision)
    assert monitor.turn() == []
    governed.relent("me")
    (fact,) = monitor.turn()
    assert fact.about[1] == governed.truth.entries[-1][1:33].hex()
    governed.append([attestation(1, key=second)])
    assert kinds(monitor.turn()) == ["forbidden-entry"]


# What the log decided, and did not show at once


def revocation(log: LyingLog, key: SigningKey = KEY) -> Event:
    payload = decisions.build_revoked(fingerprint=fingerprint_hex(key.public_key))
    return stated(log, decisions.KEY_REVOKED, payload)


def withhold(log: LyingLog, *events: Event) -> None:
    """Withhold the contents of logged events, singly and in the file of all."""
    for event in events:
        log.withhold(event_path(event.content_sha256), "me")
    log.withhold(f"events/000.p/{log.truth.size}", "me")


def as_if_all_had_been_shown(log: LyingLog, monitor: Watcher) -> bool:
    """Tell whether a monitor knows the same of permits as one from which nothing was kept."""
    other = watching(log, client="other")
    other.turn()

    def accused(each: Watcher) -> dict[str, Any]:
        return {
            name: (fact.sentence, fact.evidence.claim.reason, fact.evidence.claim.decision is None)
            for name, fact in each.facts.items()
            if fact.kind == "forbidden-entry"
        }

    return (accused(monitor), monitor.decisions) == (accused(other), other.decisions)


def test_an_entry_behind_a_withheld_decision_is_judged_when_that_is_shown(governed):
    monitor = watching(governed)
    monitor.turn()
    decision, forbidden = revocation(governed), attestation(1)
    governed.append([decision, forbidden, allowed(governed), attestation(2)])
    withhold(governed, decision)
    assert monitor.turn() == []
    governed.append([attestation(3)])
    assert monitor.turn() == []
    governed.relent("me")
    (fact,) = monitor.turn()
    assert fact.about == (str(governed.truth.size - 4), forbidden.content_sha256.hex())
    assert fact.evidence.claim.reason == "revoked-key"
    assert fact.evidence.claim.decision is not None
    assert as_if_all_had_been_shown(governed, monitor)
    assert monitor.turn() == []
    assert monitor.position.judged == governed.truth.size


def test_what_a_withheld_decision_permits_is_no_fault(governed):
    monitor = watching(governed)
    other = signing_key("other")
    decision = allowed(governed, other)
    governed.append([decision, *more(0, 1, key=other), revocation(governed, other)])
    withhold(governed, decision)
    assert monitor.turn() == []
    governed.append([attestation(1)])
    assert monitor.turn() == []
    governed.relent("me")
    assert monitor.turn() == monitor.turn() == []
    assert as_if_all_had_been_shown(governed, monitor)
    governed.append([attestation(2, key=other)])
    assert kinds(monitor.turn()) == ["forbidden-entry"]
    assert as_if_all_had_been_shown(governed, monitor)


def test_a_decision_that_is_withheld_for_one_question_only_hides_nothing(governed):
    monitor = watching(governed)
    monitor.turn()
    decision = revocation(governed)
    governed.append([decision, attestation(1)])
    fetch, asked = governed.fetch("me"), []

    def get(path: str, limit: int) -> bytes:
        if path.startswith("event") and len(asked) < 2:
            asked.append(path)
            raise MissingError("not here")
        return fetch(path, limit)

    monitor.lets_go_of(fetch=get)
    assert kinds(monitor.turn()) == ["forbidden-entry"]
    assert as_if_all_had_been_shown(governed, monitor)


@pytest.mark.parametrize("apart", [0, 300])
def test_of_two_withheld_decisions_the_later_may_be_shown_first(governed, apart):
    monitor = watching(governed)
    monitor.turn()
    other = signing_key("other")
    one, two = revocation(governed), allowed(governed, other)
    governed.append([one, attestation(1)])
    withhold(governed, one, two)
    assert monitor.turn() == []
    governed.append([allowed(governed), *more(0, apart), two])
    governed.withhold(f"events/000.p/{governed.truth.size}", "me")
    governed.withhold("events/000", "me")
    governed.withhold(f"events/001.p/{governed.truth.size - 256}", "me")
    assert monitor.turn() == []
    governed.append([attestation(2, key=other), revocation(governed, other)])
    governed.append([attestation(3, key=other)])
    assert monitor.turn() == []
    governed.relent("me")
    withhold(governed, one)
    governed.withhold("events/000", "me")
    assert monitor.turn() == []
    governed.relent("me")
    assert kinds(monitor.turn()) == ["forbidden-entry"] * 2
    assert as_if_all_had_been_shown(governed, monitor)


def test_the_first_of_two_withheld_decisions_may_be_shown_first(governed):
    monitor = watching(governed)
    monitor.turn()
    other = signing_key("other")
    one, two = revocation(governed), allowed(governed, other)
    governed.append([one, attestation(1), two, attestation(2, key=other), attestation(3)])
    withhold(governed, one, two)
    assert monitor.turn() == []
    governed.relent("me")
    withhold(governed, two)
    assert kinds(monitor.turn()) == ["forbidden-entry"]  # as far as it is known
    governed.relent("me")
    assert kinds(monitor.turn()) == ["forbidden-entry"]
    assert as_if_all_had_been_shown(governed, monitor)


def test_what_is_shown_before_the_decision_that_permits_it_is_no_fault(governed):
    monitor = watching(governed)
    other = signing_key("other")
    decision, permitted = allowed(governed, other), attestation(1, key=other)
    governed.append([decision, permitted])
    withhold(governed, decision, permitted)
    assert monitor.turn() == []
    governed.relent("me")
    withhold(governed, decision)
    assert monitor.turn() == []
    governed.relent("me")
    assert monitor.turn() == []
    assert as_if_all_had_been_shown(governed, monitor)


def test_an_entry_whose_own_content_is_withheld_is_judged_as_of_its_index(governed):
    monitor = watching(governed)
    monitor.turn()
    forbidden, permitted = attestation(1), attestation(2)
    governed.append([revocation(governed), forbidden, allowed(governed), permitted])
    governed.append([revocation(governed)])
    withhold(governed, forbidden, permitted)
    assert monitor.turn() == []
    assert monitor.position.judged == governed.truth.size
    governed.relent("me")
    (fact,) = monitor.turn()
    assert fact.about[1] == forbidden.content_sha256.hex()
    assert as_if_all_had_been_shown(governed, monitor)


def test_an_entry_that_is_wrong_hides_nothing_behind_it(governed):
    monitor = watching(governed)
    monitor.turn()
    nonsense = b"nonsense"
    digest = sha256(nonsense).digest()
    forged = EVENTS[0]._replace(content_sha256=digest, signature=LOG_KEY.sign(digest))
    with_entry(governed, entry_of(forged, LOG_KEY.public_key).encode(), nonsense)
    governed.append([revocation(governed), attestation(1)])
    assert sorted(kinds(monitor.turn())) == ["forbidden-entry", "invalid-entry"]


def test_a_monitor_that_ends_between_payment_and_judgement_goes_on_there(governed):
    monitor = watching(governed)
    monitor.turn()
    decision = revocation(governed)
    governed.append([decision, *more(0, 300)])
    withhold(governed, decision)
    governed.withhold("events/000", "me")
    assert monitor.turn() == []
    governed.relent("me")
    keep, found = monitor.keep, []
    for steps in range(1, 6):  # it ends after so many steps

        def one(step: Step, left: list[int]) -> list[Fact]:
            if not left:
                raise InterruptedError
            left.pop()
            return keep(step)

        left = [0] * steps
        monitor.keep = lambda step, left=left: one(step, left)
        with suppress(InterruptedError):
            monitor.turn()
    monitor.keep = keep
    found = monitor.turn()
    assert found == []
    assert kinds(list(monitor.facts.values())) == ["forbidden-entry"] * 300
    assert as_if_all_had_been_shown(governed, monitor)


def test_what_is_not_judged_for_long_is_told_although_the_log_pays_and_withholds_again(governed):
    monitor = watching(governed)
    monitor.turn()
    decision = revocation(governed)
    governed.append([decision, attestation(1)])
    withhold(governed, decision)
    assert monitor.turn() == []
    path, fetch, asked = event_path(decision.content_sha256), governed.fetch("other"), []

    def get(asked_for: str, limit: int) -> bytes:
        if asked_for.startswith("events/"):
            raise MissingError("not here")
        if asked_for == path:
            asked.append(path)
            if len(asked) % 2 == 0:  # shown when it is asked for again, and not when it is read
                raise MissingError("not here")
        return fetch(asked_for, limit)

    monitor.lets_go_of(fetch=get)
    found = [fact for _ in range(12) for fact in monitor.turn()]
    (fact,) = found
    assert (fact.kind, fact.severity, fact.evidence) == ("unjudged", "alarm", None)
    size = governed.truth.size
    assert f"2 entries from {size - 2} on are not judged" in fact.sentence
    monitor.lets_go_of(fetch=governed.fetch("other"))
    assert kinds(monitor.turn()) == ["forbidden-entry"]
    assert not monitor.position.conditions


def test_what_is_withheld_when_it_is_read_again_is_judged_once_it_is_paid(governed):
    monitor = watching(governed)
    monitor.turn()
    decision, linked = revocation(governed), attestation(1, prev_event=PREVIOUS)
    governed.append([decision, linked, attestation(2)])
    withhold(governed, decision)
    assert monitor.turn() == []
    governed.relent("me")
    withhold(governed, linked)
    assert kinds(monitor.turn()) == ["forbidden-entry"]
    assert list(monitor.owed) == [governed.truth.size - 2]
    governed.relent("me")
    assert kinds(monitor.turn()) == ["forbidden-entry"]
    assert as_if_all_had_been_shown(governed, monitor)


def test_a_bundle_that_is_withheld_when_it_is_read_again_is_told_when_that_lasts(governed):
    monitor = watching(governed, check_every=50)
    monitor.turn()
    decision = revocation(governed)
    governed.append([decision, attestation(1)])
    withhold(governed, decision)
    assert monitor.turn() == monitor.turn(50) == []
    governed.relent("me")
    governed.withhold(f"tile/entries/000.p/{governed.truth.size}", "me")
    found = [fact for _ in range(16) for fact in monitor.turn()]
    assert kinds(found) == ["withheld"]
    governed.relent("me")
    assert kinds(monitor.turn()) == ["forbidden-entry"]
    assert not monitor.position.conditions


def test_a_rotation_that_was_kept_and_is_none_counts_for_nothing():
    other, second = signing_key("other"), signing_key("second")
    made = rotation(other, second)
    kept = Decision(index=3, entry=entry_of(made, other.public_key).encode(), content=made.content)
    verifier = NoteSigner(name="example.com/log", key=LOG_KEY).verifier
    permits = Permits("example.com/log", believing(verifier), [kept])
    assert not permits.may_decide(entry_of(attestation(1, key=second), second.public_key).encode())


# Watch lists and bundles


def test_what_is_watched_is_told(log):
    watch = Watch(
        records=frozenset({number_of(5)}),
        aliases=frozenset({"2606.00006"}),
        keys=frozenset({fingerprint_hex(signing_key("other").public_key)}),
        types=frozenset({"graph_snapshot"}),
    )
    monitor = watching(log, watch=watch)
    assert monitor.turn() == []
    log.append([attestation(1, paper=5), creation(6), attestation(2, paper=6), attestation(3)])
    found = monitor.turn()
    assert {fact.severity for fact in found} == {"notice"}
    told = [(fact.about[0], fact.about[1]) for fact in found]
    assert told == [("10", "record"), ("11", "alias"), ("11", "record"), ("12", "record")]
    log.append([attestation(4, paper=6)])
    assert [fact.about[1] for fact in monitor.turn()] == ["record"]  # the alias is remembered
    other = signing_key("other")
    log.truth.public_keys.append(pith_key(other))
    log.append([attestation(9, key=other)])
    assert [fact.about[1] for fact in monitor.turn()] == ["key"]


def bundle_of(log: LyingLog, events: list[Event], key: SigningKey = LOG_KEY) -> None:
    """Have the log serve a bundle of paper 1 with these events."""
    made = build_bundle(
        pith_number=number_of(1),
        events=[restore(each.content, each.signature, SIGNED_AT) for each in events],
        keys=[pith_key()] if key is KEY else [pith_key(), pith_key(key)],
        built_at="2026-06-02T00:00:00Z",
        base_url="https://log.example",
        timestamp_proofs=[],
        mirror_hints=[],
        signing_key=key,
    )
    suffix = number_of(1).rpartition(":")[2]
    log.truth.files[f"pith/{suffix}/bundle.json"] = canonical(made)


def test_a_bundle_that_hides_a_logged_event_is_proved(log):
    watch = Watch(records=frozenset({number_of(1)}))
    monitor = watching(log, watch=watch, bundles=(("log", log.fetch("me")),))
    bundle_of(log, EVENTS)
    assert {fact.kind for fact in monitor.turn()} == {"watched"}
    assert monitor.turn(100) == []
    bundle_of(log, [each for each in EVENTS if each is not EVENTS[4]])
    (fact,) = monitor.turn()
    assert (fact.kind, fact.severity) == ("hidden-event", "alarm")
    assert proved(fact, log.verifier)
    assert monitor.turn() == []


def test_the_newest_event_may_be_late_and_then_is_only_reported(log):
    watch = Watch(records=frozenset({number_of(1)}))
    monitor = watching(log, watch=watch, bundles=(("log", log.fetch("me")),))
    bundle_of(log, EVENTS[:-1])
    assert {fact.kind for fact in monitor.turn()} == {"watched"}
    assert monitor.turn(99) == []
    (fact,) = monitor.turn(1)
    assert fact.kind == "hidden-event"
    assert not proved(fact, log.verifier)


def test_a_registrys_bundle_at_a_mirror_is_reported(log):
    watch = Watch(records=frozenset({number_of(1)}))
    monitor = watching(log, watch=watch, bundles=(("https://mirror", log.fetch("me")),))
    bundle_of(log, [each for each in EVENTS if each is not EVENTS[4]], KEY)
    monitor.turn()
    (fact,) = monitor.turn(100)
    assert "https://mirror" in fact.sentence
    assert not proved(fact, log.verifier, KEY.public_key)


def test_a_missing_or_wrong_bundle_is_told(log):
    watch = Watch(records=frozenset({number_of(1)}))
    monitor = watching(log, watch=watch, bundles=(("log", log.fetch("me")),))
    monitor.turn()
    assert kinds(monitor.turn(100)) == ["missing-bundle"]
    suffix = number_of(1).rpartition(":")[2]
    log.truth.files[f"pith/{suffix}/bundle.json"] = b"nonsense"
    assert kinds(monitor.turn()) == ["wrong-bundle"]


def test_a_bundle_that_cannot_be_read_is_told(log):
    answers: list[Exception] = [TooLargeError("it has more than it may")]

    def get(path: str, limit: int) -> bytes:
        raise answers[0]

    monitor = watching(log, watch=Watch(records=frozenset({number_of(1)})))
    monitor.turn()
    monitor.lets_go_of(bundles=(("mirror", get),))
    (fact,) = monitor.turn(100)
    assert (fact.kind, fact.severity) == ("missing-bundle", "warning")
    assert "it has more than it may" in fact.sentence
    answers[0] = UnavailableError("no answer")
    assert monitor.turn() == monitor.turn(99) == []
    (fact,) = monitor.turn(1)
    assert (fact.kind, fact.severity) == ("silent-bundles", "warning")
    assert "mirror has not answered for a bundle for 100 s: no answer" in fact.sentence
    answers[0] = MissingError("not here")
    assert monitor.turn() == []
    assert not monitor.position.conditions


# Keys and shards


def test_a_log_that_changes_its_key_is_followed_when_both_are_listed(log):
    new = signing_key("second")
    both = [log.verifier, NoteSigner(name=log.truth.origin, key=new).verifier]
    monitor = watching(log, policy=believing(*both))
    assert monitor.turn() == []
    log.truth.key = new
    log.append(more(0))
    assert monitor.turn() == []
    assert monitor.position.size == log.truth.size
    log.fork("me", at=4)
    (fact,) = monitor.turn()
    assert proved(fact, both[1])


def test_what_a_log_decided_counts_when_its_key_of_then_is_listed_no_more(governed):
    new = signing_key("second")
    both = [governed.verifier, NoteSigner(name=governed.truth.origin, key=new).verifier]
    monitor = watching(governed, policy=believing(*both))
    assert monitor.turn() == []
    governed.truth.key = new
    governed.append([attestation(100)])
    assert monitor.turn() == []
    monitor.lets_go_of(policy=believing(both[1]))
    governed.append([attestation(101)])
    assert monitor.turn() == []
    assert monitor.turn(100) == []
    assert monitor.position.size == governed.truth.size
    governed.append([attestation(102, key=signing_key("other"))])
    assert kinds(monitor.turn()) == ["forbidden-entry"]


def test_a_head_that_waits_by_a_key_that_was_listed_once_accuses_nobody(log):
    new = signing_key("second")
    both = [log.verifier, NoteSigner(name=log.truth.origin, key=new).verifier]
    monitor = watching(log, policy=believing(*both))
    note = log.truth.sign(Checkpoint(origin=log.truth.origin, size=100, root=Hash(bytes(32))))
    monitor.lets_go_of(places=(Place(name="witness", read=lambda: note),))
    assert monitor.turn() == []
    log.truth.key = new
    log.append(more(0))
    assert monitor.turn() == []
    assert len(monitor.position.pending) == 1
    monitor.lets_go_of(policy=believing(both[1]), places=())
    log.append(more(200, 100))
    assert monitor.turn() == []
    assert monitor.position.pending == ()
    assert monitor.position.size == log.truth.size


def test_what_is_not_installed_here_is_no_fault_of_the_log(log, monkeypatch):
    pq = CosigningKey(name="w.example", key=mldsa.SigningKey(b"m" * 32))
    lines = f"log {log.verifier.vkey}\nwitness w {pq.cosigner.vkey}\nquorum w\n"
    monitor = watching(log, policy=parse_policy(lines.encode()))
    head = open_checkpoint(log.truth.checkpoint(log.truth.size), log.verifier)
    log._own("me").checkpoint = head.note + str(pq.cosign(head, NOW)).encode()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(UnavailableError, match="need the library cryptography"):
        monitor.turn()


# A clock that is set back


def test_what_lasts_is_told_although_the_clock_was_set_back(log):
    monitor = watching(log)
    monitor.turn()
    log.stall("me")
    monitor.lets_go_of(fetch=missing)
    assert monitor.turn() == []
    assert monitor.turn(-1_000_000) == []
    assert monitor.turn(99) == []
    assert kinds(monitor.turn(1)) == ["silent"]


def missing(path: str, limit: int) -> bytes:
    raise UnavailableError("no answer")


def test_a_log_is_asked_for_what_it_owes_although_the_clock_was_set_back(log):
    monitor = watching(log, watch=Watch(records=frozenset({number_of(1)})), check_every=50)
    body = event_path(EVENTS[2].content_sha256)
    log.withhold(body, "me")
    log.withhold("events/000.p/10", "me")
    monitor.turn()
    assert list(monitor.owed) == [2]
    assert monitor.turn(-1_000_000) == []
    found = monitor.turn(50)
    assert "missing-content" in kinds(found)
    (fact,) = [each for each in found if each.kind == "missing-content"]
    assert fact.evidence is not None


def test_bundles_are_compared_although_the_clock_was_set_back(log):
    monitor = watching(log, watch=Watch(records=frozenset({number_of(1)})))
    monitor.lets_go_of(bundles=(("log", log.fetch("me")),))
    monitor.turn()
    assert "missing-bundle" in kinds(monitor.turn(-1_000_000))


def test_a_log_is_frozen_although_the_clock_was_set_back(log):
    monitor = watching(log)
    monitor.turn()
    assert monitor.turn(-1_000_000) == monitor.turn(10_000) == []
    assert kinds(monitor.turn(1)) == ["frozen-log"]


def test_a_key_that_is_not_listed_is_no_key_of_the_log(log):
    monitor = watching(log)
    monitor.turn()
    log.truth.key = signing_key("second")
    log.append(more(0))
    assert kinds(monitor.turn()) == ["wrong-head"]
