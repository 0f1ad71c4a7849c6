"""translog.bitcoin.ots: what is read, within which bounds, and how trees are put together."""

import time
from hashlib import sha256

import pytest

from tests.simulators.timestamps import (
    FORK,
    HEXLIFY,
    SHA256,
    append,
    attestation,
    in_block,
    number,
    pending,
    prepend,
)
from translog.bitcoin.attestation import Foreign, InBlock, Pending
from translog.bitcoin.header import MAX_HEIGHT
from translog.bitcoin.ots import (
    MAGIC,
    MAX_NESTING,
    MAX_PROOF_BYTES,
    MAX_TAGS,
    Timestamp,
    TimestampFile,
    file_head,
)
from translog.errors import MalformedError, TimestampError, TooLargeError

MESSAGE = sha256(b"a file").digest()
HASHED = sha256(MESSAGE).digest()
BITCOIN = "0588960d73d71901"
PENDING = "83dfe30d2ef90c8e"
ALICE, BOB = "https://alice.example.com", "https://bob.example.com"


def parse(raw: bytes, message: bytes = MESSAGE) -> Timestamp:
    return Timestamp.parse(raw, message)


def test_operations_lead_from_the_message_to_what_is_attested() -> None:
    raw = prepend(b"before ") + append(b" after") + SHA256 + in_block(830_000)
    stamp = parse(raw)
    assert stamp.message == MESSAGE
    want = sha256(b"before " + MESSAGE + b" after").digest()
    assert stamp.attestations() == [InBlock(want, 830_000)]
    assert stamp.nesting == 4
    assert stamp.encode() == raw


def test_attestations_are_listed_blocks_first_and_the_oldest_block_before_all() -> None:
    branches = [pending(BOB), SHA256 + in_block(9), pending(ALICE), in_block(10)]
    branches += [attestation("0102030405060708", b"x"), attestation("06869a0d73d71b45", number(7))]
    branches += [attestation("30fe8087b5c7ead7", number(8))]
    stamp = parse(b"".join(FORK + each for each in branches[:-1]) + branches[-1])
    assert stamp.attestations() == [
        InBlock(HASHED, 9),
        InBlock(MESSAGE, 10),
        Pending(MESSAGE, ALICE),
        Pending(MESSAGE, BOB),
        Foreign(MESSAGE, "Ethereum block 8"),
        Foreign(MESSAGE, "Litecoin block 7"),
        Foreign(MESSAGE, "unknown kind 0102030405060708"),
    ]
    assert stamp.in_blocks() == [InBlock(HASHED, 9), InBlock(MESSAGE, 10)]


def test_two_orders_of_the_same_branches_are_one_timestamp() -> None:
    one = parse(FORK + SHA256 + in_block(9) + append(b"x") + in_block(10))
    other = parse(FORK + append(b"x") + in_block(10) + SHA256 + in_block(9))
    assert one == other
    assert one.encode() == other.encode()
    assert one != parse(FORK + SHA256 + in_block(9) + append(b"x") + in_block(11))
    assert one != parse(SHA256 + in_block(9))


DEEPEST = SHA256 * (MAX_NESTING - 1) + in_block(1)
# Each branch makes messages of 4 KiB out of single bytes.
BOMB = b"".join(
    FORK + append(n.to_bytes(2, "big")) + (HEXLIFY * 6 + SHA256) * 30 + in_block(1)
    for n in range(200)
)
BAD = {
    "nothing": (b"", "only 0 bytes"),
    "an unknown operation": (b"\x09" + in_block(1), "Unknown operation tag 0x9"),
    "a fork of nothing": (FORK + in_block(1), "only 0 bytes"),
    "a fork of a fork": (FORK * 500, "Unknown operation tag 0xff"),
    "bytes left over": (in_block(1) + b"\0", "[Tt]railing"),
    "an attestation with bytes left over": (attestation(BITCOIN, b"\x01\0"), "[Tt]railing"),
    "an attestation cut short": (in_block(300)[:-1], "Tried to read 2 bytes but got only 1"),
    "an empty argument": (append(b"") + in_block(1), "min length not met"),
    "an argument over 4 KiB": (append(bytes(4097)) + in_block(1), "max length exceeded"),
    "a message over 4 KiB": (append(bytes(4065)) + in_block(1), "Result too long"),
    "a varint that has no end": (b"\xf0" + b"\xff" * 60_000, "a number of more than 5 bytes"),
    "a height of 57,000 bits": (attestation(BITCOIN, b"\xff" * 8191 + b"\1"), "of 57338 bits"),
    "a height over 31 bits": (in_block(MAX_HEIGHT + 1), "names block 2147483648, want a height"),
    "an address of 10^17259 bytes": (attestation(PENDING, b"\xff" * 8191 + b"\1"), "4300 digits"),
    "an address that is none": (
        pending("https://a.example/?q=1"),
        "URI contains invalid",
    ),
    "an address of 1,001 characters": (pending("a" * 1001), "max length exceeded"),
    "nesting of 257": (SHA256 + DEEPEST, "recursion depth limit"),
    "reverse": (b"\xf2" + in_block(1), "the operation reverse, which is not followed here"),
    "a bomb": (BOMB + in_block(1), f"more than {MAX_TAGS} operations and forks"),
}


@pytest.mark.parametrize(("raw", "reason"), BAD.values(), ids=BAD)
def test_bytes_that_are_no_timestamp_are_malformed(raw: bytes, reason: str) -> None:
    started = time.process_time()
    with pytest.raises(MalformedError, match=f"^timestamp .*{reason}"):
        parse(raw)
    assert time.process_time() - started < 2  # 0.1 seconds here: it must not grow with squares
    with pytest.raises(MalformedError, match=f"^timestamp .*{reason}"):
        TimestampFile.parse(file_head("sha256", MESSAGE) + raw)


@pytest.mark.parametrize("count", [MAX_PROOF_BYTES + 1, 300_000])
def test_more_than_64_kib_are_not_looked_at(count: int) -> None:
    with pytest.raises(TooLargeError, match=f"^timestamp has {count} bytes, want at most 65536$"):
        parse(b"\xf0" + b"\xff" * (count - 1))
    with pytest.raises(TooLargeError, match=r"want at most 65536$"):
        TimestampFile.parse(MAGIC + bytes(count))


def test_the_deepest_nesting_is_read_and_written_and_one_more_is_not() -> None:
    deepest = parse(DEEPEST)
    assert deepest.nesting == MAX_NESTING
    assert deepest.encode() == DEEPEST
    longer = parse(SHA256 + in_block(1)).upgraded(HASHED, Timestamp.parse(DEEPEST, HASHED))
    with pytest.raises(TooLargeError, match=r"^timestamp is nested 257 deep, want at most 256$"):
        longer.encode()


def test_what_is_too_long_to_be_read_is_not_written() -> None:
    stamp = parse(in_block(1))
    for n in range(16):
        stamp = stamp.merged(parse(append(bytes([n]) * 4050) + in_block(1)))
    room = MAX_PROOF_BYTES - len(stamp.encode()) - len(FORK + append(b"") + in_block(1)) - 1
    just = stamp.merged(parse(append(bytes(room)) + in_block(1)))
    assert len(just.encode()) == MAX_PROOF_BYTES
    with pytest.raises(TooLargeError, match=r"^timestamp file has 656[0-9]{2} bytes, want at most"):
        TimestampFile(algorithm="sha256", timestamp=just).encode()
    more = stamp.merged(parse(append(bytes(room + 1)) + in_block(1)))
    with pytest.raises(TooLargeError, match=r"^timestamp has 65537 bytes, want at most 65536$"):
        more.encode()


def test_an_upgrade_adds_what_the_calendar_answered_and_keeps_the_rest() -> None:
    stamp = parse(FORK + pending(BOB) + SHA256 + pending(ALICE))
    before = stamp.encode()
    answer = Timestamp.parse(append(b"x") + in_block(5), HASHED)
    upgraded = stamp.upgraded(HASHED, answer)
    assert upgraded.attestations() == [
        InBlock(HASHED + b"x", 5),
        Pending(HASHED, ALICE),
        Pending(MESSAGE, BOB),
    ]
    assert stamp.encode() == before  # neither argument has changed
    assert answer.attestations() == [InBlock(HASHED + b"x", 5)]
    assert upgraded.upgraded(HASHED, answer) == upgraded
    assert upgraded.merged(stamp) == upgraded == stamp.merged(upgraded)


def test_only_timestamps_of_one_message_go_together() -> None:
    stamp = parse(SHA256 + pending(ALICE))
    other = Timestamp.parse(in_block(5), bytes(32))
    with pytest.raises(TimestampError, match=f"^timestamp is of {'00' * 32}, want one of "):
        stamp.merged(other)
    with pytest.raises(TimestampError, match=f"^timestamp is of {'00' * 32}, want one of "):
        stamp.upgraded(HASHED, other)
    with pytest.raises(TimestampError, match=f"^timestamp does not lead over {'00' * 32}$"):
        stamp.upgraded(bytes(32), other)


def test_what_is_attested_of_a_message_on_the_way_is_a_timestamp_of_it() -> None:
    tail = append(b"x") + in_block(5)
    stamp = parse(FORK + pending(BOB) + FORK + prepend(b"y") + in_block(6) + SHA256 + tail)
    assert stamp.after(HASHED) == Timestamp.parse(tail, HASHED)
    assert stamp.after(MESSAGE) == stamp
    assert stamp.after(HASHED + b"x").encode() == in_block(5)
    with pytest.raises(TimestampError, match=r"^timestamp does not lead over 0{64}$"):
        stamp.after(bytes(32))


def test_pruning_keeps_the_shortest_path_to_one_attestation() -> None:
    there = sha256(HASHED).digest()
    detour = append(b"x" * 40) + SHA256 + in_block(7)
    stamp = parse(
        FORK + pending(BOB) + FORK + detour + FORK + SHA256 * 2 + in_block(7) + pending(ALICE)
    )
    kept = stamp.pruned(InBlock(there, 7))
    assert kept.encode() == SHA256 * 2 + in_block(7)
    # Two ways to the same message: HEXLIFY and appending what is missing both end in it.
    two = parse(FORK + prepend(b"ab") + in_block(7) + prepend(b"b") + prepend(b"a") + in_block(7))
    assert two.pruned(InBlock(b"ab" + MESSAGE, 7)).encode() == prepend(b"ab") + in_block(7)
    assert stamp.pruned(Pending(MESSAGE, ALICE)).encode() == pending(ALICE)
    for absent in (InBlock(there, 8), InBlock(HASHED, 7), Pending(there, BOB)):
        with pytest.raises(TimestampError, match=r"^timestamp has no attestation of "):
            stamp.pruned(absent)


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 32), ("sha1", 20), ("ripemd160", 20)])
def test_a_file_says_what_it_is_about(algorithm: str, length: int) -> None:
    raw = file_head(algorithm, b"d" * length) + in_block(9)
    read = TimestampFile.parse(raw)
    assert (read.algorithm, read.digest) == (algorithm, b"d" * length)
    assert read.timestamp.attestations() == [InBlock(b"d" * length, 9)]
    assert read.encode() == raw
    read.verify_digest(b"d" * length)
    with pytest.raises(TimestampError, match=f"^timestamp is of a file with {algorithm} 6464"):
        read.verify_digest(b"e" * length)


def test_anything_else_is_no_timestamp_file() -> None:
    good = file_head("sha256", MESSAGE) + in_block(9)
    bad = [b"", MAGIC[:-1], b"x" + good, good[:31], good[:40], good + b"\0", MAGIC + good]
    bad += [MAGIC + b"\2" + good[len(MAGIC) + 1 :], MAGIC + b"\xff" * 9000]
    bad += [good.replace(b"\1\x08" + MESSAGE, b"\1\x67" + MESSAGE)]  # keccak256 hashes no file
    for raw in bad:
        start = "file starts with" if not raw.startswith(MAGIC) else ""
        with pytest.raises(MalformedError, match=f"^timestamp {start}"):
            TimestampFile.parse(raw)
