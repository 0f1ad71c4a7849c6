"""`translog export`."""

from pathlib import Path

import click

from translog.cli.output import Output, counted, json_option
from translog.cli.params import PATH, URL
from translog.cli.places import base_url_of, find_log
from translog.log.export import export as write


@click.command(short_help="Write a log as static files.")
@click.argument("directory", metavar="DIR")
@click.argument("out", metavar="OUT", type=PATH)
@click.option(
    "--base-url",
    type=URL,
    metavar="URL",
    help="Where the files will be served; bundles name it.  [default: https:// and the origin]",
)
@json_option
@click.pass_obj
def export(output: Output, directory: str, out: Path, base_url: str | None) -> None:
    """Write what the log in DIR publishes to OUT, as static files for any web server or bucket.

    They are the files that `translog serve` answers with: checkpoint, tiles, entries, events,
    keys.json, and each record's bundle and state; and of what is anchored for good, the .ots
    files. Run again, it adds what is new. The checkpoint comes last: copy it last, too. A record's
    bundle is written again when the record has a new event, or some that count no more since their
    key was lost, and not with every checkpoint as a server does. One process at a time exports
    into OUT.
    """
    log = find_log(directory)
    with output.progress("exporting") as progress:
        done = write(log, out, base_url or base_url_of(log), progress)
    for number in done.too_large:
        output.note(f"{number} has too many events for a bundle: it has none")
    output.result(
        {
            "origin": log.origin,
            "out": str(out),
            "from_size": done.old_size,
            "size": done.size,
            "files": done.files,
            "bundles": done.bundles,
            "too_large": list(done.too_large),
        },
        [
            ("Log", log.origin),
            ("Files", f"{done.files:,} written to {out}"),
            ("Size", f"{done.size:,}, before {done.old_size:,}"),
            ("Bundles", f"{counted(done.bundles, 'record')}"),
        ],
    )
