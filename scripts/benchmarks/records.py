"""Minting records in bulk, making a record's bundle, and verifying many bundles on one core."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from scripts.benchmarks import corpus, memory
from tests.simulators import events
from tests.simulators.payloads import attested, cited, erratum, replicated, stored
from translog.formats.canonical import canonical
from translog.formats.keys import verify_signature
from translog.log import bundler, directory, minting, reader
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.pith.bundle import inspect, open_bundle
from translog.pith.key import PINNED
from translog.pith.metadata import read_json
from translog.store import database
from translog.store.keys import write_key

BASE_URL = "https://bench.example"
EVENTS_A_RECORD = 10


def mint_rate(folder: Path, count: int) -> dict[str, float]:
    """Run `translog mint` on lines of metadata, twice: the second run must find all of them there.

    The command's own start, and the head it signs at the end, are counted. The processor's time is
    that of all its processes together.
    """
    log = corpus.new_log(folder / "minted")
    write_key(folder / "registry.key", events.KEY_ID, events.KEY_SEED)
    with (folder / "works.ndjson").open("wb") as lines:
        lines.writelines(_metadata(number) + b"\n" for number in range(count))
    first, again = _mint(folder, log), _mint(folder, log)
    with closing(directory.open_reader(log)) as db:
        size = reader.published(db).size
    if size != count:
        raise ValueError(f"{size} entries, want one for each of {count} works")
    return {
        "per_second": count / first.seconds,
        "cpu_us_a_record": first.cpu_seconds / count * 1e6,
        "memory_mb": first.memory_mb,
        "again_per_second": count / again.seconds,
    }


class _Run(NamedTuple):
    seconds: float
    cpu_seconds: float
    memory_mb: float


def _mint(folder: Path, log: LogDirectory) -> _Run:
    key = ["--key", str(folder / "registry.key"), "--signer-id", events.SIGNER_ID]
    command = [sys.executable, "-m", "translog", "mint", str(log.path), "works.ndjson", *key]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    with memory.Watched(process.pid) as watched:
        status = process.wait()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise RuntimeError(f"mint ended with {status}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _Run(seconds, cpu, watched.mb)


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


def verify_rates(folder: Path, count: int) -> dict[str, dict[str, float]]:
    """Verify bundles one after the other in this process, and say what they hold.

    What registries have in bulk are records that were minted and nothing more; the other ones are
    those of `bundle_times`, and the one that pith.science published. The time of a signature alone
    is measured beside them: no bundle can take less than its signatures.
    """
    minted, ten = directory.find(folder / "minted"), directory.find(folder / "bundles")
    keys = [events.KEY.public_key, minted.verifier.public_key, ten.verifier.public_key]
    keys.append(PINNED["pith.science"].public_key)
    return {
        "minted": _verified(list(_bundles(minted, count, None)), keys),
        "ten_events": _verified(list(_bundles(ten, count, range(count))), keys),
        "pith_science": _verified([events.real_bundle()] * count, keys),
    }


def _verified(raws: list[bytes], keys: list[bytes]) -> dict[str, float]:
    bundle = open_bundle(raws[0], keys)
    steps = [finding.step for finding in inspect(bundle, keys)]
    began = time.process_time()
    for raw in raws:
        open_bundle(raw, keys)
    seconds = (time.process_time() - began) / len(raws)
    signatures = sum(step in (4, 5, 8) for step in steps)  # of receipts, events and the bundle
    return {
        "per_second": 1 / seconds,
        "events": len(bundle.events),
        "signatures": signatures,
        "bytes": len(raws[0]),
        "of_its_signatures_time": seconds / signatures / _signature_seconds(),
    }


def _signature_seconds(count: int = 2_000) -> float:
    signature = events.KEY.sign(bytes(32))
    began = time.process_time()
    for _ in range(count):
        verify_signature(events.KEY.public_key, bytes(32), signature)
    return (time.process_time() - began) / count


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
