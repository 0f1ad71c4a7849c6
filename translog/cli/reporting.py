"""`translog verify BUNDLE --policy FILE`: seven numbered steps, and a sentence at the end."""

from collections.abc import Sequence

from translog.bitcoin.grade import HeaderSource
from translog.cli.exits import FAILED, OK
from translog.cli.output import MARK_WIDTH, MARKS, Output
from translog.verify.findings import Trust
from translog.verify.steps import Report, check_steps


def verify_bundle(
    output: Output,
    name: str,
    raw: bytes,
    trust: Trust,
    proofs: Sequence[bytes],
    sources: Sequence[HeaderSource],
) -> int:
    """Check a bundle, say what was found, and return how the command could end for it."""
    report = check_steps(raw, trust, proofs=proofs, sources=sources)
    _show(output, name, report)
    return OK if report.ok else FAILED


def _show(output: Output, name: str, report: Report) -> None:
    if output.json:
        output.value(
            {
                "file": name,
                "ok": report.ok,
                "steps": [step.to_json() for step in report.steps],
                "sentence": report.sentence,
            }
        )
        return
    output.line(name)
    for step in report.steps:
        mark, style = MARKS[step.result]
        head = f"{step.number} {step.name}"
        output.line(f"{head:<16}{step.grade}", mark=f"  {mark:<{MARK_WIDTH}}  ", style=style)
        for finding in step.findings:
            word = "" if finding.status == step.result else f"{MARKS[finding.status][0]}: "
            output.line(f"{'':<{MARK_WIDTH + 20}}{word}{finding.sentence}")
    output.line(f"{report.sentence}.")
