"""Logs as a witness meets them: heads, proofs and forks made to order, without a log's code."""

from collections.abc import Sequence
from hashlib import sha256

from tests.reference import mth, subproof
from translog.formats import keys
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.merkle import Hash
from translog.formats.note import Signature, Verifier
from translog.formats.witnessing import Submission


class MadeUpLog:
    """A log of made-up entries, which signs whatever head it is asked for.

    Attributes:
        fork: from this leaf on, the entries of `branch` 1 are others than those of branch 0.
    """

    def __init__(self, origin: str = "example.com/log", seed: bytes = b"l", fork: int = 0) -> None:
        self.origin = origin
        self.key = keys.SigningKey(sha256(seed).digest())
        self.verifier = Verifier(name=origin, public_key=self.key.public_key)
        self.fork = fork

    def entries(self, size: int, branch: int = 0) -> tuple[bytes, ...]:
        return tuple(
            b"%b %d %d" % (self.origin.encode(), index, branch if index >= self.fork else 0)
            for index in range(size)
        )

    def root(self, size: int, branch: int = 0) -> Hash:
        return Hash(mth(self.entries(size, branch)))

    def head(self, size: int, branch: int = 0) -> Checkpoint:
        return Checkpoint(origin=self.origin, size=size, root=self.root(size, branch))

    def note(self, size: int, branch: int = 0, more: Sequence[Signature] = ()) -> bytes:
        return sign_checkpoint(self.head(size, branch), self.key, more)

    def proof(self, old_size: int, size: int, branch: int = 0) -> tuple[Hash, ...]:
        """Return the RFC's proof; none from 0, as witnesses want it."""
        if not old_size:
            return ()
        return tuple(map(Hash, subproof(old_size, self.entries(size, branch))))

    def request(self, old_size: int, size: int, branch: int = 0) -> bytes:
        """Return what an honest log posts to go on from `old_size` to `size`."""
        return Submission(
            old_size=old_size,
            proof=self.proof(old_size, size, branch),
            checkpoint=self.note(size, branch),
        ).encode()
