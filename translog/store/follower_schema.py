"""The tables of a monitor, step by step."""

from translog.store.schema import Schema, making

TABLES = (
    # A log that is followed. `position` is all that a turn begins with.
    """
    CREATE TABLE followed (
        log_id INTEGER PRIMARY KEY,
        origin TEXT NOT NULL UNIQUE,
        position BLOB
    ) STRICT
    """,
    # 64 bits of what there may be one event of, with the event's place. `family` is the log that
    # this one continues: a contradiction may be older than the shard.
    """
    CREATE TABLE mark (
        family INTEGER NOT NULL,
        prefix INTEGER NOT NULL,
        log_id INTEGER NOT NULL,
        leaf_index INTEGER NOT NULL,
        PRIMARY KEY (family, prefix, log_id, leaf_index)
    ) STRICT, WITHOUT ROWID
    """,
    # Logged events about watched records.
    """
    CREATE TABLE hit (
        log_id INTEGER NOT NULL,
        leaf_index INTEGER NOT NULL,
        entry BLOB NOT NULL,
        subject TEXT NOT NULL,
        content BLOB NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (log_id, leaf_index)
    ) STRICT, WITHOUT ROWID
    """,
    # Entries whose content or key the log has not published.
    """
    CREATE TABLE owed (
        log_id INTEGER NOT NULL,
        leaf_index INTEGER NOT NULL,
        entry BLOB NOT NULL,
        since INTEGER NOT NULL,
        asked INTEGER NOT NULL,
        PRIMARY KEY (log_id, leaf_index)
    ) STRICT, WITHOUT ROWID
    """,
    # Logged events that decide who may write.
    """
    CREATE TABLE decision (
        log_id INTEGER NOT NULL,
        leaf_index INTEGER NOT NULL,
        entry BLOB NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (log_id, leaf_index)
    ) STRICT, WITHOUT ROWID
    """,
    # What was found out, once each.
    """
    CREATE TABLE fact (
        fact_id TEXT PRIMARY KEY,
        origin TEXT NOT NULL,
        severity TEXT NOT NULL,
        found_at INTEGER NOT NULL,
        alert BLOB NOT NULL
    ) STRICT
    """,
    # Which of it is still to be told, to whom, and when.
    """
    CREATE TABLE delivery (
        channel TEXT NOT NULL,
        fact_id TEXT NOT NULL REFERENCES fact (fact_id),
        due_at INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        PRIMARY KEY (channel, fact_id)
    ) STRICT, WITHOUT ROWID
    """,
)

REMEDY = "put a copy in its place, or remove it and the monitor begins anew: docs/operating.md"
# In which family each log has left its marks: a configuration can change that.
FAMILY = (
    "ALTER TABLE followed ADD COLUMN family INTEGER",
    "UPDATE followed SET family = found.family"
    " FROM (SELECT log_id, min(family) AS family FROM mark GROUP BY log_id) AS found"
    " WHERE followed.log_id = found.log_id",
)
# How many entries were judged stands at the end of a position, where not all were. Something may
# have been decided in what is owed: entries are judged again from the first of that on.
JUDGED = (
    "UPDATE followed SET position = CAST(substr(CAST(position AS TEXT), 1,"
    " length(CAST(position AS TEXT)) - 1) || ', \"judged\": ' || found.first || '}' AS BLOB)"
    " FROM (SELECT log_id, min(leaf_index) AS first FROM owed GROUP BY log_id) AS found"
    " WHERE followed.log_id = found.log_id AND position IS NOT NULL",
)
STEPS = {
    "0001_follower": making(*TABLES),
    "0002_family": making(*FAMILY),
    "0003_judged": making(*JUDGED),
}
SCHEMA = Schema("monitor", "translog_follower", STEPS, REMEDY)
