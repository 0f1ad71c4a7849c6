"""What the log holds about a record, as bundles that anyone can check and nobody can hide."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import (
    KEY,
    PITH_KEY,
    SIGNED_AT,
    created,
    real_bundle,
    real_events,
    record,
    signed_again,
    signer,
    snapshot,
)
from tests.simulators.logs import NOW, new_log, sequencing, writing
from tests.simulators.payloads import PAYLOADS, anchored
from translog.errors import MalformedError, MissingError, TooLargeError, UnknownKeyError
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.log import bundler, directory, lookup, statements
from translog.log.directory import LogDirectory
from translog.log.intake import Admitted
from translog.log.sequencer import Placed
from translog.pith import bundle as bundles
from translog.pith import event as events
from translog.pith.key import PINNED
from translog.pith.record import pith_number
from translog.store import database
from translog.store.bodies import Packer
from translog.testing import permitted

REAL = json.loads(real_bundle())
SUFFIX = "HAMJZSQVKL4VHWOAINCHUE26II"
PITH = PINNED["pith.science"]
URL = "https://log.example"


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    made = new_log(tmp_path)
    with closing(database.open_editor(made.database)) as db:
        name = real_events()[0]["signer"]["signer_id"]
        permitted.allow(db, PITH, signer_id=name, now=NOW)
    return made


def add(log: LogDirectory, *values: dict[str, Any]) -> None:
    with writing(log) as writer:
        assert all(isinstance(each, Placed) for each in writer.add(list(map(canonical, values))))


def unchecked(value: dict[str, Any]) -> Admitted:
    """Return an event as if it had been admitted."""
    event = events.from_value(value)
    entry = Entry(
        content_sha256=event.content_sha256,
        key_sha256=key_sha256(KEY.public_key),
        signature=event.signature,
    )
    return Admitted(
        content_sha256=event.content_sha256,
        entry=entry.encode(),
        signed_at=0,
        body=Packer().pack(event.content),
        prefix=lookup.of_hash(event.content_sha256),
        subject_prefix=lookup.of_subject(event.subject),
    )


def payload_of(event_type: str, number: int, filler: str) -> dict[str, Any]:
    if event_type == "record_created":
        return {}
    if event_type == "graph_snapshot":
        return {"graph_snapshot": {"number": number, "filler": filler}, "verdict_id": None}
    return PAYLOADS[event_type](number)


def about(subject: str, event_type: str, number: int = 0, filler: str = "") -> dict[str, Any]:
    draft = {
        "schema_version": "1.0",
        "event_type": event_type,
        "subject_pith_number": subject,
        "target": "record",
        "payload": payload_of(event_type, number, filler),
        "signer": signer(),
        "created_at": "2026-06-02T00:00:00Z",
        "supersedes": [],
        "prev_event": None,
    }
    return events.sign(draft, KEY, SIGNED_AT)


@pytest.fixture
def made(log: LogDirectory) -> Iterator["Made"]:
    with closing(directory.open_reader(log)) as db:
        yield Made(log, db)


class Made:
    """Asks for bundles of a log."""

    def __init__(self, log: LogDirectory, db: sqlite3.Connection) -> None:
        self.log = log
        self.db = db

    def bundle(self, suffix: str, size: int | None = None) -> dict[str, Any]:
        at = bundler.reader.published(self.db).size if size is None else size
        return bundler.bundle(self.db, at, suffix, self.log.read_signer(), URL)


def test_the_real_events_come_back_in_a_bundle_of_our_own(log: LogDirectory, made: Made) -> None:
    add(log, *real_events())
    bundle = made.bundle(SUFFIX)
    own = log.verifier.public_key
    bundles.open_bundle(canonical(bundle), [PITH.public_key, own])
    for too_few in ([own], [PITH.public_key], []):
        with pytest.raises(UnknownKeyError):
            bundles.open_bundle(canonical(bundle), too_few)
    assert {canonical(event) for event in bundle["events"]} == {
        canonical(event) for event in REAL["events"]
    }
    for name in ("pith_number", "canonical_record", "canonical_sha256", "source"):
        assert bundle[name] == REAL[name]
    assert (
        bundle["state"]["current"]["record_created"] == (REAL["state"]["current"]["record_created"])
    )
    assert bundle["state"]["applied_event_ids"] == REAL["state"]["applied_event_ids"]
    assert bundle["built_at"] == "2026-05-28T20:26:40Z"  # NOW, when the head was signed
    assert bundle["links"]["bundle"] == f"{URL}/pith/{SUFFIX}/bundle.json"
    assert [key["public_key_hex"] for key in bundle["public_keys"]] == [
        PITH.public_key.hex(),
        own.hex(),
    ]


def test_a_bundle_is_the_same_for_all_who_ask_under_one_checkpoint(
    log: LogDirectory, made: Made
) -> None:
    add(log, created(1))
    suffix = pith_number(record(1))[10:]
    first = made.bundle(suffix)
    assert [event["event_type"] for event in first["events"]] == ["record_created"]
    add(log, snapshot(1), created(2))
    second = made.bundle(suffix)
    assert [event["event_type"] for event in second["events"]] == [
        "record_created",
        "graph_snapshot",
    ]
    assert made.bundle(suffix, 1) == first
    assert made.bundle(suffix) == made.bundle(suffix[:8]) == second
    with pytest.raises(MissingError, match="is not in this log"):
        made.bundle(suffix, 0)
    with pytest.raises(MalformedError, match="size 2 is not stored"):  # no head had that size
        made.bundle(suffix, 2)


def test_an_event_signed_twice_is_in_the_bundle_once(log: LogDirectory, made: Made) -> None:
    event = created(1)
    add(log, event, signed_again(event, 7))
    bundle = made.bundle(pith_number(record(1))[10:])
    assert len(bundle["events"]) == 1
    bundles.open_bundle(canonical(bundle), [KEY.public_key, log.verifier.public_key])


@pytest.mark.parametrize("chars", [8, 12, 16, 26])
def test_a_record_is_found_by_every_form_of_its_number(
    log: LogDirectory, made: Made, chars: int
) -> None:
    add(log, *real_events(), *map(created, range(20)))
    assert made.bundle(SUFFIX[:chars])["pith_number"] == f"pith:2024:{SUFFIX}"
    for wrong in (SUFFIX[: chars - 1] + "B", "B" * chars):
        with pytest.raises(MissingError, match="is not in this log"):
            made.bundle(wrong)


@pytest.mark.parametrize("chars", [0, 1, 7, 9, 11, 13, 15, 17, 25, 27, 52])
def test_other_lengths_are_refused_before_anything_is_read(
    log: LogDirectory, made: Made, chars: int
) -> None:
    add(log, *real_events())
    with pytest.raises(
        MalformedError, match=f"has {chars} characters, want 26, or the first 8, 12"
    ):
        made.bundle((SUFFIX * 2)[:chars])


def test_letters_that_are_not_base32_are_refused(log: LogDirectory, made: Made) -> None:
    add(log, *real_events())
    with pytest.raises(MalformedError, match="is not base32 in capitals"):
        made.bundle(SUFFIX[:8].lower())


def test_a_short_form_that_two_records_have_is_refused(log: LogDirectory, made: Made) -> None:
    other = SUFFIX[:12] + "A" * 14
    with sequencing(log) as sequencer:
        for suffix in (SUFFIX, other):
            event = about(f"pith:2024:{suffix}", "record_created")
            sequencer.append([unchecked(event)])
    add(log, *real_events())
    for chars in (8, 12):
        wanted = f"could be pith:2024:{other} or pith:2024:{SUFFIX}: give the whole"
        with pytest.raises(MissingError, match=wanted):
            made.bundle(SUFFIX[:chars])
    for chars in (16, 26):
        assert made.bundle(SUFFIX[:chars])["pith_number"] == f"pith:2024:{SUFFIX}"


def test_nobody_can_hide_a_record_by_writing_about_another(log: LogDirectory, made: Made) -> None:
    # None of these is admitted any more; a log of an earlier version may hold them.
    with sequencing(log) as sequencer:
        sequencer.append(
            [
                unchecked(about(f"pith:1999:{SUFFIX}", "storage_attestation")),
                unchecked(about(f"pith:2024:{SUFFIX[:25]}A", "storage_attestation")),
                unchecked(about(f"pith:2024:{SUFFIX[:8]}{'A' * 18}", "correction")),
            ]
        )
    add(log)
    with pytest.raises(MissingError, match="is not in this log"):
        made.bundle(SUFFIX)
    add(log, *real_events())
    for chars in (8, 12, 16, 26):
        bundle = made.bundle(SUFFIX[:chars])
        assert {event["subject_pith_number"] for event in bundle["events"]} == {
            f"pith:2024:{SUFFIX}"
        }
        assert {event["event_type"] for event in bundle["events"]} >= {"record_created"}
        bundles.parse(canonical(bundle))
        keys = {key["public_key_hex"] for key in bundle["public_keys"]}
        assert keys >= {PITH.public_key.hex(), log.verifier.public_key.hex()}


def test_a_subject_whose_prefix_collides_is_told_apart(log: LogDirectory, made: Made) -> None:
    add(log, *real_events())
    stranger = unchecked(created(1))._replace(
        subject_prefix=lookup.of_subject(f"pith:2024:{SUFFIX}")
    )
    with sequencing(log) as sequencer:
        sequencer.append([stranger])
    add(log, created(2))
    assert len(made.bundle(SUFFIX)["events"]) == 2


def test_a_record_of_too_many_events_is_refused(
    log: LogDirectory, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, *real_events())
    monkeypatch.setattr(bundler, "MAX_EVENTS", 2)
    assert len(made.bundle(SUFFIX)["events"]) == 2
    monkeypatch.setattr(bundler, "MAX_EVENTS", 1)
    with pytest.raises(TooLargeError, match=f"record {SUFFIX} has more than 1 events"):
        made.bundle(SUFFIX)


def test_a_record_of_too_many_bytes_is_refused_before_they_are_all_unpacked(
    log: LogDirectory, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = pith_number(record(1))
    filled = [about(number, "graph_snapshot", n, "x" * 10_000) for n in range(20)]
    add(log, created(1), *filled)
    monkeypatch.setattr(bundler, "MAX_BUNDLE_BYTES", 50_000)
    unpacked = []
    real = bundler.unpack

    def counted(body: bytes, *, limit: int) -> bytes:
        unpacked.append(body)
        return real(body, limit=limit)

    monkeypatch.setattr(bundler, "unpack", counted)
    with pytest.raises(TooLargeError, match="or 50000 bytes"):
        made.bundle(number[10:])
    assert len(unpacked) == 6


def test_a_log_that_signs_events_itself_is_listed_once(log: LogDirectory, made: Made) -> None:
    key = log.read_signer().key
    number = pith_number(record(1))
    add(log, created(1))
    with writing(log) as writer:
        stated = statements.make(
            log.read_signer(),
            event_type="timestamp_anchor",
            subject=number,
            target="record",
            payload=anchored(),
            created_at=NOW,
        )
        statements.append(writer, [stated])
    bundle = made.bundle(number[10:])
    keys = [KEY.public_key.hex(), key.public_key.hex()]
    assert [listed["public_key_hex"] for listed in bundle["public_keys"]] == keys
    assert len(bundle["state"]["current"]["timestamp_anchors"]) == 1
    bundles.open_bundle(canonical(bundle), [KEY.public_key, key.public_key])


def test_keys_that_signed_nothing_here_are_not_listed(log: LogDirectory, made: Made) -> None:
    add(log, *real_events(), created(1))
    keys = [key["public_key_hex"] for key in made.bundle(SUFFIX)["public_keys"]]
    assert PITH_KEY.public_key.hex() not in keys
    number = pith_number(record(1))
    keys = [key["public_key_hex"] for key in made.bundle(number[10:])["public_keys"]]
    assert keys == [KEY.public_key.hex(), log.verifier.public_key.hex()]
    with closing(database.open_editor(log.database)) as db:
        permitted.revoke(db, PITH.fingerprint, now=NOW)
    assert PITH.public_key.hex() in str(made.bundle(SUFFIX)["public_keys"])
