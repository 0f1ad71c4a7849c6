"""What the operator decides takes effect once the log has said it: here, or where it is served."""

import time
from collections.abc import Callable
from contextlib import closing

from translog.cli.places import answering, now
from translog.errors import ConflictError, UnavailableError
from translog.log.directory import LogDirectory
from translog.log.writer import Writer, open_writer
from translog.store import database
from translog.store.database import Connection
from translog.store.decisions import read_proposals

WAIT_SECONDS = 30.0  # a server looks every time it publishes
POLL_SECONDS = 0.05


def decide(log: LogDirectory, propose: Callable[[Connection], int | None]) -> bool:
    """Propose something, and return when it has taken effect, whether there was anything to do.

    Raises:
        UnavailableError: the log is served, and its server has not taken it up in time: it will.
    """
    with closing(database.open_editor(log.database)) as db:
        with answering():
            is_new = propose(db) is not None
        deadline = time.monotonic() + WAIT_SECONDS
        while read_proposals(db):
            try:
                with open_writer(log, now):
                    pass  # opening settles
            except ConflictError:  # somebody else writes, and settles
                _wait(deadline)
    return is_new


def settle(db: Connection, writer: Writer | None) -> None:
    """Return when all that is proposed has taken effect.

    Args:
        db: an editor's connection to the log.
        writer: who writes the log, where that is this process.

    Raises:
        UnavailableError: as `decide`.
    """
    if not read_proposals(db):
        return
    if writer is not None:
        writer.settle()
        return
    deadline = time.monotonic() + WAIT_SECONDS
    while read_proposals(db):
        _wait(deadline)


def _wait(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise UnavailableError(
            f"the log's server has not taken it up in {WAIT_SECONDS:g} s: it is noted, and has its"
            " effect when the server does"
        )
    time.sleep(POLL_SECONDS)
