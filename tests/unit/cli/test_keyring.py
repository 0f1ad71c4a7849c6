"""A key is named in any of the forms that other commands print or that its owner publishes."""

import json
from pathlib import Path

import pytest

from translog.cli.keyring import PublicKey
from translog.cli.main import run
from translog.errors import MalformedError
from translog.formats.keys import SigningKey
from translog.formats.note import NoteSigner, Verifier


@pytest.fixture
def signer() -> NoteSigner:
    return NoteSigner(name="registry.example", key=SigningKey(bytes([5]) * 32))


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["for people", "for programs"])
def test_what_keys_show_prints_is_a_key(
    tmp_path: Path, options: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    private = str(tmp_path / "registry.key")
    assert run(["keys", "generate", private, "--name", "registry.example", "--json"]) == 0
    vkey = json.loads(capsysbinary.readouterr().out)["vkey"]
    assert run(["keys", "show", private, *options]) == 0
    shown = tmp_path / "shown.txt"
    shown.write_bytes(capsysbinary.readouterr().out)
    assert PublicKey.parse(str(shown)).verifier == Verifier.parse(vkey)


def test_of_a_log_with_two_keys_the_first_is_meant(tmp_path: Path, signer: NoteSigner) -> None:
    second = NoteSigner(name="registry.example", key=SigningKey(bytes([6]) * 32)).verifier.vkey
    shown = tmp_path / "shown.txt"
    shown.write_text(f"Name  x\nFrom  y\nKey   {signer.verifier.vkey}\nKey   {second}\n")
    assert PublicKey.parse(str(shown)).public_key == signer.key.public_key


@pytest.mark.parametrize(
    "content",
    ["Name  x\nFrom  y\n", "Name  x\nKey   nothing\n", "Key   {vkey}\n", '{{"vkey": 7}}', "[]", ""],
)
def test_what_is_like_it_is_none(tmp_path: Path, signer: NoteSigner, content: str) -> None:
    file = tmp_path / "file"
    file.write_text(content.format(vkey=signer.verifier.vkey))
    with pytest.raises(MalformedError, match="file"):
        PublicKey.parse(str(file))
