"""One place for each entry, for ever; and the tree of RFC 9162, whatever the batches were."""

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.reference import mth
from tests.simulators.events import signed_again
from tests.simulators.logs import NOW, made_up, new_log, raw, sequencing, writing
from tests.simulators.published import small_event
from translog.errors import (
    MalformedError,
    TranslogError,
    UnavailableError,
    VerificationError,
)
from translog.formats.canonical import canonical
from translog.formats.merkle import leaf_hash
from translog.formats.tiles import FULL, HEIGHT, Tile, tiles_for
from translog.log import directory, reader
from translog.log.directory import LogDirectory
from translog.log.intake import Admitted
from translog.log.sequencer import Placed
from translog.store import log as store

EVENTS = [made_up(number) for number in range(620)]
ENTRIES = tuple(event.entry for event in EVENTS)


@pytest.fixture
def log(tmp_path: Path) -> LogDirectory:
    return directory.create(tmp_path, "example.com/log", NOW)


def check_stored(log: LogDirectory, entries: Sequence[bytes]) -> None:
    """Compare everything that is stored with the RFC's definition."""
    size = len(entries)
    with closing(directory.open_reader(log)) as db:
        assert store.read_head(db) == (size, mth(tuple(entries)))
        assert store.read_entries(db, 0, size + 1) == list(entries)
        for tile in tiles_for(0, size):
            want = [
                mth(tuple(entries[at << HEIGHT * tile.level : (at + 1) << HEIGHT * tile.level]))
                for at in range(tile.index * FULL, tile.index * FULL + tile.width)
            ]
            assert store.read_tile(db, tile.level, tile.index) == b"".join(want), tile


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_the_root_is_the_rfcs_at_every_size_and_whatever_the_batches(
    log: LogDirectory, seed: int | None
) -> None:
    random_ = random.Random(seed)
    with sequencing(log) as sequencer:
        while (size := sequencer.head.size) < len(EVENTS):
            count = 1 if seed is None else random_.choice([1, 2, 3, 7, 64, 100, 257])
            placed = sequencer.append(EVENTS[size : size + count])
            assert placed == [
                Placed(index, event.content_sha256, leaf_hash(event.entry), False)
                for index, event in enumerate(EVENTS[size : size + count], start=size)
            ]
            assert sequencer.head == (size + len(placed), mth(ENTRIES[: size + len(placed)]))
    check_stored(log, ENTRIES)


@pytest.mark.parametrize(
    "size", [*range(5), *range(62, 67), *range(127, 130), *range(254, 259), *range(510, 515)]
)
def test_a_log_that_is_opened_again_goes_on_where_it_was(log: LogDirectory, size: int) -> None:
    with sequencing(log) as sequencer:
        sequencer.append(EVENTS[:size])
    for count in (0, 1, 63, 2):
        with sequencing(log) as sequencer:
            assert sequencer.head == (size, mth(ENTRIES[:size]))
            sequencer.append(EVENTS[size : size + count])
            size += count
    check_stored(log, ENTRIES[:size])


def test_an_empty_batch_is_nothing(log: LogDirectory) -> None:
    with sequencing(log) as sequencer:
        assert sequencer.append([]) == []
        assert sequencer.head.size == 0


def test_an_event_keeps_its_first_place(log: LogDirectory) -> None:
    a, b, c = EVENTS[:3]
    with sequencing(log) as sequencer:
        first = sequencer.append([a, b, a, b, a])
        assert [(each.index, each.duplicate) for each in first] == [
            *[(0, False), (1, False), (0, True), (1, True), (0, True)]
        ]
        again = sequencer.append([b, c, a, c])
        assert [(each.index, each.duplicate) for each in again] == [
            *[(1, True), (2, False), (0, True), (2, True)]
        ]
        assert again[0] == first[1]._replace(duplicate=True)
        assert sequencer.append([c, b, a]) == [
            again[1]._replace(duplicate=True),
            again[0],
            again[2],
        ]
    check_stored(log, [a.entry, b.entry, c.entry])


@pytest.mark.parametrize(("new_rows", "mid_parts"), [(2, 2), (4, 8), (30, 2), (30, 32)])
def test_an_event_is_known_at_every_age(
    log: LogDirectory, monkeypatch: pytest.MonkeyPatch, new_rows: int, mid_parts: int
) -> None:
    monkeypatch.setattr(store, "NEW_ROWS", new_rows)
    monkeypatch.setattr(store, "MID_PARTS", mid_parts)
    size = 0
    for count in (1, 7, 30, 31, 11):
        with sequencing(log) as sequencer:  # and whether it was opened again or not
            sequencer.append(EVENTS[size : size + count])
            size += count
            for again in (EVENTS[:size], EVENTS[size - 1 : size], EVENTS[0:1]):
                assert [(e.index, e.duplicate) for e in sequencer.append(again)] == [
                    (EVENTS.index(event), True) for event in again
                ]
            assert sequencer.head == (size, mth(ENTRIES[:size]))
    with closing(directory.open_reader(log)) as db:
        rows = sorted(store.read_lookups(db))
        for age in ("mid", "old"):
            assert db.execute(f"SELECT count(*) FROM lookup_{age}").fetchone() > (0,)
    assert rows == sorted(
        (prefix, index)
        for index, event in enumerate(EVENTS[:size])
        for prefix in (event.prefix, event.subject_prefix)
    )


def with_prefix(prefix: int, number: int, **changes: int) -> Admitted:
    """Return an event whose hash begins with these 64 bits."""
    digest = (prefix + 2**63).to_bytes(8, "big") + made_up(number).content_sha256[8:]
    return made_up(number, content_sha256=digest, prefix=prefix, **changes)


@pytest.mark.parametrize("together", [True, False])
def test_events_whose_prefixes_collide_are_told_apart(log: LogDirectory, together: bool) -> None:
    first = EVENTS[0]
    others = [with_prefix(first.prefix, number) for number in range(1000, 1004)]
    # Subjects share the table with hashes: neither may be taken for the other.
    others += [
        made_up(2000, subject_prefix=first.prefix),
        with_prefix(first.subject_prefix, 2001, subject_prefix=first.prefix),
        made_up(2002, subject_prefix=made_up(2002).prefix),
    ]
    events = [first, *others]
    want = [(index, False) for index in range(len(events))]
    with sequencing(log) as sequencer:
        if together:
            placed = sequencer.append(events)
        else:
            placed = [each for event in events for each in sequencer.append([event])]
        assert [(each.index, each.duplicate) for each in placed] == want
        again = sequencer.append(events[::-1])
        assert again == [each._replace(duplicate=True) for each in placed[::-1]]
    check_stored(log, [event.entry for event in events])
    with closing(directory.open_reader(log)) as db:
        for index, event in enumerate(events):
            found = reader.find_event(db, len(events), event.content_sha256)
            assert found.leaf_index == index


def test_another_signature_of_the_same_content_is_another_entry(tmp_path: Path) -> None:
    event = small_event(1)
    sent = [raw(1), *(canonical(signed_again(dict(event.value), nonce)) for nonce in (5, 6))]
    log = new_log(tmp_path)
    with writing(log) as writer:
        for expected in (False, True):
            results = writer.add(sent)
            assert [(r.index, r.duplicate) for r in results if isinstance(r, Placed)] == [
                *[(0, expected), (1, expected), (2, expected)]
            ]
            assert {r.event_id for r in results if isinstance(r, Placed)} == {event.event_id}
        assert writer.head.size == 3
    with closing(directory.open_reader(log)) as db:
        # By its hash the first is found, and only what was asked for.
        assert reader.find_event(db, 3, event.content_sha256).leaf_index == 0


Failure = Callable[[pytest.MonkeyPatch], None]


def fail_in(name: str, error: BaseException) -> Failure:
    def fail(patch: pytest.MonkeyPatch) -> None:
        def failing(*_: object) -> None:
            raise error

        patch.setattr(store, name, failing)

    return fail


@pytest.mark.parametrize(
    "fail",
    [
        fail_in("find", sqlite3.OperationalError("disk I/O error")),
        fail_in("read_entries", sqlite3.DatabaseError("database disk image is malformed")),
        fail_in("append", sqlite3.OperationalError("database or disk is full")),
        fail_in("age_lookups", sqlite3.OperationalError("disk I/O error")),
        fail_in("age_lookups", MemoryError()),
        fail_in("age_lookups", OSError("gone")),
    ],
)
def test_after_a_failure_nothing_is_taken_until_the_log_is_opened_again(
    log: LogDirectory, fail: Failure
) -> None:
    with sequencing(log) as sequencer:
        sequencer.append(EVENTS[:5])
        with pytest.MonkeyPatch.context() as patch:
            fail(patch)
            with pytest.raises(UnavailableError, match="batch of 3 was not logged"):
                sequencer.append(EVENTS[4:7])
        assert isinstance(sequencer.stopped, TranslogError)
        for batch in ([], EVENTS[:1], EVENTS[4:7]):
            with pytest.raises(UnavailableError, match="log takes no more events: "):
                sequencer.append(batch)
        assert sequencer.head == (5, mth(ENTRIES[:5]))
    check_stored(log, ENTRIES[:5])
    with sequencing(log) as sequencer:
        assert sequencer.stopped is None
        sequencer.append(EVENTS[4:7])
    check_stored(log, ENTRIES[:7])


def test_a_log_that_somebody_else_wrote_to_is_left_alone(log: LogDirectory) -> None:
    with sequencing(log) as sequencer:
        sequencer.append(EVENTS[:3])
        with closing(sqlite3.connect(log.database, isolation_level=None)) as intruder:
            intruder.execute("UPDATE head SET size = 2, root = ?", (mth(ENTRIES[:2]),))
            with pytest.raises(UnavailableError, match=r"log is at size 2, want 3: another proc"):
                sequencer.append(EVENTS[3:4])
            rows = intruder.execute("SELECT count(*) FROM leaf").fetchone()
    assert rows == (3,)


FLIPPED = "CAST(? || substr(hashes, 2) AS BLOB)"


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        # 300 = 256 + 32 + 8 + 4: the row of each of these is read.
        (f"UPDATE tile SET hashes = {FLIPPED} WHERE row_id = 1 << 56", (b"x",)),
        (f"UPDATE tile SET hashes = {FLIPPED} WHERE row_id = 4", (b"x",)),
        ("UPDATE head SET root = ?", (bytes(32),)),
        ("UPDATE head SET size = 299", ()),
    ],
)
def test_a_hash_that_was_changed_is_found_when_the_log_is_opened(
    log: LogDirectory, statement: str, values: tuple[bytes, ...]
) -> None:
    with sequencing(log) as sequencer:
        sequencer.append(EVENTS[:300])
    with closing(sqlite3.connect(log.database, isolation_level=None)) as db:
        assert db.execute(statement, values).rowcount == 1
    with (
        pytest.raises(VerificationError, match="a hash was changed on disk; `translog fsck` finds"),
        sequencing(log),
    ):
        pass


def test_a_head_larger_than_the_tiles_is_found_when_the_log_is_opened(log: LogDirectory) -> None:
    with sequencing(log) as sequencer:
        sequencer.append(EVENTS[:300])
    with closing(sqlite3.connect(log.database, isolation_level=None)) as db:
        db.execute("UPDATE head SET size = 301")
    with (
        pytest.raises(MalformedError, match="is stored with 1408 bytes, want 1440"),
        sequencing(log),
    ):
        pass


def test_tiles_of_every_width_are_what_the_tree_had_then(log: LogDirectory) -> None:
    with sequencing(log) as sequencer:
        sequencer.append(EVENTS)
    with closing(directory.open_reader(log)) as db:
        for size in range(len(EVENTS) + 1):
            for tile in tiles_for(0, size):
                leaves = 1 << HEIGHT * tile.level
                last = tile.index * FULL + tile.width - 1
                assert reader.tile(db, size, tile)[-32:] == mth(
                    ENTRIES[last * leaves : (last + 1) * leaves]
                )
        assert reader.tile(db, 620, Tile(0, 1, FULL)) == b"".join(map(leaf_hash, ENTRIES[256:512]))
