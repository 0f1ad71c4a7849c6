"""log.asking: what a witness says is judged, and a lie changes nothing but its own standing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.simulators.witnessed import MadeUpLog
from translog.errors import SignatureError, TranslogError, UnavailableError
from translog.formats import keys, mldsa
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.cosignature import CosigningKey
from translog.formats.merkle import Hash
from translog.formats.note import Signature
from translog.formats.witnessing import Submission
from translog.log.asking import MAX_TRIES, Told, check_lines, key_name, put
from translog.net.witnesses import Disputed, Reply, Stale

NOW = 1_780_000_000
LOG = MadeUpLog(fork=3)
ED = CosigningKey(name="w1", key=keys.SigningKey(b"w" * 32))
PQ = CosigningKey(name="w1", key=mldsa.SigningKey(b"w" * 32))
OTHER = CosigningKey(name="w2", key=keys.SigningKey(b"o" * 32))
KEYS = (ED.cosigner, PQ.cosigner)


def head(size: int, branch: int = 0) -> SignedCheckpoint:
    return open_checkpoint(LOG.note(size, branch), LOG.verifier)


class Script:
    """A witness that answers what a test has written down, one after the other."""

    def __init__(self, *replies: Reply | TranslogError, latest: bytes | None = None) -> None:
        self.replies = list(replies)
        self.latest = latest
        self.asked: list[Submission] = []

    def add_checkpoint(self, submission: Submission) -> Reply:
        self.asked.append(submission)
        reply = self.replies.pop(0)
        if isinstance(reply, TranslogError):
            raise reply
        return reply

    def read_latest(self, origin: str) -> bytes:
        assert origin == LOG.origin
        if self.latest is None:
            raise UnavailableError("404")
        return self.latest

    def close(self) -> None:
        pass


def lines(size: int, *signers: CosigningKey, time: int = NOW) -> tuple[Signature, ...]:
    return tuple(each.cosign(LOG.head(size), time) for each in signers)


def ask(script: Script, at: int = 7, known: int = 5) -> Told:
    return put(script, KEYS, head(at), known, NOW, LOG.proof, LOG.verifier)


def test_a_head_is_proved_from_what_the_witness_cosigned_last() -> None:
    script = Script(lines(7, ED, PQ))
    told = ask(script)
    assert (told.error, told.claim, told.size) == (None, None, 7)
    assert set(told.rows) == set(KEYS)
    row = told.rows[ED.cosigner]
    assert (row.size, row.cosigner, row.time) == (7, f"w1+{ED.cosigner.key_id.hex()}", NOW)
    assert row.line == str(ED.cosign(LOG.head(7), NOW))
    assert script.asked == [Submission(old_size=5, proof=LOG.proof(5, 7), checkpoint=LOG.note(7))]


@pytest.mark.parametrize(("known", "named"), [(0, 5), (5, 0), (6, 3), (3, 7), (9, 4)])
def test_a_size_that_the_witness_names_is_proved_from(known: int, named: int) -> None:
    script = Script(Stale(named), lines(7, ED))
    told = ask(script, known=known)
    assert told.error is None
    assert [each.old_size for each in script.asked] == [min(known, 7), named]
    assert script.asked[1].proof == LOG.proof(named, 7)


def test_a_witness_that_keeps_changing_its_mind_is_left() -> None:
    script = Script(*(Stale(size) for size in (1, 2, 3, 4, 5, 6)))
    told = ask(script, known=0)
    assert len(script.asked) == MAX_TRIES
    assert told.error == "named 3 sizes to prove from, and took none of them"
    assert told.size == 3, "where to begin the next time"


def test_a_witness_that_names_the_size_it_had_is_left() -> None:
    told = ask(Script(Stale(5)))
    assert told.error == "wants a proof from size 5, which it had"


@pytest.mark.parametrize("reply", [Stale(9), Disputed("answered 422")])
def test_a_witness_that_will_not_go_on_is_asked_for_what_it_stands_by(reply: Reply) -> None:
    shown = LOG.note(9, branch=1) + str(ED.cosign(LOG.head(9, 1), NOW)).encode()
    told = ask(Script(reply, latest=shown))
    assert told.claim == open_checkpoint(shown, LOG.verifier)
    assert told.error is not None
    assert told.rows == {}


@pytest.mark.parametrize(
    "latest", [None, b"", b"nonsense", MadeUpLog(seed=b"x").note(9), MadeUpLog("x").note(9)]
)
def test_what_a_witness_merely_says_is_not_believed(latest: bytes | None) -> None:
    told = ask(Script(Stale(2**62), latest=latest))
    assert told.claim is None
    assert told.error is not None
    assert "shows no head with this log's signature" in told.error
    assert told.size == 5, "and the next time it is asked from where it was"


def test_lines_by_other_keys_are_ignored_if_there_is_one_that_is_wanted() -> None:
    rows = check_lines(lines(7, OTHER, ED, OTHER), KEYS, head(7), NOW)
    assert list(rows) == [ED.cosigner]
    stranger = Signature(name=ED.name, key_id=b"1234", blob=b"nonsense")
    assert list(check_lines((stranger, *lines(7, PQ)), KEYS, head(7), NOW)) == [PQ.cosigner]


def test_a_cosignature_of_anything_else_is_a_lie() -> None:
    good = ED.cosign(LOG.head(7), NOW)
    bad: dict[str, Sequence[Signature]] = {
        "by a stranger": lines(7, OTHER),
        "of another size": lines(6, ED),
        "of another tree": (ED.cosign(LOG.head(7, branch=1), NOW),),
        "wrong": (replace(good, blob=good.blob[:-1] + b"x"),),
        "too short": (replace(good, blob=good.blob[:-1]),),
        "one wrong beside a right one": (good, replace(good, blob=good.blob[:-1] + b"x")),
        "without a time": lines(7, ED, time=0),
        "of the future": lines(7, ED, time=NOW + 3_601),
        "nothing": (),
    }
    for what, each in bad.items():
        with pytest.raises(SignatureError):
            check_lines(each, KEYS, head(7), NOW)
        told = ask(Script(tuple(each)))
        assert told.error is not None, what
        assert (told.rows, told.claim, told.size) == ({}, None, 5)
    check_lines(lines(7, ED, time=NOW + 3_600), KEYS, head(7), NOW)
    check_lines(lines(7, ED, time=1), KEYS, head(7), NOW)


def test_a_witness_that_fails_is_said_to_fail() -> None:
    told = ask(Script(UnavailableError("https://w1 did not answer within 10 s")))
    assert told == Told(5, error="https://w1 did not answer within 10 s")
    told = ask(Script(Stale(3), UnavailableError("gone")))
    assert (told.size, told.error) == (3, "gone")


def test_a_proof_that_cannot_be_made_is_an_error_of_that_witness() -> None:
    def broken(old_size: int, size: int) -> Sequence[Hash]:
        raise UnavailableError("database")

    told = put(Script(), KEYS, head(7), 5, NOW, broken, LOG.verifier)
    assert told.error == "database"


def test_a_key_is_named_by_name_and_id() -> None:
    assert key_name(ED.cosigner) != key_name(PQ.cosigner)
    assert key_name(OTHER.cosigner) == f"w2+{OTHER.cosigner.key_id.hex()}"
