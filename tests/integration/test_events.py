"""Events of other signers on the command line: drafted, signed, held, accepted, checked."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Cli
from tests.simulators.events import real_events
from translog.formats.canonical import canonical

ORIGIN = "example.com/log"
NUMBER = "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II"
ORCID = "0000-0002-1825-0097"


@pytest.fixture
def vkey(cli: Cli) -> str:
    """Make a log with the real record in it, and Alice's key; return the log's vkey."""
    (made,) = cli("init", "log", "--origin", ORIGIN, "--json")
    cli("keys", "allow", "log", "pith.science")
    cli("add", "log", "paper.bundle.json")
    cli("keys", "generate", "alice.key", "--name", "alice")
    return str(made["vkey"])


def alices(cli: Cli, name: str = "alice.key") -> tuple[str, str]:
    (shown,) = cli("keys", "show", name, "--json")
    return shown["vkey"], shown["fingerprint"]


def signed(cli: Cli, *draft: str, key: str = "alice.key") -> str:
    """Draft an event, sign it, and return the file it is in."""
    Path("draft.json").write_text(cli("event", *draft))
    whole = cli("sign", "draft.json", "--key", key)
    name = f"{json.loads(whole)['event_id'][7:20]}.json"
    Path(name).write_text(whole)
    return name


DRAFTS: dict[str, list[str]] = {
    "author_attestation": ["--name", "Alice", "--orcid", ORCID, "--claim", "C1"],
    "storage_attestation": [
        *("--url", "https://arxiv.org/abs/2402.13753", "--captured-at", "2026-06-01T00:00:00Z"),
        *("--file", "paper.bundle.json", "--media-type", "application/json"),
    ],
    "citation_signature": ["extends", "doi:10.48550/arXiv.2306.15595", "--context", "section 2"],
    "replication_record": ["replication", "partly", "--performed-at", "2026-06-01T00:00:00Z"],
    "correction": ["the license is another", "--field", "license"],
    "mirror_hint": ["https://mirror.example/", "--name", "Mirror"],
    "graph_snapshot": ["snapshot.json"],
}


@pytest.mark.parametrize("event_type", DRAFTS)
def test_a_draft_of_each_type_is_signed_and_logged(
    cli: Cli,
    vkey: str,
    event_type: str,
) -> None:
    Path("snapshot.json").write_text('{"claims": {"items": [{"claim_id": "C1"}]}}')
    public, _ = alices(cli)
    cli("keys", "allow", "log", public, "--type", event_type)
    name = signed(cli, event_type, NUMBER, *DRAFTS[event_type])
    assert "added      " in cli("add", "log", name)
    again = cli("event", event_type, NUMBER, *DRAFTS[event_type], "--prev-event", "x", code=2)
    assert "want sha256: and 64 digits of hex" in again


def test_a_wrong_draft_is_refused_before_anybody_sees_it(cli: Cli, vkey: str) -> None:
    orcid = ("event", "author_attestation", NUMBER, "--name", "A", "--orcid", ORCID[:-1] + "8")
    assert "has check digit 8, computed 7" in cli(*orcid, code=2)
    assert "is not a Pith Number" in cli(
        "event", "citation_signature", NUMBER, "cites", "x", code=2
    )
    short = ("event", "mirror_hint", "pith:HAMJZSQV", "https://m.example", "--name", "M")
    assert "want pith:YYYY" in cli(*short, code=2)
    draft = json.loads(cli("event", "correction", NUMBER, "wrong"))
    for change, said in [
        ({"payload": {**draft["payload"], "action": "deletion"}}, "want one of erratum"),
        ({"subject_pith_number": "elsewhere"}, "subject of the correction event"),
        ({"signer": {**real_events()[0]["signer"]}}, "draft names key"),
        ({"more": 1}, "unknown members"),
    ]:
        Path("wrong.json").write_text(json.dumps({**draft, **change}))
        assert said in cli("sign", "wrong.json", "--key", "alice.key", code=1)
    Path("wrong.json").write_text("[]")
    assert "draft is not an object with" in cli("sign", "wrong.json", "--key", "alice.key", code=1)


def test_moderation_on_the_command_line(cli: Cli, vkey: str) -> None:
    public, fingerprint = alices(cli)
    (row,) = cli(
        *("keys", "allow", "log", public, "--hold", "author_attestation", "--subject", NUMBER),
        "--json",
    )
    assert row["event_types"] == row["held_types"] == ["author_attestation"]
    assert row["subjects"] == [NUMBER] and row["allowed_index"] == 3
    names = [
        signed(cli, "author_attestation", NUMBER, "--name", "Alice", "--statement", str(number))
        for number in range(2)
    ]
    assert "held       " in (said := cli("add", "log", *names))
    assert "0 added, 0 there before, 0 refused, 2 held" in said
    answers = cli("add", "log", *names, "--json")
    assert [each["held"] for each in answers] == [True, True]
    (waiting,) = cli("held", "list", "log", "--json")
    ids = [each["event_id"] for each in waiting["held"]]
    assert ids == [json.loads(Path(name).read_text())["event_id"] for name in names]
    assert "2 events wait" in cli("held", "list", "log")
    (accepted,) = cli("held", "accept", "log", ids[0], "--reason", "known", "--json")
    assert accepted == {"event_id": ids[0], "index": 5}
    assert ids[1] in cli("held", "refuse", "log", ids[1])
    assert "waits to be accepted" in cli("held", "accept", "log", ids[1], code=1)
    assert "0 events wait" in cli("held", "list", "log")
    answers = cli("add", "log", *names, "--json", code=1)
    assert answers[0]["duplicate"] and "was refused" in answers[1]["error"]["detail"]
    assert "6 entries" not in cli("keys", "check", "log", "--key", vkey)
    (checked,) = cli("keys", "check", "log", "--key", vkey, "--json")
    assert (checked["size"], checked["decisions"]) == (7, 2)
    assert fingerprint in [row["fingerprint"] for row in checked["keys"]]


def test_rotation_and_compromise_on_the_command_line(cli: Cli, vkey: str) -> None:
    public, old = alices(cli)
    cli("keys", "allow", "log", public, "--signer-id", "alice.example")
    cli("keys", "generate", "next.key", "--name", "alice-2")
    _, new = alices(cli, "next.key")
    Path("draft.json").write_text(cli("event", "key_rotated", "alice.key", "next.key"))
    as_alice = ("--signer-id", "alice.example")
    Path("rotated.json").write_text(cli("sign", "draft.json", "--key", "alice.key", *as_alice))
    assert "1 added" in cli("add", "log", "rotated.json")
    Path("draft.json").write_text(cli("event", "correction", NUMBER, "a word is wrong"))
    for key, code, said in [("alice.key", 1, "has rotated to key"), ("next.key", 0, "1 added")]:
        Path("event.json").write_text(cli("sign", "draft.json", "--key", key, *as_alice))
        assert said in cli("add", "log", "event.json", code=code)
    listed = cli("keys", "list", "log")
    assert f"to {new}" in listed and f"from {old}" in listed
    (row,) = cli("keys", "compromised", "log", new, "--since", "4", "--reason", "lost", "--json")
    assert (row["compromised_since"], row["ended_index"]) == (4, 6)
    assert "make another key" in cli("keys", "allow", "log", public_of(cli, "next.key"), code=1)
    assert "is the log's own" in cli("keys", "revoke", "log", own_of(cli, vkey), code=1)
    cli("keys", "check", "log", "--key", vkey)
    found = cli("export", "log", "out", "--json")[0]
    assert found["size"] == 7
    bundle: dict[str, Any] = json.loads(
        Path("out/pith/HAMJZSQVKL4VHWOAINCHUE26II/bundle.json").read_bytes()
    )
    reasons = [each["reason"] for each in bundle["state"]["invalid_events"]]
    assert reasons == ["key-compromised"]


def public_of(cli: Cli, name: str) -> str:
    return alices(cli, name)[0]


def own_of(cli: Cli, vkey: str) -> str:
    return str(cli("keys", "show", "log", "--json")[0]["fingerprint"])


def test_the_real_state_comes_out_of_a_mirror_byte_for_byte(cli: Cli, vkey: str) -> None:
    cli("init", "mirror", "--origin", "mirror.example/log")
    cli("mirror", "add", "mirror", "pith", "paper.bundle.json", "--key", "pith.science")
    cli("export", "mirror", "out")
    state = Path("out/pith/HAMJZSQVKL4VHWOAINCHUE26II/state.json").read_bytes()
    real = json.loads(Path("paper.bundle.json").read_bytes())["state"]
    assert state == canonical(real)
    assert json.loads(state)["state_sha256"] == real["state_sha256"]
    size = cli("fsck", "mirror", "--json")[0]["size"]
    assert "nothing" not in cli("mirror", "pull", "mirror")
    assert cli("fsck", "mirror", "--json")[0]["size"] == size  # it was stated once
