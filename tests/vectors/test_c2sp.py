"""The examples that the C2SP specifications give, and the keys that other logs publish.

From c2sp.org signed-note, tlog-checkpoint and tlog-tiles (CC BY 4.0): values, no prose but the
texts that are signed.
"""

import pytest

from translog.errors import MalformedError, SignatureError
from translog.formats.checkpoint import Checkpoint
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


def test_a_cosigners_key_type_is_refused_for_now_and_named() -> None:
    vkey = "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    with pytest.raises(MalformedError, match=r"has key type 0x04, want 01 \(Ed25519\)$"):
        Verifier.parse(vkey)
