"""translog.formats.note: signed-note, rule by rule."""

from dataclasses import replace

import pytest

from translog.errors import MalformedError, SignatureError, TooLargeError
from translog.formats.keys import SigningKey
from translog.formats.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Note,
    NoteSigner,
    Signature,
    Verifier,
    Vkey,
    check_name,
    open_note,
    sign_note,
)
from translog.formats.strict import format_base64

ALICE = NoteSigner(name="example.com/alice", key=SigningKey(b"a" * 32))
BOB = NoteSigner(name="example.com/bob", key=SigningKey(b"b" * 32))
TEXT = "first line\n\nthird line, after an empty one\n"
SIGNED = sign_note(TEXT, [ALICE])


def line(name: str, raw: bytes) -> bytes:
    return f"— {name} {format_base64(raw)}\n".encode()


def test_a_note_is_opened_with_the_keys_that_signed_it() -> None:
    for signers in [[ALICE], [BOB, ALICE]]:
        opened = open_note(sign_note(TEXT, signers), [ALICE.verifier, BOB.verifier])
        assert opened.text == TEXT
        assert opened.signed_by == tuple(signer.verifier for signer in signers)
        assert [signature.name for signature in opened.note.signatures] == [
            signer.name for signer in signers
        ]


def test_a_note_is_written_as_it_was_read() -> None:
    raw = sign_note(TEXT, [ALICE, BOB])
    assert Note.parse(raw).encode() == raw
    assert Note.parse(raw).text == TEXT


@pytest.mark.parametrize("text", ["\n", "\n\n", "a\n\n", "é\u2028\x7f\n", "— x AAAAAAA=\n\n— y\n"])
def test_the_text_ends_at_the_last_empty_line(text: str) -> None:
    assert open_note(sign_note(text, [ALICE]), [ALICE.verifier]).text == text


def test_lines_by_unknown_keys_are_ignored_whatever_they_contain() -> None:
    same_name = line(ALICE.name, b"\0\0\0\0" + bytes(64))
    same_id = line("example.com/other", ALICE.verifier.key_id + bytes(64))
    long_one = line("example.com/ml-dsa", b"\x06\0\0\0" + bytes(5000))
    raw = SIGNED + same_name + same_id + long_one + line("x", b"1234" + b"5")
    assert open_note(raw, [ALICE.verifier]).signed_by == (ALICE.verifier,)
    head, _, tail = SIGNED.rpartition(b"\n\n")
    assert open_note(head + b"\n\n" + same_name + tail, [ALICE.verifier]).text == TEXT


def test_a_failing_signature_by_a_known_key_refuses_the_note_whoever_else_signed() -> None:
    key_id = BOB.verifier.key_id
    for blob in [bytes(64), bytes(63), bytes(65), b"\0", BOB.key.sign(b"another text")]:
        bad = line(BOB.name, key_id + blob)
        open_note(SIGNED + bad, [ALICE.verifier])
        with pytest.raises(SignatureError):
            open_note(SIGNED + bad, [ALICE.verifier, BOB.verifier])
        with pytest.raises(SignatureError):
            open_note(
                SIGNED + line(BOB.name, key_id + BOB.key.sign(TEXT.encode())) + bad, [BOB.verifier]
            )


def test_a_repeated_signature_counts_once_and_every_copy_must_be_right() -> None:
    again = SIGNED.rpartition(b"\n\n")[2]
    assert open_note(SIGNED + again, [ALICE.verifier]).signed_by == (ALICE.verifier,)
    bad = line(ALICE.name, ALICE.verifier.key_id + bytes(64))
    for raw in [SIGNED + bad, SIGNED.replace(again, bad + again)]:
        with pytest.raises(SignatureError):
            open_note(raw, [ALICE.verifier])


def test_a_note_signed_by_no_one_asked_for_is_refused() -> None:
    message = (
        r"^note is signed by 'example.com/alice' \(key [0-9a-f]{8}\),"
        r" and by none of the keys asked for$"
    )
    for verifiers in [[], [BOB.verifier], [replace(ALICE.verifier, name="example.com/alic")]]:
        with pytest.raises(SignatureError, match=message):
            open_note(SIGNED, verifiers)


def test_a_note_of_another_text_is_refused() -> None:
    with pytest.raises(SignatureError):
        open_note(SIGNED.replace(b"first", b"other"), [ALICE.verifier])
    # An empty line more or less is another text too.
    with pytest.raises(SignatureError):
        open_note(SIGNED.replace(b"line\n\n", b"line\n\n\n", 1), [ALICE.verifier])


def test_16_signatures_are_accepted_and_more_than_100_are_not() -> None:
    other = line("example.com/other", b"1234" + bytes(64))
    for count in [16, MAX_SIGNATURES]:
        open_note(SIGNED + other * (count - 1), [ALICE.verifier])
    with pytest.raises(TooLargeError, match=r"^note has 101 signatures, want at most 100$"):
        open_note(SIGNED + other * MAX_SIGNATURES, [ALICE.verifier])


def test_the_size_is_looked_at_before_anything_else() -> None:
    with pytest.raises(TooLargeError, match=r"^note has 1000001 bytes, want at most 1000000$"):
        Note.parse(b"\xff" * (MAX_NOTE_BYTES + 1))
    just = "x" * (MAX_NOTE_BYTES - len(SIGNED) + len(TEXT) - 1) + "\n"
    raw = sign_note(just, [ALICE])
    assert len(raw) == MAX_NOTE_BYTES
    assert open_note(raw, [ALICE.verifier]).text == just


GOOD_LINE = SIGNED.rpartition(b"\n\n")[2]
MALFORMED = [b"", b"\n", b"\n\n", b"text\n", b"text\n\n", GOOD_LINE, b"text\n" + GOOD_LINE]
MALFORMED += [b"text" + b"\n\n" + GOOD_LINE[:-1], b"text\n\n" + GOOD_LINE + b"\n"]
MALFORMED += [b"text\n\n" + GOOD_LINE + b"x\n", b"text\n\n" + GOOD_LINE[:-1] + b"x"]
MALFORMED += [b"te\xffxt\n\n" + GOOD_LINE, b"te\xed\xa0\x80xt\n\n" + GOOD_LINE]  # a surrogate
MALFORMED += [b"te" + bytes([code]) + b"xt\n\n" + GOOD_LINE for code in range(32) if code != 10]
MALFORMED += [b"text\r\n\r\n" + GOOD_LINE, b"text\n\n" + GOOD_LINE.replace(b"\n", b"\r\n")]
MALFORMED += [b"text\n\n" + GOOD_LINE.replace("—".encode(), dash) for dash in [b"-", b"--", b""]]
MALFORMED += [b"text\n\n" + GOOD_LINE.replace(b" ", b"  "), b"text\n\n " + GOOD_LINE]
MALFORMED += [b"text\n\n" + GOOD_LINE[:-1] + b" \n", b"text\n\n" + GOOD_LINE[:-1] + b" AAAA\n"]
MALFORMED += [b"text\n\n" + GOOD_LINE.replace(b"=", b""), b"text\n\n" + GOOD_LINE[:-1] + b"=\n"]
MALFORMED += [b"text\n\n" + line(name, b"1234" + bytes(64)) for name in ["", "a+b", "a\u3000b"]]
MALFORMED += [b"text\n\n" + line("a", raw) for raw in [b"", b"123", b"1234"]]
MALFORMED += ["text\n\n— a ÄÄÄÄÄÄÄÄ\n".encode(), b"text\n\n" + "— a\n".encode()]


@pytest.mark.parametrize("raw", MALFORMED)
def test_what_is_not_a_note_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Note.parse(raw)
    with pytest.raises(MalformedError):
        open_note(raw, [ALICE.verifier])


def test_the_shortest_signature_has_five_bytes() -> None:
    assert Note.parse(b"text\n\n" + line("a", b"12345")).signatures == (
        Signature(name="a", key_id=b"1234", blob=b"5"),
    )


SPACES = "\u0020\u00a0\u0085\u1680\u2000\u2009\u2028\u2029\u202f\u205f\u3000\t\n\v\f\r"


@pytest.mark.parametrize("character", [*SPACES, "+", "\0", "\x1f", "\ud800", "\udfff"], ids=ascii)
def test_a_name_has_no_space_of_any_script_no_plus_and_no_controls(character: str) -> None:
    for name in [character, f"{character}a", f"a{character}b", f"a{character}"]:
        with pytest.raises(MalformedError, match=r"^name is "):
            check_name(name, "name")
        with pytest.raises(MalformedError):
            sign_note(TEXT, [replace(ALICE, name=name)])
        with pytest.raises(MalformedError):
            Verifier.parse(f"{name}+00000000+{format_base64(bytes([1]) + bytes(32))}")


def test_a_name_may_be_of_any_script() -> None:
    for name in ["a", "例え.jp/ログ", "-", "a" * 300]:
        signer = replace(ALICE, name=name)
        assert open_note(sign_note(TEXT, [signer]), [signer.verifier]).text == TEXT
    with pytest.raises(MalformedError, match=r"^name is '', want no spaces, plus or controls, and"):
        check_name("", "name")


@pytest.mark.parametrize("text", ["", "no newline", "a\tb\n", "a\r\n", "\0\n"])
def test_a_text_that_no_note_can_have_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedError, match=r"^note: text "):
        sign_note(text, [ALICE])


def test_a_note_without_a_signer_is_our_mistake() -> None:
    with pytest.raises(ValueError):
        sign_note(TEXT, [])


def test_a_vkey_is_written_as_it_was_read() -> None:
    vkey = ALICE.verifier.vkey
    assert Verifier.parse(vkey) == ALICE.verifier
    name, key_id, key = vkey.split("+", 2)
    assert (name, key_id) == (ALICE.name, ALICE.verifier.key_id.hex())
    assert key == format_base64(b"\x01" + ALICE.key.public_key)


def test_a_vkey_is_split_at_the_first_two_plus_signs_only() -> None:
    verifier = Verifier(name="a", public_key=bytes(2) + b"\xfb\xef\xbe" * 10)
    assert verifier.vkey.count("+") > 2
    assert Verifier.parse(verifier.vkey) == verifier


def test_a_vkey_that_is_wrong_in_any_part_says_which() -> None:
    name, key_id, key = ALICE.verifier.vkey.split("+", 2)
    raw = bytes([1]) + ALICE.key.public_key
    wrong = {
        f"{name}+{key_id}": r"^vkey 'example.com/alice\+[0-9a-f]{8}' is not name\+id\+key$",
        "": r"^vkey '' is not name\+id\+key$",
        f"+{key_id}+{key}": r"^vkey: key name is ''",
        f"{name}+00000000+{key}": rf"has key id '00000000', want {key_id}$",
        f"{name}+{key_id.upper()}+{key}": rf"has key id '[0-9A-F]+', want {key_id}$",
        f"{name}+{key_id[1:]}+{key}": r"has key id",
        f"{name}+{key_id}+{key}\n": r"which is not how base64|want base64",
        f"{name}+{key_id}+": r"has no key type, want one byte and a key$",
        f"{'x' * 2100}+{key_id}+{key}": r"^vkey has 2154 characters, want at most 2100$",
        **{
            str(Vkey(name, key_type, raw[1:])): rf"key type 0x0{key_type}, want 01 \(Ed25519\)$"
            for key_type in (0, 2, 4, 6)
        },
        **{
            str(Vkey(name, 1, key)): rf"has a key of {len(key)} bytes, want 32$"
            for key in (b"", raw[2:], raw)
        },
    }
    for vkey, message in wrong.items():
        with pytest.raises(MalformedError, match=message):
            Verifier.parse(vkey)


def test_two_keys_with_one_name_and_id_are_refused_not_chosen_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_note(SIGNED, [ALICE.verifier, ALICE.verifier])  # the same key twice is one key
    monkeypatch.setattr(Verifier, "key_id", b"same")
    with pytest.raises(MalformedError, match=r"^vkey: two keys of 'example.com/alice' have the sa"):
        open_note(SIGNED, [ALICE.verifier, replace(BOB.verifier, name=ALICE.name)])
