"""`translog held …`."""

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import click

from translog.cli.output import Output, counted, json_option
from translog.cli.params import EVENT_ID, REASON
from translog.cli.places import answering, find_log, now
from translog.cli.settling import decide
from translog.log import decisions, reader
from translog.log.directory import LogDirectory, open_reader
from translog.pith.event import event_id
from translog.store import decisions as rows
from translog.store.database import snapshot
from translog.store.log import read_head

EVENTS = click.argument("events", metavar="EVENT_ID...", type=EVENT_ID, nargs=-1, required=True)


@click.group(short_help="Accept or refuse events that wait.", no_args_is_help=True)
def held() -> None:
    """Accept or refuse events that wait for the log's operator.

    Events wait if their key was allowed their type with `--hold`. What waits is right in all that
    can be checked, and not in the log. Each decision is an event in the log.
    """


@held.command("list", short_help="List the events that wait.")
@click.argument("directory", metavar="DIR")
@json_option
@click.pass_obj
def list_(output: Output, directory: str) -> None:
    """List the events that wait for the operator of the log in DIR, the oldest first."""
    with closing(open_reader(find_log(directory))) as db, snapshot(db):
        waiting = [decisions.event_of(row) for row in rows.read_held(db, [rows.WAITING])]
    if output.json:
        output.value({"held": waiting})
        return
    for event in waiting:
        output.rows(_rows(event))
        output.line("")
    output.line(f"{counted(len(waiting), 'event')} wait" if len(waiting) != 1 else "1 event waits")


def _rows(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    signer = event["signer"]
    return [
        ("Event", event["event_id"]),
        ("Type", event["event_type"]),
        ("About", event["subject_pith_number"]),
        ("Signed by", f"{signer['signer_id']}, key {signer['public_key_fingerprint']}"),
        ("Made", event["created_at"]),
        *((f"  {name}", _text(value)) for name, value in event["payload"].items()),
    ]


def _text(value: Any) -> str:
    return value if type(value) is str else json.dumps(value, ensure_ascii=False)


@held.command(short_help="Have events logged that wait.")
@click.argument("directory", metavar="DIR")
@EVENTS
@REASON
@json_option
@click.pass_obj
def accept(output: Output, directory: str, events: tuple[bytes, ...], reason: str) -> None:
    """Accept the events EVENT_ID: each is logged, after the decision."""
    log = find_log(directory)
    for digest in events:
        _judge(log, digest, reason, accept=True)
        index = _index(log, digest)
        output.result(
            {"event_id": event_id(digest), "index": index},
            [("Accepted", event_id(digest)), ("Entry", str(index))],
        )


@held.command(short_help="Refuse events that wait.")
@click.argument("directory", metavar="DIR")
@EVENTS
@REASON
@json_option
@click.pass_obj
def refuse(output: Output, directory: str, events: tuple[bytes, ...], reason: str) -> None:
    """Refuse the events EVENT_ID for good. What they say is deleted; that they were is logged."""
    log = find_log(directory)
    for digest in events:
        _judge(log, digest, reason, accept=False)
        output.result({"event_id": event_id(digest)}, [("Refused", event_id(digest))])


def _judge(log: LogDirectory, digest: bytes, reason: str, *, accept: bool) -> None:
    decide(log, lambda db: decisions.judge(db, digest, reason, accept=accept, now=now()))


def _index(log: LogDirectory, digest: bytes) -> int:
    with closing(open_reader(log)) as db, answering():
        return reader.find_event(db, read_head(db).size, digest).leaf_index
