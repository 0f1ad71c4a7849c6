"""merkletools (2018, MIT) as a second opinion on roots and paths.

It lets an odd last hash rise unchanged, which gives the RFC's tree when its hash function is
SHA-256(0x01 ‖ ·) and its leaves are RFC leaf hashes.
"""

import warnings
from collections.abc import Sequence
from hashlib import sha256

import pytest

from translog.formats.merkle import Hash, leaf_hash
from translog.formats.tree import Node, grow, inclusion_ranges, prove_inclusion, root

with warnings.catch_warnings():
    # It warns that it found no sha3, which Python 3.6 and later do not need.
    warnings.filterwarnings("ignore", message="sha3 is not working!")
    from merkletools import MerkleTools

MOST = 300
LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(MOST)]
NODES = grow(0, LEAVES, lambda nodes: [])


def read(nodes: Sequence[Node]) -> list[Hash]:
    return [NODES[node] for node in nodes]


def their_tree(size: int) -> MerkleTools:
    tree = MerkleTools()
    tree.hash_function = lambda pair: sha256(b"\x01" + pair)
    tree.add_leaf([leaf.hex() for leaf in LEAVES[:size]])
    tree.make_tree()
    return tree


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_roots_and_paths_are_the_same(size: int) -> None:
    tree = their_tree(size)
    our_root = root(size, read)
    assert tree.get_merkle_root() == our_root.hex()
    for index in {*range(0, size, 17), size // 2, size - 1}:
        hashes = prove_inclusion(index, size, read)
        sides = ["left" if r.stop <= index else "right" for r in inclusion_ranges(index, size)]
        ours = [{side: found.hex()} for side, found in zip(sides, hashes, strict=True)]
        assert tree.get_proof(index) == ours
        assert tree.validate_proof(ours, LEAVES[index].hex(), our_root.hex())
