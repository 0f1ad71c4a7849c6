"""`translog evidence …`: loads neither a log, a server nor SQLite."""

from pathlib import Path
from typing import Any

import click

from translog.cli.exits import FAILED
from translog.cli.keyring import KEY, PublicKey, trusted
from translog.cli.output import Output, json_option
from translog.errors import MalformedError, UnknownKeyError, VerificationError
from translog.store import files
from translog.verify.claims import Verdict
from translog.verify.evidence import MAX_EVIDENCE_BYTES, Evidence
from translog.verify.findings import Trust


@click.group(short_help="Check evidence against logs and signers.", no_args_is_help=True)
def evidence() -> None:
    """Check evidence against logs and signers, as audits and monitors write it."""


@evidence.command(short_help="Check a file of evidence, offline.")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--key",
    "keys",
    type=KEY,
    multiple=True,
    required=True,
    metavar="KEY",
    help="The key that is accused: a log's vkey, a signer's 64 digits of hex, a pinned name, or a"
    " file with one. Give it again for each key.",
)
@json_option
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], keys: tuple[PublicKey, ...]) -> None:
    """Check evidence offline, with the key of the accused and nothing else.

    A proof convinces whoever has the key: the command ends with 0. A report holds something that
    only the reporter says: what is signed in it is checked and shown, and the command ends with 1,
    as it does for what shows nothing at all.
    """
    output: Output = ctx.obj
    accused = trusted(keys, None)
    proved = [_check(output, name, accused) for name in names]
    ctx.exit(0 if all(proved) else FAILED)


def _check(output: Output, name: str, accused: Trust) -> bool:
    """Check one file, and say what it comes to; return whether it is a proof."""
    raw = files.read(Path(name), limit=MAX_EVIDENCE_BYTES)
    try:
        evidence = Evidence.parse(raw)
        verdict = evidence.check(accused)
    except (MalformedError, VerificationError, UnknownKeyError) as error:
        if output.json:
            output.value({"file": name, "proved": False, "grade": None, **_refusal(error)})
        else:
            output.line(f"{name}: {error}", mark="SHOWS NOTHING  ", style="bad")
        return False
    _show(output, name, evidence, verdict)
    return verdict.grade == "proof"


def _refusal(error: MalformedError | VerificationError | UnknownKeyError) -> dict[str, Any]:
    return {"error": {"code": error.code, "detail": str(error)}}


def _show(output: Output, name: str, evidence: Evidence, verdict: Verdict) -> None:
    if output.json:
        output.value(
            {
                "file": name,
                "proved": verdict.grade == "proof",
                "grade": verdict.grade,
                "kind": evidence.kind,
                "accused": list(evidence.accused),
                "sentence": verdict.sentence,
                "not_shown": list(verdict.limits),
            }
        )
        return
    mark = "proved         " if verdict.grade == "proof" else "only reported  "
    output.line(
        f"{name}: {verdict.sentence}",
        mark=mark,
        style="ok" if verdict.grade == "proof" else "doubt",
    )
    for limit in verdict.limits:
        output.line(limit, mark="not shown      ", style="doubt")
