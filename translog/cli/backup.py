"""`translog backup`."""

from pathlib import Path

import click

from translog.cli.output import Output, json_option
from translog.cli.params import PATH
from translog.cli.places import find_log
from translog.log.backup import backup as copy
from translog.log.directory import KEY


@click.command(short_help="Copy a log while it is being written to.")
@click.argument("directory", metavar="DIR")
@click.argument("out", metavar="OUT", type=PATH)
@json_option
@click.pass_obj
def backup(output: Output, directory: str, out: Path) -> None:
    """Copy the log in DIR to the new directory OUT, consistently, also while it is served.

    The private key is not copied: keep that apart, once. The copy can be read, audited and checked
    (`translog fsck OUT`) as it is; `translog export` wants the key beside it, since it signs
    bundles. docs/operating.md says how to restore it, and why an old copy must never be signed for.
    """
    log = find_log(directory)
    with output.progress("copying") as progress:
        done = copy(log, out, progress)
    output.result(
        {
            "origin": log.origin,
            "out": str(out),
            "size": done.size,
            "signed_size": done.signed_size,
            "bytes": done.bytes,
            "has_private_key": False,
        },
        [
            ("Log", log.origin),
            ("Copy", f"{out}, {done.bytes:,} bytes"),
            ("Size", f"{done.size:,}"),
            ("Signed", "nothing yet" if done.signed_size is None else f"{done.signed_size:,}"),
            ("Private key", f"not copied: keep {log.path / KEY} apart"),
        ],
    )
