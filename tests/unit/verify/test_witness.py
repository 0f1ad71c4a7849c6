"""translog.verify.witness: the rules of tlog-witness, quoted, and one line of heads at all times.

Which status code a refusal is given: tests/unit/server/test_witness.py.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators.witnessed import MadeUpLog
from translog.errors import (
    ConsistencyError,
    ForbiddenError,
    MalformedError,
    MissingError,
    TranslogError,
    UnavailableError,
)
from translog.formats import keys, mldsa
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.cosignature import CosigningKey, times
from translog.formats.merkle import EMPTY_ROOT, Hash
from translog.formats.note import Note, NoteSigner, Signature, Verifier, open_note, sign_note
from translog.formats.policy import LogKey
from translog.formats.witnessing import (
    NEVER,
    Inconsistency,
    Kind,
    Submission,
    Witnessed,
    parse_cosignatures,
)
from translog.verify.witness import StaleError, answer_all, check_log_key, judge, read_request

NOW = 1_780_000_000
LOG = MadeUpLog(fork=3)
OTHER = MadeUpLog("example.com/other", seed=b"o")
SIGNER = NoteSigner(name=LOG.origin, key=LOG.key)
TRUSTED: dict[str, list[LogKey]] = {LOG.origin: [LOG.verifier], OTHER.origin: [OTHER.verifier]}
ED = CosigningKey(name="witness.example/w1", key=keys.SigningKey(b"w" * 32))
PQ = CosigningKey(name="witness.example/w1", key=mldsa.SigningKey(b"w" * 32))


class Memory:
    """Records that lie in a dictionary."""

    def __init__(self) -> None:
        self.heads: dict[str, Witnessed] = {}
        self.kept: list[Inconsistency] = []
        self.transactions = 0

    def transaction(self) -> AbstractContextManager[None]:
        self.transactions += 1
        return nullcontext()

    def read(self, origin: str) -> Witnessed:
        return self.heads.get(origin, NEVER)

    def replace(self, origin: str, old: Witnessed, new: Witnessed) -> None:
        assert self.read(origin) == old
        self.heads[origin] = new

    def keep(self, found: Inconsistency, now: int) -> None:
        self.kept.append(found)


class Desk:
    """A witness with a clock that a test moves."""

    def __init__(self, *signers: CosigningKey) -> None:
        self.records = Memory()
        self.signers = signers or (ED,)
        self.now = NOW

    def ask(self, *raws: bytes) -> list[bytes | TranslogError]:
        return answer_all(raws, self.records, TRUSTED, lambda: self.now, self.signers)

    def lines(self, raw: bytes) -> bytes:
        (answer,) = self.ask(raw)
        assert isinstance(answer, bytes), answer
        return answer

    def error(self, raw: bytes) -> TranslogError:
        before = dict(self.records.heads)
        (answer,) = self.ask(raw)
        assert isinstance(answer, TranslogError)
        assert self.records.heads == before, "a refusal changes nothing"
        return answer

    @property
    def head(self) -> Witnessed:
        return self.records.read(LOG.origin)


def submission(old_size: int, checkpoint: bytes, proof: tuple[Hash, ...] = ()) -> bytes:
    return Submission(old_size=old_size, proof=proof, checkpoint=checkpoint).encode()


def test_a_first_head_is_cosigned_and_remembered_with_both_signatures() -> None:
    desk = Desk(ED, PQ)
    lines = desk.lines(LOG.request(0, 5))
    # SPEC: "The response body MUST be a sequence of one or more note signature lines"
    assert [line.name for line in parse_cosignatures(lines)] == ["witness.example/w1"] * 2
    # SPEC: "the client MAY concatenate it to the checkpoint, and use a note verification function"
    opened = open_note(LOG.note(5) + lines, [LOG.verifier, ED.cosigner, PQ.cosigner])
    assert {(one.cosigner, one.time) for one in times(opened)} == {
        (ED.cosigner, NOW),
        (PQ.cosigner, NOW),
    }
    assert desk.head == Witnessed(5, LOG.root(5), NOW, LOG.note(5) + lines)


def test_every_honest_step_is_cosigned() -> None:
    for old_size in range(9):
        for size in range(old_size, 9):
            desk = Desk()
            desk.lines(LOG.request(0, old_size))
            desk.now += 1
            desk.lines(LOG.request(old_size, size))
            assert desk.head[:3] == (size, LOG.root(size), NOW + 1)
            assert desk.records.kept == []


def test_the_same_head_is_cosigned_again_with_a_new_time() -> None:
    desk = Desk()
    first = desk.lines(LOG.request(0, 5))
    desk.now += 60
    again = desk.lines(LOG.request(5, 5))
    assert first != again
    assert desk.head == Witnessed(5, LOG.root(5), NOW + 60, LOG.note(5) + again)


def test_an_unknown_origin_is_missing() -> None:
    # SPEC: "If the checkpoint origin is unknown, the witness MUST respond with a "404 Not Found""
    error = Desk().error(MadeUpLog("example.com/third").request(0, 5))
    assert isinstance(error, MissingError)
    assert str(error) == "log 'example.com/third' is not one that is cosigned here"


def test_a_head_that_no_trusted_key_signed_is_forbidden() -> None:
    # SPEC: "403 Forbidden" if "no signature from a trusted key for the origin is present"
    for seed in (b"stranger", b"o"):  # the key of another log that is known is none for this one
        stranger = MadeUpLog(seed=seed)
        assert isinstance(Desk().error(stranger.request(0, 5)), ForbiddenError)
    under_another_name = sign_note(str(LOG.head(5)), [NoteSigner(name="x", key=LOG.key)])
    assert isinstance(Desk().error(submission(0, under_another_name)), ForbiddenError)


def test_a_wrong_signature_by_a_trusted_key_is_forbidden_whoever_else_signed() -> None:
    # SPEC: "or a signature line's key name and ID match a trusted key but the signature itself
    # fails to verify (such a note is malformed per signed-note)"
    bad = Signature(name=LOG.origin, key_id=LOG.verifier.key_id, blob=bytes(64))
    for lines in ([bad], [LOG.note(5).rpartition(b"\n\n")[2], bad]):
        joined = b"".join(line if isinstance(line, bytes) else str(line).encode() for line in lines)
        note = str(LOG.head(5)).encode() + b"\n" + joined
        assert isinstance(Desk().error(submission(0, note)), ForbiddenError)


def test_signatures_by_unknown_keys_are_ignored_and_not_kept() -> None:
    # SPEC: "it MUST ignore signatures from unknown keys"
    stranger = Verifier(name=LOG.origin, public_key=OTHER.key.public_key)
    more = [
        Signature(name=LOG.origin, key_id=stranger.key_id, blob=bytes(64)),
        Signature(name="somebody", key_id=b"1234", blob=bytes(3000)),
        CosigningKey(name="w2", key=keys.SigningKey(b"2" * 32)).cosign(LOG.head(5), NOW),
    ]
    desk = Desk()
    lines = desk.lines(submission(0, LOG.note(5, more=more)))
    assert desk.head.note == LOG.note(5) + lines


def test_a_line_that_comes_twice_is_kept_once() -> None:
    desk = Desk()
    whole = LOG.note(5)
    lines = desk.lines(submission(0, whole + whole.rpartition(b"\n\n")[2] * 9))
    assert desk.head.note == whole + lines


def test_every_trusted_key_that_signed_is_kept() -> None:
    second = CosigningKey(name=LOG.origin, key=mldsa.SigningKey(b"p" * 32))
    line = second.cosign(LOG.head(5), NOW)
    records = Memory()
    trusted = {LOG.origin: [LOG.verifier, second.cosigner]}
    raw = submission(0, LOG.note(5, more=[line]))
    (lines,) = answer_all([raw], records, trusted, lambda: NOW, [ED])
    assert isinstance(lines, bytes)
    assert records.read(LOG.origin).note == LOG.note(5, more=[line]) + lines
    # One of them is enough.
    (alone,) = answer_all([LOG.request(5, 6)], records, trusted, lambda: NOW, [ED])
    assert isinstance(alone, bytes)


def test_an_old_size_above_the_heads_is_malformed() -> None:
    # SPEC: "The old size MUST be equal to or lower than the checkpoint size. Otherwise, the
    # witness MUST respond with a "400 Bad Request""
    desk = Desk()
    desk.lines(LOG.request(0, 5))
    for old_size in (5, 6, 2**63 - 1):
        error = desk.error(submission(old_size, LOG.note(4)))
        assert type(error) is MalformedError
        assert str(error) == f"old size is {old_size}, want at most 4"


def test_a_stale_old_size_is_answered_with_the_right_one() -> None:
    # SPEC: "The witness MUST check that the old size matches the size of the latest checkpoint it
    # cosigned for the checkpoint's origin (or zero if it never cosigned a checkpoint for that
    # origin). If it doesn't match, ... "409 Conflict""
    desk = Desk()
    error = desk.error(LOG.request(3, 5))
    assert isinstance(error, StaleError)
    assert error.size == 0
    desk.lines(LOG.request(0, 5))
    for old_size, size in ((0, 5), (0, 4), (4, 5), (4, 7), (6, 7), (1, 1)):
        error = desk.error(LOG.request(old_size, size))
        assert isinstance(error, StaleError)
        assert error.size == 5
    assert desk.records.kept == [], "an honest log that is late does nothing wrong"


def test_an_empty_tree_has_one_root() -> None:
    # SPEC: "A checkpoint of size zero MUST have the root hash of the empty tree ... Otherwise, the
    # witness MUST respond with a "422 Unprocessable Entity""
    lie = replace(LOG.head(0), root=LOG.root(1))
    note = sign_note(str(lie), [SIGNER])
    desk = Desk()
    error = desk.error(submission(0, note))
    assert type(error) is ConsistencyError
    assert [found.kind for found in desk.records.kept] == [Kind.EMPTY_TREE]
    assert desk.records.kept[0].found == note
    assert LOG.head(0).root == EMPTY_ROOT
    desk.lines(LOG.request(0, 0))
    # Nor does it pass later on, or by a request that is refused for its old size.
    assert isinstance(desk.error(submission(0, note)), ConsistencyError)
    desk.lines(LOG.request(0, 2))
    assert isinstance(desk.error(submission(0, note)), StaleError)
    assert {found.kind for found in desk.records.kept[1:]} <= {Kind.EMPTY_TREE, Kind.TWO_ROOTS}
    assert len(desk.records.kept) == 3


def test_an_unsigned_lie_about_the_empty_tree_is_forbidden_first() -> None:
    lie = replace(LOG.head(0), root=LOG.root(1))
    note = sign_note(str(lie), [NoteSigner(name=LOG.origin, key=OTHER.key)])
    assert isinstance(Desk().error(submission(0, note)), ForbiddenError)


def test_from_size_0_no_proof_is_wanted() -> None:
    # SPEC: "If the proof is not empty when the old size is zero, ... "422 Unprocessable Entity""
    desk = Desk()
    error = desk.error(submission(0, LOG.note(5), LOG.proof(3, 5)))
    assert type(error) is ConsistencyError
    assert str(error) == "proof from size 0 has 4 hashes, want none"
    assert desk.records.kept == [], "nothing was cosigned that it could contradict"


def test_a_proof_that_does_not_verify_is_refused() -> None:
    # SPEC: "or if a Merkle Consistency Proof doesn't verify, the witness MUST respond with a "422"
    proof = LOG.proof(3, 7)
    wrong = [(), proof[:-1], proof[1:], (*proof, proof[0]), proof[::-1], LOG.proof(3, 6)]
    wrong += [LOG.proof(2, 7), (Hash(bytes(32)),) * len(proof)]
    for each in wrong:
        desk = Desk()
        desk.lines(LOG.request(0, 3))
        error = desk.error(submission(3, LOG.note(7), each))
        assert type(error) is ConsistencyError, each
        (kept,) = desk.records.kept
        assert kept == Inconsistency(
            Kind.NO_PROOF, LOG.origin, 7, LOG.root(7), LOG.note(7), desk.head.note, each
        )
        desk.lines(LOG.request(3, 7))  # the log itself has done nothing wrong


def test_the_same_size_with_another_root_is_refused_and_kept() -> None:
    # SPEC: "If the old size matches the checkpoint size, the witness MUST check that the root
    # hashes are also identical. If they don't match, ... "422 Unprocessable Entity""
    desk = Desk()
    desk.lines(LOG.request(0, 5))
    error = desk.error(submission(5, LOG.note(5, branch=1)))
    assert type(error) is ConsistencyError
    (kept,) = desk.records.kept
    assert (kept.kind, kept.size, kept.found) == (Kind.TWO_ROOTS, 5, LOG.note(5, branch=1))
    assert kept.cosigned == desk.head.note
    # The same with a proof, which equal trees need none of.
    error = desk.error(submission(5, LOG.note(5), (Hash(bytes(32)),)))
    assert type(error) is ConsistencyError
    assert len(desk.records.kept) == 1


def test_two_roots_of_one_size_are_kept_though_the_old_size_is_stale() -> None:
    desk = Desk()
    desk.lines(LOG.request(0, 5))
    error = desk.error(LOG.request(4, 5, branch=1))
    assert isinstance(error, StaleError)
    assert [found.kind for found in desk.records.kept] == [Kind.TWO_ROOTS]


def test_a_fork_is_refused_whatever_proof_comes_with_it() -> None:
    desk = Desk()
    desk.lines(LOG.request(0, 5))
    for size in (5, 6, 7, 8):
        for proof in (LOG.proof(5, size), LOG.proof(5, size, branch=1)):
            error = desk.error(submission(5, LOG.note(size, branch=1), proof))
            assert type(error) is ConsistencyError
    # From before the fork, both branches continue.
    desk = Desk()
    desk.lines(LOG.request(0, 3))
    desk.lines(LOG.request(3, 6, branch=1))
    assert desk.head.root == LOG.root(6, branch=1)
    assert type(desk.error(LOG.request(6, 8))) is ConsistencyError


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"old 0\n\n",
        b"old 0\n\nhello\n",
        b"old 0\n" + LOG.note(5),
        LOG.note(5),
        LOG.request(0, 5) + b"x",
        LOG.request(0, 5)[:-1],
        LOG.request(0, 5).replace(b"\n5\n", b"\n05\n"),
        submission(0, sign_note(f"{LOG.head(5)}extension\n", [SIGNER])),
        submission(0, sign_note("hello\n", [SIGNER])),
    ],
)
def test_what_is_no_request_is_malformed(raw: bytes) -> None:
    desk = Desk()
    assert isinstance(desk.error(raw), MalformedError)
    assert desk.records.transactions == 0, "the disk is not asked about it"


def test_the_clock_does_not_go_back_between_two_cosignatures() -> None:
    desk = Desk()
    desk.lines(LOG.request(0, 5))
    desk.now -= 1
    error = desk.error(LOG.request(5, 6))
    assert isinstance(error, UnavailableError)
    assert str(error) == (
        f"clock shows {NOW - 1}, and log 'example.com/log' was cosigned at {NOW}:"
        " nothing is cosigned before that"
    )
    assert desk.records.kept == []
    desk.lines(OTHER.request(0, 1))  # which was not cosigned before
    desk.now += 1
    desk.lines(LOG.request(5, 6))


def test_the_time_0_is_never_given() -> None:
    # SPEC: "the timestamp MUST NOT be zero"
    desk = Desk()
    for desk.now in (0, -1):
        assert isinstance(desk.error(LOG.request(0, 5)), UnavailableError)
    desk.now = 1
    desk.lines(LOG.request(0, 5))


def test_logs_do_not_touch_each_other() -> None:
    desk = Desk()
    answers = desk.ask(LOG.request(0, 5), OTHER.request(0, 3), LOG.request(5, 6), b"nonsense")
    assert [type(answer) for answer in answers] == [bytes, bytes, bytes, MalformedError]
    assert desk.records.transactions == 1
    assert (desk.head.size, desk.records.read(OTHER.origin).size) == (6, 3)


def test_requests_of_one_batch_see_what_those_before_them_changed() -> None:
    desk = Desk()
    first, second, third = desk.ask(
        LOG.request(0, 4), LOG.request(0, 5), LOG.request(4, 6, branch=1)
    )
    assert isinstance(first, bytes)
    assert isinstance(second, StaleError)
    assert second.size == 4
    assert type(third) is ConsistencyError


def test_nothing_leaves_when_the_disk_fails() -> None:
    class Broken(Memory):
        def replace(self, origin: str, old: Witnessed, new: Witnessed) -> None:
            raise UnavailableError("disk")

    with pytest.raises(UnavailableError, match="disk"):
        answer_all([LOG.request(0, 5)], Broken(), TRUSTED, lambda: NOW, [ED])


def test_judging_needs_no_witness() -> None:
    request = read_request(LOG.request(3, 7), TRUSTED)
    judge(request, Witnessed(3, LOG.root(3), NOW, b"note"))
    with pytest.raises(ConsistencyError):
        judge(request, Witnessed(3, LOG.root(4), NOW, b"note"))
    with pytest.raises(StaleError):
        judge(request, Witnessed(4, LOG.root(4), NOW, b"note"))


def test_a_witness_does_not_take_its_own_key_for_a_logs() -> None:
    check_log_key(LOG.verifier, [ED.cosigner, PQ.cosigner])
    for key in (PQ.cosigner, Verifier(name=LOG.origin, public_key=ED.key.public_key)):
        with pytest.raises(MalformedError, match=r"is this witness's own$"):
            check_log_key(key, [ED.cosigner, PQ.cosigner])


STEPS = st.tuples(
    st.integers(0, 9), st.integers(0, 9), st.integers(0, 1), st.integers(0, 9), st.integers(-1, 2)
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_comes_there_is_one_line_of_heads(
    steps: list[tuple[int, int, int, int, int]],
) -> None:
    desk = Desk()
    line = [desk.head]
    for old_size, size, branch, proof_from, passed in steps:
        desk.now += passed
        proof = LOG.proof(proof_from, size, branch) if proof_from <= size else ()
        (answer,) = desk.ask(submission(old_size, LOG.note(size, branch), proof))
        if isinstance(answer, bytes):
            opened = open_note(LOG.note(size, branch) + answer, [LOG.verifier, ED.cosigner])
            assert [one.time for one in times(opened)] == [desk.now]
            line.append(desk.head)
        else:
            assert desk.head == line[-1]
    trees = [
        {LOG.root(size, branch): LOG.entries(size, branch) for branch in (0, 1)}
        for size in range(10)
    ]
    for before, after in pairwise(line):
        assert before.time <= after.time
        old, new = trees[before.size][before.root], trees[after.size][after.root]
        assert new[: len(old)] == old, "each head continues the one before"


def test_what_is_cosigned_is_written_again_from_what_was_read() -> None:
    desk = Desk()
    desk.lines(LOG.request(0, 5))
    note = Note.parse(desk.head.note)
    assert note.text == str(Checkpoint.parse(note.text))
    assert sign_checkpoint(LOG.head(5), LOG.key) == LOG.note(5)
