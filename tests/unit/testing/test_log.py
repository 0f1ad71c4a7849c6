"""The log that lies: honest to whom it was not told to lie, and each lie is what it says."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from translog.errors import HashError, MissingError, TooLargeError, UnavailableError
from translog.formats.merkle import EMPTY_ROOT, Hash
from translog.formats.policy import believing
from translog.net.client import Client
from translog.testing.events import attestation, creation, pith_key, signing_key
from translog.testing.log import LyingLog, lying_log
from translog.verify.auditor import audit
from translog.verify.state import AuditState, HistoryError

EVENTS = [creation(1), *(attestation(number, paper=1) for number in range(9))]


@pytest.fixture
def log() -> Iterator[LyingLog]:
    with lying_log(EVENTS) as made:
        yield made


def see(log: LyingLog, client: str = "me", state: AuditState | None = None) -> AuditState:
    return audit(log.fetch(client), believing(log.verifier), state=state, workers=1)


def test_it_is_honest_as_made_over_http_too(log):
    state = see(log)
    with Client(log.url("someone")) as client:
        assert audit(client.get, believing(log.verifier), workers=2) == state
    log.append([attestation(100)])
    assert see(log, state=state).size == len(EVENTS) + 1
    assert {request.path.split("/")[1] for request in log.server.requests} == {"someone"}


def test_it_starts_empty_and_may_have_any_origin():
    with lying_log(origin="example.org/other") as log:
        assert see(log).checkpoint.origin == "example.org/other"
        log.append(EVENTS)
        assert see(log).size == len(EVENTS)


LIES: dict[str, Callable[[LyingLog], None]] = {
    "fork": lambda log: log.fork("me", at=3),
    "backdate": lambda log: log.backdate(attestation(77), at=0, client="me"),
    "roll_back": lambda log: log.roll_back(4, client="me"),
    "misstate": lambda log: log.misstate(len(EVENTS), Hash(bytes(32)), client="me"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_changed_past_is_seen_by_who_remembers_and_only_by_its_victim(log, lie):
    before = see(log)
    LIES[lie](log)
    with pytest.raises(HistoryError):
        see(log, state=before)
    assert see(log, client="other", state=before) == before
    log.relent("me")
    assert see(log, state=before) == before


def test_a_fork_grows_on_its_own(log):
    log.fork("me", at=3)
    forked = see(log)
    log.append([attestation(100)])
    assert see(log, state=forked).size == see(log, client="other").size == len(EVENTS) + 1
    with pytest.raises(HistoryError):
        see(log, client="other", state=forked)


def test_a_frozen_log_stays_true_and_small(log):
    before = see(log)
    log.freeze("me")
    log.append([attestation(100)])
    assert see(log, state=before) == before
    assert see(log, client="other").size == before.size + 1


def test_what_is_withheld_or_corrupted_is_so_for_its_victim_only(log):
    log.withhold("tile/0/000.p/10", "me")
    with pytest.raises(MissingError, match=re.escape("tile/0/000.p/10")):
        see(log)
    log.relent("me")
    log.corrupt("tile/entries/000.p/10", 70, client="me")
    with pytest.raises(HashError):
        see(log)
    see(log, client="other")


def test_a_lie_to_everybody_is_seen_by_all(log):
    log.roll_back(0)
    assert see(log).checkpoint.root == see(log, client="other").checkpoint.root == EMPTY_ROOT


def test_a_stalled_log_answers_nobody_in_time(log):
    log.stall("me")
    with pytest.raises(UnavailableError):
        see(log)
    with Client(log.url("me"), timeout_seconds=0.2) as client, pytest.raises(UnavailableError):
        client.get("checkpoint", 1000)


def test_a_fetch_bounds_what_it_returns(log):
    with pytest.raises(TooLargeError):
        log.fetch()("checkpoint", 10)


def test_keys_are_told_apart_by_name():
    other = signing_key("other")
    assert other.public_key != signing_key().public_key
    assert pith_key(other).fingerprint == attestation(1, key=other).signer.fingerprint


def test_the_page_about_it_does_what_it_says():
    page = (Path(__file__).parents[3] / "docs" / "testing.md").read_text()
    (example,) = re.findall(r"```python\n(.*?lying_log.*?)```", page, re.DOTALL)
    with pytest.raises(HistoryError):
        exec(example, {})
