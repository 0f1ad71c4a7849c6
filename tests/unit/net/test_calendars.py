"""The calendar client against the calendars of the kit, good and bad, and strangers' files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translog.bitcoin.attestation import InBlock, Pending
from translog.bitcoin.ots import Timestamp
from translog.errors import (
    BusyError,
    MalformedError,
    TooLargeError,
    TranslogError,
    UnavailableError,
    UnlistedError,
)
from translog.net.calendars import (
    MAX_AT_ONCE,
    PUBLIC,
    Calendars,
    Reply,
    submit,
    upgrade,
)
from translog.net.health import Health, pause_seconds
from translog.testing.calendar import Calendar, running
from translog.testing.chain import SPACING, RegtestChain
from translog.testing.loopback import Answer, serving

TIME = 1_750_000_000
DIGEST = bytes(range(32))


@pytest.fixture
def chain():
    return RegtestChain(TIME)


@pytest.fixture
def calendar(chain):
    with running(chain) as calendar:
        yield calendar


def using(*calendars: Calendar, need: int = 1, seconds: float = 10.0) -> Calendars:
    urls = tuple(calendar.url for calendar in calendars)
    return Calendars(urls=urls, listed=(), need=need, timeout_seconds=seconds)


def submitted(calendar: Calendar) -> Pending:
    """Submit to one calendar and return what it promised."""
    (timestamp,) = took(replies_of(using(calendar)))
    (pending,) = timestamp.attestations()
    assert isinstance(pending, Pending)
    return pending


def asked(calendar: Calendar, pending: Pending, seconds: float = 10.0) -> Reply:
    (reply,) = upgrade(using(calendar, seconds=seconds), [pending])
    return reply


def replies_of(calendars: Calendars) -> tuple[Reply, ...]:
    """Submit to all calendars."""
    return submit(calendars, calendars.urls, DIGEST)


def took(replies: tuple[Reply, ...]) -> list[Timestamp]:
    return [reply.found for reply in replies if isinstance(reply.found, Timestamp)]


def test_a_digest_is_submitted_to_all_and_upgraded_to_a_block(chain):
    with running(chain) as one, running(chain) as two, running(chain) as three:
        calendars = using(one, two, three, need=3)
        replies = replies_of(calendars)
        assert [reply.calendar for reply in replies] == list(calendars.urls)
        assert [timestamp.message for timestamp in took(replies)] == [DIGEST] * 3
        pending = [each for found in took(replies) for each in found.attestations()]
        assert [each.uri for each in pending] == list(calendars.urls)

        assert {reply.found for reply in upgrade(calendars, pending)} == {None}
        heights = [each.stamp(chain.time + SPACING) for each in (one, two, three)]
        replies = upgrade(calendars, pending)
    for reply, each, height in zip(replies, pending, heights, strict=True):
        assert isinstance(reply.found, Timestamp)
        assert reply.found.message == each.message
        root = chain.header(height).header.merkle_root
        assert reply.found.attestations() == [InBlock(root, height)]


def test_some_of_the_calendars_can_be_asked(chain):
    with running(chain) as one, running(chain) as two:
        (reply,) = submit(using(one, two), [two.url], DIGEST)
        assert reply.calendar == two.url
        assert one.requests == []


def test_no_404_is_final(chain):
    with running(chain, confirmations=6) as calendar:
        calendar.fault = "posted, then not found"
        pending = submitted(calendar)
        assert asked(calendar, pending).found is None
        assert asked(calendar, pending).found is None
        calendar.stamp(chain.time + SPACING)
        assert asked(calendar, pending).found is None
        chain.mine_empty(5)
        assert isinstance(asked(calendar, pending).found, Timestamp)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"pending", b"x" * 5000, b"Not found\n"])
def test_a_404_with_any_text_is_not_final(text):
    with serving(lambda _: Answer(status=404, body=text)) as server:
        calendars = Calendars(urls=(server.url,), listed=(), need=1)
        (reply,) = upgrade(calendars, [Pending(DIGEST, server.url)])
    assert reply.found is None


FAULTS: list[tuple[str, type[TranslogError], str]] = [
    ("oversized", TooLargeError, "has more than the 10000 bytes"),
    ("server error", UnavailableError, "answered 500: 'Internal Server Error'"),
    ("busy", BusyError, "answered 503"),
    ("redirect", MalformedError, "a redirect: none is followed"),
    ("garbage", MalformedError, "timestamp cannot be read"),
    ("cut short", MalformedError, "timestamp cannot be read"),
]


@pytest.mark.parametrize("fault, kind, says", FAULTS)
def test_what_a_bad_calendar_does_is_named(calendar, fault, kind, says):
    pending = submitted(calendar)
    calendar.fault = fault
    for reply in (*replies_of(using(calendar)), asked(calendar, pending)):
        assert type(reply.found) is kind
        assert says in str(reply.found)
        assert calendar.url in str(reply.found)


def test_a_calendar_that_hangs_is_given_up(calendar):
    pending = submitted(calendar)
    calendar.fault = "hanging"
    replies = replies_of(using(calendar, seconds=0.1))
    for reply in (*replies, asked(calendar, pending, seconds=0.1)):
        assert isinstance(reply.found, UnavailableError)
        assert "did not answer within 0.1 s" in str(reply.found)


def test_all_are_asked_at_the_same_time(chain):
    # Each holds its answer back until the last has been asked.
    with running(chain) as one, running(chain) as two, running(chain) as three:
        for calendar in (one, two):
            calendar.fault = "slow"

        def release_others(request: object) -> Answer:
            one.release()
            two.release()
            return Answer(status=500)

        with serving(release_others) as last:
            urls = (one.url, two.url, last.url)
            replies = replies_of(Calendars(urls=urls, listed=(), need=2))
            assert [type(reply.found) for reply in replies] == [
                Timestamp,
                Timestamp,
                UnavailableError,
            ]
        assert three.requests == []


def test_a_promise_of_a_calendar_that_nobody_listed_is_none(calendar):
    calendar.fault = "foreign calendar"
    (reply,) = replies_of(using(calendar))
    assert isinstance(reply.found, MalformedError)
    assert "attestations of calendars not listed: 'https://calendar.example.net'" in str(
        reply.found
    )
    calendars = Calendars(urls=(calendar.url,), listed=("https://*.example.net",), need=1)
    assert len(took(replies_of(calendars))) == 1


def test_a_timestamp_of_something_else_leads_to_no_block(chain, calendar):
    good = submitted(calendar)
    height = calendar.stamp(chain.time + SPACING)
    root = chain.header(height).header.merkle_root
    calendar.fault = "wrong digest"
    pending = submitted(calendar)
    found = asked(calendar, pending).found
    assert isinstance(found, Timestamp)  # only the block can tell:
    assert found.in_blocks() != [InBlock(root, height)]
    calendar.fault = None
    assert asked(calendar, pending).found is None
    assert isinstance(asked(calendar, good).found, Timestamp)


# Who is asked


@pytest.mark.parametrize(
    "uri",
    [
        "https://alice.btc.calendar.opentimestamps.org",
        "https://alice.btc.calendar.opentimestamps.org/",
        "https://bob.btc.calendar.opentimestamps.org",
        "https://finney.calendar.eternitywall.com",
        "https://btc.calendar.catallaxy.com",
        *PUBLIC,
    ],
)
def test_public_calendars_are_listed(uri):
    assert Calendars().lists(uri)


LISTED = "https://alice.btc.calendar.opentimestamps.org"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://",
        "file:///etc/passwd",
        "http://127.0.0.1",
        "http://127.0.0.1:8332",
        "https://127.0.0.1",
        "https://[::1]",
        "https://localhost",
        "http://169.254.169.254/latest/meta-data",
        "http://alice.btc.calendar.opentimestamps.org",  # not over TLS
        "ftp://alice.btc.calendar.opentimestamps.org",
        "alice.btc.calendar.opentimestamps.org",
        "//alice.btc.calendar.opentimestamps.org",
        f"{LISTED}:443",
        f"{LISTED}:8443",
        f"{LISTED}:",
        f"{LISTED}/x",
        f"{LISTED}//",
        f"{LISTED}/../x",
        f"{LISTED}/?x",
        f"{LISTED}?",
        f"{LISTED}#",
        f"{LISTED} ",
        f"{LISTED}\n",
        f" {LISTED}",
        f"{LISTED}.",
        f"{LISTED}.example.com",
        f"{LISTED}@example.com",
        f"{LISTED}%2eexample.com",
        f"{LISTED}\\@example.com",
        "https://user@alice.btc.calendar.opentimestamps.org",
        "https://user:pass@alice.btc.calendar.opentimestamps.org",
        "https://example.com/alice.btc.calendar.opentimestamps.org",
        "https://example.com#.calendar.opentimestamps.org",
        "https://example.com:80.calendar.opentimestamps.org",
        "https://calendar.opentimestamps.org",  # a label at least
        "https://.calendar.opentimestamps.org",
        "https://xcalendar.opentimestamps.org",
        "https://*.calendar.opentimestamps.org",
        "https://*.opentimestamps.org",
        "HTTPS://alice.btc.calendar.opentimestamps.org",
        "https://ALICE.btc.calendar.opentimestamps.org",
        "https://alicе.calendar.opentimestamps.org",  # noqa: RUF001  # a Cyrillic letter
        "https://a.pool.opentimestamps.org:443",
        "https://" + "a" * 5000 + ".calendar.opentimestamps.org",
    ],
)
def test_nobody_else_is(uri):
    assert not Calendars().lists(uri)


def test_what_is_listed_is_listed_with_its_scheme_port_and_path():
    calendars = Calendars(
        urls=("http://127.0.0.1:1234",),
        listed=("https://ots.example.net/calendar/", "http://*.internal:8080"),
        need=1,
    )
    for uri in (
        "http://127.0.0.1:1234",
        "http://127.0.0.1:1234/",
        "https://ots.example.net/calendar",
        "http://a.b.internal:8080",
    ):
        assert calendars.lists(uri), uri
    for uri in (
        "https://127.0.0.1:1234",
        "http://127.0.0.1:1235",
        "http://127.0.0.1",
        "http://127.0.0.1:1234/calendar",
        "https://ots.example.net",
        "https://ots.example.net/calendar/x",
        "https://ots.example.net/calendars",
        "http://a.internal",
        LISTED,  # the public ones are listed only where nobody says otherwise
    ):
        assert not calendars.lists(uri), uri


def test_a_calendar_that_is_not_listed_is_not_asked(calendar):
    pending = submitted(calendar)
    with serving(lambda _: Answer(body=b"?")) as stranger:
        strangers = [
            Pending(DIGEST, stranger.url),
            Pending(DIGEST, stranger.url.replace("127.0.0.1", "localhost")),
            Pending(DIGEST, f"{calendar.url}@{stranger.url.removeprefix('http://')}"),
        ]
        first, *others = upgrade(using(calendar), [pending, *strangers])
    assert first.found is None
    for reply in others:
        assert isinstance(reply.found, UnlistedError)
        assert str(reply.found).endswith("is not listed, and is not asked")
    assert stranger.requests == []


def test_many_are_asked_a_few_at_a_time(calendar):
    count = 2 * MAX_AT_ONCE + 3
    pending = [Pending(bytes([number]) * 44, calendar.url) for number in range(count)]
    replies = upgrade(using(calendar), pending)
    assert [reply.found for reply in replies] == [None] * count
    assert sorted(each.path for each in calendar.requests) == [
        f"/timestamp/{each.message.hex()}" for each in pending
    ]
    assert upgrade(using(calendar), []) == ()


@pytest.mark.parametrize("digest", [b"", bytes(65)])
def test_a_digest_has_from_1_to_64_bytes(calendar, digest):
    with pytest.raises(ValueError, match="want 1 to 64"):
        submit(using(calendar), [calendar.url], digest)
    assert calendar.requests == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"urls": ()},
        {"urls": ("https://a",), "need": 0},
        {"urls": ("https://a",), "need": 2},
        {"urls": ("https://a", "https://a"), "need": 2},
        {"urls": ("https://a", "https://b", "https://a/"), "need": 2},
        {"urls": ("https://*.a",), "need": 1},
        {"urls": ("https://user:pw@a",), "need": 1},
        {"urls": ("file:///tmp",), "need": 1},
        {"urls": ("file://tmp",), "need": 1},
        {"urls": ("ftp://a",), "need": 1},
        {"listed": ("https://a*.b",)},
        {"listed": ("*",)},
        {"listed": ("https://*",)},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(MalformedError, match="calendar"):
        Calendars(**wrong)


# How they have done, and when to ask again


def test_health_counts_answers_and_failures(calendar):
    health = Health()
    calendars = using(calendar)
    (reply,) = replies_of(calendars)
    health = reply.noted(health, 100)
    assert (health.answered, health.failed, health.last_answer) == (1, 0, 100)
    assert health.last_seconds == reply.seconds > 0.0
    calendar.fault = "busy"
    for now in (200, 300):
        (reply,) = replies_of(calendars)
        health = reply.noted(health, now)
    assert (health.answered, health.failed, health.failed_in_a_row) == (1, 2, 2)
    assert health.last_answer == 100
    assert health.last_seconds == reply.seconds
    calendar.fault = None
    (reply,) = upgrade(calendars, [Pending(DIGEST, calendar.url)])
    assert reply.found is None  # an answer all the same
    health = reply.noted(health, 400)
    assert (health.answered, health.failed, health.failed_in_a_row) == (2, 2, 0)
    assert health.last_answer == 400


def test_a_pause_is_doubled_up_to_a_limit():
    def pauses(chance: float) -> list[float]:
        return [pause_seconds(tries, chance, first=60, longest=3600) for tries in range(1, 9)]

    assert pauses(1.0) == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert pauses(0.0) == [30, 60, 120, 240, 480, 960, 1800, 1800]


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_a_pause_is_between_half_of_the_longest_and_the_longest_at_last(tries, chance):
    pause = pause_seconds(tries, chance, first=1, longest=1000)
    assert 0.5 <= pause <= 1000
    if tries > 10:
        assert pause >= 500
