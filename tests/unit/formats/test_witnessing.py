"""translog.formats.witnessing: the bytes of add-checkpoint, as tlog-witness gives them."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translog.errors import MalformedError, TooLargeError
from translog.formats.merkle import Hash
from translog.formats.note import MAX_SIGNATURES, Signature
from translog.formats.strict import MAX_SIZE
from translog.formats.witnessing import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    Submission,
    format_size,
    monitoring_path,
    parse_cosignatures,
    parse_size,
)

# The examples of the specification.
EXAMPLE = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()  # noqa: E501  # one signature line is one line
COSIGNATURES = """\
— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
— witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
""".encode()  # noqa: E501  # one signature line is one line
HASH = base64.b64encode(b"h" * 32).decode()


def test_the_example_request_is_read_and_written_again() -> None:
    found = Submission.parse(EXAMPLE)
    assert found.old_size == 20852014
    assert len(found.proof) == 4
    assert found.proof[0].hex().startswith("3e544d0abc07a6a8")
    assert found.checkpoint == EXAMPLE.partition(b"\n\n")[2]
    assert found.encode() == EXAMPLE


def test_the_example_answer_is_read() -> None:
    lines = parse_cosignatures(COSIGNATURES)
    assert [line.name for line in lines] == ["witness.example/w1"] * 2 + ["witness.example/w2"]
    assert {len(line.blob) for line in lines} == {72}
    assert "".join(map(str, lines)).encode() == COSIGNATURES


def test_a_request_without_a_proof_has_no_hash_lines() -> None:
    empty = Submission(old_size=0, proof=(), checkpoint=b"note")
    assert empty.encode() == b"old 0\n\nnote"
    assert Submission.parse(empty.encode()) == empty


def test_63_hashes_are_read_and_64_are_not() -> None:
    hashes = f"{HASH}\n" * 63
    assert len(Submission.parse(f"old {MAX_SIZE}\n{hashes}\nnote".encode()).proof) == 63
    # SPEC: "The client MUST NOT send more than 63 consistency proof lines."
    message = r"^request: want an old size, hashes, a blank line|^request has 64 hashes, want at mo"
    for old in (1, MAX_SIZE):
        with pytest.raises(MalformedError, match=message):
            Submission.parse(f"old {old}\n{hashes}{HASH}\n\nnote".encode())


BAD = [b"", b"\n", b"\n\n", b"old 1", b"old 1\n", b"old 1\nnote\n", b"\n\nnote", b"new 1\n\nnote"]
BAD += [b"old\n\nnote", b"old \n\nnote", b"old  1\n\nnote", b" old 1\n\nnote", b"Old 1\n\nnote"]
BAD += [f"old {size}\n\nnote".encode() for size in ("-1", "+1", "01", "1 ", "1_0", "٣", 2**63)]
BAD += [f"old 1\n{line}\n\nnote".encode() for line in (HASH[:-1], HASH + "=", f" {HASH}", "AAAA")]
BAD += [f"old 1\r\n{HASH}\n\nnote".encode(), f"old 1\n{HASH}\r\n\nnote".encode()]
BAD += [f"old 1\n\n{HASH}".encode().replace(b"\n\n", b"\n \n"), b"old 1\n\xff\n\nnote"]


@pytest.mark.parametrize("raw", BAD)
def test_any_other_request_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Submission.parse(raw)


def test_refusals_of_requests_say_what_was_wanted() -> None:
    for raw, message in (
        (b"new 1\n\nnote", r"^request: first line is 'new 1', want old and a size$"),
        (b"old 1\nAAAA\n\nnote", r"^request: hash has 3 bytes, want 32$"),
        (b"old 007\n\nnote", r"^request: old size is '007', want no leading zeros"),
        (b"x" * (MAX_REQUEST_BYTES + 1), r"^request has 262145 bytes, want at most 262144$"),
    ):
        with pytest.raises(MalformedError, match=message):
            Submission.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        COSIGNATURES[:-1],
        COSIGNATURES[:-1] + b"x",
        COSIGNATURES + b"\n",
        COSIGNATURES.replace("—".encode(), b"-", 1),
        b"\xff\n",
        b"<html>\n",
        b"\n" + COSIGNATURES,
    ],
)
def test_any_other_cosignatures_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_cosignatures(raw)


def test_answers_are_bounded_in_bytes_and_lines() -> None:
    line = str(Signature(name="w", key_id=b"1234", blob=b"5"))
    assert len(parse_cosignatures((line * MAX_SIGNATURES).encode())) == MAX_SIGNATURES
    with pytest.raises(TooLargeError, match=r"^answer has 101 signatures, want at most 100$"):
        parse_cosignatures((line * (MAX_SIGNATURES + 1)).encode())
    with pytest.raises(TooLargeError, match=r"^cosignatures have 262145 bytes, want at most 26214"):
        parse_cosignatures(b"x" * (MAX_ANSWER_BYTES + 1))


@pytest.mark.parametrize("size", [0, 1, 20852014, MAX_SIZE])
def test_a_size_is_written_as_it_was_read(size: int) -> None:
    # SPEC: "the tree size of the latest cosigned checkpoint in decimal, followed by a newline"
    assert format_size(size) == f"{size}\n".encode()
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"7", b"77", b"7\n\n", b"07\n", b"-7\n", b"7 \n", b"\xff\n", b"9" * 30 + b"\n"],
)
def test_any_other_size_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError, match=r"^size of a witness is "):
        parse_size(raw)


def test_the_monitoring_path_is_the_hex_of_the_origins_hash() -> None:
    # printf example.com/behind-the-sofa | sha256sum
    digest = "5fd2dc0beb4ce54da5050cf6d5c75248b023abad441c3cecde3976fbe9da4fe4"
    assert monitoring_path("example.com/behind-the-sofa") == f"{digest}/checkpoint"


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read_or_malformed(raw: bytes) -> None:
    for parse in (Submission.parse, parse_cosignatures, parse_size):
        with suppress(MalformedError):
            parse(raw)


@given(st.integers(0, MAX_SIZE), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_requests_are_written_as_they_were_read(old_size: int, proof: list[bytes]) -> None:
    whole = Submission(old_size=old_size, proof=tuple(map(Hash, proof)), checkpoint=b"a\n\nb\n")
    assert Submission.parse(whole.encode()) == whole
