"""The steps in which a bundle is checked: docs/formats/bundle.md, "What is checked".

Each proves one sentence, or raises what is wrong. What several of them need is computed once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, Literal

from translog.errors import HashError, SubjectError, TranslogError, UnknownKeyError
from translog.formats.canonical import canonical, canonical_exact
from translog.formats.strict import shown
from translog.pith.event import RECORD_CREATED, Event
from translog.pith.key import find, keyring
from translog.pith.kinds.graph_snapshot import HASH, check_table
from translog.pith.kinds.graph_snapshot import TYPE as GRAPH_SNAPSHOT
from translog.pith.listed import ListedKey, disowned_by, open_compromise, open_rotation
from translog.pith.merge import Examined, examine, judge, merge_examined
from translog.pith.receipt import check_receipt
from translog.pith.record import alias_names, number_of, parse_pith_number
from translog.pith.signature import Signature

Status = Literal["proved", "not-checkable", "unknown-key", "failed"]
Result = tuple[Status, str, str | None]  # with the sentence, and the fingerprint of a key
Ring = dict[str, bytes]
Step = tuple[int, str, Callable[[], Result]]


class Steps:
    """The steps for one bundle, under the keys that one caller trusts."""

    def __init__(
        self,
        value: Mapping[str, Any],
        content_sha256: bytes,
        signature: Signature,
        listed_keys: Sequence[ListedKey],
        keys: Iterable[bytes],
        *,
        exact: bool,
    ) -> None:
        """Prepare the steps. The bundle is well-formed: `bundle.parse` made it.

        Args:
            exact: `value` is known to be `made_of` EXACT: every part of it is, and a state is made
                of its parts.
        """
        self._canonical = canonical_exact if exact else canonical
        self._value = value
        self._content_sha256 = content_sha256
        self._signature = signature
        self._listed_keys = listed_keys
        self._ring = keyring(keys)
        self._listed = keyring(listed.key.public_key for listed in listed_keys)
        record: dict[str, Any] = value["canonical_record"]
        self._record = record
        self._digest = sha256(canonical_exact(record)).digest()  # checked: nothing else is in it
        self._number = number_of(record, self._digest)
        every = {**self._listed, **self._ring}
        number, digest = value["pith_number"], self._digest.hex()
        # Each event is asked after by its own step and by that of the state.
        self._events = [
            examine(event, every, number, digest, exact=exact) for event in value["events"]
        ]

    def __iter__(self) -> Iterator[Step]:
        """Yield the number of each step, what it is about, and the check."""
        yield 1, "record", self._check_record
        yield 2, "number", self._check_number
        yield 3, "aliases", self._check_aliases
        receipts = [payload.get("receipt") for payload in self._payloads(RECORD_CREATED)]
        for receipt in receipts:
            yield 4, "receipt", partial(self._check_receipt, receipt)
        if not receipts:
            yield 4, "receipt", _no_receipt
        for index, examined in enumerate(self._events):
            yield 5, f"event {index}", partial(self._check_event, examined)
        for listed in self._listed_keys:
            if listed.rotation is not None:
                what = f"rotation to {listed.key.fingerprint}"
                yield 5, what, partial(self._check_rotation, listed)
            if listed.compromise is not None:
                what = f"compromise of {listed.key.fingerprint}"
                yield 5, what, partial(self._check_compromise, listed)
        yield from self._snapshots()
        yield 7, "state", self._check_state
        yield 8, "bundle", self._check_bundle

    def _snapshots(self) -> Iterator[Step]:
        for payload in self._payloads(GRAPH_SNAPSHOT):
            graph = payload.get("graph_snapshot")
            for name, table in graph.items() if type(graph) is dict else ():
                if type(table) is dict and HASH in table:
                    yield 6, f"snapshot {name}", partial(_check_snapshot, table)

    def _payloads(self, event_type: str) -> list[dict[str, Any]]:
        return [
            value["payload"]
            for value in self._value["events"]
            if value.get("event_type") == event_type and type(value.get("payload")) is dict
        ]

    def _check_record(self) -> Result:
        stated, computed = self._value["canonical_sha256"], self._digest.hex()
        if stated != computed:
            raise HashError(f"canonical_sha256 is {stated}, computed {computed}")
        return "proved", f"the canonical record has SHA-256 {computed}", None

    def _check_number(self) -> Result:
        value, record, computed = self._value, self._record, self._number
        if value["pith_number"] != computed:
            raise SubjectError(
                f"canonical_record has number {computed}, want {value['pith_number']!r}"
            )
        short = parse_pith_number(computed).short
        if value["short_pith_number"] != short:
            raise SubjectError(
                f"short_pith_number is {shown(value['short_pith_number'])}, want {short!r}"
            )
        if canonical_exact(value["source"]) != canonical_exact(record["source"]):
            raise SubjectError("source is not the canonical record's")
        return "proved", f"{computed} is computed from the canonical record", None

    def _check_aliases(self) -> Result:
        stated = self._value["source_aliases"]
        found = [(each["alias_kind"], each["alias_value"]) for each in stated]
        suffix = parse_pith_number(self._number).suffix
        want = sorted(alias_names(self._record, suffix).items())
        if found != want:
            raise SubjectError(f"source_aliases are {shown(found)}, want {shown(want)}")
        return "proved", "every alias is computed from the canonical record", None

    def _check_receipt(self, receipt: Any) -> Result:
        signature = check_receipt(receipt, self._digest)
        fingerprint = signature.fingerprint
        signature.verify(self._digest, find(self._ring, fingerprint))
        return "proved", f"key {fingerprint} signed the canonical record", fingerprint

    def _check_event(self, examined: Examined) -> Result:
        event = judge(examined, self._ring)
        fingerprint = event.signer.fingerprint
        sentence = f"key {fingerprint} signed {event.event_type} {event.event_id}"
        return "proved", sentence, fingerprint

    def _check_rotation(self, listed: ListedKey) -> Result:
        event = open_rotation(listed, self._ring)
        older, newer = event.signer.fingerprint, listed.key.fingerprint
        return "proved", f"key {older} said that key {newer} takes its place", older

    def _check_compromise(self, listed: ListedKey) -> Result:
        # Of a key's events, the one who signs the bundle says which count: nobody else may.
        signer = self._signature.fingerprint
        event = open_compromise(listed, {signer: find(self._ring, signer)})
        since = event.value["payload"]["since_index"]
        sentence = (
            f"key {signer} said that key {listed.key.fingerprint} may be in other hands since entry"
            f" {since}; events by it that do not count: {len(listed.disowned)}"
        )
        return "proved", sentence, signer

    def _check_state(self) -> Result:
        stated = self._value["state"]
        # A state is what the events say to one who allows the keys listed, no more and no fewer.
        listed, ring = self._listed, self._ring
        members = {name: stated[name] for name in stated if name != "state_sha256"}
        content = self._canonical(members)
        is_whole = stated.get("state_sha256") == sha256(content).hexdigest()
        trusted = {name: key for name, key in listed.items() if name in ring}
        if is_whole and self._canonical(self._merged(trusted)) == content:
            return "proved", f"the state is the merge of the {len(self._events)} events", None
        if is_whole and self._canonical(self._merged(listed)) == content:
            others = ", ".join(sorted(listed.keys() - ring.keys()))
            raise UnknownKeyError(f"the state counts events by {others}, not among the keys given")
        raise HashError(
            f"state with state_sha256 {shown(stated.get('state_sha256'))} "
            "is not the merge of the events"
        )

    def _merged(self, keys: Ring) -> dict[str, Any]:
        return merge_examined(
            self._value["pith_number"],
            self._record,
            self._value["source_aliases"],
            self._events,
            keys,
            rotations=list(self._rotations()),
            disowned=disowned_by(self._listed_keys),
        )

    def _rotations(self) -> Iterator[Event]:
        """Yield the rotations that hold, whoever is trusted: those that do not fail in step 5."""
        for listed in self._listed_keys:
            if listed.rotation is not None:
                try:
                    yield open_rotation(listed, self._listed)
                except TranslogError:
                    continue

    def _check_bundle(self) -> Result:
        stated = self._value["bundle_signature"]["bundle_sha256"]
        if stated != self._content_sha256.hex():
            raise HashError(f"bundle_sha256 is {stated}, computed {self._content_sha256.hex()}")
        fingerprint = self._signature.fingerprint
        self._signature.verify(self._content_sha256, find(self._ring, fingerprint))
        return "proved", f"key {fingerprint} signed the whole bundle", fingerprint


def _no_receipt() -> Result:
    return "not-checkable", "no event creates the record", None


def _check_snapshot(table: Mapping[str, Any]) -> Result:
    count = check_table(table)
    if count is None:
        return "not-checkable", "the bundle does not hold all the rows that were hashed", None
    return "proved", f"the {count} rows have the SHA-256 stated", None
