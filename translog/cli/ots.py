"""`translog ots`."""

from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import click

from translog.bitcoin.ots import MAX_PROOF_BYTES, TimestampFile
from translog.cli.anchors import fetch_page
from translog.cli.output import Output, json_option
from translog.cli.params import EVENT_ID, FILE, is_url
from translog.cli.places import answering, find_log
from translog.errors import ConflictError, MissingError
from translog.formats.entry import Entry
from translog.formats.note import MAX_NOTE_BYTES
from translog.log import anchored, reader
from translog.log.directory import open_reader
from translog.net.client import Client
from translog.pith.event import MAX_EVENT_BYTES
from translog.store import files
from translog.store.bodies import unpack
from translog.store.database import snapshot

ENDING = ".ots"
CHECKPOINT = "checkpoint"


class Pair(NamedTuple):
    """What is timestamped, and its timestamp."""

    content: bytes
    stamp: bytes


@click.command(short_help="Write the timestamp of an event, or of a checkpoint, as a .ots file.")
@click.argument("log", metavar="DIR|URL")
@click.argument("what", metavar="EVENT_ID|checkpoint")
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE.ots",
    type=FILE,
    required=True,
    help="The timestamp; what it is about is written beside it, without the ending.",
)
@json_option
@click.pass_context
def ots(ctx: click.Context, log: str, what: str, file: Path) -> None:
    """Write the timestamp of the event EVENT_ID, or of the newest anchored checkpoint.

    It is a stock OpenTimestamps file: `ots verify FILE.ots` and `translog verify FILE.ots` check
    it. While no block was verified, it holds what calendars have promised, and `ots upgrade`
    completes it. That it is about the file beside it is checked here; the rest is for those two.
    """
    output: Output = ctx.obj
    if file.suffix != ENDING:
        raise click.UsageError(f"{file} does not end in {ENDING}.")
    found = EVENT_ID.convert(what, None, ctx) if what != CHECKPOINT else None
    pair = _fetch(log, found) if is_url(log) else _make(log, found)
    stamp = TimestampFile.parse(pair.stamp)
    stamp.verify_digest(sha256(pair.content).digest())
    content = file.with_suffix("")
    if content.exists() and files.read(content) != pair.content:
        raise ConflictError(f"{content} exists already, and is something else")
    files.write_out(content, pair.content)
    files.write_out(file, pair.stamp)
    blocks = [block.height for block in stamp.timestamp.in_blocks()]
    output.result(
        {"content": str(content), "timestamp": str(file), "blocks": blocks},
        [
            ("Content", str(content)),
            ("Timestamp", str(file)),
            ("Block", ", ".join(map(str, blocks)) or "none yet: calendars have promised one"),
        ],
    )


def _make(directory: str, content_sha256: bytes | None) -> Pair:
    log = find_log(directory)
    with closing(open_reader(log)) as db, snapshot(db), answering():
        if content_sha256 is None:
            found = anchored.newest(db, log.verifier)
            return Pair(found.row.note, found.checkpoint_file())
        leaf = reader.find_event(db, reader.published(db).size, content_sha256)
        found = anchored.best(db, leaf.leaf_index, log.verifier)
        stamp = found.event_file(Entry.parse(leaf.entry), leaf.leaf_index)
        return Pair(unpack(leaf.body, limit=MAX_EVENT_BYTES), stamp)


def _fetch(url: str, content_sha256: bytes | None) -> Pair:
    with Client(url) as client, answering():
        if content_sha256 is not None:
            path = f"event/{content_sha256.hex()}"
            stamp = client.get(path + ENDING, MAX_PROOF_BYTES)
            return Pair(client.get(path, MAX_EVENT_BYTES), stamp)
        rows = [row for row in fetch_page(client)["anchors"] if row["state"] != "lost"]
        if not rows:
            raise MissingError("no checkpoint is anchored yet")
        best = next((row for row in rows if row["state"] == "final"), rows[0])
        path = f"anchors/{best['tree_size']}"
        return Pair(client.get(path, MAX_NOTE_BYTES), client.get(path + ENDING, MAX_PROOF_BYTES))
