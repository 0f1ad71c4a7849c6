"""`translog publish`."""

import click

from translog.cli.output import Output, json_option
from translog.cli.places import find_log, now
from translog.log.writer import open_writer


@click.command(short_help="Sign the head of a log now.")
@click.argument("directory", metavar="DIR")
@json_option
@click.pass_obj
def publish(output: Output, directory: str) -> None:
    """Sign the head of the log in DIR, for logs without a server. Nothing new, nothing signed."""
    with open_writer(find_log(directory), now) as writer:
        checkpoint = writer.publish(now())
    output.result(
        {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "checkpoint": checkpoint.note.decode(),
        },
        [
            ("Log", checkpoint.origin),
            ("Size", str(checkpoint.size)),
            ("Root", checkpoint.root.hex()),
        ],
    )
