"""Timestamps and headers: what is written is read, and no bytes raise anything but refusals."""

from contextlib import suppress
from hashlib import sha256

import otskit
from hypothesis import given
from hypothesis import strategies as st
from opentimestamps.core.serialize import BytesDeserializationContext, DeserializationError
from opentimestamps.core.timestamp import Timestamp as Theirs

from tests.simulators.headers import TOY
from tests.simulators.timestamps import (
    FORK,
    HEXLIFY,
    SHA256,
    Tree,
    append,
    attestation,
    in_block,
    pending,
    prepend,
)
from translog.bitcoin.anchor import Anchor
from translog.bitcoin.attestation import InBlock
from translog.bitcoin.chain import follow, genesis_head
from translog.bitcoin.header import MAX_HEIGHT, Header, verify_work
from translog.bitcoin.network import MAINNET
from translog.bitcoin.ots import Timestamp, TimestampFile, file_head
from translog.errors import HeaderError, MalformedError
from translog.store import builtin

MESSAGE = sha256(b"a file").digest()

arguments = st.binary(min_size=1, max_size=40)
operations = st.one_of(
    arguments.map(append), arguments.map(prepend), st.sampled_from([SHA256, b"\x02", b"\x67"])
)
addresses = st.from_regex(r"https?://[a-z0-9./:-]{1,40}", fullmatch=True)
attestations = st.one_of(
    st.integers(0, MAX_HEIGHT).map(in_block),
    addresses.map(pending),
    st.binary(max_size=40).map(lambda payload: attestation("0102030405060708", payload)),
)


def joined(branches: list[bytes]) -> bytes:
    """Return the bytes of a timestamp with these branches, at least one."""
    return b"".join(FORK + each for each in branches[:-1]) + branches[-1]


stamps = st.recursive(
    st.lists(attestations, min_size=1, max_size=3).map(joined),
    lambda below: st.lists(
        attestations | st.tuples(operations, below).map(b"".join), min_size=1, max_size=3
    ).map(joined),
    max_leaves=20,
)
# What bytes are likely to do harm: real structure, then anything.
tags = st.sampled_from([FORK, SHA256, HEXLIFY, b"\x00", b"\xf0", b"\xf1", b"\xf2", b"\x67"])
nearly = st.lists(operations | attestations | tags | st.binary(max_size=12), max_size=30).map(
    b"".join
)


@given(stamps)
def test_a_timestamp_is_read_as_the_reference_reads_it(raw: bytes) -> None:
    ours = Timestamp.parse(raw, MESSAGE)
    theirs = Theirs.deserialize(BytesDeserializationContext(raw), MESSAGE)
    again = Timestamp.parse(ours.encode(), MESSAGE)
    assert again == ours
    assert again.encode() == ours.encode()
    assert {(each.message, each.height) for each in ours.in_blocks()} == {
        (message, each.height)
        for message, each in theirs.all_attestations()
        if type(each).__name__ == "BitcoinBlockHeaderAttestation"
    }


@given(stamps)
def test_another_implementation_reads_what_is_written(raw: bytes) -> None:
    stamp = TimestampFile(algorithm="sha256", timestamp=Timestamp.parse(raw, MESSAGE))
    encoded = stamp.encode()
    evidence = otskit.evidence(otskit.parse(encoded))
    in_blocks = {(each.msg, each.height) for each in evidence if each.kind == "bitcoin"}
    assert in_blocks == set(stamp.timestamp.in_blocks())
    assert TimestampFile.parse(encoded) == stamp


@given(stamps, stamps, stamps)
def test_merging_has_no_order_and_adds_nothing_twice(a: bytes, b: bytes, c: bytes) -> None:
    one, two, three = (Timestamp.parse(raw, MESSAGE) for raw in (a, b, c))
    assert one.merged(two) == two.merged(one)
    assert one.merged(two).merged(three) == one.merged(two.merged(three))
    assert one.merged(one) == one
    both = set(one.merged(two).attestations())
    assert both == set(one.attestations()) | set(two.attestations())


@given(stamps)
def test_what_is_pruned_has_the_one_attestation_that_was_kept(raw: bytes) -> None:
    stamp = Timestamp.parse(raw, MESSAGE)
    for claim in stamp.in_blocks():
        pruned = stamp.pruned(claim)
        assert pruned.attestations() == [claim]
        assert len(pruned.encode()) <= len(stamp.encode())
        assert stamp.merged(pruned) == stamp


@given(st.binary(max_size=300) | nearly)
def test_no_bytes_but_a_timestamp_are_read(raw: bytes) -> None:
    try:
        stamp = Timestamp.parse(raw, MESSAGE)
    except MalformedError:
        pass
    else:
        assert Timestamp.parse(stamp.encode(), MESSAGE) == stamp
    with suppress(MalformedError):
        TimestampFile.parse(file_head("sha256", MESSAGE) + raw)


@given(nearly)
def test_nothing_is_read_that_the_reference_refuses(raw: bytes) -> None:
    try:
        Timestamp.parse(raw, MESSAGE)
    except MalformedError:
        return
    try:
        reader = BytesDeserializationContext(raw)
        Theirs.deserialize(reader, MESSAGE)
        reader.assert_eof()
    except DeserializationError as error:
        raise AssertionError(f"{raw.hex()} was read") from error


TREE = Tree(7)
GOOD = Anchor.of(TREE.checkpoint, TREE.stamped(SHA256 + in_block(9))).event_file(
    TREE.entries[4], 4, TREE.path(4)
)
ENDS_IN = InBlock(sha256(TREE.tip).digest(), 9)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_leads_from_the_same_file_to_the_same_block(at: int, change: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= change
    try:
        read = TimestampFile.parse(bytes(changed))
    except MalformedError:
        return
    assert (read.algorithm, read.digest) != ("sha256", TREE.entries[4].content_sha256) or (
        read.timestamp.in_blocks() != [ENDS_IN]
    )


@given(st.binary(min_size=80, max_size=80))
def test_any_80_bytes_are_a_header_and_none_have_work_by_chance(raw: bytes) -> None:
    header = Header.parse(raw)
    assert (len(header.hash), len(header.merkle_root), len(header.previous)) == (32, 32, 32)
    try:
        verify_work(header, MAINNET.limit_bits)
    except (HeaderError, MalformedError):
        return
    raise AssertionError(f"{raw.hex()} is worth more than this test")


@given(st.binary(max_size=400))
def test_no_bytes_are_tied_to_a_checkpoint_by_chance(raw: bytes) -> None:
    for check in (builtin.checkpoints().tie, from_a_checkpoint, from_the_genesis):
        try:
            check(raw)
        except (HeaderError, MalformedError):
            continue
        raise AssertionError(f"{raw.hex()} is worth more than this test")


def from_a_checkpoint(raw: bytes) -> None:
    follow(builtin.checkpoints().head(2015), raw or b"\0")


def from_the_genesis(raw: bytes) -> None:
    follow(genesis_head(TOY), raw or b"\0")
