"""Measurements of the local file of Bitcoin headers: adding a chain, opening it, asking it."""

import time
from itertools import count
from pathlib import Path
from statistics import median

from translog.bitcoin.chain import PERIOD
from translog.bitcoin.checkpoints import Checkpoints
from translog.bitcoin.grade import UNCHECKED
from translog.bitcoin.header import HEADER_BYTES, NONCE, Header, header_hash
from translog.bitcoin.network import REGTEST
from translog.store.headers import HeaderFile, HeaderWriter, create
from translog.verify.header_growth import extend
from translog.verify.headers import KeptHeaders, check_all

QUESTIONS = 50
TARGET = b"\x7f\xff\xff"  # the first bytes of a hash that regtest's target allows


def made_up(blocks: int) -> bytes:
    """Return headers of regtest: they cost nothing, and are followed by the same code as others."""
    bits = REGTEST.limit_bits.to_bytes(4, "little")
    genesis = REGTEST.genesis
    parts, previous, now = [genesis.raw], genesis.hash, genesis.time
    for _ in range(blocks):
        now += 600
        start = (4).to_bytes(4, "little") + previous + bytes(32) + now.to_bytes(4, "little") + bits
        for nonce in count():
            raw = start + nonce.to_bytes(NONCE.stop - NONCE.start, "little")
            previous = header_hash(raw)
            if previous[:-4:-1] < TARGET:
                break
        parts.append(raw)
    return b"".join(parts)


def times(folder: Path, blocks: int) -> dict[str, float]:
    """Return what a chain of that many blocks takes.

    Regtest has no checkpoints. So that the file is asked as mainnet's is, with all but the newest
    period behind checkpoints, the chain gets some of its own.
    """
    raw = made_up(blocks)
    create(folder, REGTEST, 0)
    points = _checkpoints(raw)
    start = time.perf_counter()
    with HeaderWriter(folder) as writer:
        extend(writer, points, 0, raw, UNCHECKED)
    added = time.perf_counter() - start
    with HeaderFile(folder) as file:
        start = time.perf_counter()
        check_all(file, points)
        checked = time.perf_counter() - start
        start = time.perf_counter()
        kept = KeptHeaders(file, points)
        kept.tip()
        opened = time.perf_counter() - start
        asked = []
        for question in range(QUESTIONS):  # each in another period, so that nothing is in memory
            start = time.perf_counter()
            kept.header(question * PERIOD % (points.newest + 1))
            asked.append(time.perf_counter() - start)
        start = time.perf_counter()
        kept.height_of(Header(raw[-HEADER_BYTES:]).hash)
        indexed = time.perf_counter() - start
    return {
        "blocks": blocks + 1,
        "added_seconds": added,
        "added_per_second": (blocks + 1) / added,
        "checked_seconds": checked,
        "opened_ms": 1e3 * opened,
        "header_ms": 1e3 * median(asked),
        "indexed_seconds": indexed,
    }


def _checkpoints(raw: bytes) -> Checkpoints:
    edges = range(PERIOD - 1, len(raw) // HEADER_BYTES, PERIOD)
    hashes = tuple(header_hash(raw[HEADER_BYTES * at : HEADER_BYTES * (at + 1)]) for at in edges)
    bits = (REGTEST.limit_bits,) * len(hashes)
    return Checkpoints(network=REGTEST, hashes=hashes, bits=bits)
