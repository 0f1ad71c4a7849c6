"""anchoring.toml: read strictly, a default for everything, and refused where it is misspelt."""

import tomllib
from pathlib import Path

import pytest

from translog.bitcoin.network import MAINNET, REGTEST
from translog.errors import MalformedError
from translog.log.anchoring import (
    DEFAULT,
    FILE,
    Settings,
    open_headers,
    parse,
    read_settings,
    write_default,
)
from translog.net.calendars import PUBLIC

TWO = 'calendars = ["https://a.example", "https://b.example"]\n'


def test_the_file_that_init_writes_says_what_is_so_without_it() -> None:
    assert parse(DEFAULT.encode()) == parse(b"") == Settings()
    assert Settings().calendars.urls == PUBLIC
    assert Settings().network is MAINNET
    assert open_headers(Settings(), print) is not None  # nobody is asked yet


def test_a_log_without_the_file_is_not_anchored(tmp_path: Path) -> None:
    assert read_settings(tmp_path) is None
    write_default(tmp_path)
    assert read_settings(tmp_path) == Settings()
    (tmp_path / FILE).write_text("calendars = []\n")
    assert read_settings(tmp_path) is None
    write_default(tmp_path)  # what is there is kept
    assert read_settings(tmp_path) is None


def test_everything_can_be_chosen() -> None:
    text = """
        network = "regtest"
        interval = "30m"
        calendars = ["https://ots.example.net"]
        listed = ["https://*.example.net"]
        headers = "none"
        statements = "every"
    """
    found = parse(text.encode())
    assert found is not None
    assert (found.network, found.interval_seconds) == (REGTEST, 1_800)
    assert found.calendars.urls == ("https://ots.example.net",)
    assert found.calendars.listed == ("https://*.example.net",)
    assert found.calendars.need == 1  # there is only one
    assert (found.headers, found.statements) == (None, "every")
    assert open_headers(found, print) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90s", 90), ("2m", 120), ("1h", 3_600), ("7d", 604_800), ("168h", 604_800)],
)
def test_intervals_have_units(text: str, seconds: int) -> None:
    found = parse(f'interval = "{text}"'.encode())
    assert found is not None
    assert found.interval_seconds == seconds


REFUSED = [
    ('calender = "x"', r"unknown members \['calender'\]"),
    ("calendars", "not TOML"),
    ("a = 1\na = 2", "not TOML"),
    ("\x00", "not TOML"),
    ('interval = "1"', "interval is '1', want one like 30m, 1h or 1d, at most 7d"),
    ('interval = "0s"', "interval is '0s'"),
    ('interval = "-1h"', "interval is '-1h'"),
    ('interval = "01h"', "interval is '01h'"),
    ('interval = "1 h"', "interval is '1 h'"),
    ('interval = "8d"', "interval is '8d'"),
    ('interval = "\u0661h"', "interval is"),
    ("interval = 3600", "interval is 3600, want a text"),
    ('network = "testnet"', "network is 'testnet'"),
    ('statements = "all"', "statements is 'all', want first, every or none"),
    ("statements = true", "statements is true, want a text"),
    ('calendars = "https://a.example"', "want a list of texts"),
    ("calendars = [1]", "want a list of texts"),
    ('calendars = ["https://a.example", "https://a.example"]', "calendars has one twice"),
    ('calendars = ["file:///etc/passwd"]', "calendar is 'file:///etc/passwd'"),
    ('calendars = ["https://*.example"]', "calendar is"),
    ('listed = ["a.example"]', "listed calendar is 'a.example'"),
    (f"{TWO}need = 3", "3 calendars needed, want from 1 to the 2"),
    (f"{TWO}need = 0", "0 calendars needed"),
    (f"{TWO}need = true", "need is true, want a number"),
    (f'{TWO}need = "2"', "need is '2', want a number"),
    ("[calendars]", "want a list of texts"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED, ids=[text[:40] for text, _ in REFUSED])
def test_what_is_not_a_setting_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(MalformedError, match=says) as caught:
        read_settings(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / FILE))


def test_a_source_that_is_none_is_refused_before_anything_runs() -> None:
    settings = parse(b'headers = "bitcoin.example.com"')
    assert settings is not None
    with pytest.raises(MalformedError, match=r"header source is 'bitcoin\.example\.com'"):
        open_headers(settings, print)


def test_the_default_is_toml_that_names_every_member_but_two() -> None:
    named = tomllib.loads(DEFAULT).keys()
    assert named == {"interval", "calendars", "need", "headers", "statements"}
