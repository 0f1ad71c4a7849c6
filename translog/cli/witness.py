"""`translog witness …`. Nothing of a log is loaded here: a witness is somebody else."""

import secrets
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from translog.cli.output import Output, counted, json_option
from translog.cli.params import KEY_NAME, PATH, Parsed
from translog.cli.serving import installed, listen_option
from translog.errors import MalformedError, SignatureError, UnknownKeyError
from translog.formats.cosignature import ED25519, ML_DSA_44
from translog.formats.keys import SEED_BYTES
from translog.formats.policy import MAX_POLICY_BYTES, LogKey, Policy, parse_log_key, parse_logs
from translog.formats.witnessing import Kind, Witnessed, monitoring_path
from translog.store import files
from translog.store.witness import Kept
from translog.store.witness_directory import create, find
from translog.verify.claims_heads import InconsistentCheckpoints
from translog.verify.evidence import Evidence
from translog.verify.findings import Trust
from translog.verify.witness import check_log_key

KEY_TYPES = {"ed25519": ED25519, "ml-dsa-44": ML_DSA_44}


def _keys(text: str) -> list[LogKey]:
    """Return the keys of logs that an argument names: one, or those in a file."""
    if not Path(text).is_file():
        return [parse_log_key(text)]
    raw = files.read(Path(text), limit=MAX_POLICY_BYTES)
    lines = [line.split() for line in raw.decode("latin-1").splitlines() if line.strip()]
    if lines and all(len(line) == 1 for line in lines):
        return [parse_log_key(vkey) for (vkey,) in lines]
    keys = [log.key for log in parse_logs(raw)]
    if not keys:
        raise MalformedError(f"{text} has no log lines, want at least one")
    return keys


ADD_AGAIN = "the key that shows it was removed here: `translog witness add-log` adds it again"
LOGS = Parsed("vkey|file", _keys)

directory_argument = click.argument("directory", metavar="DIR", type=PATH)
key_option = click.option(
    "--key",
    "key_types",
    type=click.Choice([*KEY_TYPES]),
    multiple=True,
    default=["ed25519"],
    help="A type of key to cosign with. Give it again for both.  [default: ed25519]",
)


@click.group(short_help="Be a witness: cosign the heads of logs.", no_args_is_help=True)
def witness() -> None:
    """Be a witness: cosign the heads of logs, each only if it continues the one before.

    A witness has a directory of its own, and nothing of a log. What it speaks is
    c2sp.org/tlog-witness.
    """


@witness.command(short_help="Make a new witness, with new keys.")
@directory_argument
@click.option(
    "--name",
    type=KEY_NAME,
    required=True,
    metavar="NAME",
    help="The witness's name in its signatures, such as witness.example/w1: a URL without scheme.",
)
@key_option
@json_option
@click.pass_obj
def init(output: Output, directory: Path, name: str, key_types: Sequence[str]) -> None:
    """Make a new witness in DIR, with new keys. It knows no logs yet.

    The private keys stay in DIR (mode 0600). Its database must never be put back from a backup
    with the same keys: the witness would vouch for what contradicts its own past.
    """
    seeds = {KEY_TYPES[each]: secrets.token_bytes(SEED_BYTES) for each in key_types}
    made = create(directory, name, seeds)
    cosigners = [signer.cosigner for signer in made.read_signers()]
    output.result(
        {"directory": str(directory), "name": name, "keys": [each.vkey for each in cosigners]},
        [
            ("Witness", name),
            ("Directory", str(directory)),
            *(("Key", each.vkey) for each in cosigners),
            ("Next", f"translog witness add-log {directory} VKEY"),
        ],
    )


@witness.command("add-key", short_help="Make another key, which cosigns beside the others.")
@directory_argument
@click.option("--key", "key_type", type=click.Choice([*KEY_TYPES]), required=True, help="Its type.")
@json_option
@click.pass_obj
def add_key(output: Output, directory: Path, key_type: str) -> None:
    """Make another key of the witness in DIR, under the same name.

    It cosigns beside the others from the next start on. To retire an old key, remove its file once
    everybody's policy names the new one.
    """
    place = find(directory)
    name = place.read_signers()[0].name
    new = place.add_key(name, KEY_TYPES[key_type], secrets.token_bytes(SEED_BYTES)).cosigner
    output.result({"name": name, "key": new.vkey}, [("Witness", name), ("Key", new.vkey)])


@witness.command("add-log", short_help="Cosign a log's heads from now on.")
@directory_argument
@click.argument("logs", metavar="VKEY|FILE...", nargs=-1, required=True, type=LOGS)
@json_option
@click.pass_obj
def add_log(output: Output, directory: Path, logs: Sequence[list[LogKey]]) -> None:
    """Cosign the heads of logs from now on, also while the witness is served.

    A log is named by its key as a vkey, or by a FILE that has a vkey a line, or lines `log VKEY
    [URL]` as a policy has them. Its first head is cosigned as it comes; each later one must
    continue the one before.
    """
    place = find(directory)
    own = [signer.cosigner for signer in place.read_signers()]
    wanted = [key for keys in logs for key in keys]
    for key in wanted:
        check_log_key(key, own)
    with closing(place.open_editor()) as records, records.transaction():
        new = [key for key in wanted if records.add_key(key.name, key.vkey)]
    output.result(
        {"added": [key.vkey for key in new], "known": len(wanted) - len(new)},
        [
            *(("Added", key.name) for key in new),
            *([("Known", counted(len(wanted) - len(new), "key"))] if wanted != new else []),
        ],
    )


@witness.command("remove-log", short_help="Cosign with a log's key no more.")
@directory_argument
@click.argument("vkeys", metavar="VKEY...", nargs=-1, required=True)
@json_option
@click.pass_obj
def remove_log(output: Output, directory: Path, vkeys: Sequence[str]) -> None:
    """Believe keys of logs no more, also while the witness is served.

    What was cosigned is remembered: a log that is added again goes on from there.
    """
    with closing(find(directory).open_editor()) as records, records.transaction():
        gone = [vkey for vkey in vkeys if records.remove_key(vkey)]
    output.result(
        {"removed": gone},
        [("Removed", vkey) for vkey in gone] or [("Removed", "none: no such key is known here")],
    )


@witness.command("list", short_help="List a witness's keys, its logs, and what contradicts.")
@directory_argument
@json_option
@click.pass_obj
def list_(output: Output, directory: Path) -> None:
    """List the keys of the witness in DIR, its logs, and what contradicts what it cosigned.

    With --json, the contradicting notes are there byte for byte.
    """
    place = find(directory)
    cosigners = [signer.cosigner for signer in place.read_signers()]
    with closing(place.open_reader()) as records:
        keys, logs = records.read_keys(), records.read_all()
        kept = records.read_inconsistencies()
    vkeys = {origin: [vkey for of, vkey in keys if of == origin] for origin, _ in logs}
    if output.json:
        output.value(
            {
                "keys": [each.vkey for each in cosigners],
                "logs": [_log_value(origin, vkeys[origin], known) for origin, known in logs],
                "inconsistencies": [_kept_value(each) for each in kept],
            }
        )
        return
    output.rows([("Witness", cosigners[0].name), *(("Key", each.vkey) for each in cosigners)])
    for origin, known in logs:
        output.line("")
        contradicting = sum(each.inconsistency.origin == origin for each in kept)
        output.rows(_log_rows(origin, vkeys[origin], known, contradicting))


def _log_value(origin: str, vkeys: list[str], known: Witnessed) -> dict[str, Any]:
    return {
        "origin": origin,
        "keys": vkeys,
        "size": known.size if known.note else None,
        "root": known.root.hex() if known.note else None,
        "cosigned_at": known.time if known.note else None,
        "path": monitoring_path(origin),
    }


def _kept_value(kept: Kept) -> dict[str, Any]:
    found = kept.inconsistency
    return {
        "kind": found.kind.value,
        "origin": found.origin,
        "size": found.size,
        "root": found.root.hex(),
        "found": found.found.decode(),
        "cosigned": found.cosigned.decode(),
        "proof": [each.hex() for each in found.proof],
        "kept_at": kept.kept_at,
    }


def _log_rows(
    origin: str, vkeys: list[str], known: Witnessed, contradicting: int
) -> list[tuple[str, str]]:
    return [
        ("Log", origin),
        *(("Key", vkey) for vkey in vkeys or ["none: it is not cosigned any more"]),
        ("Size", str(known.size) if known.note else "never cosigned"),
        *([("Cosigned", _time(known.time))] if known.note else []),
        *([("Contradicting", counted(contradicting, "head"))] if contradicting else []),
    ]


@witness.command(short_help="Write evidence against logs that forked.")
@directory_argument
@click.argument("out", metavar="OUT", type=PATH)
@json_option
@click.pass_obj
def evidence(output: Output, directory: Path, out: Path) -> None:
    """Write a file of evidence to OUT for each pair of heads of one size that a log has signed.

    `translog evidence verify FILE --key VKEY` checks it, anywhere, with nothing but the log's key.
    """
    with closing(find(directory).open_reader()) as records:
        kept = [each.inconsistency for each in records.read_inconsistencies()]
        trusted = records.read_trusted()
    written: list[str] = []
    keyless: set[str] = set()
    for found in kept:
        if found.kind is not Kind.TWO_ROOTS:
            continue
        accused = Trust(policy=Policy().trusting(trusted.get(found.origin, [])))
        claim = InconsistentCheckpoints(old=found.cosigned, new=found.found, hashes=())
        try:
            made = Evidence.make(claim, accused)
        except (UnknownKeyError, SignatureError):
            keyless.add(found.origin)
            continue
        name = f"{monitoring_path(found.origin)[:16]}-{found.size}-{found.root.hex()[:16]}.json"
        files.make_folder(out)
        files.write_atomically(out / name, made.encode())
        written.append(str(out / name))
    output.result(
        {"written": written, "keyless": sorted(keyless)},
        [
            *(("Written", path) for path in written),
            *(("Not written", f"{origin} has forked, and {ADD_AGAIN}") for origin in keyless),
        ]
        or [("Written", "none: no log has forked here")],
    )


@witness.command(short_help="Serve a witness over HTTP.")
@directory_argument
@listen_option(8081)
def serve(directory: Path, listen: tuple[str, int]) -> None:
    """Serve the witness in DIR over HTTP until it is stopped (Ctrl-C or SIGTERM).

    Logs post to /add-checkpoint; what was cosigned last of each is at /HASH/checkpoint, with the
    SHA-256 of its origin in hex.
    """
    place = find(directory)
    with installed():
        from translog.server.witness_run import serve as run
    host, port = listen
    run(place, host, port)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
