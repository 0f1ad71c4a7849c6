"""translog.bitcoin.claims: a header that somebody names for a height cannot be made up cheaply."""

import pytest

from tests.shared import SHARED, needs
from tests.simulators.headers import TOY
from translog.bitcoin.chain import PERIOD
from translog.bitcoin.claims import Known, check_height, parse_hex
from translog.bitcoin.header import (
    MAX_HEIGHT,
    MERKLE_ROOT,
    Header,
    display_hash,
)
from translog.bitcoin.network import MAINNET, REGTEST
from translog.errors import HeaderError, MalformedError
from translog.store.builtin import checkpoints
from translog.testing.chain import RegtestChain

EDGES = "bitcoin/mainnet-period-edges.bin"
KNOWN = Known(network=MAINNET, checkpoints=checkpoints())
CHAIN = RegtestChain(1_750_000_000)
REG = Known(network=REGTEST, checkpoints=None)


def edges() -> dict[int, Header]:
    raw = (SHARED / EDGES).read_bytes()
    rows = [raw[at : at + 84] for at in range(0, len(raw), 84)]
    return {int.from_bytes(row[:4], "big"): Header(row[4:]) for row in rows}


@needs(EDGES)
def test_every_real_header_could_be_at_its_height() -> None:
    for height, header in edges().items():
        KNOWN.verify(header, height)


@needs(EDGES)
def test_a_real_header_of_another_period_could_not() -> None:
    found = edges()
    refused = 0
    for height, header in found.items():
        other = height + 40 * PERIOD
        if other in found and found[other].bits != header.bits:
            with pytest.raises(HeaderError, match=r"has target|too little work|the checkpoint"):
                KNOWN.verify(header, other)
            refused += 1
    assert refused > 700


@needs(EDGES)
def test_the_block_at_a_checkpoint_is_known() -> None:
    at = 830_591
    header = edges()[at]
    KNOWN.verify(header, at)
    KNOWN.verify(header, at - 1)  # as far as anyone can see
    with pytest.raises(HeaderError, match=r"is .*, and the checkpoint there is"):
        KNOWN.verify(edges()[at - PERIOD + 1], at)


@needs(EDGES)
def test_a_header_with_an_easy_target_and_the_work_for_it_is_refused() -> None:
    easy = edges()[2016]
    with pytest.raises(HeaderError, match="has target 0x1d00ffff, want 0x170371b1"):
        KNOWN.verify(easy, 830_592)
    with pytest.raises(HeaderError, match="has target 0x1d00ffff, which cannot follow from"):
        KNOWN.verify(easy, checkpoints().newest + 1 + 3 * PERIOD)


@needs(EDGES)
def test_a_header_with_another_root_has_too_little_work() -> None:
    raw = edges()[830_592].raw
    made_up = Header(raw[: MERKLE_ROOT.start] + bytes(32) + raw[MERKLE_ROOT.stop :])
    with pytest.raises(HeaderError, match="too little work"):
        KNOWN.verify(made_up, 830_592)


def test_the_first_block_is_the_networks() -> None:
    KNOWN.verify(MAINNET.genesis, 0)
    REG.verify(REGTEST.genesis, 0)
    with pytest.raises(HeaderError, match="want that of mainnet, block 000000000019d668"):
        KNOWN.verify(REGTEST.genesis, 0)
    with pytest.raises(HeaderError, match="want that of regtest"):
        REG.verify(MAINNET.genesis, 0)


def test_on_regtest_there_is_one_target() -> None:
    header = CHAIN.header(7).header
    REG.verify(header, 7)
    with pytest.raises(HeaderError, match="has target 0x1d00ffff, want 0x207fffff"):
        REG.verify(MAINNET.genesis, 7)


def test_without_checkpoints_only_the_limit_is_known() -> None:
    known = Known(network=TOY, checkpoints=None)
    header = CHAIN.header(7).header
    known.verify(header, 5 * PERIOD)
    with pytest.raises(HeaderError, match="is easier than the limit 0x1d00ffff"):
        Known(network=MAINNET, checkpoints=None).verify(header, 5 * PERIOD)


def test_a_header_is_read_with_the_name_of_who_gave_it() -> None:
    header = CHAIN.header(7).header
    text, hash_ = header.raw.hex(), display_hash(header.hash)
    assert REG.read(text, 7, "alice") == header
    assert REG.read(text, 7, "alice", hash_=hash_) == header
    with pytest.raises(HeaderError, match=r"^alice: header of block 7: is block .*, and the hash"):
        REG.read(text, 7, "alice", hash_="00" * 32)
    with pytest.raises(HeaderError, match=r"^alice: header of block 0: is"):
        REG.read(text, 0, "alice")
    with pytest.raises(MalformedError, match=r"^alice: header of block 7 is 'x', want 160 hex"):
        REG.read("x", 7, "alice")


@pytest.mark.parametrize(
    "text", [None, 7, b"00" * 80, "", "0" * 159, "0" * 161, "g" * 160, "A0" * 80, " 0" * 80]
)
def test_headers_in_hex_have_one_spelling(text: object) -> None:
    with pytest.raises(MalformedError, match=r"^it is .*, want 160 hex digits"):
        parse_hex(text, 1, "it")


def test_several_headers_in_hex() -> None:
    raw = CHAIN.raw_headers()
    assert parse_hex(raw.hex(), 101, "they") == raw
    assert parse_hex("", 0, "they") == b""
    with pytest.raises(MalformedError, match="want 16320 hex digits"):
        parse_hex(raw.hex(), 102, "they")


def test_heights_have_bounds() -> None:
    assert [check_height(each, "it") for each in (0, 1, MAX_HEIGHT)] == [0, 1, MAX_HEIGHT]
    for wrong in (-1, MAX_HEIGHT + 1, 10**30, True, 1.0, "1", None, [1]):
        with pytest.raises(MalformedError, match=r"^it is .*, want a height up to"):
            check_height(wrong, "it")
