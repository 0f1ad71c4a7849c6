"""translog.verify.headers, header_growth: what a directory of headers takes, and vouches for."""

import json
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.shared import SHARED, needs
from tests.simulators.headers import TOY, run, toy_chain
from translog.bitcoin.chain import PERIOD, genesis_head
from translog.bitcoin.checkpoints import Checkpoints
from translog.bitcoin.claims import Known
from translog.bitcoin.grade import (
    CHECKPOINT_LINKED,
    OWN_NODE,
    SINGLE_SERVER,
    UNCHECKED,
    GradedHeader,
    quorum,
)
from translog.bitcoin.header import Header, display_hash, parse_target
from translog.bitcoin.network import MAINNET, NETWORKS, REGTEST
from translog.errors import (
    ConflictError,
    HeaderError,
    MalformedError,
    MissingError,
    TranslogError,
    UnavailableError,
)
from translog.net.bitcoind import Bitcoind
from translog.net.esplora import Esplora
from translog.net.quorum import Quorum
from translog.store import headers as store
from translog.store.builtin import checkpoints
from translog.store.headers import Graded, HeaderFile, HeaderWriter, State, create
from translog.testing import headers as servers
from translog.testing.chain import RegtestChain
from translog.verify.header_growth import Change, extend, locate, sync
from translog.verify.header_index import HashIndex
from translog.verify.headers import KeptHeaders, covered_by, follow_from

KNOWN = Known(network=REGTEST, checkpoints=None)
REAL = "bitcoin/mainnet-headers-822528-830592.bin"
FIRST = 822_528


@pytest.fixture
def chain():
    chain = RegtestChain(1_750_000_000)
    chain.mine_empty(20)
    return chain


@pytest.fixture
def folder(tmp_path):
    create(tmp_path / "kept", REGTEST, 0)
    return tmp_path / "kept"


@contextmanager
def kept(folder: Path, points: Checkpoints | None = None):
    with HeaderFile(folder) as file:
        yield KeptHeaders(file, points)


def fill(folder: Path, chain: RegtestChain, grade=OWN_NODE) -> Change:
    with HeaderWriter(folder) as writer:
        return extend(writer, None, 0, chain.raw_headers(), grade)


def contents(folder: Path) -> tuple[bytes, object]:
    with HeaderFile(folder) as file:
        state = file.state()
        return file.read(state, state.first, state.count), state


# What is there


def test_what_was_added_is_given_with_its_grade(folder, chain):
    assert fill(folder, chain) == Change(added=121, dropped=0)
    with kept(folder) as source:
        assert (source.tip(), source.network, source.name) == (120, REGTEST, str(folder))
        for height in (0, 1, 77, 120):
            assert source.header(height) == GradedHeader(
                header=chain.header(height).header, height=height, grade=OWN_NODE
            )
        for height in (-1, 121):
            with pytest.raises(MissingError, match=f"no header of block {height}: there are those"):
                source.header(height)


def test_where_there_are_none_yet_nothing_is_known(folder):
    with kept(folder) as source:
        with pytest.raises(MissingError, match="there are no headers yet"):
            source.tip()
        with pytest.raises(MissingError, match="no header of block 0: there are no headers yet"):
            source.header(0)


def test_what_another_process_adds_is_seen(folder, chain):
    fill(folder, chain)
    with kept(folder) as source:
        assert source.tip() == 120
        chain.reorganise(3)
        fill(folder, chain)
        assert source.tip() == 121
        assert source.header(119).header == chain.header(119).header


def test_a_header_that_was_changed_on_disk_is_not_given(folder, chain):
    fill(folder, chain)
    path = folder / store.HEADERS
    raw = bytearray(path.read_bytes())
    raw[80 * 60 + 40] ^= 1
    path.write_bytes(raw)
    refused = pytest.raises(HeaderError, match=rf"^{folder}: header of block 6[01]: ")
    with kept(folder) as source, refused:
        source.header(7)


def test_headers_that_are_changed_all_the_time_are_given_up(folder, chain, monkeypatch):
    fill(folder, chain)
    with kept(folder) as source:
        states = iter(range(100))
        honest = HeaderFile.state
        monkeypatch.setattr(HeaderFile, "state", lambda file: honest(file).cut(1 + next(states)))
        with pytest.raises(ConflictError, match="changes the headers all the time"):
            source.tip()


# With checkpoints


@cache
def toy() -> tuple[Checkpoints, bytes]:
    """Return the toy network's checkpoints, and headers up to 40 behind the second."""
    raw = TOY.genesis.raw + toy_chain(2 * PERIOD + 40)
    rows = []
    for edge in (PERIOD, 2 * PERIOD):
        last, after = (Header(raw[80 * at : 80 * at + 80]) for at in (edge - 1, edge))
        rows.append([display_hash(last.hash), parse_target(after.bits)])
    return Checkpoints.parse(json.dumps(rows).encode(), TOY), raw


@pytest.fixture
def toy_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "toy", TOY)
    create(tmp_path / "toy", TOY, 0)
    return tmp_path / "toy"


def test_up_to_the_newest_checkpoint_headers_are_linked_to_it_and_then_keep_their_grade(toy_folder):
    points, raw = toy()
    with HeaderWriter(toy_folder) as writer:
        extend(writer, points, 0, raw, SINGLE_SERVER)
    with kept(toy_folder, points) as source:
        for height in (0, 1, PERIOD - 1, PERIOD, 2 * PERIOD - 1):
            found = source.header(height)
            assert found.grade == CHECKPOINT_LINKED
            assert (found.height, found.header.raw) == (height, raw[80 * height : 80 * height + 80])
        for height in (2 * PERIOD, 2 * PERIOD + 39):
            found = source.header(height)
            assert found.grade == SINGLE_SERVER
            assert (found.height, found.header.raw) == (height, raw[80 * height : 80 * height + 80])


def test_a_period_without_its_checkpoint_keeps_its_grade(toy_folder):
    points, raw = toy()
    with HeaderWriter(toy_folder) as writer:
        extend(writer, points, 0, raw[: 80 * (2 * PERIOD - 1)], quorum(2))
    with kept(toy_folder, points) as source:
        assert source.header(PERIOD - 1).grade == CHECKPOINT_LINKED
        assert source.header(PERIOD).grade == quorum(2)
        assert source.tip() == 2 * PERIOD - 2


def test_no_file_can_say_that_its_headers_are_tied_to_a_checkpoint(toy_folder):
    points, raw = toy()
    with HeaderWriter(toy_folder) as writer:
        extend(writer, points, 0, raw[: 80 * (2 * PERIOD - 1)], SINGLE_SERVER)
    text = toy_folder / store.STATE
    text.write_text(text.read_text().replace("single server", "checkpoint-linked"))
    with kept(toy_folder, points) as source:
        assert source.header(PERIOD - 1).grade == CHECKPOINT_LINKED
        assert source.header(PERIOD).grade == UNCHECKED


def test_a_count_that_is_no_truth_costs_no_memory(toy_folder):
    points, raw = toy()
    with HeaderWriter(toy_folder) as writer:
        extend(writer, points, 0, raw, SINGLE_SERVER)
    text = toy_folder / store.STATE
    count = len(raw) // 80
    text.write_text(text.read_text().replace(f"count {count}", "count 2000000000"))
    with kept(toy_folder, points) as source, pytest.raises(MalformedError, match="bytes shorter"):
        source.tip()


@pytest.mark.parametrize("height", [0, 7, PERIOD - 1, PERIOD, 2 * PERIOD - 1])
def test_below_the_checkpoints_who_wrote_the_file_does_not_matter(toy_folder, height):
    points, raw = toy()
    with HeaderWriter(toy_folder) as writer:
        extend(writer, points, 0, raw, OWN_NODE)
    path = toy_folder / store.HEADERS
    changed = bytearray(raw)
    changed[80 * height + 37] ^= 1
    path.write_bytes(changed)
    period = height // PERIOD * PERIOD
    with kept(toy_folder, points) as source:
        with pytest.raises(HeaderError, match=f"^{toy_folder}: "):
            source.header(max(period, height - 1))
        other = (PERIOD if period == 0 else 0) + 5
        assert source.header(other).grade == CHECKPOINT_LINKED


def test_headers_in_another_place_are_not_given(toy_folder):
    points, raw = toy()
    with HeaderWriter(toy_folder) as writer:
        extend(writer, points, 0, raw, OWN_NODE)
    period = 80 * PERIOD
    swapped = raw[period : 2 * period] + raw[:period] + raw[2 * period :]
    (toy_folder / store.HEADERS).write_bytes(swapped)
    refused = pytest.raises(HeaderError, match="has headers of block 2016 in another's place")
    with kept(toy_folder, points) as source, refused:
        source.header(5)


def test_a_chain_that_misses_a_checkpoint_is_not_taken(toy_folder):
    points, raw = toy()
    other = run(genesis_head(TOY), PERIOD + 5, spacing=590)
    with HeaderWriter(toy_folder) as writer:
        with pytest.raises(HeaderError, match="and the checkpoint there is"):
            extend(writer, points, 0, TOY.genesis.raw + other, OWN_NODE)
        assert writer.state.count == 0
        extend(writer, points, 0, raw, OWN_NODE)
        before = contents(toy_folder)
        with pytest.raises(HeaderError, match="and the checkpoint there is"):
            extend(writer, points, 0, TOY.genesis.raw + other, OWN_NODE)
    assert contents(toy_folder) == before


def test_headers_may_begin_behind_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "toy", TOY)
    points, raw = toy()
    create(tmp_path, TOY, PERIOD)
    with HeaderWriter(tmp_path) as writer:
        with pytest.raises(HeaderError, match="begin at 0, want a height from 2016 to 2016"):
            extend(writer, points, 0, raw, OWN_NODE)
        extend(writer, points, PERIOD, raw[80 * PERIOD :], OWN_NODE)
    with kept(tmp_path, points) as source:
        assert source.header(PERIOD).grade == CHECKPOINT_LINKED
        assert source.header(2 * PERIOD + 1).grade == OWN_NODE
        with pytest.raises(MissingError):
            source.header(PERIOD - 1)


@pytest.mark.parametrize("first", [1, PERIOD - 1, PERIOD + 1, 3 * PERIOD])
def test_and_nowhere_else(first):
    points, raw = toy()
    with pytest.raises(MalformedError, match=f"begin at block {first}, where no checkpoint"):
        follow_from(TOY, points, first, raw[80 * first :])
    with pytest.raises(MalformedError, match="begin at block 2016, where no checkpoint"):
        follow_from(TOY, None, PERIOD, raw[80 * PERIOD :])


@needs(REAL)
def test_real_headers_are_kept_and_tied_to_the_built_in_checkpoints(tmp_path):
    raw = (SHARED / REAL).read_bytes()
    points = checkpoints()
    assert locate(raw, None, MAINNET, points) == FIRST
    create(tmp_path, MAINNET, FIRST)
    with HeaderWriter(tmp_path) as writer:
        assert extend(writer, points, FIRST, raw, UNCHECKED).added == 8065
        assert locate(raw[80 * 5000 :], writer.file, MAINNET, points) == FIRST + 5000
    with kept(tmp_path, points) as source:
        assert source.header(830_000).grade == CHECKPOINT_LINKED
        assert source.header(830_592).grade == UNCHECKED
        assert source.tip() == 830_592


def test_a_checkpoint_covers_only_what_is_there_with_it():
    points, _ = toy()
    for first, count, covered in [
        (0, 0, -1),
        (0, PERIOD - 1, -1),
        (0, PERIOD, PERIOD - 1),
        (0, 2 * PERIOD - 1, PERIOD - 1),
        (0, 9 * PERIOD, 2 * PERIOD - 1),
        (PERIOD, 0, -1),
        (PERIOD, 7, -1),
        (PERIOD, PERIOD, 2 * PERIOD - 1),
        (2 * PERIOD, 7, -1),
    ]:
        state = State(network=TOY, first=first, count=count, grades=())
        assert covered_by(state, points) == covered
        assert covered_by(state, None) == -1


def test_a_block_is_found_by_its_hash(folder, chain):
    fill(folder, chain)
    with kept(folder) as source:
        for height in (0, 1, 60, 120):
            assert source.height_of(chain.header(height).header.hash) == height
        with pytest.raises(MissingError, match="has no block 0000"):
            source.height_of(bytes(32))


def test_blocks_whose_hashes_begin_alike_are_told_apart():
    alike = [b"\1\2\3\4\5" + bytes([number]) * 27 for number in range(5)]
    other = [bytes([number]) * 32 for number in range(9, 12)]
    raw = b"".join(bytes(4) + each + bytes(44) for each in [bytes(32), *alike, *other, bytes(32)])
    index = HashIndex(raw, 100)
    for each in alike:
        assert list(index.heights(each)) == [100, 101, 102, 103, 104]
    assert [list(index.heights(each)) for each in other] == [[105], [106], [107]]
    assert list(index.heights(Header(raw[-80:]).hash)) == [109]
    assert list(index.heights(b"\1\2\3\4\6" + bytes(27))) == []
    assert list(HashIndex(b"", 0).heights(bytes(32))) == []


# How it grows


def test_adding_the_same_again_changes_nothing_but_a_better_grade(folder, chain):
    fill(folder, chain, SINGLE_SERVER)
    raw, _ = contents(folder)
    assert fill(folder, chain, SINGLE_SERVER) == Change()
    assert fill(folder, chain, UNCHECKED) == Change()
    assert contents(folder)[1].grades == (Graded(0, SINGLE_SERVER),)
    with HeaderWriter(folder) as writer:
        extend(writer, None, 5, raw[400:800], quorum(3))
        extend(writer, None, 8, raw[640:960], OWN_NODE)
        assert writer.state.grades == (
            Graded(0, SINGLE_SERVER),
            Graded(5, quorum(3)),
            Graded(8, OWN_NODE),
            Graded(12, SINGLE_SERVER),
        )
        extend(writer, None, 0, raw, quorum(2))
        assert writer.state.grades == (
            Graded(0, quorum(2)),
            Graded(5, quorum(3)),
            Graded(8, OWN_NODE),
            Graded(12, quorum(2)),
        )
    assert contents(folder)[0] == raw


def test_a_branch_is_taken_for_more_work_and_for_nothing_less(folder, chain):
    fill(folder, chain)
    before = contents(folder)
    other = chain.fork(7)  # longer by a block
    even = other.raw_headers()[: 80 * 121]
    with HeaderWriter(folder) as writer:
        for raw in (even, even[:-80], even[: 80 * 115]):
            with pytest.raises(ConflictError, match=r"from 114 to .* are another branch, with no"):
                extend(writer, None, 0, raw, OWN_NODE)
    assert contents(folder) == before
    with HeaderWriter(folder) as writer:
        change = extend(writer, None, 100, other.raw_headers()[8000:], SINGLE_SERVER)
    assert change == Change(added=8, dropped=7)
    raw, state = contents(folder)
    assert raw == other.raw_headers()
    assert state.grades == (Graded(0, OWN_NODE), Graded(114, SINGLE_SERVER))


def test_what_breaks_a_rule_is_not_taken(folder, chain):
    fill(folder, chain)
    before = contents(folder)
    newer = RegtestChain(1_750_000_000)
    newer.mine_empty(25)
    raw = newer.raw_headers()
    wrong = [
        (121, raw[80 * 122 :]),  # one is missing
        (120, raw[80 * 121 :]),  # at the wrong height
        (121, raw[80 * 121 : 80 * 125] + raw[80 * 121 : 80 * 122]),
        (121, raw[80 * 121 :][:-80] + bytes(80)),
        (0, bytes(80)),
        (122, raw[80 * 122 :]),  # not behind what is there
        (-1, raw),
        (121, raw[80 * 121 : -1]),
    ]
    with HeaderWriter(folder) as writer:
        for first, part in wrong:
            with pytest.raises((HeaderError, MalformedError)):
                extend(writer, None, first, part, OWN_NODE)
        assert contents(folder) == before
        assert extend(writer, None, 121, raw[80 * 121 :], OWN_NODE) == Change(added=5)


def test_another_networks_first_block_is_not_taken(folder):
    refused = pytest.raises(HeaderError, match="header of block 0: want that of regtest")
    with HeaderWriter(folder) as writer, refused:
        extend(writer, None, 0, MAINNET.genesis.raw, OWN_NODE)


def test_headers_are_located_by_the_block_before_them(folder, chain):
    raw = chain.raw_headers()
    assert locate(raw, None, REGTEST, None) == 0
    with pytest.raises(HeaderError, match=r"follow block 0f9188f13cb7b2c7.*, want the first block"):
        locate(raw[80:], None, REGTEST, None)
    fill(folder, chain)
    newer = chain.fork(1)
    with HeaderFile(folder) as file:
        for height in (1, 2, 100, 120, 121):
            part = newer.raw_headers()[80 * height :]
            if height < 121:
                assert locate(part, file, REGTEST, None) == height
            else:
                with pytest.raises(HeaderError, match="follow block "):
                    locate(part, file, REGTEST, None)
    with pytest.raises(MalformedError, match="0 bytes"):
        locate(b"", None, REGTEST, None)
    with pytest.raises(MalformedError, match="81 bytes"):
        locate(raw[:81], None, REGTEST, None)
    points, toys = toy()
    assert locate(toys[80 * PERIOD :], None, TOY, points) == PERIOD


# From the network


@contextmanager
def served(chain: RegtestChain):
    with ExitStack() as stack:
        server = stack.enter_context(servers.running(chain))
        node = Bitcoind(server.url, lambda: server.authorization, KNOWN)
        yield server, stack.enter_context(node)


def test_headers_are_brought_up_to_the_newest(folder, chain):
    seen: list[tuple[int, int]] = []
    with served(chain) as (_, node), HeaderWriter(folder) as writer:
        done = sync(writer, None, node, lambda done, total: seen.append((done, total)))
        assert done == Change(added=121)
        assert seen == [(121, 121)]
        assert sync(writer, None, node) == Change()
        chain.mine_empty(3)
        assert sync(writer, None, node) == Change(added=3)
    assert contents(folder)[0] == chain.raw_headers()
    assert contents(folder)[1].grades == (Graded(0, OWN_NODE),)


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 20])
def test_a_reorganisation_is_followed(folder, chain, depth):
    fill(folder, chain)
    chain.reorganise(depth)
    with served(chain) as (_, node), HeaderWriter(folder) as writer:
        assert sync(writer, None, node) == Change(added=depth + 1, dropped=depth)
    assert contents(folder)[0] == chain.raw_headers()


def test_a_source_that_is_behind_changes_nothing(folder, chain):
    fill(folder, chain)
    before = contents(folder)
    with served(chain) as (server, node), HeaderWriter(folder) as writer:
        server.lie = "behind"
        assert sync(writer, None, node) == Change()
    assert contents(folder) == before


def test_a_source_on_a_branch_with_less_work_is_refused(folder, chain):
    other = chain.fork(3)
    chain.mine_empty(3)
    fill(folder, chain)
    before = contents(folder)
    refused = pytest.raises(ConflictError, match="another branch, with no more work")
    with served(other) as (_, node), HeaderWriter(folder) as writer, refused:
        sync(writer, None, node)
    assert contents(folder) == before


LIES: dict[str, type[TranslogError]] = {
    "wrong root": HeaderError,
    "wrong height": HeaderError,
    "low work": HeaderError,
    "other hash": HeaderError,
    "other network": HeaderError,
    "garbage": MalformedError,
    "broken": UnavailableError,
    "ahead": MissingError,
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_source_adds_nothing_and_vouches_for_nothing(folder, chain, lie):
    fill(folder, chain, UNCHECKED)
    before = contents(folder)
    chain.mine_empty(3)
    with served(chain) as (server, node), HeaderWriter(folder) as writer:
        server.lie = lie
        with pytest.raises(LIES[lie]):
            sync(writer, None, node)
    assert contents(folder) == before


def test_what_was_added_before_a_lie_stays(folder, chain, monkeypatch):
    chain.mine_empty(2 * PERIOD)
    with served(chain) as (_, node), HeaderWriter(folder) as writer:
        honest = node.run

        def spoiled(first: int, count: int) -> bytes:
            raw = honest(first, count)
            return raw if first < PERIOD else raw[:80] + raw[:-80]

        monkeypatch.setattr(node, "run", spoiled)
        with pytest.raises(HeaderError, match=r"^http://127.*: header of block 2017: follows"):
            sync(writer, None, node)
        assert writer.state.end == PERIOD
        monkeypatch.undo()
        assert sync(writer, None, node) == Change(added=chain.height + 1 - PERIOD)
    assert contents(folder)[0] == chain.raw_headers()


def test_a_better_source_raises_the_grade_of_what_it_has_too(folder, chain):
    fill(folder, chain, UNCHECKED)
    with servers.running(chain) as one, servers.running(chain) as two:
        notes: list[str] = []
        members = [Esplora(each.url, KNOWN) for each in (one, two)]
        with Quorum(members, 2, notes.append) as both, HeaderWriter(folder) as writer:
            chain.mine_empty(1)
            assert sync(writer, None, both) == Change(added=1)
            assert writer.state.grades == (Graded(0, quorum(2)),)
            with Esplora(one.url, KNOWN) as worse:
                sync(writer, None, worse)
            assert writer.state.grades == (Graded(0, quorum(2)),)


def test_another_chain_is_told_from_a_branch(tmp_path, monkeypatch):
    """Down to the newest checkpoint, and no further, is anything looked for."""
    points, raw = toy()
    monkeypatch.setitem(NETWORKS, "toy", TOY)
    create(tmp_path, TOY, 0)
    other = Held(TOY.genesis.raw + run(genesis_head(TOY), 2 * PERIOD + 45, spacing=590))
    with HeaderWriter(tmp_path) as writer:
        extend(writer, points, 0, raw, OWN_NODE)
        before = contents(tmp_path)
        with pytest.raises(HeaderError, match=r"^held: block 4031 is .* it is another chain$"):
            sync(writer, points, other)
        assert min(other.asked) == 2 * PERIOD - 1
    assert contents(tmp_path) == before


def test_a_source_that_ends_before_the_first_is_of_no_use(tmp_path, monkeypatch):
    points, raw = toy()
    monkeypatch.setitem(NETWORKS, "toy", TOY)
    create(tmp_path, TOY, PERIOD)
    with HeaderWriter(tmp_path) as writer:
        extend(writer, points, PERIOD, raw[80 * PERIOD :], OWN_NODE)
        with pytest.raises(UnavailableError, match="newest block is 99, and the first here is"):
            sync(writer, points, Held(raw[:8000]))


class Held:
    """A source that holds headers, and says what it was asked for."""

    network = TOY
    name = "held"
    grade = SINGLE_SERVER

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.asked: list[int] = []

    def tip(self) -> int:
        return len(self.raw) // 80 - 1

    def header(self, height: int) -> GradedHeader:
        self.asked.append(height)
        header = Header(self.run(height, 1))
        return GradedHeader(header=header, height=height, grade=self.grade)

    def run(self, first: int, count: int) -> bytes:
        return self.raw[80 * first : 80 * (first + count)]
