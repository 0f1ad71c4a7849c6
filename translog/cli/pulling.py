"""Pulling records from mirrored sources, and telling what became of each."""

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from translog.cli.output import Output, counted
from translog.cli.params import is_url
from translog.cli.places import now
from translog.cli.sending import Added, Answer, Opened, Refused, Waits, opened
from translog.cli.settling import settle
from translog.errors import MissingError, TranslogError, UnavailableError
from translog.formats.published import Fetch
from translog.log import mirrored_keys, mirrors
from translog.log.directory import LogDirectory
from translog.log.mirrors import Pulled
from translog.net.client import Client
from translog.pith.bundle import MAX_BUNDLE_BYTES, path_of
from translog.store import database, files
from translog.store import mirrors as rows
from translog.store.database import Connection
from translog.store.mirrors import Source
from translog.verify.claims_bundles import DroppedEvent
from translog.verify.evidence import Evidence
from translog.verify.findings import Trust

BATCH_RECORDS = 64  # whose events are logged together
BATCH_BYTES = 32 << 20  # of their bundles, which are in memory meanwhile
SHOWN = 20  # records that are shown one by one


def open_sources(log: LogDirectory) -> Connection:
    """Open the database of a log's sources; the first time, make it."""
    path = log.path / rows.FILE
    if path.exists():
        return database.open_writer(path, rows.SCHEMA)
    return database.create(path, rows.SCHEMA)


def pull(output: Output, log: LogDirectory, names: Sequence[str], server: str | None) -> bool:
    """Pull from the sources of these names, or from all; True if nothing failed.

    Args:
        server: where the log is served now, or None: then this process writes to it.

    Raises:
        TranslogError: a source could not be pulled from; the others were, as far as they can be.
    """
    errors: list[TranslogError] = []
    with ExitStack() as stack:
        db = stack.enter_context(closing(open_sources(log)))
        wanted = [mirrors.find(db, name) for name in names] or rows.read_sources(db)
        editor = stack.enter_context(closing(database.open_editor(log.database)))
        to = stack.enter_context(opened(server or str(log.path)))
        tally = _Tally(output, log.path / "evidence")
        for source in wanted:
            try:
                with _opened(source) as place:
                    _Pull(source, place, db, editor, to, tally).run()
            except TranslogError as error:
                # Whoever is silent, or lies, keeps nothing back but their own.
                if errors:
                    tally.refuse(source, source.place, error.code, str(error))
                errors.append(error)
    tally.show()
    if errors:
        raise errors[0]
    return not tally.failed


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
            yield _Place(lambda number, limit: client.get(path_of(number), limit), client.get)
        else:
            yield _Place(lambda _, limit: client.get(name, limit), None)


class _Pull(NamedTuple):
    """One pull from one source."""

    source: Source
    place: _Place
    db: Connection
    editor: Connection
    to: Opened
    tally: "_Tally"

    def run(self) -> None:
        """Take over what is new, part by part; what is done is done."""
        if self.place.published is None:
            self._take([None], 0)
            return
        seen: set[str] = set()
        whole = True
        for part in mirrors.changes(self.place.published, self.source):
            # What was fetched for an earlier part is as new as the log was when the pull began.
            fresh = [each for each in part.numbers if each not in seen or each in part.created]
            seen.update(fresh)
            # From a part in which something is not taken on, all is looked through again next time.
            whole = self._take(fresh, part.position if whole else 0, part.created) and whole
        stale = rows.read_stalest(self.db, self.source.name, mirrors.STALEST)
        self._take([number for number in stale if number not in seen], 0)

    def _take(
        self,
        numbers: Iterable[str | None],
        position: int,
        created: Container[str | None] = frozenset(),
    ) -> bool:
        """Take over some records, and say how much of the source's log is done with then.

        Args:
            created: those that the source must have: its log creates them.

        Returns:
            Whether all was taken that there is.
        """
        left = self.tally.left
        for batch in self._batches(numbers, created):
            mirrors.hold(self.db, self.source, self._log(batch), 0, now=now())
        if left != self.tally.left:
            return False
        mirrors.hold(self.db, self.source, (), position, now=now())
        return True

    def _batches(
        self, numbers: Iterable[str | None], created: Container[str | None]
    ) -> Iterator[list[Pulled]]:
        batch: list[Pulled] = []
        for number in numbers:
            batch += self._examine(number, is_there=number in created)
            if len(batch) == BATCH_RECORDS or sum(len(each.raw) for each in batch) > BATCH_BYTES:
                yield batch
                batch = []
        if batch:
            yield batch

    def _examine(self, number: str | None, *, is_there: bool) -> list[Pulled]:
        """Fetch one record and check it; none if it is not to be taken."""
        try:
            raw = self.place.bundle(number or "", MAX_BUNDLE_BYTES)
            pulled = mirrors.examine(self.db, self.source, raw, number)
        except UnavailableError:
            raise  # the source, and not the record, is what is wrong
        except MissingError as error:
            held = number and rows.read_held(self.db, self.source.name, number) is not None
            if number is None or is_there or held:
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
        refused = self._let_write(batch)
        answers = iter(self.to.send([event for pulled in batch for event in pulled.events])())
        logged = [
            pulled
            for pulled, before in zip(batch, refused, strict=True)
            if self._is_logged(pulled, before + list(islice(answers, len(pulled.events))))
        ]
        for pulled in logged:
            if pulled.earlier is None:
                mirrors.state_source(self.editor, pulled.bundle, self.source, now=now())
        settle(self.editor, self.to.writer)
        return logged

    def _let_write(self, batch: list[Pulled]) -> list[list[Answer]]:
        """Let the keys of some records write; what of their rotations is not logged, by record."""
        for pulled in batch:
            mirrored_keys.allow(self.editor, pulled.bundle, self.source, now=now())
            mirrored_keys.allow_again(self.editor, pulled.bundle, now=now())
        settle(self.editor, self.to.writer)
        answers: list[list[Answer]] = []
        for pulled in batch:
            answers.append([])
            for event in mirrored_keys.rotations(self.editor, pulled.bundle, self.source):
                answered = self.to.send([event])()
                answers[-1] += [each for each in answered if not isinstance(each, Added)]
                mirrored_keys.allow_again(self.editor, pulled.bundle, now=now())
                settle(self.editor, self.to.writer)
            self.tally.doubt(self.source, mirrored_keys.disowned(self.editor, pulled.bundle))
        return answers

    def _is_logged(self, pulled: Pulled, answers: Sequence[Answer]) -> bool:
        number = pulled.bundle.pith_number
        refusals = [answer for answer in answers if isinstance(answer, Refused)]
        for answer in refusals:
            if answer.stops:
                raise UnavailableError(f"{number}: {answer.detail}. Pull again later")
            self.tally.refuse(self.source, number, answer.code, answer.detail)
        waiting = sum(isinstance(answer, Waits) for answer in answers)
        if waiting:
            self.tally.wait(self.source, number, waiting)
        if refusals or waiting:
            return False
        added = sum(isinstance(answer, Added) and not answer.duplicate for answer in answers)
        self.tally.take(self.source, pulled, added)
        return True


class _Tally:
    """Counts and shows what became of each record."""

    def __init__(self, output: Output, evidence: Path) -> None:
        self._output = output
        self._evidence = evidence
        self._doubted: set[tuple[str, str]] = set()
        self._looked_at: set[tuple[str, str]] = set()
        self.records = 0
        self.added = 0
        self.held = 0
        self.failed = 0

    @property
    def left(self) -> int:
        """How many records are not taken, or not yet."""
        return self.failed + self.held

    def take(self, source: Source, pulled: Pulled, added: int) -> None:
        """Count a record that is held."""
        number = pulled.bundle.pith_number
        self._looked_at.add((source.name, number))
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
        self._looked_at.add((source.name, what))
        self.failed += 1
        if self._output.json:
            error = {"code": code, "detail": detail}
            self._output.value({"mirror": source.name, "pith_number": what, "error": error})
        else:
            self._output.line(f"{what}: {code}: {detail}", mark="refused  ", style="bad")

    def wait(self, source: Source, number: str, count: int) -> None:
        """Count a record of which events wait until our operator accepts them."""
        self._looked_at.add((source.name, number))
        self.held += 1
        if self._output.json:
            self._output.value({"mirror": source.name, "pith_number": number, "held": count})
        else:
            self._output.line(
                f"{number}: {counted(count, 'event')} until you accept them (`translog held`)",
                mark="held     ",
                style="doubt",
            )

    def doubt(self, source: Source, fingerprints: Sequence[str]) -> None:
        """Say of each key once that the source believes it no more, and our log does."""
        for fingerprint in fingerprints:
            if (source.name, fingerprint) in self._doubted:
                continue
            self._doubted.add((source.name, fingerprint))
            if self._output.json:
                self._output.value({"mirror": source.name, "compromised": fingerprint})
            else:
                self._output.line(
                    f"{source.name} says that key {fingerprint} may be in other hands, and does not"
                    " count what it wrote from some entry on. Here all of it counts, and the key"
                    " may write, until `translog keys compromised` says otherwise",
                    mark="doubt    ",
                    style="doubt",
                )

    def drop(self, source: Source, pulled: Pulled) -> None:
        """Report a source that takes back what it has served, and keep the evidence."""
        path = _keep(self._evidence, source, pulled)
        self.refuse(
            source,
            pulled.bundle.pith_number,
            "dropped",
            f"{source.name} served {counted(len(pulled.dropped), 'event')} of it that its newer"
            f" bundle lacks: {', '.join(pulled.dropped[:3])}. Nothing is changed here; {path} is"
            " evidence that anyone can check (`translog evidence verify`)",
        )

    def show(self) -> None:
        """Print the sums, for people: programs can count lines."""
        if not self._output.json:
            held = f", {self.held:,} held" if self.held else ""
            self._output.line(
                f"{counted(len(self._looked_at), 'record')} looked at,"
                f" {counted(self.added, 'event')} added, {self.failed:,} refused{held}"
            )


def _keep(folder: Path, source: Source, pulled: Pulled) -> Path:
    """Write evidence under the name that its content gives it: the same fact is one file."""
    claim = DroppedEvent(earlier=pulled.earlier or b"", later=pulled.raw)
    content = Evidence.make(claim, Trust(keys=dict.fromkeys(source.keys, source.name))).encode()
    files.make_folder(folder)
    path = folder / f"{sha256(content).hexdigest()[:32]}.json"
    files.write_atomically(path, content)
    return path
