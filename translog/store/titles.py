"""Rows of given texts: titles and abstracts, of which a canonical record holds only the hashes.

Nothing signs them. Trusted: nobody; who can write here can at most make a page show nothing, since
whoever shows a text first compares its hash with the record's (`pith/titles`).
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SEEK = 256  # rows a statement, so that SQLite prepares it once


class GivenTexts(NamedTuple):
    """What a record's metadata called the work, as it was spelled there.

    Attributes:
        leaf_index: of the event that creates the record.
        title: None where only its hash was given.
        abstract: the same.
    """

    leaf_index: int
    title: str | None
    abstract: str | None


def write_texts(db: sqlite3.Connection, texts: Iterable[GivenTexts]) -> None:
    """Keep texts, in a transaction. What is there for a leaf already is replaced."""
    db.executemany("INSERT OR REPLACE INTO given_text VALUES (?, ?, ?)", texts)


def read_texts(db: sqlite3.Connection, leaf_indices: Sequence[int]) -> dict[int, GivenTexts]:
    """Return the texts of these leaves, by leaf index, as far as there are any."""
    found: dict[int, GivenTexts] = {}
    for start in range(0, len(leaf_indices), SEEK):
        wanted = [*leaf_indices[start : start + SEEK]]
        wanted += [wanted[0]] * (SEEK - len(wanted))
        marks = ",".join("?" * SEEK)
        rows = db.execute(
            f"SELECT leaf_index, title, abstract FROM given_text WHERE leaf_index IN ({marks})",  # noqa: S608  # question marks
            wanted,
        )
        found.update((row[0], GivenTexts(*row)) for row in rows)
    return found


def read_range(db: sqlite3.Connection, start: int, stop: int) -> list[GivenTexts]:
    """Return the texts of leaves [start, stop), in order, as far as there are any."""
    rows = db.execute(
        "SELECT leaf_index, title, abstract FROM given_text"
        " WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index",
        (start, stop),
    )
    return [GivenTexts(*row) for row in rows]
