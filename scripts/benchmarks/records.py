"""Minting records in bulk, making a record's bundle, and verifying many bundles on one core."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from scripts.benchmarks import corpus
from tests.simulators import events
from tests.simulators.payloads import attested, cited, erratum, replicated, stored
from translog.formats.canonical import canonical
from translog.log import bundler, directory, minting, reader
from translog.log.directory import LogDirectory
from translog.log.minting import Minter, Named
from translog.log.writer import Writer, open_writer
from translog.pith.bundle import open_bundle
from translog.pith.metadata import read_json
from translog.store import database

BATCH_WORKS = 256
AHEAD = 3
BASE_URL = "https://bench.example"
EVENTS_A_RECORD = 10
NOW = "2026-06-01T00:00:00.000000Z"


def mint_rate(folder: Path, count: int) -> dict[str, float]:
    """Mint works from lines of metadata as `translog mint` does; records a second, and the means.

    The first quarter is not counted: until then the processes that check have started.
    """
    log = corpus.new_log(folder / "minted")
    lines = [_metadata(number) for number in range(count)]
    with open_writer(log, lambda: int(time.time())) as writer:
        before = count // 4
        _mint(log, writer, lines[:before])
        began, used = time.perf_counter(), time.process_time()
        _mint(log, writer, lines[before:])
        seconds, used = time.perf_counter() - began, time.process_time() - used
        if writer.head.size < count:
            raise ValueError(f"{writer.head.size} of {count} records are in the log")
    made = len(lines) - before
    return {"per_second": made / seconds, "own_us_a_record": used / made * 1e6}


def _metadata(number: int) -> bytes:
    words = f"An abstract of the paper with number {number}, as long as they are. " * 20
    value = {
        "source": {"kind": "arxiv", "id": f"2606.{number:06}", "version": 1},
        "title": f"The Title of Paper {number}, in Which Nothing Is Shown",
        "abstract": words,
        "submitted_at": "2026-06-01T00:00:00Z",
        "primary_cat": "cs.CL",
        "cross_cats": ["cs.LG"],
    }
    return json.dumps(value).encode()


def _mint(log: LogDirectory, writer: Writer, lines: list[bytes]) -> None:
    minter = Minter(
        events.KEY,
        signer_id=events.SIGNER_ID,
        key_id=events.KEY_ID,
        builder="bench",
        now=lambda: NOW,
    )
    with closing(database.open_editor(log.database)) as db:
        waiting: list[tuple[list[Named], list[Any]]] = []
        for named in _batches(lines):
            minting.find_records(db, [each.number for each in named])
            results: list[Any] = []
            writer.submit([event for each in named for event in minter.mint(each)], results.append)
            waiting.append((named, results))
            if len(waiting) > AHEAD:
                _keep(db, *waiting.pop(0))
        for each in waiting:
            _keep(db, *each)


def _batches(lines: list[bytes]) -> Iterator[list[Named]]:
    works = iter(minting.name(read_json(line)) for line in lines)
    while batch := list(islice(works, BATCH_WORKS)):
        yield batch


def _keep(db: database.Connection, named: list[Named], results: list[Any]) -> None:
    while not results:
        time.sleep(0.001)
    placed = zip(results[0], named, strict=True)
    minting.keep_texts(db, [(result.index, each.work) for result, each in placed])


def bundle_times(folder: Path, count: int) -> dict[str, float]:
    """Make bundles of records with ten events each: made and signed, and as bytes."""
    log = corpus.new_log(folder / "bundles")
    with open_writer(log, lambda: int(time.time())) as writer:
        for number in range(count):
            writer.add([canonical(event) for event in _events(number)])
    times = []
    with closing(directory.open_reader(log)) as db:
        size = reader.published(db).size
        for number in range(count):
            began = time.perf_counter()
            canonical(_bundle(log, db, size, number))
            times.append((time.perf_counter() - began) * 1e3)
    return {"p50_ms": median(times), "p99_ms": sorted(times)[len(times) * 99 // 100]}


def _bundle(log: LogDirectory, db: database.Connection, size: int, number: int) -> dict[str, Any]:
    suffix = events.created(number)["subject_pith_number"].rpartition(":")[2]
    return bundler.bundle(db, size, suffix, log.read_signer(), BASE_URL)


def _events(number: int) -> list[dict[str, Any]]:
    """Return what makes a record, its snapshot, and eight more events about it."""
    made = [events.created(number), events.snapshot(number)]
    subject = made[0]["subject_pith_number"]
    for kind, payloads in (
        ("author_attestation", [attested(events.KEY.public_key, number)]),
        ("storage_attestation", [stored(each) for each in range(2)]),
        ("citation_signature", [cited(each) for each in range(3)]),
        ("replication_record", [replicated(number)]),
        ("correction", [erratum(number)]),
    ):
        made += [events.signed(kind, "record", subject, each, events.KEY) for each in payloads]
    if len(made) != EVENTS_A_RECORD:
        raise ValueError(f"{len(made)} events, want {EVENTS_A_RECORD}")
    return made


def verify_rates(folder: Path, count: int) -> dict[str, float]:
    """Verify bundles one after the other in this process: of minted records, and of ten events."""
    found = {}
    for name, path, numbers in (
        ("of_ten_events", "bundles", range(count)),
        ("of_minted", "minted", None),
    ):
        log = directory.find(folder / path)
        keys = [events.KEY.public_key, log.verifier.public_key]
        raws = list(_bundles(log, count, numbers))
        began = time.process_time()
        for raw in raws:
            open_bundle(raw, keys)
        found[name] = len(raws) / (time.process_time() - began)
    return found


def _bundles(log: LogDirectory, count: int, numbers: range | None) -> Iterator[bytes]:
    with closing(directory.open_reader(log)) as db:
        size = reader.published(db).size
        if numbers is not None:
            for number in numbers:
                yield canonical(_bundle(log, db, size, number))
            return
        for line in map(_metadata, range(count)):
            suffix = minting.name(read_json(line)).number.rpartition(":")[2]
            yield canonical(bundler.bundle(db, size, suffix, log.read_signer(), BASE_URL))
