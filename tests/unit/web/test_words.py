"""Times, ages and numbers as people read them."""

import pytest

from translog.web import words


def test_times_are_said_in_full_and_in_utc() -> None:
    assert words.day("2024-02-21T12:30:33Z") == "21 February 2024"
    assert words.moment("2024-12-01T00:00:59.123456Z") == "1 December 2024, 00:00:59 UTC"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "just now"),
        (0.9, "just now"),
        (1, "1 second ago"),
        (59.9, "59 seconds ago"),
        (60, "1 minute ago"),
        (7_199, "1 hour ago"),
        (86_400, "1 day ago"),
        (8_640_000, "100 days ago"),
    ],
)
def test_an_age_is_in_the_largest_unit_that_fits(seconds: float, said: str) -> None:
    assert words.age(seconds) == said


def test_numbers_have_their_plural() -> None:
    assert words.counted(1, "entry") == "1 entry"
    assert words.counted(2_000, "entry") == "2,000 entries"
    assert words.counted(0, "day") == "0 days"


def test_names_of_types_are_words() -> None:
    assert words.spoken("record_created") == "Record created"
    assert words.spoken("") == ""
