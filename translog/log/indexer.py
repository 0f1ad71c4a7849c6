"""Follows the log and keeps its search index, in this process or in one of its own.

The index is a function of the leaves it covers. It says which these are: of which log, how many,
and under which root; where that is not this log's, all of it is thrown away and made again.

As a process: `python -m translog.log.indexer DIR` goes a batch further for every line it reads from
its standard input, and ends with it. It answers each with the number of leaves that the index now
covers. Where it has to give up, its last answer is a line that says why. It writes nothing but the
index.
"""

import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from translog.errors import MissingError, TranslogError, UnavailableError
from translog.formats.canonical import parse
from translog.log import directory, reader
from translog.log.directory import LogDirectory
from translog.log.finder import cited_by, names_of
from translog.pith.event import MAX_EVENT_BYTES, RECORD_CREATED
from translog.pith.kinds.citation_signature import TYPE as CITATION
from translog.pith.kinds.graph_snapshot import TYPE as GRAPH_SNAPSHOT
from translog.pith.record import parse_pith_number
from translog.pith.titles import is_title, snapshot_title
from translog.store import log, search, titles
from translog.store.bodies import unpack
from translog.store.database import Connection, translated
from translog.store.search import Coverage, Record

LEAVES_A_BATCH = 1_024
NICENESS = 19  # the most there is: what is searched may wait; what is logged may not
# Canonical content begins with the time and the type: no other event needs to be read.
TYPE_WITHIN = 120
TYPES = (RECORD_CREATED, GRAPH_SNAPSHOT, CITATION)
WANTED = tuple(f'"event_type":"{each}"'.encode() for each in TYPES)


def catch_up(db: Connection, index: Connection, origin: str) -> int:
    """Bring the index up to the newest signed head; return how many leaves it covers."""
    while True:
        covered, size = go_on(db, index, origin)
        if covered == size:
            return covered


def go_on(db: Connection, index: Connection, origin: str) -> tuple[int, int]:
    """Bring the index a batch further towards the newest signed head.

    Args:
        db: a reader's connection to the log.
        index: the writer's to the index.
        origin: the log's.

    Returns:
        How many leaves it covers, and how many the head has.
    """
    try:
        size = reader.published(db).size
    except MissingError:
        return 0, 0
    covered = _covered(db, index, origin, size)
    if covered == size:
        return covered, size
    end = min(covered + LEAVES_A_BATCH, size)
    texts = {text.leaf_index: text.title for text in titles.read_range(db, covered, end)}
    with search.transaction(index):
        for leaf in log.read_leaves(db, covered, end - covered):
            _add(index, leaf, texts.get(leaf.leaf_index))
        search.write_coverage(index, Coverage(origin, end, reader.root_at(db, end)))
    return end, size


def add_titles(db: Connection, index: Connection) -> None:
    """Look again for titles that were given after their records had been indexed."""
    start = 0
    while batch := search.read_untitled(index, start, LEAVES_A_BATCH):
        start = batch[-1].leaf_index + 1
        texts = titles.read_texts(db, [record.leaf_index for record in batch])
        with search.transaction(index):
            for record in batch:
                text = texts.get(record.leaf_index)
                if text is not None and is_title(text.title, record.title_sha256):
                    search.add_title(index, record, str(text.title))


def _covered(db: Connection, index: Connection, origin: str, size: int) -> int:
    """Return how much of this log the index covers, having cleared it where it is another's."""
    coverage = search.read_coverage(index)
    if coverage is None:
        return 0
    ours = coverage.origin == origin and coverage.size <= size
    if ours and reader.root_at(db, coverage.size) == coverage.root:
        return coverage.size
    search.clear(index)
    return 0


def _add(index: Connection, leaf: log.Leaf, given_title: str | None) -> None:
    content = unpack(leaf.body, limit=MAX_EVENT_BYTES)
    if not any(each in content[:TYPE_WITHIN] for each in WANTED):
        return
    value = parse(content, limit=MAX_EVENT_BYTES)
    payload = value["payload"]
    if value["event_type"] == RECORD_CREATED:
        record = _record(leaf.leaf_index, value)
        if is_title(given_title, record.title_sha256):
            record = record._replace(title=given_title)
        search.add_record(index, record, sorted(names_of(payload["canonical_record"])))
    elif value["event_type"] == CITATION:
        for cited in cited_by(payload):
            search.add_citation(index, cited, leaf.leaf_index)
    else:
        suffix = value["subject_pith_number"].rpartition(":")[2]
        title = snapshot_title(payload)
        for record in search.find_suffix(index, suffix, 1):
            if record.title is None and is_title(title, record.title_sha256):
                search.add_title(index, record, title)


def _record(leaf_index: int, value: dict[str, Any]) -> Record:
    number = parse_pith_number(value["subject_pith_number"])
    record = value["payload"]["canonical_record"]
    source, metadata = record["source"], record["metadata"]
    return Record(
        leaf_index=leaf_index,
        year=number.year,
        suffix=number.suffix,
        source_kind=source["kind"],
        source_id=source["id"],
        version=source["version"],
        submitted_at=metadata["submitted_at"],
        category=metadata["primary_cat"],
        title_sha256=bytes.fromhex(metadata["title_canon_sha256"]),
        title=None,
    )


def _main(log_directory: LogDirectory) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    with (
        closing(directory.open_reader(log_directory)) as db,
        search.open_writer(log_directory.search) as index,
    ):
        opened = log_directory.search.stat()
        with translated(log_directory.search, search.REMEDY):
            add_titles(db, index)
        for _ in sys.stdin.buffer:
            _check_there(log_directory.search, opened)
            with translated(log_directory.search, search.REMEDY):
                covered, _ = go_on(db, index, log_directory.origin)
            sys.stdout.buffer.write(b"%d\n" % covered)
            sys.stdout.buffer.flush()


def _check_there(path: Path, opened: os.stat_result) -> None:
    """Refuse to go on with an index that nobody can read any more: the next process makes one."""
    try:
        is_same = os.path.samestat(path.stat(), opened)
    except FileNotFoundError:
        is_same = False
    if not is_same:
        raise UnavailableError(f"{path.name} was removed or replaced: it is made again")


if __name__ == "__main__":
    try:
        _main(directory.find(Path(sys.argv[1])))
    except BrokenPipeError:
        os._exit(0)  # the server was killed: nobody waits for the answer
    except TranslogError as error:
        sys.stdout.write(" ".join(str(error).split()) + "\n")
