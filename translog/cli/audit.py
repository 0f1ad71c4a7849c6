"""`translog audit`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from translog.cli.auditing import Audit
from translog.cli.exits import FAILED
from translog.cli.keyring import LOG_KEY, POLICY, trusted_logs
from translog.cli.output import Output, json_option
from translog.cli.params import FILE
from translog.errors import TranslogError
from translog.formats.cosigned import CosignedCheckpoint
from translog.formats.policy import LogKey, Policy
from translog.store import files
from translog.verify.evidence import Evidence
from translog.verify.findings import Trust
from translog.verify.state import DEPTHS, AuditState, Depth, HistoryError
from translog.verify.verdict import verdict

CHECKED: dict[Depth, str] = {
    "hashes": "that they make the tree",
    "signatures": "that they make the tree, and are signed",
    "events": "their events, keys and signatures",
}


@click.command(short_help="Check a whole log from what it publishes.")
@click.argument("log", metavar="URL|DIR")
@click.option(
    "--key",
    "keys",
    type=LOG_KEY,
    multiple=True,
    metavar="VKEY",
    help="The log's key, or a file that holds it. Give it again for each key of the log.",
)
@click.option(
    "--policy",
    type=POLICY,
    metavar="FILE",
    help="A tlog-policy: the logs, and the witnesses that must have cosigned.",
)
@click.option(
    "--state",
    "state_file",
    metavar="FILE",
    type=FILE,
    help="Go on where the audit that wrote FILE stopped, and keep it up to date.",
)
@click.option(
    "--since",
    metavar="FILE",
    type=FILE,
    help="An older checkpoint, or a proof with one: the log must continue it, and what is before"
    " it is not looked at again.",
)
@click.option(
    "--until",
    metavar="FILE",
    type=FILE,
    help="Audit the tree of this checkpoint (or proof), and not that of the newest.",
)
@click.option(
    "--compare",
    "others",
    multiple=True,
    metavar="URL|DIR",
    help="Another place of the same log, to be compared byte for byte. May be given again.",
)
@click.option(
    "--depth",
    type=click.Choice(DEPTHS),
    default="events",
    show_default=True,
    help="How much is checked: that it is the tree, that its entries are signed, or everything.",
)
@click.option(
    "--verdict",
    "verdict_file",
    metavar="FILE",
    type=FILE,
    help="Say there, in JSON, what was checked, until where, with which keys, and what was not.",
)
@click.option(
    "--evidence",
    "evidence_file",
    metavar="FILE",
    type=FILE,
    help="Keep there what convinces others, if the log contradicts itself.",
)
@json_option
@click.pass_context
def audit(
    ctx: click.Context,
    log: str,
    keys: tuple[LogKey, ...],
    policy: Policy | None,
    state_file: Path | None,
    since: Path | None,
    until: Path | None,
    others: tuple[str, ...],
    depth: Depth,
    verdict_file: Path | None,
    evidence_file: Path | None,
) -> None:
    """Check everything that a log has published: each tile, entry, event and signature.

    The log is a URL, a directory of static files (`translog export`), or a log's own directory.
    With --state, only what is new is checked, and that the log continues what it was. Where it
    does not, the evidence convinces whoever has the log's key (`translog evidence verify`).
    """
    output: Output = ctx.obj
    if not keys and policy is None:
        raise click.UsageError("say whom you trust: --key VKEY or --policy FILE", ctx)
    if since is not None and state_file is not None:
        raise click.UsageError("--since and --state both say where to begin: give one", ctx)
    job = Audit(
        place=log,
        policy=trusted_logs(keys, policy),
        depth=depth,
        others=others,
        state_file=state_file,
        since=since,
        until=until,
    )
    failed: TranslogError | None = None
    try:
        with output.progress("auditing") as progress:
            job.run(progress)
    except TranslogError as error:
        failed = error
    evidence = _evidence(failed, job.policy)
    unwritten: TranslogError | None = None
    try:
        if evidence is not None and evidence_file is not None:
            files.write_out(evidence_file, evidence.encode())
        if verdict_file is not None:
            _write_verdict(verdict_file, job, failed, evidence)
    except TranslogError as error:  # what was found out comes first, and is not lost with a file
        unwritten = error
    if failed is None and job.state is not None:
        _show(output, job, job.state)
    elif failed is not None and unwritten is not None:
        output.note(str(unwritten))
    if evidence is not None and failed is not None:
        output.error(failed.code, str(failed), evidence=evidence.encode())
        ctx.exit(FAILED)
    if failed is not None:
        raise failed
    if unwritten is not None:
        raise unwritten


def _evidence(error: TranslogError | None, policy: Policy) -> Evidence | None:
    if not isinstance(error, HistoryError):
        return None
    return Evidence.make(error.claim, Trust(policy=policy))


def _write_verdict(
    file: Path, job: Audit, error: TranslogError | None, evidence: Evidence | None
) -> None:
    value = verdict(
        place=job.place,
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        policy=job.policy,
        depth=job.depth,
        start=job.start,
        state=job.state,
        copies=job.copies,
        error=error,
        evidence=evidence,
    )
    content = json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
    files.write_out(file, content)


def _show(output: Output, job: Audit, state: AuditState) -> None:
    head = state.checkpoint
    signed = head.log_keys if isinstance(head, CosignedCheckpoint) else ()
    ids = [key.key_id.hex() for key in signed or job.policy.keys_of(head.origin)]
    new = f"entries {job.start:,} to {state.size - 1:,}, {CHECKED[job.depth]}"
    rows = [
        ("Log", f"{head.origin}, signed by key {', '.join(ids)}"),
        ("Checked", new if job.start < state.size else f"nothing new after {state.size:,} entries"),
        ("Root", head.root.hex()),
    ]
    rows += [
        ("Compared", f"{copy.name}, the same up to {min(copy.head.size, state.size):,}")
        for copy in job.copies
    ]
    if job.policy.quorum is not None:
        rows.append(("Witnesses", f"cosigned by the quorum {job.policy.quorum}"))
    elif not job.copies:
        missing = "that the log shows everyone the same: compare checkpoints for that"
        rows.append(("Not shown", missing))
    output.result(
        {
            "origin": head.origin,
            "from_size": job.start,
            "size": state.size,
            "depth": job.depth,
            "root": head.root.hex(),
            "checkpoint": head.note.decode(),
            "copies": [copy.name for copy in job.copies],
        },
        rows,
    )
