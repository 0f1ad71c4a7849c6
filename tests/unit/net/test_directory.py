"""A directory of static files: the same bytes as a server, and nothing outside of it."""

import os

import pytest

from tests.simulators.published import VERIFIER, PublishedLog, small_events
from translog.errors import MalformedError, MissingError, TooLargeError, UnavailableError
from translog.formats.policy import believing
from translog.formats.published import check_path
from translog.net.directory import Directory
from translog.verify.auditor import audit


@pytest.fixture
def exported(tmp_path):
    """A log of 300 entries as files, beside a file that is none of its."""
    (tmp_path / "secret").write_bytes(b"secret")
    log = PublishedLog(small_events(300))
    for path, content in log.files.items():
        file = tmp_path / "log" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "log"


def test_an_exported_log_is_audited_as_a_served_one(exported):
    assert audit(Directory(exported).get, believing(VERIFIER)).size == 300
    assert audit(Directory(exported).get, believing(VERIFIER), workers=1).size == 300


def test_what_is_not_there_is_missing_and_what_is_too_large_is_refused(exported):
    directory = Directory(exported)
    for path in ("tile/0/002", "tile/5/000", "tile/0/000.p/7", "event/" + "0" * 64):
        with pytest.raises(MissingError, match="is not there"):
            directory.get(path, 1 << 20)
    with pytest.raises(MissingError, match="is not a file"):
        (exported / "tile/0/009").mkdir()
        directory.get("tile/0/009", 10)
    with pytest.raises(MissingError):
        Directory(exported / "nothing").get("checkpoint", 100)
    assert len(directory.get("tile/0/000", 8192)) == 8192
    with pytest.raises(TooLargeError, match="more than the 8191 bytes wanted"):
        directory.get("tile/0/000", 8191)


WRONG_PATHS = [
    "",
    "/",
    ".",
    "..",
    "../secret",
    "secret",
    "/etc/passwd",
    "tile",
    "tile/0",
    "tile/0/..",
    "tile/0/../../../secret",
    "tile/00/000",
    "tile/64/000",
    "tile/0/0",
    "tile/0/000/",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/entries/1",
    "tile/entries/x000/001",
    "events/000.p/",
    "events/../checkpoint",
    "events/000.gz",
    "event/../secret",
    "event/" + "0" * 63,
    "event/" + "0" * 65,
    "event/" + "A" * 64,
    "event/" + "0" * 64 + "\n",
    "checkpoint/",
    "keys.json\x00",
    "tile/0/\x00",
]


@pytest.mark.parametrize("path", WRONG_PATHS)
def test_only_published_paths_are_read(exported, path):
    with pytest.raises(MalformedError):
        check_path(path)
    with pytest.raises(MalformedError):
        Directory(exported).get(path, 100)


def test_published_paths_are_known():
    for path in PublishedLog(small_events(300)).files:
        check_path(path)


def test_no_link_leads_out_wherever_it_stands(exported):
    (exported / "tile/0/003").symlink_to(exported.parent / "secret")
    (exported / "tile/7").symlink_to(exported.parent)
    (exported.parent / "000").write_bytes(b"secret")
    (exported / "tile/0/004").symlink_to("000")
    for path in ("tile/0/003", "tile/7/000", "tile/0/004"):
        with pytest.raises(MalformedError, match="is a symbolic link"):
            Directory(exported).get(path, 10_000)
    linked = exported.parent / "here"
    linked.symlink_to(exported)
    assert Directory(linked).get("checkpoint", 1000)  # the caller's own link is the caller's


def test_a_pipe_does_not_make_it_wait(exported):
    os.mkfifo(exported / "tile/0/005")
    with pytest.raises(MissingError, match="is not a file"):
        Directory(exported).get("tile/0/005", 100)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unavailable(exported):
    (exported / "checkpoint").chmod(0)
    with pytest.raises(UnavailableError, match="Permission denied"):
        Directory(exported).get("checkpoint", 1000)
