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
    """Sign the head of the log in DIR, for logs without a server. Nothing new, nothing signed.

    Where DIR has a policy, the witnesses in it are asked to cosign the head. What is printed is the
    newest head that may be shown.
    """
    with open_writer(find_log(directory), now) as writer:
        checkpoint = writer.publish(now())
        quorum = writer.quorum
    held = None if quorum is None else quorum.held
    if quorum is not None:
        for witness in quorum.witnesses:
            if witness.error is not None:
                output.note(f"witness {witness.url}: {witness.error}")
    output.result(
        {
            "held": held,
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "checkpoint": checkpoint.note.decode(),
        },
        [
            ("Log", checkpoint.origin),
            ("Size", str(checkpoint.size)),
            ("Root", checkpoint.root.hex()),
            *([("Held", held)] if held is not None else []),
        ],
    )
