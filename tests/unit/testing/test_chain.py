"""The regtest chain, as Bitcoin Core's own code sees it."""

import pytest
from opentimestamps.core.notary import BitcoinBlockHeaderAttestation

from translog.bitcoin.grade import OWN_NODE
from translog.bitcoin.header import verify_work
from translog.bitcoin.network import REGTEST
from translog.errors import MissingError
from translog.testing.chain import MATURITY, SPACING, RegtestChain

TIME = 1_750_000_000
ONE, TWO, THREE = b"1" * 32, b"2" * 32, b"3" * 32


def test_bitcoin_core_accepts_every_block_and_the_heavier_branch(tmp_path):
    pbk = pytest.importorskip("pbk", reason="py-bitcoinkernel is not installed here")
    chain = RegtestChain(TIME)
    chain.mine(TIME + 1, [ONE, TWO])
    chain.mine_empty(200)  # past a halving
    chain.mine(chain.time + 1, [THREE])
    other = chain.fork(7)
    other.mine(other.time + 1, [ONE])
    node = pbk.load_chainman(tmp_path, pbk.ChainType.REGTEST)
    for branch in (chain, other):
        for block in branch.blocks.values():
            node.process_block(pbk.Block(block.raw))  # raises for a block that breaks a rule
        tip = node.get_active_chain()
        assert tip.height == branch.height
        newest = bytes(tip.block_tree_entries[tip.height].block_hash)
        assert newest == branch.header(branch.height).header.hash


def test_bitcoin_core_would_refuse_a_block_with_another_commitment(tmp_path):
    pbk = pytest.importorskip("pbk", reason="py-bitcoinkernel is not installed here")
    chain = RegtestChain(TIME)
    height = chain.mine(TIME + 1, [ONE])
    node = pbk.load_chainman(tmp_path, pbk.ChainType.REGTEST)
    for below in range(1, height):
        node.process_block(pbk.Block(chain.blocks[below].raw))
    with pytest.raises(pbk.ProcessBlockException):
        node.process_block(pbk.Block(chain.blocks[height].raw.replace(ONE, TWO)))


def test_headers_link_and_have_work():
    chain = RegtestChain(TIME)
    assert (chain.tip(), chain.height, chain.time) == (MATURITY, MATURITY, TIME)
    assert chain.header(0).header == REGTEST.genesis
    raw = chain.raw_headers()
    assert len(raw) == 80 * (MATURITY + 1)
    for height in range(1, MATURITY + 1):
        graded = chain.header(height)
        assert (graded.height, graded.grade) == (height, OWN_NODE)
        assert graded.header.raw == raw[80 * height : 80 * height + 80]
        assert graded.header.previous == chain.header(height - 1).header.hash
        verify_work(graded.header, REGTEST.limit_bits)


@pytest.mark.parametrize("height", [-1, MATURITY + 1, 2**40])
def test_a_block_that_is_not_there_is_missing(height):
    with pytest.raises(MissingError, match=f"regtest has no block {height}; 100 is the highest"):
        RegtestChain(TIME).header(height)


def test_the_same_calls_make_the_same_chain():
    def make() -> bytes:
        chain = RegtestChain(TIME)
        chain.mine(TIME + 9, [ONE])
        chain.reorganise(1)
        return chain.raw_headers()

    assert make() == make()


def test_a_message_leads_to_the_root_of_its_block_and_to_no_other():
    chain = RegtestChain(TIME)
    height = chain.mine(TIME + SPACING, [ONE, TWO])
    for message in (ONE, TWO):
        ((root, attestation),) = chain.attest(message, height).all_attestations()
        assert root == chain.header(height).header.merkle_root
        assert attestation == BitcoinBlockHeaderAttestation(height)
    with pytest.raises(MissingError, match="does not commit to 3333"):
        chain.attest(THREE, height)


def test_a_reorganisation_makes_the_chain_heavier_and_forgets_messages():
    chain = RegtestChain(TIME)
    height = chain.mine(TIME + SPACING, [ONE])
    chain.mine_empty(6)
    before = chain.header(height).header
    assert chain.reorganise(7) == height + 7
    assert chain.header(height).header != before
    with pytest.raises(MissingError):
        chain.attest(ONE, height)
    assert chain.mine(chain.time + 1, [ONE]) == height + 8
    chain.attest(ONE, height + 8)


@pytest.mark.parametrize("depth", [-1, 0, 2])
def test_what_the_money_comes_from_is_not_reorganised_away(depth):
    chain = RegtestChain(TIME)
    chain.mine(TIME + SPACING)
    before = chain.raw_headers()
    with pytest.raises(ValueError, match="the first 100 stay"):
        chain.reorganise(depth)
    assert chain.raw_headers() == before
