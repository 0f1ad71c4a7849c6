"""`translog audit`."""

import time
from collections.abc import Callable
from pathlib import Path

import click

from translog.cli.exits import FAILED
from translog.cli.keyring import LOG_KEY
from translog.cli.output import Output, Progress, json_option
from translog.cli.places import answering, published
from translog.errors import MalformedError, MissingError, UnavailableError, VerificationError
from translog.formats.note import Verifier
from translog.store import files
from translog.verify.auditor import audit as check
from translog.verify.state import MAX_STATE_BYTES, AuditState, HistoryError

SAVE_SECONDS = 5.0  # at most so much is done again after a crash


@click.command(short_help="Check a whole log from what it publishes.")
@click.argument("log", metavar="URL|DIR")
@click.option(
    "--key",
    type=LOG_KEY,
    required=True,
    metavar="VKEY",
    help="The log's key, or a file that holds it.",
)
@click.option(
    "--state",
    "state_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Go on where the audit that wrote FILE stopped, and keep it up to date.",
)
@json_option
@click.pass_context
def audit(ctx: click.Context, log: str, key: Verifier, state_file: Path | None) -> None:
    """Check everything that a log has published: each tile, entry, event and signature.

    The log is a URL, a directory of static files (`translog export`), or a log's own directory.
    With --state, only what is new is checked, and that the log continues what it was: a log that
    has forked is shown with both heads that it signed.
    """
    output: Output = ctx.obj
    state = _read(state_file, key)
    try:
        with published(log) as fetch, answering(), output.progress("auditing") as progress:
            done = check(fetch, key, state=state, progress=_keeping(state_file, progress))
    except HistoryError as error:
        output.error(error.code, error.why, evidence=error.evidence)
        ctx.exit(FAILED)
    _save(state_file, done)
    before = 0 if state is None else state.size
    output.result(
        {
            "origin": key.name,
            "from_size": before,
            "size": done.size,
            "root": done.checkpoint.root.hex(),
            "checkpoint": done.checkpoint.note.decode(),
        },
        [
            ("Log", f"{key.name}, signed by key {key.key_id.hex()}"),
            ("Checked", f"entries {before:,} to {done.size:,}, their events, keys and signatures"),
            ("Root", done.checkpoint.root.hex()),
            ("Not shown", "that the log shows everyone the same: compare checkpoints for that"),
        ],
    )


def _read(file: Path | None, key: Verifier) -> AuditState | None:
    if file is None:
        return None
    try:
        raw = files.read(file, limit=MAX_STATE_BYTES)
    except MissingError:
        return None  # the first audit: it makes the file
    try:
        return AuditState.from_json(raw, key)
    except (MalformedError, VerificationError) as error:
        # Ours, and not the log's: nothing published is wrong.
        raise UnavailableError(
            f"--state {file} is not the state of an audit of {key.name}: {error};"
            " put it right, or audit from the start without it"
        ) from error


def _save(file: Path | None, state: AuditState) -> None:
    if file is not None:
        files.write_atomically(file, state.to_json())


def _keeping(file: Path | None, progress: Progress) -> Callable[[AuditState], None]:
    """Return an auditor's `progress` that keeps the state now and then, and shows how far it is."""
    saved = time.monotonic()

    def keep(state: AuditState) -> None:
        nonlocal saved
        progress(state.size, state.checkpoint.size)
        if time.monotonic() - saved >= SAVE_SECONDS:
            _save(file, state)
            saved = time.monotonic()

    return keep
