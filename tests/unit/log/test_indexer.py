"""The search index: follows what is published, is thrown away when it is another's, and misleads
nobody."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.asgi import NOW, new_log
from tests.simulators.events import created, real_events, snapshot
from tests.simulators.papers import citation, creation, graph, paper
from translog.errors import MalformedError, MissingError, UnavailableError
from translog.formats.canonical import canonical
from translog.log import directory, finder, indexer
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.pith.record import pith_number
from translog.store import database, search, titles
from translog.store.search import Coverage, NoIndexError, Record
from translog.store.titles import GivenTexts

REAL = "HAMJZSQVKL4VHWOAINCHUE26II"
TITLE = "LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens"


class Indexed:
    """A log and its index."""

    def __init__(self, log: LogDirectory) -> None:
        self.log = log

    def add(self, *events: dict[str, Any]) -> None:
        with open_writer(self.log, lambda: NOW) as writer:
            results = writer.add(list(map(canonical, events)))
            assert all(hasattr(each, "index") for each in results), results

    def catch_up(self) -> int:
        reading, writing = directory.open_reader(self.log), search.open_writer(self.log.search)
        with closing(reading) as db, writing as index:
            return indexer.catch_up(db, index, self.log.origin)

    def find(self, text: str) -> list[str | None]:
        with search.open_reader(self.log.search) as index:
            return [record.title or record.suffix for record in finder.find(index, text)]

    def records(self) -> list[Record]:
        with search.open_reader(self.log.search) as index:
            return search.newest(index, 1_000)

    def edit(self, statement: str, *values: object) -> None:
        with search.open_writer(self.log.search) as index, search.transaction(index):
            index.execute(statement, values)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Indexed]:
    yield Indexed(new_log(tmp_path / "log"))


def test_a_record_is_found_by_every_name_it_has(log: Indexed) -> None:
    log.add(*real_events(), created(1))
    assert log.catch_up() == 3
    for text in (
        REAL,
        f"pith:2024:{REAL}",
        "pith:HAMJZSQV",
        "hamjzsqv",
        "HAMJ",
        "2402.13753",
        "2402.13753v1",
        "arXiv:2402.13753",
        "  arxiv:2402.13753v1 ",
        "https://arxiv.org/abs/2402.13753v1",
        "10.48550/arXiv.2402.13753",
        "doi:10.48550/ARXIV.2402.13753",
        "https://doi.org/10.48550/arXiv.2402.13753",
        TITLE,
        "longrope",
        "context windows",  # the word, in another form
        "TOKENS million",
    ):
        assert log.find(text) == [TITLE], text
    for text in (
        "HAM",
        "HAMJA",
        "2402.13754",
        "2402.13753v2",
        "longrope nonsense",
        "",
        "¿?",
        "doi:",
    ):
        assert log.find(text) == [], text


def test_what_is_typed_is_never_taken_for_a_query_language(log: Indexed) -> None:
    log.add(*real_events())
    log.catch_up()
    for text in ('"', "long*", "NEAR(a b)", "a OR b", "title:longrope NOT", "^x", "-", "(", "';--"):
        log.find(text)
    assert log.find("longrope OR million") == []
    assert log.find("long*") == []
    assert log.find('"longrope"') == [TITLE]
    assert log.find(" ".join(["tokens"] * 40)) == [TITLE]


def test_the_title_that_was_asked_for_comes_first_and_then_the_newest(log: Indexed) -> None:
    titles = ["Of sparse graphs", "Sparse graphs", "Graphs that are sparse", "Sparse graphs again"]
    papers = [paper(title, number) for number, title in enumerate(titles)]
    log.add(
        *(
            event
            for each, title in zip(papers, titles, strict=True)
            for event in (creation(each), graph(each, title))
        )
    )
    log.catch_up()
    assert log.find("sparse graphs") == [
        "Sparse graphs",
        "Sparse graphs again",
        "Of sparse graphs",
        "Graphs that are sparse",
    ]


def test_an_accent_parts_no_word_however_it_was_typed(log: Indexed) -> None:
    given = ["Étude", "E\u0301tude"]  # NFC, NFD
    papers = [paper(title, number) for number, title in enumerate(f"{each} 1" for each in given)]
    log.add(*(creation(each) for each in papers))
    log.add(*(graph(paper_, f"{each} 1") for paper_, each in zip(papers, given, strict=True)))
    log.catch_up()
    for text in (*given, "etude"):
        assert sorted(map(str, log.find(text))) == ["E\u0301tude 1", "Étude 1"], text


def test_of_many_only_the_newest_are_looked_at(
    log: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 3)
    titles = ["alpha", *(f"alpha beta {number}" for number in range(4))]
    papers = [paper(title, number) for number, title in enumerate(titles)]
    log.add(*(creation(each) for each in papers))
    log.add(*(graph(each, title) for each, title in zip(papers, titles, strict=True)))
    log.catch_up()
    assert log.find("alpha") == ["alpha beta 3", "alpha beta 2", "alpha beta 1"]


def test_a_title_counts_only_with_the_hash_that_the_record_has(log: Indexed) -> None:
    about = paper("The true title")
    log.add(creation(about), graph(about, "Buy now"), graph(about, 7), graph(about, None))
    log.catch_up()
    assert [record.title for record in log.records()] == [None]
    assert log.find("buy now") == []
    log.add(graph(about, "  The TRUE\ttitle "))
    log.catch_up()
    assert log.find("true title") == ["  The TRUE\ttitle "]
    log.add(graph(about, "THE TRUE TITLE"))  # true as well, and it has one
    log.catch_up()
    assert log.find("true title") == ["  The TRUE\ttitle "]


def give(log: Indexed, leaf_index: int, title: str | None) -> None:
    """Keep a title beside the log, as minting does."""
    with closing(database.open_editor(log.log.database)) as db, database.transaction(db):
        titles.write_texts(db, [GivenTexts(leaf_index, title, None)])


def test_a_title_that_was_given_when_the_record_was_made_is_found(log: Indexed) -> None:
    log.add(creation(paper("Given early", 1)), creation(paper("Given late", 2)), created(3))
    give(log, 0, "Given  EARLY")
    give(log, 2, "Not the title")
    log.catch_up()
    assert log.find("given") == ["Given  EARLY"]
    give(log, 1, "Given late")
    log.catch_up()
    assert log.find("late") == []  # was looked at already
    with (
        closing(directory.open_reader(log.log)) as db,
        search.open_writer(log.log.search) as index,
    ):
        indexer.add_titles(db, index)
    assert log.find("late") == ["Given late"]
    assert [record.title for record in log.records()] == [None, "Given late", "Given  EARLY"]


def test_versions_of_one_work_are_found_together(log: Indexed) -> None:
    first, second = (paper("One work", 5, version) for version in (1, 2))
    log.add(creation(first), creation(second))
    log.catch_up()
    suffixes = [pith_number(each)[10:] for each in (second, first)]  # newest first
    assert log.find("arxiv:2607.00005") == suffixes
    assert log.find("2607.00005v2") == suffixes[:1]


def test_a_record_that_is_created_twice_is_there_once(log: Indexed) -> None:
    about = paper("Twice")
    log.add(creation(about), creation(about, created_at="2026-08-01T00:00:00Z"))
    log.catch_up()
    assert [record.leaf_index for record in log.records()] == [0]


def test_only_what_is_published_is_found(log: Indexed) -> None:
    log.add(created(1))
    with open_writer(log.log, lambda: NOW) as writer:
        writer.add([canonical(created(2))])
        assert log.catch_up() == 1
    assert log.catch_up() == 2


def test_an_empty_log_has_an_empty_index(log: Indexed) -> None:
    assert log.catch_up() == 0
    assert log.find("anything") == []


def test_catching_up_goes_on_from_where_it_was(
    log: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "LEAVES_A_BATCH", 2)
    log.add(*(created(number) for number in range(5)))
    assert log.catch_up() == 5
    log.edit("UPDATE record SET category = 'kept'")
    log.add(created(5))
    assert log.catch_up() == 6
    assert [record.category for record in log.records()] == ["cs.CL", *["kept"] * 5]


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "other.example/log"},
        {"size": 7},
        {"size": 1},
        {"root": bytes(32)},
    ],
)
def test_an_index_of_anything_else_is_made_again(log: Indexed, changed: dict[str, Any]) -> None:
    log.add(created(1), created(2))
    log.catch_up()
    with search.open_reader(log.log.search) as index:
        coverage = search.read_coverage(index)
    assert coverage is not None
    log.edit("UPDATE record SET category = 'old'")
    with search.open_writer(log.log.search) as index, search.transaction(index):
        search.write_coverage(index, Coverage(**{**coverage._asdict(), **changed}))
    assert log.catch_up() == 2
    assert [record.category for record in log.records()] == ["cs.CL", "cs.CL"]


def test_an_index_that_is_damaged_or_of_another_version_is_made_again(log: Indexed) -> None:
    log.add(created(1))
    log.catch_up()
    log.log.search.write_bytes(b"no database" * 4_000)
    with pytest.raises(
        UnavailableError, match="is damaged: remove it, and the server makes it again"
    ):
        log.records()
    assert log.catch_up() == 1
    assert len(log.records()) == 1
    log.edit("PRAGMA user_version = 99")
    with pytest.raises(NoIndexError, match="is not made yet"):
        log.records()
    assert log.catch_up() == 1
    assert len(log.records()) == 1


@pytest.mark.parametrize("replaced", [False, True])
def test_an_index_that_is_removed_under_its_process_is_made_again_by_the_next(
    log: Indexed, replaced: bool
) -> None:
    log.add(created(1), created(2))
    command = [sys.executable, "-P", "-m", "translog.log.indexer", str(log.log.path)]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        return process.stdout.readline()

    with start() as process:
        assert ask(process) == ask(process) == b"2\n"
        content = log.log.search.read_bytes()
        for name in log.log.path.glob("search.db*"):
            name.unlink()
        if replaced:
            log.log.search.write_bytes(content)
        assert ask(process) == b"search.db was removed or replaced: it is made again\n"
    with start() as process:
        assert ask(process) == b"2\n"
        assert len(log.records()) == 2
        process.communicate()


def test_without_an_index_a_reader_is_told_so(log: Indexed) -> None:
    with pytest.raises(NoIndexError, match=r"search.db is not there yet"):
        log.records()
    sqlite3.connect(log.log.search).close()
    log.log.search.touch()
    with pytest.raises(NoIndexError, match="is not made yet"):
        log.records()


# What is found is looked up in the log


def test_what_the_index_claims_is_confirmed_in_the_log(log: Indexed) -> None:
    log.add(*real_events(), created(1), snapshot(1))
    log.catch_up()
    real, other = sorted(log.records(), key=lambda record: record.leaf_index)
    with closing(directory.open_reader(log.log)) as db:
        finder.confirm(db, 4, real, "arxiv", "2402.13753")
        finder.confirm(db, 4, real, "arxiv", "2402.13753v1")  # as the version
        finder.confirm(db, 4, real, "doi", "10.48550/arxiv.2402.13753")
        for wrong in (
            (4, other, "arxiv", "2402.13753"),
            (4, real, "doi", "2402.13753"),
            (4, real._replace(suffix=other.suffix), "arxiv", "2402.13753"),
            (4, real._replace(leaf_index=1), "arxiv", "2402.13753"),
            (4, real._replace(leaf_index=3), "arxiv", "2402.13753"),
            (4, real._replace(leaf_index=4), "arxiv", "2402.13753"),
            (0, real, "arxiv", "2402.13753"),
        ):
            with pytest.raises(MissingError, match="it is not"):
                finder.confirm(db, *wrong)


def test_citations_are_found_by_any_name_of_what_is_cited(log: Indexed) -> None:
    cited, citing = paper("Cited", 1), paper("Citing", 2)
    log.add(
        creation(cited),
        creation(citing),
        citation(citing, "pith", pith_number(cited)),
        citation(citing, "arxiv", "2607.00001"),
        citation(citing, "doi", "10.48550/arxiv.2607.00001"),
        citation(citing, "url", "https://example.org/"),
    )
    log.catch_up()
    with search.open_reader(log.log.search) as index:
        names = {(pith_number(cited), "pith"), *finder.names_of(cited)}
        assert search.find_citations(index, names, 10) == [4, 3, 2]
        assert search.find_citations(index, names, 2) == [4, 3]
        assert search.find_citations(index, {("https://example.org/", "url")}, 2) == [5]
    for nonsense in ({}, {"cited": 7}, {"cited": {"kind": 7, "id": "x"}}, {"cited": {"kind": "x"}}):
        assert finder.cited_by(nonsense) == []


@pytest.fixture(scope="module")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Indexed(new_log(tmp_path_factory.mktemp("any") / "log"))
    made.add(*real_events(), created(1))
    made.catch_up()
    return made.log.search


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=300) | st.text(alphabet='a"*(){}[]:^+-_ANDORNTE \x00\u0301', max_size=40))
def test_whatever_is_typed_there_is_an_answer(small_index: Path, text: str) -> None:
    with search.open_reader(small_index) as index:
        assert len(finder.find(index, text)) <= 2


def test_a_search_is_bounded() -> None:
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(MalformedError, match="301"):
        finder.find(db, "x" * 301)
