"""translog.verify.timestamps: what a timestamp shows, and what it does not."""

import json
from hashlib import new, sha256
from pathlib import Path

import pytest

from tests.shared import SHARED, needs
from tests.simulators.sources import Known
from tests.simulators.timestamps import FORK, SHA256, append, in_block, pending
from translog.bitcoin.attestation import InBlock
from translog.bitcoin.block_time import utc, verify_in_block
from translog.bitcoin.grade import (
    CHECKPOINT_LINKED,
    OWN_NODE,
    SINGLE_SERVER,
    UNCHECKED,
    Grade,
    GradedHeader,
    quorum,
)
from translog.bitcoin.header import Header
from translog.bitcoin.network import MAINNET, REGTEST
from translog.bitcoin.ots import Timestamp, file_head
from translog.errors import (
    HeaderError,
    MalformedError,
    MissingError,
    TimestampError,
    UnavailableError,
)
from translog.store import builtin
from translog.testing.chain import RegtestChain
from translog.verify.timestamps import check_file, check_timestamp

DATA = Path(__file__).parents[2] / "data" / "mainnet-headers.json"
NINE = {
    int(height): Header.parse(bytes.fromhex(block["header"]))
    for height, block in json.loads(DATA.read_text())["headers"].items()
}
EXAMPLES = "ots/examples"
HEADERS = "bitcoin/mainnet-headers-822528-830592.bin"
CONTENT = b"a file"
TWO = quorum(2)


def source(grade: Grade = TWO, newest: int = 963_700, **changes: object) -> Known:
    return Known(headers=NINE, grade=grade, newest=newest, **changes)  # type: ignore[arg-type]


def stamped(height: int = 129_405) -> tuple[InBlock, Known]:
    """Return a true claim about a real block."""
    return InBlock(NINE[height].merkle_root, height), source()


def one(timestamp: Timestamp, *sources: Known) -> tuple[str, str, str | None]:
    [finding] = check_timestamp(timestamp, "the file", sources)
    return finding.status, finding.sentence, finding.code


def of(claim: InBlock) -> Timestamp:
    """Return a timestamp of a block's own root: no operations are between."""
    return Timestamp.parse(in_block(claim.height), claim.message)


PROVED, FAILED, NOT_SHOWN, NOT_CHECKABLE = "proved", "failed", "not-shown", "not-checkable"
# Example -> the status of the file, then of each attestation.
VERDICTS = {
    "hello-world.txt": [PROVED, PROVED],
    "bad-stamp.txt": [PROVED, FAILED],
    "empty": [PROVED, PROVED],
    "different-blockchains.txt": [PROVED, PROVED, NOT_SHOWN, NOT_SHOWN, NOT_CHECKABLE],
    "incomplete.txt": [PROVED, NOT_SHOWN],
    "known-and-unknown-notary.txt": [PROVED, NOT_SHOWN, NOT_CHECKABLE],
    "merkle1.txt": [PROVED, NOT_SHOWN, NOT_SHOWN],
    "merkle2.txt": [PROVED, NOT_SHOWN, NOT_SHOWN],
    "merkle3.txt": [PROVED, NOT_SHOWN, NOT_SHOWN],
    "two-calendars.txt": [PROVED, NOT_SHOWN, NOT_SHOWN],
    "unknown-notary.txt": [PROVED, NOT_CHECKABLE],
    "bitcoin.pdf": [NOT_SHOWN, PROVED],  # the file itself is not there
    "gdp2q25-2nd.pdf": [NOT_SHOWN, NOT_SHOWN],  # nor is the header of block 912095
}


@needs(EXAMPLES)
@pytest.mark.parametrize("name", VERDICTS)
def test_every_real_example_gets_its_verdict_offline(name: str) -> None:
    folder = SHARED / EXAMPLES
    content = folder / name
    raw = (folder / f"{name}.ots").read_bytes()

    def read_digest(algorithm: str) -> bytes:
        return new(algorithm, content.read_bytes(), usedforsecurity=False).digest()

    findings = check_file(raw, read_digest if content.exists() else None, [source()])
    assert [finding.status for finding in findings] == VERDICTS[name]


@needs(EXAMPLES)
def test_all_examples_there_are_have_a_verdict() -> None:
    there = {path.name.removesuffix(".ots") for path in (SHARED / EXAMPLES).glob("*.ots")}
    assert there == set(VERDICTS)


@needs(EXAMPLES)
def test_two_files_with_one_sha1_have_one_timestamp() -> None:
    raw = (SHARED / EXAMPLES / "sha1" / "a-or-b.ots").read_bytes()
    for name in ("a", "b"):
        content = (SHARED / EXAMPLES / "sha1" / name).read_bytes()
        found = check_file(raw, lambda algorithm, c=content: new(algorithm, c).digest(), [source()])
        assert [each.status for each in found] == [PROVED, *[NOT_SHOWN] * 4]
        assert "existed before block 466906: its header is not known here" in found[1].sentence


@needs(EXAMPLES)
@pytest.mark.parametrize(
    "name", ["bad-major-version", "exceeds-max-msg-length", "invalid-file-digest-type"]
)
def test_an_invalid_example_is_malformed(name: str) -> None:
    raw = (SHARED / EXAMPLES / "invalid" / f"{name}.ots").read_bytes()
    with pytest.raises(MalformedError, match=r"^timestamp cannot be read: "):
        check_file(raw, None, [source()])


@needs(EXAMPLES)
def test_a_proved_time_is_said_in_words() -> None:
    raw = (SHARED / EXAMPLES / "hello-world.txt.ots").read_bytes()
    content = (SHARED / EXAMPLES / "hello-world.txt").read_bytes()
    about, time = check_file(raw, lambda algorithm: new(algorithm, content).digest(), [source()])
    assert about.sentence == f"the timestamp is of this file, sha256 {sha256(content).hexdigest()}"
    assert time.sentence == (
        "the file existed before 2015-05-28T15:41:18Z (block 358391, final, quorum of 2)"
    )
    assert time.to_json()["block"] == {
        "network": "mainnet",
        "height": 358391,
        "header": NINE[358391].raw.hex(),
        "time": 1432827678,
        "grade": "quorum of 2",
        "final": True,
    }


@needs(HEADERS, "ots/tx-c92630dc.bin.ots", "ots/tx-c92630dc.bin")
def test_the_proof_to_block_830000_needs_its_segment_and_nobody() -> None:
    raw = (SHARED / "ots/tx-c92630dc.bin.ots").read_bytes()
    content = (SHARED / "ots/tx-c92630dc.bin").read_bytes()
    headers = (SHARED / HEADERS).read_bytes()
    needed = builtin.checkpoints().needed(830_000)
    assert needed is not None
    segment = builtin.checkpoints().tie(
        headers[80 * (needed.start - 822_528) : 80 * (needed.stop - 822_528)]
    )
    about, time = check_file(raw, lambda algorithm: new(algorithm, content).digest(), [segment])
    assert about.status == "proved"
    assert (time.status, time.sentence) == (
        "proved",
        "the file existed before 2024-02-11T18:17:37Z (block 830000, final, checkpoint-linked)",
    )


def test_a_proof_for_another_file_shows_nothing() -> None:
    claim, known = stamped()
    raw = file_head("sha256", claim.message) + in_block(claim.height)
    [finding] = check_file(raw, lambda algorithm: sha256(CONTENT).digest(), [known])
    assert (finding.status, finding.code) == ("failed", "wrong-timestamp")
    assert finding.sentence.startswith("timestamp is of a file with sha256 ")
    about, time = check_file(raw, lambda algorithm: claim.message, [known])
    assert (about.status, time.status) == ("proved", "proved")


def test_the_right_root_at_the_wrong_height_fails() -> None:
    claim, known = stamped(129_405)
    status, sentence, code = one(of(claim._replace(height=358_391)), known)
    assert (status, code) == ("failed", "wrong-timestamp")
    assert "and block 358391 (quorum of 2) has root " in sentence


def test_another_root_at_the_right_height_fails() -> None:
    claim, known = stamped()
    for message in (sha256(claim.message).digest(), claim.message[:-1], claim.message + b"\0"):
        status, sentence, code = one(of(InBlock(message, claim.height)), known)
        assert (status, code) == ("failed", "wrong-timestamp"), sentence


def test_a_height_that_does_not_exist_shows_nothing() -> None:
    claim, known = stamped()
    status, sentence, code = one(of(claim._replace(height=5_000_000)), known)
    assert (status, code) == ("not-shown", "not-found")
    assert sentence == (
        "that the file existed before block 5000000: its header is not known here; quorum of 2"
        " knows no block 5000000"
    )


def test_without_a_source_it_is_said_which_headers_would_do() -> None:
    claim, _ = stamped()
    status, sentence, code = one(of(claim))
    assert (status, code) == ("not-shown", "not-found")
    assert sentence.endswith("those of blocks 129405 to 131039 tie it to a built-in checkpoint")
    _, sentence, _ = one(of(claim._replace(height=963_648)))
    assert sentence.endswith("it is beyond the newest built-in checkpoint, block 963647")


def test_a_source_that_cannot_be_asked_is_passed_over_and_named() -> None:
    claim, known = stamped()
    down = source(fails=UnavailableError("node at 127.0.0.1:8332 does not answer"))
    assert one(of(claim), down, known)[0] == "proved"
    status, sentence, code = one(of(claim), down)
    assert (status, code) == ("not-shown", "unavailable")
    assert sentence.endswith("not known here; node at 127.0.0.1:8332 does not answer")


def test_a_source_that_is_caught_lying_is_believed_nothing() -> None:
    claim, known = stamped()
    liar = source(fails=HeaderError("server a and server b disagree about block 129405"))
    assert one(of(claim), liar, known) == ("failed", str(liar.fails), "wrong-header")
    other = source(lies_about_height=True)
    status, sentence, _ = one(of(claim), other)
    assert (status, sentence) == ("failed", "header of block 129406: want that of block 129405")


def made_up(height: int, root: bytes) -> Header:
    """Return a header with this root and a little work, as anyone can make in a moment."""
    start = NINE[height].raw[:36] + root + NINE[height].raw[68:72]
    for nonce in range(1000):
        raw = start + (0x207FFFFF).to_bytes(4, "little") + nonce.to_bytes(4, "little")
        if Header(raw).hash[-1] < 0x7F:
            return Header(raw)
    raise AssertionError("unreachable")


def test_a_header_with_too_little_work_shows_nothing_whoever_gives_it() -> None:
    root = sha256(CONTENT).digest()
    claim = InBlock(root, 358_391)
    easy = made_up(358_391, root)
    real = NINE[358_391].raw
    spliced = Header(real[:36] + root + real[68:])  # the real target, and not its work
    for header, reason in [
        (easy, "target 0x207fffff is easier than the limit 0x1d00ffff"),
        (spliced, "has too little work"),
    ]:
        liar = Known(headers={358_391: header}, grade=OWN_NODE, newest=963_700)
        status, sentence, code = one(of(claim), liar)
        assert (status, code) == ("failed", "wrong-header"), sentence
        assert reason in sentence
    # A block of 2009, real and with little work, is not the one of 2015.
    genesis = Known(headers={358_391: MAINNET.genesis}, grade=OWN_NODE, newest=963_700)
    status, sentence, _ = one(of(InBlock(MAINNET.genesis.merkle_root, 358_391)), genesis)
    assert (status, sentence) == (
        "failed",
        "header of block 358391: has target 0x1d00ffff, want 0x181686f5",
    )


def test_a_header_that_contradicts_a_checkpoint_is_refused() -> None:
    # Real, of the same period, and at another place: 358847 is a checkpoint.
    height = 358_847
    liar = Known(headers={height: NINE[358_391]}, grade=OWN_NODE, newest=963_700)
    status, sentence, _ = one(of(InBlock(NINE[358_391].merkle_root, height)), liar)
    assert status == "failed"
    assert sentence.startswith("header of block 358847: is 000000000000000003e892881a8cdcdc")


@pytest.mark.parametrize("grade", [CHECKPOINT_LINKED, OWN_NODE, quorum(3), SINGLE_SERVER], ids=str)
def test_the_grade_is_in_the_sentence(grade: Grade) -> None:
    claim, _ = stamped()
    status, sentence, _ = one(of(claim), source(grade))
    assert (status, sentence) == (
        "proved",
        f"the file existed before 2011-06-08T16:15:34Z (block 129405, final, {grade})",
    )


def test_an_unchecked_header_proves_nothing() -> None:
    claim, _ = stamped()
    status, sentence, code = one(of(claim), source(UNCHECKED))
    assert status == "not-shown"
    assert sentence == (
        "when the file existed: before 2011-06-08T16:15:34Z (block 129405, final, unchecked), if"
        " a header is right that nobody vouches for; those of blocks 129405 to 131039 tie it to a"
        " built-in checkpoint"
    )
    assert code == "not-found"
    assert "verified" not in sentence
    assert one(of(claim), source(OWN_NODE), source(UNCHECKED))[0] == "proved"


def test_a_test_network_proves_nothing() -> None:
    chain = RegtestChain(time=1_780_000_000)
    height = chain.mine(1_780_000_600, [sha256(CONTENT).digest()])
    chain.mine_empty(5)
    root = chain.header(height).header.merkle_root
    [finding] = check_timestamp(of(InBlock(root, height)), "the file", [chain])
    assert finding.status == "not-shown"
    assert finding.sentence == (
        "when the file existed: regtest proves nothing; there, before 2026-05-28T20:36:40Z"
        f" (regtest block {height}, final, own node)"
    )
    # A right root of another chain is no root of this one.
    [finding] = check_timestamp(of(InBlock(root, 358_391)), "the file", [source()])
    assert finding.status == "failed"


def test_a_young_block_is_not_called_final() -> None:
    claim, _ = stamped()
    for newest, state in ((129_409, "not final yet"), (129_410, "final")):
        _, sentence, _ = one(of(claim), source(OWN_NODE, newest))
        assert f"(block 129405, {state}, own node)" in sentence
        _, sentence, _ = one(of(claim), source(CHECKPOINT_LINKED, newest))
        assert "(block 129405, final, checkpoint-linked)" in sentence


def test_a_file_that_names_thousands_of_blocks_and_calendars_costs_few_questions() -> None:
    asked: list[int] = []

    class Counting(Known):
        def header(self, height: int) -> GradedHeader:
            asked.append(height)
            return super().header(height)

    places = [in_block(height) for height in range(1, 101)]
    places += [pending(f"https://c{number}.example") for number in range(100)]
    raw = b"".join(FORK + each for each in places) + pending("https://last.example")
    counting = Counting(headers=NINE, grade=TWO, newest=963_700)
    findings = check_timestamp(Timestamp.parse(raw, bytes(32)), "the file", [counting])
    assert asked == list(range(1, 17))
    assert len(findings) == 33
    assert findings[-1].status == "not-shown"
    assert findings[-1].sentence == (
        "what else is attested of the file: 169 more attestations are not looked at"
    )


def test_promises_and_strangers_show_no_time() -> None:
    raw = FORK + pending("https://alice.example.com") + SHA256 + append(b"x") + pending("http://a")
    findings = check_timestamp(Timestamp.parse(raw, bytes(32)), "the event", [source()])
    assert [finding.status for finding in findings] == ["not-shown", "not-shown"]
    assert findings[1].sentence == (
        "when the event existed: calendar https://alice.example.com has promised to put it into a"
        " block, and what it answered since is not in here"
    )


def test_what_is_checked_is_a_value_too() -> None:
    claim, known = stamped()
    time = verify_in_block(claim, known, builtin.checkpoints())
    assert (time.height, time.time, time.final, time.proves) == (129_405, 1307549734, True, True)
    assert str(time) == f"{utc(1307549734)} (block 129405, final, quorum of 2)"
    for wrong, error in [
        (claim._replace(message=bytes(32)), TimestampError),
        (claim._replace(height=7), MissingError),
    ]:
        with pytest.raises(error):
            verify_in_block(wrong, known, builtin.checkpoints())
    assert not verify_in_block(claim, source(UNCHECKED), builtin.checkpoints()).proves


def test_mainnet_and_regtest_have_the_checkpoints_they_have() -> None:
    assert builtin.checkpoints_of(MAINNET) is builtin.checkpoints()
    assert builtin.checkpoints_of(REGTEST) is None
