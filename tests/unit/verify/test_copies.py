"""Two places of one log: compared byte for byte, as far as both go, whichever is ahead."""

import re

import pytest

from tests.simulators.published import VERIFIER, PublishedLog, small_events
from translog.errors import HashError, MissingError, VerificationError
from translog.formats.checkpoint import open_checkpoint
from translog.formats.policy import believing
from translog.verify.auditor import audit
from translog.verify.copies import Copy
from translog.verify.evidence import Evidence
from translog.verify.findings import Trust
from translog.verify.state import AuditState, HistoryError

SIZES = [0, 1, 255, 256, 257, 300, 512, 600]


def copy_of(log: PublishedLog) -> Copy:
    return Copy(name="copy", fetch=log.get, head=open_checkpoint(log.files["checkpoint"], VERIFIER))


def compare(log: PublishedLog, other: PublishedLog, **options: object) -> AuditState:
    return audit(
        log.get,
        believing(VERIFIER),
        copies=[copy_of(other)],
        **{"workers": 1, "depth": "hashes", **options},
    )


@pytest.mark.parametrize("here", SIZES)
@pytest.mark.parametrize("there", SIZES)
def test_copies_of_any_two_sizes_are_the_same_as_far_as_both_go(here, there):
    log, other = PublishedLog(small_events(here)), PublishedLog(small_events(there))
    assert compare(log, other).size == here
    log.prune()
    other.prune()
    assert compare(log, other).size == here


@pytest.mark.parametrize("here", [300, 600])
@pytest.mark.parametrize("there", [300, 600])
def test_what_differs_in_the_copy_is_named(here, there):
    log, other = PublishedLog(small_events(here)), PublishedLog(small_events(there))
    paths = ["tile/0/000", "tile/entries/000", "events/000"]
    paths += ["tile/1/000.p/2"] if here == there == 600 else ["tile/1/000.p/1"] * (here == there)
    for path in paths:
        other.flip(path, 20)
        with pytest.raises(VerificationError, match=f"^copy: {re.escape(path)} has "):
            compare(log, other, depth="events")
        other.flip(path, 20)
        kept = other.files.pop(path)
        with pytest.raises(MissingError, match=re.escape(path)):
            compare(log, other, depth="events")
        other.files[path] = kept
    assert compare(log, other, depth="events").size == here


def test_what_is_wrong_in_the_first_place_is_not_the_copys_fault():
    log, other = PublishedLog(small_events(300)), PublishedLog(small_events(300))
    log.flip("tile/0/000", 40)
    with pytest.raises(HashError, match=r"^tile/0/000 has"):
        compare(log, other)


@pytest.mark.parametrize("here", [200, 300, 400])
@pytest.mark.parametrize("there", [200, 300, 400])
def test_a_copy_of_a_fork_is_proof_against_the_log(here, there):
    log = PublishedLog(small_events(here))
    other = PublishedLog(small_events(there)).forked(100)
    with pytest.raises(HistoryError) as caught:
        compare(log, other)
    accused = Trust(policy=believing(VERIFIER))
    assert Evidence.make(caught.value.claim, accused).check(accused).grade == "proof"


def test_contents_too_large_for_one_file_are_there_one_by_one(monkeypatch):
    monkeypatch.setattr("translog.verify.bundles.MAX_EVENTS_BYTES", 20_000)
    log, other = PublishedLog(small_events(300)), PublishedLog(small_events(300))
    assert compare(log, other, depth="events").size == 300
    path = f"event/{log.entries[9][1:33].hex()}"
    other.flip(path, 3)
    with pytest.raises(HashError, match=f"^copy: {path} has another content"):
        compare(log, other, depth="events")
    other.withhold(path)
    with pytest.raises(MissingError):
        compare(log, other, depth="events")
