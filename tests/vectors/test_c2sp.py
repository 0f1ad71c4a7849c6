"""The examples that the C2SP specifications give, and the keys that other logs publish.

From c2sp.org signed-note, tlog-checkpoint, tlog-cosignature and tlog-tiles (CC BY 4.0): values,
no prose but the texts that are signed.
"""

import pytest

from translog.errors import MalformedError, SignatureError
from translog.formats.checkpoint import Checkpoint
from translog.formats.cosignature import Cosigner, message_of, time_of
from translog.formats.note import Note, Verifier, open_note
from translog.formats.tiles import Tile, format_index, parse_index

EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = """\
This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""  # noqa: E501  # one signature line is one line

POEM = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501  # one signature line is one line

SOFA = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""  # noqa: E501  # one signature line is one line

COSIGNED = """\
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501  # one signature line is one line

SIGNED = """\
cosignature/v1
time 1679315147
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""

GO_SUMDB_VKEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def test_the_example_key_verifies_the_example_note() -> None:
    verifier = Verifier.parse(EXAMPLE_VKEY)
    assert verifier.vkey == EXAMPLE_VKEY
    opened = open_note(EXAMPLE_NOTE.encode(), [verifier])
    assert opened.text == "This is an example message.\n"
    with pytest.raises(SignatureError):
        open_note(EXAMPLE_NOTE.replace("example m", "Example m").encode(), [verifier])


def test_a_text_with_empty_lines_and_letters_beyond_ascii_is_cut_at_the_last_empty_line() -> None:
    note = Note.parse(POEM.encode())
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [signature.name for signature in note.signatures] == ["quasimodo.example/salvatore"]
    assert note.encode() == POEM.encode()


def test_the_example_checkpoint_is_read() -> None:
    checkpoint = Checkpoint.parse(Note.parse(SOFA.encode()).text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex().startswith("0ac5186a91863e8e1d90c808014aa89b")


def test_the_key_of_gos_checksum_database_is_read() -> None:
    verifier = Verifier.parse(GO_SUMDB_VKEY)
    assert (verifier.name, verifier.key_id.hex()) == ("sum.golang.org", "033de0ae")
    assert verifier.vkey == GO_SUMDB_VKEY


def test_the_example_index_is_written_in_threes() -> None:
    assert format_index(1234067) == "x001/x234/067"
    assert parse_index("x001/x234/067") == 1234067
    assert Tile.parse("tile/1/x001/x234/067").index == 1234067


def test_the_example_cosigned_checkpoint_is_read_and_its_time_found() -> None:
    # tlog-cosignature gives no key for it: what can be checked is the form, and the time.
    note = Note.parse((SOFA + COSIGNED).encode())
    (line,) = [line for line in note.signatures if line.name == "witness.example.com/w1"]
    assert len(line.blob) == 72
    assert time_of(line.blob) == 1679315147
    cosigner = Cosigner(name=line.name, key_type=4, public_key=bytes(32))
    assert message_of(cosigner, Checkpoint.parse(note.text), 1679315147).decode() == SIGNED


def test_a_key_of_another_type_is_not_taken_for_a_notes() -> None:
    cosigner = Cosigner(
        name="example.com/foo", key_type=4, public_key=Verifier.parse(EXAMPLE_VKEY).public_key
    )
    with pytest.raises(MalformedError, match=r"has key type 0x04, want 01 \(Ed25519\)$"):
        Verifier.parse(cosigner.vkey)
    with pytest.raises(MalformedError, match=r"has key type 0x01, want 04"):
        Cosigner.parse(EXAMPLE_VKEY)
