"""Checks what a bundle shows of when its events existed: docs/formats/timestamps.md, "In bundles".

Each proof is followed from the event to the block: file, path through the log's tree, tip,
attestation, header, grade. Beacons show the other side: after which block an event was logged.
Headers come from the caller's sources; those in the bundle are somebody's word, and shown as that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from translog.bitcoin.anchor import tip
from translog.bitcoin.block_time import utc, verify_known
from translog.bitcoin.grade import UNCHECKED, GradedHeader, HeaderSource
from translog.bitcoin.header import Header
from translog.bitcoin.network import Network, network_named
from translog.bitcoin.ots import TimestampFile
from translog.errors import (
    HashError,
    HeaderError,
    InclusionError,
    MalformedError,
    MissingError,
    TranslogError,
    UnavailableError,
    UnknownKeyError,
    VerificationError,
)
from translog.formats.checkpoint import Checkpoint
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.formats.merkle import leaf_hash
from translog.formats.note import Note
from translog.formats.proof import TlogProof
from translog.formats.strict import shown
from translog.formats.tree import verify_inclusion
from translog.pith import event as events
from translog.pith import timestamp_proof
from translog.pith.bundle import Bundle
from translog.pith.event import Event
from translog.pith.key import find, keyring
from translog.pith.kinds import time_beacon
from translog.pith.timestamp_proof import MAX_PROVED, Beacon, BeaconProof, Place, TimestampProof
from translog.store import builtin
from translog.verify.findings import Finding, failed, not_shown, proved
from translog.verify.timestamps import check_timestamp

MAX_BLOCKS = 2 * MAX_PROVED  # that a source is asked for: a block of each event, and of its beacon
Ring = Mapping[str, bytes]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stated:
    """The headers that stand beside a proof, as a source: nobody vouches for them."""

    network: Network
    blocks: Mapping[int, bytes]

    def tip(self) -> int:
        return 0  # they are no chain: nothing here tells how deep a block is

    def header(self, height: int) -> GradedHeader:
        if height not in self.blocks:
            raise MissingError(f"the proof states no block {height}")
        header = Header(self.blocks[height])
        return GradedHeader(header=header, height=height, grade=UNCHECKED)


class Remembered:
    """A source that is asked for each block once, and for no more than MAX_BLOCKS: events of one
    bundle lie in few blocks, and whoever made it could name any number."""

    def __init__(self, source: HeaderSource) -> None:
        self._source = source
        self._known: dict[int, GradedHeader | TranslogError] = {}
        self._tip: int | TranslogError | None = None

    @property
    def network(self) -> Network:
        return self._source.network

    def tip(self) -> int:
        if self._tip is None:
            self._tip = _outcome(self._source.tip)
        return _told(self._tip)

    def header(self, height: int) -> GradedHeader:
        if height not in self._known:
            if len(self._known) >= MAX_BLOCKS:
                raise UnavailableError(f"the bundle names more than {MAX_BLOCKS} blocks")
            self._known[height] = _outcome(lambda: self._source.header(height))
        return _told(self._known[height])


def _outcome(ask: Callable[[], T]) -> T | TranslogError:
    try:
        return ask()
    except TranslogError as error:
        return error


def _told(outcome: T | TranslogError) -> T:
    if isinstance(outcome, TranslogError):
        raise outcome
    return outcome


def check_times(bundle: Bundle, sources: Sequence[HeaderSource]) -> list[Finding]:
    """Check every timestamp proof in a bundle.

    Args:
        sources: where headers come from, the best first.

    Returns:
        At least one finding. Bad proofs raise nothing: they are findings that have failed.
    """
    proofs: list[TimestampProof] = []
    beacons: list[BeaconProof] = []
    found: list[Finding] = []
    for value in bundle.value["timestamp_proofs"]:
        try:
            proof = timestamp_proof.parse(value)
        except (MalformedError, VerificationError) as error:
            found.append(failed("timestamp-proof", error))
            continue
        if isinstance(proof, TimestampProof):
            proofs.append(proof)
        elif isinstance(proof, BeaconProof):
            beacons.append(proof)
        else:
            sentence = f"a timestamp proof of type {shown(value.get('proof_type'))}"
            found.append(Finding(name="time", status="not-checkable", sentence=sentence))
    checker = _Checker(bundle, beacons, [Remembered(source) for source in sources])
    for proof in proofs:
        found += checker.check(proof)
    return found + checker.missing()


class _Checker:
    """What is needed to check one proof of a bundle after the other."""

    def __init__(
        self, bundle: Bundle, beacons: Sequence[BeaconProof], sources: Sequence[HeaderSource]
    ) -> None:
        self._ring: Ring = keyring(key.public_key for key in bundle.public_keys)
        self._beacons = beacons
        self._sources = sources
        self._events: dict[str, tuple[int, Event]] = {}
        self._timed: set[str] = set()
        for number, value in enumerate(bundle.events):
            try:
                event = events.from_value(value)
            except (MalformedError, VerificationError):
                continue  # bundle step 5 says so
            self._events.setdefault(event.event_id, (number, event))

    def check(self, proof: TimestampProof) -> list[Finding]:
        """Follow one proof from the event to the block, and back to the last beacon."""
        try:
            if proof.event_id not in self._events:
                raise MissingError(f"timestamp proof of {proof.event_id}: it is not in the bundle")
            number, event = self._events[proof.event_id]
            what = f"event {number} ({event.event_type})"
            message = _verify_place(proof.place, event, self._key(event))
            stamp = TimestampFile.parse(proof.ots)
            if stamp.algorithm != "sha256" or stamp.digest != event.content_sha256:
                raise HashError(f"timestamp proof of {what}: its file is about something else")
            attested = stamp.timestamp.after(message)
        except (MalformedError, VerificationError, MissingError, UnknownKeyError) as error:
            return [failed("timestamp-proof", error)]
        self._timed.add(proof.event_id)
        network = network_named(proof.network)
        sources = [source for source in self._sources if source.network == network]
        found = check_timestamp(attested, what, [*sources, Stated(network, dict(proof.blocks))])
        if proof.not_before is not None:
            found.append(self._check_beacon(proof, proof.not_before, what, sources))
        return found

    def missing(self) -> list[Finding]:
        """Say of which events nothing shows how old they are."""
        count = len(self._events) - len(self._timed & self._events.keys())
        if not count:
            return []
        sentence = f"when {count} of its {len(self._events)} events existed: no proof is about them"
        return [not_shown("time", sentence)]

    def _key(self, event: Event) -> bytes:
        # Whether the key is to be trusted is not the question here: with another, the entry is not
        # the one in the tree.
        return find(self._ring, event.signer.fingerprint)

    def _check_beacon(
        self, proof: TimestampProof, named: Beacon, what: str, sources: Sequence[HeaderSource]
    ) -> Finding:
        name = "not-before"
        try:
            beacon, header = self._find_beacon(proof, named)
        except (MalformedError, VerificationError, MissingError, UnknownKeyError) as error:
            return failed(name, error)
        reasons: list[TranslogError] = []
        for source in sources:
            try:
                known = source.header(named.height)
                checkpoints = builtin.checkpoints_of(source.network)
                verify_known(known, named.height, source.network, checkpoints)
            except (MissingError, UnavailableError) as error:
                reasons.append(error)
                continue
            except (MalformedError, VerificationError) as error:
                return failed(name, error)
            if known.header != header:
                return failed(name, HeaderError(f"beacon names another block {named.height}"))
            return _logged_after(what, proof, beacon, known, source.network)
        because = f"; {reasons[-1]}" if reasons else ""
        sentence = (
            f"that {what} was logged after block {named.height}: its header is not known here"
        )
        return not_shown(name, sentence + because)

    def _find_beacon(self, proof: TimestampProof, named: Beacon) -> tuple[BeaconProof, Header]:
        """Return the beacon that names this block, under the same tree head, before the event."""
        for beacon in self._beacons:
            place, event = beacon.place, beacon.event
            same = (place.origin, place.size, place.root_hash) == (
                proof.place.origin,
                proof.place.size,
                proof.place.root_hash,
            )
            payload = event.get("payload")
            if not same or type(payload) is not dict or place.index >= proof.place.index:
                continue
            if payload.get("block_hash") == named.block_hash:
                return beacon, self._verify_beacon(beacon, proof.network, named)
        raise MissingError(
            f"not_before names block {named.height}, and no beacon before entry"
            f" {proof.place.index} in the same tree does"
        )

    def _verify_beacon(self, beacon: BeaconProof, network: str, named: Beacon) -> Header:
        event = events.from_value(beacon.event)
        if event.event_type != events.TIME_BEACON or event.subject != beacon.place.origin:
            raise VerificationError(f"beacon is {event.event_type} about {shown(event.subject)}")
        payload = event.value["payload"]
        time_beacon.check(payload, event.subject, event.signer.fingerprint)
        if (payload["network"], payload["height"]) != (network, named.height):
            raise VerificationError(
                f"beacon names block {payload['height']} of {payload['network']}, want"
                f" {named.height} of {network}"
            )
        _verify_place(beacon.place, event, self._key(event))
        return Header(bytes.fromhex(payload["header_hex"]))


def _verify_place(place: Place, event: Event, public_key: bytes) -> bytes:
    """Check that an event is where it is said to be, and return the tip of that tree head.

    The checkpoint's signature is not looked at: what is timestamped is the tree it names.
    """
    try:
        tlog_proof = TlogProof.parse(place.tlog_proof.encode())
        checkpoint = Checkpoint.parse(Note.parse(tlog_proof.checkpoint).text)
    except UnicodeEncodeError as error:
        raise MalformedError("tlog_proof is not text") from error
    stated = (place.origin, place.index, place.size, place.root_hash)
    found = (checkpoint.origin, tlog_proof.index, checkpoint.size, checkpoint.root.hex())
    if stated != found:
        raise InclusionError(
            f"tlog_proof is of {shown(found)}, and {shown(stated)} stands beside it"
        )
    entry = Entry(event.content_sha256, key_sha256(public_key), event.signature)
    leaf = leaf_hash(entry.encode())
    verify_inclusion(place.index, checkpoint.size, leaf, tlog_proof.hashes, checkpoint.root)
    return tip(checkpoint, tlog_proof.checkpoint)


def _logged_after(
    what: str, proof: TimestampProof, beacon: BeaconProof, known: GradedHeader, network: Network
) -> Finding:
    sentence = (
        f"{what} was logged after {utc(known.header.time)} (block {known.height}, {known.grade}):"
        f" entry {beacon.place.index} of {beacon.place.origin} names the block, and this is entry"
        f" {proof.place.index}"
    )
    if network.proves and known.grade.verified:
        return proved("not-before", sentence)
    doubt = f"{network} proves nothing; there, " if not network.proves else "if nobody lies, "
    return not_shown("not-before", doubt + sentence)
