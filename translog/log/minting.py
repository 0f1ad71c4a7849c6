"""Minting: works to records, each with its number, a receipt and the event that creates it.

Spec: docs/formats/metadata.md. Everything is made here as it will be sent, and checked by whoever
takes events in, as if a stranger had sent it: a minter can make mistakes, and the log does not
trust it.

The same metadata give the same number, whatever the day. So a number that is there is left alone:
a second creation would contradict the first.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from translog.formats.canonical import canonical, canonical_exact
from translog.formats.keys import SigningKey
from translog.log import lookup
from translog.pith.draft import RECORD, TARGETS
from translog.pith.event import RECORD_CREATED, SIGNED_MESSAGE
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import graph_snapshot, record_created
from translog.pith.metadata import Work
from translog.pith.receipt import SIGNED_MESSAGE as RECEIPT_MESSAGE
from translog.pith.record import number_of
from translog.pith.signature import Signature
from translog.store import log, titles
from translog.store.database import Connection, transaction, translated
from translog.store.titles import GivenTexts

SIGNER_TYPE = "pith_registry"


class Named(NamedTuple):
    """A work, and the number that its record has, whoever makes it.

    Attributes:
        work: its metadata.
        digest: `canonical_sha256` of its record.
        number: its Pith Number.
    """

    work: Work
    digest: bytes
    number: str


def name(work: Work) -> Named:
    """Compute the number of a work's record."""
    digest = sha256(canonical_exact(work.record)).digest()  # of nothing else
    return Named(work, digest, number_of(work.record, digest))


class Minter:
    """A registry that mints. It keeps nothing but its name and key."""

    def __init__(
        self,
        key: SigningKey,
        *,
        signer_id: str,
        key_id: str,
        builder: str,
        now: Callable[[], str],
    ) -> None:
        """Mint with a key.

        Args:
            signer_id: under which name, as the log allows it.
            key_id: the owner's name for the key.
            builder: what makes the records, for receipts.
            now: the time as YYYY-MM-DDTHH:MM:SS.ffffffZ.
        """
        self._key = key
        self._key_id = key_id
        self._builder = builder
        self._now = now
        self._signer = {
            "signer_id": signer_id,
            "signer_type": SIGNER_TYPE,
            "key_id": key_id,
            "public_key_fingerprint": fingerprint_hex(key.public_key),
        }

    def mint(self, named: Named) -> list[bytes]:
        """Make a record of a work, and sign it.

        Returns:
            Events as they are sent: the one that creates the record, and perhaps a snapshot.
        """
        now = self._now()
        work, digest, number = named
        receipt = {
            "kind": "pith_receipt",
            "receipt_version": "0.3",
            "builder_version": self._builder,
            "canonical_sha256": digest.hex(),
            "first_computed_at": now,
            "last_reissued_at": now,
            **self._sign(digest, RECEIPT_MESSAGE, now),
        }
        payload = record_created.build(work.record, receipt)
        events = [self._event(RECORD_CREATED, number, payload, now, canonical_exact)]
        if work.graph_snapshot is not None:
            snapshot = graph_snapshot.build(work.graph_snapshot)
            events.append(self._event(graph_snapshot.TYPE, number, snapshot, now, canonical))
        return events

    def _event(
        self,
        event_type: str,
        number: str,
        payload: dict[str, Any],
        now: str,
        encode: Callable[[Any], bytes],
    ) -> bytes:
        content: dict[str, Any] = {
            "schema_version": "1.0",
            "event_type": event_type,
            "subject_pith_number": number,
            "target": TARGETS.get(event_type, RECORD),
            "payload": payload,
            "signer": self._signer,
            "created_at": f"{now[:19]}Z",
            "supersedes": [],
            "prev_event": None,
        }
        digest = sha256(encode(content)).digest()
        content["signature"] = self._sign(digest, SIGNED_MESSAGE, now)
        content["content_sha256"] = digest.hex()
        content["event_id"] = f"sha256:{digest.hex()}"
        return encode(content)

    def _sign(self, digest: bytes, message: str, now: str) -> dict[str, str]:
        made = Signature(
            key_id=self._key_id,
            fingerprint=self._signer["public_key_fingerprint"],
            signature=self._key.sign(digest),
            signed_at=now,
        )
        return made.to_json(message)


def find_records(db: Connection, numbers: Sequence[str]) -> dict[str, int]:
    """Return the leaf that creates each of these records, as far as they are there."""
    prefixes = {lookup.of_record(number): number for number in numbers}
    found: dict[str, int] = {}
    with translated("database"):
        for prefix, index in log.find(db, sorted(prefixes)):
            number = prefixes[prefix]
            found[number] = min(index, found.get(number, index))
    return found


def keep_texts(db: Connection, placed: Iterable[tuple[int, Work]]) -> int:
    """Keep titles and abstracts beside the leaves that create their records; return how many.

    What is kept already stays: it is found by a hash, and only its spelling could be another.
    """
    given = {
        index: GivenTexts(index, work.title, work.abstract)
        for index, work in placed
        if work.title is not None or work.abstract is not None
    }
    with transaction(db):
        known = titles.read_texts(db, list(given))
        fresh = [texts for index, texts in given.items() if index not in known]
        titles.write_texts(db, fresh)
    return len(fresh)
