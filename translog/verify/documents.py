"""Check a file offline, and say in a sentence each what it proves, to whom, and what it does not.

A file is one of five things, told apart by what is in it: a bundle, an event, a proof that an
event was logged, a log's checkpoint, or a timestamp. An event can be given with its proof.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from translog.bitcoin.grade import HeaderSource
from translog.errors import MalformedError, TranslogError, UnknownKeyError, VerificationError
from translog.formats import canonical
from translog.formats.note import DASH
from translog.formats.proof import FIRST_LINE
from translog.pith import bundle as pith_bundle
from translog.pith import steps
from translog.verify.findings import Finding, Status, Trust, failed, not_shown
from translog.verify.logged import check_alone, check_checkpoint, check_event

Kind = Literal["bundle", "event", "proof", "checkpoint", "timestamp"]

TIMESTAMP_START = b"\0OpenTimestamps\0"

# How a step of `pith.bundle.inspect` stands where the whole bundle is the question.
_STATUS: dict[steps.Status, Status] = {
    "proved": "proved",
    "failed": "failed",
    "not-checkable": "not-checkable",
    "unknown-key": "not-shown",
}

WHOLE = "bundle-bundle"
"""The finding about the signature of the whole bundle, which is the last of its own."""


def recognise(raw: bytes) -> Kind:
    """Tell what a file is, without checking it.

    Raises:
        MalformedError: it is nothing that can be checked.
    """
    if raw.startswith(FIRST_LINE.encode()):
        return "proof"
    if raw.startswith(TIMESTAMP_START):
        return "timestamp"
    if raw.lstrip()[:1] == b"{":
        value = canonical.parse(raw, limit=pith_bundle.MAX_BUNDLE_BYTES)
        if "bundle_type" in value:
            return "bundle"
        if "event_type" in value:
            return "event"
    elif f"\n\n{DASH} ".encode() in raw:
        return "checkpoint"
    start = raw[:80].decode(errors="replace")
    raise MalformedError(
        f"{start!r} is not the start of a bundle, an event, a tlog-proof, a checkpoint or a"
        " timestamp"
    )


def check_document(
    raw: bytes,
    trust: Trust,
    *,
    proof: bytes | None = None,
    sources: Sequence[HeaderSource] = (),
) -> list[Finding]:
    """Check a file of any kind.

    Args:
        proof: the .tlog-proof of the event in `raw`. No other kind of file has one.
        sources: where block headers come from, the best first.

    Returns:
        At least one finding. Bad bytes raise nothing: they are a finding that has failed.
    """
    checks: dict[Kind, Callable[[], list[Finding]]] = {
        "bundle": lambda: check_bundle(raw, trust, sources),
        "event": lambda: check_event(raw, trust, proof),
        "proof": lambda: check_alone(raw, trust),
        "checkpoint": lambda: check_checkpoint(raw, trust),
        "timestamp": lambda: _check_timestamp(raw),
    }
    try:
        kind = recognise(raw)
        if proof is not None and kind != "event":
            raise MalformedError(f"a proof is given with a {kind}, want it with an event")
        return checks[kind]()
    except (MalformedError, VerificationError, UnknownKeyError) as error:
        return [failed("document", error)]


def _check_timestamp(raw: bytes) -> list[Finding]:
    # Loading what reads timestamps takes a quarter of a second: only who has one pays for it.
    from translog.verify.timestamps import check_file

    return check_file(raw, None, ())


def check_bundle(raw: bytes, trust: Trust, sources: Sequence[HeaderSource]) -> list[Finding]:
    """Check all that a bundle says: docs/formats/bundle.md, "Checking".

    Args:
        sources: where block headers come from, the best first.

    Raises:
        TranslogError: it is not a bundle.
    """
    bundle = pith_bundle.parse(raw)
    found = [bundle_finding(step, trust) for step in pith_bundle.inspect(bundle, trust.keys)]
    # Who asks about a bundle asks first of all who made it: for that, "someone" will not do.
    if found[-1].name == WHOLE and found[-1].status == "not-shown":
        found[-1] = replace(found[-1], status="failed")
    found.append(
        not_shown(
            "log",
            "that its events are in any log: check each event together with its tlog-proof",
        )
    )
    return found + _times(bundle, sources)


def _times(bundle: pith_bundle.Bundle, sources: Sequence[HeaderSource]) -> list[Finding]:
    if not bundle.value["timestamp_proofs"]:
        return [not_shown("time", "when its events existed: it has no timestamp proofs")]
    # As above: only who has timestamps pays for what reads them.
    from translog.verify.bundle_times import check_times

    return check_times(bundle, sources)


def _told(step: pith_bundle.Finding, trust: Trust) -> str:
    """Return what a step found, with the name of the key that showed it."""
    if step.key is None:
        return step.sentence
    bare, name = f"key {step.key}", trust.named(step.key)
    if step.sentence.startswith(bare):
        return name + step.sentence.removeprefix(bare)
    return f"{step.sentence}, says {name}"


def bundle_finding(step: pith_bundle.Finding, trust: Trust) -> Finding:
    """Say what a step of `pith.bundle.inspect` found, to whom it matters here."""
    error: TranslogError | None = step.error
    return Finding(
        name=f"bundle-{step.what.replace(' ', '-')}",
        status=_STATUS[step.status],
        sentence=f"{step.what}: {_told(step, trust)}",
        code=error.code if error is not None else None,
    )
