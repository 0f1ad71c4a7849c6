"""Drives logs on disks that fail: one child a case, forked, so that a case takes milliseconds.

Reads cases as JSON lines: {"path": DIR, "fault": {...}}; writes what each child saw as JSON lines:
[["open"], ["ack", number, index, hash, leaf hash] | ["refused", why] | ["head", note]
| ["unsigned", why], ..., ["closed"] or ["stopped", why] or ["bug", traceback]].

Run under faults.c with LD_PRELOAD for the fault kinds other than "size".
"""

import ctypes
import json
import os
import resource
import signal
import traceback
from pathlib import Path
from typing import Any

from tests.recovery.children import answer
from tests.simulators.logs import NOW, raws, writing
from translog.errors import TranslogError
from translog.log import directory
from translog.log.directory import LogDirectory
from translog.log.sequencer import Placed
from translog.store import database

BATCHES = [range(2), range(2, 3), range(1, 12), range(12, 70), range(70, 71)]
CHECKPOINT_PAGES = 6  # the write-ahead log is folded back several times a run
CHILD_SECONDS = 60


def arm(path: Path, fault: dict[str, Any]) -> None:
    if fault["kind"] == "size":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault["bytes"], resource.RLIM_INFINITY))
    else:
        ctypes.CDLL(None).fault_arm(
            os.fsencode(path), fault["calls"], fault["at"], fault["errno"], int(fault["again"])
        )


def drive(log: LogDirectory, seen: list[list[Any]]) -> None:
    with writing(log) as writer:
        seen.append(["open"])
        for number, batch in enumerate(BATCHES):
            try:
                for sent, result in zip(batch, writer.add(raws(*batch)), strict=True):
                    if isinstance(result, Placed):
                        leaf = result.leaf_hash.hex()
                        ack = [sent, result.index, result.content_sha256.hex(), leaf]
                        seen.append(["ack", *ack])
                    else:
                        seen.append(["refused", str(result)])
            except TranslogError as error:
                seen.append(["refused", str(error)])
            try:
                seen.append(["head", writer.publish(NOW + number).note.decode()])
            except TranslogError as error:
                seen.append(["unsigned", str(error)])
    seen.append(["closed"])


def run(case: dict[str, Any], out: Path) -> None:
    """Be the child: what happens here happens to one log."""
    signal.alarm(CHILD_SECONDS)
    database.CHECKPOINT_PAGES = CHECKPOINT_PAGES
    seen: list[list[Any]] = []
    try:
        log = directory.find(Path(case["path"]))
        arm(log.path, case["fault"])
        drive(log, seen)
    except TranslogError as error:
        seen.append(["stopped", str(error)])
    except BaseException:  # noqa: BLE001  # whatever it is, the test is told
        seen.append(["bug", traceback.format_exc()])
    if case["fault"]["kind"] == "calls":
        seen.append(["count", ctypes.CDLL(None).fault_count()])
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    out.write_text(json.dumps(seen))


if __name__ == "__main__":
    answer(run, died=lambda status: [["died", status]])
