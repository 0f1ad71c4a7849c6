"""The calendar of the kit, asked by the OpenTimestamps project's own client."""

from http.client import HTTPConnection
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from opentimestamps.calendar import CommitmentNotFoundError, RemoteCalendar
from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation
from opentimestamps.core.serialize import DeserializationError

from translog.testing.calendar import FAULTS, MAX_DIGEST_BYTES, Calendar, running
from translog.testing.chain import SPACING, RegtestChain

TIME = 1_750_000_000
DIGEST = bytes(range(32))


@pytest.fixture
def chain():
    return RegtestChain(TIME)


@pytest.fixture
def calendar(chain):
    with running(chain) as calendar:
        yield calendar


def post(calendar: Calendar, digest: bytes = DIGEST) -> bytes:
    """Submit a digest and return the commitment to ask for."""
    ((commitment, attestation),) = client(calendar).submit(digest, timeout=10).all_attestations()
    assert attestation == PendingAttestation(calendar.url)
    return commitment


def client(calendar: Calendar) -> RemoteCalendar:
    return RemoteCalendar(calendar.url + "/")


def refusal(calendar: Calendar, commitment: bytes) -> str:
    with pytest.raises(CommitmentNotFoundError) as refused:
        client(calendar).get_timestamp(commitment, timeout=10)
    return refused.value.reason


def test_a_digest_is_taken_waits_and_leads_to_a_block(chain, calendar):
    commitments = [post(calendar, bytes([number]) * 32) for number in range(5)]
    assert commitments == calendar.commitments
    assert refusal(calendar, commitments[0]) == "Pending confirmation in Bitcoin blockchain"
    height = calendar.stamp(TIME + SPACING)
    for commitment in commitments:
        timestamp = client(calendar).get_timestamp(commitment, timeout=10)
        ((root, attestation),) = timestamp.all_attestations()
        assert root == chain.header(height).header.merkle_root
        assert attestation == BitcoinBlockHeaderAttestation(height)


def test_the_same_digest_twice_makes_two_commitments(calendar):
    assert post(calendar) != post(calendar)


def test_a_path_is_given_when_its_block_is_deep_enough(chain):
    with running(chain, confirmations=6) as calendar:
        commitment = post(calendar)
        calendar.stamp(TIME + SPACING)
        for _ in range(5):
            said = refusal(calendar, commitment)
            assert said.startswith("Timestamped by transaction ")
            assert said.endswith("; waiting for 6 confirmations")
            chain.mine_empty(1)
        assert client(calendar).get_timestamp(commitment, timeout=10)


def test_the_transaction_it_names_is_in_the_block(chain):
    from bitcoin.core import CBlock, b2lx

    with running(chain, confirmations=2) as calendar:
        commitment = post(calendar)
        height = calendar.stamp(TIME + SPACING)
        block = CBlock.deserialize(chain.blocks[height].raw)
        assert b2lx(block.vtx[1].GetTxid()) == refusal(calendar, commitment).split()[3][:-1]


def test_after_a_reorganisation_it_waits_for_the_next_block(chain, calendar):
    commitment = post(calendar)
    height = calendar.stamp(TIME + SPACING)
    chain.mine_empty(6)
    chain.reorganise(7)
    assert refusal(calendar, commitment) == "Pending confirmation in Bitcoin blockchain"
    again = calendar.stamp(chain.time + SPACING)
    assert again > height
    timestamp = client(calendar).get_timestamp(commitment, timeout=10)
    ((root, attestation),) = timestamp.all_attestations()
    assert attestation == BitcoinBlockHeaderAttestation(again)
    assert root == chain.header(again).header.merkle_root


def test_two_calendars_share_a_chain(chain, calendar):
    with running(chain) as other:
        ours, theirs = post(calendar), post(other)
        assert ours != theirs
        assert calendar.stamp(chain.time + 1) + 1 == other.stamp(chain.time + 1)
        assert refusal(calendar, theirs) == "Not found"


def test_requests_it_does_not_know_are_refused(calendar):
    connection = HTTPConnection(urlsplit(calendar.url).netloc, timeout=10)
    for method, path, body, status in [
        ("POST", "/digest", b"x" * (MAX_DIGEST_BYTES + 1), 400),
        ("GET", "/timestamp/xyz", b"", 400),
        ("GET", "/timestamp/00", b"", 404),
        ("GET", "/digest", b"", 404),
        ("POST", "/", b"", 404),
    ]:
        connection.request(method, path, body)
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:1] != b"") == (status, True)
    connection.close()
    assert calendar.commitments == []


@pytest.mark.parametrize(
    "fault, said",
    [
        ("pending", "Pending confirmation in Bitcoin blockchain"),
        ("confirming", "Timestamped by transaction "),
        ("not found", "Not found"),
    ],
)
def test_each_refusal_can_be_had_by_name(calendar, fault, said):
    commitment = post(calendar)
    calendar.stamp(TIME + SPACING)
    calendar.fault = fault
    assert refusal(calendar, commitment).startswith(said)
    calendar.fault = None
    assert client(calendar).get_timestamp(commitment, timeout=10)


def test_fault_posted_then_not_found_passes(calendar):
    calendar.fault = "posted, then not found"
    commitment = post(calendar)
    calendar.stamp(TIME + SPACING)
    assert refusal(calendar, commitment) == "Not found"
    assert client(calendar).get_timestamp(commitment, timeout=10)


def test_fault_never_upgrading(calendar):
    calendar.fault = "never upgrading"
    commitment = post(calendar)
    calendar.stamp(TIME + SPACING)
    assert refusal(calendar, commitment).startswith("Pending")


def test_fault_wrong_digest_leads_elsewhere(chain, calendar):
    good = post(calendar)
    height = calendar.stamp(TIME + SPACING)
    calendar.fault = "wrong digest"
    commitment = post(calendar)
    assert commitment not in calendar.commitments
    timestamp = client(calendar).get_timestamp(commitment, timeout=10)
    ((root, _),) = timestamp.all_attestations()
    assert root != chain.header(height).header.merkle_root
    assert client(calendar).get_timestamp(good, timeout=10)


def test_fault_foreign_calendar(calendar):
    calendar.fault = "foreign calendar"
    timestamp = client(calendar).submit(DIGEST, timeout=10)
    ((_, attestation),) = timestamp.all_attestations()
    assert attestation == PendingAttestation("https://calendar.example.net")


@pytest.mark.parametrize("fault", ["garbage", "cut short", "oversized"])
def test_faults_that_are_no_timestamps(calendar, fault):
    calendar.fault = fault
    answer = ask(calendar)
    if fault == "oversized":
        assert len(answer) > 10_000
    else:
        with pytest.raises(DeserializationError):
            client(calendar).submit(DIGEST, timeout=10)


@pytest.mark.parametrize("fault, status", [("server error", 500), ("busy", 503), ("redirect", 302)])
def test_faults_that_are_a_status(calendar, fault, status):
    calendar.fault = fault
    with pytest.raises(HTTPError) as refused:
        ask(calendar)
    assert refused.value.code == status
    refused.value.close()


def ask(calendar: Calendar) -> bytes:
    from urllib.request import HTTPRedirectHandler, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    with build_opener(Stay).open(calendar.url + "/digest", data=DIGEST, timeout=10) as answer:
        return answer.read()


def test_fault_slow_answers_when_told(calendar):
    calendar.fault = "slow"
    answers: list[bytes] = []
    thread = Thread(target=lambda: answers.append(ask(calendar)))
    thread.start()
    thread.join(0.05)
    assert answers == []
    calendar.release()
    thread.join(10)
    assert len(answers) == 1


def test_fault_hanging_never_answers(calendar):
    calendar.fault = "hanging"
    with pytest.raises(TimeoutError):
        client(calendar).submit(DIGEST, timeout=0.1)


def test_every_fault_is_tested_here():
    from pathlib import Path

    here = Path(__file__).read_text()
    assert [fault for fault in FAULTS if here.count(f'"{fault}"') < 1] == []
