"""A server of Bitcoin headers in Electrum's protocol, over TLS, which lies on demand.

with running(chain, context) as server:     # an ssl.SSLContext with a certificate for 127.0.0.1
    …                                       # at 127.0.0.1, server.port
    server.lie = "fork"                     # a name in translog.testing.headers.LIES, or below
"""

import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from threading import Event, Thread
from typing import Any

from translog.bitcoin.header import display_hash
from translog.testing.chain import RegtestChain
from translog.testing.headers import LIES, Told

MORE_LIES = {
    "wrong branch": "the way from a header to the root leads elsewhere",
    "another root": "each answer comes with another root, to which its branch leads",
    "chatter": "lines that nobody asked for are sent before each answer, without end",
    "no proofs": "cp_height is not known, as to some servers",
    "hangs up": "the connection is closed instead of an answer",
}
MAX_RUN = 2016


class ElectrumServer:
    """One server, from construction to `close`; a thread for each connection.

    Attributes:
        port: where it listens, on 127.0.0.1.
        lie: a name in LIES or MORE_LIES, or None for the truth.
        asked: the methods it was asked for, in order.
    """

    def __init__(self, chain: RegtestChain, context: ssl.SSLContext) -> None:
        self.asked: list[str] = []
        self._told = Told(chain)
        self._lie: str | None = None
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = Event()
        self.port: int = self._listener.getsockname()[1]
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def lie(self) -> str | None:
        """What it lies about."""
        return self._lie

    @lie.setter
    def lie(self, name: str | None) -> None:
        if name is not None and name not in LIES and name not in MORE_LIES:
            raise ValueError(f"{name!r} is no lie that is known here")
        self._lie = name
        self._told.lie = name

    def close(self) -> None:
        """Stop listening, and close every connection that is idle."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        # Whatever a client does to a connection is as it should be.
        with closing(connection), suppress(OSError, ValueError):
            secure = self._context.wrap_socket(connection, server_side=True)
            with closing(secure), secure.makefile("rb") as lines:
                for line in lines:
                    if not self._say(secure, json.loads(line)):
                        return

    def _say(self, secure: ssl.SSLSocket, question: dict[str, Any]) -> bool:
        """Answer a question; tell whether to go on."""
        self.asked.append(question["method"])
        if question["method"] != "server.version":
            if self.lie == "hangs up":
                return False
            if self.lie == "silent":
                self._closing.wait(30)
                return False
            if self.lie == "oversized":
                secure.sendall(b"0" * 1_000_000)
            if self.lie == "garbage":
                secure.sendall(b"<html>\n")
            while self.lie == "chatter":
                secure.sendall(b'{"method": "blockchain.headers.subscribe", "params": []}\n')
        answer = {"jsonrpc": "2.0", "id": question["id"], **self._answer(question)}
        secure.sendall(json.dumps(answer).encode() + b"\n")
        return True

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question["method"], question["params"]:
            case "server.version", [_, _]:
                return {"result": ["translog.testing", "1.4"]}
            case _ if self.lie == "broken":
                return {"error": {"code": 1, "message": "broken"}}
            case "blockchain.headers.subscribe", []:
                height = self._told.tip()
                return {"result": {"height": height, "hex": self._hex(min(height, self._top()))}}
            case "blockchain.block.headers", [first, count]:
                return {"result": self._run(first, min(count, MAX_RUN))}
            case "blockchain.block.header", [height, top] if self.lie != "no proofs":
                if not 0 <= height <= top <= self._top():
                    return {"error": {"code": 1, "message": "height is out of range"}}
                return {"result": self._proved(height, top)}
        return {"error": {"code": -32602, "message": "invalid params"}}

    def _top(self) -> int:
        """Return the height of the newest block that there is, whatever is said."""
        height = self._told.tip()
        while self._told.header(height) is None:
            height -= 1
        return height

    def _hex(self, height: int) -> str:
        header = self._told.header(height)
        return "" if header is None else header.raw.hex()

    def _run(self, first: int, count: int) -> dict[str, Any]:
        headers = [
            self._hex(height) for height in range(first, min(first + count, self._top() + 1))
        ]
        return {"count": len(headers), "hex": "".join(headers), "max": MAX_RUN}

    def _proved(self, height: int, top: int) -> dict[str, Any]:
        leaves = [sha256d(bytes.fromhex(self._hex(each))) for each in range(top + 1)]
        if self.lie == "another root":
            leaves[(height + 1) % (top + 1)] = sha256d(len(self.asked).to_bytes(8, "big"))
        branch, root = branch_and_root(leaves, height)
        if self.lie == "wrong branch":
            branch[0] = sha256d(branch[0])
        return {
            "header": self._hex(height),
            "branch": [display_hash(each) for each in branch],
            "root": display_hash(root),
        }


def branch_and_root(leaves: Sequence[bytes], index: int) -> tuple[list[bytes], bytes]:
    """Return the hashes beside the way from a leaf to the root of Bitcoin's kind of tree."""
    level, branch = list(leaves), []
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        branch.append(level[index ^ 1])
        level = [sha256d(level[at] + level[at + 1]) for at in range(0, len(level), 2)]
        index //= 2
    return branch, level[0]


def sha256d(content: bytes) -> bytes:
    """Hash twice, as Bitcoin does."""
    return sha256(sha256(content).digest()).digest()


@contextmanager
def running(chain: RegtestChain, context: ssl.SSLContext) -> Iterator[ElectrumServer]:
    """Run a server over `chain` while the block runs."""
    server = ElectrumServer(chain, context)
    try:
        yield server
    finally:
        server.close()
