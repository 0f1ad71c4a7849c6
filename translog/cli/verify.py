"""`translog verify`: loads neither a log, a server nor SQLite."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from translog.bitcoin.grade import HeaderSource
from translog.cli.exits import FAILED, OK
from translog.cli.keyring import KEY, POLICY, PublicKey, trusted
from translog.cli.output import MARK_WIDTH, MARKS, Output, counted, json_option
from translog.cli.params import PATH
from translog.errors import MalformedError, UnknownKeyError
from translog.formats.policy import Policy
from translog.store import files
from translog.verify.documents import check_document, recognise
from translog.verify.findings import Finding, Trust, not_shown
from translog.verify.heads import Heads

MAX_FILE_BYTES = 17 << 20  # a bundle, and a little: larger ones are refused by what reads them
PROOF = ".tlog-proof"
TIMESTAMP = ".ots"


@click.command(short_help="Check bundles, events, proofs and checkpoints, offline.")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--key",
    "keys",
    type=KEY,
    multiple=True,
    metavar="KEY",
    help="Whom you trust: a vkey, 64 digits of hex, a pinned name (pith.science) or a file with"
    " a vkey or a key in JSON. Give it again for each key. Needed for all but FILE.ots.",
)
@click.option(
    "--policy",
    type=POLICY,
    metavar="FILE",
    help="A tlog-policy: the logs you trust, and the witnesses that must have cosigned their heads."
    " A bundle is then checked in seven steps.",
)
@click.option(
    "--of",
    "content",
    type=PATH,
    metavar="FILE",
    help="What the one timestamp is about. Without it: FILE for FILE.ots.",
)
@click.option(
    "--headers",
    metavar="FILE|DIR|SOURCE",
    help="Bitcoin's block headers: a FILE of them, 80 bytes each, as `translog headers segment`"
    " writes; a DIR that `translog headers` keeps; or whom to ask, named as for `translog headers"
    " sync`. FILE.ots.headers is found by itself.",
)
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    names: tuple[str, ...],
    keys: tuple[PublicKey, ...],
    policy: Policy | None,
    content: Path | None,
    headers: str | None,
) -> None:
    """Check files offline, and say of each what is proved, by which key, and what is not.

    With --policy, a bundle is checked in seven steps: record, receipt, events, merge, inclusion,
    cosignatures, timestamps. The command ends with 0 only if nothing is wrong, and every event of
    it is in a log of the policy, under a head with the quorum. Proofs are found in the bundle, or
    are the only FILEs beside it.

    A FILE is a bundle, an event, a .tlog-proof, a checkpoint or a timestamp (.ots); what it is,
    is told by what is in it. An event and its proof are given together: as EVENT and
    EVENT.tlog-proof, or as the only event and the only proof. Nothing is trusted but the keys
    named. Two heads of one log among the FILEs that have the same size and different roots are a
    failure: the log has forked.

    A timestamp, also one in a bundle, proves a time when something vouches for the header of its
    block: a built-in checkpoint that --headers lead to, or whoever --headers names. Nobody else is
    asked. A timestamp that shows no time is code 1, and one whose block's header is not known is
    code 3.
    """
    output: Output = ctx.obj
    if not keys and policy is None and not all(name.endswith(TIMESTAMP) for name in names):
        raise click.UsageError("say whom you trust: --key KEY or --policy FILE")
    trust = trusted(keys, policy)
    contents = {name: files.read(Path(name), limit=MAX_FILE_BYTES) for name in names}
    stamps = {name: raw for name, raw in contents.items() if _kind(raw) == "timestamp"}
    if content is not None and len(stamps) != 1:
        raise click.UsageError(f"--of goes with one timestamp, and there are {len(stamps)}.")
    bundles = [name for name, raw in contents.items() if policy and _kind(raw) == "bundle"]
    timed = {name for name, raw in contents.items() if _kind(raw) in ("timestamp", "bundle")}
    if headers is not None and not timed:
        raise click.UsageError("--headers goes with a timestamp or a bundle, and there is none.")
    ends: set[int] = set()
    with _sources(headers, output) as sources:
        for name in bundles:
            ends.add(_verify_bundle(output, name, contents, trust, sources))
        ends |= _verify_documents(output, contents, stamps, trust, sources)
        if stamps:
            ends |= _verify_timestamps(output, stamps, content, sources)
    ctx.exit(FAILED if FAILED in ends else max(ends, default=OK))


@contextmanager
def _sources(headers: str | None, output: Output) -> Iterator[list[HeaderSource]]:
    """Open where headers come from."""
    if headers is None:
        yield []
        return
    # Loading what reads timestamps takes a quarter of a second: only who has one pays for it.
    from translog.cli.timestamps import sources

    with sources(headers, output.note) as opened:
        yield opened


def _verify_bundle(
    output: Output, name: str, contents: dict[str, bytes], trust: Trust, sources: list[HeaderSource]
) -> int:
    """Check a bundle in seven steps, with the proofs that are given beside it alone."""
    # Loaded for who has a policy: it knows of Bitcoin.
    from translog.cli import reporting

    proofs = [other for other, raw in contents.items() if _kind(raw) == "proof"]
    mine = proofs if len(contents) == 1 + len(proofs) else []
    raw = contents.pop(name)
    given = [contents.pop(other) for other in mine]
    return reporting.verify_bundle(output, name, raw, trust, given, sources)


def _verify_documents(
    output: Output,
    contents: dict[str, bytes],
    stamps: dict[str, bytes],
    trust: Trust,
    sources: list[HeaderSource],
) -> set[int]:
    """Check everything but the timestamps, and return how the command could end for it."""
    proofs = _pair(contents)
    heads = Heads(trust)
    ends: set[int] = set()
    for name, raw in contents.items():
        if name in proofs.values() or name in stamps:
            continue
        proof = proofs.get(name)
        beside = None if proof is None else contents[proof]
        findings = check_document(raw, trust, proof=beside, sources=sources)
        findings += _unused(raw, contents)
        findings += heads.look(proof or name, contents[proof or name])
        end = FAILED if any(finding.status == "failed" for finding in findings) else OK
        ends.add(end)
        _show(output, name, proof, findings, ok=end == OK)
    return ends


def _verify_timestamps(
    output: Output,
    stamps: dict[str, bytes],
    content: Path | None,
    sources: list[HeaderSource],
) -> set[int]:
    """Check the timestamps, and return how the command could end for them."""
    from translog.cli import timestamps  # see `_sources`

    ends: set[int] = set()
    for name, raw in stamps.items():
        about = content or timestamps.content_of(name)
        findings = timestamps.check(name, raw, about, sources)
        end = timestamps.end(findings)
        ends.add(end)
        _show(output, name, None, findings, ok=end == OK)
    return ends


def _pair(contents: dict[str, bytes]) -> dict[str, str]:
    """Return which proof belongs to which event, by their names."""
    kinds = {name: _kind(raw) for name, raw in contents.items()}
    events = [name for name, kind in kinds.items() if kind == "event"]
    proofs = [name for name, kind in kinds.items() if kind == "proof"]
    if len(events) == 1 and len(proofs) == 1:
        return {events[0]: proofs[0]}
    return {
        event: proof
        for event in events
        for proof in (f"{event}{PROOF}", str(Path(event).with_suffix(PROOF)))
        if proof in proofs
    }


def _unused(raw: bytes, contents: dict[str, bytes]) -> list[Finding]:
    """Say why a proof that is looked at alone goes with none of the events that are there."""
    events = sum(_kind(each) == "event" for each in contents.values())
    if not events or _kind(raw) != "proof":
        return []
    return [
        not_shown(
            "unused",
            f"anything about the {counted(events, 'event')} given: this proof was not used, because"
            f" none has its name (EVENT and EVENT{PROOF}), or one has another proof already",
        )
    ]


def _kind(raw: bytes) -> str:
    try:
        return recognise(raw)
    except MalformedError:
        return "unknown"  # which `check_document` says, of this file


def _show(
    output: Output, name: str, proof: str | None, findings: list[Finding], *, ok: bool
) -> None:
    if output.json:
        output.value(
            {
                "file": name,
                "proof": proof,
                "ok": ok,
                "findings": [finding.to_json() for finding in findings],
            }
        )
        return
    output.line(f"{name} with {proof}" if proof else name)
    for finding in findings:
        mark, style = MARKS[finding.status]
        if (finding.status, finding.code) == ("failed", UnknownKeyError.code):
            mark = "NOT TRUSTED"  # it may be right: whose word it is, is the question
        output.line(finding.sentence, mark=f"  {mark:<{MARK_WIDTH}}  ", style=style)
