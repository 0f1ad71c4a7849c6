"""translog.formats.tiles: names, contents, and tiles from someone who lies."""

from collections.abc import Callable, Sequence

import pytest

from translog.errors import MalformedError, VerificationError
from translog.formats.merkle import EMPTY_ROOT, Hash, leaf_hash, level_above, node_hash
from translog.formats.strict import MAX_SIZE
from translog.formats.tiles import (
    ENTRIES,
    FULL,
    Tile,
    authenticated,
    bundle_path,
    format_index,
    holder,
    parse_bundle_path,
    parse_index,
    split_hashes,
    tiles_for,
)
from translog.formats.tree import Node, grow, prove_inclusion, root, subtrees, verify_inclusion

MOST = 70_000
LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(MOST)]
NODES = grow(0, LEAVES, lambda nodes: [])


def read(nodes: Sequence[Node]) -> list[Hash]:
    return [NODES[node] for node in nodes]


def content(tile: Tile) -> bytes:
    """The tile by the words of tlog-tiles: MTH(D[(n*256+i) * 256**l : ...]) for each i."""
    first = tile.index * FULL
    return b"".join(NODES[Node(tile.level * 8, first + i)] for i in range(tile.width))


def honest(tiles: Sequence[Tile]) -> list[bytes]:
    return list(map(content, tiles))


INDICES = [
    (0, "000"),
    (67, "067"),
    (999, "999"),
    (1000, "x001/000"),
    (1234067, "x001/x234/067"),  # the specification's own example
    (MAX_SIZE, "x009/x223/x372/x036/x854/x775/807"),
]


@pytest.mark.parametrize(("index", "text"), INDICES)
def test_an_index_is_written_in_threes(index: int, text: str) -> None:
    assert format_index(index) == text
    assert parse_index(text) == index


OTHER_SPELLINGS = [
    "",
    "0",
    "00",
    "0000",
    "1",
    "x000",
    "x001",
    "x000/001",
    "001/000",
    "x001/x000",
    "x1/000",
]
OTHER_SPELLINGS += [
    "000/",
    "/000",
    "x001//000",
    "../001",
    "..",
    "x001/../000",
    "-01",
    "+01",
    "0_1",
    "\u0660\u0660\u0661",
]
OTHER_SPELLINGS += [
    "X001/000",
    "xx001/000",
    "x001/000\n",
    " 000",
    "%30",
    "x009/x223/x372/x036/x854/x775/808",
]
OTHER_SPELLINGS += ["x018/x446/x744/x073/x709/x551/615", "x999/" * 9 + "999"]


@pytest.mark.parametrize(
    "text",
    OTHER_SPELLINGS,
)
def test_an_index_in_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_index(text)
    with pytest.raises(MalformedError):
        Tile.parse(f"tile/0/{text}")
    with pytest.raises(MalformedError):
        parse_bundle_path(ENTRIES, f"{ENTRIES}/{text}")


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0, FULL), "tile/0/000"),
        (Tile(0, 1234, 5), "tile/0/x001/234.p/5"),
        (Tile(63, 0, 255), "tile/63/000.p/255"),
        (Tile(0, MAX_SIZE, 1), f"tile/0/{format_index(MAX_SIZE)}.p/1"),
    ],
)
def test_a_tile_is_read_from_its_path(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


OTHER_PATHS = [
    "",
    "tile",
    "tile/",
    "tile/0",
    "tile/0/",
    "/tile/0/000",
    "tile/0/000/",
    "tiles/0/000",
    "0/000",
]
OTHER_PATHS += [
    "tile/00/000",
    "tile/01/000",
    "tile/-1/000",
    "tile/64/000",
    "tile/255/000",
    "tile/x/000",
]
OTHER_PATHS += ["tile//000", "tile/entries/000", "tile/../000", "tile/0/..", "tile/0/../0/000"]
OTHER_PATHS += ["tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/01"]
OTHER_PATHS += [
    "tile/0/000.p/",
    "tile/0/000.p",
    "tile/0/000.p/-1",
    "tile/0/000.p/1.p/1",
    "tile/0/000.p/1/",
]
OTHER_PATHS += [
    "tile/0/.p/1",
    "tile/0/000.P/1",
    "tile/0/000.p/x01",
    "tile/0/000?",
    "tile/0/000.p/1 ",
]
OTHER_PATHS += ["tile/0/" + "x999/" * 5000 + "999", "tile/" + "9" * 5000, "tile/9/" + "9" * 5000]


@pytest.mark.parametrize(
    "path",
    OTHER_PATHS,
    ids=lambda path: path[:30],
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(MalformedError):
        Tile.parse(path)


def test_bundles_are_named_as_tiles_are() -> None:
    assert bundle_path(ENTRIES, 1234067, 256) == "tile/entries/x001/x234/067"
    assert bundle_path("events", 7, 3) == "events/007.p/3"
    assert parse_bundle_path("events", "events/007.p/3") == (7, 3)
    assert parse_bundle_path(ENTRIES, "tile/entries/x001/x234/067") == (1234067, 256)


OTHER_BUNDLE_PATHS = [
    "",
    "events",
    "events/",
    "event/000",
    "events000",
    "/events/000",
    "tile/entries/000",
]
OTHER_BUNDLE_PATHS += [
    "events/000.p/0",
    "events/000.p/256",
    "events/000.p/007",
    "events/../checkpoint",
]
OTHER_BUNDLE_PATHS += ["events/" + "x001/" * 30 + "000"]


@pytest.mark.parametrize(
    "path",
    OTHER_BUNDLE_PATHS,
)
def test_any_other_bundle_path_is_refused(path: str) -> None:
    with pytest.raises(MalformedError):
        parse_bundle_path("events", path)


def test_refusals_say_what_was_found_and_what_was_wanted() -> None:
    with pytest.raises(MalformedError, match=r"^tile width is 256, want 1 to 255, or no \.p/ at"):
        Tile.parse("tile/0/000.p/256")
    with pytest.raises(MalformedError, match=r"^tile level is 64, want at most 63$"):
        Tile.parse("tile/64/000")
    with pytest.raises(MalformedError, match=r"^tile index '1' is not how 1 is written$"):
        Tile.parse("tile/0/1")
    with pytest.raises(MalformedError, match=r"^tile/0/000\.p/5 has 128 bytes, want 160$"):
        split_hashes(Tile(0, 0, 5), bytes(128))
    with pytest.raises(MalformedError, match=r"^path 'tiles' is not that of a tile$"):
        Tile.parse("tiles")
    with pytest.raises(MalformedError, match=r"^path 'events/x001/.* is not that of a file under"):
        parse_bundle_path("events", "events/" + "x001/" * 30 + "000")
    with pytest.raises(MalformedError, match=r"^path 'x' is not that of a file under events/$"):
        parse_bundle_path("events", "x")


def test_size_70000_is_the_tiles_the_specification_counts() -> None:
    tiles = tiles_for(0, 70_000)
    assert [(t.level, t.width) for t in tiles if t.width < FULL] == [(0, 112), (1, 17), (2, 1)]
    assert sum(t.level == 0 and t.width == FULL for t in tiles) == 273
    assert sum(t.level == 1 and t.width == FULL for t in tiles) == 1
    assert len(tiles) == 273 + 1 + 1 + 1 + 1


def test_size_256_is_a_full_tile_and_the_one_above_it() -> None:
    assert tiles_for(0, 256) == [Tile(0, 0, 256), Tile(1, 0, 1)]


def every_tile(size: int) -> set[Tile]:
    """All tiles of a tree by the formula of tlog-tiles: floor(s / 256**l) mod 256."""
    tiles: set[Tile] = set()
    for level in range(8):
        full, width = divmod(size // 256**level, 256)
        tiles |= {Tile(level, index, 256) for index in range(full)}
        tiles |= {Tile(level, full, width)} if width else set()
    return tiles


SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 70_000]


@pytest.mark.parametrize("size", SIZES)
def test_new_tiles_are_those_that_were_not_there(size: int) -> None:
    for old_size in [old_size for old_size in SIZES if old_size <= size]:
        tiles = tiles_for(old_size, size)
        assert len(tiles) == len(set(tiles))
        assert set(tiles) == every_tile(size) - every_tile(old_size)


def test_new_tiles_at_the_end_of_the_largest_tree_are_found_at_once() -> None:
    assert tiles_for(MAX_SIZE - 1, MAX_SIZE)[0] == Tile(0, MAX_SIZE // 256, 255)
    assert [tile.level for tile in tiles_for(2**63 - 2**56 - 1, 2**63 - 2**56)] == list(range(8))


@pytest.mark.parametrize("sizes", [(-1, 1), (2, 1), (0, 2**63), (True, 2), (0, "1")])
def test_new_tiles_between_impossible_sizes_are_our_mistake(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError):
        tiles_for(*sizes)


@pytest.mark.parametrize("place", [(0, 2, 300), (1, 1, 300), (2, 0, 300), (0, -1, 300), (0, 0, 0)])
def test_there_is_no_tile_outside_the_tree(place: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        Tile.at(*place)


def test_a_node_outside_the_tree_is_in_no_tile() -> None:
    assert holder(Node(3, 36), 300) == Tile(0, 1, 44)  # leaves 288 to 295
    with pytest.raises(ValueError):
        holder(Node(3, 37), 300)  # leaves 296 to 303


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 700, 65_536, 70_000])
def test_what_is_read_through_tiles_is_what_the_tree_holds(size: int) -> None:
    top = root(size, read)
    through_tiles = authenticated(size, top, honest)
    assert root(size, through_tiles) == top
    for index in {0, size // 3, size - 1}:
        proof = prove_inclusion(index, size, through_tiles)
        assert proof == prove_inclusion(index, size, read)
        verify_inclusion(index, size, LEAVES[index], proof, top)
    nodes = [node for node in [Node(0, 0), Node(8, 0), Node(9, 0)] if 1 << node.level <= size]
    assert through_tiles(nodes) == read(nodes)


def test_every_tile_up_to_the_right_edge_is_tied_to_the_root() -> None:
    # Four levels of tiles, three of them full above leaf 0. All leaves are the same, so that
    # the tree need not be built: every perfect subtree of one level has one hash.
    levels = [LEAVES[0]]
    for _ in range(26):
        levels.append(node_hash(levels[-1], levels[-1]))
    size = 2**25 + 5
    top = root(size, lambda nodes: [levels[node.level] for node in nodes])
    asked: list[Tile] = []

    def fetch(tiles: Sequence[Tile]) -> list[bytes]:
        asked[:] = tiles
        return [levels[8 * tile.level] * tile.width for tile in tiles]

    # Only the leaf: the hashes beside its path would ask for every tile above it themselves.
    assert authenticated(size, top, fetch)([Node(0, 0)]) == [LEAVES[0]]
    chain = [Tile(0, 0, 256), Tile(1, 0, 256), Tile(2, 0, 256), Tile(3, 0, 2)]
    assert set(chain) <= set(asked)
    for bad in chain:

        def lie(tiles: Sequence[Tile], bad: Tile = bad) -> list[bytes]:
            return [
                bytes(len(raw)) if t == bad else raw
                for t, raw in zip(tiles, fetch(tiles), strict=True)
            ]

        with pytest.raises(VerificationError):
            authenticated(size, top, lie)([Node(0, 0)])


def test_an_empty_tree_needs_no_tiles() -> None:
    assert root(0, authenticated(0, EMPTY_ROOT, honest)) == EMPTY_ROOT
    with pytest.raises(VerificationError):
        authenticated(0, LEAVES[0], honest)([])


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize("size", [1, 256, 700, 65_536, 70_000])
def test_one_changed_hash_in_any_tile_is_found(size: int) -> None:
    asked: list[Tile] = []

    def fetch(tiles: Sequence[Tile]) -> list[bytes]:
        asked[:] = tiles
        return honest(tiles)

    top = root(size, read)
    authenticated(size, top, fetch)([Node(0, 0)])
    for bad in list(asked):
        for at in {0, bad.width // 2, bad.width - 1}:

            def lie(tiles: Sequence[Tile], bad: Tile = bad, at: int = 32 * at) -> list[bytes]:
                told = dict(zip(tiles, honest(tiles), strict=True))
                told[bad] = told[bad][:at] + bytes(32) + told[bad][at + 32 :]
                return list(told.values())

            with pytest.raises(VerificationError):
                authenticated(size, top, lie)([Node(0, 0)])


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: b""])
def test_a_tile_of_another_length_is_malformed(change: Change) -> None:
    top = root(700, read)
    with pytest.raises(MalformedError):
        authenticated(700, top, lambda tiles: [change(content(tile)) for tile in tiles])([])


def test_another_root_is_refused() -> None:
    with pytest.raises(VerificationError, match=r"^tiles do not give the root of the tree of 700"):
        authenticated(700, root(699, read), honest)([])


def test_a_full_tile_that_is_not_the_one_above_says_so() -> None:
    def lie(tiles: Sequence[Tile]) -> list[bytes]:
        return [bytes(8192) if tile == Tile(0, 0, 256) else content(tile) for tile in tiles]

    with pytest.raises(VerificationError, match=r"^tile/0/000 does not match the tile above it$"):
        authenticated(700, root(700, read), lie)([Node(0, 0)])


def test_tiles_are_asked_for_once_a_question() -> None:
    questions: list[list[Tile]] = []

    def fetch(tiles: Sequence[Tile]) -> list[bytes]:
        questions.append(list(tiles))
        return honest(tiles)

    prove_inclusion(1000, MOST, authenticated(MOST, root(MOST, read), fetch))
    assert len(questions) == 1
    assert len(questions[0]) == len(set(questions[0])) == 5


def test_the_level_above_joins_neighbours_and_leaves_out_an_odd_one() -> None:
    a, b, c = LEAVES[:3]
    assert level_above([a, b, c]) == [node_hash(a, b)]
    assert level_above([a]) == level_above([]) == []
    assert list(subtrees(range(3))) == [Node(1, 0), Node(0, 2)]
