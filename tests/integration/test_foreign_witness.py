"""Somebody else's witness cosigns our log, and ours cosigns a log that somebody else's code writes.

`aics-witness` and `aics-tlog` (PyPI) need Python 3.12 or newer: where they are not installed, these
tests are skipped with that reason.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_witness import Process
from tests.simulators.logs import new_log, raws
from translog.cli.main import run
from translog.errors import VerificationError
from translog.formats.cosigned import open_trusted
from translog.formats.policy import parse_policy
from translog.formats.witnessing import monitoring_path
from translog.log.writer import open_writer
from translog.store.witness_directory import find

REASON = "aics-tlog and aics-witness need Python 3.12 or newer"
aics_tlog = pytest.importorskip("aics_tlog", reason=REASON)
aics_witness = pytest.importorskip("aics_witness", reason=REASON)


def now() -> int:
    return int(time.time())


@contextmanager
def their_witness(path: Path, origin: str, vkey: str) -> Iterator[Any]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    with aics_witness.WitnessStore(path / "theirs.db", create=True) as store:
        witness = aics_witness.Witness(
            "theirs.example/w",
            Ed25519PrivateKey.from_private_bytes(b"t" * 32),
            store,
            [aics_witness.LogConfig.from_strings(origin, [vkey])],
        )
        server = aics_witness.make_server(witness)
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield witness, server.url
        finally:
            server.shutdown()
            serving.join()
            server.server_close()


def test_their_witness_cosigns_our_log(tmp_path: Path) -> None:
    log = new_log(tmp_path / "log")
    with their_witness(tmp_path, log.origin, log.verifier.vkey) as (witness, url):
        policy = f"witness theirs {witness.vkey_text} {url}\nquorum theirs\n"
        (log.path / "policy").write_text(policy)
        believed = parse_policy(policy.encode()).trusting([log.verifier])
        for start, count in ((0, 3), (3, 1), (4, 20)):
            with open_writer(log, now) as writer:  # opened again: proved from what is remembered
                writer.add(raws(*range(start, start + count)))
                shown = open_trusted(writer.publish(now()).note, believed)
                assert shown.size == start + count
                assert abs(shown.cosigned[0].time - now()) <= 2
        state = witness.store.get(log.origin)
        assert (state.size, state.root) == (24, shown.root)


def test_their_witness_refuses_a_fork_of_our_log_and_we_see_it(tmp_path: Path) -> None:
    log = new_log(tmp_path / "log")
    with open_writer(log, now):
        pass
    saved = {name: (log.path / name).read_bytes() for name in ("log.db", "signed-head")}
    with their_witness(tmp_path, log.origin, log.verifier.vkey) as (witness, url):
        policy = log.path / "policy"
        policy.write_text(f"witness theirs {witness.vkey_text} {url}\nquorum theirs\n")
        with open_writer(log, now) as writer:
            writer.add(raws(*range(5)))
        # What was saved goes on otherwise, where nobody is asked; and then somebody is.
        for name, content in saved.items():
            (log.path / name).write_bytes(content)
        asked = policy.read_text()
        policy.unlink()
        with open_writer(log, now) as writer:
            writer.add(raws(*range(100, 105)))
        policy.write_text(asked)
        message = "database has another tree below size 5 than the head that was signed"
        with pytest.raises(VerificationError, match=message), open_writer(log, now):
            raise AssertionError("it is not opened")
        assert len(witness.store.evidence()) >= 1


def test_our_witness_cosigns_a_log_that_their_code_writes(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
    origin = "theirs.example/log"
    vkey = aics_tlog.format_vkey(aics_tlog.vkey_from_ed25519(origin, key.public_key()))
    place = tmp_path / "w"
    assert run(["witness", "init", str(place), "--name", "ours.example/w"]) == 0
    assert run(["witness", "add-log", str(place), vkey]) == 0
    (own,) = find(place).read_signers()
    process = Process(place)
    try:
        url = f"http://{process.host}:{process.port}"
        entries: list[bytes] = []
        notes = []
        with aics_witness.WitnessClient(url, own.cosigner.vkey) as client:
            for count in (1, 4, 60, 1):
                entries += [b"entry %d" % (len(entries) + n) for n in range(count)]
                tree = aics_tlog.MerkleTree(entries)
                head = aics_tlog.Checkpoint(origin=origin, size=len(entries), root=tree.root())
                note = aics_tlog.sign_checkpoint(head, key, origin).serialise()
                # Their client proves, and verifies our line with their code.
                line = client.submit(note, tree.consistency_proof)
                notes.append(aics_witness.merge_cosignatures(note, line))
            with pytest.raises(aics_witness.WitnessAhead):
                client.submit(notes[0], tree.consistency_proof)
        policy = f"log {vkey}\nwitness ours {own.cosigner.vkey}\nquorum ours\n"
        for note in notes:
            open_trusted(note, parse_policy(policy.encode()))
        status, shown = process.ask("GET", f"/{monitoring_path(origin)}")
        assert status == 200
        assert open_trusted(shown, parse_policy(policy.encode())).size == len(entries)
        process.stop()
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.communicate()
