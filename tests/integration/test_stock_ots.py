"""What is exported is verified by software that knows nothing of translog: stock `ots`, otskit."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import otskit
import pytest
from otskit.bitcoin import Header, check

from tests.simulators import ots
from tests.simulators.timestamps import Tree
from translog.bitcoin.anchor import Anchor
from translog.bitcoin.attestation import InBlock
from translog.bitcoin.ots import Timestamp, TimestampFile
from translog.cli.main import run
from translog.testing.chain import RegtestChain

NOW = 1_780_000_000
LARGE = 3_001


class Stamped:
    """Trees of several sizes, each with its tip in one block of one chain."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.trees = {size: Tree(size) for size in sizes}
        self.chain = RegtestChain(time=NOW)
        self.height = self.chain.mine(NOW + 600, [tree.tip for tree in self.trees.values()])
        self.chain.mine_empty(5)

    def anchor(self, size: int) -> Anchor:
        tree = self.trees[size]
        return Anchor.of(tree.checkpoint, tree.stamped(self._path(tree.tip)))

    def _path(self, message: bytes) -> bytes:
        from opentimestamps.core.serialize import BytesSerializationContext

        writer = BytesSerializationContext()
        self.chain.attest(message, self.height).serialize(writer)
        path: bytes = writer.getbytes()
        return path

    def export(self, size: int, index: int) -> bytes:
        tree = self.trees[size]
        return self.anchor(size).event_file(tree.entries[index], index, tree.path(index))


@pytest.fixture(scope="module")
def stamped() -> Stamped:
    return Stamped([*range(1, 65), LARGE])


@pytest.fixture(scope="module")
def node(stamped: Stamped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the chain's headers as a node does, and give the address."""
    folder = tmp_path_factory.mktemp("headers")
    (folder / "raw").write_bytes(stamped.chain.raw_headers())
    kept = str(folder / "kept")
    of = ["--network", "regtest", "--grade", "own node"]
    assert run(["headers", "import", kept, str(folder / "raw"), *of]) == 0
    with ots.serving(kept) as url:
        yield url


def write(folder: Path, name: str, content: bytes, stamp: bytes) -> Path:
    (folder / name).write_bytes(content)
    file = folder / f"{name}.ots"
    file.write_bytes(stamp)
    return file


def content(index: int) -> bytes:
    return b"event %d" % index


def test_ots_verify_says_success_for_every_leaf_of_every_tree(
    stamped: Stamped, node: str, tmp_path: Path
) -> None:
    files = []
    for size in range(1, 65):
        anchor, tree = stamped.anchor(size), stamped.trees[size]
        for index, entry in enumerate(tree.entries):
            assert entry.content_sha256 == sha256(content(index)).digest()
            stamp = anchor.event_file(entry, index, tree.path(index))
            files.append(write(tmp_path, f"{size}-{index}", content(index), stamp))
        note = tree.checkpoint.note
        files.append(write(tmp_path, f"checkpoint-{size}", note, anchor.checkpoint_file()))
    files += [
        write(tmp_path, f"{LARGE}-{index}", content(index), stamped.export(LARGE, index))
        for index in (0, 1, 2047, 2048, 2999, 3000)
    ]
    assert len(files) == 64 * 65 // 2 + 64 + 6
    found = ots.verify_many(files, node)
    wrong = [
        (file.name, done)
        for file, done in zip(files, found, strict=True)
        if done.code or f"Success! Bitcoin block {stamped.height} attests" not in done.said
    ]
    assert wrong == []


def test_the_command_itself_says_success_and_the_day(
    stamped: Stamped, node: str, tmp_path: Path
) -> None:
    file = write(tmp_path, "event.json", content(6), stamped.export(7, 6))
    note = stamped.trees[7].checkpoint.note
    head = write(tmp_path, "checkpoint", note, stamped.anchor(7).checkpoint_file())
    for each in (file, head):
        done = ots.verify(each, node)
        assert done.code == 0
        assert f"Success! Bitcoin block {stamped.height} attests" in done.said
        assert "existence as of 2026-05-28" in done.said


def test_ots_verify_fails_for_any_changed_byte(stamped: Stamped, node: str, tmp_path: Path) -> None:
    good = stamped.export(5, 3)
    other = write(tmp_path, "content", content(3) + b"\n", good)
    # The magic, the version, the hash, the path, the attestation: everywhere, and each byte of the
    # path over the tree.
    places = [*range(0, 65, 8), *range(65, 330), *range(330, len(good), 5)]
    files = [other]
    for at in places:
        changed = bytearray(good)
        changed[at] ^= 1
        files.append(write(tmp_path, f"changed-{at}", content(3), bytes(changed)))
    found = ots.verify_many(files, node)
    assert "File does not match original!" in found[0].said
    passed = [
        file.name
        for file, done in zip(files, found, strict=True)
        if done.code == 0 or "Success" in done.said
    ]
    assert passed == []


def test_the_right_root_at_another_height_is_no_success(
    stamped: Stamped, node: str, tmp_path: Path
) -> None:
    read = TimestampFile.parse(stamped.export(5, 3))
    [claim] = read.timestamp.in_blocks()
    good = read.encode()
    height = bytes([stamped.height])
    assert claim == InBlock(claim.message, stamped.height)
    assert good.endswith(height)
    files = [
        write(tmp_path, f"at-{other}", content(3), good[:-1] + bytes([other]))
        for other in (stamped.height - 1, stamped.height + 1, 127)
    ]
    found = ots.verify_many(files, node)
    assert [done.code for done in found] == [1, 1, 1]
    assert "Digest does not match merkleroot" in found[0].said
    assert "127" in found[2].said


def test_otskit_verifies_the_same_files(stamped: Stamped) -> None:
    right, wrong = (
        Header(stamped.chain.header(height).header.raw) for height in (stamped.height, 1)
    )
    for size in (1, 2, 3, 7, 8, 9, 33, 64, LARGE):
        for index in {0, size // 2, size - 1}:
            proof = otskit.parse(stamped.export(size, index))
            assert otskit.file_digest(content(index)) == proof.digest
            [evidence] = otskit.evidence(proof)
            assert (evidence.kind, evidence.height) == ("bitcoin", stamped.height)
            found = check(evidence.msg, stamped.height, right, block_hash=right.block_hash)
            assert found.merkle_root_matches
            assert found.work_ok
            assert found.hash_matches
            assert not check(evidence.msg, stamped.height, wrong).merkle_root_matches


def test_an_anchor_pruned_to_one_block_is_what_is_exported(stamped: Stamped) -> None:
    tree = stamped.trees[9]
    path = stamped.anchor(9).tail
    both = Timestamp.parse(path, tree.tip).merged(
        Timestamp.parse(b"\x08" + bytes.fromhex("0083dfe30d2ef90c8e0a09") + b"http://a/", tree.tip)
    )
    assert len(both.attestations()) == 2
    [claim] = both.in_blocks()
    assert Anchor.of(tree.checkpoint, both.pruned(claim)) == stamped.anchor(9)
