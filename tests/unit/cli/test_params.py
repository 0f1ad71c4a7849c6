"""Arguments are read strictly; keys are never guessed."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from tests.simulators.events import KEY, PITH_KEY
from translog.cli.keyring import KEY as KEY_PARAM
from translog.cli.keyring import LOG_KEY, PublicKey
from translog.cli.params import (
    EVENT_ID,
    FINGERPRINT,
    KEY_NAME,
    LABEL,
    LISTEN,
    ORIGIN,
    SECONDS,
    URL,
    Parsed,
    is_url,
)
from translog.formats.keys import SigningKey
from translog.formats.note import NoteSigner
from translog.pith.key import PINNED, fingerprint_hex
from translog.store.keys import write_key

VERIFIER = NoteSigner(name="example.com/log", key=SigningKey(bytes(32))).verifier

RIGHT: list[tuple[Parsed, str, Any]] = [
    (ORIGIN, "example.com/log", "example.com/log"),
    (FINGERPRINT, "0a" * 16, "0a" * 16),
    (KEY_NAME, "me@example.com", "me@example.com"),
    (LABEL, "My Registry +1", "My Registry +1"),
    (EVENT_ID, "sha256:" + "0a" * 32, bytes([10]) * 32),
    (EVENT_ID, "0a" * 32, bytes([10]) * 32),
    (SECONDS, "1s", 1.0),
    (SECONDS, "0.5s", 0.5),
    (SECONDS, "250ms", 0.25),
    (SECONDS, "2m", 120.0),
    (SECONDS, "24h", 86_400.0),
    (LISTEN, "127.0.0.1:8080", ("127.0.0.1", 8080)),
    (LISTEN, "localhost:0", ("localhost", 0)),
    (LISTEN, "[::1]:443", ("::1", 443)),
    (URL, "https://example.com/log/", "https://example.com/log"),
]
WRONG: list[tuple[Parsed, str]] = [
    (ORIGIN, ""),
    (ORIGIN, "a b"),
    (ORIGIN, "a+b"),
    (ORIGIN, "x" * 256),
    (KEY_NAME, ""),
    (KEY_NAME, "a\nb"),
    (LABEL, ""),
    (LABEL, "a\tb"),
    (LABEL, "x" * 256),
    (EVENT_ID, "sha256:" + "0A" * 32),
    (EVENT_ID, "0a" * 31),
    (EVENT_ID, "0a" * 33),
    (EVENT_ID, "sha512:" + "0a" * 32),
    (SECONDS, "1"),
    (SECONDS, "-1s"),
    (SECONDS, "0s"),
    (SECONDS, "25h"),
    (SECONDS, "1e3s"),
    (SECONDS, "infs"),
    (SECONDS, "1_0s"),
    (SECONDS, "٣s"),
    (SECONDS, " 1s"),
    (LISTEN, "8080"),
    (LISTEN, ":8080"),
    (LISTEN, "::1:8080"),
    (LISTEN, "127.0.0.1:65536"),
    (LISTEN, "127.0.0.1:٣"),
    (LISTEN, "127.0.0.1:80 "),
    (ORIGIN, "https://example.com/log"),
    (ORIGIN, "HTTP://example.com"),
    (FINGERPRINT, "nonsense"),
    (FINGERPRINT, "0A" * 16),
    (FINGERPRINT, "0a" * 17),
    (URL, "example.com"),
    (URL, "file:///etc/passwd"),
    (URL, "https://"),
    (URL, "https://é.example/log"),
    (URL, 'https://example.com/"><b>'),
    (URL, "https://example.com/a b"),
    (URL, "https://somebody@example.com"),
    (URL, "https://example.com/?a=b"),
    (URL, "https://example.com/#a"),
]


@pytest.mark.parametrize(("kind", "text", "value"), RIGHT, ids=lambda x: str(x)[:30])
def test_what_is_right_is_read(kind: Parsed, text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value
    assert kind.convert(value if not isinstance(value, str) else text, None, None) == value


@pytest.mark.parametrize(("kind", "text"), WRONG, ids=lambda x: repr(x)[:30])
def test_what_is_wrong_is_refused(kind: Parsed, text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


def test_a_url_is_not_a_directory() -> None:
    assert is_url("http://localhost:1")
    assert is_url("https://example.com/log")
    assert not is_url("log")
    assert not is_url("httpd")


def parse(text: str) -> PublicKey:
    found = KEY_PARAM.convert(text, None, None)
    assert isinstance(found, PublicKey)
    return found


def test_a_pinned_key_is_chosen_by_its_name() -> None:
    found = parse("pith.science")
    assert found.public_key == PINNED["pith.science"].public_key
    assert found.as_pith() == PINNED["pith.science"]
    assert (found.name, found.verifier) == ("pith.science", None)


def test_a_vkey_is_a_key_and_a_log() -> None:
    found = parse(VERIFIER.vkey)
    assert found.verifier == VERIFIER
    assert (found.public_key, found.name) == (VERIFIER.public_key, "example.com/log")
    assert found.as_pith().key_id == "example.com/log"
    assert LOG_KEY.convert(VERIFIER.vkey, None, None) == VERIFIER


def test_a_key_in_hex_is_named_by_its_fingerprint() -> None:
    found = parse(KEY.public_key.hex())
    fingerprint = fingerprint_hex(KEY.public_key)
    assert (found.public_key, found.name) == (KEY.public_key, f"key {fingerprint}")
    assert found.as_pith().key_id == fingerprint


@pytest.mark.parametrize(
    "content", [VERIFIER.vkey, f"{VERIFIER.vkey}\n", VERIFIER.public_key.hex() + "\n"]
)
def test_a_file_holds_a_key(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    assert parse(str(tmp_path / "key")).public_key == VERIFIER.public_key


def test_a_file_holds_a_key_in_json(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps(PITH_KEY.to_json(), indent=1))
    found = parse(str(tmp_path / "key.json"))
    assert found.public_key == KEY.public_key
    assert found.as_pith().to_json() == PITH_KEY.to_json()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing",
        b"{}",
        b"\xff\xfe",
        b"x" * 70_000,
        VERIFIER.vkey.replace("log", "lag").encode(),
        json.dumps({**PITH_KEY.to_json(), "public_key_hex": "00" * 32}).encode(),
    ],
    ids=range(7),
)
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(click.BadParameter, match=r"file .*key: "):
        parse(str(tmp_path / "key"))


def test_a_file_of_two_keys_is_refused_for_that(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{VERIFIER.vkey}\n{VERIFIER.vkey}\n")
    with pytest.raises(click.BadParameter, match="has 2 lines, want one key: a file for each"):
        parse(str(tmp_path / "key"))


def test_a_private_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    write_key(tmp_path / "key", "me", bytes(range(32)))
    with pytest.raises(click.BadParameter, match="it is a private key") as caught:
        parse(str(tmp_path / "key"))
    assert "AAEC" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "nobody", "00" * 31, "pith.science ", "a+b", "a+b+c", "AA" * 32]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse(text)
