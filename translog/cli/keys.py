"""`translog keys …`."""

import json
import secrets
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from translog.cli.keyring import KEY, PublicKey
from translog.cli.output import Output, json_option
from translog.cli.params import FINGERPRINT, KEY_NAME, LABEL
from translog.cli.places import answering, base_url_of, find_log, now
from translog.formats.cosignature import CosigningKey
from translog.formats.keys import SEED_BYTES
from translog.formats.note import Verifier
from translog.log import registry
from translog.log.directory import open_reader
from translog.pith.event import KNOWN_TYPES, RECORD_TYPES
from translog.pith.key import PithKey
from translog.store import database
from translog.store.database import snapshot
from translog.store.keys import read_key, write_key
from translog.store.registry import SignerRow, read_signers


@click.group(short_help="Make keys, and say which may write to a log.", no_args_is_help=True)
def keys() -> None:
    """Make keys, and say which may write to a log.

    A KEY is a pinned name (pith.science), 64 digits of hex, or a file that holds a key in JSON
    or a vkey. There is no default: nobody writes to a log, and nobody is trusted, unnamed.
    """


@keys.command(short_help="Make a private key.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
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
    "  [default: every known type of event about a record]",
)
@json_option
@click.pass_obj
def allow(
    output: Output, directory: str, key: PublicKey, signer_id: str | None, types: tuple[str, ...]
) -> None:
    """Let KEY write to the log in DIR, from the next batch on, also while it is served.

    Allowing a key again replaces what it may do, and takes back a revocation.
    """
    log = find_log(directory)
    pith = key.as_pith()
    for unknown in sorted(set(types) - KNOWN_TYPES):
        known = ", ".join(sorted(KNOWN_TYPES))
        output.note(
            f"{unknown!r} is no type that this version knows ({known}); allowed all the same"
        )
    with closing(database.open_editor(log.database)) as db:
        row = registry.allow(
            db,
            pith,
            signer_id=signer_id or pith.signer_id or pith.fingerprint,
            event_types=types or RECORD_TYPES,
            now=now(),
        )
    output.result(_value(row), _rows(row))


@keys.command(short_help="Let a key write no more.")
@click.argument("directory", metavar="DIR")
@click.argument("fingerprint", metavar="FINGERPRINT", type=FINGERPRINT)
@json_option
@click.pass_obj
def revoke(output: Output, directory: str, fingerprint: str) -> None:
    """Let the key FINGERPRINT write no more, from the next batch on, also while it is served.

    What it wrote stays in the log for ever; whether to believe it is for those who read it.
    """
    log = find_log(directory)
    with closing(database.open_editor(log.database)) as db, answering():
        row = registry.revoke(db, fingerprint, now=now())
    output.result(_value(row), _rows(row))


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
        output.value({"keys": [{**_value(row), "own": is_own} for row, is_own in listed]})
        return
    for row, is_own in zip(rows, own, strict=True):
        output.rows(_rows(row))
        output.line(
            "           what the log itself states: this is its own key\n" if is_own else ""
        )
    if all(own):
        output.line("nobody else may write to this log: `translog keys allow` says who may")


def _value(row: SignerRow) -> dict[str, Any]:
    return {
        "fingerprint": row.key.fingerprint,
        "signer_id": row.signer_id,
        "event_types": sorted(row.event_types),
        "allowed_at": _time(row.allowed_at),
        "revoked_at": None if row.revoked_at is None else _time(row.revoked_at),
        "public_key": row.key.to_json(),
    }


def _rows(row: SignerRow) -> list[tuple[str, str]]:
    every = row.event_types == RECORD_TYPES
    rows = [
        ("Key", row.key.fingerprint),
        ("Name", f"{row.signer_id} ({row.key.key_id})"),
        (
            "May write",
            "every known type of event about a record"
            if every
            else ", ".join(sorted(row.event_types)),
        ),
        ("Allowed", _time(row.allowed_at)),
    ]
    if row.revoked_at is not None:
        rows[2] = ("Wrote", rows[2][1])
        rows.append(("Revoked", _time(row.revoked_at)))
    return rows


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
