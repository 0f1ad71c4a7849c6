"""An OpenTimestamps calendar on the loopback: the protocol of the public ones, and their troubles.

    with running(chain) as calendar:
        …                                   # POST /digest at calendar.url
        calendar.stamp(chain.time + 600)    # everything posted so far is in a block now
        chain.mine_empty(5)
        …                                   # GET /timestamp/… gives the path to the block's root

What it answers is built as the public calendars build it: nonce, number, MAC; a tree over what
was posted; the OP_RETURN transaction over the tree's root; the block's tree. With a fault, named
in FAULTS, it answers something else from then on, until `fault` is None again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from threading import Event, Lock
from typing import NamedTuple

from opentimestamps.core.notary import PendingAttestation
from opentimestamps.core.op import OpAppend, OpPrepend, OpSHA256
from opentimestamps.core.serialize import BytesSerializationContext
from opentimestamps.core.timestamp import Timestamp, make_merkle_tree

from translog.bitcoin.header import display_hash
from translog.testing.chain import RegtestChain
from translog.testing.loopback import Answer, Request, Server

MAX_DIGEST_BYTES = 64
MAC_BYTES = 8

PENDING = b"Pending confirmation in Bitcoin blockchain"
NOT_FOUND = b"Not found"

FAULTS = {
    "pending": "says that what was posted is not in a block yet",
    "confirming": "says that the block with it is not deep enough yet",
    "not found": "says that it does not know what was posted",
    "posted, then not found": "says so the first time it is asked for something, as real ones may",
    "never upgrading": "puts nothing into a block any more",
    "slow": "answers when `release` is called",
    "hanging": "never answers",
    "oversized": "answers with a timestamp that is followed by 10,000 bytes",
    "server error": "answers 500",
    "busy": "answers 503",
    "redirect": "answers 302 with an address of this machine's",
    "garbage": "answers bytes that are no timestamp",
    "cut short": "answers with half a timestamp",
    "wrong digest": "answers with a timestamp of something else",
    "foreign calendar": "answers with a pending attestation of a calendar that nobody listed",
}


class Stamp(NamedTuple):
    """Where a commitment got into the chain.

    Attributes:
        path: from the commitment to the root of the block.
        txid: of the transaction between, as people write it.
        block_hash: to see whether the block is still in the chain.
    """

    path: bytes
    txid: str
    height: int
    block_hash: bytes


class Calendar:
    """One calendar, from construction to `close`.

    Attributes:
        url: where it listens, and what its pending attestations name.
        fault: a name in FAULTS, or None.
        confirmations: how many blocks deep it wants a block before it gives the path to it.
        commitments: what it has taken, in order: each is what GET /timestamp/ is asked for.
    """

    def __init__(self, chain: RegtestChain, *, confirmations: int = 1) -> None:
        self.fault: str | None = None
        self.confirmations = confirmations
        self.commitments: list[bytes] = []
        self._chain = chain
        self._stamps: dict[bytes, Stamp] = {}
        self._asked: set[bytes] = set()
        self._released = Event()
        self._lock = Lock()  # the chain is read under it, so stop asking before you change that
        self._server = Server(self._answer)
        self.url = self._server.url

    @property
    def requests(self) -> list[Request]:
        """What it was asked, in order."""
        return self._server.requests

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def release(self) -> None:
        """Send what the fault "slow" holds back, and hold back nothing more."""
        self._released.set()

    def stamp(self, time: int) -> int:
        """Mine a block that commits to all that is in no block yet, and return its height."""
        with self._lock:
            waiting = [each for each in self.commitments if self._stamp_of(each) is None]
            if self.fault == "never upgrading" or not waiting:
                return self._chain.mine(time)
            paths = [Timestamp(commitment) for commitment in waiting]
            root = make_merkle_tree(path.ops.add(OpSHA256()) for path in paths)
            height = self._chain.mine(time, [root.msg])
            in_block = self._chain.attest(root.msg, height)
            root.merge(in_block)
            block_hash = self._chain.header(height).header.hash
            for path in paths:
                stamp = Stamp(serialized(path), _txid(in_block), height, block_hash)
                self._stamps[path.msg] = stamp
            return height

    def _stamp_of(self, commitment: bytes) -> Stamp | None:
        """Return where a commitment is in the chain, unless its block was reorganised away."""
        stamp = self._stamps.get(commitment)
        if stamp is None or stamp.height > self._chain.height:
            return None
        now_there = self._chain.header(stamp.height).header.hash
        return stamp if now_there == stamp.block_hash else None

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            honest = self._honest(request)
            if self.fault == "slow":
                return replace(honest, after=self._released)
            return _SPOILED[self.fault](honest) if self.fault in _SPOILED else honest

    def _honest(self, request: Request) -> Answer:
        if request.method == "POST" and request.path == "/digest":
            if len(request.body) > MAX_DIGEST_BYTES:
                return Answer(status=400, body=b"digest too long")
            return Answer(body=self._take(request.body))
        if request.method == "GET" and request.path.startswith("/timestamp/"):
            try:
                commitment = bytes.fromhex(request.path.removeprefix("/timestamp/"))
            except ValueError:
                return Answer(status=400, body=b"commitment must be hex-encoded bytes")
            return self._give(commitment)
        return Answer(status=404, body=b"not found")

    def _take(self, digest: bytes) -> bytes:
        number = len(self.commitments).to_bytes(4, "big")
        if self.fault == "wrong digest":
            digest = sha256(digest).digest()
        timestamp = Timestamp(digest)
        nonce = sha256(self.url.encode() + number).digest()[:16]
        hashed = timestamp.ops.add(OpAppend(nonce)).ops.add(OpSHA256())
        numbered = hashed.ops.add(OpPrepend(number))
        mac = sha256(b"key of this calendar" + numbered.msg).digest()[:MAC_BYTES]
        commitment = numbered.ops.add(OpAppend(mac))
        uri = "https://calendar.example.net" if self.fault == "foreign calendar" else self.url
        commitment.attestations.add(PendingAttestation(uri))
        self.commitments.append(commitment.msg)
        return serialized(timestamp)

    def _give(self, commitment: bytes) -> Answer:
        if self.fault == "wrong digest" and self._stamps:
            return Answer(body=next(iter(self._stamps.values())).path)
        text = self._waiting(commitment)
        if text is not None:
            return Answer(status=404, body=text)
        return Answer(body=self._stamps[commitment].path)

    def _waiting(self, commitment: bytes) -> bytes | None:
        """Return why there is no path from a commitment to a block, or None if there is one."""
        known = commitment in self.commitments
        first = commitment not in self._asked
        self._asked.add(commitment)
        if not known or self.fault == "not found":
            return NOT_FOUND
        if self.fault == "posted, then not found" and first:
            return NOT_FOUND
        stamp = self._stamp_of(commitment)
        if stamp is None or self.fault == "pending":
            return PENDING
        depth = self._chain.height - stamp.height + 1
        if depth < self.confirmations or self.fault == "confirming":
            return confirming(stamp.txid, self.confirmations)
        return None


def confirming(txid: str, confirmations: int) -> bytes:
    """Return what a calendar says while the block with `txid` is not deep enough."""
    return f"Timestamped by transaction {txid}; waiting for {confirmations} confirmations".encode()


def serialized(timestamp: Timestamp) -> bytes:
    """Return a timestamp as calendars send it: without what it is a timestamp of."""
    context = BytesSerializationContext()
    timestamp.serialize(context)
    return bytes(context.getbytes())


def _txid(in_block: Timestamp) -> str:
    """Return the transaction on a path to a block: what lies before the OP_RETURN's content is
    put in front, what lies after it behind, and it is hashed twice."""
    step = in_block
    for _ in range(4):
        (step,) = step.ops.values()
    return display_hash(step.msg)


_SPOILED: dict[str, Callable[[Answer], Answer]] = {
    "hanging": lambda honest: Answer(after=Event()),
    "oversized": lambda honest: Answer(body=honest.body + bytes(10_000)),
    "server error": lambda honest: Answer(status=500, body=b"Internal Server Error"),
    "busy": lambda honest: Answer(status=503, headers={"Retry-After": "60"}),
    "redirect": lambda honest: Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    "garbage": lambda honest: Answer(body=b"<html>Welcome to this hotel's network</html>"),
    "cut short": lambda honest: Answer(body=honest.body[: len(honest.body) // 2]),
}


@contextmanager
def running(chain: RegtestChain, *, confirmations: int = 1) -> Iterator[Calendar]:
    """Run a calendar over `chain` while the block runs."""
    calendar = Calendar(chain, confirmations=confirmations)
    try:
        yield calendar
    finally:
        calendar.close()
