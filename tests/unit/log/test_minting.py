"""Works are minted once, by a key that the log allows, and what they are called is kept."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import KEY, KEY_ID, SIGNER_ID
from tests.simulators.logs import new_log, writing
from tests.unit.pith.test_metadata import REAL_METADATA, REAL_TITLE
from translog.errors import HashError
from translog.log import directory, minting
from translog.log.directory import LogDirectory
from translog.log.minting import Minter, Named
from translog.log.sequencer import Placed
from translog.log.writer import Writer
from translog.pith import event as events
from translog.pith.metadata import Work, read_json
from translog.pith.receipt import verify_receipt
from translog.store import database, titles
from translog.store.titles import GivenTexts

NOW = "2026-06-01T12:00:00.000001Z"
MINTER = Minter(KEY, signer_id=SIGNER_ID, key_id=KEY_ID, builder="translog-test", now=lambda: NOW)


def work(number: int = 0, **changes: Any) -> Work:
    source = {"kind": "arxiv", "id": f"2606.{number:05}", "version": 1}
    value = {**REAL_METADATA, "source": source, "abstract": f"About {number}."}
    value.pop("abstract_canon_sha256")
    return read_json(json.dumps({**value, **changes}).encode())


def add(writer: Writer, *named: Named) -> list[int]:
    results = writer.add([event for each in named for event in MINTER.mint(each)])
    return [result.index for result in results if isinstance(result, Placed)]


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return new_log(tmp_path / "log")


@pytest.fixture
def writer(log: LogDirectory) -> Iterator[Writer]:
    with writing(log) as opened:
        yield opened


def test_the_real_metadata_get_the_real_number() -> None:
    named = minting.name(read_json(json.dumps(REAL_METADATA).encode()))
    assert named.number == "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II"
    assert named.digest.hex() == "38189cca1552f953d9c043447a135e420636aa9e5d0a13a0ca99322e4750d280"


def test_what_is_minted_is_what_any_reader_accepts() -> None:
    named = minting.name(work())
    (raw,) = MINTER.mint(named)
    made = events.parse(raw)
    events.verify(made, KEY.public_key)
    events.check_subject(made)
    payload = made.value["payload"]
    verify_receipt(payload["receipt"], named.work.record, KEY.public_key)
    assert made.subject == named.number
    assert made.created_at == "2026-06-01T12:00:00Z" and made.signed_at == NOW
    assert payload["receipt"]["builder_version"] == "translog-test"
    assert made.signer.signer_type == "pith_registry"


def test_a_snapshot_that_stands_with_the_metadata_is_minted_too(writer: Writer) -> None:
    graph = {"claims": {"items": [{"claim_id": "C1", "score": 0.5}]}}
    named = minting.name(work(graph_snapshot=graph))
    created, snapshot = (events.parse(raw) for raw in MINTER.mint(named))
    assert (created.event_type, snapshot.event_type) == ("record_created", "graph_snapshot")
    assert snapshot.value["target"] == "graph"
    events.check_subject(snapshot)
    assert add(writer, named) == [0, 1]
    wrong = {"claims": {"items": [1], "snapshot_sha256": "0" * 64}}
    (_, raw) = MINTER.mint(minting.name(work(1, graph_snapshot=wrong)))
    with pytest.raises(HashError):
        events.check_subject(events.parse(raw))


def test_records_that_are_there_are_found(log: LogDirectory, writer: Writer) -> None:
    named = [minting.name(work(number)) for number in range(600)]
    add(writer, *named[:300])
    add(writer, named[7])  # made again: it contradicts nothing, being the same event
    with closing(directory.open_reader(log)) as db:
        found = minting.find_records(db, [each.number for each in named])
        assert found == {each.number: index for index, each in enumerate(named[:300])}
        assert minting.find_records(db, []) == {}


def test_texts_are_kept_as_they_were_first_spelled(log: LogDirectory) -> None:
    given = work()
    louder = work(title=REAL_TITLE.upper())
    hashed = read_json(json.dumps(REAL_METADATA).encode())._replace(title=None)
    with closing(database.open_editor(log.database)) as db:
        assert minting.keep_texts(db, [(3, given), (5, hashed)]) == 1
        assert minting.keep_texts(db, [(3, louder), (9, louder)]) == 1
        assert titles.read_range(db, 0, 10) == [
            GivenTexts(3, REAL_TITLE, "About 0."),
            GivenTexts(9, REAL_TITLE.upper(), "About 0."),
        ]
