"""Witnesses on the loopback: c2sp.org/tlog-witness, and those who break it.

    with running("witness.example/w1", log.verifier) as witness:
        …                          # POST witness.url/add-checkpoint; witness.line() is for policies
        witness.fault = "empty conflict"

An honest one judges by the rules of verify/witness, and remembers in memory. With a fault, named
in FAULTS, it answers something else from then on, until `fault` is None again.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from hashlib import sha256

from translog.errors import (
    ConsistencyError,
    ForbiddenError,
    MissingError,
    TranslogError,
    UnavailableError,
)
from translog.formats import keys, mldsa
from translog.formats.checkpoint import Checkpoint
from translog.formats.cosignature import CosigningKey
from translog.formats.note import Note, Signature
from translog.formats.policy import LogKey
from translog.formats.witnessing import (
    NEVER,
    SIZE_TYPE,
    Inconsistency,
    Submission,
    Witnessed,
    format_size,
    monitoring_path,
)
from translog.testing.loopback import Answer, Request, Server
from translog.verify.witness import StaleError, answer_all

TEXT = "text/plain; charset=utf-8"

FAULTS = {
    "cosigns anything": "cosigns every head it is sent, whatever it cosigned before",
    "slow": "answers when `release` is called",
    "hanging": "never answers",
    "silent": "closes the connection without a word",
    "server error": "answers 500",
    "busy": "answers 503",
    "redirect": "answers 302 with an address of this machine's",
    "unknown log": "answers 404, as to a log that it does not know",
    "forbidden": "answers 403, as to a head that nobody it trusts signed",
    "disputes": "answers 422, as to a head that does not continue the last",
    "empty conflict": "answers 409 without a size",
    "larger size": "answers 409 with a size beyond every head, and shows none of it",
    "same size": "answers 409 with the size that it was asked from",
    "turning sizes": "answers 409 with another size each time",
    "nothing": "answers 200 without a line",
    "garbage": "answers 200 with what is no line",
    "oversized": "answers 200 with more than anybody wants to read",
    "another's signature": "answers 200 with a line by a key that nobody named",
    "wrong signature": "answers 200 with a line under its own key that does not verify",
    "another head": "answers 200 with a cosignature of another head of the log",
    "time 0": "answers 200 with a cosignature that says nothing about time",
    "from the future": "answers 200 with a cosignature of next year",
}


class Witness:
    """One witness, from construction to `close`.

    Attributes:
        url: where it listens: submission and monitoring prefix.
        fault: a name in FAULTS, or None.
        keys: the private keys that cosign.
        logs: the keys that may sign for each log, by its origin.
        heads: the newest head of each log that it cosigned, by its origin. A test may set it back.
        kept: what contradicted.
        now: its clock, in POSIX seconds.
    """

    def __init__(self, keys: Sequence[CosigningKey], logs: Sequence[LogKey], now: int) -> None:
        self.fault: str | None = None
        self.keys = tuple(keys)
        self.logs: dict[str, list[LogKey]] = {}
        for key in logs:
            self.logs.setdefault(key.name, []).append(key)
        self.heads: dict[str, Witnessed] = {}
        self.kept: list[Inconsistency] = []
        self.now = now
        self._turns = 0
        self._released = threading.Event()
        self._server = Server(self._answer)
        self.url = self._server.url

    @property
    def requests(self) -> list[Request]:
        """What it was asked, in order."""
        return self._server.requests

    def line(self, name: str) -> str:
        """Return the lines of a policy that name it: as `name`, its second key as `name-2`."""
        names = [name, *(f"{name}-{number}" for number in range(2, len(self.keys) + 1))]
        return "".join(
            f"witness {each} {key.cosigner.vkey} {self.url}\n"
            for each, key in zip(names, self.keys, strict=True)
        )

    def head(self, origin: str) -> Checkpoint | None:
        """Return the newest head of a log that it cosigned."""
        known = self.heads.get(origin, NEVER)
        if not known.note:
            return None
        return Checkpoint(origin=origin, size=known.size, root=known.root)

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def release(self) -> None:
        """Send what the fault "slow" holds back, and hold back nothing more."""
        self._released.set()

    # As verify/witness wants its records.

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()  # requests are answered one at a time

    def read(self, origin: str) -> Witnessed:
        return self.heads.get(origin, NEVER)

    def replace(self, origin: str, old: Witnessed, new: Witnessed) -> None:
        self.heads[origin] = new

    def keep(self, found: Inconsistency, now: int) -> None:
        self.kept.append(found)

    def _answer(self, request: Request) -> Answer:
        if request.method == "GET":
            return self._show(request.path)
        if request.path != "/add-checkpoint":
            return Answer(status=404, body=b"no such path\n")
        spoil = _SPOILED.get(self.fault or "")
        if spoil is not None:
            return spoil(self, request.body)
        answer = self._honest(request.body)
        return replace(answer, after=self._released) if self.fault == "slow" else answer

    def _show(self, path: str) -> Answer:
        for origin, known in self.heads.items():
            if path == f"/{monitoring_path(origin)}" and known.note:
                return Answer(body=known.note, headers={"Content-Type": TEXT})
        return Answer(status=404, body=b"nothing was cosigned of that log\n")

    def _honest(self, body: bytes) -> Answer:
        (told,) = answer_all([body], self, self.logs, lambda: self.now, self.keys)
        if isinstance(told, bytes):
            return Answer(body=told, headers={"Content-Type": TEXT})
        if isinstance(told, StaleError):
            return Answer(
                status=409, body=format_size(told.size), headers={"Content-Type": SIZE_TYPE}
            )
        return Answer(status=_status_of(told), body=f"{told}\n".encode())

    def _cosign(self, head: Checkpoint, time: int) -> Answer:
        return _lines([key.cosign(head, time) for key in self.keys])

    def _cosign_anything(self, body: bytes) -> Answer:
        head = _head_of(body)
        lines = [key.cosign(head, self.now) for key in self.keys]
        note = Note.parse(Submission.parse(body).checkpoint)
        whole = Note(text=note.text, signatures=(*note.signatures, *lines)).encode()
        self.heads[head.origin] = Witnessed(head.size, head.root, self.now, whole)
        return _lines(lines)

    def _turn_sizes(self, body: bytes) -> Answer:
        self._turns += 1
        return _conflict(self._turns % max(_head_of(body).size, 2))


def _head_of(body: bytes) -> Checkpoint:
    return Checkpoint.parse(Note.parse(Submission.parse(body).checkpoint).text)


def _lines(lines: Sequence[Signature]) -> Answer:
    return Answer(body="".join(map(str, lines)).encode(), headers={"Content-Type": TEXT})


def _conflict(size: int) -> Answer:
    return Answer(status=409, body=format_size(size), headers={"Content-Type": SIZE_TYPE})


def _status_of(error: TranslogError) -> int:
    table = {MissingError: 404, ForbiddenError: 403, ConsistencyError: 422, UnavailableError: 503}
    return next((status for kind, status in table.items() if isinstance(error, kind)), 400)


def _another_head(head: Checkpoint) -> Checkpoint:
    return replace(head, size=head.size + 1)


def _wrong(line: Signature) -> Signature:
    return replace(line, blob=line.blob[:-1] + bytes([line.blob[-1] ^ 1]))


_STRANGER = CosigningKey(name="stranger.example", key=keys.SigningKey(bytes(32)))
_SPOILED: dict[str, Callable[[Witness, bytes], Answer]] = {
    "cosigns anything": Witness._cosign_anything,
    "hanging": lambda witness, body: Answer(after=threading.Event()),
    "silent": lambda witness, body: Answer(drop=True),
    "server error": lambda witness, body: Answer(status=500, body=b"Internal Server Error\n"),
    "busy": lambda witness, body: Answer(status=503, headers={"Retry-After": "60"}),
    "redirect": lambda witness, body: Answer(
        status=302, headers={"Location": "http://127.0.0.1:1/"}
    ),
    "unknown log": lambda witness, body: Answer(status=404, body=b"unknown log\n"),
    "forbidden": lambda witness, body: Answer(status=403, body=b"no trusted signature\n"),
    "disputes": lambda witness, body: Answer(status=422, body=b"no consistency proof\n"),
    "empty conflict": lambda witness, body: Answer(status=409, headers={"Content-Type": SIZE_TYPE}),
    "larger size": lambda witness, body: _conflict(2**62),
    "same size": lambda witness, body: _conflict(Submission.parse(body).old_size),
    "turning sizes": Witness._turn_sizes,
    "nothing": lambda witness, body: Answer(),
    "garbage": lambda witness, body: Answer(body=b"<html>Welcome to this hotel's network</html>"),
    "oversized": lambda witness, body: Answer(body=b"x" * (1 << 20)),
    "another's signature": lambda witness, body: _lines([_STRANGER.cosign(_head_of(body), 1)]),
    "wrong signature": lambda witness, body: _lines(
        [_wrong(key.cosign(_head_of(body), witness.now)) for key in witness.keys]
    ),
    "another head": lambda witness, body: witness._cosign(
        _another_head(_head_of(body)), witness.now
    ),
    "time 0": lambda witness, body: witness._cosign(_head_of(body), 0),
    "from the future": lambda witness, body: witness._cosign(
        _head_of(body), witness.now + 366 * 86_400
    ),
}


def cosigning_keys(name: str, *, second: bool = False) -> list[CosigningKey]:
    """Return keys for a witness, the same for the same name: Ed25519, and ML-DSA-44 if wanted."""
    seed = sha256(b"translog.testing " + name.encode()).digest()
    made = [CosigningKey(name=name, key=keys.SigningKey(seed))]
    return [*made, CosigningKey(name=name, key=mldsa.SigningKey(seed))] if second else made


@contextmanager
def running(
    name: str, *logs: LogKey, now: int = 1_780_000_000, second: bool = False
) -> Iterator[Witness]:
    """Run a witness of these logs while the block runs.

    Args:
        now: where its clock stands, until the test moves it.
        second: it cosigns with ML-DSA-44, too.
    """
    witness = Witness(cosigning_keys(name, second=second), logs, now)
    try:
        yield witness
    finally:
        witness.close()
