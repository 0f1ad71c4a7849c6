"""`translog anchors`."""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click

from translog.cli.output import Output, json_option
from translog.cli.params import is_url
from translog.cli.places import find_log, now
from translog.errors import MalformedError, MissingError
from translog.formats import canonical
from translog.formats.keys import key_sha256
from translog.formats.strict import shown
from translog.log import anchored, reader
from translog.log.anchoring import read_settings
from translog.log.directory import open_reader
from translog.log.quiet import first_news
from translog.net.client import Client
from translog.store.database import snapshot

MAX_PAGE_BYTES = 1 << 20
COLUMNS = (("Size", 12), ("State", 11), ("Block", 8), ("Age", 6), ("Vouched for by", 20))
UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@click.command(short_help="List which checkpoints are anchored, and how well.")
@click.argument("log", metavar="DIR|URL")
@json_option
@click.pass_obj
def anchors(output: Output, log: str) -> None:
    """List the newest anchors of a log: checkpoint size, calendars, state, age, block.

    pending: calendars have taken it. attested: one names a block, which nobody has looked at.
    confirmed: the block holds it. final: five blocks are on top of that. lost: the block has left
    the chain. All of it is the log's word: `translog ots` and `translog verify` show it.
    """
    page = _fetch(log) if is_url(log) else _read(log)
    if output.json:
        output.value(page)
        return
    if not page["anchored"]:
        output.line("this log is not anchored: docs/operating.md says how that is chosen")
    if page["waiting"]:
        output.line(f"waits: {', '.join(page['waiting'])}", style="doubt")
    if not page["anchors"]:
        output.line("there are no anchors yet")
        return
    output.line("".join(f"{name:<{width}}" for name, width in COLUMNS) + "Calendars")
    for row in page["anchors"]:
        output.line(_line(row))


def _line(row: Mapping[str, Any]) -> str:
    block = row["block"]
    cells = (
        f"{row['tree_size']:,}",
        row["state"] if row["network"] == "mainnet" else f"{row['state']}*",
        "" if block is None else str(block["height"]),
        _age(row["made_at"]),
        "" if block is None else block["grade"],
    )
    calendars = ", ".join(url.split("://")[-1] for url in row["calendars"])
    widths = [width for _, width in COLUMNS]
    line = "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return line + calendars + ("" if row["network"] == "mainnet" else f" (* {row['network']})")


def _age(made_at: str) -> str:
    """Return how long ago a time was, in the largest unit that is not too coarse."""
    try:
        since = now() - int(datetime.fromisoformat(made_at).astimezone(UTC).timestamp())
    except (ValueError, OverflowError) as error:  # the latter: in UTC it is before the year 1
        raise MalformedError(f"made_at is {shown(made_at)}, want a time") from error
    for seconds, unit in UNITS:
        if since >= 2 * seconds:
            return f"{since // seconds}{unit}"
    return "now"


def _read(directory: str) -> dict[str, Any]:
    log = find_log(directory)
    settings = read_settings(log.path)
    with closing(open_reader(log)) as db, snapshot(db):
        page = anchored.page(db, None)
        try:
            size = reader.published(db).size
        except MissingError:
            size = 0
        newest = page["anchors"][0]["tree_size"] if page["anchors"] else 0
        own = key_sha256(log.verifier.public_key)
        behind = settings is not None and first_news(db, own, newest, size) < size
    return {
        "origin": log.origin,
        "anchored": settings is not None,
        "waiting": [f"checkpoint of size {size} is not with calendars yet"] if behind else [],
        **page,
    }


def _fetch(url: str) -> dict[str, Any]:
    with Client(url) as client:
        return fetch_page(client)


def fetch_page(client: Client) -> dict[str, Any]:
    """Return what a server lists of its anchors, if it can be shown.

    Raises:
        MalformedError: it cannot.
        TranslogError: as `Client.get`.
    """
    raw = client.get("anchors.json", MAX_PAGE_BYTES)
    value = canonical.parse(raw, limit=MAX_PAGE_BYTES)
    wanted = {"origin": str, "anchored": bool, "waiting": list, "anchors": list}
    if type(value) is not dict or any(type(value.get(n)) is not t for n, t in wanted.items()):
        raise MalformedError(f"server lists anchors as {shown(value)}")
    if any(type(step) is not str for step in value["waiting"]):
        raise MalformedError(f"server says that {shown(value['waiting'])} waits, want names")
    for row in value["anchors"]:
        _check(row)
    return value


def _check(row: Any) -> None:
    """Refuse what could not be shown. A server is not trusted to answer well."""
    texts = ("state", "network", "made_at")
    block = row.get("block") if type(row) is dict else ()
    if (
        type(row) is not dict
        or any(type(row.get(name)) is not str for name in texts)
        or type(row.get("tree_size")) is not int
        or type(row.get("calendars")) is not list
        or any(type(each) is not str for each in row["calendars"])
        or not (block is None or _is_block(block))
    ):
        raise MalformedError(f"anchor is {shown(row)}, want one as docs/api.md describes it")


def _is_block(block: Any) -> bool:
    return (
        type(block) is dict and type(block.get("height")) is int and type(block.get("grade")) is str
    )
