"""A bundle in seven steps, and one sentence at the end: docs/formats/bundle.md, "Seven steps".

record, receipt, events and merge are about the bundle itself; inclusion, cosignatures and
timestamps about the logs and blocks that stand behind it. Every step is looked at, whatever the
others show, and each says how strong it is: what was only computed, whose key signed, how many of
how many.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from translog.bitcoin.grade import HeaderSource
from translog.errors import (
    ConsistencyError,
    InclusionError,
    MalformedError,
    TranslogError,
    UnknownKeyError,
)
from translog.formats.cosigned import CosignedCheckpoint
from translog.formats.proof import TlogProof
from translog.formats.tree import verify_inclusion
from translog.pith import bundle as pith_bundle
from translog.pith import event as pith_event
from translog.pith.bundle import Bundle
from translog.pith.event import Event
from translog.pith.key import find
from translog.pith.timestamp_proof import TIME_BEACON
from translog.verify.documents import WHOLE, bundle_finding
from translog.verify.findings import Finding, Status, Trust, failed, not_shown, proved
from translog.verify.logged import leaf_of
from translog.verify.witnessed import check_witnesses

# The steps of `pith.bundle.inspect` that make up each of the first four.
OWN = {"record": {1, 2, 3}, "receipt": {4}, "events": {5, 6}, "merge": {7, 8}}
NAMES = (*OWN, "inclusion", "cosignatures", "timestamps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one of the seven steps found.

    Attributes:
        name: one of NAMES; its number is its place there, from 1.
        grade: how strong it is, in a few words.
        findings: each thing that was looked at.
    """

    name: str
    grade: str
    findings: tuple[Finding, ...]

    @property
    def number(self) -> int:
        return NAMES.index(self.name) + 1

    @property
    def result(self) -> Status:
        """The worst that was found; what nobody can check counts only where there is no more."""
        found = {finding.status for finding in self.findings}
        order: tuple[Status, ...] = ("failed", "not-shown", "proved")
        return next((status for status in order if status in found), "not-checkable")

    def to_json(self) -> dict[str, Any]:
        """Return the form for programs."""
        return {
            "step": self.number,
            "name": self.name,
            "result": self.result,
            "grade": self.grade,
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The seven steps.

    Attributes:
        about: the Pith Number, or what the file is instead.
        steps: in their order; fewer where the file is no bundle.
        quorum: of the policy, or None.
    """

    about: str
    steps: tuple[Step, ...]
    quorum: str | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, a trusted key signed the whole, and every event is in a log as
        the policy wants it.
        """
        wanted = {"inclusion"} if self.quorum is None else {"inclusion", "cosignatures"}
        findings = [finding for step in self.steps for finding in step.findings]
        is_signed = any(
            finding.name == WHOLE and finding.status == "proved" for finding in findings
        )
        return is_signed and all(
            step.result != "failed" and (step.name not in wanted or step.result == "proved")
            for step in self.steps
        )

    @property
    def sentence(self) -> str:
        """Say in one sentence what the bundle is good for."""
        wrong = [step for step in self.steps if step.result == "failed"]
        if wrong:
            names = ", ".join(f"{step.number} ({step.name})" for step in wrong)
            return f"Do not rely on this bundle: step {names} failed"
        shown = {step.name for step in self.steps if step.result == "proved"}
        signed = [name for name in ("receipt", "events", "merge") if name in shown]
        said = [f"{self.about} is computed from the record in it"]
        if signed:
            said.append(f"its {', '.join(signed)} are signed by keys you trust")
        if "inclusion" in shown:
            seen = " that witnesses have seen" if "cosignatures" in shown else ""
            said.append(f"all its events are in a log you trust{seen}")
        if "timestamps" in shown:
            said.append("Bitcoin shows when they existed")
        missing = [name for name in NAMES if name not in shown]
        rest = f"; not shown: {', '.join(missing)}" if missing else ""
        return " and ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said) + rest


@dataclass(slots=True)
class _Logged:
    """What inclusion found: the heads under which events are, and how many of them."""

    heads: dict[bytes, CosignedCheckpoint] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    included: set[str] = field(default_factory=set)


def check_steps(
    raw: bytes,
    trust: Trust,
    *,
    proofs: Iterable[bytes] = (),
    sources: Sequence[HeaderSource] = (),
) -> Report:
    """Check a bundle in seven steps.

    Args:
        trust: whose signatures count, and the policy.
        proofs: tlog-proofs of its events, beside those that are in it.
        sources: where Bitcoin's headers come from, the best first.

    Returns:
        All seven, or a report of one that has failed, where it is no bundle. Raises nothing.
    """
    try:
        bundle = pith_bundle.parse(raw)
    except TranslogError as error:
        step = Step(name="record", grade="no bundle", findings=(failed("document", error),))
        return Report(about="this file", steps=(step,), quorum=trust.policy.quorum)
    events = _events(bundle)
    logged = _inclusion(bundle, events, trust, proofs)
    steps = (
        *_own(bundle, trust),
        _inclusion_step(events, logged),
        _cosignatures(logged, trust),
        _timestamps(bundle, sources),
    )
    return Report(about=bundle.pith_number, steps=steps, quorum=trust.policy.quorum)


def _own(bundle: Bundle, trust: Trust) -> list[Step]:
    """Return the first four steps, of which the bundle alone decides."""
    found = pith_bundle.inspect(bundle, trust.keys)
    steps: list[Step] = []
    for name, numbers in OWN.items():
        mine = [each for each in found if each.step in numbers]
        keys = sorted({trust.named(each.key) for each in mine if each.key is not None})
        if keys:
            grade = f"signed by {', '.join(keys)}"
        elif any(each.status == "unknown-key" for each in mine):
            grade = "signed by no key given"
        else:
            grade = "unsigned" if name == "receipt" else "computed"
        findings = tuple(bundle_finding(each, trust) for each in mine)
        steps.append(Step(name=name, grade=grade, findings=findings))
    return steps


def _events(bundle: Bundle) -> dict[str, Event]:
    """Return the well-formed events; what is wrong with others, step 3 has said."""
    events: dict[str, Event] = {}
    for value in bundle.events:
        try:
            event = pith_event.from_value(value)
        except TranslogError:
            continue
        events[event.event_id] = event
    return events


def _inclusion(
    bundle: Bundle, events: Mapping[str, Event], trust: Trust, proofs: Iterable[bytes]
) -> _Logged:
    logged = _Logged()
    for stamp in bundle.value["timestamp_proofs"]:
        if stamp.get("proof_type") == TIME_BEACON:
            continue  # of an event of the log's own: the timestamps step looks at it
        text, event = stamp.get("tlog_proof"), events.get(str(stamp.get("event_id")))
        if event is None or type(text) is not str:
            error = MalformedError("a timestamp proof is not of an event in this bundle")
            logged.findings.append(failed("inclusion", error))
        else:
            _include(logged, [event], text.encode(), trust)
    for proof in proofs:
        _include(logged, list(events.values()), proof, trust)
    return logged


def _include(logged: _Logged, events: Sequence[Event], raw: bytes, trust: Trust) -> None:
    """Find which of the events a proof is of, and remember its head."""
    try:
        proof = TlogProof.parse(raw)
        head = trust.open_checkpoint(proof.checkpoint)
        event = _event_of(proof, head, events, trust)
    except UnknownKeyError as error:
        logged.findings.append(not_shown("inclusion", str(error), error.code))
    except TranslogError as error:
        logged.findings.append(failed("inclusion", error))
    else:
        logged.heads[proof.checkpoint] = head
        logged.included.add(event.event_id)
        sentence = (
            f"{event.event_type} {event.event_id} is entry {proof.index} of {head.origin}, in its "
            f"tree of {head.size} entries"
        )
        logged.findings.append(proved("inclusion", sentence))


def _event_of(
    proof: TlogProof, head: CosignedCheckpoint, events: Sequence[Event], trust: Trust
) -> Event:
    """Return the event that a proof is of.

    Raises:
        InclusionError: it is of none.
        UnknownKeyError: it may be of one by a key that is not trusted: then an entry cannot be
            computed.
    """
    refused: TranslogError = InclusionError("proof is of no event in this bundle")
    for event in events:
        try:
            key = find(trust.ring, event.signer.fingerprint)
            leaf = leaf_of(event, key)
            verify_inclusion(proof.index, head.size, leaf, proof.hashes, head.root)
        except TranslogError as error:
            if len(events) == 1 or isinstance(error, UnknownKeyError):
                refused = error
        else:
            return event
    raise refused


def _inclusion_step(events: Mapping[str, Event], logged: _Logged) -> Step:
    found = logged.findings
    missing = [event_id for event_id in events if event_id not in logged.included]
    if missing or not events:
        sentence = f"that {len(missing)} of {len(events)} events are in a log: no proof shows it"
        found = [*found, not_shown("inclusion", sentence)]
    grade = f"{len(logged.included)} of {len(events)} events"
    return Step(name="inclusion", grade=grade, findings=tuple(found))


def _cosignatures(logged: _Logged, trust: Trust) -> Step:
    heads = logged.heads.values()
    roots: dict[tuple[str, int], bytes] = {}
    found: list[Finding] = []
    for head in heads:
        if roots.setdefault((head.origin, head.size), head.root) != head.root:
            error = ConsistencyError(f"{head.origin} signed two roots for {head.size} entries")
            found.append(failed("fork", error))
    found += [check_witnesses(head, trust.policy) for head in heads]
    if not found:
        found = [not_shown("witnesses", "that anyone has seen these events: no head is known")]
    quorum = trust.policy.quorum
    grade = "the log alone" if quorum is None else f"quorum {quorum}"
    return Step(name="cosignatures", grade=grade, findings=tuple(found))


def _timestamps(bundle: Bundle, sources: Sequence[HeaderSource]) -> Step:
    if not bundle.value["timestamp_proofs"]:
        finding = not_shown("time", "when its events existed: it has no timestamp proofs")
        return Step(name="timestamps", grade="no time", findings=(finding,))
    # Loading what reads timestamps takes a quarter of a second: only who has one pays for it.
    from translog.verify.bundle_times import check_times
    from translog.verify.timestamps import TimeFinding

    found = check_times(bundle, sources)
    proofs = [each for each in found if isinstance(each, TimeFinding) and each.status == "proved"]
    grade = str(min(each.time.known.grade for each in proofs)) if proofs else "no time"
    return Step(name="timestamps", grade=grade, findings=tuple(found))
