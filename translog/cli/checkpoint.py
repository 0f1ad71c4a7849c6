"""`translog checkpoint`."""

import click

from translog.cli.output import Output, json_option
from translog.cli.places import answering, published
from translog.formats.checkpoint import Checkpoint
from translog.formats.note import MAX_NOTE_BYTES, Note
from translog.formats.published import CHECKPOINT


@click.command(short_help="Print the newest signed head.")
@click.argument("log", metavar="DIR|URL")
@json_option
@click.pass_obj
def checkpoint(output: Output, log: str) -> None:
    """Print the newest signed head of a log, byte for byte.

    Its signature is not checked here: `translog verify FILE --key VKEY` does that.
    """
    with published(log) as fetch, answering():
        note = fetch(CHECKPOINT, MAX_NOTE_BYTES)
    head = Checkpoint.parse(Note.parse(note).text)
    if output.json:
        output.value(
            {
                "origin": head.origin,
                "size": head.size,
                "root": head.root.hex(),
                "checkpoint": note.decode(),
            }
        )
    else:
        click.echo(note, nl=False)
