"""A monitor's rule about who may write: docs/formats/registry.md, followed entry by entry.

What changes permits are few events, and are kept; the permits themselves follow from them. A log
that took events before it recorded decisions is judged from its first decision on.

Entries are judged in their order. Where the log withholds what may have been a decision, judging
stops before it, and scanning goes on: one number is all that is remembered of what is behind it.
Once the decision is shown, those entries are read again. So a decision that comes late has its
effect from its own index on, as if it had never been withheld, and nobody is judged without it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from translog.errors import ForbiddenError, UnknownKeyError
from translog.formats.keys import key_sha256
from translog.formats.note import Verifier
from translog.formats.policy import Policy
from translog.pith.event import from_content
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import key_rotated
from translog.pith.kinds.decisions import EVENT_ACCEPTED
from translog.pith.permits import Permit, own_permit
from translog.verify.claims_entries import COMPROMISED, REVOKED, ForbiddenEntry
from translog.verify.monitor_entries import Seen, Tree
from translog.verify.monitor_facts import Fact, fact
from translog.verify.registry import Replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An entry that changed who may write: with those before it, all that has to be remembered."""

    index: int
    entry: bytes
    content: bytes


class Permits:
    """Who may write what to a log, behind the entries that were judged."""

    def __init__(self, origin: str, policy: Policy, decisions: Iterable[Decision]) -> None:
        """Go through the decisions again, in their order.

        Args:
            decisions: as `check` returned them, of all entries that were judged. What the log
                states among them it was permitted to, by a key that may be listed no more.
        """
        self._origin, self._policy = origin, policy
        keys = [key for key in policy.keys_of(origin) if isinstance(key, Verifier)]
        self._replay = Replay(Verifier(name=origin, public_key=bytes(32)))
        self._replay.permits.clear()
        for key in keys:
            own = own_permit(key)
            self._replay.permits[own.key.fingerprint] = own
        self._own = {key_sha256(key.public_key) for key in keys}
        self._decisions: dict[int, Decision] = {}
        for decision in decisions:
            self._go_through(decision)

    def check(
        self, seen: Sequence[Seen], tree: Tree, keys: Mapping[bytes, bytes]
    ) -> tuple[list[Fact], list[Decision], int]:
        """Check that entries were permitted, in their order, and take note of decisions.

        It ends before the first that may have decided something that is not known: what is behind
        it can only be judged with it.

        Args:
            seen: the entries that follow on what was judged before; at least one.
            keys: public keys by their hash: those of the entries.

        Returns:
            Facts about those that were not, the new decisions, and the index up to which they
            were judged.
        """
        facts: list[Fact] = []
        made: list[Decision] = []
        for each in seen:
            if each.event is None:
                if each.lacking and self.may_decide(each.entry):
                    return facts, made, each.index
                continue
            judged = self._replay.decisions or each.entry[33:65] in self._own
            before = self._replay.decisions
            try:
                self._replay.follow(each.event, each.index)
            except ForbiddenError as error:
                if judged:
                    key = keys[each.entry[33:65]]
                    facts.append(self._forbidden(each.index, each.entry, key, error, tree))
                continue
            if self._replay.decisions != before or each.event.event_type == EVENT_ACCEPTED:
                made.append(
                    Decision(index=each.index, entry=each.entry, content=each.event.content)
                )
                self._decisions[each.index] = made[-1]
        return facts, made, seen[-1].index + 1

    def check_late(
        self, seen: Iterable[Seen], tree: Tree, keys: Mapping[bytes, bytes]
    ) -> list[Fact]:
        """Check entries that were passed over, because their content was not known: each by what
        was decided before it. It decided nothing itself: else it would not have been passed over.
        """
        then = Permits(self._origin, self._policy, ())
        later = deque(self._decisions.values())
        facts: list[Fact] = []
        for each in sorted(seen):
            while later and later[0].index < each.index:
                then._go_through(later.popleft())
            facts += then.check([each], tree, keys)[0]
        return facts

    def may_decide(self, entry: bytes) -> bool:
        """Tell whether an entry of unknown content may have changed who may write."""
        permit = self._replay.permits.get(entry[33:49].hex())
        rotates = permit is not None and key_rotated.TYPE in permit.event_types
        return rotates or entry[33:65] in self._own

    def _go_through(self, decision: Decision) -> None:
        event = from_content(decision.content, decision.entry[1:33], decision.entry[65:])
        if event.event_type == key_rotated.TYPE:
            with suppress(ForbiddenError):  # up to 0.2.2 some were kept that nobody was permitted
                self._replay.follow(event, decision.index)
        else:
            self._replay.note(event, decision.index)
        self._decisions[decision.index] = decision

    def _forbidden(
        self, index: int, raw: bytes, key: bytes, error: ForbiddenError, tree: Tree
    ) -> Fact:
        permit = self._replay.permits.get(fingerprint_hex(key))
        reason, decision = _reason(permit, error), None
        if permit is not None and reason == COMPROMISED:
            decision = self._decisions.get(permit.compromise_index or 0)
        elif permit is not None and reason == REVOKED and permit.rotated_to is None:
            decision = self._decisions.get(permit.ended_index or 0)
        claim = ForbiddenEntry(
            logged=tree.logged(index, raw),
            public_key=key,
            reason=reason,
            decision=None if decision is None else tree.logged(decision.index, decision.entry),
            content=None if decision is None else decision.content,
        )
        return fact(
            "forbidden-entry",
            (index, raw[1:33].hex()),
            "alarm",
            f"{tree.head.origin} has as entry {index} what it had not permitted: {error}",
            claim=claim,
            accused=tree.trust,
        )


def _reason(permit: Permit | None, error: ForbiddenError) -> str:
    if permit is None or isinstance(error, UnknownKeyError):
        return "unknown-key"
    if permit.compromised_since is not None:
        return COMPROMISED
    return REVOKED if permit.revoked_at is not None else "not-permitted"
