"""The tables of a log, and the steps that made them one version after the other."""

import sqlite3
from hashlib import sha256

from translog.formats.canonical import parse
from translog.pith.event import MAX_EVENT_BYTES
from translog.store.bodies import unpack
from translog.store.schema import Schema, making

TYPE_WITHIN = 120
CREATES = b'"event_type":"record_created"'

# Trusted: who can write here can make us sign a fork. (Not unnoticed: the copy of the last signed
# head, `fsck`, and everyone who kept a checkpoint would tell.)
LOG = (
    # Who this log is: one row, written once.
    """
    CREATE TABLE log (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        origin TEXT NOT NULL,
        public_key BLOB NOT NULL CHECK (length(public_key) = 32),
        registry_version INTEGER NOT NULL,
        body_dictionary BLOB NOT NULL
    ) STRICT
    """,
    # The tree as it stands: one row, changed by compare-and-swap with every batch.
    """
    CREATE TABLE head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        size INTEGER NOT NULL CHECK (size >= 0),
        root BLOB NOT NULL CHECK (length(root) = 32)
    ) STRICT
    """,
    # One row a leaf. `body` is the event's canonical content in a zstd frame, and `signed_at`
    # (microseconds) the one member of an event that is in neither the content nor the entry.
    """
    CREATE TABLE leaf (
        leaf_index INTEGER PRIMARY KEY,
        entry BLOB NOT NULL CHECK (length(entry) = 129),
        signed_at INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT
    """,
    # The hashes of every eighth level of the tree, 64 a row, growing at the end: `log.read_tile`.
    """
    CREATE TABLE tile (
        row_id INTEGER PRIMARY KEY,
        hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 2048)
    ) STRICT
    """,
    # Where to find an event by its hash or its subject: docs/decisions/0004.
    *(
        f"""
        CREATE TABLE lookup_{age} (
            prefix INTEGER NOT NULL,
            leaf_index INTEGER NOT NULL,
            PRIMARY KEY (prefix, leaf_index)
        ) STRICT, WITHOUT ROWID
        """
        for age in ("new", "mid", "old")
    ),
    # Every head that was ever signed.
    """
    CREATE TABLE checkpoint (
        size INTEGER PRIMARY KEY CHECK (size >= 0),
        note BLOB NOT NULL,
        signed_at INTEGER NOT NULL
    ) STRICT
    """,
    # The keys that may write, or once might. A row is never deleted: bundles need the old keys.
    """
    CREATE TABLE signer (
        fingerprint TEXT PRIMARY KEY,
        public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
        key_json TEXT NOT NULL,
        signer_id TEXT NOT NULL,
        event_types TEXT NOT NULL,
        allowed_at INTEGER NOT NULL,
        revoked_at INTEGER
    ) STRICT, WITHOUT ROWID
    """,
)

# What the metadata of a record called the work: the record holds the hashes of these. NULL where
# only the hash was given. Not trusted: each can be compared with a hash in the log.
TITLES = """
    CREATE TABLE given_text (
        leaf_index INTEGER PRIMARY KEY,
        title TEXT,
        abstract TEXT
    ) STRICT
    """

# Not trusted: cosignatures are verified before they count. Who can write here can have a head shown
# that was signed and not cosigned; whoever asks for cosignatures will not believe it.
COSIGNATURES = (
    # The newest head that was shown: one row, and none before the first. A signed head that waits
    # for cosignatures is newer.
    """
    CREATE TABLE shown (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        size INTEGER NOT NULL REFERENCES checkpoint (size)
    ) STRICT
    """,
    "INSERT INTO shown SELECT 1, max(size) FROM checkpoint HAVING count(*) > 0",
    # The newest cosignature of a head by each key: of the shown head, and of those after it.
    """
    CREATE TABLE cosignature (
        size INTEGER NOT NULL,
        cosigner TEXT NOT NULL,
        time INTEGER NOT NULL,
        line TEXT NOT NULL,
        PRIMARY KEY (size, cosigner)
    ) STRICT
    """,
    # How large the tree was that each witness cosigned last: where to prove from.
    """
    CREATE TABLE witness (
        url TEXT PRIMARY KEY,
        size INTEGER NOT NULL CHECK (size >= 0)
    ) STRICT
    """,
)

# Not trusted: a path ends in a block or it does not, and `fsck` computes them all again. Who can
# write here can make us stamp too often or not at all, and say "final" of what is not; nobody who
# verifies believes it.
ANCHORS = (
    # A number that grows with every change to these tables, and up to where it is known that the
    # log holds nothing but its own anchors and beacons since the last stamp: one row.
    """
    CREATE TABLE anchoring (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        quiet_to INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO anchoring VALUES (1, 0, 0)",
    # A checkpoint that was given to calendars, as it was published then. Block, grade and path are
    # those that were verified: NULL where none is, or is no more.
    """
    CREATE TABLE anchor (
        anchor_id INTEGER PRIMARY KEY,
        network TEXT NOT NULL,
        size INTEGER NOT NULL CHECK (size > 0),
        note BLOB NOT NULL,
        made_at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'attested', 'confirmed', 'final', 'lost')),
        changed_at INTEGER NOT NULL,
        height INTEGER,
        header BLOB CHECK (length(header) = 80),
        grade TEXT,
        path BLOB,
        CHECK ((state IN ('confirmed', 'final')) = (height IS NOT NULL)),
        CHECK ((height IS NULL) = (header IS NULL)),
        CHECK ((height IS NULL) = (grade IS NULL)),
        CHECK ((height IS NULL) = (path IS NULL))
    ) STRICT
    """,
    "CREATE INDEX anchor_cover ON anchor (state, size, height)",
    # What one calendar has answered for one anchor: to the tip, and later with a path to a block.
    """
    CREATE TABLE stamp (
        anchor_id INTEGER NOT NULL REFERENCES anchor,
        calendar TEXT NOT NULL,
        submitted_at INTEGER NOT NULL,
        ask_after INTEGER NOT NULL,
        pending BLOB NOT NULL,
        attested BLOB,
        PRIMARY KEY (anchor_id, calendar)
    ) STRICT, WITHOUT ROWID
    """,
    # Blocks that the log has stated, or is about to: then the leaf is NULL.
    """
    CREATE TABLE beacon (
        height INTEGER PRIMARY KEY,
        network TEXT NOT NULL,
        header BLOB NOT NULL CHECK (length(header) = 80),
        made_at INTEGER NOT NULL,
        leaf_index INTEGER,
        is_lost INTEGER NOT NULL DEFAULT 0 CHECK (is_lost IN (0, 1))
    ) STRICT
    """,
    "CREATE UNIQUE INDEX beacon_leaf ON beacon (leaf_index)",
    # Leaves [start, stop) that an anchor's being final is told of, up to `position` so far.
    """
    CREATE TABLE announcement (
        announcement_id INTEGER PRIMARY KEY,
        anchor_id INTEGER NOT NULL REFERENCES anchor,
        start INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        position INTEGER NOT NULL,
        made_at INTEGER NOT NULL,
        log_size INTEGER NOT NULL,
        is_again INTEGER NOT NULL CHECK (is_again IN (0, 1)),
        state TEXT NOT NULL CHECK (state IN ('open', 'done', 'lost', 'replaced')),
        CHECK (0 <= start AND start <= position AND position <= stop)
    ) STRICT
    """,
)
# Trusted: who can write here decides who may write to the log, though not unnoticed.
DECISIONS = (
    # What the operator has decided, until the log says so in an event.
    """
    CREATE TABLE proposal (
        proposal_id INTEGER PRIMARY KEY,
        event_type TEXT NOT NULL,
        payload TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT
    """,
    # Events that are right and wait until they are accepted; and those that were refused, so that
    # they are not asked about again. The columns are those of `leaf`.
    """
    CREATE TABLE held (
        held_id INTEGER PRIMARY KEY,
        content_sha256 BLOB NOT NULL CHECK (length(content_sha256) = 32),
        entry BLOB NOT NULL UNIQUE CHECK (length(entry) = 129),
        signed_at INTEGER NOT NULL,
        body BLOB NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'accepted', 'refused'))
    ) STRICT
    """,
)
SIGNER_COLUMNS = tuple(
    f"ALTER TABLE signer ADD COLUMN {column}"
    for column in (
        "held_types TEXT NOT NULL DEFAULT '[]'",
        "subjects TEXT",
        "allowed_index INTEGER",
        "ended_index INTEGER",
        "rotated_from TEXT",
        "rotation_index INTEGER",
        "rotated_to TEXT",
        "compromised_since INTEGER",
        "compromise_index INTEGER",
    )
)


def _look_up_records(db: sqlite3.Connection) -> None:
    """Look up the records that a log of an earlier version has: its events come after those."""
    rows = [
        (prefix, leaf_index)
        for leaf_index, body in db.execute("SELECT leaf_index, body FROM leaf")
        if (prefix := _record_prefix(unpack(body, limit=MAX_EVENT_BYTES))) is not None
    ]
    db.executemany("INSERT OR IGNORE INTO lookup_mid VALUES (?, ?)", rows)


def _record_prefix(content: bytes) -> int | None:
    """Return what `log/lookup.of_record` does of the record that an event creates, if it does."""
    # Canonical content begins with the time and the type: most need not be read.
    if CREATES not in content[:TYPE_WITHIN]:
        return None
    number = parse(content, limit=MAX_EVENT_BYTES)["subject_pith_number"]
    digest = sha256(b"creates " + number.encode()).digest()
    return int.from_bytes(digest[:8], "big") - (1 << 63)


LOG_SCHEMA = Schema(
    "log",
    "translog",
    {
        "0001_log": making(*LOG),
        "0002_anchors": making(*ANCHORS),
        "0003_titles": making(TITLES),
        "0004_cosignatures": making(*COSIGNATURES),
        "0005_decisions": making(*DECISIONS, *SIGNER_COLUMNS),
        "0006_records": _look_up_records,
    },
    "put a backup in its place, and look at it with `translog fsck`: docs/operating.md",
)
