"""`translog sign`."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from translog.cli.output import Output
from translog.cli.params import LABEL, PRIVATE_KEY, SIGNER_ID
from translog.errors import MalformedError
from translog.formats.canonical import parse
from translog.pith.draft import complete
from translog.pith.event import MAX_EVENT_BYTES
from translog.pith.key import fingerprint_hex
from translog.store import files
from translog.store.keys import read_key


@click.command(short_help="Sign an event.")
@click.argument("draft", metavar="EVENT.json")
@PRIVATE_KEY
@SIGNER_ID
@click.option(
    "--signer-type",
    metavar="TEXT",
    type=LABEL,
    default="author",
    show_default=True,
    help="What kind of signer it is.",
)
@click.pass_obj
def sign(output: Output, draft: str, key: Path, signer_id: str | None, signer_type: str) -> None:
    """Make a complete signed event out of a draft, and print it; `-` is standard input.

    A draft is what `translog event` prints, or written by hand. Whatever is wrong with it in
    itself is said here, before anybody else sees it. `translog add` sends what is printed.
    """
    signer = read_key(key)
    raw = _read(draft)
    fingerprint = fingerprint_hex(signer.key.public_key)
    event = complete(
        parse(raw, limit=MAX_EVENT_BYTES),
        signer.key,
        signer_id=signer_id or fingerprint,
        signer_type=signer_type,
        key_id=signer.name,
        signed_at=datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
    )
    output.value(event)


def _read(name: str) -> bytes:
    if name != "-":
        return files.read(Path(name), limit=MAX_EVENT_BYTES)
    raw = sys.stdin.buffer.read(MAX_EVENT_BYTES + 1)
    if not raw:
        raise MalformedError("standard input is empty, want a draft")
    return raw
