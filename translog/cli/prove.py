"""`translog prove`."""

from contextlib import closing
from pathlib import Path

import click

from translog.cli.output import Output, json_option
from translog.cli.params import EVENT_ID, FILE, is_url
from translog.cli.places import answering, find_log
from translog.formats.checkpoint import Checkpoint
from translog.formats.note import MAX_NOTE_BYTES, Note
from translog.formats.proof import MAX_HEAD_BYTES, TlogProof
from translog.log import reader
from translog.log.directory import open_reader
from translog.net.client import Client
from translog.pith.event import event_id
from translog.store import files
from translog.store.database import snapshot


@click.command(short_help="Print the proof that an event was logged.")
@click.argument("log", metavar="DIR|URL")
@click.argument("content_sha256", metavar="EVENT_ID", type=EVENT_ID)
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=FILE,
    help="Write it to FILE, such as event.json.tlog-proof.",
)
@json_option
@click.pass_obj
def prove(output: Output, log: str, content_sha256: bytes, file: Path | None) -> None:
    """Print the tlog-proof of the event EVENT_ID under the newest checkpoint.

    Kept beside the event, it can be checked offline for ever:
    `translog verify EVENT PROOF --key …`. It is not checked here.
    """
    name = event_id(content_sha256)
    raw = _fetch(log, name) if is_url(log) else _make(log, content_sha256)
    proof = TlogProof.parse(raw)
    size = Checkpoint.parse(Note.parse(proof.checkpoint).text).size
    if file is not None:
        files.write_out(file, raw)
    if output.json:
        output.value({"event_id": name, "index": proof.index, "size": size, "proof": raw.decode()})
    elif file is None:
        click.echo(raw, nl=False)
    else:
        output.rows([("Event", name), ("Entry", f"{proof.index} of {size}"), ("Proof", str(file))])


def _make(log: str, content_sha256: bytes) -> bytes:
    with closing(open_reader(find_log(log))) as db, snapshot(db), answering():
        note = reader.checkpoint_note(db)
        leaf = reader.find_event(db, reader.published(db).size, content_sha256)
        return reader.prove(db, leaf.leaf_index, note).encode()


def _fetch(url: str, name: str) -> bytes:
    with Client(url) as client, answering():
        return client.get(f"proof/{name}.tlog-proof", MAX_HEAD_BYTES + MAX_NOTE_BYTES)
