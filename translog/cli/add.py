"""`translog add`."""

import stat
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click

from translog.cli.exits import FAILED
from translog.cli.output import Output, Progress, json_option
from translog.cli.reading import Item, read_items
from translog.cli.sending import Added, Answer, Refused, Send, Wait, Waits, opened, refused
from translog.errors import MissingError, UnavailableError

BATCH_EVENTS = 256
BATCH_BYTES = 4 << 20
AHEAD = 3  # batches on their way while the next is read
LONG_BYTES = 4 << 20  # what is worth a bar
SHOWN = 20  # events that are shown one by one, all included; more are counted, and refusals shown


@click.command(short_help="Log events.")
@click.argument("log", metavar="DIR|URL")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@json_option
@click.pass_context
def add(ctx: click.Context, log: str, names: tuple[str, ...]) -> None:
    """Log the events in FILEs, in order; `-` is standard input.

    A FILE is an event, lines of events (NDJSON, of any length), or a bundle. Each event is logged
    or refused by itself, and one that is logged already keeps its place: adding twice changes
    nothing. With a URL, the log's server takes them; a log in DIR must not be served meanwhile,
    and is published at the end. What is added is on disk.
    """
    output: Output = ctx.obj
    tally = _Tally(output)
    with opened(log) as (send, _), _bar(output, names) as progress:
        waiting: deque[tuple[list[Item], Wait]] = deque()
        for batch in _batches(names, progress):
            waiting.append((batch, _send(send, batch)))
            if len(waiting) > AHEAD:
                tally.count(*waiting.popleft())
        while waiting:
            tally.count(*waiting.popleft())
    tally.show()
    ctx.exit(FAILED if tally.refused else 0)


def _send(send: Send, batch: list[Item]) -> Wait:
    events = [item.event for item in batch if isinstance(item.event, bytes)]
    return send(events) if events else list


def _batches(names: Sequence[str], progress: Progress) -> Iterator[list[Item]]:
    """Yield the events of all files, as many at a time as are worth a journey."""
    before = 0
    for name in names:
        with opened_file(name) as stream:
            batch: list[Item] = []
            held = 0
            for item in read_items(stream, name):
                batch.append(item)
                held += len(item.event) if isinstance(item.event, bytes) else 0
                if len(batch) >= BATCH_EVENTS or held >= BATCH_BYTES:
                    yield batch
                    batch, held = [], 0
                    if stream.seekable():
                        progress(before + stream.tell(), 0)
            if batch:
                yield batch
        before += size_of(name) or 0


@contextmanager
def opened_file(name: str) -> Iterator[BinaryIO]:
    """Open a file for reading while the block runs; `-` is standard input."""
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115  # errors of the block are not this file's
    except FileNotFoundError as error:
        raise MissingError(f"{name}: there is no such file") from error
    except OSError as error:
        raise UnavailableError(f"{name} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


@contextmanager
def _bar(output: Output, names: tuple[str, ...]) -> Iterator[Progress]:
    """Show a bar for a long input."""
    sizes = [size_of(name) for name in names]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    if total is not None and total < LONG_BYTES:
        yield lambda done, _: None
        return
    with output.progress("adding") as progress:
        yield lambda done, _: progress(done, total or 0)


def size_of(name: str) -> int | None:
    """Return the length of a regular file."""
    if name == "-":
        return None
    try:
        status = Path(name).stat()
    except OSError:
        return 0  # opening it says why
    return status.st_size if stat.S_ISREG(status.st_mode) else None


class _Tally:
    """Counts answers, and shows them: all to programs, to people the first and what is refused."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.added = 0
        self.duplicates = 0
        self.refused = 0
        self.held = 0

    def count(self, batch: list[Item], wait: Wait) -> None:
        """Wait for a batch's answers.

        Raises:
            UnavailableError: the log stopped taking events.
        """
        answers = iter(wait())
        for item in batch:
            answer = next(answers) if isinstance(item.event, bytes) else refused(item.event)
            if isinstance(answer, Added):
                self.duplicates += answer.duplicate
                self.added += not answer.duplicate
            elif isinstance(answer, Waits):
                self.held += 1
            elif answer.stops:
                raise UnavailableError(
                    f"{item.where}: {answer.detail}. {self.added + self.duplicates} events before"
                    " it are logged; adding everything again later changes nothing for those"
                )
            else:
                self.refused += 1
            self._show(item.where, answer)

    def _show(self, where: str, answer: Answer) -> None:
        output = self._output
        if output.json:
            output.value({"where": where, **_said(answer)})
        elif isinstance(answer, Waits):
            output.line(
                f"{where}: {answer.event_id} waits until the log's operator accepts it",
                mark="held       ",
                style="doubt",
            )
        elif not isinstance(answer, Added):
            output.line(f"{where}: {answer.code}: {answer.detail}", mark="refused    ", style="bad")
        elif self.added + self.duplicates <= SHOWN:
            mark = "there      " if answer.duplicate else "added      "
            output.line(f"{where}: entry {answer.index}, {answer.event_id}", mark=mark, style="ok")
        elif self.added + self.duplicates == SHOWN + 1:
            output.line("… more that are added are counted, and not shown")

    def show(self) -> None:
        """Print the sums, for people: programs can count lines."""
        if not self._output.json:
            held = f", {self.held:,} held" if self.held else ""
            self._output.line(
                f"{self.added:,} added, {self.duplicates:,} there before,"
                f" {self.refused:,} refused{held}"
            )


def _said(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Refused):
        return {"error": asdict(answer)}
    return asdict(answer) | ({"held": True} if isinstance(answer, Waits) else {})
