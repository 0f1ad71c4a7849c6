"""Anchors in words: how far a log has come into Bitcoin, and no further."""

from typing import Any

import pytest

from tests.unit.web.test_record import PAGES, Reader
from translog.web.anchors import anchored, at_a_glance, sentences
from translog.web.pages import AnchorsPage

BLOCK = {"height": 900_123, "block_time": "2026-05-30T10:00:00Z", "grade": "checkpoint"}


def row(state: str, size: int = 7, **changes: Any) -> dict[str, Any]:
    return {
        "tree_size": size,
        "network": "mainnet",
        "state": state,
        "made_at": "2026-05-30T09:00:00Z",
        "calendars": ["https://a.example"],
        "block": BLOCK if state in ("confirmed", "final") else None,
        **changes,
    }


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("pending", "Sent to 1 calendar; no block holds it yet."),
        ("attested", "A calendar names a block, and nobody has looked at it yet."),
        (
            "confirmed",
            "Existed before block 900,123 of Bitcoin, 30 May 2026, 10:00:00 UTC. The block is"
            " recent, and could still be replaced.",
        ),
        (
            "final",
            "Existed before block 900,123 of Bitcoin, 30 May 2026, 10:00:00 UTC (checkpoint).",
        ),
        ("lost", "Its block has left the chain; a newer checkpoint was sent instead."),
    ],
)
def test_every_state_is_said_and_marked(state: str, said: str) -> None:
    assert sentences([row(state)]) == [said]
    page = Reader(PAGES.render(AnchorsPage(anchors=anchored([row(state)])), "./"))
    assert said in page.lines
    marks = [each["class"] for tag, each in page.elements if tag == "span" and "class" in each]
    assert marks in (["state done"], ["state waiting"], ["state failed"])
    assert ("./anchors/7.ots" in page.links) == (state != "lost")


def test_a_test_chain_is_named() -> None:
    assert "of the test chain regtest" in sentences([row("final", network="regtest")])[0]
    glance = at_a_glance([row("final", network="regtest")])
    assert glance == ("regtest block 900,123", "7 entries, final")


def test_at_a_glance_the_newest_that_is_final_counts() -> None:
    rows = [row("pending", 30), row("confirmed", 20), row("final", 10), row("final", 5)]
    assert at_a_glance(rows) == ("Block 900,123", "10 entries, final")
    assert at_a_glance(rows[:2]) == ("Block 900,123", "20 entries, in a recent block")
    assert at_a_glance(rows[:1]) == ("On its way", "30 entries, sent")
    assert at_a_glance([row("lost")]) == ("Not yet", None)
    assert at_a_glance([]) == ("Not yet", None)
