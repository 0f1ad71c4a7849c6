"""Given texts are kept by leaf, and found one by one, many at once, and in order."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from translog.store import database, titles
from translog.store.titles import GivenTexts


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(database.create(tmp_path / "log.db")) as opened:
        yield opened


def test_texts_come_back_as_they_were_spelled(db: sqlite3.Connection) -> None:
    given = [
        GivenTexts(3, "A  Título\nof two lines", None),
        GivenTexts(5, None, "<script>"),
        GivenTexts(9, "A title", "An abstract"),
    ]
    with database.transaction(db):
        titles.write_texts(db, given)
    assert titles.read_texts(db, [9, 4, 3, 5]) == {each.leaf_index: each for each in given}
    assert titles.read_range(db, 3, 9) == given[:2]
    assert titles.read_range(db, 0, 3) == titles.read_range(db, 10, 20) == []


def test_texts_given_again_replace_those_before(db: sqlite3.Connection) -> None:
    with database.transaction(db):
        titles.write_texts(db, [GivenTexts(1, "one", None), GivenTexts(2, "two", None)])
        titles.write_texts(db, [GivenTexts(1, "One", "More")])
    assert titles.read_range(db, 0, 9) == [
        GivenTexts(1, "One", "More"),
        GivenTexts(2, "two", None),
    ]


def test_any_number_of_texts_is_read_at_once(db: sqlite3.Connection) -> None:
    given = [GivenTexts(index, str(index), None) for index in range(0, 1200, 2)]
    with database.transaction(db):
        titles.write_texts(db, given)
    for count in (0, 1, 255, 256, 257, 600):
        wanted = [each.leaf_index for each in given[:count]]
        assert list(titles.read_texts(db, wanted)) == wanted
