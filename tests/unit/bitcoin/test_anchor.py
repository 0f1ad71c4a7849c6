"""translog.bitcoin.anchor: each leaf's way to the tip of a checkpoint, as a stock .ots file."""

from dataclasses import replace
from hashlib import sha256

import otskit
import pytest

from tests.reference import HASH
from tests.simulators.timestamps import (
    SHA256,
    Tree,
    append,
    calendar_tail,
    in_block,
    pending,
    prepend,
)
from translog.bitcoin.anchor import Anchor, audit_path, tip
from translog.bitcoin.attestation import InBlock
from translog.bitcoin.ots import Timestamp, TimestampFile
from translog.errors import InclusionError, TimestampError, TooLargeError
from translog.formats.merkle import Hash

TAIL = append(b"a calendar") + SHA256 + in_block(830_000)


def anchored(tree: Tree, tail: bytes = TAIL) -> Anchor:
    return Anchor.of(tree.checkpoint, tree.stamped(tail))


def test_the_tip_is_what_the_specification_says() -> None:
    tree = Tree(5)
    head, note = tree.checkpoint, tree.checkpoint.note
    size = b"\0\0\0\0\0\0\0\5"
    want = HASH(b"translog/anchor/v1\0" + size + head.root + HASH(note))
    assert tip(head, note) == want


def test_every_leaf_of_small_trees_leads_to_the_tip_and_on_to_the_block() -> None:
    for size in range(1, 33):
        tree = Tree(size)
        anchor = anchored(tree)
        in_chain = InBlock(HASH(tree.tip + b"a calendar"), 830_000)
        for index, entry in enumerate(tree.entries):
            raw = anchor.event_file(entry, index, tree.path(index))
            read = TimestampFile.parse(raw)
            assert (read.algorithm, read.digest) == ("sha256", entry.content_sha256)
            assert read.timestamp.attestations() == [in_chain]
            assert read.encode() == raw
        read = TimestampFile.parse(anchor.checkpoint_file())
        assert read.digest == HASH(tree.checkpoint.note)
        assert read.timestamp.attestations() == [in_chain]


def test_another_reader_finds_the_same_block_under_the_same_message() -> None:
    tree = Tree(20)
    anchor = anchored(tree)
    files = [anchor.event_file(entry, n, tree.path(n)) for n, entry in enumerate(tree.entries)]
    for raw in [*files, anchor.checkpoint_file()]:
        [evidence] = otskit.evidence(otskit.parse(raw))
        assert evidence.height == 830_000
        assert evidence.msg == HASH(tree.tip + b"a calendar")
        assert otskit.serialize(otskit.parse(raw)) == raw


def test_a_worked_example_to_the_byte() -> None:
    tree = Tree(3)
    entry, (right, above) = tree.entries[0], tree.path(0)
    head = tree.checkpoint
    above_root = b"translog/anchor/v1\0" + (3).to_bytes(8, "big")
    assert anchored(tree).event_file(entry, 0, [right, above]) == (
        b"\0OpenTimestamps\0\0Proof\0\xbf\x89\xe2\xe8\x84\xe8\x92\x94\x01\x08"
        + entry.content_sha256
        + (prepend(b"\0\1") + append(entry.key_sha256 + entry.signature) + SHA256)
        + (append(right) + prepend(b"\1") + SHA256)
        + (append(above) + prepend(b"\1") + SHA256)
        + (prepend(above_root) + append(HASH(head.note)) + SHA256)
        + TAIL
    )
    left = tree.path(2)[0]
    assert (
        anchored(tree)
        .event_file(tree.entries[2], 2, [left])[65 + 4 + 98 + 1 :]
        .startswith(prepend(b"\1" + left) + SHA256 + prepend(above_root))
    )


def test_nothing_false_is_written() -> None:
    tree = Tree(6)
    anchor = anchored(tree)
    path = tree.path(2)
    wrong = [
        (tree.entries[3], 2, path),  # a proof for another event
        (tree.entries[2], 3, path),
        (tree.entries[2], 6, path),
        (tree.entries[2], -2, path),
        (tree.entries[2], 2, path[:-1]),
        (tree.entries[2], 2, [*path, path[0]]),
        (tree.entries[2], 2, [*path[:-1], path[0]]),
        (tree.entries[2], 2, [*path[:-1], Hash(path[-1] + b"\0")]),
        (tree.entries[2]._replace(signature=bytes(64)), 2, path),
    ]
    for entry, index, hashes in wrong:
        with pytest.raises(InclusionError, match=r"^proof of leaf "):
            anchor.event_file(entry, index, hashes)


def test_an_anchor_is_of_its_own_checkpoint() -> None:
    tree, other = Tree(6), Tree(7)
    with pytest.raises(TimestampError, match=r"the tip of example.com/log at size 6$"):
        Anchor.of(tree.checkpoint, other.stamped(TAIL))
    # The note is part of the tip, to the byte: another signature under it is another checkpoint.
    cosigned = replace(tree.checkpoint, note=tree.checkpoint.note + b"\n")
    with pytest.raises(TimestampError, match=r"^timestamp is of [0-9a-f]{64}, want "):
        Anchor.of(cosigned, tree.stamped(TAIL))


def test_one_anchor_waiting_for_its_block_serves_as_well() -> None:
    tree = Tree(4)
    anchor = anchored(tree, pending("https://alice.example.com"))
    read = TimestampFile.parse(anchor.event_file(tree.entries[1], 1, tree.path(1)))
    [waiting] = read.timestamp.attestations()
    assert waiting == (tree.tip, "https://alice.example.com")


@pytest.mark.parametrize("size", [1, 2, 64])
def test_nesting_is_checked_before_writing(size: int) -> None:
    tree = Tree(size)
    own = TimestampFile.parse(
        anchored(tree, in_block(1)).event_file(tree.entries[0], 0, tree.path(0))
    ).timestamp.nesting
    longest = anchored(tree, SHA256 * (256 - own) + in_block(1))
    raw = longest.event_file(tree.entries[0], 0, tree.path(0))
    assert TimestampFile.parse(raw).timestamp.nesting == 256
    longer = anchored(tree, SHA256 * (257 - own) + in_block(1))
    with pytest.raises(TooLargeError, match=r"^timestamp file is nested 257 deep, want at most"):
        longer.event_file(tree.entries[0], 0, tree.path(0))


def test_a_path_of_the_largest_tree_there_can_be_fits() -> None:
    # 62 levels, each with its sibling on the right: the longest way that the log's trees have.
    operations = audit_path(0, 2**62, [Hash(sha256(bytes([n])).digest()) for n in range(62)])
    assert len(operations) == 3 * 62
    assert 3 + len(operations) + 3 + 1 < 256 - 60  # and leaves a calendar its 60 messages


def test_an_events_file_at_a_million_leaves_is_small() -> None:
    size, index = 2**20, 0
    hashes = [Hash(sha256(bytes([n])).digest()) for n in range(20)]
    path = b"".join(audit_path(index, size, hashes))
    tree = Tree(1)
    anchor = anchored(tree, calendar_tail(963_647))
    alone = anchor.event_file(tree.entries[0], 0, [])
    assert 1150 <= len(anchor.tail) <= 1200
    assert len(alone) + len(path) <= 2200


def test_files_share_one_encoding_of_the_tail() -> None:
    tree = Tree(2)
    stamp = tree.stamped(TAIL)
    anchor = Anchor.of(tree.checkpoint, stamp)
    assert anchor.tail == stamp.encode() == TAIL
    assert anchor.nesting == stamp.nesting == 3
    assert Timestamp.parse(anchor.tail, tree.tip) == stamp
