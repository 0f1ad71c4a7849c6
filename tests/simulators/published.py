"""A log that exists only as what it publishes: the package's own, with the keys of these tests."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from tests.simulators.events import KEY, PITH_KEY, created, record, signed
from tests.simulators.payloads import attested
from translog.formats.entry import Entry
from translog.formats.keys import SigningKey
from translog.formats.note import NoteSigner
from translog.pith import event
from translog.pith.key import PithKey
from translog.pith.record import pith_number
from translog.testing import published
from translog.testing.published import Published

ORIGIN = "example.com/log"
LOG_KEY = SigningKey(bytes([7]) * 32)
VERIFIER = NoteSigner(name=ORIGIN, key=LOG_KEY).verifier


SMALL = 1_000_000  # papers from here on are small events


@cache
def small_event(number: int, key: SigningKey = KEY) -> event.Event:
    """Return a signed event that needs no other before it: it creates a record like no other's."""
    return event.from_value(created(SMALL + number, key))


@cache
def attestation_event(number: int, paper: int = SMALL) -> event.Event:
    """Return a signed event about the record of a paper: there can be many."""
    payload = attested(KEY.public_key, number)
    about = pith_number(record(paper))
    return event.from_value(signed("author_attestation", "record", about, payload, KEY))


@cache
def record_event(number: int) -> event.Event:
    """Return a signed `record_created`."""
    return event.from_value(created(number))


def small_events(count: int) -> list[event.Event]:
    return [small_event(number) for number in range(count)]


def entry_of(logged: event.Event, key: bytes = KEY.public_key) -> Entry:
    """Return the entry that a log makes of an event signed by `key`."""
    return published.entry_of(logged, key)


class PublishedLog(Published):
    """The package's, with the keys of these tests, and events that they name by number."""

    def __init__(
        self,
        events: Iterable[event.Event] = (),
        *,
        origin: str = ORIGIN,
        key: SigningKey = LOG_KEY,
        public_keys: Iterable[PithKey] = (PITH_KEY,),
    ) -> None:
        super().__init__(events, origin=origin, key=key, public_keys=public_keys)

    def append(self, events: Iterable[event.Event]) -> None:
        """Sequence events by the first of `public_keys`, whoever signed them."""
        key = self.public_keys[0].public_key if self.public_keys else KEY.public_key
        self.append_raw((entry_of(each, key).encode(), each.content) for each in events)

    def publish(self, size: int | None = None) -> None:
        """Publish everything anew: what a test has spoilt is whole again."""
        self._published = 0
        super().publish(size)

    def forked(self, at: int, **options: Any) -> "PublishedLog":
        """Return a log of the same name and key with other events from index `at` on."""
        others = [small_event(1_000_000 + number) for number in range(self.size - at)]
        fork = PublishedLog(origin=self.origin, key=self.key, **options)
        fork.append_raw(zip(self.entries[:at], self.contents[:at], strict=True))
        fork.append(others)
        fork.publish()
        return fork


def copy_of(files: Mapping[str, bytes], log: PublishedLog) -> None:
    """Put everything back as it was."""
    log.files = dict(files)
