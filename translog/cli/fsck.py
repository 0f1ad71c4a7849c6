"""`translog fsck`."""

from pathlib import Path

import click

from translog.cli.output import Output, counted, json_option
from translog.cli.params import PATH
from translog.log.fsck import fsck as check


@click.command(short_help="Check everything that a log has stored.")
@click.argument("directory", metavar="DIR", type=PATH)
@json_option
@click.pass_obj
def fsck(output: Output, directory: Path) -> None:
    """Check everything that the log in DIR has stored, and name the first row that is wrong.

    Every body is hashed, every signature verified, the whole tree made again and compared: tiles
    of every level, the head, every checkpoint, lookups, anchors, the copy of the last signed head;
    the registry with what the log's own entries make of it, events that wait, titles and abstracts.
    It may run while the log is served, and on a backup, which has no key. Times of signatures stand
    under no hash, and keys that no entry allows are counted: any value of their kind passes.
    """
    with output.progress("checking") as progress:
        found = check(directory, progress)
    signed = "none" if found.signed_size is None else f"{found.checkpoints:,}, newest of size"
    unstated = f", {found.unstated_keys:,} by no entry" if found.unstated_keys else ""
    output.result(
        {
            "origin": found.origin,
            "size": found.size,
            "root": found.root.hex(),
            "checkpoints": found.checkpoints,
            "signed_size": found.signed_size,
            "keys": found.keys,
            "unstated_keys": found.unstated_keys,
            "anchors": found.anchors,
            "has_private_key": found.has_key,
        },
        [
            ("Log", found.origin),
            ("Events", f"{counted(found.size, 'event')}, all as they were signed"),
            ("Root", found.root.hex()),
            (
                "Checkpoints",
                signed if found.signed_size is None else f"{signed} {found.signed_size:,}",
            ),
            ("Registry", counted(found.keys, "key") + unstated),
            *([("Anchors", f"{found.anchors:,}")] if found.anchors else []),
            ("Private key", "is the log's" if found.has_key else "not here: this is a copy"),
        ],
    )
