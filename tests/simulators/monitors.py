"""A monitor that keeps what it knows in memory, with a clock that the test moves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from translog.formats.entry import Entry
from translog.formats.policy import Policy, believing
from translog.formats.published import Fetch
from translog.formats.tiles import Tile
from translog.pith.event import Event
from translog.testing.log import LyingLog
from translog.verify.bundles import take
from translog.verify.events import check_event, fetch_keys
from translog.verify.evidence import Evidence
from translog.verify.findings import Trust
from translog.verify.monitor import follow
from translog.verify.monitor_entries import Owed, body
from translog.verify.monitor_events import Hit, Mark
from translog.verify.monitor_facts import Fact, Position
from translog.verify.monitor_permits import Decision, Permits
from translog.verify.monitor_steps import Known, Log, Step

NOW = 1_780_000_000


class Watcher:
    """A monitor of one log.

    Attributes:
        facts: all that was found, by identity, once each.
        now: POSIX seconds; `turn` moves it on.
        others: the monitors of logs that this one continues, by origin.
    """

    def __init__(
        self, fetch: Fetch, policy: Policy, *, origin: str = "example.com/log", **options: Any
    ) -> None:
        patience = {"patience": 100, "frozen_after": 10_000, "check_every": 0}
        self.log = Log(origin=origin, policy=policy, fetch=fetch, **{**patience, **options})
        self.position = Position()
        self.facts: dict[str, Fact] = {}
        self.marks: list[Mark] = []
        self.hits: dict[int, Hit] = {}
        self.owed: dict[int, Owed] = {}
        self.decisions: dict[int, Decision] = {}
        self.now = NOW
        self.others: dict[str, Watcher] = {}

    def turn(self, seconds: int = 10) -> list[Fact]:
        """Take a turn some seconds later; return the facts that are new."""
        self.now += seconds
        known = Known(
            find=self._find,
            read_event=self._read_event,
            hits=lambda: list(self.hits.values()),
            owed=lambda: [self.owed[index] for index in sorted(self.owed)],
            permits=self._permits,
        )
        new: list[Fact] = []
        for step in follow(self.log, self.position, known, self.now):
            new += self.keep(step)
        return new

    def keep(self, step: Step) -> list[Fact]:
        """Remember a step, as the store does."""
        raw = step.position.to_json()
        self.position = Position.from_json(raw, self.log.policy)
        assert self.position.to_json() == raw
        self.marks += [mark for mark in step.marks if mark not in self.marks]
        self.hits |= {hit.index: hit for hit in step.hits}
        self.decisions |= {each.index: each for each in step.decisions}
        for owed in step.owed:
            self.owed.setdefault(owed.index, owed)
        for index in step.paid:
            self.owed.pop(index, None)
        new = []
        for fact in step.facts:
            name = fact.id_in(self.log.origin)
            if name not in self.facts:
                self.facts[name] = fact
                new.append(fact)
        return new

    def lets_go_of(self, **changes: Any) -> None:
        """Follow the log otherwise from now on."""
        self.log = replace(self.log, **changes)

    def _permits(self) -> Permits:
        decisions = [self.decisions[index] for index in sorted(self.decisions)]
        return Permits(self.log.origin, self.log.policy, decisions)

    def _find(self, prefixes: Sequence[int]) -> list[Mark]:
        every = [self, *self.others.values()]
        return [mark for each in every for mark in each.marks if mark.prefix in prefixes]

    def _read_event(self, origin: str, index: int) -> tuple[Event, bytes] | None:
        if origin != self.log.origin:
            return self.others[origin]._read_event(origin, index)
        head = self.position.head
        assert head is not None
        taken = take(self.log.fetch, Tile.at(0, index // 256, head.size), depth="hashes")
        entry = Entry.parse(taken.entries[index % 256])
        content = body(self.log.fetch, taken.entries[index % 256])
        keys = fetch_keys(self.log.fetch)
        if content is None:
            return None
        return check_event(content, entry, keys), keys[entry.key_sha256]


def watching(log: LyingLog, client: str = "me", **options: Any) -> Watcher:
    """Return a monitor that is one of a lying log's clients."""
    policy = options.pop("policy", believing(log.verifier))
    return Watcher(log.fetch(client), policy, origin=log.truth.origin, **options)


def kinds(facts: Sequence[Fact]) -> list[str]:
    return [fact.kind for fact in facts]


def proved(fact: Fact, *keys: Any) -> bool:
    """Be the stranger: tell whether the evidence of a fact is a proof, with these keys alone."""
    assert fact.evidence is not None, fact.sentence
    logs = [key for key in keys if not isinstance(key, bytes)]
    signers = dict.fromkeys([key for key in keys if isinstance(key, bytes)], "the accused")
    signers |= dict.fromkeys([log.public_key for log in logs], "the log")
    accused = Trust(keys=signers, policy=believing(*logs))
    return Evidence.parse(fact.evidence.encode()).check(accused).grade == "proof"
