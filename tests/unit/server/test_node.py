"""A directory of headers, asked as a node is."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.asgi import Response, ask
from translog.bitcoin.claims import Known
from translog.bitcoin.grade import OWN_NODE, UNCHECKED, Grade
from translog.bitcoin.header import display_hash
from translog.bitcoin.network import MAINNET, REGTEST
from translog.net.bitcoind import Bitcoind
from translog.server.node import MAX_CALLS, MAX_REQUEST_BYTES, NodeApp
from translog.server.settings import Settings
from translog.store.headers import HEADERS, HeaderFile, HeaderWriter, create
from translog.testing.chain import RegtestChain
from translog.testing.loopback import Answer, Request, serving
from translog.verify.header_growth import extend
from translog.verify.headers import KeptHeaders

SETTINGS = Settings(base_url="", request_seconds=10.0)


class Node:
    def __init__(self, folder: Path) -> None:
        self.chain = RegtestChain(1_750_000_000)
        self.folder = folder
        create(folder, REGTEST, 0)
        self.file = HeaderFile(folder)
        self.app = NodeApp(KeptHeaders(self.file, None), SETTINGS)

    def close(self) -> None:
        self.app.close()
        self.file.close()

    def fill(self) -> None:
        with HeaderWriter(self.folder) as writer:
            extend(writer, None, 0, self.chain.raw_headers(), OWN_NODE)

    def post(self, body: bytes, **headers: str) -> Response:
        return asyncio.run(ask(self.app, "POST", "/", body, **headers))

    def call(self, method: object, *params: object) -> Any:
        request = {"version": "1.1", "method": method, "params": params, "id": 7}
        answer = self.post(json.dumps(request).encode())
        assert answer.headers["content-type"] == "application/json"
        assert answer.json["id"] == 7
        assert (answer.json["error"] is None) == (answer.status == 200)
        assert (answer.json["error"] is None) != (answer.json["result"] is None)
        return answer.json["result"] if answer.status == 200 else answer.json["error"]["code"]


@pytest.fixture
def node(tmp_path) -> Iterator[Node]:
    with closing(Node(tmp_path / "kept")) as node:
        node.fill()
        yield node


def test_it_answers_as_a_node_does(node):
    assert node.call("getblockcount") == 100
    for height in (0, 1, 50, 100):
        header = node.chain.header(height).header
        name = node.call("getblockhash", height)
        assert name == display_hash(header.hash)
        assert node.call("getblockheader", name, False) == header.raw.hex()


@pytest.mark.parametrize(
    "method, params, code",
    [
        ("getblockcount", [1], -8),
        ("getblockhash", [], -8),
        ("getblockhash", [101], -8),
        ("getblockhash", [-1], -8),
        ("getblockhash", [10**30], -8),
        ("getblockhash", ["7"], -8),
        ("getblockhash", [True], -8),
        ("getblockhash", [None], -8),
        ("getblockheader", ["00" * 32, False], -5),
        ("getblockheader", ["00" * 31, False], -8),
        ("getblockheader", ["AB" * 32, False], -8),
        ("getblockheader", [7, False], -8),
        ("getblockheader", ["00" * 32], -8),
        ("getblockheader", ["00" * 32, True], -8),
        ("getblockheader", ["00" * 32, 0], -8),
        ("getbalance", [], -32601),
        ("stop", [], -32601),
        ("", [], -32601),
    ],
)
def test_what_it_cannot_answer_is_an_error_of_bitcoin_core(node, method, params, code):
    assert node.call(method, *params) == code


@pytest.mark.parametrize(
    "body, status, code",
    [
        (b"", 500, -32700),
        (b"{", 500, -32700),
        (b"\xff", 500, -32700),
        (b"[" * 100_000, 500, -32700),
        (b"7", 400, -32600),
        (b"null", 400, -32600),
        (b"{}", 404, -32601),
        (b'{"method": ["x"]}', 404, -32601),
        (b'{"method": {"x": 1}}', 404, -32601),
        (b'{"method": "getblockcount", "id": {}}', 400, -32600),
        (b'{"method": "getblockcount", "id": ' + b"[" * 500 + b"]" * 500 + b"}", 400, -32600),
        (b'{"method": "getblockcount", "params": {}}', 500, -8),
        (b'{"method": "getblockcount", "params": null}', 500, -8),
        (b"[" + b"0," * MAX_CALLS + b"0]", 400, -32600),
    ],
)
def test_what_is_no_call_is_refused(node, body, status, code):
    answer = node.post(body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.json["result"] is None


def test_params_may_be_left_out(node):
    assert node.post(b'{"method": "getblockcount"}').json == {
        "result": 100,
        "error": None,
        "id": None,
    }


def test_calls_come_in_batches_too(node):
    calls = [
        {"method": "getblockcount", "params": [], "id": "a"},
        {"method": "nothing", "params": [], "id": "b"},
        7,
    ]
    answer = node.post(json.dumps(calls).encode())
    assert answer.status == 200
    assert [each["id"] for each in answer.json] == ["a", "b", None]
    assert [(each["error"] or {}).get("code") for each in answer.json] == [None, -32601, -32600]
    assert node.post(b"[]").json == []


def test_bodies_are_bounded_and_only_posts_are_answered(node):
    assert node.post(b" " * (MAX_REQUEST_BYTES + 1)).status == 413
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        answer = asyncio.run(ask(node.app, method, "/"))
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_new_headers_are_seen_and_old_branches_forgotten(node):
    old = node.call("getblockhash", 100)
    node.chain.mine_empty(5)
    node.fill()
    assert node.call("getblockcount") == 105
    name = node.call("getblockhash", 105)
    assert node.call("getblockheader", name, False) == node.chain.header(105).header.raw.hex()
    node.chain.reorganise(5)
    node.fill()
    assert node.call("getblockcount") == 106
    assert node.call("getblockheader", name, False) == -5
    assert node.call("getblockheader", old, False) == node.chain.header(100).header.raw.hex()


def test_no_headers_are_a_node_that_starts(tmp_path):
    with closing(Node(tmp_path / "kept")) as node:
        assert node.call("getblockcount") == -28


def test_damaged_headers_are_not_given_to_anyone(node):
    path = node.folder / HEADERS
    raw = bytearray(path.read_bytes())
    raw[80 * 50 + 40] ^= 1
    path.write_bytes(raw)
    assert node.call("getblockhash", 7) == -1
    assert node.call("getblockcount") == -1


def test_our_own_client_takes_it_for_a_node(node):
    def answer(request: Request) -> Answer:
        found = node.post(request.body)
        return Answer(status=found.status, body=found.body)

    known = Known(network=REGTEST, checkpoints=None)
    with serving(answer) as server, Bitcoind(server.url, lambda: "any:thing", known) as client:
        assert client.tip() == 100
        assert client.run(0, 101) == node.chain.raw_headers()


@pytest.mark.parametrize("grade", [UNCHECKED, OWN_NODE])
def test_a_header_that_nobody_vouches_for_is_no_nodes_word(tmp_path: Path, grade: Grade) -> None:
    create(tmp_path / "kept", MAINNET, 0)
    with HeaderWriter(tmp_path / "kept") as writer:
        extend(writer, None, 0, MAINNET.genesis.raw, grade)
    with (
        HeaderFile(tmp_path / "kept") as file,
        closing(NodeApp(KeptHeaders(file, None), SETTINGS)) as app,
    ):
        for method, params, want in [
            ("getblockhash", [0], display_hash(MAINNET.genesis.hash)),
            (
                "getblockheader",
                [display_hash(MAINNET.genesis.hash), False],
                MAINNET.genesis.raw.hex(),
            ),
        ]:
            body = json.dumps({"method": method, "params": params, "id": 1}).encode()
            answer = asyncio.run(ask(app, "POST", "/", body)).json
            if grade.verified:
                assert answer["result"] == want
            else:
                assert answer["error"]["code"] == -1
                assert "header of block 0 is unchecked" in answer["error"]["message"]
