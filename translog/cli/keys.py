"""`translog keys …`."""

import json
import secrets
from contextlib import closing
from pathlib import Path

import click

from translog.cli.keyring import KEY, LOG_KEY, PublicKey
from translog.cli.output import Output, counted, json_option
from translog.cli.params import FINGERPRINT, KEY_NAME, LABEL, NUMBER, PATH, REASON
from translog.cli.permits import DEFAULT_TYPES, rows_of, value_of
from translog.cli.places import answering, base_url_of, find_log, now, published
from translog.cli.settling import decide
from translog.formats.cosignature import CosigningKey
from translog.formats.keys import SEED_BYTES
from translog.formats.note import Verifier
from translog.log import decisions, registry
from translog.log.directory import LogDirectory, open_reader
from translog.pith.event import KNOWN_TYPES
from translog.pith.key import PithKey
from translog.pith.kinds.decisions import build_allowed
from translog.pith.permits import ONLY_BY_LOGS
from translog.store.database import snapshot
from translog.store.keys import read_key, write_key
from translog.store.registry import read_signers
from translog.verify.registry import replay


@click.group(short_help="Make keys, and say which may write to a log.", no_args_is_help=True)
def keys() -> None:
    """Make keys, and say which may write to a log.

    A KEY is a pinned name (pith.science), 64 digits of hex, or a file that holds a key in JSON
    or a vkey. There is no default: nobody writes to a log, and nobody is trusted, unnamed.
    """


@keys.command(short_help="Make a private key.")
@click.argument("file", metavar="FILE", type=PATH)
@click.option(
    "--name",
    type=KEY_NAME,
    metavar="NAME",
    help="The key's name: who signs with it.  [default: the file's name without its ending]",
)
@json_option
@click.pass_obj
def generate(output: Output, file: Path, name: str | None) -> None:
    """Make a new private key in FILE (mode 0600), which must not be there yet.

    It is for whoever signs events, or checkpoints elsewhere; `translog init` makes a log's own.
    """
    signer = write_key(
        file, KEY_NAME.convert(name or file.stem, None, None), secrets.token_bytes(SEED_BYTES)
    )
    _show_key(output, signer.verifier, _own(signer.verifier), str(file))


@keys.command(short_help="Show a public key.")
@click.argument("place", metavar="DIR|FILE")
@json_option
@click.pass_obj
def show(output: Output, place: str) -> None:
    """Show the public key of the log in DIR, or of the private key in FILE.

    It is printed as a vkey, which says whose checkpoints it signs, and in the JSON form in which
    bundles name it. The private key is never shown.
    """
    if Path(place).is_dir():
        log = find_log(place)
        key = registry.pith_key(log.verifier, base_url_of(log))
        _show_key(output, log.verifier, key, str(log.path), log.read_second_signer())
    else:
        verifier = read_key(Path(place)).verifier
        _show_key(output, verifier, _own(verifier), place)


def _own(verifier: Verifier) -> PithKey:
    return PublicKey(
        public_key=verifier.public_key, name=verifier.name, verifier=verifier
    ).as_pith()


def _show_key(
    output: Output,
    verifier: Verifier,
    key: PithKey,
    place: str,
    second: CosigningKey | None = None,
) -> None:
    more = [] if second is None else [second.cosigner.vkey]
    output.result(
        {
            "name": verifier.name,
            "vkey": verifier.vkey,
            "more_vkeys": more,
            "fingerprint": key.fingerprint,
            "public_key": key.to_json(),
        },
        [
            ("Name", verifier.name),
            ("From", place),
            ("Key", verifier.vkey),
            *(("Key", vkey) for vkey in more),
            ("Hex", verifier.public_key.hex()),
            ("Fingerprint", key.fingerprint),
            ("JSON", json.dumps(key.to_json())),
        ],
    )


@keys.command("ml-dsa-44", short_help="Give a log a second key, of ML-DSA-44, for its heads.")
@click.argument("directory", metavar="DIR")
@json_option
@click.pass_obj
def ml_dsa_44(output: Output, directory: str) -> None:
    """Give the log in DIR a second key, of ML-DSA-44, that signs its heads beside the first.

    It signs from the next start on. Whoever knows only the first key ignores its signatures. Tell
    your readers the key that is printed; the private one stays in DIR (mode 0600), in no backup.
    """
    log = find_log(directory)
    second = log.write_second_signer(secrets.token_bytes(SEED_BYTES))
    key = registry.pith_key(log.verifier, base_url_of(log))
    _show_key(output, log.verifier, key, str(log.path), second)


@keys.command(short_help="Let a key write to a log.")
@click.argument("directory", metavar="DIR")
@click.argument("key", metavar="KEY", type=KEY)
@click.option(
    "--signer-id",
    metavar="ID",
    type=LABEL,
    help="The name under which it may write.  [default: that of a pinned key; else the key's"
    " fingerprint]",
)
@click.option(
    "--type",
    "types",
    metavar="TYPE",
    type=LABEL,
    multiple=True,
    help="An event type it may write. Give it again for each."
    "  [default: every known type of event about a record, and key_rotated]",
)
@click.option(
    "--hold",
    metavar="TYPE",
    type=LABEL,
    multiple=True,
    help="A type it may write, and whose events wait until they are accepted: `translog held`.",
)
@click.option(
    "--subject",
    "subjects",
    metavar="NUMBER",
    type=NUMBER,
    multiple=True,
    help="The Pith Number of a record it may write about.  [default: any record]",
)
@json_option
@click.pass_obj
def allow(
    output: Output,
    directory: str,
    key: PublicKey,
    signer_id: str | None,
    types: tuple[str, ...],
    hold: tuple[str, ...],
    subjects: tuple[str, ...],
) -> None:
    """Let KEY write to the log in DIR, once the log has said so, also while it is served.

    The decision is an event in the log, signed with the log's own key, and has its effect from
    there on. Allowing a key again replaces what it may do, and takes back a revocation.
    """
    log = find_log(directory)
    pith = key.as_pith()
    if only_ours := ", ".join(sorted({*types, *hold} & ONLY_BY_LOGS)):
        raise click.BadParameter(f"{only_ours}: only the log's own key writes that")
    for unknown in sorted({*types, *hold} - KNOWN_TYPES):
        known = ", ".join(sorted(KNOWN_TYPES - ONLY_BY_LOGS))
        output.note(
            f"{unknown!r} is no type that this version knows ({known}); allowed all the same"
        )
    payload = build_allowed(
        key=pith,
        signer_id=signer_id or pith.signer_id or pith.fingerprint,
        event_types={*(types or () if types or hold else DEFAULT_TYPES), *hold},
        held_types=hold,
        subjects=subjects or None,
    )
    decide(log, lambda db: decisions.allow(db, payload, now=now()))
    _show_row(output, log, pith.fingerprint)


@keys.command(short_help="Let a key write no more.")
@click.argument("directory", metavar="DIR")
@click.argument("fingerprint", metavar="FINGERPRINT", type=FINGERPRINT)
@REASON
@json_option
@click.pass_obj
def revoke(output: Output, directory: str, fingerprint: str, reason: str) -> None:
    """Let the key FINGERPRINT write no more, once the log has said so, also while it is served.

    What it wrote stays in the log for ever, and counts. Of a key that was stolen, say so:
    `translog keys compromised`. A key that has rotated writes no more by that: it is the one that
    took over from it that can be revoked.
    """
    log = find_log(directory)
    is_new = decide(log, lambda db: decisions.revoke(db, fingerprint, reason, now=now()))
    _show_row(output, log, fingerprint, is_new=is_new)


@keys.command(short_help="Say since when a key is in other hands.")
@click.argument("directory", metavar="DIR")
@click.argument("fingerprint", metavar="FINGERPRINT", type=FINGERPRINT)
@click.option(
    "--since",
    metavar="INDEX",
    type=click.IntRange(min=0),
    required=True,
    help="The first entry of the log for which the key's holder may not stand.",
)
@REASON
@json_option
@click.pass_obj
def compromised(output: Output, directory: str, fingerprint: str, since: int, reason: str) -> None:
    """Say that others may have used the key FINGERPRINT, since entry INDEX of the log in DIR.

    It writes no more and is never allowed again. What it wrote from that entry on stays in the
    log, and counts for nothing in the records' states: bundles say so, and show the decision.
    """
    log = find_log(directory)
    is_new = decide(log, lambda db: decisions.disown(db, fingerprint, since, reason, now=now()))
    _show_row(output, log, fingerprint, is_new=is_new)


def _show_row(output: Output, log: LogDirectory, fingerprint: str, *, is_new: bool = True) -> None:
    if not is_new:
        output.note("it stood so already: nothing was logged")
    with closing(open_reader(log)) as db:
        row = registry.read_row(db, fingerprint)
    output.result(value_of(row), rows_of(row))


@keys.command(short_help="Check who was allowed what, from the log itself.")
@click.argument("log", metavar="URL|DIR")
@click.option(
    "--key",
    type=LOG_KEY,
    metavar="VKEY",
    required=True,
    help="The log's key, or a file that holds it.",
)
@json_option
@click.pass_obj
def check(output: Output, log: str, key: Verifier) -> None:
    """Audit the whole LOG, and hold every entry to what the log had said before it.

    Who may write is decided by events in the log. So anyone can compute the registry of keys
    again: this ends with 1 at the first entry whose key was not allowed it, or not any more.
    """
    with published(log) as fetch, output.progress("checking") as progress, answering():
        found, state = replay(
            fetch, key, progress=lambda done: progress(done.size, done.checkpoint.size)
        )
    rows = sorted(found.permits.values(), key=lambda row: row.allowed_index or 0)
    output.result(
        {
            "origin": key.name,
            "size": state.size,
            "decisions": found.decisions,
            "keys": [value_of(row) for row in rows],
        },
        [
            ("Log", key.name),
            ("Checked", f"{state.size:,} entries, each of a key that was allowed it then"),
            ("Decided", counted(found.decisions, "time")),
            *[("Key", f"{row.key.fingerprint}, {row.signer_id}") for row in rows],
        ],
    )


@keys.command("list", short_help="List the keys of a log's registry.")
@click.argument("directory", metavar="DIR")
@json_option
@click.pass_obj
def list_(output: Output, directory: str) -> None:
    """List every key that may write to the log in DIR, or once might.

    The log's own is among them: it signs what the log itself states.
    """
    log = find_log(directory)
    with closing(open_reader(log)) as db, snapshot(db):
        rows = read_signers(db)
    own = [row.key.public_key == log.verifier.public_key for row in rows]
    if output.json:
        listed = zip(rows, own, strict=True)
        output.value({"keys": [{**value_of(row), "own": is_own} for row, is_own in listed]})
        return
    for row, is_own in zip(rows, own, strict=True):
        own_row = [("", "what the log itself states: this is its own key")] if is_own else []
        output.rows([*rows_of(row), *own_row])
        output.line("")
    if all(own):
        output.line("nobody else may write to this log: `translog keys allow` says who may")
