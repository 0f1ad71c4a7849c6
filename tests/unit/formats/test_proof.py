"""translog.formats.proof: tlog-proof v1, and every way in which one can be about something else."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from translog.errors import InclusionError, MalformedError, SignatureError, TooLargeError
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.keys import SigningKey
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.note import Verifier
from translog.formats.proof import TlogProof, verify_proof
from translog.formats.strict import MAX_SIZE, format_base64
from translog.formats.tree import Node, grow, prove_inclusion, root

KEY = SigningKey(b"k" * 32)
ORIGIN = "example.com/log"
VERIFIER = Verifier(name=ORIGIN, public_key=KEY.public_key)
ENTRIES = [bytes([number]) * 129 for number in range(20)]
NODES = grow(0, [leaf_hash(entry) for entry in ENTRIES], lambda nodes: [])


def read(nodes: Sequence[Node]) -> list[Hash]:
    return [NODES[node] for node in nodes]


def prove(index: int, size: int = 20) -> TlogProof:
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=root(size, read))
    return TlogProof(
        index=index,
        hashes=tuple(prove_inclusion(index, size, read)),
        checkpoint=sign_checkpoint(checkpoint, KEY),
    )


PROOF = prove(7)


def test_a_proof_is_the_text_of_the_specification() -> None:
    hashes = "".join(f"{format_base64(found)}\n" for found in PROOF.hashes)
    text = f"c2sp.org/tlog-proof@v1\nindex 7\n{hashes}\n".encode() + PROOF.checkpoint
    assert PROOF.encode() == text
    assert TlogProof.parse(text) == PROOF


@pytest.mark.parametrize("extra", [None, b"\0", b"context", bytes(1000)])
@pytest.mark.parametrize("index", [0, 7, MAX_SIZE])
@pytest.mark.parametrize("hashes", [0, 1, 63])
def test_a_proof_is_read_as_it_was_written(extra: bytes | None, index: int, hashes: int) -> None:
    proof = replace(PROOF, index=index, extra=extra, hashes=PROOF.hashes[:1] * hashes)
    assert TlogProof.parse(proof.encode()) == proof


@pytest.mark.parametrize("size", [1, 2, 7, 8, 19, 20])
def test_every_entry_of_every_tree_is_proved(size: int) -> None:
    for index in range(size):
        checkpoint = verify_proof(prove(index, size), ENTRIES[index], VERIFIER)
        assert (checkpoint.origin, checkpoint.size) == (ORIGIN, size)
        assert checkpoint.root == root(size, read)


def test_a_proof_fails_when_any_part_of_it_is_wrong() -> None:
    verify_proof(PROOF, ENTRIES[7], VERIFIER)
    for wrong in [
        replace(PROOF, index=6),
        replace(PROOF, index=20),
        replace(PROOF, index=-13),
        replace(PROOF, hashes=PROOF.hashes[:-1]),
        replace(PROOF, hashes=(*PROOF.hashes, PROOF.hashes[0])),
        replace(PROOF, hashes=PROOF.hashes[::-1]),
        replace(PROOF, checkpoint=prove(7, 19).checkpoint),
    ]:
        with pytest.raises(InclusionError):
            verify_proof(wrong, ENTRIES[7], VERIFIER)
    with pytest.raises(InclusionError):
        verify_proof(PROOF, ENTRIES[6], VERIFIER)
    with pytest.raises(InclusionError):  # the entry, not its leaf hash
        verify_proof(PROOF, leaf_hash(ENTRIES[7]), VERIFIER)


def test_a_proof_fails_for_another_log_or_key() -> None:
    other = SigningKey(b"o" * 32)
    forged = sign_checkpoint(Checkpoint(origin=ORIGIN, size=20, root=root(20, read)), other)
    for proof, verifier in [
        (PROOF, replace(VERIFIER, name="example.com/other")),
        (PROOF, replace(VERIFIER, public_key=other.public_key)),
        (replace(PROOF, checkpoint=forged), VERIFIER),
        (replace(PROOF, checkpoint=PROOF.checkpoint.replace(b"\n20\n", b"\n21\n")), VERIFIER),
    ]:
        with pytest.raises(SignatureError):
            verify_proof(proof, ENTRIES[7], verifier)


def test_a_proof_without_a_checkpoint_is_malformed_when_verified() -> None:
    for checkpoint in [b"", b"\n\n", b"text\n", str(prove(7)).encode()]:
        with pytest.raises(MalformedError):
            verify_proof(replace(PROOF, checkpoint=checkpoint), ENTRIES[7], VERIFIER)


def test_extra_changes_nothing_that_is_proved() -> None:
    verify_proof(replace(PROOF, extra=b"anything"), ENTRIES[7], VERIFIER)


GOOD = PROOF.encode()
HASH = format_base64(PROOF.hashes[0]).encode()
MALFORMED = [b"", b"\n\n", GOOD[1:], b"\n" + GOOD, GOOD.replace(b"@v1", b"@v2")]
MALFORMED += [GOOD.replace(b"@v1", b"@v1 "), GOOD.replace(b"\n", b"\r\n"), GOOD.split(b"\n\n")[0]]
MALFORMED += [GOOD.replace(b"index 7\n", b""), b"c2sp.org/tlog-proof@v1\n\n" + PROOF.checkpoint]
MALFORMED += [
    GOOD.replace(b"index 7", b"index " + bad) for bad in [b"", b"07", b"-7", b"+7", b"7 "]
]
MALFORMED += [GOOD.replace(b"index 7", b"index " + bad) for bad in [b"9" * 19, b"1_0", b" 7", b"x"]]
MALFORMED += [GOOD.replace(b"index 7", bad) for bad in [b"index", b"Index 7", b"index\t7", b"7"]]
MALFORMED += [
    GOOD.replace(b"index 7", b"index 7\nindex 7"),
    GOOD.replace(b"index 7", b"extra AAAA"),
]
MALFORMED += [
    GOOD.replace(b"index", extra + b"\nindex") for extra in [b"extra ", b"extra", b"extra *"]
]
MALFORMED += [
    GOOD.replace(b"index", extra + b"\nindex") for extra in [b"extra AB==", b"Extra AAAA"]
]
MALFORMED += [GOOD.replace(b"index", b"extra AAAA\nextra AAAA\nindex")]
MALFORMED += [GOOD.replace(b"index 7", b"index 7\nextra AAAA")]
MALFORMED += [
    GOOD.replace(HASH, bad) for bad in [HASH[:-1], HASH + b"=", b"AAAA", HASH + b" ", b"*"]
]
MALFORMED += [GOOD.replace(HASH, format_base64(bytes(n)).encode()) for n in [31, 33]]
MALFORMED += [
    GOOD.replace(HASH, b"\n".join([HASH] * 60)),
    GOOD.replace(b"index 7", "index \uff17".encode()),
]
MALFORMED += [GOOD.replace(b"index", b"extra " + b"A" * 100_000 + b"\nindex")]


@pytest.mark.parametrize("raw", MALFORMED, ids=lambda raw: ascii(raw)[:40])
def test_what_is_not_a_proof_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError, match=r"^proof"):
        TlogProof.parse(raw)


def test_refusals_say_what_was_found_and_what_was_wanted() -> None:
    with pytest.raises(TooLargeError, match=r"^proof has 1100001 bytes, want at most 1100000$"):
        TlogProof.parse(bytes(1_100_001))
    with pytest.raises(MalformedError, match=r"^proof has 64 hashes, want at most 63$"):
        TlogProof.parse(GOOD.replace(HASH, b"\n".join([HASH] * 60)))
    with pytest.raises(MalformedError, match=r"^proof: first line is 'hello', want 'c2sp.org/tlog"):
        TlogProof.parse(b"hello\n\n")
    with pytest.raises(MalformedError, match=r"^proof: hash has 31 bytes, want 32$"):
        TlogProof.parse(GOOD.replace(HASH, format_base64(bytes(31)).encode()))
    with pytest.raises(MalformedError, match=r"^proof: extra is empty, want no such line then$"):
        TlogProof.parse(GOOD.replace(b"index", b"extra \nindex"))
    with pytest.raises(MalformedError, match=r"^proof: 'x' is not an index line$"):
        TlogProof.parse(GOOD.replace(b"index 7", b"x"))
