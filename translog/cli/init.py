"""`translog init`."""

from pathlib import Path

import click

from translog.cli.output import Output, json_option
from translog.cli.params import ORIGIN, PATH
from translog.cli.places import now
from translog.log.anchoring import FILE, write_default
from translog.log.directory import KEY, create


@click.command(short_help="Make a new log, with a new key.")
@click.argument("directory", metavar="DIR", type=PATH)
@click.option(
    "--origin",
    type=ORIGIN,
    required=True,
    metavar="NAME",
    help="The log's name for ever, such as example.com/log: a URL without its scheme.",
)
@json_option
@click.pass_obj
def init(output: Output, directory: Path, origin: str) -> None:
    """Make a new log in DIR, with a new key and nothing in it.

    The private key stays in DIR/log.key (mode 0600). It is in no backup: keep a copy apart, since
    a log whose key is lost can never sign again. Nobody may write to a new log until
    `translog keys allow` says who.

    How it is anchored in Bitcoin is in DIR/anchoring.toml: by public calendars, once an hour,
    unless the file says otherwise. A file that is there already is kept.
    """
    log = create(directory, origin, now())
    write_default(directory)
    output.result(
        {
            "directory": str(directory),
            "origin": origin,
            "vkey": log.verifier.vkey,
            "private_key": str(directory / KEY),
            "anchoring": str(directory / FILE),
        },
        [
            ("Log", origin),
            ("Directory", str(directory)),
            ("Key", log.verifier.vkey),
            ("Private key", f"{directory / KEY}, in no backup: keep a copy of it apart"),
            ("Anchoring", f"as {directory / FILE} says"),
            ("Next", f"translog keys allow {directory} KEY"),
        ],
    )
