"""testing.witnesses: honest as made, and each fault is the one that its name says."""

import http.client
import threading
from itertools import pairwise
from typing import Any

import pytest

from tests.simulators.witnessed import MadeUpLog
from translog.errors import SignatureError
from translog.formats.cosignature import times
from translog.formats.note import open_note
from translog.formats.policy import parse_policy
from translog.formats.witnessing import monitoring_path, parse_cosignatures, parse_size
from translog.testing.witnesses import FAULTS, Witness, running

NOW = 1_780_000_000
LOG = MadeUpLog(fork=3)


def ask(witness: Witness, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    host, _, port = witness.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def post(witness: Witness, body: bytes) -> tuple[int, bytes]:
    return ask(witness, "POST", "/add-checkpoint", body)


def test_an_honest_witness_keeps_the_rules() -> None:
    with running("w.example", LOG.verifier, now=NOW, second=True) as witness:
        assert ask(witness, "GET", f"/{monitoring_path(LOG.origin)}")[0] == 404
        assert witness.head(LOG.origin) is None
        status, lines = post(witness, LOG.request(0, 5))
        assert status == 200
        opened = open_note(LOG.note(5) + lines, [key.cosigner for key in witness.keys])
        assert {one.time for one in times(opened)} == {NOW}
        assert len(opened.signed_by) == 2
        assert post(witness, LOG.request(0, 6)) == (409, b"5\n")
        assert post(witness, LOG.request(5, 6, branch=1))[0] == 422
        assert post(witness, MadeUpLog("example.com/other").request(0, 5))[0] == 404
        assert post(witness, MadeUpLog(seed=b"x").request(0, 5))[0] == 403
        assert post(witness, b"nonsense")[0] == 400
        assert ask(witness, "POST", "/nonsense")[0] == 404
        status, shown = ask(witness, "GET", f"/{monitoring_path(LOG.origin)}")
        assert (status, shown) == (200, LOG.note(5) + lines)
        assert witness.head(LOG.origin) == LOG.head(5)
        assert [found.size for found in witness.kept] == [6]


def test_its_lines_are_those_of_a_policy() -> None:
    with running("w.example", LOG.verifier, second=True) as witness:
        policy = parse_policy(f"{witness.line('w')}group both all w w-2\nquorum both\n".encode())
        assert [each.key for each in policy.witnesses] == [key.cosigner for key in witness.keys]
        assert {each.url for each in policy.witnesses} == {witness.url}
        assert policy.is_met([key.cosigner for key in witness.keys])


WANTED: dict[str, Any] = {
    "silent": (0, b""),
    "server error": (500, None),
    "busy": (503, None),
    "redirect": (302, None),
    "unknown log": (404, None),
    "forbidden": (403, None),
    "disputes": (422, None),
    "empty conflict": (409, b""),
    "larger size": (409, b"%d\n" % 2**62),
    "same size": (409, b"5\n"),
    "nothing": (200, b""),
    "garbage": (200, b"<html>Welcome to this hotel's network</html>"),
    "oversized": (200, b"x" * (1 << 20)),
}


@pytest.mark.parametrize("fault", sorted(WANTED))
def test_a_fault_is_what_its_name_says(fault: str) -> None:
    with running("w.example", LOG.verifier, now=NOW) as witness:
        post(witness, LOG.request(0, 5))
        witness.fault = fault
        status, body = post(witness, LOG.request(5, 6))
        wanted, content = WANTED[fault]
        assert status == wanted
        assert content is None or body == content
        assert witness.head(LOG.origin) == LOG.head(5), "and nothing was cosigned"
        witness.fault = None
        assert post(witness, LOG.request(5, 6))[0] == 200


def test_a_witness_that_cosigns_anything_does() -> None:
    with running("w.example", LOG.verifier, now=NOW) as witness:
        post(witness, LOG.request(0, 5))
        witness.fault = "cosigns anything"
        for size, branch in ((7, 1), (2, 0), (7, 0)):
            status, lines = post(witness, LOG.request(0, size, branch))
            assert status == 200
            assert open_note(LOG.note(size, branch) + lines, [witness.keys[0].cosigner])
            assert witness.head(LOG.origin) == LOG.head(size, branch)


@pytest.mark.parametrize(
    "fault", ["another's signature", "wrong signature", "another head", "time 0", "from the future"]
)
def test_a_false_signature_is_false_as_its_name_says(fault: str) -> None:
    with running("w.example", LOG.verifier, now=NOW) as witness:
        witness.fault = fault
        status, lines = post(witness, LOG.request(0, 5))
        assert status == 200
        assert len(parse_cosignatures(lines)) == 1
        own = [witness.keys[0].cosigner]
        if fault in ("time 0", "from the future"):
            (one,) = times(open_note(LOG.note(5) + lines, own))
            assert one.time == 0 if fault == "time 0" else one.time > NOW + 300 * 86_400
        else:
            with pytest.raises(SignatureError):
                open_note(LOG.note(5) + lines, own)


def test_turning_sizes_are_never_the_same_twice() -> None:
    with running("w.example", LOG.verifier, now=NOW) as witness:
        witness.fault = "turning sizes"
        sizes = [parse_size(post(witness, LOG.request(0, 5))[1]) for _ in range(6)]
        assert all(one != other for one, other in pairwise(sizes))


def test_a_slow_witness_waits_for_the_test_and_a_hanging_one_for_its_end() -> None:
    with running("w.example", LOG.verifier, now=NOW) as witness:
        answers: list[tuple[int, bytes]] = []
        for fault in ("slow", "hanging"):
            witness.fault = fault
            asking = threading.Thread(
                target=lambda: answers.append(post(witness, LOG.request(0, 5)))
            )
            asking.start()
            while len(witness.requests) < 1 + (fault == "hanging"):
                pass
            assert asking.is_alive()
            if fault == "slow":
                witness.release()
                asking.join()
                assert [status for status, _ in answers] == [200]
    asking.join()
    assert [status for status, _ in answers] == [200, 0]


def test_every_fault_is_tested_here() -> None:
    here = {"slow", "hanging", "cosigns anything", "turning sizes", *WANTED}
    here |= {"another's signature", "wrong signature", "another head", "time 0", "from the future"}
    assert here == set(FAULTS)
