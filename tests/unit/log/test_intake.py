"""What is admitted, and everything that is not: each wrong thing with its own error."""

import json
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.events import (
    CREATED_AT,
    KEY,
    PITH_KEY,
    SIGNED_AT,
    SIGNER_ID,
    created,
    real_events,
    signer,
    snapshot,
)
from tests.simulators.logs import NOW, ORIGIN, new_log, raw, raws, writing
from translog.errors import (
    ForbiddenError,
    HashError,
    MalformedError,
    SignatureError,
    SubjectError,
    TooLargeError,
    TranslogError,
    UnknownKeyError,
)
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.formats.keys import SigningKey, key_sha256
from translog.log import lookup
from translog.log.intake import TOGETHER_BYTES, admit, admit_all
from translog.log.registry import Registry
from translog.pith import event as events
from translog.pith.key import PINNED, fingerprint_hex
from translog.store import database
from translog.store.bodies import Packer, from_micros, unpack
from translog.store.registry import SignerRow
from translog.testing import permitted

OTHER = SigningKey(b"o" * 32)
REGISTRY = Registry(
    origin=ORIGIN,
    version=1,
    signers={
        fingerprint_hex(KEY.public_key): SignerRow(
            PITH_KEY, SIGNER_ID, frozenset({"record_created", "graph_snapshot"}), NOW, None
        )
    },
)

Change = Callable[[dict[str, Any]], object]


def admitted(raw: bytes) -> Any:
    return admit(raw, REGISTRY, Packer())


@pytest.mark.parametrize("event", [created(1), snapshot(1)], ids=["created", "snapshot"])
def test_what_is_admitted_is_all_that_has_to_be_kept(event: dict[str, Any]) -> None:
    got = admitted(canonical(event))
    assert got.content_sha256.hex() == event["content_sha256"]
    entry = Entry.parse(got.entry)
    assert entry.content_sha256 == got.content_sha256
    assert entry.key_sha256 == key_sha256(KEY.public_key)
    content = unpack(got.body, limit=1 << 20)
    assert sha256(content).digest() == got.content_sha256
    restored = events.restore(content, entry.signature, from_micros(got.signed_at))
    assert restored == event
    assert got.prefix == lookup.of_hash(got.content_sha256)
    assert got.subject_prefix == lookup.of_subject(event["subject_pith_number"])


def test_the_form_in_which_an_event_is_sent_makes_no_difference() -> None:
    event = created(1)
    want = admitted(canonical(event))
    assert admitted(json.dumps(event, indent=3).encode()) == want
    backwards = dict(reversed(event.items()))
    assert admitted(json.dumps(backwards, ensure_ascii=True).encode()) == want


def test_the_real_events_are_admitted_by_who_allows_their_key() -> None:
    key = PINNED["pith.science"]
    name = real_events()[0]["signer"]["signer_id"]
    row = SignerRow(key, name, events.KNOWN_TYPES, NOW, None)
    theirs = Registry(origin=ORIGIN, version=1, signers={key.fingerprint: row})
    for event in real_events():
        got = admit(canonical(event), theirs, Packer())
        assert got.content_sha256.hex() == event["content_sha256"]


def signed(change: Change, key: SigningKey = KEY) -> bytes:
    """Return a `record_created` that was changed before it was signed."""
    return signed_as(created(1, key), change, key)


def signed_as(event: dict[str, Any], change: Change, key: SigningKey = KEY) -> bytes:
    """Return an event that was changed before it was signed."""
    draft = deepcopy(event)
    for name in ("signature", "content_sha256", "event_id"):
        del draft[name]
    change(draft)
    return canonical(events.sign(draft, key, SIGNED_AT))


def tampered(change: Change) -> bytes:
    """Return a `record_created` that was changed afterwards."""
    event = deepcopy(created(1))
    change(event)
    return json.dumps(event).encode()


def rehashed(change: Change) -> bytes:
    """Return one that was changed afterwards, with its hash and id put right."""
    event = deepcopy(created(1))
    change(event)
    content = {
        name: value
        for name, value in event.items()
        if name not in ("signature", "content_sha256", "event_id")
    }
    event["content_sha256"] = sha256(canonical(content)).hexdigest()
    event["event_id"] = f"sha256:{event['content_sha256']}"
    return canonical(event)


def put(*path: Any) -> Change:
    """Return a change that puts the last of `path` at the place the others lead to."""
    *steps, last, value = path

    def change(event: dict[str, Any]) -> None:
        inside: Any = event
        for step in steps:
            inside = inside[step]
        inside[last] = value

    return change


WRONG: dict[str, tuple[bytes, type[TranslogError]]] = {
    "nothing": (b"", MalformedError),
    "not JSON": (b"{", MalformedError),
    "not UTF-8": (raw(1).replace(b"registry", b"r\xffgistry"), MalformedError),
    "not an object": (b"[]", MalformedError),
    "two events": (raw(1) + raw(1), MalformedError),
    "twice the same member": (b'{"target":"x",' + canonical(created(1))[1:], MalformedError),
    "NaN": (tampered(put("payload", "x", float("nan"))), MalformedError),
    "Infinity": (tampered(put("payload", "x", float("inf"))), MalformedError),
    "a huge integer": (tampered(put("payload", "x", 2**63)), MalformedError),
    "a lone surrogate": (tampered(put("payload", "x", "\ud800")), MalformedError),
    "too deep": (b"[" * 100_000 + b"]" * 100_000, MalformedError),
    "too large": (b" " * (events.MAX_EVENT_BYTES + 1), TooLargeError),
    "a member more": (tampered(put("more", 1)), MalformedError),
    "a member less": (tampered(lambda event: event.pop("target")), MalformedError),
    "no time": (signed(put("created_at", CREATED_AT)).replace(b"T00:", b"T25:"), MalformedError),
    "another content": (tampered(put("target", "other")), HashError),
    "another hash": (tampered(put("content_sha256", "0" * 64)), HashError),
    "another id": (tampered(put("event_id", "sha256:" + "0" * 64)), HashError),
    "no id at all": (tampered(put("event_id", "7")), MalformedError),
    "another content, rehashed": (rehashed(put("target", "other")), SignatureError),
    "another signature": (
        tampered(put("signature", "signature_b64", created(2)["signature"]["signature_b64"])),
        SignatureError,
    ),
    "a short signature": (tampered(put("signature", "signature_b64", "AAAA")), MalformedError),
    "an unknown key": (canonical(created(1, OTHER)), UnknownKeyError),
    "another key that claims to be ours": (
        rehashed(
            lambda event: (
                event.update(created(1, OTHER)),
                event["signer"].update(signer(KEY)),
                event["signature"].update(public_key_fingerprint=fingerprint_hex(KEY.public_key)),
            )
        ),
        SignatureError,
    ),
    "a type not permitted": (signed(put("event_type", "correction")), ForbiddenError),
    "another name": (signed(put("signer", "signer_id", "somebody.example")), ForbiddenError),
    "no subject": (signed(put("subject_pith_number", "pith:2026:SHORT")), SubjectError),
    "another subject": (
        signed(put("subject_pith_number", "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II")),
        SubjectError,
    ),
    "the wrong year": (
        signed(lambda e: e.update(subject_pith_number="pith:2025" + e["subject_pith_number"][9:])),
        SubjectError,
    ),
    "another record": (signed(put("payload", created(2)["payload"])), SubjectError),
    "a record with another hash": (
        signed(put("payload", "canonical_sha256", "0" * 64)),
        SubjectError,
    ),
    "a payload with something missing": (
        signed(lambda event: event["payload"].pop("receipt")),
        MalformedError,
    ),
}


@pytest.mark.parametrize("extra", [None, 1], ids=["as most are", "with another member"])
def test_what_a_snapshot_supersedes_is_looked_at_when_it_is_sequenced(extra: int | None) -> None:
    def later(event: dict[str, Any]) -> None:
        event["supersedes"] = [f"sha256:{'ab' * 32}"]
        if extra is not None:
            event["payload"]["graph_snapshot"]["extra"] = extra

    special = admitted(signed_as(snapshot(1), later)).special
    assert special.replaces == (bytes.fromhex("ab" * 32),)
    assert special.signers == {key_sha256(KEY.public_key)}
    assert not special.held
    assert not special.decides
    assert admitted(canonical(snapshot(1))).special is None


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_with_its_own_error(what: str) -> None:
    sent, wanted = WRONG[what]
    with pytest.raises(wanted) as caught:
        admitted(sent)
    assert type(caught.value) is wanted


def apart(raw: bytes) -> Any:
    try:
        return admitted(raw)
    except TranslogError as error:
        return type(error), str(error)


@pytest.mark.parametrize("large", [False, True])
def test_many_are_checked_as_each_would_be_alone(large: bool) -> None:
    sent = [raw for wrong, _ in WRONG.values() for raw in (wrong, canonical(snapshot(1)))]
    if not large:
        sent = [raw for raw in sent if len(raw) < 10_000]
    assert (sum(map(len, sent)) > TOGETHER_BYTES) == large
    together = admit_all(sent, REGISTRY, Packer())
    assert [
        (type(one), str(one)) if isinstance(one, TranslogError) else one for one in together
    ] == [apart(raw) for raw in sent]
    for one in together:  # a traceback would keep every event's values alive
        assert not isinstance(one, TranslogError) or one.__traceback__ is None
    assert admit_all([], REGISTRY, Packer()) == []


def test_what_is_refused_changes_nothing(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    with closing(database.open_editor(log.database)) as db:
        permitted.allow(
            db,
            PITH_KEY,
            signer_id=SIGNER_ID,
            event_types={"record_created", "author_attestation"},
            now=NOW,
        )
        with writing(log) as writer:
            first = writer.add(raws(1))
            before = [list(db.execute(f"SELECT * FROM {t}")) for t in ("head", "leaf", "tile")]
            results = writer.add([sent for sent, _ in WRONG.values()])
            assert [type(result) for result in results] == [wanted for _, wanted in WRONG.values()]
            after = [list(db.execute(f"SELECT * FROM {t}")) for t in ("head", "leaf", "tile")]
            assert after == before
            assert writer.head.size == 1
            assert writer.add(raws(1)) == [first[0]._replace(duplicate=True)]  # type: ignore[union-attr]


def test_a_revoked_key_is_refused_before_its_signature_is_looked_at() -> None:
    (row,) = REGISTRY.signers.values()
    revoked = Registry(
        origin=ORIGIN, version=2, signers={row.key.fingerprint: row._replace(revoked_at=NOW)}
    )
    for sent in (canonical(created(1)), WRONG["another signature"][0]):
        with pytest.raises(
            ForbiddenError, match=r"was revoked at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
        ):
            admit(sent, revoked, Packer())
