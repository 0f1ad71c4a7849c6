"""Brings a database up to date, with sqlite-utils. See `schema` for who loads this."""

import sqlite3
from collections.abc import Callable

from sqlite_utils import Database, Migrations

from translog.store.schema import Schema, Step


def apply_migrations(connection: sqlite3.Connection, schema: Schema) -> None:
    """Apply the steps that are missing, in order, each in a transaction with its record."""
    migrations = Migrations(schema.name)
    for name, step in schema.steps.items():
        migrations(name=name)(_migration(step))
    # Without plugins: what happens to be installed beside us has no business in a log.
    migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))


def _migration(step: Step) -> Callable[[Database], None]:
    def migrate(db: Database) -> None:
        step(db.conn)

    return migrate
