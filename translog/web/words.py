"""Times, ages and numbers as people read them."""

from datetime import datetime

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def day(time: str) -> str:
    """Return 2024-02-21T12:30:33Z as 21 February 2024."""
    moment = datetime.fromisoformat(time)
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def moment(time: str) -> str:
    """Return 2024-02-21T12:30:33Z as 21 February 2024, 12:30:33 UTC."""
    return f"{day(time)}, {datetime.fromisoformat(time):%H:%M:%S} UTC"


def age(seconds: float) -> str:
    """Return how long ago something was, in the largest unit that fits."""
    for size, unit in _UNITS:
        number = int(seconds // size)
        if number >= 1:
            return f"{counted(number, unit)} ago"
    return "just now"


def counted(number: int, thing: str) -> str:
    """Return "1 event" or "2,000 entries"."""
    if number != 1:
        ends_in_ies = thing.endswith("y") and thing[-2:-1] not in "aeiou"
        thing = f"{thing[:-1]}ies" if ends_in_ies else f"{thing}s"
    return f"{number:,} {thing}"


def spoken(name: str) -> str:
    """Return a name such as record_created as words with a capital: Record created."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
