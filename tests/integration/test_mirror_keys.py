"""Mirrored records whose signers changed their keys, wait for us, or were disowned."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_server import Process
from tests.simulators.events import CREATED_AT, KEY, SIGNED_AT, record, signer
from tests.simulators.events import created as created_event
from tests.simulators.logs import NOW, new_log, writing
from tests.simulators.payloads import attested, rotated
from translog.cli import pulling
from translog.cli.main import run
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.log import bundler, directory, registry
from translog.log.directory import LogDirectory
from translog.net.client import Client
from translog.pith import bundle as bundles
from translog.pith import event
from translog.pith.key import fingerprint_hex
from translog.pith.record import parse_pith_number, pith_number
from translog.store import log as leaves

NEW, NEWEST = (SigningKey(bytes([number]) * 32) for number in (41, 42))
OLDS, NEWS = fingerprint_hex(KEY.public_key), fingerprint_hex(NEW.public_key)
NUMBERS = [pith_number(record(number)) for number in range(3)]

Cli = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def cli(capsysbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Run a command line, check its exit code, and return the JSON lines it printed."""

    def call(*arguments: str, code: int = 0) -> list[dict[str, Any]]:
        found = run([*arguments, "--json"])
        captured = capsysbinary.readouterr()
        assert found == code, (captured.out + captured.err).decode()
        return [json.loads(line) for line in captured.out.splitlines()]

    return call


@pytest.fixture
def source(tmp_path: Path) -> LogDirectory:
    log = new_log(tmp_path / "source")
    add(log, *map(created_event, range(3)), attestation(KEY, 0))
    return log


@pytest.fixture
def mirror(tmp_path: Path) -> LogDirectory:
    return directory.create(tmp_path / "mirror", "example.com/mirror", NOW)


@pytest.fixture
def url(source: LogDirectory) -> Iterator[str]:
    server = Process(source, interval=0.05)
    try:
        yield server.url
    finally:
        server.popen.kill()
        server.popen.communicate()


def signed(
    key: SigningKey, event_type: str, payload: dict[str, Any], subject: str, *supersedes: str
) -> dict[str, Any]:
    draft = {
        "event_type": event_type,
        "subject_pith_number": subject,
        "target": "key" if event_type == "key_rotated" else "record",
        "payload": payload,
        "signer": signer(key),
        "created_at": CREATED_AT,
        "supersedes": list(supersedes),
        "prev_event": None,
        "schema_version": "1.0",
    }
    return event.sign(draft, key, SIGNED_AT)


def attestation(key: SigningKey, number: int, *supersedes: str) -> dict[str, Any]:
    payload = attested(key.public_key, len(supersedes))
    return signed(key, "author_attestation", payload, NUMBERS[number], *supersedes)


def rotation(old: SigningKey, new: SigningKey) -> dict[str, Any]:
    subject = f"key:{fingerprint_hex(old.public_key)}"
    return signed(old, "key_rotated", rotated(old, new), subject)


def add(log: LogDirectory, *events: dict[str, Any]) -> None:
    with writing(log) as writer:
        assert not [
            each for each in writer.add(map_canonical(events)) if isinstance(each, Exception)
        ]


def map_canonical(events: tuple[dict[str, Any], ...]) -> list[bytes]:
    return [canonical(each) for each in events]


def bundle_of(log: LogDirectory, number: str) -> dict[str, Any]:
    suffix = parse_pith_number(number).suffix
    with closing(directory.open_reader(log)) as db:
        size = leaves.read_head(db).size
        return bundler.bundle(db, size, suffix, log.read_signer(), "https://mirror.example")


def adding(mirror: LogDirectory, source: LogDirectory, url: str, *keys: SigningKey) -> list[str]:
    named = [each for key in keys for each in ("--key", key.public_key.hex())]
    return ["mirror", "add", str(mirror.path), "one", url, "--key", source.verifier.vkey, *named]


def test_keys_that_rotated_at_the_source_are_one_signer_here_too(
    source: LogDirectory, mirror: LogDirectory, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = attestation(KEY, 0)["event_id"]
    then = attestation(NEW, 0, first)
    add(source, rotation(KEY, NEW))
    add(source, then)
    add(source, rotation(NEW, NEWEST))
    add(source, attestation(NEWEST, 0, then["event_id"]), attestation(NEWEST, 1))
    monkeypatch.setattr(pulling, "BATCH_RECORDS", 1)  # the old key's comes after it has rotated
    server = Process(source, interval=60.0)
    try:
        lines = cli(*adding(mirror, source, server.url, KEY, NEW, NEWEST))
        assert [line["added"] for line in lines] == [4, 2, 1]
        size = log_size(mirror)
        assert {line["added"] for line in cli("mirror", "pull", str(mirror.path))} == {0}
        assert log_size(mirror) == size
    finally:
        server.popen.kill()
        server.popen.communicate()
    trusted = [KEY, NEW, NEWEST, mirror.read_signer().key]
    for number in NUMBERS:
        ours = bundle_of(mirror, number)
        assert ours["state"] == bundle_of(source, number)["state"]
        bundles.open_bundle(canonical(ours), [key.public_key for key in trusted])
    [old] = [line for line in cli("keys", "list", str(mirror.path))[0]["keys"] if is_old(line)]
    assert old["revoked_at"] is None  # other records can still bring what it wrote


def is_old(line: dict[str, Any]) -> bool:
    return bool(line["fingerprint"] == OLDS)


def log_size(log: LogDirectory) -> int:
    with closing(directory.open_reader(log)) as db:
        return leaves.read_head(db).size


def test_a_rotation_takes_nothing_from_what_our_operator_decided(
    source: LogDirectory, mirror: LogDirectory, url: str, cli: Cli
) -> None:
    at = str(mirror.path)
    cli("keys", "allow", at, KEY.public_key.hex(), "--signer-id", signer(KEY)["signer_id"])
    cli("keys", "revoke", at, OLDS)
    with Client(url) as client:
        for each in (rotation(KEY, NEW), attestation(NEW, 0)):
            client.post("add?wait=published", canonical(each), "application/json", 1 << 20)
    lines = cli(*adding(mirror, source, url, KEY, NEW), code=1)
    assert {line["error"]["code"] for line in lines} == {"key-not-permitted", "not-found"}
    with closing(directory.open_reader(mirror)) as db:
        signers = registry.read(db).signers
    assert signers[OLDS].revoked_at is not None
    assert signers[NEWS].rotated_from is None


def test_a_record_whose_events_wait_is_held_and_taken_once_they_are_accepted(
    source: LogDirectory, mirror: LogDirectory, url: str, cli: Cli
) -> None:
    at, name = str(mirror.path), signer(KEY)["signer_id"]
    allow = ["keys", "allow", at, KEY.public_key.hex(), "--signer-id", name]
    cli(*allow, "--type", "record_created", "--hold", "author_attestation")
    lines = cli(*adding(mirror, source, url, KEY))
    assert [line.get("held") for line in lines] == [1, None, None]
    assert [line.get("pith_number") for line in lines] == NUMBERS
    [[mirrored]] = [value["mirrors"] for value in cli("mirror", "list", at)]
    assert mirrored["records"] == 2
    assert cli("mirror", "pull", at)[0]["held"] == 1  # it is looked at again until it is whole
    cli("held", "accept", at, attestation(KEY, 0)["event_id"])
    assert {line.get("held") for line in cli("mirror", "pull", at)} == {None}
    [[mirrored]] = [value["mirrors"] for value in cli("mirror", "list", at)]
    assert mirrored["records"] == 3


def test_what_a_source_says_of_lost_keys_is_told_until_our_operator_says_it_too(
    source: LogDirectory, mirror: LogDirectory, url: str, cli: Cli
) -> None:
    cli("keys", "compromised", str(source.path), OLDS, "--since", "3")
    with Client(url) as client:
        client.get("checkpoint", 1 << 20)
    at = str(mirror.path)
    first, *rest = cli(*adding(mirror, source, url, KEY))
    assert first == {"mirror": "one", "compromised": OLDS}
    assert [line.get("compromised") for line in rest] == [None] * 3
    assert bundle_of(mirror, NUMBERS[0])["state"]["invalid_events"] == []
    cli("keys", "compromised", at, OLDS, "--since", "2")
    assert all("compromised" not in line for line in cli("mirror", "pull", at))


def test_a_record_that_a_source_created_and_does_not_serve_is_told(
    source: LogDirectory,
    mirror: LogDirectory,
    url: str,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    withheld = parse_pith_number(NUMBERS[1]).suffix
    get = Client.get

    def without(client: Client, path: str, limit: int) -> bytes:
        return get(client, "nothing" if withheld in path else path, limit)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "get", without)
        lines = cli(*adding(mirror, source, url, KEY), code=1)
        refused = [line for line in lines if "error" in line]
        assert [line["pith_number"] for line in refused] == [NUMBERS[1]]
        assert refused[0]["error"]["code"] == "not-found"
        cli("mirror", "pull", str(mirror.path), code=1)  # and again, as long as it is so
    assert NUMBERS[1] in {line["pith_number"] for line in cli("mirror", "pull", str(mirror.path))}


def test_adding_a_source_again_gives_it_other_keys(
    source: LogDirectory, mirror: LogDirectory, url: str, cli: Cli
) -> None:
    lines = cli(*adding(mirror, source, url), code=1)
    assert {line["error"]["code"] for line in lines} == {"unknown-key"}
    assert len(cli(*adding(mirror, source, url, KEY))) == 3
    [[mirrored]] = [value["mirrors"] for value in cli("mirror", "list", str(mirror.path))]
    assert len(mirrored["keys"]) == 2
    elsewhere = adding(mirror, source, url + "/x", KEY)
    cli(*elsewhere, code=3)


def test_a_source_that_is_silent_keeps_nothing_back_but_its_own(
    source: LogDirectory, mirror: LogDirectory, url: str, cli: Cli
) -> None:
    at, nobody = str(mirror.path), "http://127.0.0.1:9/bundle.json"
    cli("mirror", "add", at, "a", nobody, "--key", KEY.public_key.hex(), code=3)
    cli(*adding(mirror, source, url, KEY))
    with Client(url) as client:
        client.post(
            "add?wait=published", canonical(attestation(KEY, 1)), "application/json", 1 << 20
        )
    *lines, error = cli("mirror", "pull", at, code=3)  # "a" is asked first
    assert sum(line["added"] for line in lines) == 1
    assert (error["error"]["code"], nobody in error["error"]["detail"]) == ("unavailable", True)
