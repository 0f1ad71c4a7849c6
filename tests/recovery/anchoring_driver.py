"""Turns of an anchorer in processes that die: one child a turn, forked, so that it takes little.

Reads turns as JSON lines: {"path": DIR, "now": T, "node": URL, "calendars": [URL], "add": N,
"at_once": BOOL, "kill_at": K or null}; writes what became of each as JSON lines: {"killed": BOOL,
"points": N, "happened": [word], "waiting": {step: why}, "bug": traceback or null}.

A point is a moment at which a process can die and leave something half done: before and after
each transaction, at its end before the commit, and after each answer from the network.
"""

import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.recovery.children import answer
from tests.simulators.events import created
from translog.bitcoin.claims import Known
from translog.bitcoin.grade import GradedHeader, HeaderSource
from translog.bitcoin.network import REGTEST, Network
from translog.formats.canonical import canonical
from translog.log import announcer, beacons, directory, quiet, sequencer, stamper, watcher
from translog.log.anchorer import Anchorer
from translog.log.anchoring import Settings
from translog.log.writer import open_writer
from translog.net.calendars import Calendars
from translog.net.sources import open_source
from translog.store import database
from translog.store.database import Connection

CHILD_SECONDS = 60


class Points:
    """Counts the moments, and ends the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self._kill_at = kill_at

    def reach(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        """Return a question after whose answer is a moment."""

        def asked(*arguments: Any) -> Any:
            answer = ask(*arguments)
            self.reach()
            return answer

        return asked


class Counted:
    """Headers after each of which is a moment."""

    def __init__(self, source: HeaderSource, points: Points) -> None:
        self._source = source
        self._points = points

    @property
    def network(self) -> Network:
        return self._source.network

    def tip(self) -> int:
        return int(self._points.after(self._source.tip)())

    def header(self, height: int) -> GradedHeader:
        found: GradedHeader = self._points.after(self._source.header)(height)
        return found


def arm(points: Points) -> None:
    real = database.transaction

    @contextmanager
    def transaction(connection: Connection) -> Iterator[None]:
        points.reach()
        with real(connection):
            yield
            points.reach()
        points.reach()

    for module in (announcer, beacons, quiet, sequencer, stamper, watcher):
        module.transaction = transaction  # type: ignore[attr-defined]
    stamper.submit = points.after(stamper.submit)
    stamper.upgrade = points.after(stamper.upgrade)


def turn(case: dict[str, Any], points: Points) -> dict[str, Any]:
    now = case["now"]
    log = directory.find(Path(case["path"]))
    settings = Settings(
        network=REGTEST,
        calendars=Calendars(urls=tuple(case["calendars"]), listed=(), need=1),
    )
    known = Known(network=REGTEST, checkpoints=None)
    source = open_source(f"esplora:{case['node']}", known, str, print)
    with open_writer(log, lambda: now) as writer, closing(source):
        writer.add([canonical(created(number)) for number in range(case["add"])])
        writer.publish(now)
        arm(points)
        with closing(database.open_editor(log.database)) as db:
            headers = Counted(source, points)
            signer = log.read_signer()
            anchorer = Anchorer(db, writer, signer, settings, headers, lambda: 0.5)
            happened = anchorer.turn(now, at_once=case["at_once"])
    return {
        "killed": False,
        "points": points.count,
        "happened": [each.what for each in happened],
        "waiting": dict(anchorer.waiting),
        "bug": None,
    }


def run(case: dict[str, Any], out: Path) -> None:
    """Be the child."""
    signal.alarm(CHILD_SECONDS)
    points = Points(case["kill_at"])
    try:
        seen = turn(case, points)
    except BaseException:  # noqa: BLE001  # whatever it is, the test is told
        seen = {"killed": False, "bug": traceback.format_exc()}
    out.write_text(json.dumps(seen))


if __name__ == "__main__":
    answer(run, died=lambda status: {"killed": os.WIFSIGNALED(status), "bug": None})
