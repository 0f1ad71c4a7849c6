"""Measurements of those who check: audits, bundles, and monitors of one large log and of many.

The logs exist only as what they publish. They repeat some thousand signed events: whoever checks
them cannot know, and does all of the work.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

from scripts.benchmarks import inside, memory
from tests.simulators import events
from translog.formats.canonical import canonical
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.cosignature import CosigningKey
from translog.formats.entry import encode_bundle
from translog.formats.merkle import Hash, leaf_hash, level_above
from translog.formats.note import NoteSigner, Verifier
from translog.formats.policy import believing, parse_policy
from translog.formats.published import CHECKPOINT, EVENTS, KEYS, encode_events, event_path
from translog.formats.tiles import ENTRIES, FULL, HEIGHT, Tile, parse_bundle_path
from translog.formats.tree import Node, root
from translog.pith.build import build_bundle
from translog.pith.event import Event, from_value, restore
from translog.testing import published
from translog.testing.events import (
    SIGNED_AT,
    attestation,
    creation,
    number_of,
    pith_key,
    signing_key,
)
from translog.verify.auditor import audit
from translog.verify.crowd import Crowd
from translog.verify.findings import Trust
from translog.verify.steps import check_steps

ORIGIN = "bench.example/log"
KEY = signing_key("bench")
PERIOD = 4_096
READY = "ready"


class Some:
    """Events that are repeated, as a log keeps them."""

    def __init__(self, made: Sequence[Event]) -> None:
        self.entries = [published.entry_of(each, events.KEY.public_key).encode() for each in made]
        self.contents = [each.content for each in made]
        self.singles = {event_path(each.content_sha256): each.content for each in made}
        self.leaves = [leaf_hash(entry) for entry in self.entries]


class Repeating:
    """A log of any size that repeats the same events, as a `published.Fetch`."""

    def __init__(self, some: Some, size: int, *, origin: str = ORIGIN) -> None:
        self.origin = origin
        self.size = size
        self.some = some
        row = [some.leaves[number % len(some.leaves)] for number in range(size)]
        self.levels: list[bytes] = []
        while row:
            self.levels.append(b"".join(row))
            row = level_above(row)
        head = Checkpoint(origin=origin, size=size, root=root(size, self._read))
        self.note = sign_checkpoint(head, KEY)

    @property
    def verifier(self) -> Verifier:
        return NoteSigner(name=self.origin, key=KEY).verifier

    def _read(self, nodes: Sequence[Node]) -> list[Hash]:
        return [
            Hash(self.levels[node.level][32 * node.index : 32 * node.index + 32]) for node in nodes
        ]

    def get(self, path: str, limit: int) -> bytes:
        if path == CHECKPOINT:
            return self.note
        if path == KEYS:
            return canonical({"public_keys": [events.PITH_KEY.to_json()]})
        if path in self.some.singles:
            return self.some.singles[path]
        for prefix, held, encode in (
            (ENTRIES, self.some.entries, encode_bundle),
            (EVENTS, self.some.contents, encode_events),
        ):
            if path.startswith(f"{prefix}/"):
                index, width = parse_bundle_path(prefix, path)
                numbers = range(index * FULL, index * FULL + width)
                return encode(held[number % len(held)] for number in numbers)
        tile = Tile.parse(path)
        start = 32 * FULL * tile.index
        return self.levels[HEIGHT * tile.level][start : start + 32 * tile.width]


def real_events(count: int) -> Some:
    """Return events in the shape of real ones: three of four create a record."""
    made = (events.snapshot(n) if n % 4 == 0 else events.created(n) for n in range(count))
    return Some([from_value(value) for value in made])


def snapshots(count: int) -> Some:
    """Return events that cannot contradict each other, however often they are repeated."""
    return Some([from_value(events.snapshot(number)) for number in range(count)])


def audit_rates(size: int) -> dict[str, float]:
    """Return how many entries a second an audit checks, of each depth, on one core and two."""
    log = Repeating(real_events(1_024), size)
    policy = believing(log.verifier)
    found = {"pynacl": inside.verify_rate()}
    for depth in ("hashes", "signatures", "events"):
        for workers in (1, 2):
            with Crowd(workers, here=0) as crowd:
                check = {"check": crowd.check} if workers > 1 else {}
                if workers > 1:  # its processes start with the first bundles
                    audit(Repeating(real_events(256), 1_024).get, policy, workers=4, **check)
                start = time.perf_counter()
                audit(log.get, policy, depth=depth, workers=workers, **check)
                found[f"{depth}_{workers}"] = size / (time.perf_counter() - start)
    found["pynacl"] = (found["pynacl"] + inside.verify_rate()) / 2
    return found


def verify_times(folder: Path) -> dict[str, float]:
    """Return how long a bundle with ten events takes, in seven steps, and a process of its own."""
    raw, proofs, policy, keys = _bundle()
    trust = Trust(keys=keys, policy=parse_policy(policy))
    if not check_steps(raw, trust, proofs=proofs).ok:
        raise RuntimeError("the bundle is not as its policy wants it")
    spent = [
        inside.median_seconds(lambda _: check_steps(raw, trust, proofs=proofs), range(9))
        for _ in range(3)
    ]
    (folder / "ten.bundle.json").write_bytes(raw)
    (folder / "ten.policy").write_bytes(policy)
    (folder / "ten.key").write_text(next(iter(keys)).hex())
    names = [f"{number}.tlog-proof" for number in range(len(proofs))]
    for name, proof in zip(names, proofs, strict=True):
        (folder / name).write_bytes(proof)
    command = [sys.executable, "-m", "translog", "verify"]
    whole = [*command, "ten.bundle.json", *names, "--policy", "ten.policy", "--key", "ten.key"]
    return {
        "bundle_ms": 1e3 * min(spent),
        "process_ms": _process_ms(whole, folder),
        "help_ms": _process_ms([*command, "--help"], folder),
        "python_ms": _process_ms([sys.executable, "-c", "pass"], folder),
    }


def _process_ms(command: list[str], folder: Path) -> float:
    spent = []
    for _ in range(9):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        spent.append(time.perf_counter() - start)
    return 1e3 * statistics.median(spent)


def _bundle() -> tuple[bytes, list[bytes], bytes, dict[bytes, str]]:
    """Return a bundle with ten events, their proofs, a policy, and the signers' keys."""
    witness = CosigningKey(name="w.example", key=signing_key("witness"))
    made = [creation(1), *(attestation(number, paper=1) for number in range(9))]
    log = published.Published([attestation(100 + number) for number in range(1_000)] + made)
    head = log.checkpoint(log.size)
    parsed = Checkpoint.parse(head.decode().partition("\n\n")[0] + "\n")
    note = head + str(witness.cosign(parsed, 1_780_000_000)).encode()
    proofs = [log.proof(1_000 + number).encode().replace(head, note) for number in range(10)]
    keys = [pith_key(), pith_key(published.LOG_KEY)]
    built = build_bundle(
        pith_number=number_of(1),
        events=[restore(each.content, each.signature, SIGNED_AT) for each in made],
        keys=keys,
        built_at="2026-06-02T00:00:00Z",
        base_url="https://log.example",
        timestamp_proofs=[],
        mirror_hints=[],
        signing_key=published.LOG_KEY,
    )
    lines = f"log {log.verifier.vkey}\nwitness w {witness.cosigner.vkey}\nquorum w\n"
    return canonical(built), proofs, lines.encode(), {key.public_key: key.key_id for key in keys}


class Growing:
    """A log that has one entry more every so many seconds."""

    def __init__(self, origin: str, size: int, seconds: float, some: Some) -> None:
        self._origin = origin
        self._size = size
        self._seconds = seconds
        self._some = some
        self._begun = time.monotonic()
        self._newest = Repeating(some, size, origin=origin)

    def get(self, path: str, limit: int) -> bytes:
        grown = int((time.monotonic() - self._begun) / self._seconds) if self._seconds else 0
        if path == CHECKPOINT and self._newest.size < self._size + grown:
            self._newest = Repeating(self._some, self._size + grown, origin=self._origin)
        return self._newest.get(path, limit)


def serve(count: int, size: int, seconds: float) -> None:
    """Serve `count` logs at /0/, /1/, …, each one entry larger every so many seconds."""
    some = snapshots(64 if count > 1 else PERIOD)
    logs = [Growing(f"bench.example/{number}", size, seconds, some) for number in range(count)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            _, number, path = self.path.split("/", 2)
            try:
                status, body = 200, logs[int(number)].get(path, 1 << 30)
            except (IndexError, ValueError):
                status, body = 404, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 1_024

    server = Server(("127.0.0.1", 0), Handler)
    print(f"{READY} {server.server_port}", flush=True)
    server.serve_forever()


@contextmanager
def serving(count: int, size: int, seconds: float = 0.0) -> Iterator[str]:
    """Serve in a process of its own, while the block runs; yield the URL."""
    command = [sys.executable, "-m", __name__, str(count), str(size), str(seconds)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        word, port = process.stdout.readline().split()
        assert word == READY
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _config(folder: Path, url: str, count: int, interval: int) -> Path:
    lines = [
        f'database = "{count}.db"',
        f"interval_seconds = {interval}",
        'listen = "127.0.0.1:0"',
        "[alerts]",
        "stdout = true",
    ]
    for number in range(count):
        vkey = NoteSigner(name=f"bench.example/{number}", key=KEY).verifier.vkey
        lines += ["[[log]]", f'keys = ["{vkey}"]', f'url = "{url}/{number}"']
    file = folder / f"monitor-{count}.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def monitor_memory(folder: Path, size: int) -> dict[str, float]:
    """Return the most memory a monitor has while it scans a whole log, and how fast that goes."""
    place = Path(tempfile.mkdtemp(dir=folder))
    with serving(1, size) as url:
        command = [sys.executable, "-m", "translog", "monitor", "--once"]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, str(_config(place, url, 1, 10))], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        with memory.Watched(process.pid) as watched:
            alerts = process.stdout.read()
            process.wait()
        seconds = time.perf_counter() - start
    if process.returncode or alerts:
        raise RuntimeError(f"monitor ended with {process.returncode}: {alerts[:500]!r}")
    return {"mb": watched.mb, "per_second": size / seconds}


def many_logs(folder: Path, count: int, rounds: int, interval: int = 10) -> dict[str, float]:
    """Follow many logs, each of which grows, in one process; return how it keeps up."""
    place = Path(tempfile.mkdtemp(dir=folder))
    with serving(count, 40, float(interval)) as url:
        file = _config(place, url, count, interval)
        port = _free_port()
        file.write_text(file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        command = [sys.executable, "-m", "translog", "monitor", str(file)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2 * interval)  # the first turns scan what is there
            before = _metrics(port)
            time.sleep(rounds * interval)
            after = _metrics(port)
            mb = sum(memory.peaks_mb(process.pid))
        finally:
            process.terminate()
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
    took = {name: after[name] - before[name] for name in ("turns_total", "late_turns_total")}
    total = (2 + rounds) * interval
    return {
        "turns_of_due": took["turns_total"] / (count * rounds),
        "late": took["late_turns_total"],
        "cores": (usage.ru_utime + usage.ru_stime) / total,
        "mb": mb,
        "alerts": after["alerts"],
    }


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


def _metrics(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    found = [line.removeprefix("translog_monitor_").rsplit(" ", 1) for line in lines]
    values = {name: float(value) for name, value in found if "{" not in name and name[0] != "#"}
    alerts = [float(value) for name, value in found if name.startswith("facts_total{")]
    return {**values, "alerts": sum(alerts)}


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
