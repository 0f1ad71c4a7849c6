"""What a database of ours is: its kind, and the steps that make it.

Which steps a database has is kept by sqlite-utils, in a table of its own. Reading that table needs
nothing of sqlite-utils, which takes 13 MB and longer to load than most commands run: only who makes
a database, or brings one up to date, loads it (`migrations`).
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import NamedTuple

Step = Callable[[sqlite3.Connection], None]


class Schema(NamedTuple):
    """What a kind of database is called, and how it is made.

    Attributes:
        noun: for people.
        name: under which its steps are recorded.
        steps: in order, by name. Each commits together with the record of itself.
        remedy: what helps when its file is damaged or empty.
    """

    noun: str
    name: str
    steps: Mapping[str, Step]
    remedy: str


def making(*statements: str) -> Step:
    """Return the step that executes these."""

    def step(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return step


def is_current(connection: sqlite3.Connection, schema: Schema) -> bool:
    """Say whether every step has been applied, and none that this version does not know."""
    return _applied(connection, schema) == set(schema.steps)


def has_any(connection: sqlite3.Connection, schema: Schema) -> bool:
    """Say whether it is a database of this kind at all, of whatever version."""
    return bool(_applied(connection, schema))


def has_tables(connection: sqlite3.Connection) -> bool:
    """Say whether there is anything in it, of whatever kind.

    Whoever was killed while they made it left it empty, but for a list of the steps not taken yet.
    """
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE tbl_name != '_sqlite_migrations'")
    return found.fetchone() is not None


def _applied(connection: sqlite3.Connection, schema: Schema) -> set[str]:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'")
    if found.fetchone() is None:
        return set()
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (schema.name,)
    )
    return {name for (name,) in rows}
