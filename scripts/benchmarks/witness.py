"""How many heads a witness cosigns in a second, durable before the answer, over HTTP.

Each of many logs goes on by one leaf at a time, from its own head, with the proof. The keys are of
Ed25519 on both sides, unless ML-DSA-44 is asked for.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from scripts.benchmarks import load
from translog.formats import keys
from translog.formats.checkpoint import Checkpoint, sign_checkpoint
from translog.formats.cosignature import ED25519, ML_DSA_44
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.note import Verifier
from translog.formats.tree import Node, fold, grow, prove_consistency, subtrees
from translog.formats.witnessing import Submission
from translog.store.witness_directory import create

TOP = Path(__file__).resolve().parents[2]
LOGS = 64


def requests_of(number: int, count: int) -> tuple[Verifier, list[bytes]]:
    """Return a log's key, and its requests from size 0 to `count`, one leaf each."""
    origin = f"example.com/log{number}"
    key = keys.SigningKey(sha256(origin.encode()).digest())
    nodes: dict[Node, Hash] = {}

    def read(wanted: Sequence[Node]) -> list[Hash]:
        return [nodes[node] for node in wanted]

    made = []
    for size in range(1, count + 1):
        nodes.update(grow(size - 1, [leaf_hash(b"%d" % size)], read))
        root = fold(read(list(subtrees(range(size)))))
        checkpoint = Checkpoint(origin=origin, size=size, root=root)
        proof = prove_consistency(size - 1, size, read) if size > 1 else []
        body = Submission(
            old_size=size - 1, proof=tuple(proof), checkpoint=sign_checkpoint(checkpoint, key)
        ).encode()
        head = f"POST /add-checkpoint HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {number}\r\n"
        made.append(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return Verifier(name=origin, public_key=key.public_key), made


def cosigned_per_second(
    folder: Path, requests: int, connections: int, key_type: int
) -> dict[str, Any]:
    """Return what `load` found, with `per_second`: all answers must be 200."""
    place = Path(tempfile.mkdtemp(dir=folder)) / "witness"
    made = create(place, "witness.example/w1", {key_type: b"w" * 32})
    logs = [requests_of(number, -(-requests // LOGS)) for number in range(LOGS)]
    with closing(made.open_editor()) as records, records.transaction():
        for verifier, _ in logs:
            records.add_key(verifier.name, verifier.vkey)
    mixed = [one for step in zip(*(each for _, each in logs), strict=True) for one in step]
    load.write_requests(place / "requests", mixed)
    command = [sys.executable, "-m", "translog", "witness", "serve", str(place)]
    server = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, cwd=TOP
    )
    try:
        assert server.stderr is not None
        port = json.loads(server.stderr.readline())["url"].rpartition(":")[2]
        script = str(Path(load.__file__))
        done = subprocess.check_output(
            [sys.executable, script, port, str(connections), str(place / "requests")]
        )
    finally:
        server.terminate()
        server.wait()
    found: dict[str, Any] = json.loads(done)
    assert set(found["statuses"]) == {"200"}, found["statuses"]
    found["per_second"] = found["requests"] / found["seconds"]
    return found


def rates(folder: Path, requests: int) -> dict[str, Any]:
    """Return what a lone log and a crowd get, and a crowd of a witness with ML-DSA-44."""
    return {
        "lone": cosigned_per_second(folder, requests // 4, 1, ED25519),
        "crowd": cosigned_per_second(folder, requests, 32, ED25519),
        "crowd_ml_dsa_44": cosigned_per_second(folder, requests // 2, 32, ML_DSA_44),
    }
