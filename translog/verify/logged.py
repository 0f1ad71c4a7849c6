"""Check events, proofs that they were logged, and checkpoints. Spec: c2sp.org/tlog-proof."""

from translog.errors import (
    InclusionError,
    MalformedError,
    SignatureError,
    UnknownKeyError,
    VerificationError,
)
from translog.formats.cosigned import CosignedCheckpoint
from translog.formats.entry import Entry
from translog.formats.keys import key_sha256
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.proof import TlogProof
from translog.formats.tree import verify_inclusion
from translog.pith import event as pith_event
from translog.pith.key import find
from translog.pith.receipt import verify_receipt
from translog.verify.findings import Finding, Trust, failed, not_shown, proved
from translog.verify.witnessed import check_witnesses


def check_event(raw: bytes, trust: Trust, proof: bytes | None) -> list[Finding]:
    """Check an event, and that it was logged, where there is a proof.

    Raises:
        TranslogError: it is not an event, or not the one whose hash it states.
    """
    event = pith_event.parse(raw)
    found = [
        proved("event-hash", f"the content has the SHA-256 that its id states, {event.event_id}"),
        _subject(event),
    ]
    if event.event_type == pith_event.RECORD_CREATED and found[-1].status == "proved":
        found.append(_receipt(event, trust))
    signature, key = _signature(event, trust)
    found += [signature, _times(event, signed=key is not None)]
    if proof is None:
        without = "that the event is in any log: no proof was given with it"
        return [*found, not_shown("inclusion", without)]
    if key is None:
        unknown = "that the event is in a log: an entry is computed from a signature that is proved"
        return [*found, not_shown("inclusion", unknown)]
    return [*found, *_logged(event, key, proof, trust)]


def check_alone(raw: bytes, trust: Trust) -> list[Finding]:
    """Check a proof without its event: only the checkpoint in it can be.

    Raises:
        TranslogError: it is not a proof.
    """
    proof = TlogProof.parse(raw)
    return [
        *check_checkpoint(proof.checkpoint, trust),
        not_shown(
            "inclusion",
            f"what entry {proof.index} is: give the event together with its proof",
        ),
    ]


def check_checkpoint(raw: bytes, trust: Trust) -> list[Finding]:
    """Check that a log that is trusted has signed a checkpoint."""
    finding, checkpoint = _checkpoint(raw, trust)
    if checkpoint is None:
        return [finding]
    return [
        finding,
        not_shown(
            "consistency", "that the log shows everybody this tree: only an audit compares two"
        ),
        check_witnesses(checkpoint, trust.policy),
    ]


def _logged(event: pith_event.Event, public_key: bytes, raw: bytes, trust: Trust) -> list[Finding]:
    """Check a proof in the order of the specification's four steps."""
    # 1. The leaf hash, from the event and the key that is trusted: nothing of it is in the proof.
    leaf = leaf_of(event, public_key)
    # 2. The origin, and the log's signature.
    try:
        proof = TlogProof.parse(raw)
    except MalformedError as error:
        return [failed("proof", error)]
    finding, checkpoint = _checkpoint(proof.checkpoint, trust)
    if checkpoint is None:
        return [finding]
    # 3. Cosignatures. 4. Inclusion.
    witnesses = check_witnesses(checkpoint, trust.policy)
    try:
        verify_inclusion(proof.index, checkpoint.size, leaf, proof.hashes, checkpoint.root)
    except InclusionError as error:
        return [finding, witnesses, failed("inclusion", error)]
    logged = (
        f"logged as entry {proof.index} of {checkpoint.origin}, "
        f"in its tree of {checkpoint.size} entries"
    )
    return [finding, witnesses, proved("inclusion", logged)]


def leaf_of(event: pith_event.Event, public_key: bytes) -> Hash:
    """Return the hash of the leaf that a log makes of an event signed by this key."""
    entry = Entry(
        content_sha256=event.content_sha256,
        key_sha256=key_sha256(public_key),
        signature=event.signature,
    )
    return leaf_hash(entry.encode())


def _checkpoint(raw: bytes, trust: Trust) -> tuple[Finding, CosignedCheckpoint | None]:
    try:
        checkpoint = trust.open_checkpoint(raw)
    except (MalformedError, SignatureError, UnknownKeyError) as error:
        return failed("checkpoint", error), None
    sentence = (
        f"{checkpoint.origin} (key {checkpoint.log_keys[0].key_id.hex()}) signed a tree of "
        f"{checkpoint.size} entries with root {checkpoint.root.hex()}"
    )
    return proved("checkpoint", sentence), checkpoint


def _signature(event: pith_event.Event, trust: Trust) -> tuple[Finding, bytes | None]:
    name, fingerprint = "event-signature", event.signer.fingerprint
    try:
        key = find(trust.ring, fingerprint)
        pith_event.verify(event, key)
    except (SignatureError, UnknownKeyError) as error:
        return failed(name, error), None
    sentence = f"{trust.named(fingerprint)} signed this {event.event_type} about {event.subject}"
    return proved(name, sentence), key


def _times(event: pith_event.Event, *, signed: bool) -> Finding:
    whose = "its signer's word" if signed else "a claim under no signature that is proved"
    return not_shown(
        "event-time",
        f"when it was signed: created_at {event.created_at} is {whose}; signed_at "
        f"{event.signed_at} is nobody's: whoever passed the event on can have changed it",
    )


def _subject(event: pith_event.Event) -> Finding:
    try:
        pith_event.check_subject(event)
    except (MalformedError, VerificationError) as error:
        return failed("event-subject", error)
    if event.event_type == pith_event.RECORD_CREATED:
        return proved("event-subject", f"{event.subject} is computed from the record in it")
    return Finding(
        name="event-subject",
        status="not-checkable",
        sentence=f"what {event.subject} stands for: only a record_created event holds the record",
    )


def _receipt(event: pith_event.Event, trust: Trust) -> Finding:
    """Check the receipt inside a `record_created` whose shape and subject were checked."""
    payload = event.value["payload"]
    fingerprint = payload["receipt"]["public_key_fingerprint"]
    try:
        key = find(trust.ring, fingerprint)
        verify_receipt(payload["receipt"], payload["canonical_record"], key)
    except UnknownKeyError as error:
        return not_shown("receipt", f"who made the receipt: {error}", error.code)
    except SignatureError as error:
        return failed("receipt", error)
    return proved("receipt", f"{trust.named(fingerprint)} signed the canonical record")
