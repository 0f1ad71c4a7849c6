"""translog.bitcoin.header: known blocks, and everything that a compact target must not be."""

import json
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translog.bitcoin.header import (
    NONCE,
    Header,
    compact,
    display_hash,
    parse_display_hash,
    parse_target,
    verify_work,
    work,
)
from translog.bitcoin.network import MAINNET, REGTEST, network_named
from translog.errors import HeaderError, MalformedError

KNOWN = json.loads((Path(__file__).parents[2] / "data" / "mainnet-headers.json").read_text())
BLOCKS = {int(height): block for height, block in KNOWN["headers"].items()}
GENESIS = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
REGTEST_GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
LIMIT = MAINNET.limit_bits


def real(height: int) -> Header:
    return Header.parse(bytes.fromhex(BLOCKS[height]["header"]))


def changed(header: Header, *, bits: int) -> Header:
    return Header(header.raw[:72] + bits.to_bytes(4, "little") + header.raw[76:])


def test_the_first_blocks_have_the_hashes_everyone_knows() -> None:
    assert display_hash(MAINNET.genesis.hash) == GENESIS
    assert display_hash(REGTEST.genesis.hash) == REGTEST_GENESIS
    for network in (MAINNET, REGTEST):
        verify_work(network.genesis, network.limit_bits)


@pytest.mark.parametrize("height", BLOCKS)
def test_a_real_block_has_its_hash_and_its_work(height: int) -> None:
    header = real(height)
    assert display_hash(header.hash) == BLOCKS[height]["block_hash"]
    assert str(header) == f"block {BLOCKS[height]['block_hash']}"
    verify_work(header, LIMIT)


def test_the_parts_of_a_header_are_where_they_are() -> None:
    # The genesis block's, as every block explorer shows them.
    genesis = MAINNET.genesis
    assert (genesis.time, genesis.bits) == (1231006505, 0x1D00FFFF)
    assert int.from_bytes(genesis.raw[NONCE], "little") == 2083236893
    assert genesis.previous == bytes(32)
    root = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    assert display_hash(genesis.merkle_root) == root


@pytest.mark.parametrize("size", [0, 79, 81, 160])
def test_a_header_has_80_bytes(size: int) -> None:
    with pytest.raises(MalformedError, match=f"^block header has {size} bytes, want 80$"):
        Header.parse(bytes(size))


def test_any_changed_byte_takes_the_work_away() -> None:
    header = real(358391)
    for at in [0, 4, 35, 36, 67, 68, 71, 76, 79]:
        raw = bytearray(header.raw)
        raw[at] ^= 1
        with pytest.raises(HeaderError, match="has too little work, want a hash within 0x18"):
            verify_work(Header(bytes(raw)), LIMIT)


def test_a_target_easier_than_the_limit_is_refused() -> None:
    # Anyone makes a block of this kind in a moment: its hash is within its own target.
    easy = changed(MAINNET.genesis, bits=0x207FFFFF)
    nonces = count()
    while easy.hash[-1] >= 0x7F:
        easy = Header(easy.raw[:76] + next(nonces).to_bytes(4, "little"))
    verify_work(easy, REGTEST.limit_bits)
    with pytest.raises(HeaderError, match="target 0x207fffff is easier than the limit 0x1d00ffff"):
        verify_work(easy, LIMIT)


# Bitcoin Core, src/test/arith_uint256_tests.cpp, "bignum_SetCompact".
TARGETS = [
    (0x02008000, 0x80),
    (0x02123400, 0x1234),
    (0x03123456, 0x123456),
    (0x04123456, 0x12345600),
    (0x05009234, 0x92340000),
    (0x20123456, 0x1234560000000000000000000000000000000000000000000000000000000000),
    (0x1D00FFFF, 0xFFFF << 208),
    (0x207FFFFF, 0x7FFFFF << 232),
    (0x01120000, 0x12),
]
NO_TARGETS = [
    *[(bits, "zero") for bits in (0, 0x00123456, 0x01003456, 0x02000056, 0x03000000, 0x04000000)],
    *[(bits, "negative") for bits in (0x00923456, 0x01803456, 0x02800056, 0x01FEDCBA, 0x04923456)],
    *[(bits, "over 256 bits") for bits in (0xFF123456, 0x21010000, 0x22000100, 0x23000001)],
    *[(bits, "not canonical") for bits in (0x01123456, 0x02123456, 0x1E0000FF, 0x05001234)],
    (0x1_1D00FFFF, "more than 32 bits"),
]


@pytest.mark.parametrize(("bits", "target"), TARGETS)
def test_a_compact_target_is_read_and_written_as_bitcoin_core_does(bits: int, target: int) -> None:
    assert parse_target(bits) == target
    assert compact(target) == bits


@pytest.mark.parametrize(("bits", "reason"), NO_TARGETS)
def test_bits_that_are_no_target_are_malformed(bits: int, reason: str) -> None:
    with pytest.raises(MalformedError, match=f"^compact target 0x[0-9a-f]+ .*{reason}"):
        parse_target(bits)


@given(st.integers(1, 2**256 - 1))
def test_writing_a_target_loses_its_low_bits_only(target: int) -> None:
    kept = parse_target(compact(target))
    assert kept <= target
    assert target - kept < 1 << max(0, target.bit_length() - 15)


def test_work_is_the_number_of_hashes_to_expect() -> None:
    assert work(0x1D00FFFF) == 0x100010001  # as `chainwork` of the genesis block says
    assert work(0x207FFFFF) == 2
    assert work(compact(1)) == 2**255


def test_hashes_are_shown_the_other_way_round_and_read_strictly() -> None:
    assert parse_display_hash(GENESIS, "answer") == MAINNET.genesis.hash
    for text in ["", GENESIS[1:], GENESIS + "00", GENESIS.upper(), " " + GENESIS[1:], "x" * 64]:
        with pytest.raises(MalformedError, match=r"^answer is "):
            parse_display_hash(text, "answer")


def test_networks_go_by_their_names_and_only_mainnet_proves() -> None:
    assert network_named("mainnet") is MAINNET
    assert network_named("regtest") is REGTEST
    assert (str(MAINNET), MAINNET.proves, REGTEST.proves) == ("mainnet", True, False)
    with pytest.raises(MalformedError, match=r"^network is 'main', want one of mainnet, regtest$"):
        network_named("main")
