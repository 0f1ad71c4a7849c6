"""Servers of Bitcoin headers over a chain of the kit, which lie on demand.

    with running(chain) as server:
        …                       # GET server.url/block-height/7, as from a block explorer (Esplora)
        …                       # POST server.url {"method": "getblockhash", …}, as from a node
        server.lie = "fork"     # a name in LIES

`testing.electrum` is the same for Electrum's protocol.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from threading import Event
from typing import Any

from translog.bitcoin.header import MERKLE_ROOT, NONCE, Header, display_hash
from translog.testing.chain import MATURITY, RegtestChain, worked
from translog.testing.loopback import Answer, Request, Server

LIES = {
    "wrong root": "each header has another Merkle root, and the work for it",
    "wrong height": "each header is the one before the right one",
    "low work": "each header has a nonce with which it has too little work",
    "fork": "the newest seven blocks are others, and one more",
    "behind": "the newest block is the seventh newest",
    "ahead": "the newest block is said to be a hundred blocks higher than any there is",
    "other hash": "headers are not those whose hash was asked for",
    "other network": "the first block is another network's",
    "garbage": "answers make no sense",
    "oversized": "answers have a megabyte more than they should",
    "broken": "every question ends in an error",
    "silent": "nothing is answered",
}

AHEAD = 100
BEHIND = 6
FORK = 7
NO_SUCH_HEIGHT = -8
NO_SUCH_BLOCK = -5
NO_SUCH_METHOD = -32601


class Told:
    """What a chain looks like through a lie."""

    def __init__(self, chain: RegtestChain) -> None:
        self.chain = chain
        self.lie: str | None = None
        self._forks: dict[bytes, RegtestChain] = {}
        self._heights: tuple[tuple[str | None, bytes], dict[str, int]] = ((None, b""), {})

    def tip(self) -> int:
        """Return the height that is said to be the newest."""
        if self.lie == "ahead":
            return self.chain.height + AHEAD
        if self.lie == "behind":
            return self.chain.height - BEHIND
        return self._chain().height

    def header(self, height: int) -> Header | None:
        """Return the header that is said to be at a height, if any."""
        if not 0 <= height <= min(self.tip(), self._chain().height):
            return None
        header = self._chain().header(height).header
        if self.lie == "wrong height" and height > 0:
            return self._chain().header(height - 1).header
        if self.lie == "wrong root" and height > 0:
            return worked(_with(header.raw, MERKLE_ROOT, sha256(header.merkle_root).digest()))
        if self.lie == "low work" and height > 0:
            return _unworked(header)
        if self.lie == "other network" and height == 0:
            return worked(_with(header.raw, MERKLE_ROOT, bytes(32)))
        return header

    def height_of(self, name: str) -> int | None:
        """Return where the block with that hash, as people write it, is said to be."""
        now = (self.lie, self._chain().header(self._chain().height).header.hash)
        if self._heights[0] != now:
            headers = ((height, self.header(height)) for height in range(self.tip() + 1))
            found = {display_hash(each.hash): at for at, each in headers if each is not None}
            self._heights = (now, found)
        return self._heights[1].get(name)

    def _chain(self) -> RegtestChain:
        if self.lie != "fork":
            return self.chain
        newest = self.chain.header(self.chain.height).header.hash
        if newest not in self._forks:
            depth = min(FORK, self.chain.height - MATURITY)
            self._forks = {newest: self.chain.fork(depth)}
        return self._forks[newest]


def _with(raw: bytes, part: slice, content: bytes) -> bytes:
    return raw[: part.start] + content + raw[part.stop :]


def _unworked(header: Header) -> Header:
    """Return the header with the first nonce whose hash is over the target."""
    nonces = (number.to_bytes(4, "little") for number in range(2**32))
    headers = (Header(_with(header.raw, NONCE, nonce)) for nonce in nonces)
    return next(each for each in headers if each.hash[-1] >= 0x80)


class HeaderServer:
    """A block explorer and a node at one address, from construction to `close`.

    Attributes:
        url: where it listens: the base URL of both.
        authorization: the user and password that it wants as a node, as "user:password".
    """

    authorization = "user:password"

    def __init__(self, chain: RegtestChain) -> None:
        self._told = Told(chain)
        self._server = Server(self._answer)
        self.url = self._server.url

    @property
    def lie(self) -> str | None:
        """A name in LIES, or None for the truth."""
        return self._told.lie

    @lie.setter
    def lie(self, name: str | None) -> None:
        if name is not None and name not in LIES:
            raise ValueError(f"{name!r} is no lie that is known here")
        self._told.lie = name

    @property
    def requests(self) -> list[Request]:
        """What it was asked, in order."""
        return self._server.requests

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _answer(self, request: Request) -> Answer:
        if self.lie == "silent":
            return Answer(after=Event())
        if self.lie == "broken":
            return Answer(status=500, body=b"broken")
        answer = self._node(request) if request.method == "POST" else self._explorer(request.path)
        if self.lie == "garbage":
            return Answer(body=b"<html>")
        if self.lie == "oversized":
            return Answer(body=answer.body + b"0" * 1_000_000)
        return answer

    def _explorer(self, path: str) -> Answer:
        match path.split("/")[1:]:
            case ["blocks", "tip", "height"]:
                return Answer(body=str(self._told.tip()).encode())
            case ["block-height", height] if height.isdigit():
                header = self._told.header(int(height))
                if header is not None:
                    return Answer(body=display_hash(header.hash).encode())
            case ["block", name, "header"]:
                header = self._named(name)
                if header is not None:
                    return Answer(body=header.raw.hex().encode())
        return Answer(status=404, body=b"Block not found")

    def _node(self, request: Request) -> Answer:
        wanted = f"Basic {b64encode(self.authorization.encode()).decode()}"
        if request.headers.get("Authorization") != wanted:
            return Answer(status=401)
        calls = json.loads(request.body)
        answers = [self._call(each) for each in (calls if isinstance(calls, list) else [calls])]
        body = json.dumps(answers if isinstance(calls, list) else answers[0])
        return Answer(body=body.encode(), headers={"Content-Type": "application/json"})

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        params = call["params"]
        match call["method"], params:
            case "getblockcount", []:
                return _result(call, self._told.tip())
            case "getblockhash", [height]:
                header = self._told.header(height)
                if header is None:
                    return _error(call, NO_SUCH_HEIGHT, "Block height out of range")
                return _result(call, display_hash(header.hash))
            case "getblockheader", [name, False]:
                header = self._named(name)
                if header is None:
                    return _error(call, NO_SUCH_BLOCK, "Block not found")
                return _result(call, header.raw.hex())
        return _error(call, NO_SUCH_METHOD, "Method not found")

    def _named(self, name: str) -> Header | None:
        height = self._told.height_of(name)
        if height is None:
            return None
        wrong = self.lie == "other hash" and height > 0
        return self._told.header(height - 1 if wrong else height)


def _result(call: dict[str, Any], result: Any) -> dict[str, Any]:
    return {"result": result, "error": None, "id": call.get("id")}


def _error(call: dict[str, Any], code: int, message: str) -> dict[str, Any]:
    return {"result": None, "error": {"code": code, "message": message}, "id": call.get("id")}


@contextmanager
def running(chain: RegtestChain) -> Iterator[HeaderServer]:
    """Run a server over `chain` while the block runs."""
    server = HeaderServer(chain)
    try:
        yield server
    finally:
        server.close()
