"""Which anchor shows best how old a leaf is, and paths that are made for many at once."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translog.errors import MissingError
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.tiles import Tile
from translog.formats.tree import Node, grow, prove_inclusion
from translog.log.anchored import Covers, remembering
from translog.store.anchors import Cover

FINAL = Cover(10, "final", 100, 1)
NEWER = Cover(20, "final", 105, 2)
CONFIRMED = Cover(30, "confirmed", 110, 3)
ATTESTED = Cover(40, "attested", None, 4)
PENDING = Cover(50, "pending", None, 5)
ALL = [FINAL, NEWER, CONFIRMED, ATTESTED, PENDING]


def test_the_oldest_final_block_counts_most() -> None:
    for covers in permutations(ALL):
        found = Covers(covers)
        assert [found.of(index) for index in (0, 9, 10, 19, 20, 29, 30, 39, 40, 49, 50)] == [
            *[1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
            None,
        ]


def test_a_larger_tree_in_an_older_block_counts_more() -> None:
    found = Covers([FINAL, Cover(20, "final", 90, 2)])
    assert [found.of(0), found.of(19)] == [2, 2]
    found = Covers([Cover(10, "pending", None, 1), Cover(20, "final", 90, 2)])
    assert found.of(0) == 2
    found = Covers([Cover(10, "pending", None, 2), Cover(10, "attested", None, 1)])
    assert found.of(0) == 1


def test_where_nothing_covers_nothing_is_found() -> None:
    assert Covers([]).of(0) is None


COVER = st.builds(
    lambda size, rank, height, number: (
        Cover(size, "final", height, number)
        if rank == 0
        else Cover(size, "confirmed", height, number)
        if rank == 1
        else Cover(size, "pending", None, number)
    ),
    st.integers(1, 12),
    st.integers(0, 2),
    st.integers(1, 9),
    st.integers(1, 99),
)


@given(st.lists(COVER, max_size=12, unique_by=lambda cover: cover.anchor_id), st.integers(0, 12))
def test_it_is_the_best_of_those_that_cover(covers: list[Cover], index: int) -> None:
    ranks = {"final": 0, "confirmed": 1, "pending": 2}
    mine = [cover for cover in covers if cover.size > index]
    best = min(
        mine, key=lambda each: (ranks[each.state], each.height or 0, each.anchor_id), default=None
    )
    assert Covers(covers).of(index) == (None if best is None else best.anchor_id)


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 600, 66_000])
def test_paths_are_those_of_the_tree_and_each_tile_is_read_once(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    nodes: dict[Node, Hash] = grow(0, leaves, lambda wanted: [])
    asked: list[Tile] = []

    def tile(wanted: Tile) -> bytes:
        asked.append(wanted)
        start = wanted.index * 256
        return b"".join(
            nodes[Node(wanted.level * 8, index)] for index in range(start, start + wanted.width)
        )

    read = remembering(tile, size)
    some = range(size) if size < 1_000 else [0, 1, 255, 256, 65_535, 65_536, size - 1]
    for index in some:
        expected = prove_inclusion(index, size, lambda wanted: [nodes[node] for node in wanted])
        assert prove_inclusion(index, size, read) == expected
    assert len(asked) == len(set(asked))


def test_a_tile_that_is_not_there_is_no_path() -> None:
    def nothing(wanted: Tile) -> bytes:
        raise MissingError("no tile")

    with pytest.raises(MissingError):
        prove_inclusion(0, 2, remembering(nothing, 2))
