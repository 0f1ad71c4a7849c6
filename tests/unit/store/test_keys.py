"""Private keys in files: one form, one owner."""

import traceback
from pathlib import Path

import pytest

from translog.errors import ConflictError, MalformedError, UnavailableError
from translog.formats.cosignature import ED25519, ML_DSA_44
from translog.formats.note import open_note, sign_note
from translog.formats.strict import format_base64
from translog.store.keys import (
    make_cosigning_key,
    read_cosigning_key,
    read_key,
    write_cosigning_key,
    write_key,
)

SEED = bytes(range(32))
NAME = "example.com/log"


def test_a_key_is_read_as_it_was_written_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    written = write_key(path, NAME, SEED)
    signer = read_key(path)
    assert signer.verifier == written.verifier
    open_note(sign_note("text\n", [signer]), [written.verifier])
    # The form of golang.org/x/mod/sumdb/note: PRIVATE+KEY+name+id+base64(0x01, seed)
    key_id = written.verifier.key_id.hex()
    encoded = "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    assert path.read_text() == f"PRIVATE+KEY+{NAME}+{key_id}+{encoded}\n"


def test_a_key_is_not_overwritten_and_not_shared(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    write_key(path, NAME, SEED)
    with pytest.raises(ConflictError):
        write_key(path, NAME, bytes(32))
    path.chmod(0o640)
    with pytest.raises(UnavailableError, match="mode 0640, want 0600"):
        read_key(path)


def test_every_other_line_is_refused_and_none_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    write_key(path, NAME, SEED)
    line = path.read_text().removesuffix("\n")
    prefix, keyword, name, key_id, encoded = line.split("+", 4)
    wrong = [
        "",
        line[len("PRIVATE+KEY+") :],
        f"PUBLIC+KEY+{name}+{key_id}+{encoded}",
        f"{prefix}+{keyword}+{name}+{key_id}",
        f"{prefix}+{keyword}+{name}+{key_id}+{encoded[:-1]}",
        f"{prefix}+{keyword}+{name}+{key_id}+{encoded[:-4]}",
        f"{prefix}+{keyword}+{name}+{key_id}+{encoded}AAAA",
        f"{prefix}+{keyword}+{name}+{key_id}+B{encoded[1:]}",  # another algorithm
        f"{prefix}+{keyword}+{name}+00000000+{encoded}",
        f"{prefix}+{keyword}+other.example+{key_id}+{encoded}",
        f"{line}\n",
        f" {line}",
        f"{line}\xff",
    ]
    for text in wrong:
        path.write_text(text + "\n")
        with pytest.raises(MalformedError, match=r"log\.key") as caught:
            read_key(path)
        assert encoded[4:20] not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key_type", [ED25519, ML_DSA_44])
def test_a_key_that_cosigns_is_read_as_it_was_written(tmp_path: Path, key_type: int) -> None:
    path = tmp_path / "witness.key"
    signer = make_cosigning_key(NAME, key_type, SEED)
    write_cosigning_key(path, signer, SEED)
    found = read_cosigning_key(path)
    assert found.cosigner == signer.cosigner
    assert found.cosigner.key_type == key_type
    key_id = signer.cosigner.key_id.hex()
    encoded = format_base64(bytes([key_type]) + SEED)
    assert path.read_text() == f"PRIVATE+KEY+{NAME}+{key_id}+{encoded}\n"
    with pytest.raises(ConflictError):
        write_cosigning_key(path, signer, SEED)
    with pytest.raises(MalformedError, match=r"witness\.key is not an Ed25519 private key"):
        read_key(path)
    path.write_text(path.read_text().replace(key_id, "00000000"))
    with pytest.raises(MalformedError, match="key id is '00000000', and not that of the key"):
        read_cosigning_key(path)
    path.chmod(0o644)
    with pytest.raises(UnavailableError, match="mode 0644, want 0600"):
        read_cosigning_key(path)


def test_a_key_that_signs_notes_does_not_cosign(tmp_path: Path) -> None:
    write_key(tmp_path / "log.key", NAME, SEED)
    with pytest.raises(MalformedError, match="has key type 0x01, want one that cosigns: 04 or 06"):
        read_cosigning_key(tmp_path / "log.key")
    with pytest.raises(MalformedError, match="cosigner: name is 'a b'"):
        make_cosigning_key("a b", ED25519, SEED)
