"""Records copied from one registry to another, as their operators would."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_server import Process
from tests.simulators.events import KEY, KEY_ID, SIGNER_ID, real_bundle, record
from tests.simulators.events import created as created_event
from tests.simulators.logs import NOW, new_log, writing
from tests.simulators.payloads import PAYLOADS, URL, attested
from translog.cli.main import run
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.log import bundler, directory, registry
from translog.log.directory import LogDirectory
from translog.pith import bundle as bundles
from translog.pith import event
from translog.pith.build import build_bundle
from translog.pith.event import RECORD_TYPES
from translog.pith.key import PithKey, fingerprint_hex
from translog.pith.kinds import mirror_hint
from translog.pith.record import parse_pith_number, pith_number
from translog.store import log as leaves

NUMBER = "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II"
RECORDS = 1_000

Cli = Callable[..., Any]


@pytest.fixture
def cli(capsysbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Run a command line, check its exit code, and return the JSON lines it printed."""

    def call(*arguments: str, code: int = 0) -> list[Any]:
        found = run([*arguments, "--json"])
        captured = capsysbinary.readouterr()
        assert found == code, (captured.out + captured.err).decode()
        return [json.loads(line) for line in captured.out.splitlines()]

    return call


def state_of(log: LogDirectory, number: str) -> dict[str, Any]:
    made = bundle_of(log, number)
    state: dict[str, Any] = made["state"]
    return state


def bundle_of(log: LogDirectory, number: str) -> dict[str, Any]:
    suffix = parse_pith_number(number).suffix
    with closing(directory.open_reader(log)) as db:
        size = leaves.read_head(db).size
        return bundler.bundle(db, size, suffix, log.read_signer(), "https://mirror.example")


def signed(number: int, event_type: str, payload: dict[str, Any], at: int) -> bytes:
    draft = {
        "schema_version": "1.0",
        "event_type": event_type,
        "subject_pith_number": pith_number(record(number)),
        "target": "record",
        "payload": payload,
        "signer": {
            "signer_id": SIGNER_ID,
            "signer_type": "pith_registry",
            "key_id": KEY_ID,
            "public_key_fingerprint": fingerprint_hex(KEY.public_key),
        },
        "created_at": f"2026-06-01T00:{at // 60 % 60:02}:{at % 60:02}Z",
        "supersedes": [],
        "prev_event": None,
    }
    return canonical(event.sign(draft, KEY, "2026-06-02T00:00:00.000000Z"))


def all_types(number: int) -> list[bytes]:
    """Return an event of every type that a record can have beside the one that creates it."""
    suffix = parse_pith_number(pith_number(record(number))).suffix
    payloads = {
        **{event_type: build(number) for event_type, build in PAYLOADS.items()},
        "author_attestation": attested(KEY.public_key, number),
        "mirror_hint": mirror_hint.build(name="M", base_url=URL, suffix=suffix, status="active"),
    }
    assert payloads.keys() | {"record_created"} == RECORD_TYPES
    return [signed(number, name, payloads[name], at) for at, name in enumerate(sorted(payloads))]


def test_the_real_bundle_is_mirrored_and_served_under_our_key(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "real.json").write_bytes(real_bundle())
    log = directory.create(tmp_path / "log", "example.com/mirror", NOW)
    at = str(log.path)
    [line] = cli("mirror", "add", at, "pith", str(tmp_path / "real.json"), "--key", "pith.science")
    assert (line["pith_number"], line["added"]) == (NUMBER, 2)
    [line] = cli("mirror", "pull", at)
    assert line["added"] == 0
    ours = canonical(bundle_of(log, NUMBER))
    real = json.loads(real_bundle())
    keys = [log.verifier.public_key, bytes.fromhex(real["public_keys"][0]["public_key_hex"])]
    found = bundles.open_bundle(ours, keys)
    assert found.events == real["events"]
    assert found.value["state"] == real["state"]
    assert found.value["state"]["state_sha256"] == real["state"]["state_sha256"]
    [ours_alone] = found.value["mirror_hints"]  # a file is nowhere served
    assert (ours_alone["name"], ours_alone["status"]) == ("example.com/mirror", "active")
    assert found.signature.fingerprint == fingerprint_hex(log.verifier.public_key)
    [[mirror]] = [value["mirrors"] for value in cli("mirror", "list", at)]
    assert (mirror["name"], mirror["records"]) == ("pith", 1)


def test_a_registry_of_a_thousand_records_is_mirrored_with_equal_states(
    tmp_path: Path, cli: Cli
) -> None:
    source = new_log(tmp_path / "source")
    events = []
    for number in range(RECORDS):
        events += [canonical(created_event(number)), *all_types(number)]
    with writing(source) as writer:
        assert not [each for each in writer.add(events) if isinstance(each, Exception)]
    mirror = directory.create(tmp_path / "mirror", "example.com/mirror", NOW)
    server = Process(source, interval=60.0)
    try:
        add = ["mirror", "add", str(mirror.path), "one", server.url]
        add += ["--key", source.verifier.vkey, "--key", KEY.public_key.hex()]
        add[4] += "/"  # as browsers show it
        lines = cli(*add)
        # A record whose events go over the end of a part of the log is looked at once, too.
        assert len(lines) == len({line["pith_number"] for line in lines}) == RECORDS
        assert sum(line["added"] for line in lines) == len(events)
        numbers = [pith_number(record(number)) for number in range(RECORDS)]
        for number in numbers:
            assert canonical(state_of(mirror, number)) == canonical(state_of(source, number))
        ours, theirs = bundle_of(mirror, numbers[0])["mirror_hints"]
        assert (ours["base_url"], ours["status"]) == ("https://mirror.example", "active")
        assert (theirs["base_url"], theirs["status"]) == (server.url, "primary")
        assert theirs["bundle_url"].startswith(f"{server.url}/pith/")
        lines = cli("mirror", "pull", str(mirror.path), "one")
        assert {line["added"] for line in lines} == {0}
    finally:
        server.popen.kill()
        server.popen.communicate()


def test_a_source_that_drops_an_event_is_reported_with_both_bundles(
    tmp_path: Path, cli: Cli
) -> None:
    place = tmp_path / "served.json"
    source = new_log(tmp_path / "source")
    number = pith_number(record(0))
    events = [canonical(created_event(0)), *all_types(0)]
    with writing(source) as writer:
        writer.add(events)
    whole = bundle_of(source, number)
    place.write_bytes(canonical(whole))
    mirror = directory.create(tmp_path / "mirror", "example.com/mirror", NOW)
    keys = ["--key", source.verifier.vkey, "--key", KEY.public_key.hex()]
    cli("mirror", "add", str(mirror.path), "one", str(place), *keys)
    before = state_of(mirror, number)

    dropped = bundle_without(source, number, whole, 3)
    place.write_bytes(dropped)
    [line] = cli("mirror", "pull", str(mirror.path), code=1)
    assert line["error"]["code"] == "dropped"
    assert whole["events"][3]["event_id"] in line["error"]["detail"]
    [evidence] = (mirror.path / "evidence").iterdir()
    assert str(evidence) in line["error"]["detail"]
    accused = source.verifier.public_key.hex()
    [shown] = cli("evidence", "verify", str(evidence), "--key", accused)
    assert (shown["proved"], shown["grade"]) == (True, "proof")
    evidence.write_bytes(evidence.read_bytes().replace(b"dropped-event", b"hidden-event"))
    cli("evidence", "verify", str(evidence), "--key", accused, code=1)
    assert state_of(mirror, number) == before
    cli("mirror", "pull", str(mirror.path), code=1)  # as long as it is so, in the same file
    assert len(list((mirror.path / "evidence").iterdir())) == 1


def bundle_without(log: LogDirectory, number: str, whole: dict[str, Any], at: int) -> bytes:
    """Return what the log's holder would sign to make an event of a record forgotten."""
    events = [each for place, each in enumerate(whole["events"]) if place != at]
    return canonical(
        build_bundle(
            pith_number=number,
            events=events,
            keys=[PithKey.from_json(key) for key in whole["public_keys"]],
            built_at=f"2099{whole['built_at'][4:]}",
            base_url="https://mirror.example",
            timestamp_proofs=[],
            mirror_hints=[],
            signing_key=log.read_signer().key,
        )
    )


def test_a_key_that_was_revoked_here_stays_so(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "real.json").write_bytes(real_bundle())
    log = directory.create(tmp_path / "log", "example.com/mirror", NOW)
    at = str(log.path)
    cli("keys", "allow", at, "pith.science")
    cli("keys", "revoke", at, json.loads(real_bundle())["public_keys"][0]["fingerprint_sha256_hex"])
    lines = cli(
        "mirror", "add", at, "pith", str(tmp_path / "real.json"), "--key", "pith.science", code=1
    )
    assert {line["error"]["code"] for line in lines} == {"key-not-permitted"}
    [[mirror]] = [value["mirrors"] for value in cli("mirror", "list", at)]
    assert mirror["records"] == 0


def test_a_served_mirror_takes_what_is_pulled_and_again_nothing(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "real.json").write_bytes(real_bundle())
    log = directory.create(tmp_path / "log", "example.com/mirror", NOW)
    at = str(log.path)
    server = Process(log)
    try:
        to = ["--server", server.url]
        place = str(tmp_path / "real.json")
        [line] = cli("mirror", "add", at, "pith", place, "--key", "pith.science", *to)
        assert line["added"] == 2
        [line] = cli("mirror", "pull", at, *to)
        assert line["added"] == 0
    finally:
        server.popen.kill()
        server.popen.communicate()


def test_a_registry_needs_the_key_of_its_log(tmp_path: Path, cli: Cli) -> None:
    log = directory.create(tmp_path / "log", "example.com/mirror", NOW)
    key = SigningKey(b"k" * 32).public_key.hex()
    cli("mirror", "add", str(log.path), "x", "https://127.0.0.1:1", "--key", key, code=2)
    cli("mirror", "pull", str(log.path), "x", code=3)
    with closing(directory.open_reader(log)) as db:
        assert registry.read(db).signers
