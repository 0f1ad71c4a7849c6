"""Measurements within one process: appending, the whole engine, proofs, audits."""

import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey, VerifyKey
from pymerkle import SqliteTree
from pymerkle import verify_inclusion as verify_theirs

from scripts.benchmarks import corpus
from translog.errors import TranslogError
from translog.formats.merkle import leaf_hash
from translog.formats.policy import believing
from translog.formats.tree import verify_inclusion
from translog.log import reader, source
from translog.log.directory import LogDirectory
from translog.log.sequencer import Sequencer
from translog.log.writer import Writer
from translog.store import database
from translog.store import log as rows
from translog.verify.auditor import audit

BATCH = 256
IN_FLIGHT = 16  # submissions of one batch each, so that the line is never empty


def median_seconds(run: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    """Return the median time of one call."""
    spent = []
    for argument in arguments:
        start = time.perf_counter()
        run(argument)
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def verify_rate(seconds: float = 1.0) -> float:
    """Return how many Ed25519 signatures of a hash PyNaCl verifies a second, on one thread."""
    signed = SigningKey(b"\1" * 32).sign(b"\2" * 32)
    key: VerifyKey = SigningKey(b"\1" * 32).verify_key
    count = 0
    start = time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        for _ in range(200):
            key.verify(signed.message, signed.signature)
        count += 200
    return count / spent


def theirs_bulk(folder: Path, count: int) -> dict[str, float]:
    """Return how many a second pymerkle's SqliteTree appends: at once, by 256, one by one."""
    entries = islice(corpus.admitted(0), count)
    many = [admitted.entry + admitted.body for admitted in entries]  # what our log stores of them
    tree = SqliteTree(str(folder / "pymerkle.db"))
    start = time.perf_counter()
    tree.append_entries(many)
    bulk = count / (time.perf_counter() - start)
    start = time.perf_counter()
    for at in range(0, 40 * BATCH, BATCH):
        tree.append_entries(many[at : at + BATCH])
    batches = 40 * BATCH / (time.perf_counter() - start)
    single = 1 / median_seconds(tree.append_entry, many[:200])
    tree.close()
    return {"bulk": bulk, "batches": batches, "single": single}


def append_rates(log: LogDirectory, count: int) -> dict[str, float]:
    """Return how many pre-verified entries a second the sequencer takes, and one alone."""
    with closing(database.open_writer(log.database)) as db:
        sequencer = Sequencer(db)
        entries = corpus.admitted(sequencer.head.size + 1_000_000_000)
        batches = [list(islice(entries, BATCH)) for _ in range(count // BATCH)]
        spent = []
        for batch in batches:
            start = time.perf_counter()
            sequencer.append(batch)
            spent.append(time.perf_counter() - start)
        singles = [[next(entries)] for _ in range(200)]
        single = median_seconds(sequencer.append, singles)
    return {
        "batches": count / sum(spent),
        "batch_p50_ms": 1e3 * statistics.median(spent),
        "batch_mean_ms": 1e3 * statistics.mean(spent),
        "single": 1 / single,
    }


def engine_rate(writer: Writer, events: Sequence[bytes]) -> float:
    """Return how many events a second go from JSON to disk, through every check."""
    room = threading.Semaphore(IN_FLIGHT)
    refused: list[TranslogError] = []

    def deliver(results: list[Any]) -> None:
        refused.extend(result for result in results if isinstance(result, TranslogError))
        room.release()

    start = time.perf_counter()
    for at in range(0, len(events), BATCH):
        room.acquire()
        writer.submit(events[at : at + BATCH], deliver)
    for _ in range(IN_FLIGHT):
        room.acquire()
    rate = len(events) / (time.perf_counter() - start)
    if refused:
        raise RuntimeError(f"{len(refused)} events were refused: {refused[0]}")
    return rate


def proof_times(log: LogDirectory) -> dict[str, float]:
    """Return the median times of making and of checking an inclusion proof."""
    random_ = random.Random(1)
    with closing(database.open_reader(log.database)) as db:
        head = rows.read_head(db)
        indices = [random_.randrange(head.size) for _ in range(400)]
        made = median_seconds(lambda index: reader.inclusion(db, index, head.size), indices)
        proofs = []
        for index in indices:
            (entry,) = rows.read_entries(db, index, 1)
            proofs.append((index, leaf_hash(entry), reader.inclusion(db, index, head.size)))
    checked = min(
        median_seconds(lambda p: verify_inclusion(p[0], head.size, p[1], p[2], head.root), proofs)
        for _ in range(5)
    )
    return {"made_ms": 1e3 * made, "checked_us": 1e6 * checked}


def their_proof_times(folder: Path, size: int) -> dict[str, float]:
    """Return the same of pymerkle: proofs from SQLite, warm; checking from memory."""
    tree = SqliteTree(str(folder / "proofs.db"))
    tree.append_entries(b"%d" % number for number in range(size))
    random_ = random.Random(1)
    indices = [1 + random_.randrange(size) for _ in range(12)]
    tree.prove_inclusion(indices[0], size)
    made = median_seconds(lambda index: tree.prove_inclusion(index, size), indices[1:])
    proof = tree.prove_inclusion(indices[0], size)
    leaf, root = tree.get_leaf(indices[0]), tree.get_state(size)
    checked = min(
        median_seconds(lambda _: verify_theirs(leaf, root, proof), range(400)) for _ in range(5)
    )
    tree.close()
    return {"made_ms": 1e3 * made, "checked_us": 1e6 * checked}


def audit_rates(log: LogDirectory, size: int) -> dict[str, float]:
    """Return how many entries a second an audit checks: hashes alone."""
    with source.Source(log, "http://localhost") as published:
        start = time.perf_counter()
        audit(published.get, believing(log.verifier), depth="hashes", workers=1)
        hashing = size / (time.perf_counter() - start)
    return {"hashing": hashing}


def bytes_of_bodies(log: LogDirectory) -> int:
    """Return how many bytes the packed bodies of a log have."""
    with closing(database.open_reader(log.database)) as db:
        (total,) = db.execute("SELECT sum(length(body)) FROM leaf").fetchone()
    return int(total)
