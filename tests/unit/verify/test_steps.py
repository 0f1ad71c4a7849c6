"""A bundle in seven steps: each shows what it shows, alone, and fails alone."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from translog.bitcoin.anchor import Anchor, tip
from translog.bitcoin.network import REGTEST
from translog.bitcoin.ots import Timestamp
from translog.formats.canonical import canonical
from translog.formats.checkpoint import open_checkpoint
from translog.formats.cosignature import CosigningKey
from translog.formats.entry import Entry
from translog.formats.policy import Policy, believing, parse_policy
from translog.pith.build import build_bundle
from translog.pith.event import restore
from translog.pith.key import fingerprint_hex
from translog.pith.timestamp_proof import Place, TimestampProof
from translog.testing.calendar import serialized
from translog.testing.chain import RegtestChain
from translog.testing.events import (
    KEY,
    SIGNED_AT,
    attestation,
    creation,
    number_of,
    pith_key,
    signing_key,
)
from translog.testing.published import LOG_KEY, Published
from translog.verify.findings import Trust
from translog.verify.steps import NAMES, Report, check_steps

NOW = 1_780_000_000
WITNESS = CosigningKey(name="w.example", key=signing_key("witness"))
EVENTS = [creation(1), *(attestation(number, paper=1) for number in range(9))]
LOG = Published([attestation(100 + number) for number in range(20)] + EVENTS)
FIRST = 20
KEYS = {KEY.public_key: "the registry", LOG_KEY.public_key: "the log"}
POLICY = parse_policy(
    f"log {LOG.verifier.vkey}\nwitness w {WITNESS.cosigner.vkey}\nquorum w\n".encode()
)
TRUST = Trust(keys=KEYS, policy=POLICY)
ALONE = Trust(keys=KEYS, policy=believing(LOG.verifier))


@cache
def chain() -> RegtestChain:
    return RegtestChain(NOW)


@cache
def cosigned() -> bytes:
    head = open_checkpoint(LOG.checkpoint(LOG.size), LOG.verifier)
    return head.note + str(WITNESS.cosign(head, NOW)).encode()


def proof(number: int, note: bytes | None = None) -> bytes:
    """Return the proof of event `number` of the bundle."""
    made = LOG.proof(FIRST + number)
    return replace(made, checkpoint=cosigned() if note is None else note).encode()


@cache
def anchored() -> tuple[Anchor, tuple[int, bytes]]:
    """Return an anchor of the cosigned head in a block, and the block as proofs name it."""
    head = replace(open_checkpoint(LOG.checkpoint(LOG.size), LOG.verifier), note=cosigned())
    message = tip(head, head.note)
    height = chain().mine(NOW + 600, [message])
    chain().mine_empty(6)
    stamp = Timestamp.parse(serialized(chain().attest(message, height)), message)
    known = chain().header(height)
    return Anchor.of(head, stamp), (height, known.header.raw)


def stamp(number: int, **changes: Any) -> dict[str, Any]:
    """Return the timestamp proof of an event, as it stands in bundles."""
    anchor, block = anchored()
    index = FIRST + number
    entry = Entry.parse(LOG.entries[index])
    ots = anchor.event_file(entry, index, LOG.prove(index, LOG.size))
    place = Place(
        origin=LOG.verifier.name,
        index=index,
        size=LOG.size,
        root_hash=anchor.checkpoint.root.hex(),
        tlog_proof=proof(number).decode(),
    )
    whole = TimestampProof(
        network="regtest",
        event_id=EVENTS[number].event_id,
        place=place,
        ots=ots,
        status="final",
        calendars=(),
        blocks=(block,),
        not_before=None,
    )
    return whole.to_json() | changes


def bundle(stamps: list[dict[str, Any]], count: int = len(EVENTS)) -> bytes:
    made = build_bundle(
        pith_number=number_of(1),
        events=[restore(each.content, each.signature, SIGNED_AT) for each in EVENTS[:count]],
        keys=[pith_key(), pith_key(LOG_KEY)],
        built_at="2026-06-02T00:00:00Z",
        base_url="https://log.example",
        timestamp_proofs=stamps,
        mirror_hints=[],
        signing_key=LOG_KEY,
    )
    return canonical(made)


@cache
def whole() -> bytes:
    return bundle([stamp(number) for number in range(len(EVENTS))])


def results(report: Report) -> dict[str, str]:
    return {step.name: step.result for step in report.steps}


@pytest.fixture
def real_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let blocks of regtest prove something, as those of mainnet do."""
    network = replace(REGTEST, proves=True)
    monkeypatch.setattr("translog.verify.bundle_times.network_named", lambda name: network)
    monkeypatch.setattr(chain(), "network", network, raising=False)


def test_the_steps_have_numbers_and_an_order():
    report = check_steps(whole(), TRUST)
    assert [(step.number, step.name) for step in report.steps] == list(enumerate(NAMES, 1))
    assert NAMES == (
        "record",
        "receipt",
        "events",
        "merge",
        "inclusion",
        "cosignatures",
        "timestamps",
    )


def test_a_bundle_with_everything_is_proved_in_every_step(real_network):
    report = check_steps(whole(), TRUST, sources=[chain()])
    assert set(results(report).values()) == {"proved"}
    assert report.ok
    registry, log = (TRUST.named(fingerprint_hex(key)) for key in KEYS)
    assert [step.grade for step in report.steps] == [
        "computed",
        f"signed by {registry}",
        f"signed by {registry}",
        f"signed by {log}",
        "10 of 10 events",
        "quorum w",
        "own node",
    ]
    assert report.sentence == (
        f"{number_of(1)} is computed from the record in it, its receipt, events, merge are signed "
        "by keys you trust, all its events are in a log you trust that witnesses have seen and "
        "Bitcoin shows when they existed"
    )


def test_a_test_network_and_a_header_that_nobody_vouches_for_show_no_time(real_network):
    report = check_steps(whole(), TRUST)
    assert results(report)["timestamps"] == "not-shown"
    assert "if a header is right that nobody vouches for" in report.steps[6].findings[1].sentence
    assert report.ok
    assert "not shown: timestamps" in report.sentence


def test_regtest_proves_nothing():
    report = check_steps(whole(), TRUST, sources=[chain()])
    assert results(report)["timestamps"] == "not-shown"
    assert report.steps[6].grade == "no time"


def test_proofs_can_be_given_beside_the_bundle():
    bare = bundle([])
    report = check_steps(bare, TRUST)
    assert results(report)["inclusion"] == results(report)["cosignatures"] == "not-shown"
    assert not report.ok
    proofs = [proof(number) for number in range(len(EVENTS))]
    report = check_steps(bare, TRUST, proofs=reversed(proofs))
    assert results(report)["inclusion"] == results(report)["cosignatures"] == "proved"
    assert report.ok
    report = check_steps(bare, TRUST, proofs=proofs[1:])
    assert results(report)["inclusion"] == "not-shown"
    assert "that 1 of 10 events are in a log" in report.steps[4].findings[-1].sentence
    assert report.steps[4].grade == "9 of 10 events"
    assert not report.ok


def test_a_policy_without_witnesses_asks_for_none():
    report = check_steps(whole(), ALONE)
    assert results(report)["inclusion"] == "proved"
    assert results(report)["cosignatures"] == "not-shown"
    assert report.steps[5].grade == "the log alone"
    assert report.ok


def test_a_missing_quorum_fails_its_step_alone():
    note = LOG.checkpoint(LOG.size)
    bare = [stamp(number, tlog_proof=proof(number, note).decode()) for number in range(10)]
    report = check_steps(bundle(bare), TRUST)
    failed = {name for name, result in results(report).items() if result == "failed"}
    # The timestamp is of the note that had the quorum.
    assert failed == {"cosignatures", "timestamps"}
    assert not report.ok


SPOILT: dict[str, tuple[int, dict[str, Any], set[str]]] = {
    "another event's proof": (2, {"tlog_proof": proof(3).decode()}, {"inclusion", "timestamps"}),
    "no proof": (2, {"tlog_proof": 1}, {"inclusion", "timestamps"}),
    "nonsense": (2, {"tlog_proof": "nonsense"}, {"inclusion", "timestamps"}),
    "another network": (2, {"network": "testnet"}, {"timestamps"}),
    "no timestamp": (2, {"ots_b64": None}, {"timestamps"}),
    "half a timestamp": (2, {"ots_b64": "AE9w"}, {"timestamps"}),
    "no header": (2, {"attestations": [{"height": 1, "header_hex": "00"}]}, {"timestamps"}),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_wrong_fails_in_its_own_step(case):
    number, changes, wanted = SPOILT[case]
    report = check_steps(bundle([stamp(number, **changes)]), TRUST)
    assert {name for name, result in results(report).items() if result == "failed"} == wanted
    assert not report.ok


def test_the_timestamp_of_another_event_fails():
    other = stamp(3)["ots_b64"]
    report = check_steps(bundle([stamp(2, ots_b64=other)]), TRUST, sources=[chain()])
    assert results(report)["timestamps"] == "failed"


def test_one_wrong_timestamp_is_enough_though_everything_else_is_proved():
    stamps = [stamp(number) for number in range(9)] + [stamp(9, network="testnet")]
    report = check_steps(bundle(stamps), TRUST)
    assert (results(report)["inclusion"], results(report)["timestamps"]) == ("proved", "failed")
    assert not report.ok


def test_a_proof_of_an_event_that_is_not_in_the_bundle_fails():
    report = check_steps(bundle([stamp(5)], count=3), TRUST)
    assert results(report)["inclusion"] == "failed"
    report = check_steps(bundle([], count=3), TRUST, proofs=[proof(5)])
    assert results(report)["inclusion"] == "failed"


def test_two_heads_that_contradict_fail():
    fork = LOG.rewritten(25, [attestation(500 + number) for number in range(5)])
    head = open_checkpoint(fork.checkpoint(fork.size), fork.verifier)
    note = head.note + str(WITNESS.cosign(head, NOW)).encode()
    theirs = replace(fork.proof(FIRST), checkpoint=note).encode()
    report = check_steps(bundle([stamp(2)]), TRUST, proofs=[theirs])
    assert results(report)["cosignatures"] == "failed"
    assert report.steps[5].findings[0].name == "fork"


def test_unknown_keys_show_nothing_and_nothing_is_in_a_log_by_them():
    report = check_steps(whole(), Trust(keys={}, policy=POLICY))
    found = results(report)
    assert (found["record"], found["receipt"], found["events"]) == (
        "proved",
        "not-shown",
        "not-shown",
    )
    assert found["inclusion"] == "not-shown"
    assert not report.ok


def test_a_bundle_by_a_key_that_nobody_named_is_not_called_wrong_and_not_called_right():
    registry = Trust(keys={KEY.public_key: "registry"}, policy=POLICY)
    report = check_steps(whole(), registry)
    found = results(report)
    assert found["inclusion"] == found["cosignatures"] == found["events"] == "proved"
    assert (found["merge"], report.steps[3].grade) == ("not-shown", "signed by no key given")
    by = report.steps[3].findings[-1]
    assert (by.name, by.status, by.code) == ("bundle-bundle", "not-shown", "unknown-key")
    assert not report.ok
    assert "not shown: merge" in report.sentence
    assert "receipt, events are signed by keys you trust" in report.sentence
    # A signature that is wrong is another thing, also where the key is named.
    value = json.loads(whole())
    value["bundle_signature"]["signature_b64"] = "A" * 86 + "=="
    wrong = check_steps(canonical(value), TRUST)
    assert (results(wrong)["merge"], wrong.ok) == ("failed", False)
    assert "step 4 (merge) failed" in wrong.sentence


def test_an_untrusted_log_shows_no_inclusion():
    report = check_steps(whole(), Trust(keys=KEYS, policy=Policy()))
    assert results(report)["inclusion"] == "not-shown"
    assert not report.ok


def test_what_is_no_bundle_is_one_step_that_failed():
    for raw in (b"", b"{}", b"nonsense", whole()[:-1]):
        report = check_steps(raw, TRUST)
        assert results(report) == {"record": "failed"}
        assert not report.ok
        assert report.sentence == "Do not rely on this bundle: step 1 (record) failed"


def test_a_changed_bundle_fails_in_its_merge():
    value = json.loads(whole())
    value["built_at"] = "2026-06-03T00:00:00Z"
    report = check_steps(canonical(value), TRUST)
    assert {name for name, result in results(report).items() if result == "failed"} == {"merge"}


OFFLINE = """
import socket, sys
from translog.cli.main import run

def refuse(*_: object, **__: object) -> None:
    raise AssertionError("a socket was opened")

socket.socket.__init__ = refuse
code = run(sys.argv[1:])
named = {".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("translog.")}
loaded = named & {"translog.server", "translog.log", "translog.web", "translog.net"}
more = {"sqlite3", "starlette", "urllib3", "ssl"} & set(sys.modules)
assert not loaded | more, loaded | more
sys.exit(code)
"""


def test_the_command_opens_no_socket_and_loads_neither_the_server_nor_the_log(tmp_path):
    (tmp_path / "bundle.json").write_bytes(whole())
    lines = [f"log {LOG.verifier.vkey}", f"witness w {WITNESS.cosigner.vkey}", "quorum w", ""]
    (tmp_path / "policy").write_text("\n".join(lines))
    (tmp_path / "key").write_text(KEY.public_key.hex())
    command = ["verify", "bundle.json", "--policy", "policy", "--key", "key", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, *command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["ok"]
    assert [step["name"] for step in value["steps"]] == list(NAMES)
    assert value["sentence"].startswith(number_of(1))
    said = subprocess.run(
        [sys.executable, "-c", OFFLINE, *command[:-1]], cwd=tmp_path, capture_output=True, text=True
    ).stdout.splitlines()
    assert said[0] == "bundle.json"
    assert said[1].split() == ["proved", "1", "record", "computed"]
    assert said[-1] == f"{value['sentence']}."


def test_steps_have_a_form_for_programs():
    step = check_steps(whole(), TRUST).steps[4]
    value = json.loads(json.dumps(step.to_json()))
    assert (value["step"], value["name"], value["result"]) == (5, "inclusion", "proved")
    assert value["grade"] == "10 of 10 events"
    assert len(value["findings"]) == 10
