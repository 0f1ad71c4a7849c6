"""Collects cosignatures: every witness at once, none of which can hold up another, or the log.

Each witness has a thread, which does one thing at a time: put the newest head to it (log/asking).
What is waited for, and how long, is decided by `collect` alone.

What a crash means: cosignatures that were not stored are asked for again. A witness that has moved
on without our knowing says so, and is proved to from there.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.cosignature import Cosigner
from translog.formats.note import Signature, Verifier
from translog.log.asking import Asked, Prove, Told, key_name, put
from translog.log.witnessing import Settings
from translog.store.cosignatures import CosignatureRow

AGAIN_SECONDS = 600  # after which a head is cosigned again, to show that it is still the newest
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 300.0


class Standing(NamedTuple):
    """How it stands with one witness.

    Attributes:
        url: where it is asked.
        names: of its keys, in the policy.
        size: of the newest head that it cosigned, as far as known.
        failures: in a row.
        error: why the last attempt failed, or None.
    """

    url: str
    names: tuple[str, ...]
    size: int
    failures: int
    error: str | None


@dataclass(slots=True, eq=False)
class _Peer:
    """One witness. Everything but `asked` is touched under the lock."""

    url: str
    keys: tuple[Cosigner, ...]
    asked: Asked
    size: int  # of the head that it cosigned last
    done: tuple[int, int] = (-1, 0)  # size and time of what it cosigned in this process's life
    job: tuple[SignedCheckpoint, int] | None = None
    busy: bool = False
    failures: int = 0
    not_before: float = float("-inf")
    error: str | None = None

    @property
    def heard(self) -> bool:
        return self.done[0] >= 0


class Cosigning:
    """Threads that ask, from construction to `close`. One thread calls, besides `standing`.

    Attributes:
        settings: what is asked of whom.
        claims: heads with our signature that witnesses showed, instead of cosigning, by URL.
    """

    def __init__(
        self,
        settings: Settings,
        own: Verifier,
        prove: Prove,
        connect: Callable[[str], Asked],
        steady: Callable[[], float],
        sizes: Mapping[str, int],
    ) -> None:
        """Start a thread a witness. Nobody is asked yet.

        Args:
            own: the log's key.
            prove: called from every thread.
            connect: opens the connections to a witness by its URL.
            steady: seconds since some moment.
            sizes: what each witness cosigned last, by its URL, as far as known.
        """
        self.settings = settings
        self.claims: dict[str, SignedCheckpoint] = {}
        self._own = own
        self._prove = prove
        self._steady = steady
        self._changed = threading.Condition()  # with a lock that its owner may take again
        self._closing = False
        self._rows: dict[int, dict[Cosigner, CosignatureRow]] = {}
        self._new: list[CosignatureRow] = []
        self._peers = [
            _Peer(url, keys, connect(url), sizes.get(url, 0)) for url, keys in settings.urls.items()
        ]
        self._threads = [
            threading.Thread(target=self._run, args=(peer,), name=f"witness {peer.url}")
            for peer in self._peers
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads, once what they ask is answered or given up."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for peer in self._peers:
            peer.asked.close()

    def load(self, head: SignedCheckpoint, rows: Iterable[CosignatureRow]) -> None:
        """Count stored cosignatures by keys that the policy still names.

        Raises:
            SignatureError: one does not verify: what is stored is damaged.
        """
        known = {key_name(witness.key): witness.key for witness in self.settings.policy.witnesses}
        for row in rows:
            key = known.get(row.cosigner)
            if key is not None and row.size == head.size:
                signature = Signature.parse(row.line.removesuffix("\n"))
                key.verify(str(head), signature.blob)
                self._rows.setdefault(head.size, {})[key] = row

    @property
    def is_heard(self) -> bool:
        """Whether a quorum has cosigned the newest signed head, or a later one, in this life.

        Until then it is not known that this database is the newest there is.
        """
        with self._changed:
            heard = [key for peer in self._peers if peer.heard for key in peer.keys]
            return self.settings.policy.is_met(heard)

    def is_met(self, size: int) -> bool:
        """Say whether the head of this size has a quorum."""
        with self._changed:
            return self.settings.policy.is_met(self._rows.get(size, {}))

    @property
    def newest_met(self) -> int | None:
        """The size of the newest head that has a quorum, of those that are remembered."""
        with self._changed:
            met = [size for size, rows in self._rows.items() if self.settings.policy.is_met(rows)]
        return max(met, default=None)

    @property
    def standing(self) -> list[Standing]:
        """How it stands with each witness."""
        names = {each.key: printable(each.name) for each in self.settings.policy.witnesses}
        with self._changed:
            return [
                Standing(
                    peer.url,
                    tuple(names[key] for key in peer.keys),
                    peer.size,
                    peer.failures,
                    peer.error,
                )
                for peer in self._peers
            ]

    def survey(self, head: SignedCheckpoint, now: int) -> None:
        """Put a head to all witnesses, and wait for each one's answer, or until the deadline."""
        self._ask(head, now, lambda: all(peer.heard or peer.failures for peer in self._peers))

    def collect(self, head: SignedCheckpoint, now: int) -> None:
        """Put a head to all witnesses, and wait for a quorum, for the deadline, or in vain.

        Nobody is waited for who failed lately, and nobody at all once there is a quorum. What comes
        later is kept for later.
        """
        self._ask(head, now, lambda: self.is_met(head.size))

    def take_changes(self) -> tuple[list[CosignatureRow], dict[str, int]]:
        """Return what is to be stored: new cosignatures, and the witnesses' sizes."""
        with self._changed:
            new, self._new = self._new, []
            return new, {peer.url: peer.size for peer in self._peers}

    def forget_before(self, size: int) -> None:
        """Forget cosignatures of heads that are older than the one that is shown."""
        with self._changed:
            self._rows = {each: rows for each, rows in self._rows.items() if each >= size}

    def _ask(self, head: SignedCheckpoint, now: int, is_enough: Callable[[], bool]) -> None:
        until = self._steady() + self.settings.deadline_seconds
        with self._changed:  # from looking to waiting: no answer comes unseen in between
            while True:
                for peer in self._peers:
                    if self._is_due(peer, head, now):
                        peer.job = (head, now)
                self._changed.notify_all()
                left = until - self._steady()
                if is_enough() or left <= 0:
                    return
                if not any(peer.busy or peer.job for peer in self._peers):
                    return  # nobody is left to wait for
                self._changed.wait(left)

    def _is_due(self, peer: _Peer, head: SignedCheckpoint, now: int) -> bool:
        size, time = peer.done
        if peer.busy or peer.job or self._steady() < peer.not_before:
            return False
        # By a clock that was set back, what was done is not in the future: it is done again.
        return size != head.size or not 0 <= now - time < AGAIN_SECONDS

    def _run(self, peer: _Peer) -> None:
        while True:
            with self._changed:
                while peer.job is None and not self._closing:
                    self._changed.wait()
                if self._closing or peer.job is None:
                    return
                (head, now), peer.job, peer.busy = peer.job, None, True
                size = peer.size
            try:
                told = put(peer.asked, peer.keys, head, size, now, self._prove, self._own)
            except BaseException as error:
                with self._changed:
                    peer.error, peer.not_before = f"stopped by a bug: {error!r}", float("inf")
                    peer.failures, peer.busy = peer.failures + 1, False
                    self._changed.notify_all()
                raise  # to the thread's excepthook: a bug is shown, with its traceback
            with self._changed:
                self._take(peer, head, now, told)
                peer.busy = False
                self._changed.notify_all()

    def _take(self, peer: _Peer, head: SignedCheckpoint, now: int, told: Told) -> None:
        peer.size, peer.error = told.size, told.error
        if told.claim is not None:
            self.claims[peer.url] = told.claim
        if told.error is None:
            peer.failures, peer.not_before, peer.done = 0, float("-inf"), (head.size, now)
            self._rows.setdefault(head.size, {}).update(told.rows)
            self._new += told.rows.values()
        else:
            peer.failures += 1
            peer.not_before = self._steady() + pause_seconds(peer.failures)


def pause_seconds(failures: int) -> float:
    """Return how long a witness is left alone after so many failures in a row."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 60), MAX_PAUSE_SECONDS)


def printable(name: str) -> str:
    """Return a name out of a policy, whose octets may be no text, as text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
