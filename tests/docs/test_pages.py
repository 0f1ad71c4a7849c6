"""What pages refer to exists, and what exists is in the pages that promise to name it all."""

import re
from pathlib import Path

import pytest

from translog import __version__
from translog.store.log_schema import ANCHORS, COSIGNATURES, DECISIONS, LOG, TITLES

ROOT = Path(__file__).parents[2]
HIDDEN = re.compile(r"```.*?```|^ {4}.*?$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
DOCUMENT = re.compile(r"docs/[A-Za-z0-9_/-]+(?:\.md)?")
PLACE = re.compile(r"(?:tests|scripts)/[A-Za-z0-9_./-]*[A-Za-z0-9_]")
DECISION = re.compile(r"(\d{4})-[a-z0-9-]+\.md")


def pages() -> list[Path]:
    skipped = {".venv", "demo-log", "tour"}
    return sorted(
        page
        for page in ROOT.rglob("*.md")
        if not skipped & set(page.relative_to(ROOT).parts)
        and not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
    )


def sources() -> list[Path]:
    folders = [ROOT / "translog", ROOT / "scripts", ROOT / "tests"]
    files = [ROOT / "pyproject.toml", *(path for each in folders for path in each.rglob("*"))]
    return sorted(
        path
        for path in files
        if path.is_file() and path.suffix in ("", ".py", ".toml") and "data" not in path.parts
    )


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Return the names under which the headings of a page can be linked to."""
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def is_there(document: str) -> bool:
    """Say whether a document is there, which code may name without its ending, or by number."""
    path = ROOT / document
    return (
        path.exists()
        or path.with_suffix(".md").exists()
        or any(path.parent.glob(f"{path.name}-*.md"))
    )


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(HIDDEN.sub("", page.read_text())):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{name(page)}: {link} is not there"
        assert target.resolve().is_relative_to(ROOT), f"{name(page)}: {link} leads out of here"
        assert not anchor or anchor in anchors(target), f"{name(page)}: {link} has no such heading"


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_test_and_script_that_a_page_names_is_there(page: Path) -> None:
    for code in CODE.findall(page.read_text()):
        for place in PLACE.findall(code):
            assert (ROOT / place).exists(), f"{name(page)}: {place} is not there"


@pytest.mark.parametrize("source", sources(), ids=name)
def test_every_document_that_code_names_is_there(source: Path) -> None:
    for document in DOCUMENT.findall(source.read_text()):
        assert is_there(document), f"{name(source)}: {document} is not there"


def modules() -> set[str]:
    package = ROOT / "translog"
    names = (path.relative_to(package).with_suffix("").as_posix() for path in package.rglob("*.py"))
    return {each.removesuffix("/__init__") for each in names} - {"__init__"}


def test_the_architecture_names_every_module_and_no_other() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.partition("\n## Modules\n")[2].partition("\n## ")[0]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    named = [each for cell in cells for each in CODE.findall(cell)]
    assert len(named) == len(set(named)), "a module is named twice"
    packages = {path.name for path in (ROOT / "translog").iterdir() if path.is_dir()} - {"data"}
    assert set(named) == modules() - packages


def test_the_architecture_names_every_table_and_no_other() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.partition("\n## Tables\n")[2]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    named = {each for cell in cells for each in CODE.findall(cell)}
    made = "".join((*LOG, *ANCHORS, *DECISIONS, TITLES, *COSIGNATURES))
    assert named == set(re.findall(r"CREATE TABLE (\w+)", made))


def test_decisions_are_numbered_once_each_and_without_gaps() -> None:
    files = sorted(path.name for path in (ROOT / "docs" / "decisions").iterdir())
    numbers = [found[1] for found in map(DECISION.fullmatch, files) if found]
    assert len(numbers) == len(files), f"a name is not NNNN-in-words.md: {files}"
    assert numbers == [f"{number:04}" for number in range(1, len(files) + 1)]


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").iterdir()), ids=name)
def test_a_decision_says_its_number_and_what_was_rejected(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.name[:4]}. ")
    assert "\nRejected:" in text


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__
