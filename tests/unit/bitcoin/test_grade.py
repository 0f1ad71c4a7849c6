"""translog.bitcoin.grade: what vouches for a header, in one order and in one spelling."""

from itertools import pairwise

import pytest

from translog.bitcoin.grade import (
    CHECKPOINT_LINKED,
    OWN_NODE,
    SINGLE_SERVER,
    UNCHECKED,
    Grade,
    quorum,
)
from translog.errors import MalformedError

ASCENDING = [UNCHECKED, SINGLE_SERVER, quorum(2), quorum(3), OWN_NODE, CHECKPOINT_LINKED]
WORDS = [
    "unchecked",
    "single server",
    "quorum of 2",
    "quorum of 3",
    "own node",
    "checkpoint-linked",
]


def test_grades_have_one_order() -> None:
    assert sorted(ASCENDING) == ASCENDING
    for lower, higher in pairwise(ASCENDING):
        assert lower < higher
        assert higher >= lower
        assert not higher <= lower
    assert max(ASCENDING) is CHECKPOINT_LINKED


def test_nothing_unchecked_is_called_verified() -> None:
    assert [grade.verified for grade in ASCENDING] == [False, True, True, True, True, True]


def test_grades_are_read_as_they_are_written() -> None:
    assert [str(grade) for grade in ASCENDING] == WORDS
    assert [Grade.parse(text) for text in WORDS] == ASCENDING
    assert Grade.parse("quorum of 999") == quorum(999)


@pytest.mark.parametrize(
    "text",
    ["", "verified", "quorum of 1", "quorum of 02", "quorum of", "quorum of 1000", "Own node",
     "own node ", "quorum of \u0663", "quorum of 2\n", "1"],
)  # fmt: skip
def test_any_other_text_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError, match=r"^grade is "):
        Grade.parse(text)


def test_a_quorum_has_two_servers_at_least() -> None:
    for servers in (1, 0, -1, 1000):
        with pytest.raises(ValueError, match="want 2 to 999"):
            quorum(servers)
