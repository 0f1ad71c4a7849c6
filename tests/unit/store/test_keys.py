"""Private keys in files: one form, one owner."""

import traceback
from pathlib import Path

import pytest

from translog.errors import ConflictError, MalformedError, UnavailableError
from translog.formats.note import open_note, sign_note
from translog.store.keys import read_key, write_key

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
