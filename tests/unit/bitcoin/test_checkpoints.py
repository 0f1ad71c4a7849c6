"""translog.bitcoin.checkpoints: headers tied to built-in checkpoints, with nobody asked."""

import json
from dataclasses import replace
from functools import cache

import pytest

from tests.shared import SHARED, needs
from tests.simulators.headers import TOY, mined, run, toy_chain
from translog.bitcoin.chain import PERIOD, follow, genesis_head
from translog.bitcoin.checkpoints import Checkpoints
from translog.bitcoin.grade import CHECKPOINT_LINKED, UNCHECKED
from translog.bitcoin.header import Header, display_hash, parse_target
from translog.bitcoin.network import MAINNET
from translog.errors import HeaderError, MalformedError, MissingError
from translog.store.builtin import checkpoints

HEADERS = "bitcoin/mainnet-headers-822528-830592.bin"
EDGES = "bitcoin/mainnet-period-edges.bin"
FIRST, LAST, NEWEST_THERE = 822_528, 830_592, 830_591


@cache
def toy() -> tuple[Checkpoints, bytes]:
    """Return the toy network's one checkpoint, and its first 2,050 headers with the genesis."""
    raw = TOY.genesis.raw + toy_chain(PERIOD + 33)
    last = Header(raw[80 * (PERIOD - 1) :][:80])
    after = Header(raw[80 * PERIOD :][:80])
    row = [display_hash(last.hash), parse_target(after.bits)]
    return Checkpoints.parse(json.dumps([row]).encode(), TOY), raw


def test_the_built_in_checkpoints_are_electrums() -> None:
    built_in = checkpoints()
    assert built_in.network is MAINNET
    assert built_in.newest == 963_647
    assert display_hash(built_in.hashes[0]) == (
        "00000000693067b0e6b440bc51450b9f3850561b07f6d3c021c54fbd6abb9763"
    )
    assert built_in.bits[0] == 0x1D00FFFF


@needs(HEADERS)
def test_a_run_of_real_headers_knows_its_heights() -> None:
    raw = (SHARED / HEADERS).read_bytes()
    segment = checkpoints().tie(raw)
    assert (segment.first, segment.tip(), segment.network) == (FIRST, LAST, MAINNET)
    known = segment.header(830_000)
    assert (known.height, known.grade) == (830_000, CHECKPOINT_LINKED)
    assert segment.header(NEWEST_THERE).grade == CHECKPOINT_LINKED
    assert segment.header(LAST).grade == UNCHECKED
    # As block explorers show block 830000.
    assert display_hash(known.header.hash) == (
        "000000000000000000011d55599ed27d7efca05f5849b755319c89eb2cffbc1f"
    )
    needed = checkpoints().needed(830_000)
    assert needed == range(830_000, 830_592)
    part = checkpoints().tie(raw[80 * (needed.start - FIRST) : 80 * (needed.stop - FIRST)])
    assert (part.first, part.tip()) == (830_000, NEWEST_THERE)
    for height in (829_999, 830_592, -1):
        with pytest.raises(MissingError, match=f"and none of {height}$"):
            part.header(height)


@needs(HEADERS)
def test_a_real_run_that_meets_no_checkpoint_is_tied_to_nothing() -> None:
    raw = (SHARED / HEADERS).read_bytes()
    for start, stop in ((FIRST + 1, FIRST + PERIOD - 1), (830_000, 830_591)):
        with pytest.raises(HeaderError, match="there is no checkpoint, and none before them; the"):
            checkpoints().tie(raw[80 * (start - FIRST) : 80 * (stop - FIRST)])


@needs(HEADERS)
def test_a_real_run_with_one_changed_byte_is_refused() -> None:
    raw = (SHARED / HEADERS).read_bytes()
    part = raw[80 * (830_560 - FIRST) : 80 * (NEWEST_THERE + 1 - FIRST)]
    assert checkpoints().tie(part).first == 830_560
    for at in range(0, len(part), 37):
        changed = bytearray(part)
        changed[at] ^= 0x80
        with pytest.raises(HeaderError):
            checkpoints().tie(bytes(changed))


def test_headers_up_to_the_checkpoint_and_after_it_are_tied() -> None:
    ours, raw = toy()
    assert ours.newest == PERIOD - 1
    assert ours.tie(raw) == replace(ours.tie(raw), first=0, raw=raw)
    for start, stop in ((0, PERIOD), (PERIOD - 1, PERIOD), (PERIOD - 1, PERIOD + 5), (5, 2030)):
        segment = ours.tie(raw[80 * start : 80 * stop])
        assert (segment.first, segment.tip()) == (start, stop - 1)
    assert {ours.tie(raw).header(n).grade for n in range(PERIOD)} == {CHECKPOINT_LINKED}
    # What is after the checkpoint follows the rules, and nobody vouches for it.
    assert {ours.tie(raw).header(n).grade for n in range(PERIOD, PERIOD + 34)} == {UNCHECKED}
    # A run that begins right after the newest checkpoint holds none, and goes on from it.
    after = ours.tie(raw[80 * PERIOD :])
    assert (after.first, after.tip()) == (PERIOD, PERIOD + 33)
    assert after.header(PERIOD).grade == UNCHECKED
    for start, stop in ((0, PERIOD - 1), (PERIOD + 1, PERIOD + 9)):
        with pytest.raises(
            HeaderError, match=r"^block headers: from [0-9a-f]{64} to .* block 2015$"
        ):
            ours.tie(raw[80 * start : 80 * stop])


def test_beyond_the_newest_checkpoint_every_rule_is_checked() -> None:
    ours, raw = toy()
    good = raw[80 * (PERIOD - 3) : 80 * (PERIOD + 12)]
    assert ours.tie(good).tip() == PERIOD + 11
    head = follow(genesis_head(TOY), raw[80 : 80 * (PERIOD + 12)])
    easy = mined(head.hash, time=head.times[-1] + 9, bits=TOY.limit_bits)
    with pytest.raises(HeaderError, match=r"^header of block 2028: has target 0x207fffff, want"):
        ours.tie(good + easy.raw)
    early = mined(head.hash, time=head.times[0], bits=head.next_bits)
    with pytest.raises(HeaderError, match=r"^header of block 2028: has time "):
        ours.tie(good + early.raw)


def test_a_forged_run_before_the_checkpoint_does_not_link() -> None:
    ours, raw = toy()
    head = follow(genesis_head(TOY), raw[80 : 80 * (PERIOD - 4)])
    forged = run(head, 3, spacing=601)  # all the work there must be, and another chain
    with pytest.raises(HeaderError, match=r"^header 3 of the run: follows block "):
        ours.tie(forged + raw[80 * (PERIOD - 1) : 80 * PERIOD])


def test_what_is_no_run_of_headers_is_malformed() -> None:
    ours, raw = toy()
    with pytest.raises(MalformedError, match=r"^block headers have 0 bytes, want at least one"):
        ours.tie(b"")
    with pytest.raises(MalformedError, match=r"^block headers have 161279 bytes, want a multiple"):
        ours.tie(raw[: 80 * PERIOD - 1])


def test_it_is_known_which_headers_tie_a_block() -> None:
    ours, _ = toy()
    assert ours.needed(0) == range(PERIOD)
    assert ours.needed(PERIOD - 1) == range(PERIOD - 1, PERIOD)
    assert ours.needed(PERIOD) is None
    assert ours.needed(-1) is None


def test_a_header_is_compared_with_what_is_known_of_its_height() -> None:
    ours, raw = toy()
    headers = [Header(raw[80 * n :][:80]) for n in range(PERIOD + 2)]
    for height in (0, 1, PERIOD - 2, PERIOD - 1, PERIOD, PERIOD + 1):
        ours.verify(height, headers[height])
    other = mined(bytes(32), time=0, bits=headers[1].bits)
    ours.verify(PERIOD - 2, other)  # only the target is known there
    with pytest.raises(HeaderError, match=r"^header of block 2015: is [0-9a-f]{64}, and the check"):
        ours.verify(PERIOD - 1, other)
    # Up to the end of the next period, the target is known to the bit.
    for height in (PERIOD, 2 * PERIOD - 1):
        with pytest.raises(
            HeaderError, match=f"^header of block {height}: has target 0x207fffff, want"
        ):
            ours.verify(height, other)
    with pytest.raises(HeaderError, match=r"^header of block 2014: has target "):
        ours.verify(PERIOD - 2, headers[PERIOD])


def test_far_beyond_the_checkpoints_a_target_cannot_be_much_easier() -> None:
    bits = 0x1F00FFFF
    far = Checkpoints(network=TOY, hashes=(bytes(32),), bits=(bits,))
    four, five = 0x1F03FFFC, 0x1F03FFFD
    assert parse_target(four) == 4 * parse_target(bits)
    ours = mined(bytes(32), time=0, bits=0x207FFFFF)

    def with_bits(easier: int) -> Header:
        return Header(ours.raw[:72] + easier.to_bytes(4, "little") + ours.raw[76:])

    far.verify(2 * PERIOD, with_bits(four))
    far.verify(3 * PERIOD, with_bits(five))
    with pytest.raises(
        HeaderError, match=r"^header of block 4032: has target 0x1f03fffd, which ca"
    ):
        far.verify(2 * PERIOD, with_bits(five))


def test_a_run_over_several_checkpoints_is_tied_to_the_newest() -> None:
    one, raw = toy()
    head = follow(genesis_head(TOY), raw[80:])
    raw += run(head, 2 * PERIOD + 3 - head.height)
    second, after = Header(raw[80 * (2 * PERIOD - 1) :][:80]), Header(raw[-80:])
    both = Checkpoints(network=TOY, hashes=(*one.hashes, second.hash), bits=(*one.bits, after.bits))
    for start in (0, PERIOD, PERIOD + 7, 2 * PERIOD):
        segment = both.tie(raw[80 * start :])
        assert (segment.first, segment.tip()) == (start, 2 * PERIOD + 3)
    known = both.tie(raw[80 * 2000 : 80 * 2020])
    assert known.header(2000).header.raw == raw[80 * 2000 :][:80]
    assert known.header(2019).header.raw == raw[80 * 2019 :][:80]
    for height in (1999, 2020, -1, 0):
        with pytest.raises(MissingError, match=f"^there are headers of .* and none of {height}$"):
            known.header(height)


def test_a_chain_is_followed_from_checkpoints_only() -> None:
    ours, raw = toy()
    assert follow(ours.head(PERIOD - 1), raw[80 * PERIOD :]).height == PERIOD + 33
    for height in (0, PERIOD, 2 * PERIOD - 1, -1):
        with pytest.raises(ValueError, match=f"^block {height} is no checkpoint$"):
            ours.head(height)


BAD = [b"", b"{}", b"[1]", b'[["00"]]', b'[["00", 1]]', b'[["' + b"0" * 64 + b'", 4294967295]]']
BAD += [b'[["' + b"0" * 64 + b'", 0]]']


@pytest.mark.parametrize("raw", BAD)
def test_a_damaged_list_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Checkpoints.parse(raw, MAINNET)
