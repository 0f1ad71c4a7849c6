"""translog.bitcoin.chain: which headers go on from which, and what the next target is."""

from dataclasses import replace
from functools import cache

import pytest

from tests.shared import SHARED, needs
from tests.simulators.headers import TOY, lazy, mined, run, toy_chain
from translog.bitcoin.chain import (
    MEDIAN_BLOCKS,
    PERIOD,
    PERIOD_SECONDS,
    Head,
    follow,
    genesis_head,
    head_at,
    heavier,
    is_final,
    median,
    retarget,
)
from translog.bitcoin.header import Header, parse_target, work
from translog.bitcoin.network import MAINNET, REGTEST
from translog.errors import HeaderError, MalformedError
from translog.store.builtin import checkpoints
from translog.testing.chain import RegtestChain

EDGES = "bitcoin/mainnet-period-edges.bin"
HEADERS = "bitcoin/mainnet-headers-822528-830592.bin"
FIRST, LAST = 822_528, 830_592


def edges() -> dict[int, Header]:
    raw = (SHARED / EDGES).read_bytes()
    rows = (raw[at : at + 84] for at in range(0, len(raw), 84))
    return {int.from_bytes(row[:4], "big"): Header(row[4:]) for row in rows}


def real() -> bytes:
    return (SHARED / HEADERS).read_bytes()


@cache
def toy() -> bytes:
    return toy_chain(PERIOD + 20)


def toy_header(height: int) -> Header:
    return TOY.genesis if height == 0 else Header(toy()[80 * (height - 1) :][:80])


@needs(EDGES)
def test_all_413_targets_that_were_ever_computed_are_the_computed_ones() -> None:
    known = edges()
    checked = 0
    for begins in range(0, max(known), PERIOD):
        first, last, after = (known[begins + n] for n in (0, PERIOD - 1, PERIOD))
        bits = retarget(first.bits, last.time - first.time, MAINNET.limit_bits)
        assert bits == after.bits, f"block {begins + PERIOD}"
        assert checkpoints().hashes[begins // PERIOD] == last.hash
        assert checkpoints().bits[begins // PERIOD] == after.bits
        checked += 1
    assert checked == 413


@needs(HEADERS)
def test_8065_real_headers_follow_one_another_from_a_checkpoint() -> None:
    head = follow(checkpoints().head(FIRST - 1), real())
    assert head.height == LAST
    assert head.hash == Header(real()[-80:]).hash
    assert head.next_bits == Header(real()[-80:]).bits
    # Cut anywhere, it is the same chain: across the four retargets, too.
    for cut in (1, 10, 11, PERIOD - 1, PERIOD, PERIOD + 1, 4 * PERIOD, LAST - FIRST):
        part = follow(checkpoints().head(FIRST - 1), real()[: 80 * cut])
        assert part.height == FIRST + cut - 1
        assert follow(part, real()[80 * cut :]) == head


@needs(HEADERS)
def test_a_kept_chain_is_gone_on_with_from_anywhere() -> None:
    raw = real()
    head = checkpoints().head(FIRST - 1)

    def read(height: int) -> Header:
        return Header(raw[80 * (height - FIRST) :][:80])

    for height in (FIRST, FIRST + 9, FIRST + PERIOD - 2, FIRST + PERIOD - 1, FIRST + PERIOD, LAST):
        want = follow(head, raw[: 80 * (height - FIRST + 1)])
        assert head_at(MAINNET, height, read, first=FIRST) == replace(want, work=0)


@needs(HEADERS)
def test_a_real_header_changed_in_any_byte_is_refused() -> None:
    raw = real()[: 80 * 30]
    head = checkpoints().head(FIRST - 1)
    for at in range(80 * 29, 80 * 30):
        changed = bytearray(raw)
        changed[at] ^= 1
        with pytest.raises(HeaderError, match=f"^header of block {FIRST + 29}: "):
            follow(head, bytes(changed))


def test_the_toy_chain_goes_over_a_retarget() -> None:
    head = follow(genesis_head(TOY), toy())
    assert head.height == PERIOD + 20
    # The first interval, from the genesis of 2011, makes a period of any length: four weeks.
    bits = retarget(0x207FFFFF, (PERIOD - 1) * 600, TOY.limit_bits)
    assert bits < 0x207FFFFF
    assert {
        Header(toy()[at : at + 80]).bits for at in range(80 * (PERIOD - 1), len(toy()), 80)
    } == {bits}
    assert head.work == PERIOD * 2 + 21 * work(bits)
    for height in (1, 10, 11, PERIOD - 2, PERIOD - 1, PERIOD, PERIOD + 20):
        want = follow(genesis_head(TOY), toy()[: 80 * height])
        assert head_at(TOY, height, toy_header, first=0) == replace(want, work=0)


def test_regtest_never_retargets() -> None:
    chain = RegtestChain(time=1_780_000_000)
    head = follow(genesis_head(REGTEST), chain.raw_headers()[80:])
    assert (head.height, head.hash) == (chain.tip(), chain.header(chain.tip()).header.hash)
    steady = replace(TOY, retargets=False)
    later = follow(genesis_head(steady), toy()[: 80 * (PERIOD - 1)])
    assert later.next_bits == 0x207FFFFF


def test_the_target_changes_by_four_at_most_and_never_beyond_the_limit() -> None:
    bits = 0x1B0404CB
    target = parse_target(bits)
    assert retarget(bits, PERIOD_SECONDS, MAINNET.limit_bits) == bits
    assert parse_target(retarget(bits, 1, MAINNET.limit_bits)) == pytest.approx(
        target / 4, rel=1e-4
    )
    assert retarget(bits, -(10**9), MAINNET.limit_bits) == retarget(bits, 1, MAINNET.limit_bits)
    slow = retarget(bits, 10**9, MAINNET.limit_bits)
    assert parse_target(slow) == pytest.approx(target * 4, rel=1e-4)
    assert retarget(0x1D00FFFF, PERIOD_SECONDS * 2, MAINNET.limit_bits) == 0x1D00FFFF
    # Bitcoin Core, src/test/pow_tests.cpp: "get_next_work" and what is around it.
    assert retarget(0x1D00FFFF, 1262152739 - 1261130161, MAINNET.limit_bits) == 0x1D00D86A
    assert retarget(0x1D00FFFF, 1233061996 - 1231006505, MAINNET.limit_bits) == 0x1D00FFFF
    assert retarget(0x1C05A3F4, 1279297671 - 1279008237, MAINNET.limit_bits) == 0x1C0168FD
    assert retarget(0x1C387F6F, 1269211443 - 1263163443, MAINNET.limit_bits) == 0x1D00E1FD


def ready() -> Head:
    return follow(genesis_head(TOY), toy()[: 80 * 20])


def test_a_header_that_does_not_link_is_refused() -> None:
    head = ready()
    stranger = mined(bytes(32), time=head.times[-1] + 600, bits=head.next_bits)
    with pytest.raises(HeaderError, match=r"^header of block 21: follows block 0{64}, want one"):
        follow(head, stranger.raw)
    with pytest.raises(HeaderError, match=r"^header of block 22: follows block "):
        follow(head, toy()[80 * 20 : 80 * 21] + toy()[80 * 22 : 80 * 23])


def test_a_header_with_another_target_is_refused_however_much_work_it_has() -> None:
    head = ready()
    for bits in (0x207FFFFE, 0x1F7FFFFF, 0x207FFF00):
        other = mined(head.hash, time=head.times[-1] + 600, bits=bits)
        with pytest.raises(
            HeaderError, match=r"^header of block 21: has target 0x.*, want 0x207ff"
        ):
            follow(head, other.raw)


def test_a_header_with_too_little_work_is_refused() -> None:
    head = ready()
    header = lazy(head, time=head.times[-1] + 600, bits=head.next_bits)
    with pytest.raises(HeaderError, match=r"^header of block 21: has too little work, its hash "):
        follow(head, header.raw)


def test_a_header_no_newer_than_the_median_before_it_is_refused() -> None:
    head = ready()
    middle = median(list(head.times))
    assert len(head.times) == MEDIAN_BLOCKS
    assert middle == head.times[5]
    newer = mined(head.hash, time=middle + 1, bits=head.next_bits)
    assert follow(head, newer.raw).height == 21
    for time in (middle, middle - 1, 0):
        older = mined(head.hash, time=time, bits=head.next_bits)
        with pytest.raises(HeaderError, match=f"^header of block 21: has time {time}, want one ov"):
            follow(head, older.raw)
    # The median moves on inside a run, too.
    again = mined(newer.hash, time=middle + 1, bits=head.next_bits)
    with pytest.raises(HeaderError, match=f"^header of block 22: .* over {head.times[6] - 599}, "):
        follow(head, newer.raw + again.raw)


def test_the_median_of_a_chains_first_blocks_is_over_as_many_as_there_are() -> None:
    head = genesis_head(TOY)
    time = TOY.genesis.time
    with pytest.raises(HeaderError, match=r"the median of the 1 before it$"):
        follow(head, mined(head.hash, time=time, bits=head.next_bits).raw)
    one = follow(head, mined(head.hash, time=time + 10, bits=head.next_bits).raw)
    # Of two, Bitcoin takes the later.
    with pytest.raises(HeaderError, match=f"over {time + 10}, the median of the 2 before it$"):
        follow(one, mined(one.hash, time=time + 10, bits=one.next_bits).raw)


def test_after_a_checkpoint_times_are_judged_from_the_twelfth_block_on() -> None:
    head = replace(ready(), times=(ready().times[-1],))
    for _ in range(10):  # each older than all before: their median is not known
        header = mined(head.hash, time=head.times[-1] - 600, bits=head.next_bits)
        head = follow(head, header.raw)
    with pytest.raises(HeaderError, match=r"the median of the 11 before it$"):
        follow(head, mined(head.hash, time=head.times[-1] - 600, bits=head.next_bits).raw)


@pytest.mark.parametrize("length", [1, 79, 81, 161])
def test_part_of_a_header_is_malformed(length: int) -> None:
    with pytest.raises(MalformedError, match=f"^block headers have {length} bytes, want a mult"):
        follow(ready(), toy()[80 * 20 :][:length])


def test_no_headers_lead_nowhere() -> None:
    assert follow(ready(), b"") == ready()


def test_the_heavier_branch_wins_and_of_equal_ones_the_first_seen() -> None:
    fork = follow(genesis_head(TOY), toy()[: 80 * 10])
    ours = follow(fork, toy()[80 * 10 : 80 * (PERIOD + 20)])
    # Shorter, and with more work: its blocks came quickly, and so the target after is harder.
    quick = follow(fork, run(fork, PERIOD, spacing=1))
    assert quick.height < ours.height
    assert parse_target(quick.next_bits) < parse_target(ours.next_bits)
    assert heavier(ours, quick)
    assert not heavier(quick, ours)
    same = follow(fork, run(fork, PERIOD, spacing=1, root=b"s" * 32))
    assert same.hash != quick.hash
    assert not heavier(quick, same)
    assert not heavier(same, quick)


def test_a_block_is_final_with_six_confirmations() -> None:
    assert not is_final(100, 104)
    assert is_final(100, 105)
    assert not is_final(100, 99)
