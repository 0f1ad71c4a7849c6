"""Measurements of timestamps: exporting .ots files, their size, and following headers."""

import os
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.simulators.headers import TOY, toy_chain
from tests.simulators.timestamps import calendar_tail
from translog.bitcoin.anchor import Anchor, tip
from translog.bitcoin.chain import Head, follow, genesis_head
from translog.bitcoin.ots import Timestamp
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.entry import Entry
from translog.formats.tree import prove_inclusion
from translog.log import reader
from translog.log.anchored import remembering
from translog.log.directory import LogDirectory
from translog.store import builtin, database
from translog.store import log as rows
from translog.store.database import Connection

HEADERS = 8_065
REAL = "bitcoin/mainnet-headers-822528-830592.bin"
FIRST = 822_528
AT_ONCE = 1_000


def anchor_of(db: Connection) -> Anchor:
    """Return a made-up anchor of the whole log: the signature and the block are nobody's."""
    head = rows.read_head(db)
    note = b"bench.example/log\nnobody signed this\n"
    checkpoint = SignedCheckpoint(
        origin="bench.example/log", size=head.size, root=head.root, note=note
    )
    stamped = Timestamp.parse(calendar_tail(963_647), tip(checkpoint, note))
    return Anchor.of(checkpoint, stamped)


def export_rates(log: LogDirectory, count: int) -> dict[str, float]:
    """Return how many .ots files a second come out of a log's database, and the largest's size."""
    largest = 0
    with closing(database.open_reader(log.database)) as db:
        anchor = anchor_of(db)
        size = anchor.checkpoint.size
        read = remembering(partial(reader.tile, db, size), size)
        count = min(count, size)
        start = time.perf_counter()
        for first in range(0, count, AT_ONCE):
            for index, raw in enumerate(rows.read_entries(db, first, AT_ONCE), first):
                path = prove_inclusion(index, size, read)
                file = anchor.event_file(Entry.parse(raw), index, path)
                largest = max(largest, len(file))
        spent = time.perf_counter() - start
    return {"per_second": count / spent, "bytes": largest, "of": size}


def header_times() -> dict[str, float]:
    """Return how many milliseconds 8,065 headers take, by every rule: real ones where they are."""
    head, raw = _headers()
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        follow(head, raw)
        spent.append(time.perf_counter() - start)
    return {
        "ms": 1e3 * min(spent),
        "us_each": 1e6 * min(spent) / HEADERS,
        "real": head.network is not TOY,
    }


def _headers() -> tuple[Head, bytes]:
    shared = Path(__file__).parents[2] / ".." / "shared" / "data"
    real = Path(os.environ.get("TRANSLOG_SHARED_DATA", shared)) / REAL
    if real.is_file():
        return builtin.checkpoints().head(FIRST - 1), real.read_bytes()
    return genesis_head(TOY), toy_chain(HEADERS)
