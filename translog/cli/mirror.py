"""`translog mirror …`."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from translog.cli import pulling
from translog.cli.exits import FAILED
from translog.cli.keyring import KEY, PublicKey
from translog.cli.output import Output, counted, json_option
from translog.cli.params import KEY_NAME, URL, is_url
from translog.cli.places import find_log, now
from translog.log import mirrors
from translog.store import database
from translog.store import mirrors as rows
from translog.store.mirrors import Source

SERVER = click.option(
    "--server",
    type=URL,
    metavar="URL",
    help="Where the log in DIR is served now: it takes the events.  [default: nobody serves it]",
)


@click.group(short_help="Copy records from other registries.", no_args_is_help=True)
def mirror() -> None:
    """Copy records from other registries, and serve them beside them.

    A source is believed under the keys that are named for it, and no others. Its events are
    logged as they were signed, and served in bundles that this log signs. Pulling again takes
    over what is new; nothing that a source once served can it take back unnoticed.
    """


@mirror.command(short_help="Add a source, and pull from it.")
@click.argument("directory", metavar="DIR")
@click.argument("name", metavar="NAME", type=KEY_NAME)
@click.argument("place", metavar="PLACE")
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    type=KEY,
    multiple=True,
    required=True,
    help="A key to believe. Give it again for each that signs bundles or events there.",
)
@SERVER
@json_option
@click.pass_context
def add(
    ctx: click.Context,
    directory: str,
    name: str,
    place: str,
    keys: tuple[PublicKey, ...],
    server: str | None,
) -> None:
    """Add a source under a NAME of your choice, and pull from it.

    PLACE is the URL of a registry, all of whose records are copied; or one bundle, as a file or
    the URL of a `bundle.json`. For a registry, the first vkey among the KEYs is that of its log.
    Adding a source again under its NAME replaces the keys that are believed.
    """
    log = find_log(directory)
    source = Source(
        name=name,
        place=place.rstrip("/") if is_url(place) else str(Path(place).absolute()),
        log_key=_log_key(place, keys),
        keys=tuple(sorted({key.public_key for key in keys})),
        position=0,
        added_at=now(),
        pulled_at=None,
    )
    with closing(pulling.open_sources(log)) as db:
        mirrors.add(db, source)
    ctx.exit(0 if pulling.pull(ctx.obj, log, [name], server) else FAILED)


def _log_key(place: str, keys: Sequence[PublicKey]) -> str:
    if not is_url(place) or place.endswith(".json"):
        return ""
    for key in keys:
        if key.verifier is not None:
            return key.verifier.vkey
    raise click.UsageError(f"{place} is a registry: give the vkey of its log as a --key")


@mirror.command(short_help="Take over what is new.")
@click.argument("directory", metavar="DIR")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@SERVER
@json_option
@click.pass_context
def pull(ctx: click.Context, directory: str, names: tuple[str, ...], server: str | None) -> None:
    """Take over what is new at the sources of these NAMEs, or at all.

    A source that lacks an event which it served before is reported, with evidence in
    DIR/evidence, and nothing of that record is taken from it. Of a registry, the records that
    were longest not looked at are looked at again each time.
    """
    whole = pulling.pull(ctx.obj, find_log(directory), names, server)
    ctx.exit(0 if whole else FAILED)


@mirror.command("list", short_help="List the sources.")
@click.argument("directory", metavar="DIR")
@json_option
@click.pass_obj
def list_(output: Output, directory: str) -> None:
    """List the sources of the log in DIR."""
    log = find_log(directory)
    listed: list[tuple[Source, int]] = []
    if (log.path / rows.FILE).exists():
        with closing(database.open_reader(log.path / rows.FILE, rows.SCHEMA)) as db:
            listed = [(each, rows.count_held(db, each.name)) for each in rows.read_sources(db)]
    if output.json:
        output.value({"mirrors": [_value(source, count) for source, count in listed]})
        return
    for source, count in listed:
        output.rows(
            [
                ("Mirror", source.name),
                ("From", source.place),
                ("Records", f"{count:,}"),
                ("Keys", counted(len(source.keys), "key")),
                ("Pulled", _time(source.pulled_at) or "never"),
            ]
        )
        output.line("")
    if not listed:
        output.line("nothing is mirrored: `translog mirror add` adds a source")


def _value(source: Source, count: int) -> dict[str, Any]:
    return {
        "name": source.name,
        "place": source.place,
        "log_key": source.log_key or None,
        "keys": [key.hex() for key in source.keys],
        "records": count,
        "added_at": _time(source.added_at),
        "pulled_at": _time(source.pulled_at),
    }


def _time(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
