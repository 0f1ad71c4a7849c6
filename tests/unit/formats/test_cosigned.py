"""translog.formats.cosigned: what a policy believes of a checkpoint."""

from dataclasses import replace

import pytest

from translog.errors import MalformedError, QuorumError, SignatureError
from translog.formats import keys, mldsa
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.cosignature import Cosigned, CosigningKey
from translog.formats.cosigned import CosignedCheckpoint, open_trusted, read_cosigned
from translog.formats.merkle import leaf_hash
from translog.formats.note import NoteSigner, Signature, Verifier, sign_note
from translog.formats.policy import parse_policy

ORIGIN = "log.example"
KEY = keys.SigningKey(b"l" * 32)
LOG = Verifier(name=ORIGIN, public_key=KEY.public_key)
LOG_PQ = CosigningKey(name=ORIGIN, key=mldsa.SigningKey(b"l" * 32))
OTHER_KEY = keys.SigningKey(b"o" * 32)
CHECKPOINT = Checkpoint(origin=ORIGIN, size=7, root=leaf_hash(b"an entry"))
W1, W2, W3 = (
    CosigningKey(name=f"w{n}.example", key=keys.SigningKey(bytes([n]) * 32)) for n in (1, 2, 3)
)
W1_PQ = CosigningKey(name="w1.example", key=mldsa.SigningKey(b"1" * 32))
POLICY = parse_policy(
    f"""\
log {LOG.vkey}
log {LOG_PQ.cosigner.vkey}
log {Verifier(name="other.example", public_key=OTHER_KEY.public_key).vkey}
witness one {W1.cosigner.vkey}
witness one-pq {W1_PQ.cosigner.vkey}
witness two {W2.cosigner.vkey}
group both 2 one one-pq two
quorum both
""".encode()
)


def note(*cosigners: CosigningKey, time: int = 1000) -> bytes:
    return sign_checkpoint(CHECKPOINT, KEY, [key.cosign(CHECKPOINT, time) for key in cosigners])


def test_a_quorum_makes_a_checkpoint_trusted_and_says_who_and_when() -> None:
    raw = note(W1, W2, W1_PQ, W3, time=1234)
    opened = open_trusted(raw, POLICY)
    assert (opened.origin, opened.size, opened.root) == (ORIGIN, 7, CHECKPOINT.root)
    assert opened.note == raw
    assert opened.log_keys == (LOG,)
    assert opened.cosigned == tuple(
        Cosigned(key.cosigner, 1234)
        for key in (W1, W2, W1_PQ)  # the third is none of ours
    )


def test_too_few_cosignatures_are_the_logs_word_and_no_more() -> None:
    for cosigners in ((), (W1,), (W1, W1_PQ), (W2,), (W2, W3), (W1, W1)):
        found = read_cosigned(note(*cosigners), POLICY)
        assert type(found) is CosignedCheckpoint
        assert found.cosigners == {key.cosigner for key in cosigners} - {W3.cosigner}
        with pytest.raises(QuorumError):
            open_trusted(note(*cosigners), POLICY)
    message = r"^checkpoint of size 7 is cosigned by 'one' of the policy's 3, which is no quorum 'b"
    with pytest.raises(QuorumError, match=message):
        open_trusted(note(W1), POLICY)
    with pytest.raises(QuorumError, match=r"is cosigned by no witness of the policy's 3"):
        open_trusted(note(), POLICY)


def test_any_listed_key_of_the_log_will_do() -> None:
    lines = [key.cosign(CHECKPOINT, 5) for key in (LOG_PQ, W1, W2)]
    assert open_trusted(sign_checkpoint(CHECKPOINT, KEY, lines), POLICY).log_keys == (
        LOG,
        LOG_PQ.cosigner,
    )
    # A log's own cosignature is no witness's.
    assert len(read_cosigned(sign_checkpoint(CHECKPOINT, KEY, lines[:1]), POLICY).cosigned) == 0
    unknown = NoteSigner(name=ORIGIN, key=keys.SigningKey(b"u" * 32))
    whole = sign_note(str(CHECKPOINT), [unknown]) + "".join(map(str, lines)).encode()
    assert open_trusted(whole, POLICY).log_keys == (LOG_PQ.cosigner,)


def test_witnesses_alone_do_not_make_a_checkpoint() -> None:
    stranger = keys.SigningKey(b"s" * 32)
    raw = sign_checkpoint(
        CHECKPOINT, stranger, [W1.cosign(CHECKPOINT, 1), W2.cosign(CHECKPOINT, 1)]
    )
    with pytest.raises(SignatureError, match=r"is signed by witnesses, and not by the log$"):
        read_cosigned(raw, POLICY)


def test_one_log_does_not_pass_for_another() -> None:
    other = replace(CHECKPOINT, origin="other.example")
    assert read_cosigned(sign_checkpoint(other, OTHER_KEY), POLICY).origin == "other.example"
    # Signed by a listed key under its own name, about another listed log.
    for text, name, key in (
        (str(CHECKPOINT), "other.example", OTHER_KEY),
        (str(other), ORIGIN, KEY),
    ):
        with pytest.raises(SignatureError):
            read_cosigned(sign_note(text, [NoteSigner(name=name, key=key)]), POLICY)
    with pytest.raises(SignatureError, match=r"'third.example', want .*other.example\)$"):
        read_cosigned(sign_checkpoint(replace(CHECKPOINT, origin="third.example"), KEY), POLICY)


def test_a_wrong_signature_by_any_known_key_refuses_the_note() -> None:
    good = [W1.cosign(CHECKPOINT, 1), W2.cosign(CHECKPOINT, 1)]
    other = replace(CHECKPOINT, size=8)
    for bad in (
        W1.cosign(other, 1),
        W1_PQ.cosign(other, 1),
        LOG_PQ.cosign(other, 1),
        Signature(name=LOG.name, key_id=LOG.key_id, blob=bytes(64)),
    ):
        with pytest.raises(SignatureError):
            read_cosigned(sign_checkpoint(CHECKPOINT, KEY, [*good, bad]), POLICY)
    # By an unknown key, it is nobody's business.
    unknown = W3.cosign(other, 1)
    assert open_trusted(sign_checkpoint(CHECKPOINT, KEY, [*good, unknown]), POLICY)


def test_what_is_no_checkpoint_is_malformed() -> None:
    signer = NoteSigner(name=ORIGIN, key=KEY)
    for raw in (b"", b"text\n", sign_note("hello\n", [signer])):
        with pytest.raises(MalformedError):
            read_cosigned(raw, POLICY)


def test_a_policy_that_asks_for_nobody_believes_the_log() -> None:
    policy = parse_policy(b"quorum none\n")
    assert open_trusted(note(), policy.trusting([LOG])).cosigned == ()
    with pytest.raises(SignatureError, match=r"whose key is given \(none is\)$"):
        open_trusted(note(), policy)
