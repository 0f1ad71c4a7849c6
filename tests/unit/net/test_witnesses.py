"""net.witnesses: what a witness answers, as a value or as an error, and never as a verdict."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.simulators.witnessed import MadeUpLog
from translog.errors import (
    BusyError,
    MalformedError,
    MissingError,
    TooLargeError,
    TranslogError,
    UnavailableError,
)
from translog.formats.note import Note
from translog.formats.witnessing import Submission
from translog.net.witnesses import Disputed, Stale, Witness
from translog.testing import witnesses

LOG = MadeUpLog()


@pytest.fixture
def peer() -> Iterator[witnesses.Witness]:
    with witnesses.running("w.example", LOG.verifier) as running:
        yield running


def ask(peer: witnesses.Witness, old_size: int = 0, size: int = 5) -> object:
    submission = Submission.parse(LOG.request(old_size, size))
    with closing(Witness(peer.url, timeout_seconds=5)) as client:
        return client.add_checkpoint(submission)


def test_a_witness_answers_with_lines_or_with_a_size(peer: witnesses.Witness) -> None:
    with closing(Witness(f"{peer.url}/", timeout_seconds=5)) as client:
        lines = client.add_checkpoint(Submission.parse(LOG.request(0, 5)))
        assert lines == (peer.keys[0].cosign(LOG.head(5), peer.now),)
        assert client.add_checkpoint(Submission.parse(LOG.request(3, 6))) == Stale(5)
        note = Note.parse(client.read_latest(LOG.origin))
        assert note.text == str(LOG.head(5))
        with pytest.raises(MissingError, match=r"/checkpoint answered 404"):
            client.read_latest("example.com/other")
    (first, *_) = peer.requests
    assert (first.method, first.path) == ("POST", "/add-checkpoint")
    assert first.body == LOG.request(0, 5)


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("server error", UnavailableError, "answered 500: 'Internal Server Error"),
        ("busy", BusyError, "answered 503"),
        ("redirect", MalformedError, "answered 302, a redirect: none is followed"),
        ("unknown log", MissingError, "answered 404: 'unknown log"),
        ("forbidden", UnavailableError, "answered 403: 'no trusted signature"),
        ("silent", UnavailableError, "add-checkpoint: "),
        ("empty conflict", MalformedError, "size of a witness is b''"),
        ("nothing", MalformedError, "cosignatures: '' does not end in a newline"),
        ("garbage", MalformedError, "does not end in a newline"),
        ("oversized", TooLargeError, "has more than the 262144 bytes"),
    ],
)
def test_what_is_no_answer_is_an_error(
    peer: witnesses.Witness, fault: str, error: type[TranslogError], says: str
) -> None:
    peer.fault = fault
    with pytest.raises(error, match=says):
        ask(peer)


def test_a_dispute_is_told_and_not_concluded_from(peer: witnesses.Witness) -> None:
    peer.fault = "disputes"
    found = ask(peer)
    assert isinstance(found, Disputed)
    assert "answered 422: 'no consistency proof" in found.said


def test_a_witness_that_hangs_is_given_up_in_time(peer: witnesses.Witness) -> None:
    peer.fault = "hanging"
    submission = Submission.parse(LOG.request(0, 5))
    with (
        closing(Witness(peer.url, timeout_seconds=0.05)) as client,
        pytest.raises(UnavailableError, match=r"did not answer within 0\.05 s"),
    ):
        client.add_checkpoint(submission)


@pytest.mark.parametrize("url", ["w.example", "ftp://w.example", "http://u:p@w.example", "http://"])
def test_a_witness_has_a_plain_url(url: str) -> None:
    with pytest.raises(MalformedError):
        Witness(url, timeout_seconds=5)
