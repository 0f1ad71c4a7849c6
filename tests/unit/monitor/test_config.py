"""A monitor's configuration: what is misspelt or makes no sense is refused, with its name."""

import re
import sys
from pathlib import Path

import pytest

from translog.errors import MalformedError, MissingError, UnavailableError
from translog.formats import mldsa
from translog.formats.cosignature import CosigningKey
from translog.monitor.config import Config, families, read_config
from translog.testing.events import number_of, signing_key
from translog.testing.published import Published

LOG = Published()
VKEY = LOG.verifier.vkey
NEXT = Published(origin="example.com/next")
WITNESS = CosigningKey(name="w.example", key=signing_key("witness"))

SMALL = f"""
database = "monitor.db"
[[log]]
keys = ["{VKEY}"]
url = "https://example.com/log/"
"""
LARGE = f"""
database = "monitor.db"
interval_seconds = 10
listen = "127.0.0.1:9464"
evidence = "evidence"
seen = "seen"

[alerts]
stdout = false
command = ["notify", "--now"]
webhook = "https://hooks.example/x?y=1"
webhook_key = "hook.key"

[[log]]
policy = "policy"
url = "out"
witnesses = ["https://w.example/monitoring/"]
mirrors = ["https://mirror.example", "copy"]
exchange = ["https://other.example/seen", "theirs"]
frozen_after_seconds = 60
patience_seconds = 0
check_every_seconds = 5
[log.watch]
records = ["{number_of(1)}"]
aliases = ["2402.13753"]
keys = ["{"ab" * 16}"]
types = ["correction"]

[[log]]
keys = ["{NEXT.verifier.vkey}"]
url = "https://example.com/next"
continues = "{LOG.origin}"
"""


@pytest.fixture
def read(tmp_path: Path):
    lines = [f"log {VKEY}", f"witness w {WITNESS.cosigner.vkey}", "quorum w", ""]
    (tmp_path / "policy").write_text("\n".join(lines))

    def call(text: str) -> Config:
        (tmp_path / "monitor.toml").write_text(text)
        return read_config(tmp_path / "monitor.toml")

    return call


def test_a_small_one_has_what_is_right_for_most(read, tmp_path):
    config = read(SMALL)
    (log,) = config.logs
    assert (config.database, config.interval_seconds) == (tmp_path / "monitor.db", 60)
    assert (config.stdout, config.command, config.webhook) == (True, None, None)
    assert (config.listen, config.evidence, config.seen) == (None, None, None)
    assert (log.origin, log.place) == (LOG.origin, "https://example.com/log")
    assert (log.witnesses, log.mirrors, log.exchange, log.continues) == ((), (), (), None)
    assert log.policy.quorum is None
    seconds = (log.frozen_after_seconds, log.patience_seconds, log.check_every_seconds)
    assert seconds == (86_400, 3_600, 3_600)


def test_a_large_one_says_all_there_is_to_say(read, tmp_path):
    config = read(LARGE)
    log, shard = config.logs
    assert config.listen == ("127.0.0.1", 9464)
    assert (config.stdout, config.command) == (False, ("notify", "--now"))
    assert config.webhook == "https://hooks.example/x?y=1"
    assert config.webhook_key == tmp_path / "hook.key"
    assert log.policy.quorum == "w"
    assert log.place == str(tmp_path / "out")
    assert log.mirrors == ("https://mirror.example", str(tmp_path / "copy"))
    assert log.exchange == ("https://other.example/seen", str(tmp_path / "theirs"))
    assert log.watch.records == {number_of(1)}
    assert (log.frozen_after_seconds, log.patience_seconds, log.check_every_seconds) == (60, 0, 5)
    assert families(config.logs) == {LOG.origin: LOG.origin, NEXT.origin: LOG.origin}
    assert shard.continues == LOG.origin


WRONG = [
    ("", "configuration has no database$"),
    ('databse = "x"', "configuration has no database; there is 'databse'$"),
    (SMALL.replace("url", "ulr"), "log 1 has no url; there is 'ulr'"),
    (SMALL.replace("https:", "ftp:"), "log 1: url: URL is 'ftp:"),
    (re.sub("keys = .*", "", SMALL), "log 1: whose log it is nobody says: want keys, or a policy"),
    ('database = "x"', "0 logs are to be followed, want 1"),
    (SMALL + "intervall = 3", "'intervall' means nothing here"),
    ("intervall = 3\n" + SMALL, "'intervall' means nothing here"),
    ("interval_seconds = 0\n" + SMALL, "interval_seconds is 0, want at least 1"),
    ("interval_seconds = true\n" + SMALL, "interval_seconds is true, want a whole number"),
    ("interval_seconds = 1.5\n" + SMALL, "interval_seconds is 1.5, want a whole number"),
    ('listen = "9464"\n' + SMALL, "address is '9464', want one like"),
    ('listen = "127.0.0.1:99999"\n' + SMALL, "want one like 127.0.0.1:9464"),
    (SMALL + "[alerts]\nstdout = 1", "alerts: stdout is 1, want true or false"),
    (SMALL + '[alerts]\ncommand = [""]', "alerts: command has '', want strings"),
    (SMALL + '[alerts]\nwebhook = "https://x.y"', "webhook and webhook_key go together"),
    (SMALL + '[alerts]\nwebhook = "x.y"\nwebhook_key = "k"', "URL is 'x.y', want http"),
    (SMALL + SMALL[SMALL.index("[[log]]") :], "is there twice"),
    (SMALL.replace(VKEY, "nonsense"), "keys: vkey 'nonsense' is not name"),
    (SMALL.replace("keys = ", "policy = 'none'\nkeys = "), "policy .*none: .*no such file"),
    (SMALL + 'witnesses = ["w.example"]', "witnesses: URL is 'w.example', want http"),
    (SMALL + 'continues = "example.com/old"', "continues 'example.com/old', which is no log above"),
    (SMALL + 'origin = "example.com/other"', "and origin is 'example.com/other': want one of them"),
    (SMALL + '[log.watch]\nrecords = ["pith:1"]', "records: .*'pith:1'"),
    (SMALL + '[log.watch]\nkeys = ["AB"]', "fingerprint is 'AB', want 32 digits of hex"),
    (SMALL + "[log.watch]\ncolour = []", "watch: 'colour' means nothing here"),
    ("database = [", "monitor.toml: "),
    ('database = "x"\nlog = 3', "log is 3, want an array"),
    ('database = "x"\nlog = [3]', "log 1 is 3, want a table"),
]


@pytest.mark.parametrize(("text", "says"), WRONG, ids=[says for _, says in WRONG])
def test_what_makes_no_sense_is_refused(read, text, says):
    with pytest.raises(MalformedError, match=says):
        read(text)


def test_a_policy_of_several_logs_needs_an_origin(read, tmp_path):
    other = Published(origin="example.com/next", key=signing_key("next")).verifier.vkey
    lines = [f"log {VKEY}", f"log {other}", "quorum none", ""]
    (tmp_path / "policy").write_text("\n".join(lines))
    text = SMALL.replace(f'keys = ["{VKEY}"]', 'policy = "policy"')
    with pytest.raises(MalformedError, match="want one of them"):
        read(text)
    (log,) = read(f'{text}origin = "{LOG.origin}"').logs
    assert log.origin == LOG.origin


def test_without_the_library_a_key_of_ml_dsa_44_is_refused_at_the_start(
    read, tmp_path, monkeypatch
):
    pq = CosigningKey(name="w.example", key=mldsa.SigningKey(b"m" * 32)).cosigner
    (tmp_path / "pq").write_text(f"witness w {pq.vkey}\nquorum w\n")
    text = SMALL.replace("keys = ", 'policy = "pq"\nkeys = ')
    assert read(text).logs[0].policy.quorum == "w"
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(UnavailableError, match="need the library cryptography"):
        read(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingError, match=re.escape("nowhere.toml: there is no such file")):
        read_config(tmp_path / "nowhere.toml")
