"""`translog event …`: drafts of events, one command a type."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from translog.cli.output import Output
from translog.cli.params import LABEL, NUMBER, PATH, TIME, Parsed
from translog.cli.places import now
from translog.errors import MalformedError
from translog.formats.canonical import parse
from translog.formats.strict import shown
from translog.pith.draft import draft
from translog.pith.event import KEY_TYPES, KNOWN_TYPES, MAX_EVENT_BYTES, ORIGIN_TYPES
from translog.pith.key import PithKey, fingerprint_hex
from translog.pith.kinds import (
    author_attestation,
    citation_signature,
    correction,
    graph_snapshot,
    key_rotated,
    mirror_hint,
    replication_record,
    storage_attestation,
)
from translog.pith.kinds.orcid import check_orcid
from translog.pith.permits import iso
from translog.pith.record import parse_pith_number
from translog.pith.shape import is_event_id
from translog.store import files
from translog.store.keys import read_key

MAX_CAPTURE_BYTES = 1 << 30
Make = Callable[..., Any]


def _event_name(text: str) -> str:
    if not is_event_id(text):
        raise MalformedError(f"event is {shown(text)}, want sha256: and 64 digits of hex")
    return text


def _orcid(text: str) -> str:
    check_orcid(text)
    return text


EVENT = Parsed("event", _event_name)
SUBJECT = click.argument("subject", metavar="NUMBER", type=NUMBER)
CLAIMS = click.option(
    "--claim", "claim_ids", metavar="ID", type=LABEL, multiple=True, help="A claim it is about."
)


def _common(command: Make) -> Make:
    """Add the options that every draft has."""
    for option in (
        click.option("--created-at", type=TIME, metavar="TIME", help="[default: now]"),
        click.option(
            "--prev-event",
            metavar="EVENT_ID",
            type=EVENT,
            help="The signer's event before it. Two after the same one contradict each other.",
        ),
        click.option(
            "--supersedes",
            metavar="EVENT_ID",
            type=EVENT,
            multiple=True,
            help="An earlier event of the same signer, whose place it takes.",
        ),
    ):
        command = option(command)
    return click.pass_obj(command)


@click.group(short_help="Draft events.", no_args_is_help=True)
def event() -> None:
    """Draft an event about the record with the Pith Number NUMBER, and print it.

    `translog sign` signs a draft: what follows from the key is added there. What each type means,
    and what its parts must be: docs/formats/events.
    """


def _show(output: Output, event_type: str, subject: str, payload: Any, common: Any) -> None:
    created_at = common.pop("created_at") or iso(now())
    value = draft(
        event_type=event_type, subject=subject, payload=payload, created_at=created_at, **common
    )
    output.value(value)


@event.command(author_attestation.TYPE, short_help="An author says that a work is theirs.")
@SUBJECT
@click.option("--name", type=LABEL, metavar="NAME", required=True, help="The author's.")
@click.option("--orcid", type=Parsed("orcid", _orcid), metavar="ORCID", help="The author's.")
@CLAIMS
@click.option("--statement", metavar="TEXT", default="", help="In the author's words.")
@_common
def attest(
    output: Output,
    subject: str,
    name: str,
    orcid: str | None,
    claim_ids: tuple[str, ...],
    statement: str,
    **common: Any,
) -> None:
    """Say that a work, or some of its claims, are the author's. The author's own key signs it."""
    payload = author_attestation.build(
        author_name=name,
        public_key=b"",
        orcid=orcid,
        claim_ids=claim_ids,
        statement=statement,
    )
    payload["author_public_key_hex"] = None  # that of whoever signs
    _show(output, author_attestation.TYPE, subject, payload, common)


@event.command(storage_attestation.TYPE, short_help="These bytes were at this address then.")
@SUBJECT
@click.option("--url", metavar="URL", required=True, help="Where they were.")
@click.option("--captured-at", type=TIME, metavar="TIME", required=True, help="When.")
@click.option(
    "--file",
    metavar="FILE",
    type=PATH,
    required=True,
    help="What was captured: its hash is taken.",
)
@click.option("--media-type", type=LABEL, metavar="TYPE", help="As the server called it.")
@click.option("--archive-url", metavar="URL", help="Where a copy is kept.")
@_common
def store(
    output: Output,
    subject: str,
    url: str,
    captured_at: str,
    file: Path,
    media_type: str | None,
    archive_url: str | None,
    **common: Any,
) -> None:
    """Say that the bytes in FILE were at URL at that time."""
    content = files.read(file, limit=MAX_CAPTURE_BYTES)
    payload = storage_attestation.build(
        url=url,
        captured_at=captured_at,
        captured_sha256=sha256(content).hexdigest(),
        captured_bytes=len(content),
        media_type=media_type,
        archive_url=archive_url,
    )
    _show(output, storage_attestation.TYPE, subject, payload, common)


@event.command(citation_signature.TYPE, short_help="The record cites another work.")
@SUBJECT
@click.argument(
    "relationship",
    metavar="RELATIONSHIP",
    type=click.Choice(sorted(citation_signature.RELATIONSHIPS)),
)
@click.argument("cited", metavar="CITED")
@CLAIMS
@click.option("--context", metavar="TEXT", default="", help="Where in the record, or why.")
@_common
def cite(
    output: Output,
    subject: str,
    relationship: str,
    cited: str,
    claim_ids: tuple[str, ...],
    context: str,
    **common: Any,
) -> None:
    """Say how the record relates to CITED: a Pith Number, arxiv:ID, doi:ID or a URL.

    RELATIONSHIP, "the record … CITED": cites, compares, depends_on, extends, refutes, replaces,
    supports, uses_method.
    """
    kind, name = _cited(cited)
    payload = citation_signature.build(
        relationship=relationship,
        cited_kind=kind,
        cited_id=name,
        claim_ids=claim_ids,
        context=context,
    )
    _show(output, citation_signature.TYPE, subject, payload, common)


def _cited(text: str) -> tuple[str, str]:
    kind, _, name = text.partition(":")
    if kind == "pith":
        return kind, text
    if kind in ("http", "https"):
        return "url", text
    if kind in ("arxiv", "doi") and name:
        return kind, name.lower() if kind == "doi" else name
    raise click.BadParameter(
        f"{text[:80]!r} is not a Pith Number, arxiv:ID, doi:ID or a URL", param_hint="CITED"
    )


@event.command(replication_record.TYPE, short_help="Somebody tried it.")
@SUBJECT
@click.argument("kind", metavar="KIND", type=click.Choice(sorted(replication_record.KINDS)))
@click.argument(
    "outcome", metavar="OUTCOME", type=click.Choice(sorted(replication_record.OUTCOMES))
)
@click.option("--performed-at", type=TIME, metavar="TIME", required=True, help="When it was done.")
@CLAIMS
@click.option("--evidence-url", metavar="URL", help="Where the evidence is.")
@click.option("--evidence-sha256", metavar="HEX", help="Its hash.")
@click.option("--summary", metavar="TEXT", default="", help="In words.")
@_common
def replicate(
    output: Output,
    subject: str,
    kind: str,
    outcome: str,
    performed_at: str,
    claim_ids: tuple[str, ...],
    evidence_url: str | None,
    evidence_sha256: str | None,
    summary: str,
    **common: Any,
) -> None:
    """Say what came of trying it.

    KIND: replication, falsification or formal_bridge. OUTCOME of that: succeeded, partly, failed.
    """
    payload = replication_record.build(
        kind=kind,
        outcome=outcome,
        performed_at=performed_at,
        claim_ids=claim_ids,
        evidence_url=evidence_url,
        evidence_sha256=evidence_sha256,
        summary=summary,
    )
    _show(output, replication_record.TYPE, subject, payload, common)


@event.command(correction.TYPE, short_help="Something said is wrong.")
@SUBJECT
@click.argument("reason", metavar="REASON")
@click.option("--event", "corrected", type=EVENT, metavar="EVENT_ID", help="The event.")
@click.option("--retract", is_flag=True, help="Take it back: it is the signer's own.")
@click.option("--field", type=LABEL, metavar="NAME", help="The member that is wrong.")
@_common
def correct(
    output: Output,
    subject: str,
    reason: str,
    corrected: str | None,
    retract: bool,  # click's
    field: str | None,
    **common: Any,
) -> None:
    """Say what is wrong with an event or, where none is named, with the record itself."""
    action = correction.RETRACTION if retract else correction.ERRATUM
    payload = correction.build(action=action, reason=reason, corrected_event=corrected, field=field)
    _show(output, correction.TYPE, subject, payload, common)


@event.command(mirror_hint.TYPE, short_help="Where else the record is served.")
@SUBJECT
@click.argument("base_url", metavar="URL")
@click.option("--name", type=LABEL, metavar="NAME", required=True, help="The mirror's.")
@click.option(
    "--status", type=click.Choice(sorted(mirror_hint.STATUSES)), default="active", show_default=True
)
@_common
def hint(
    output: Output, subject: str, base_url: str, name: str, status: str, **common: Any
) -> None:
    """Say that the record is also served under URL, with the usual paths."""
    payload = mirror_hint.build(
        name=name,
        base_url=base_url.rstrip("/"),
        suffix=parse_pith_number(subject).suffix,
        status=status,
    )
    _show(output, mirror_hint.TYPE, subject, payload, common)


@event.command(graph_snapshot.TYPE, short_help="What is known of the record, from a file.")
@SUBJECT
@click.argument("file", metavar="FILE", type=PATH)
@_common
def snapshot(output: Output, subject: str, file: Path, **common: Any) -> None:
    """Say what is in FILE, in JSON. Where rows are whole, their counts and hashes are added."""
    value = parse(files.read(file, limit=MAX_EVENT_BYTES), limit=MAX_EVENT_BYTES)
    if type(value) is not dict:
        raise MalformedError(f"{file} has {shown(value)}, want an object")
    _show(output, graph_snapshot.TYPE, subject, graph_snapshot.build(value), common)


@event.command(key_rotated.TYPE, short_help="Another key takes the place of the one that signs.")
@click.argument("old_key", metavar="FILE", type=PATH)
@click.argument("new_key", metavar="NEW_FILE", type=PATH)
@click.option("--url", metavar="URL", default="", help="Where the new key is published.")
@click.option("--reason", metavar="TEXT", default="", help="Why, in words.")
@_common
def rotate(
    output: Output, old_key: Path, new_key: Path, url: str, reason: str, **common: Any
) -> None:
    """Let the private key in NEW_FILE take the place of the one in FILE, which signs the draft.

    The new key's agreement is in the draft. Afterwards the old one writes no more.
    """
    old, new = read_key(old_key), read_key(new_key)
    key = PithKey(
        key_id=new.name,
        public_key=new.key.public_key,
        signer_id=None,
        rotates_at=None,
        url=url,
        notes="",
    )
    payload = key_rotated.build(
        old_public_key=old.key.public_key, new=key, new_signing_key=new.key, reason=reason
    )
    subject = f"key:{fingerprint_hex(old.key.public_key)}"
    _show(output, key_rotated.TYPE, subject, payload, common)


@event.command(short_help="Any other type, with its payload from a file.")
@click.argument("event_type", metavar="TYPE", type=LABEL)
@SUBJECT
@click.argument("file", metavar="FILE", type=PATH)
@_common
def other(output: Output, event_type: str, subject: str, file: Path, **common: Any) -> None:
    """Draft an event of a TYPE that has no command here, with the payload in FILE."""
    if event_type in KEY_TYPES | ORIGIN_TYPES:
        raise click.BadParameter(f"{event_type} is not about a record", param_hint="TYPE")
    if event_type not in KNOWN_TYPES:
        output.note(f"{event_type!r} is no type that this version knows; drafted all the same")
    payload = parse(files.read(file, limit=MAX_EVENT_BYTES), limit=MAX_EVENT_BYTES)
    _show(output, event_type, subject, payload, common)
