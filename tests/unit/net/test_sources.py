"""Block explorer, node and Electrum server, true and lying, and several of them together."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Barrier

import pytest
from bitcoin.core import CBlock

from tests.shared import SHARED, needs
from tests.unit.net.certificates import certificate
from translog.bitcoin.chain import follow, genesis_head
from translog.bitcoin.claims import Known, RunSource
from translog.bitcoin.grade import CHECKPOINT_LINKED, OWN_NODE, SINGLE_SERVER, GradedHeader, quorum
from translog.bitcoin.header import Header, display_hash
from translog.bitcoin.network import MAINNET, REGTEST
from translog.errors import (
    BusyError,
    HeaderError,
    MalformedError,
    MissingError,
    TooLargeError,
    TranslogError,
    UnavailableError,
)
from translog.net.bitcoind import BATCH, Bitcoind
from translog.net.electrum import Electrum, verify_branch
from translog.net.esplora import Esplora
from translog.net.lines import Address
from translog.net.quorum import Quorum
from translog.net.sources import open_source
from translog.store.builtin import checkpoints
from translog.testing import electrum, headers
from translog.testing.chain import RegtestChain
from translog.testing.headers import LIES
from translog.testing.loopback import Answer, serving

CHAIN = RegtestChain(1_750_000_000)
CHAIN.mine_empty(30)
TIP = CHAIN.height
KNOWN = Known(network=REGTEST, checkpoints=None)
GRADES = {"esplora": SINGLE_SERVER, "bitcoind": OWN_NODE, "electrum": SINGLE_SERVER}


class Pair:
    """A server, and a source that asks it."""

    def __init__(self, server: headers.HeaderServer | electrum.ElectrumServer, source: RunSource):
        self.server = server
        self.source = source


@pytest.fixture(scope="session")
def pem(tmp_path_factory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def context(pem) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def pin(pem: Path) -> bytes:
    text = pem.read_text()
    return sha256(ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERT") :])).digest()


@contextmanager
def pair(
    kind: str, pem: Path, context: ssl.SSLContext, *, known: Known = KNOWN, seconds: float = 10.0
) -> Iterator[Pair]:
    with ExitStack() as stack:
        if kind == "electrum":
            server = stack.enter_context(electrum.running(CHAIN, context))
            address = Address("127.0.0.1", server.port, pin(pem))
            source = Electrum(address, known, timeout_seconds=seconds)
        else:
            server = stack.enter_context(headers.running(CHAIN))
            if kind == "esplora":
                source = Esplora(server.url, known, timeout_seconds=seconds)
            else:
                give = lambda: server.authorization  # noqa: E731
                source = Bitcoind(server.url, give, known, timeout_seconds=seconds)
        stack.enter_context(source)
        yield Pair(server, source)


@pytest.fixture(params=["esplora", "bitcoind", "electrum"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def both(kind, pem, context):
    with pair(kind, pem, context) as both:
        yield both


def test_a_true_server_gives_what_is_in_the_chain(both, kind):
    assert both.source.tip() == TIP
    assert both.source.network is REGTEST
    for height in (0, 1, 2, 77, TIP - 1, TIP):
        found = both.source.header(height)
        assert found == GradedHeader(
            header=CHAIN.header(height).header, height=height, grade=GRADES[kind]
        )
    for first, count in ((0, TIP + 1), (5, 20), (TIP, 1)):
        raw = both.source.run(first, count)
        assert raw == CHAIN.raw_headers()[80 * first : 80 * (first + count)]


def test_a_block_that_is_not_there_is_missing(both):
    for height in (TIP + 1, 10**6):
        with pytest.raises(MissingError):
            both.source.header(height)
    with pytest.raises(MissingError):
        both.source.run(TIP, 2)
    assert both.source.header(TIP).height == TIP


REFUSED: dict[str, tuple[type[TranslogError], str]] = {
    "low work": (HeaderError, "too little work"),
    "other network": (HeaderError, "want that of regtest"),
    "garbage": (MalformedError, "want"),
    "oversized": (TooLargeError, "bytes"),
    "broken": (UnavailableError, "broken"),
}


@pytest.mark.parametrize("lie", REFUSED)
def test_what_one_server_cannot_hide_is_refused_with_its_name(both, lie):
    refusal, says = REFUSED[lie]
    both.server.lie = lie
    with pytest.raises(refusal, match=says) as refused:
        both.source.header(TIP - 3)
    assert type(refused.value) is refusal
    assert "127.0.0.1" in str(refused.value)
    both.server.lie = None
    assert both.source.header(TIP - 3).header == CHAIN.header(TIP - 3).header


@pytest.mark.parametrize("lie", ["wrong root", "wrong height", "fork"])
def test_what_one_server_can_hide_alone_does_not_link(both, lie):
    """Such headers cost a block each on mainnet. Linked to the rest of the chain, they show."""
    both.server.lie = lie
    raw = both.source.run(TIP - 6, 3)
    below = follow(genesis_head(REGTEST), CHAIN.raw_headers()[80 : 80 * (TIP - 6)])
    if lie == "fork":
        assert follow(below, raw).hash != CHAIN.header(TIP - 4).header.hash
    else:
        with pytest.raises(HeaderError, match="follows block"):
            follow(below, raw)


def test_a_server_that_hangs_is_given_up(kind, pem, context):
    with pair(kind, pem, context, seconds=0.3) as both:
        both.server.lie = "silent"
        for question in (both.source.tip, lambda: both.source.header(7)):
            with pytest.raises(UnavailableError, match=r"did not answer within 0\.3 s"):
                question()


def test_a_server_that_is_gone_is_not_available(kind, pem, context):
    with pair(kind, pem, context) as both:
        both.server.close()
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
            both.source.tip()
        both.server.close = lambda: None


@pytest.mark.parametrize("lie, tip", [("ahead", TIP + 100), ("behind", TIP - 6), ("fork", TIP + 1)])
def test_the_tip_is_the_servers_word(both, lie, tip):
    both.server.lie = lie
    if lie == "ahead":
        with pytest.raises((MissingError, UnavailableError)):
            both.source.header(tip)
    assert both.source.tip() == tip


@pytest.mark.parametrize("kind", ["esplora", "bitcoind"])
def test_a_header_that_is_not_of_the_hash_is_refused(pem, context, kind):
    with pair(kind, pem, context) as both:
        both.server.lie = "other hash"
        with pytest.raises(HeaderError, match="and the hash that goes with it is"):
            both.source.header(7)


@pytest.mark.parametrize("hash_", ["", "x", "AB" * 32, "00" * 31, "../tx/00", "00" * 32 + "?"])
def test_a_hash_that_is_none_leads_nowhere(hash_):
    with serving(lambda _: Answer(body=hash_.encode())) as server:
        with Esplora(server.url, KNOWN) as source, pytest.raises(MalformedError, match="hash of b"):
            source.header(7)
        assert [request.path for request in server.requests] == ["/block-height/0"]


def test_every_lie_is_tested_here():
    here = Path(__file__).read_text()
    lies = (*LIES, *electrum.MORE_LIES)
    assert [lie for lie in lies if f'"{lie}"' not in here] == []


def test_a_lie_that_is_not_known_is_refused(both):
    with pytest.raises(ValueError, match="no lie that is known"):
        both.server.lie = "white"


# Nodes


def test_a_node_is_asked_in_batches(pem, context):
    with pair("bitcoind", pem, context) as both:
        assert both.source.run(0, TIP + 1) == CHAIN.raw_headers()
        assert len(both.server.requests) == 6  # two for the genesis, for block 0, and for the run
        assert TIP < BATCH


def test_a_password_is_sent_and_never_shown():
    with headers.running(CHAIN) as server, Bitcoind(server.url, lambda: "a:secret", KNOWN) as node:
        with pytest.raises(UnavailableError, match="answered 401: wrong user, password") as refused:
            node.tip()
        assert "secret" not in str(refused.value)
        assert "secret" not in node.name


def test_a_cookie_is_read_again_for_each_request():
    cookies = iter(["old:1", "user:password"])
    with headers.running(CHAIN) as server, Bitcoind(server.url, cookies.__next__, KNOWN) as node:
        with pytest.raises(UnavailableError):
            node.tip()
        assert node.tip() == TIP


def answering(body: object, status: int = 200) -> Callable[[object], Answer]:
    return lambda _: Answer(status=status, body=json.dumps(body).encode())


@pytest.mark.parametrize(
    "body, refusal",
    [
        ([], MalformedError),
        ({}, MalformedError),
        (None, MalformedError),
        ([1], MalformedError),
        ([{"id": 1, "result": 7}], MalformedError),
        ([{"id": True, "result": 7}], MalformedError),
        ([{"id": [], "result": 7}], MalformedError),
        ([{"id": 0, "result": 7}, {"id": 0, "result": 8}], MalformedError),
        ([{"id": 0}], MalformedError),
        ([{"id": 0, "result": "7"}], MalformedError),
        ([{"id": 0, "result": -1}], MalformedError),
        ([{"id": 0, "error": "no"}], UnavailableError),
        ([{"id": 0, "error": {"code": -28, "message": "Loading"}}], BusyError),
        ([{"id": 0, "error": {"code": -8, "message": "Out of range"}}], MissingError),
        ([{"id": 0, "error": {"code": -32601, "message": "?" * 900}}], UnavailableError),
    ],
)
def test_strange_answers_of_a_node_are_refused(body, refusal):
    with serving(answering(body)) as server, Bitcoind(server.url, lambda: "a:b", KNOWN) as node:
        with pytest.raises(refusal) as refused:
            node.tip()
        assert type(refused.value) is refusal
        assert len(str(refused.value)) < 200


# Electrum


def test_electrum_proves_a_place_in_one_tree(pem, context):
    with pair("electrum", pem, context) as both:
        both.source.header(7)
        both.source.header(TIP)
        assert both.server.asked == [
            "server.version",
            "blockchain.headers.subscribe",
            *["blockchain.block.header"] * 3,
        ]


@pytest.mark.parametrize(
    "lie, refusal, says",
    [
        ("wrong branch", HeaderError, "branch does not lead to the root of blocks 0 to 130"),
        ("another root", HeaderError, "is in another tree of blocks 0 to 130 than the server"),
        ("chatter", MalformedError, "sent 100 lines that nobody asked for"),
        ("no proofs", UnavailableError, "blockchain.block.header: 'invalid params'"),
        ("hangs up", UnavailableError, "the server closed the connection"),
    ],
)
def test_electrum_lies_are_refused(pem, context, lie, refusal, says):
    with pair("electrum", pem, context) as both:
        both.server.lie = lie
        with pytest.raises(refusal, match=says):
            both.source.header(7)
        both.server.lie = None
        assert both.source.header(7).header == CHAIN.header(7).header


@pytest.mark.parametrize("line", [b"[]", b"7", b"null", b'"x"', b"{", b"", b"\xff", b"[" * 5000])
def test_a_line_that_is_no_answer_is_refused(pem, context, monkeypatch, line):
    def say(server: electrum.ElectrumServer, secure: ssl.SSLSocket, _: object) -> bool:
        secure.sendall(line + b"\n")
        return True

    monkeypatch.setattr(electrum.ElectrumServer, "_say", say)
    refused = pytest.raises(MalformedError, match=r"^127\.0\.0\.1:[0-9]+ sent ")
    with pair("electrum", pem, context) as both, refused:
        both.source.tip()


def test_electrum_goes_on_to_new_blocks(pem, context):
    chain = RegtestChain(1_750_000_000)
    with electrum.running(chain, context) as server, asking(server, pem, KNOWN) as source:
        assert source.header(100).header == chain.header(100).header
        with pytest.raises(MissingError, match="knows no block 101; 100 is its newest"):
            source.header(101)
        chain.mine_empty(3)
        assert source.header(103).header == chain.header(103).header
        assert source.header(5).header == chain.header(5).header


def asking(server: electrum.ElectrumServer, pem: Path, known: Known) -> Electrum:
    return Electrum(Address("127.0.0.1", server.port, pin(pem)), known)


class RealChain:
    """Real headers of mainnet, in place of the kit's chain."""

    def __init__(self, raw: bytes, first: int) -> None:
        self.raw = raw
        self.first = first
        self.height = first + len(raw) // 80 - 1

    def header(self, height: int) -> GradedHeader:
        at = (height - self.first) * 80
        header = Header(self.raw[at : at + 80])
        return GradedHeader(header=header, height=height, grade=OWN_NODE)


@needs("bitcoin/mainnet-headers-822528-830592.bin")
def test_below_the_checkpoints_an_electrum_server_need_not_be_believed(pem, context):
    raw = (SHARED / "bitcoin/mainnet-headers-822528-830592.bin").read_bytes()
    chain = RealChain(raw, 822_528)
    known = Known(network=MAINNET, checkpoints=checkpoints())
    with electrum.running(chain, context) as server, asking(server, pem, known) as source:
        found = source.header(830_000)
        assert (found.height, found.grade) == (830_000, CHECKPOINT_LINKED)
        assert display_hash(found.header.hash).startswith("000000000000000000011d55599ed2")
        assert server.asked == ["server.version", "blockchain.block.headers"]
        server.lie = "wrong height"
        with pytest.raises(
            HeaderError, match=r"^127\.0\.0\.1:[0-9]+: block headers: from .* there"
        ):
            source.header(830_001)


def test_a_certificate_must_be_the_one_that_is_named(pem, context, tmp_path):
    with electrum.running(CHAIN, context) as server:
        other = Address("127.0.0.1", server.port, bytes(32))
        with Electrum(other, KNOWN) as source, pytest.raises(UnavailableError, match="SHA-256"):
            source.tip()
        nobody = Address("127.0.0.1", server.port)
        refused = pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED")
        with Electrum(nobody, KNOWN) as source, refused:
            source.tip()
        assert server.asked == []


def test_a_branch_is_that_of_bitcoins_trees_for_every_leaf_of_small_ones():
    for size in range(2, 34):
        leaves = [sha256(bytes([leaf])).digest() for leaf in range(size)]
        wanted = CBlock.build_merkle_tree_from_txids(leaves)[-1]
        for index in range(size):
            branch, root = electrum.branch_and_root(leaves, index)
            assert root == wanted
            verify_branch(leaves[index], index, size, branch, root, "it")
            wrong = [
                (leaves[index - 1], index, size, branch, root),
                (leaves[index], index ^ 1, size, branch, root),
                (leaves[index], index, 2 * size, branch, root),
                (leaves[index], size, size, branch, root),
                (leaves[index], -1, size, branch, root),
                (leaves[index], index, size, branch[:-1], root),
                (leaves[index], index, size, [*branch, bytes(32)], root),
                (leaves[index], index, size, [bytes(32), *branch[1:]], root),
                (leaves[index], index, size, branch, bytes(32)),
            ]
            for arguments in wrong:
                with pytest.raises(HeaderError):
                    verify_branch(*arguments, "it")


def test_a_tree_with_a_leaf_too_many_is_not_the_one_that_was_asked_for():
    leaves = [sha256(bytes([leaf])).digest() for leaf in range(4)]
    branch, root = electrum.branch_and_root(leaves, 2)
    verify_branch(leaves[2], 2, 4, branch, root, "it")
    with pytest.raises(HeaderError, match="a leaf after the last"):
        verify_branch(leaves[2], 2, 3, branch, root, "it")


# Several servers


@contextmanager
def three(need: int = 2) -> Iterator[tuple[list[headers.HeaderServer], Quorum, list[str]]]:
    notes: list[str] = []
    with ExitStack() as stack:
        servers = [stack.enter_context(headers.running(CHAIN)) for _ in range(3)]
        sources = [Esplora(server.url, KNOWN) for server in servers]
        yield servers, stack.enter_context(Quorum(sources, need, notes.append)), notes


def test_servers_that_agree_make_a_quorum_of_as_many():
    with three() as (servers, source, notes):
        assert source.header(7) == GradedHeader(
            header=CHAIN.header(7).header, height=7, grade=quorum(3)
        )
        assert source.run(5, 9) == CHAIN.raw_headers()[400 : 80 * 14]
        assert (source.tip(), source.network) == (TIP, REGTEST)
        assert notes == []
        assert all(server.url in source.name for server in servers)
        assert source.name.startswith("2 of http://127.0.0.1:")


@pytest.mark.parametrize("lie", ["wrong root", "wrong height", "low work", "broken", "garbage"])
def test_one_of_three_is_outvoted_and_named(lie):
    with three() as (servers, source, notes):
        servers[1].lie = lie
        found = source.header(TIP)
        assert (found.header, found.grade) == (CHAIN.header(TIP).header, quorum(2))
        (note,) = notes
        assert note.startswith(f"block {TIP}: against the others, ")
        assert servers[1].url in note
        assert source.run(TIP - 2, 3) == CHAIN.raw_headers()[-240:]
        assert len(notes) == 2


@pytest.mark.parametrize("lie", ["wrong root", "wrong height", "fork"])
def test_servers_that_disagree_are_all_named(lie):
    with three(need=3) as (servers, source, notes):
        servers[2].lie = lie
        with pytest.raises(HeaderError, match=f"^block {TIP}: 3 of 3 must agree, and do") as found:
            source.header(TIP)
        for server in servers:
            assert f"{server.url} has block " in str(found.value)
        with pytest.raises(HeaderError, match=f"^blocks {TIP - 1} to {TIP}: 3 of 3 must agree"):
            source.run(TIP - 1, 2)
        assert notes == []


def test_a_liar_that_is_caught_is_not_a_server_that_is_down():
    with three() as (servers, source, _):
        servers[0].lie, servers[1].lie = "low work", "broken"
        with pytest.raises(HeaderError, match="2 of 3 must agree"):
            source.header(7)
        servers[0].lie = "broken"
        with pytest.raises(UnavailableError, match="2 of 3 must agree"):
            source.header(7)


def test_what_all_miss_is_missing():
    with three() as (_, source, _), pytest.raises(MissingError, match="2 of 3 must agree"):
        source.header(TIP + 1)


def test_the_tip_is_one_that_enough_have_reached():
    with three() as (servers, source, _):
        servers[0].lie = "ahead"
        assert source.tip() == TIP
        servers[1].lie = "behind"
        assert source.tip() == TIP
        servers[0].lie, servers[1].lie = "behind", "behind"
        assert source.tip() == TIP - 6
        servers[2].lie, servers[0].lie = "broken", "broken"
        with pytest.raises(UnavailableError, match="the newest block: 2 of 3 must agree"):
            source.tip()


class Linked:
    """A source whose headers are checkpoint-linked, or whatever a test says."""

    network = REGTEST

    def __init__(self, name: str, found: GradedHeader | TranslogError, meet: Barrier) -> None:
        self.name = name
        self.found = found
        self.meet = meet
        self.closed = 0

    def header(self, height: int) -> GradedHeader:
        self.meet.wait(10)
        if isinstance(self.found, TranslogError):
            raise self.found
        return self.found

    def close(self) -> None:
        self.closed += 1


def test_what_is_tied_to_a_checkpoint_needs_no_one_to_agree_and_all_are_asked_at_once():
    right, wrong = CHAIN.header(7).header, CHAIN.header(6).header
    meet = Barrier(3)
    members = [
        Linked("a", GradedHeader(header=wrong, height=7, grade=SINGLE_SERVER), meet),
        Linked("b", GradedHeader(header=right, height=7, grade=CHECKPOINT_LINKED), meet),
        Linked("c", GradedHeader(header=wrong, height=7, grade=SINGLE_SERVER), meet),
    ]
    notes: list[str] = []
    with Quorum(members, 2, notes.append) as source:
        found = source.header(7)
    assert (found.header, found.grade) == (right, CHECKPOINT_LINKED)
    assert [note.split("others, ")[1][:11] for note in notes] == ["a has block", "c has block"]
    assert [member.closed for member in members] == [1, 1, 1]


@pytest.mark.parametrize("count, need", [(1, 1), (2, 1), (3, 1), (4, 2), (2, 3), (3, 0), (21, 11)])
def test_a_quorum_is_more_than_half_of_two_or_more(count, need):
    meet = Barrier(1)
    found = CHAIN.header(7)
    with pytest.raises(MalformedError, match=f"quorum of {need} among {count} servers"):
        Quorum([Linked(str(n), found, meet) for n in range(count)], need, print)


# Names


def opened(name: str) -> RunSource:
    return open_source(name, KNOWN, lambda path: f"cookie of {path}", print)


@pytest.mark.parametrize(
    "name, shown, of",
    [
        ("esplora:https://blockstream.info/api", "https://blockstream.info/api", Esplora),
        ("esplora:http://127.0.0.1:3000/", "http://127.0.0.1:3000", Esplora),
        ("electrum:electrum.example.org:50002", "electrum.example.org:50002", Electrum),
        (f"electrum:127.0.0.1:50002#{'ab' * 32}", "127.0.0.1:50002", Electrum),
        ("electrum:[::1]:50002", "::1:50002", Electrum),
        ("bitcoind:http://me:secret@127.0.0.1:8332", "http://127.0.0.1:8332", Bitcoind),
        ("bitcoind:http://me:se%40cret@127.0.0.1:8332/", "http://127.0.0.1:8332", Bitcoind),
        ("bitcoind:http://127.0.0.1:8332#/home/me/.cookie", "http://127.0.0.1:8332", Bitcoind),
        (
            "quorum:2,esplora:https://a.example/api,electrum:b.example:50002",
            "2 of https://a.example/api, b.example:50002",
            Quorum,
        ),
    ],
)
def test_sources_have_names(name, shown, of):
    with opened(name) as source:
        assert (source.name, type(source)) == (shown, of)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "esplora",
        "esplora:",
        "esplora:a.example",
        "esplora:file:///etc/passwd",
        "esplora:https://me:secret@a.example",
        "electrum:",
        "electrum:a.example",
        "electrum:a.example:0",
        "electrum:a.example:65536",
        "electrum:a..example:50002",
        "electrum:.example:50002",
        "electrum:a.example.:50002",
        f"electrum:{'a' * 64}.example:50002",
        "electrum:a.example:50002#abc",
        f"electrum:a.example:50002#{'AB' * 32}",
        "electrum:a.example:50002/x",
        "bitcoind:http://127.0.0.1:8332",
        "bitcoind:http://me:secret@127.0.0.1:8332#/cookie",
        "bitcoind:me:secret@127.0.0.1:8332",
        "bitcoind:ftp://me:secret@127.0.0.1",
        "quorum:",
        "quorum:2",
        "quorum:2,esplora:https://a.example",
        "quorum:1,esplora:https://a.example,esplora:https://b.example",
        "quorum:02,esplora:https://a.example,esplora:https://b.example",
        "quorum:x,esplora:https://a.example,esplora:https://b.example",
        "quorum:2,esplora:https://a.example,esplora:https://A.example/api",
        "quorum:2,esplora:https://a.example,electrum:a.example:50002",
        "quorum:2,esplora:https://a.example,bitcoind:http://me:secret@127.0.0.1",
        "quorum:2,esplora:https://a.example,quorum:2",
        "quorum:2,esplora:https://a.example,esplora:https://me:secret@b.example",
        "file:/x",
        "http://a.example",
        "x" * 5000,
    ],
)
def test_what_is_no_name_is_refused_without_its_password(name):
    with pytest.raises(MalformedError) as refused:
        opened(name)
    assert "secret" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_passwords_and_cookies_reach_the_node():
    with headers.running(CHAIN) as server:
        host = server.url.removeprefix("http://")
        server.authorization = "me:se@cret"
        with opened(f"bitcoind:http://me:se%40cret@{host}") as source:
            assert source.tip() == TIP
        server.authorization = "cookie of /home/me/.cookie"
        with opened(f"bitcoind:http://{host}#/home/me/.cookie") as source:
            assert source.tip() == TIP
