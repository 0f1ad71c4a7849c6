"""Measurements of the registry: indexing, search, pages, and bundles over HTTP."""

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from scripts.benchmarks import corpus, load, outside
from tests.simulators import events
from tests.simulators.papers import PAYLOADS, say
from translog.formats.canonical import canonical
from translog.log import directory, finder, indexer
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.pith.record import pith_number
from translog.server.forms import Forms
from translog.store import search
from translog.store.search import Record
from translog.web.pages import Pages

BATCH = 4_096
WORDS = 60_000  # of a language; how often each stands in titles falls with its number
QUERIES = 200
PAPERS, EVENTS = 64, 10
NOW = 1_780_000_000
BASE_URL = "https://example.com/log"


def index_rate(log: LogDirectory) -> dict[str, float]:
    """Index a log, and return how many events a second."""
    with (
        closing(directory.open_reader(log)) as db,
        search.open_writer(log.search) as index,
    ):
        began = time.perf_counter()
        size = indexer.catch_up(db, index, log.origin)
        return {"per_second": size / (time.perf_counter() - began)}


def search_times(folder: Path, records: int) -> dict[str, float]:
    """Fill an index with `records` made-up titles, and return times of searches in it."""
    path = folder / "search.db"
    random_ = random.Random(3)
    vocabulary = ["".join(random_.choices("etaoinshrdlu", k=8)) for _ in range(WORDS)]
    with search.open_writer(path) as index:
        for batch in _batches(_titled(records, vocabulary, random_)):
            with search.transaction(index):
                for each in batch:
                    search.add_record(index, each, [(each.source_id, each.source_kind)])
    # A common word, two, a common and a rare one, a whole title, a name, a number.
    found = []
    for number in range(QUERIES):
        words = [random_.choice(vocabulary[:top]) for top in (20, 200, 5_000)]
        queries = [words[0], " ".join(words[:2]), f"{words[0]} {words[2]}", " ".join(words)]
        query = [*queries, f"2606.{number:07d}", f"{number % 28:02d}ABCD"][number % 6]
        began = time.perf_counter()
        with search.open_reader(path) as index:
            finder.find(index, query)
        found.append((time.perf_counter() - began) * 1_000)
    return _spread(found)


def new_registry(path: Path) -> LogDirectory:
    """Make a log of PAPERS records with 10 events each, signed and indexed."""
    log = corpus.new_log(path)
    events = [event for number in range(PAPERS) for event in _events(number)]
    with open_writer(log, lambda: NOW) as writer:
        writer.add([canonical(event) for event in events])
    index_rate(log)
    return log


def page_times(log: LogDirectory) -> dict[str, float]:
    """Return how long page and bundle of a record take to make, with nothing kept."""
    forms = Forms(log.read_signer(), BASE_URL, Pages(log.origin), log.search)
    found: dict[str, list[float]] = {"page": [], "bundle": []}
    with closing(directory.open_reader(log)) as db:
        size = PAPERS * EVENTS
        forms.page(db, size, _suffix(0))  # compiles the template
        for name, make in (("page", forms.page), ("bundle", forms.bundle)):
            for number in range(PAPERS):
                began = time.perf_counter()
                make(db, size, _suffix(number))
                found[name].append((time.perf_counter() - began) * 1_000)
    return {f"{name}_p50_ms": statistics.median(times) for name, times in found.items()}


def bundle_gets(log: LogDirectory, folder: Path, count: int) -> dict[str, Any]:
    """The bundles of a registry's records, again and again."""
    paths = [f"/pith/{_suffix(number)}/bundle.json" for number in range(PAPERS)]
    with outside.served(log) as server:
        server.load(folder, 1, [load.get(path) for path in paths])  # the first are made
        requests = [load.get(paths[number % PAPERS]) for number in range(count)]
        result = server.load(folder, 16, requests)
    return {**result, "per_second": count / result["seconds"]}


def _suffix(number: int) -> str:
    return pith_number(events.record(number))[10:]


def _events(number: int) -> list[dict[str, Any]]:
    about, reasons = events.record(number), range(EVENTS - 2)
    errata = [
        say(about, "correction", {**PAYLOADS["correction"], "reason": f"reason {reason}"})
        for reason in reasons
    ]
    return [events.created(number), events.snapshot(number), *errata]


def _titled(count: int, vocabulary: list[str], random_: random.Random) -> Iterator[Record]:
    weights = list(accumulate(1 / (number + 10) for number in range(len(vocabulary))))
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    for number in range(count):
        length = random_.randint(5, 14)
        yield Record(
            leaf_index=number,
            year="2026",
            suffix="".join(random_.choices(digits, k=20)) + f"{number:06X}".translate(_LETTERS),
            source_kind="arxiv",
            source_id=f"2606.{number:07d}",
            version=1,
            submitted_at="2026-06-01T00:00:00Z",
            category="cs.CL",
            title_sha256=bytes(32),
            title=" ".join(random_.choices(vocabulary, cum_weights=weights, k=length)),
        )


_LETTERS = str.maketrans("0123456789", "GHIJKLMNOP")


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(records, BATCH)):
        yield batch


def _spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50_ms": ordered[len(ordered) // 2],
        "p99_ms": ordered[len(ordered) * 99 // 100],
    }
