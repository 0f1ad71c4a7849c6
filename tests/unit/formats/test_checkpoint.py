"""translog.formats.checkpoint: what a log may say about itself, and who must have signed it."""

from dataclasses import replace

import pytest

from translog.errors import MalformedError, SignatureError, TooLargeError
from translog.formats.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    check_origin,
    open_checkpoint,
    sign_checkpoint,
)
from translog.formats.keys import SigningKey
from translog.formats.merkle import EMPTY_ROOT, Hash, leaf_hash
from translog.formats.note import NoteSigner, Verifier, sign_note
from translog.formats.strict import MAX_SIZE, format_base64

KEY = SigningKey(b"k" * 32)
ORIGIN = "example.com/log"
VERIFIER = Verifier(name=ORIGIN, public_key=KEY.public_key)
CHECKPOINT = Checkpoint(origin=ORIGIN, size=7, root=leaf_hash(b"an entry"))
ROOT = format_base64(CHECKPOINT.root)
EMPTY = format_base64(EMPTY_ROOT)


@pytest.mark.parametrize("size", [1, 7, 10**6, MAX_SIZE])
def test_a_checkpoint_is_written_as_it_was_read(size: int) -> None:
    text = f"{ORIGIN}\n{size}\n{ROOT}\n"
    assert Checkpoint.parse(text) == replace(CHECKPOINT, size=size)
    assert str(Checkpoint.parse(text)) == text


def test_an_empty_tree_has_the_empty_root_and_no_other() -> None:
    assert EMPTY == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert Checkpoint.parse(f"{ORIGIN}\n0\n{EMPTY}\n").root == EMPTY_ROOT
    with pytest.raises(
        MalformedError, match=r"^checkpoint: size 0 has root [0-9a-f]{64}, want e3b"
    ):
        Checkpoint.parse(f"{ORIGIN}\n0\n{ROOT}\n")
    # As a claim, it can be told from bytes that say nothing.
    assert Checkpoint.parse_claim(f"{ORIGIN}\n0\n{ROOT}\n") == replace(CHECKPOINT, size=0)


BAD_BODIES = ["", "\n", "\n\n\n", f"{ORIGIN}\n7\n", f"{ORIGIN}\n7\n{ROOT}", f"\n7\n{ROOT}\n"]
BAD_BODIES += [f"{ORIGIN}\n{size}\n{ROOT}\n" for size in ["", "-1", "007", "+7", "1_0", " 7", "7 "]]
BAD_BODIES += [f"{ORIGIN}\n{size}\n{ROOT}\n" for size in [2**63, 2**64, "9" * 500, "0x7", "\u0663"]]
BAD_BODIES += [f"{ORIGIN}\n7\n{root}\n" for root in ["", ROOT[:-1], ROOT + "=", " " + ROOT, "*"]]
BAD_BODIES += [f"{ORIGIN}\n7\n{format_base64(bytes(n))}\n" for n in [0, 31, 33]]
BAD_BODIES += [
    f"{ORIGIN}\n7\n{ROOT}\nextension\n",
    f"{ORIGIN}\n7\n{ROOT}\n\n",
    f"x\n{ORIGIN}\n7\n{ROOT}\n",
]
BAD_BODIES += [f"{ORIGIN}\n7\n{ROOT}\nextension"]
BAD_BODIES += [f"{ORIGIN}\r\n7\r\n{ROOT}\r\n", f"{ORIGIN}\n7\n{ROOT[:-2]}F=\n"]
BAD_BODIES += [f"{origin}\n7\n{ROOT}\n" for origin in ["a b", "a+b", "a\u00a0b", "a\tb", "x" * 256]]


@pytest.mark.parametrize("text", BAD_BODIES, ids=lambda text: ascii(text)[:30])
def test_any_other_text_is_malformed(text: str) -> None:
    for parse in (Checkpoint.parse, Checkpoint.parse_claim):
        with pytest.raises(MalformedError, match=r"^checkpoint"):
            parse(text)


def test_refusals_say_what_was_found_and_what_was_wanted() -> None:
    with pytest.raises(MalformedError, match=r"has 4 lines, want origin, size and root$"):
        Checkpoint.parse(f"{ORIGIN}\n7\n{ROOT}\nextension\n")
    with pytest.raises(MalformedError, match=r"^checkpoint: root has 31 bytes, want 32$"):
        Checkpoint.parse(f"{ORIGIN}\n7\n{format_base64(bytes(31))}\n")
    with pytest.raises(TooLargeError, match=r"^checkpoint has 1001 characters, want at most 1000$"):
        Checkpoint.parse("x" * 1001)


def test_an_origin_has_at_most_255_bytes() -> None:
    check_origin("x" * 255)
    check_origin("é" * 127)
    for origin in ["x" * 256, "é" * 128]:
        with pytest.raises(MalformedError, match=r" is over 255 bytes$"):
            check_origin(origin)


def test_a_signed_checkpoint_is_opened_with_the_logs_key() -> None:
    raw = sign_checkpoint(CHECKPOINT, KEY)
    opened = open_checkpoint(raw, VERIFIER)
    assert opened == SignedCheckpoint(origin=ORIGIN, size=7, root=CHECKPOINT.root, note=raw)
    assert str(opened) == str(CHECKPOINT)


def test_a_checkpoint_is_signed_the_same_way_every_time() -> None:
    assert sign_checkpoint(CHECKPOINT, KEY) == sign_checkpoint(CHECKPOINT, KEY)


def test_opening_fails_for_another_key_or_another_name() -> None:
    raw = sign_checkpoint(CHECKPOINT, KEY)
    other = SigningKey(b"o" * 32)
    wrong = [
        Verifier(name=ORIGIN, public_key=other.public_key),
        Verifier(name="example.com/other", public_key=KEY.public_key),
    ]
    for verifier in wrong:
        with pytest.raises(SignatureError):
            open_checkpoint(raw, verifier)
    with pytest.raises(SignatureError):
        open_checkpoint(raw.replace(b"\n7\n", b"\n8\n"), VERIFIER)


def test_a_key_of_one_log_does_not_vouch_for_another_origin() -> None:
    # Rightly signed by the key we trust, under the name we trust, about another log.
    text = str(replace(CHECKPOINT, origin="example.com/other"))
    raw = sign_note(text, [NoteSigner(name=ORIGIN, key=KEY)])
    message = r"^checkpoint has origin 'example.com/other', want 'example.com/log'$"
    with pytest.raises(SignatureError, match=message):
        open_checkpoint(raw, VERIFIER)


@pytest.mark.parametrize("text", ["hello\n", f"{ORIGIN}\n7\n{ROOT}\nextension\n"])
def test_a_signed_note_that_is_no_checkpoint_is_malformed(text: str) -> None:
    raw = sign_note(text, [NoteSigner(name=ORIGIN, key=KEY)])
    with pytest.raises(MalformedError):
        open_checkpoint(raw, VERIFIER)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "two\nlines"},
        {"origin": "x" * 256},
        {"origin": ""},
        {"size": -1},
        {"size": 2**63},
        {"size": True},
        {"size": 0},
        {"root": Hash(bytes(31))},
    ],
)
def test_a_checkpoint_that_no_one_could_read_is_not_signed(change: dict) -> None:
    with pytest.raises(MalformedError):
        sign_checkpoint(replace(CHECKPOINT, **change), KEY)
