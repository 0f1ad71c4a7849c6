"""`translog mirror …`."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click

from translog.cli.exits import FAILED
from translog.cli.keyring import KEY, PublicKey
from translog.cli.output import Output, counted, json_option
from translog.cli.params import KEY_NAME, URL, is_url
from translog.cli.places import find_log, now
from translog.cli.sending import Added, Answer, Refused, Send, opened
from translog.errors import MissingError, TranslogError, UnavailableError
from translog.formats.published import Fetch
from translog.log import mirrors
from translog.log.directory import LogDirectory
from translog.log.mirrors import Pulled
from translog.net.client import Client
from translog.pith.bundle import MAX_BUNDLE_BYTES
from translog.store import database, files
from translog.store import mirrors as rows
from translog.store.database import Connection
from translog.store.mirrors import Source

BATCH_RECORDS = 64  # whose events are logged together
SHOWN = 20  # records that are shown one by one

SERVER = click.option(
    "--server",
    type=URL,
    metavar="URL",
    help="Where the log in DIR is served now: it takes the events.  [default: nobody serves it]",
)


@click.group(short_help="Copy records from other registries.", no_args_is_help=True)
def mirror() -> None:
    """Copy records from other registries, and serve them beside them.

    A source is believed under the keys that are named for it, and no others. Its events are
    logged as they were signed, and served in bundles that this log signs. Pulling again takes
    over what is new; nothing that a source once served can it take back unnoticed.
    """


@mirror.command(short_help="Add a source, and pull from it.")
@click.argument("directory", metavar="DIR")
@click.argument("name", metavar="NAME", type=KEY_NAME)
@click.argument("place", metavar="PLACE")
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    type=KEY,
    multiple=True,
    required=True,
    help="A key to believe. Give it again for each that signs bundles or events there.",
)
@SERVER
@json_option
@click.pass_context
def add(
    ctx: click.Context,
    directory: str,
    name: str,
    place: str,
    keys: tuple[PublicKey, ...],
    server: str | None,
) -> None:
    """Add a source under a NAME of your choice, and pull from it.

    PLACE is the URL of a registry, all of whose records are copied; or one bundle, as a file or
    the URL of a `bundle.json`. For a registry, the first vkey among the KEYs is that of its log.
    """
    log = find_log(directory)
    source = Source(
        name=name,
        place=place if is_url(place) else str(Path(place).absolute()),
        log_key=_log_key(place, keys),
        keys=tuple(sorted({key.public_key for key in keys})),
        position=0,
        added_at=now(),
        pulled_at=None,
    )
    with closing(_open(log)) as db:
        mirrors.add(db, source)
    ctx.exit(_pull(ctx.obj, log, [name], server))


def _log_key(place: str, keys: Sequence[PublicKey]) -> str:
    if not is_url(place) or place.endswith(".json"):
        return ""
    for key in keys:
        if key.verifier is not None:
            return key.verifier.vkey
    raise click.UsageError(f"{place} is a registry: give the vkey of its log as a --key")


@mirror.command(short_help="Take over what is new.")
@click.argument("directory", metavar="DIR")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@SERVER
@json_option
@click.pass_context
def pull(ctx: click.Context, directory: str, names: tuple[str, ...], server: str | None) -> None:
    """Take over what is new at the sources of these NAMEs, or at all.

    A source that lacks an event which it served before is reported, with both bundles as evidence
    in DIR/evidence, and nothing of that record is taken from it. Of a registry, the records that
    were longest not looked at are looked at again each time.
    """
    ctx.exit(_pull(ctx.obj, find_log(directory), names, server))


@mirror.command("list", short_help="List the sources.")
@click.argument("directory", metavar="DIR")
@json_option
@click.pass_obj
def list_(output: Output, directory: str) -> None:
    """List the sources of the log in DIR."""
    log = find_log(directory)
    with closing(_open(log)) as db:
        listed = [(source, rows.count_held(db, source.name)) for source in rows.read_sources(db)]
    if output.json:
        output.value({"mirrors": [_value(source, count) for source, count in listed]})
        return
    for source, count in listed:
        output.rows(
            [
                ("Mirror", source.name),
                ("From", source.place),
                ("Records", f"{count:,}"),
                ("Keys", counted(len(source.keys), "key")),
                ("Pulled", _time(source.pulled_at) or "never"),
            ]
        )
        output.line("")
    if not listed:
        output.line("nothing is mirrored: `translog mirror add` adds a source")


def _value(source: Source, count: int) -> dict[str, Any]:
    return {
        "name": source.name,
        "place": source.place,
        "log_key": source.log_key or None,
        "keys": [key.hex() for key in source.keys],
        "records": count,
        "added_at": _time(source.added_at),
        "pulled_at": _time(source.pulled_at),
    }


def _time(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _open(log: LogDirectory) -> Connection:
    path = log.path / rows.FILE
    if path.exists():
        return database.open_writer(path, rows.SCHEMA)
    return database.create(path, rows.SCHEMA)


class _Place(NamedTuple):
    """A source, opened: where to fetch a record's bundle, and what else it publishes."""

    bundle: Fetch  # by Pith Number
    published: Fetch | None  # of a registry


@contextmanager
def _opened(source: Source) -> Iterator[_Place]:
    if not is_url(source.place):
        yield _Place(lambda _, limit: files.read(Path(source.place), limit=limit), None)
        return
    base, _, name = source.place.rpartition("/")
    with Client(source.place if source.log_key else base) as client:
        if source.log_key:
            yield _Place(
                lambda number, limit: client.get(mirrors.path_of(number), limit), client.get
            )
        else:
            yield _Place(lambda _, limit: client.get(name, limit), None)


def _pull(output: Output, log: LogDirectory, names: Sequence[str], server: str | None) -> int:
    """Pull from sources, one after the other; the exit code."""
    with ExitStack() as stack:
        db = stack.enter_context(closing(_open(log)))
        wanted = [mirrors.find(db, name) for name in names] or rows.read_sources(db)
        editor = stack.enter_context(closing(database.open_editor(log.database)))
        send = stack.enter_context(opened(server or str(log.path)))
        tally = _Tally(output, log.path / "evidence")
        for source in wanted:
            with _opened(source) as place:
                _Pull(source, place, db, editor, send, tally).run()
    tally.show()
    return FAILED if tally.failed else 0


class _Pull(NamedTuple):
    """One pull from one source."""

    source: Source
    place: _Place
    db: Connection
    editor: Connection
    send: Send
    tally: "_Tally"

    def run(self) -> None:
        """Take over what is new, part by part; what is done is done."""
        if self.place.published is None:
            self._take([None], 0)
            return
        seen: set[str] = set()
        whole = True
        for numbers, position in mirrors.changes(self.place.published, self.source):
            seen.update(numbers)
            failed = self.tally.failed
            self._take(numbers, position if whole else 0)
            # From a part in which something failed on, all is looked through again the next time.
            whole = whole and failed == self.tally.failed
        stale = rows.read_stalest(self.db, self.source.name, mirrors.STALEST)
        self._take([number for number in stale if number not in seen], 0)

    def _take(self, numbers: Iterable[str | None], position: int) -> None:
        """Take over some records, and say how much of the source's log is done with then."""
        failed = self.tally.failed
        numbers = iter(numbers)
        while batch := list(islice(numbers, BATCH_RECORDS)):
            logged = self._log([each for number in batch for each in self._examine(number)])
            mirrors.hold(self.db, self.source, logged, 0, now=now())
        if failed == self.tally.failed:
            mirrors.hold(self.db, self.source, (), position, now=now())

    def _examine(self, number: str | None) -> list[Pulled]:
        """Fetch one record and check it; none if it is not to be taken."""
        try:
            raw = self.place.bundle(number or "", MAX_BUNDLE_BYTES)
            pulled = mirrors.examine(self.db, self.source, raw, number)
        except UnavailableError:
            raise  # the source, and not the record, is what is wrong
        except MissingError as error:
            if number is None or rows.read_held(self.db, self.source.name, number) is not None:
                self.tally.refuse(self.source, number or self.source.place, error.code, str(error))
            return []  # or there are events about it, and it was never created
        except TranslogError as error:
            self.tally.refuse(self.source, number or self.source.place, error.code, str(error))
            return []
        if pulled.dropped:
            self.tally.drop(self.source, pulled)
            return []
        return [pulled]

    def _log(self, batch: list[Pulled]) -> list[Pulled]:
        """Have the events of some records logged; those records of which all are."""
        for pulled in batch:
            mirrors.allow_signers(self.editor, pulled.bundle, self.source, now=now())
        answers = iter(self.send([event for pulled in batch for event in pulled.events])())
        return [
            pulled
            for pulled in batch
            if self._is_logged(pulled, list(islice(answers, len(pulled.events))))
        ]

    def _is_logged(self, pulled: Pulled, answers: Sequence[Answer]) -> bool:
        number = pulled.bundle.pith_number
        refusals = [answer for answer in answers if isinstance(answer, Refused)]
        for answer in refusals:
            if answer.stops:
                raise UnavailableError(f"{number}: {answer.detail}. Pull again later")
            self.tally.refuse(self.source, number, answer.code, answer.detail)
        if not refusals:
            added = sum(isinstance(answer, Added) and not answer.duplicate for answer in answers)
            self.tally.take(self.source, pulled, added)
        return not refusals


class _Tally:
    """Counts and shows what became of each record."""

    def __init__(self, output: Output, evidence: Path) -> None:
        self._output = output
        self._evidence = evidence
        self.records = 0
        self.added = 0
        self.failed = 0

    def take(self, source: Source, pulled: Pulled, added: int) -> None:
        """Count a record that is held."""
        number = pulled.bundle.pith_number
        self.records += 1
        self.added += added
        contradictions = len(pulled.equivocations)
        if self._output.json:
            self._output.value(
                {
                    "mirror": source.name,
                    "pith_number": number,
                    "added": added,
                    "equivocations": pulled.equivocations,
                }
            )
        elif contradictions:
            self._output.line(
                f"{number}: {counted(contradictions, 'equivocation')} by its signers, kept and"
                " shown; none of the events in them applies",
                mark="doubt    ",
                style="doubt",
            )
        elif added and self.records <= SHOWN:
            self._output.line(
                f"{number}: {counted(added, 'event')} added", mark="mirrored ", style="ok"
            )

    def refuse(self, source: Source, what: str, code: str, detail: str) -> None:
        """Count a record that is not taken as it is served."""
        self.failed += 1
        if self._output.json:
            error = {"code": code, "detail": detail}
            self._output.value({"mirror": source.name, "pith_number": what, "error": error})
        else:
            self._output.line(f"{what}: {code}: {detail}", mark="refused  ", style="bad")

    def drop(self, source: Source, pulled: Pulled) -> None:
        """Report a source that takes back what it has served, and keep both bundles."""
        number = pulled.bundle.pith_number
        earlier = pulled.earlier or b""
        kept = [_keep(self._evidence, bundle) for bundle in (earlier, pulled.raw)]
        self.refuse(
            source,
            number,
            "dropped",
            f"{source.name} served {counted(len(pulled.dropped), 'event')} of it that its newer"
            f" bundle lacks: {', '.join(pulled.dropped[:3])}. Nothing is changed here; both"
            f" bundles, as it signed them, are {kept[0]} and {kept[1]}",
        )

    def show(self) -> None:
        """Print the sums, for people: programs can count lines."""
        if not self._output.json:
            self._output.line(
                f"{counted(self.records, 'record')} looked at,"
                f" {counted(self.added, 'event')} added, {self.failed:,} refused"
            )


def _keep(folder: Path, bundle: bytes) -> Path:
    """Write evidence under the name that its content gives it: the same fact is one file."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{sha256(bundle).hexdigest()[:32]}.bundle.json"
    if not path.exists():
        files.write_atomically(path, bundle)
    return path
