"""`translog mint`."""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import click

from translog import __version__
from translog.cli.exits import FAILED
from translog.cli.metadata import Found, found_in
from translog.cli.output import Output, json_option
from translog.cli.params import PRIVATE_KEY, SIGNER_ID, is_url
from translog.cli.places import find_log
from translog.cli.sending import Added, Answer, Opened, Refused, Wait, Waits, opened
from translog.errors import MissingError, TranslogError, UnavailableError
from translog.log import minting
from translog.log.minting import Minter, Named
from translog.net.client import Client
from translog.pith.key import fingerprint_hex
from translog.pith.metadata import Work
from translog.pith.record import parse_pith_number
from translog.store import database
from translog.store.database import Connection
from translog.store.keys import read_key

AHEAD = 3  # batches on their way while the next is made
KEPT_AT_ONCE = 1_024  # works: the log waits while their titles and abstracts are written
SHOWN = 20  # records that are shown one by one
MAX_STATE_BYTES = 16 << 20
PUBLISH_SECONDS = 60.0
POLL_SECONDS = 0.2


@click.command(short_help="Make records of works, and log their creation.")
@click.argument("log", metavar="DIR|URL")
@click.argument("names", metavar="METADATA...", nargs=-1, required=True)
@PRIVATE_KEY
@SIGNER_ID
@json_option
@click.pass_context
def mint(
    ctx: click.Context, log: str, names: tuple[str, ...], key: Path, signer_id: str | None
) -> None:
    """Make a record of each work in METADATA, with a Pith Number, and log it.

    METADATA is JSON, lines of JSON, or arXiv's XML (Atom, arXivRaw); `-` is standard input. The
    same metadata give the same number, and a number that is there is left alone: minting twice
    changes nothing. Versions of a work are records of their own, and share its name elsewhere.
    With a log in DIR, titles and abstracts are kept beside it, for pages and search; a server at
    URL takes events only, and this returns when it shows them.
    """
    output: Output = ctx.obj
    signer = read_key(key)
    minter = Minter(
        signer.key,
        signer_id=signer_id or fingerprint_hex(signer.key.public_key),
        key_id=signer.name,
        builder=f"translog-{__version__}",
        now=_now,
    )
    with ExitStack() as stack:
        registry: _Registry = _Server(log) if is_url(log) else _Directory(log)
        stack.callback(registry.close)
        to = stack.enter_context(opened(log))
        progress = stack.enter_context(output.progress("minting"))
        tally = _Tally(output, registry)
        _mint(found_in(names, progress), minter, registry, to, tally)
        if tally.last is not None:
            registry.settle(tally.last)
    tally.show()
    ctx.exit(FAILED if tally.refused else 0)


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class _Work(NamedTuple):
    """A work, and what is sent of it.

    Attributes:
        where: it was found.
        named: it, with its number; or what is wrong with its metadata.
        events: that make it a record; none where it is one.
        place: index of the record's creation where it was there before, or None.
    """

    where: str
    named: Named | TranslogError
    events: list[bytes]
    place: int | None


def _mint(
    found: Iterator[list[Found]], minter: Minter, registry: "_Registry", to: Opened, tally: "_Tally"
) -> None:
    waiting: deque[tuple[list[_Work], Wait]] = deque()
    mine: set[str] = set()  # numbers of this run: they may not be found yet
    for batch in found:
        works = _make(batch, minter, registry, mine)
        events = [event for work in works for event in work.events]
        waiting.append((works, to.send(events) if events else list))
        if len(waiting) > AHEAD:
            tally.count(*waiting.popleft())
    while waiting:
        tally.count(*waiting.popleft())


def _make(batch: list[Found], minter: Minter, registry: "_Registry", mine: set[str]) -> list[_Work]:
    """Mint what is not there yet."""
    numbers = {each.named.number for each in batch if isinstance(each.named, Named)}
    there = registry.find(sorted(numbers - mine))
    works = []
    for where, each in batch:
        if not isinstance(each, Named):
            works.append(_Work(where, each, [], None))
            continue
        fresh = each.number not in there and each.number not in mine
        mine.add(each.number)
        events = minter.mint(each) if fresh else []
        works.append(_Work(where, each, events, there.get(each.number)))
    return works


class _Registry(Protocol):
    """What a log has, for who mints."""

    def find(self, numbers: Sequence[str]) -> Mapping[str, int | None]:
        """Return the records that are there, each with the index of its creation if known."""

    def keep(self, placed: list[tuple[int, Work]]) -> None:
        """Keep the texts of works beside their records."""

    def settle(self, number: str) -> None:
        """Return when a record that was just logged is found."""

    def close(self) -> None: ...


class _Directory:
    """A log on this machine."""

    def __init__(self, place: str) -> None:
        self._db: Connection = database.open_editor(find_log(place).database)
        self._placed: list[tuple[int, Work]] = []

    def find(self, numbers: Sequence[str]) -> Mapping[str, int | None]:
        return minting.find_records(self._db, numbers)

    def keep(self, placed: list[tuple[int, Work]]) -> None:
        self._placed += placed
        if len(self._placed) >= KEPT_AT_ONCE:
            self._keep()

    def _keep(self) -> None:
        minting.keep_texts(self._db, self._placed)
        self._placed = []

    def settle(self, number: str) -> None:
        pass  # what is logged is found at once

    def close(self) -> None:
        with closing(self._db):
            self._keep()


class _Server:
    """A log behind a URL."""

    def __init__(self, place: str) -> None:
        self._client = Client(place)

    def find(self, numbers: Sequence[str]) -> Mapping[str, int | None]:
        return dict.fromkeys(filter(self._has, numbers))

    def _has(self, number: str) -> bool:
        try:
            self._client.get(f"pith/{parse_pith_number(number).suffix}/state.json", MAX_STATE_BYTES)
        except MissingError:
            return False
        return True

    def keep(self, placed: list[tuple[int, Work]]) -> None:
        pass  # a server takes events only

    def settle(self, number: str) -> None:
        deadline = time.monotonic() + PUBLISH_SECONDS
        while not self._has(number):
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"record {number} is logged, and the server has not shown it in"
                    f" {PUBLISH_SECONDS:g} s: do not mint again before it does"
                )
            time.sleep(POLL_SECONDS)

    def close(self) -> None:
        self._client.close()


class _Tally:
    """Counts what became of each work, and has the texts of records kept that are there.

    Attributes:
        last: the number of the last record that was logged.
    """

    def __init__(self, output: Output, registry: _Registry) -> None:
        self._output = output
        self._registry = registry
        self.last: str | None = None
        self.minted = 0
        self.there = 0
        self.refused = 0

    def count(self, works: Sequence[_Work], wait: Wait) -> None:
        """Wait for a batch's answers.

        Raises:
            UnavailableError: the log stopped taking events.
        """
        answers = iter(wait())
        placed: list[tuple[int, Work]] = []
        for where, named, events, place in works:
            if isinstance(named, TranslogError):
                self._refuse(where, named.code, str(named))
            elif events:
                found = self._count_one(where, named, [next(answers) for _ in events])
                placed += [] if found is None else [(found, named.work)]
            else:
                placed += [] if place is None else [(place, named.work)]
                self._show(where, named.number, None)
        self._registry.keep(placed)

    def _count_one(self, where: str, named: Named, answers: Sequence[Answer]) -> int | None:
        """Count a work whose events were sent; return where its record is, if it is there now."""
        for refusal in (each for each in answers if isinstance(each, Refused)):
            if refusal.stops:
                raise UnavailableError(
                    f"{where}: {refusal.detail}. {self.minted + self.there} works before it are"
                    " done; minting everything again later changes nothing for those"
                )
            self._refuse(where, refusal.code, refusal.detail)
            return None
        self._show(where, named.number, answers[0])
        if not isinstance(answers[0], Added):
            return None
        self.last = named.number
        return answers[0].index

    def _refuse(self, where: str, code: str, detail: str) -> None:
        self.refused += 1
        if self._output.json:
            self._output.value({"where": where, "error": {"code": code, "detail": detail}})
        else:
            self._output.line(f"{where}: {code}: {detail}", mark="refused    ", style="bad")

    def _show(self, where: str, number: str, answer: Answer | None) -> None:
        """Show a record that is there now (None: it was before), or waits to be."""
        self.minted += answer is not None
        self.there += answer is None
        if self._output.json:
            value = {"where": where, "pith_number": number, "minted": answer is not None}
            place = {"index": answer.index} if isinstance(answer, Added) else {}
            held = {"held": True} if isinstance(answer, Waits) else {}
            self._output.value({**value, **place, **held})
        elif self.minted + self.there <= SHOWN:
            mark = "there      " if answer is None else "minted     "
            self._output.line(f"{where}: {number}", mark=mark, style="ok")
        elif self.minted + self.there == SHOWN + 1:
            self._output.line("… more are counted, and not shown")

    def show(self) -> None:
        """Print the sums, for people: programs can count lines."""
        if not self._output.json:
            self._output.line(
                f"{self.minted:,} minted, {self.there:,} there before, {self.refused:,} refused"
            )
