"""`translog anchor`."""

import random
from contextlib import ExitStack, closing

import click

from translog.cli.exits import ENVIRONMENT
from translog.cli.output import Output, json_option
from translog.cli.places import find_log, now
from translog.errors import MissingError
from translog.log.anchorer import Anchorer
from translog.log.anchoring import FILE, Happening, open_headers, read_settings
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.store import database


@click.command(short_help="Anchor a log in Bitcoin, for logs without a server.")
@click.argument("directory", metavar="DIR")
@click.option(
    "--now", "at_once", is_flag=True, help="Do not wait for the interval, nor after a failure."
)
@json_option
@click.pass_context
def anchor(ctx: click.Context, directory: str, at_once: bool) -> None:
    """Do what is to be done now to anchor the log in DIR, and end.

    If it has grown and the interval is over, its newest checkpoint is given to calendars. Those
    that promised are asked for the path to a block; blocks are looked up, and again until they
    are buried; what has become final is stated in events of the log's own. Run it every few
    minutes until nothing is pending. `translog serve` does all this by itself. What is chosen is
    in DIR/anchoring.toml. If anything has to wait, the code is 3.
    """
    output: Output = ctx.obj
    happened, waiting = _turns(output, find_log(directory), at_once=at_once)
    if output.json:
        output.value({"happened": [each._asdict() for each in happened], "waiting": waiting})
    else:
        for each in happened:
            output.line(each.sentence, mark=f"{each.what:<12}", style="ok")
        for step, sentence in waiting.items():
            output.line(f"{step}: {sentence}", mark="waits       ", style="doubt")
        if not happened and not waiting:
            output.line("nothing is to be done now")
    ctx.exit(ENVIRONMENT if waiting else 0)


def _turns(
    output: Output, log: LogDirectory, *, at_once: bool
) -> tuple[list[Happening], dict[str, str]]:
    """Take turns until nothing more is to be announced."""
    settings = read_settings(log.path)
    if settings is None:
        raise MissingError(f"{log.path / FILE} is missing, or names no calendar")
    with ExitStack() as stack:
        headers = open_headers(settings, output.note)
        if headers is not None:
            stack.enter_context(closing(headers))
        writer = stack.enter_context(open_writer(log, now))
        db = stack.enter_context(closing(database.open_editor(log.database)))
        signer = log.read_signer()
        anchorer = Anchorer(db, writer, signer, settings, headers, random.random)
        happened = anchorer.turn(now(), at_once=at_once)
        while anchorer.is_behind:
            happened += anchorer.turn(now())
        return happened, {str(step): sentence for step, sentence in anchorer.waiting.items()}
