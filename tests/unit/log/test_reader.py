"""What a log serves is what the tree's own code makes of its entries, and nothing past the size."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.reference import path as reference_path
from tests.reference import subproof
from tests.simulators.events import KEY, PITH_KEY
from tests.simulators.logs import new_log, raw, writing
from tests.simulators.published import (
    PublishedLog,
    attestation_event,
    small_event,
    small_events,
)
from translog.errors import MalformedError, MissingError
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.formats.proof import TlogProof, verify_proof
from translog.formats.published import CHECKPOINT, EVENTS, KEYS
from translog.formats.tiles import ENTRIES, FULL, Tile, parse_bundle_path
from translog.log import directory, reader
from translog.log.directory import LogDirectory

SIZE = 600
SIZES = [0, 1, 2, 63, 64, 65, 255, 256, 257, 300, 512, 600]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> LogDirectory:
    made = new_log(tmp_path_factory.mktemp("log"))
    with writing(made) as writer:
        writer.add([raw(number) for number in range(SIZE)])
    return made


@pytest.fixture(scope="module")
def published() -> PublishedLog:
    return PublishedLog(small_events(SIZE))


@pytest.fixture
def db(log: LogDirectory) -> Iterator[sqlite3.Connection]:
    with closing(directory.open_reader(log)) as opened:
        yield opened


def serve(db: sqlite3.Connection, size: int, path: str) -> bytes:
    if path.startswith(ENTRIES):
        return reader.entry_bundle(db, size, *parse_bundle_path(ENTRIES, path))
    if path.startswith(EVENTS):
        return reader.event_bundle(db, size, *parse_bundle_path(EVENTS, path))
    return reader.tile(db, size, Tile.parse(path))


@pytest.mark.parametrize("size", SIZES)
def test_every_file_of_every_size_is_served(
    db: sqlite3.Connection, published: PublishedLog, size: int
) -> None:
    published.files.clear()
    for at in (*range(0, size, 100), size):  # every size it had before stays servable
        published.publish(at)
    published.withhold(CHECKPOINT)
    published.withhold(KEYS)
    for path, content in published.files.items():
        if path.startswith("event/"):
            digest = bytes.fromhex(path.removeprefix("event/"))
            leaf = reader.find_event(db, size, digest)
            assert reader.unpack(leaf.body, limit=1 << 20) == content
        else:
            assert serve(db, size, path) == content, path


@pytest.mark.parametrize("what", [ENTRIES, EVENTS, "tile/0"])
def test_every_width_is_served_up_to_the_size_and_none_past_it(
    db: sqlite3.Connection, published: PublishedLog, what: str
) -> None:
    parts = {
        ENTRIES: [b"\0\x81" + entry for entry in published.entries],
        EVENTS: [content + b"\n" for content in published.contents],
        "tile/0": [published.hashes[0, index] for index in range(SIZE)],  # type: ignore[index]
    }[what]
    for size in (300, 512):
        for index in range(3):
            for width in range(1, FULL + 1):
                start = index * FULL
                tile = Tile(0, index, width)
                name = tile.path.replace("tile/0", what)
                if start + width <= size:
                    assert serve(db, size, name) == b"".join(parts[start : start + width])
                else:
                    with pytest.raises(MissingError, match=r"is not in the (log|tree) of"):
                        serve(db, size, name)


@pytest.mark.parametrize(
    "tile",
    [
        *[Tile(0, 2, 89), Tile(0, 3, 1), Tile(0, 2**54, 1), Tile(0, 2**63 - 1, 1)],
        *[Tile(1, 0, 3), Tile(1, 0, FULL), Tile(1, 1, 1), Tile(2, 0, 1), Tile(7, 0, 1)],
        *[Tile(8, 0, 1), Tile(63, 0, 1), Tile(63, 2**62, FULL)],
    ],
)
def test_a_tile_that_the_tree_has_not_is_missing(db: sqlite3.Connection, tile: Tile) -> None:
    with pytest.raises(MissingError):
        reader.tile(db, SIZE, tile)


def test_what_is_past_the_size_is_not_shown_though_it_is_stored(db: sqlite3.Connection) -> None:
    last = small_event(299)
    assert reader.find_event(db, 300, last.content_sha256).leaf_index == 299
    with pytest.raises(MissingError, match=f"{last.event_id} is not in the log of 299 events"):
        reader.find_event(db, 299, last.content_sha256)
    with pytest.raises(MissingError, match="leaf 299 is not in the tree of 299 leaves"):
        reader.inclusion(db, 299, 299)


def test_what_is_about_a_record_is_found_in_order_up_to_the_size(tmp_path: Path) -> None:
    events = [small_event(0), *(attestation_event(number) for number in range(299))]
    made = new_log(tmp_path / "log")
    with writing(made) as writer:
        writer.add([canonical(event.value) for event in events])
    suffix = events[0].subject[10:]
    with closing(directory.open_reader(made)) as db:
        found = list(reader.find_subject(db, 299, suffix, 1000))
        assert [leaf.leaf_index for leaf in found] == list(range(299))
        # The limit cuts what is shown, not what is there.
        limited = list(reader.find_subject(db, 299, suffix, 5))
        assert [leaf.leaf_index for leaf in limited] == list(range(5))


def test_proofs_are_those_of_the_rfc(db: sqlite3.Connection, published: PublishedLog) -> None:
    for size in (1, 2, 7, 64, 65, 256, 300, 600):
        entries = tuple(published.entries[:size])
        for index in {0, 1, size // 2, size - 1} & set(range(size)):
            assert reader.inclusion(db, index, size) == reference_path(index, entries)
        for old_size in {1, 2, size // 2, size - 1, size} & set(range(1, size + 1)):
            assert reader.consistency(db, old_size, size) == subproof(old_size, entries)


@pytest.mark.parametrize(("old_size", "size"), [(0, 5), (6, 5), (-1, 5)])
def test_a_consistency_proof_that_there_cannot_be_is_missing(
    db: sqlite3.Connection, old_size: int, size: int
) -> None:
    with pytest.raises(MissingError, match="want 0 < old size <= size"):
        reader.consistency(db, old_size, size)


def test_a_proof_of_a_leaf_is_verified_by_a_stranger(
    log: LogDirectory, db: sqlite3.Connection
) -> None:
    note = reader.checkpoint_note(db)
    for index in (0, 255, 256, 599):
        proof = TlogProof.parse(reader.prove(db, index, note).encode())
        entry = reader.log.read_entries(db, index, 1)[0]
        verify_proof(proof, entry, log.verifier)
        assert proof.index == index


def test_the_keys_are_those_that_entries_name(db: sqlite3.Connection) -> None:
    assert PITH_KEY.to_json() in reader.public_keys(db)
    assert len(reader.public_keys(db)) == 2  # and the log's own
    entry = Entry.parse(reader.log.read_entries(db, 0, 1)[0])
    row = reader.signer_of(db, entry)
    assert row is not None
    assert row.key.public_key == KEY.public_key
    other = Entry(content_sha256=bytes(32), key_sha256=key_sha256(bytes(32)), signature=bytes(64))
    assert reader.signer_of(db, other) is None


def test_rows_that_are_missing_are_damage_and_not_an_answer(tmp_path: Path) -> None:
    made = new_log(tmp_path)
    with writing(made) as writer:
        writer.add([raw(number) for number in range(5)])
    with closing(sqlite3.connect(made.database, isolation_level=None)) as db:
        db.execute("DELETE FROM leaf WHERE leaf_index = 3")
        db.execute("UPDATE tile SET hashes = substr(hashes, 1, 96)")
    with closing(directory.open_reader(made)) as db:
        for ask in (reader.entry_bundle, reader.event_bundle):
            assert ask(db, 5, 0, 3)
            with pytest.raises(MalformedError, match="leaves 0 to 5 are stored as 4 rows only"):
                ask(db, 5, 0, 5)
        with pytest.raises(MalformedError, match="is stored with 96 bytes, want 160"):
            reader.tile(db, 5, Tile(0, 0, 5))
        with pytest.raises(MalformedError, match="is stored with 96 bytes"):
            reader.root_at(db, 5)
