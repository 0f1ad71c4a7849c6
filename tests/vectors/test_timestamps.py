"""docs/formats/timestamps.md: its example and its vectors, from the code and from other readers."""

import json
import re
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import otskit
import pytest
from opentimestamps.core.serialize import BytesDeserializationContext, DeserializationError
from opentimestamps.core.timestamp import DetachedTimestampFile

from translog.bitcoin.attestation import InBlock
from translog.bitcoin.block_time import verify_in_block
from translog.bitcoin.grade import OWN_NODE, GradedHeader
from translog.bitcoin.header import Header
from translog.bitcoin.network import REGTEST
from translog.bitcoin.ots import TimestampFile
from translog.errors import MalformedError, TimestampError

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "formats" / "timestamps.md").read_text()
VECTORS = json.loads((ROOT / "tests" / "data" / "timestamps.json").read_text())
ANCHOR = VECTORS["anchor"]
BLOCK = Header.parse(bytes.fromhex(ANCHOR["block"]["header"]))
HEIGHT = ANCHOR["block"]["height"]
FIRST = bytes.fromhex(ANCHOR["events"][0]["ots"])
FILES = [ANCHOR["checkpoint_ots"], *(event["ots"] for event in ANCHOR["events"])]
# What this reader refuses and the reference reads: docs/formats/timestamps.md, "Reading".
STRICTER = {"reverse", "a height of 2^31", "a file hashed with keccak256"}


class Chain:
    network = REGTEST

    def tip(self) -> int:
        return HEIGHT

    def header(self, height: int) -> GradedHeader:
        return GradedHeader(header=BLOCK, height=height, grade=OWN_NODE)


def reference(raw: bytes) -> list[tuple[bytes, object]]:
    read = DetachedTimestampFile.deserialize(BytesDeserializationContext(raw))
    return list(read.timestamp.all_attestations())


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["why"])
def test_a_file_that_is_to_be_refused_is(case: dict[str, str]) -> None:
    raw = bytes.fromhex(case["ots"])
    with pytest.raises(MalformedError, match=r"^timestamp "):
        TimestampFile.parse(raw)
    if case["why"] in STRICTER:
        reference(raw)
    else:
        with pytest.raises(DeserializationError):
            reference(raw)


def test_the_longest_path_is_read_by_all() -> None:
    raw = bytes.fromhex(VECTORS["longest"])
    assert TimestampFile.parse(raw).timestamp.nesting == 256
    assert len(reference(raw)) == 1
    assert otskit.parse(raw).digest == sha256(b"a file").digest()


@pytest.mark.parametrize("encoded", FILES, ids=["checkpoint", "first event", "second event"])
def test_the_files_of_an_anchor_end_in_its_block(encoded: str) -> None:
    raw = bytes.fromhex(encoded)
    [claim] = TimestampFile.parse(raw).timestamp.in_blocks()
    assert claim == InBlock(BLOCK.merkle_root, HEIGHT)
    assert verify_in_block(claim, Chain(), None).time == BLOCK.time
    [(message, _)] = reference(raw)
    [evidence] = otskit.evidence(otskit.parse(raw))
    assert message == evidence.msg == BLOCK.merkle_root


def test_the_files_are_about_what_they_say() -> None:
    note = ANCHOR["checkpoint"].encode()
    assert TimestampFile.parse(bytes.fromhex(FILES[0])).digest == sha256(note).digest()
    for event in ANCHOR["events"]:
        read = TimestampFile.parse(bytes.fromhex(event["ots"]))
        assert read.digest.hex() == event["content_sha256"]


@pytest.mark.parametrize("case", ANCHOR["not"], ids=lambda case: case["why"])
def test_what_leads_somewhere_else_is_read_and_shows_nothing(case: dict[str, str]) -> None:
    [claim] = TimestampFile.parse(bytes.fromhex(case["ots"])).timestamp.in_blocks()
    assert claim != InBlock(BLOCK.merkle_root, HEIGHT)
    if claim.height == HEIGHT:
        with pytest.raises(TimestampError, match=r"^timestamp: leads to "):
            verify_in_block(claim, Chain(), None)


def test_the_example_is_the_first_vector() -> None:
    example = DOCUMENT.partition("\n## Worked example\n")[2].partition("\n## Vectors\n")[0]
    note = "".join(f"{line[4:]}\n" for line in example.partition("The tip")[0].splitlines()[4:-1])
    assert note == ANCHOR["checkpoint"]
    block = example.partition("    magic")[2]
    digits = "".join(
        digit
        for line in f"    magic{block}".splitlines()
        for digit in re.findall(r"(?<![\w,])[0-9a-f]{2,}(?!\w)", line[20:])
    )
    before_tail = len(FIRST) - len(bytes.fromhex(ANCHOR["tail"]))
    assert digits == FIRST[:before_tail].hex()
    stated = dict(re.findall(r"^    (SHA-256\(note\)|tip) +([0-9a-f]{64})$", example, re.MULTILINE))
    assert stated["SHA-256(note)"] == sha256(note.encode()).hexdigest()
    head = b"translog/anchor/v1\0" + (2).to_bytes(8, "big")
    root = bytes.fromhex("88e37414a33ca672112d12e54c1ff0b6b89a60b342ad310c6ce63dbf6c31fc06")
    assert (
        ANCHOR["tip"]
        == stated["tip"]
        == (sha256(head + root + sha256(note.encode()).digest()).hexdigest())
    )


def test_the_script_writes_the_same_file_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loader = SourceFileLoader("timestamps", str(ROOT / "scripts" / "vectors" / "timestamps"))
    spec = spec_from_loader("timestamps", loader)
    assert spec is not None
    script = module_from_spec(spec)
    loader.exec_module(script)
    monkeypatch.setattr(script, "OUT", tmp_path / "again.json")
    script.main()
    assert json.loads((tmp_path / "again.json").read_text()) == VECTORS
