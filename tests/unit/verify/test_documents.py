"""What files prove: the real bundle, events with and without proofs, checkpoints; forgeries."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators.events import KEY, SIGNED_AT, real_bundle, real_events
from tests.simulators.published import (
    LOG_KEY,
    ORIGIN,
    VERIFIER,
    PublishedLog,
    attestation_event,
    record_event,
)
from translog.formats.keys import SigningKey
from translog.formats.note import NoteSigner, Verifier
from translog.formats.policy import Policy
from translog.formats.proof import TlogProof
from translog.pith import event
from translog.pith.key import PINNED
from translog.verify.documents import check_document, recognise
from translog.verify.findings import Finding, Trust

PITH = PINNED["pith.science"].public_key
EVERYBODY = Trust(
    keys={PITH: "pith.science", KEY.public_key: "example"}, policy=Policy().trusting([VERIFIER])
)
NOBODY = Trust()

LOGGED = [
    record_event(1),
    *(attestation_event(number, 1) for number in (1, 2)),
    record_event(2),
    attestation_event(3, 2),
]
LOG = PublishedLog(LOGGED)
EVENT = json.dumps(LOGGED[3].value).encode()


def proof_of(index: int, log: PublishedLog = LOG) -> TlogProof:
    return TlogProof(
        index=index,
        hashes=tuple(log.prove(index, log.size)),
        checkpoint=log.files["checkpoint"],
    )


PROOF = proof_of(3).encode()


def statuses(found: list[Finding]) -> dict[str, str]:
    return {each.name: each.status for each in found}


def by_name(found: list[Finding], name: str) -> Finding:
    (finding,) = [each for each in found if each.name == name]
    return finding


def test_files_are_told_apart_by_what_is_in_them():
    assert recognise(real_bundle()) == "bundle"
    assert recognise(EVENT) == "event"
    assert recognise(PROOF) == "proof"
    assert recognise(LOG.files["checkpoint"]) == "checkpoint"


@pytest.mark.parametrize("raw", [b"", b"{}", b"{", b"[]", b"hello", b"\xff\x00", b"{" * 9999])
def test_what_is_none_of_them_is_a_finding_that_failed(raw):
    (found,) = check_document(raw, EVERYBODY)
    assert (found.name, found.status, found.code) == ("document", "failed", "malformed")
    assert "b'" not in found.sentence


def test_the_real_bundle_proves_all_it_can_to_who_trusts_its_key():
    found = check_document(real_bundle(), EVERYBODY)
    assert statuses(found) == {
        "bundle-record": "proved",
        "bundle-number": "proved",
        "bundle-aliases": "proved",
        "bundle-receipt": "proved",
        "bundle-event-0": "proved",
        "bundle-event-1": "proved",
        "bundle-snapshot-claims": "proved",
        "bundle-snapshot-references": "not-checkable",
        "bundle-snapshot-formal_canon": "not-checkable",
        "bundle-snapshot-author_claims": "proved",
        "bundle-state": "proved",
        "bundle-bundle": "proved",
        "log": "not-shown",
        "time": "not-shown",
    }
    whole = by_name(found, "bundle-bundle").sentence
    assert "pith.science (key 8d4b5ee74e4693bcd1df2446408b0d54) signed the whole bundle" in whole


def test_the_real_bundle_proves_no_signature_to_who_trusts_nobody():
    found = statuses(check_document(real_bundle(), NOBODY))
    assert found["bundle-record"] == "proved"
    for name in ("bundle-receipt", "bundle-event-0", "bundle-event-1", "bundle-state"):
        assert found[name] == "not-shown"
    assert found["bundle-bundle"] == "failed"
    assert by_name(check_document(real_bundle(), NOBODY), "bundle-bundle").code == "unknown-key"


def test_a_changed_bundle_fails():
    value = json.loads(real_bundle())
    value["built_at"] = "2026-05-27T00:00:00Z"
    found = by_name(check_document(json.dumps(value).encode(), EVERYBODY), "bundle-bundle")
    assert (found.status, found.code) == ("failed", "wrong-hash")


def test_an_event_with_its_proof_is_proved_to_be_logged():
    found = check_document(EVENT, EVERYBODY, proof=PROOF)
    assert statuses(found) == {
        "event-hash": "proved",
        "event-subject": "proved",
        "receipt": "proved",
        "event-signature": "proved",
        "event-time": "not-shown",
        "checkpoint": "proved",
        "witnesses": "not-shown",
        "inclusion": "proved",
    }
    sentence = by_name(found, "inclusion").sentence
    assert sentence == f"logged as entry 3 of {ORIGIN}, in its tree of 5 entries"
    signed = by_name(found, "event-signature").sentence
    assert signed.startswith("example (key ")
    assert f"signed this record_created about {LOGGED[3].subject}" in signed
    assert VERIFIER.key_id.hex() in by_name(found, "checkpoint").sentence


def test_the_time_that_is_not_signed_is_said_to_be_nobodys_word():
    value = json.loads(EVENT)
    value["signature"]["signed_at"] = "2001-01-01T00:00:00.000000Z"
    found = check_document(json.dumps(value).encode(), EVERYBODY, proof=PROOF)
    assert by_name(found, "event-signature").status == "proved"
    assert by_name(found, "inclusion").status == "proved"
    time = by_name(found, "event-time")
    assert time.status == "not-shown"
    assert f"created_at {value['created_at']} is its signer's word;" in time.sentence
    assert "signed_at 2001-01-01T00:00:00.000000Z is nobody's: whoever passed" in time.sentence
    unproved = by_name(check_document(EVENT, NOBODY), "event-time").sentence
    assert "is a claim under no signature that is proved;" in unproved


def test_the_real_events_are_proved_with_the_pinned_key():
    for value in real_events():
        found = check_document(json.dumps(value).encode(), EVERYBODY)
        assert by_name(found, "event-signature").status == "proved"
        assert by_name(found, "inclusion").status == "not-shown"


def test_what_only_a_record_can_tell_is_not_checkable():
    found = check_document(
        json.dumps(LOGGED[1].value).encode(), EVERYBODY, proof=proof_of(1).encode()
    )
    assert by_name(found, "event-subject").status == "not-checkable"
    assert by_name(found, "inclusion").status == "proved"


def test_every_part_of_a_proof_made_wrong_in_turn_fails():
    good = proof_of(3)
    other = SigningKey(bytes([8]) * 32)
    elsewhere = PublishedLog(LOGGED, origin="example.com/other")
    impostor = PublishedLog(LOGGED, key=other)
    smaller = LOG.checkpoint(4)
    wrong = {
        "index": (TlogProof(index=2, hashes=good.hashes, checkpoint=good.checkpoint), "inclusion"),
        "beyond": (TlogProof(index=5, hashes=good.hashes, checkpoint=good.checkpoint), "inclusion"),
        "short": (
            TlogProof(index=3, hashes=good.hashes[1:], checkpoint=good.checkpoint),
            "inclusion",
        ),
        "order": (
            TlogProof(index=3, hashes=good.hashes[::-1], checkpoint=good.checkpoint),
            "inclusion",
        ),
        "size": (TlogProof(index=3, hashes=good.hashes, checkpoint=smaller), "inclusion"),
        "origin": (proof_of(3, elsewhere), "checkpoint"),
        "key": (proof_of(3, impostor), "checkpoint"),
        "note": (TlogProof(index=3, hashes=good.hashes, checkpoint=b"x\n"), "checkpoint"),
    }
    for what, (proof, name) in wrong.items():
        found = check_document(EVENT, EVERYBODY, proof=proof.encode())
        assert by_name(found, name).status == "failed", what
        assert by_name(found, name).code, what
        assert statuses(found).get("inclusion") != "proved", what
    assert by_name(check_document(EVENT, EVERYBODY, proof=b"?"), "proof").code == "malformed"


def test_the_proof_of_another_event_fails():
    found = check_document(EVENT, EVERYBODY, proof=proof_of(0).encode())
    assert by_name(found, "inclusion").code == "not-included"


def test_without_a_key_for_the_signer_nothing_is_said_about_the_log():
    trust = Trust(keys={PITH: "pith.science"}, policy=Policy().trusting([VERIFIER]))
    found = check_document(EVENT, trust, proof=PROOF)
    assert by_name(found, "event-signature").code == "unknown-key"
    assert by_name(found, "receipt").status == "not-shown"
    assert by_name(found, "inclusion").status == "not-shown"


def test_without_a_key_for_the_log_the_checkpoint_fails():
    found = check_document(EVENT, Trust(keys=EVERYBODY.keys), proof=PROOF)
    assert by_name(found, "checkpoint").code == "unknown-key"
    assert "inclusion" not in statuses(found)


def test_any_of_several_keys_of_one_log_will_do():
    older = NoteSigner(name=ORIGIN, key=SigningKey(bytes([8]) * 32)).verifier
    for logs in ((older, VERIFIER), (VERIFIER, older)):
        found = check_document(
            EVENT, Trust(keys=EVERYBODY.keys, policy=Policy().trusting(logs)), proof=PROOF
        )
        assert by_name(found, "inclusion").status == "proved"
    alias = Verifier(name="example.com/other", public_key=LOG_KEY.public_key)
    found = check_document(
        EVENT, Trust(keys=EVERYBODY.keys, policy=Policy().trusting([alias])), proof=PROOF
    )
    assert by_name(found, "checkpoint").code == "unknown-key"


def test_a_forged_signature_fails_and_is_in_no_log():
    value = json.loads(EVENT)
    other = json.loads(json.dumps(LOGGED[0].value))
    value["signature"]["signature_b64"] = other["signature"]["signature_b64"]
    event.parse(json.dumps(value).encode())  # well-formed
    found = check_document(json.dumps(value).encode(), EVERYBODY, proof=PROOF)
    assert by_name(found, "event-signature").code == "wrong-signature"
    assert by_name(found, "inclusion").status == "not-shown"


def test_a_changed_event_fails():
    value = json.loads(EVENT)
    value["created_at"] = "2026-06-02T00:00:00Z"
    (found,) = check_document(json.dumps(value).encode(), EVERYBODY, proof=PROOF)
    assert (found.status, found.code) == ("failed", "wrong-hash")


def resigned(**changes: object) -> bytes:
    """Return the logged event with changed members, signed again."""
    members = {name: LOGGED[3].value[name] for name in event._CONTENT}
    return json.dumps(event.sign({**members, **changes}, KEY, SIGNED_AT)).encode()


def test_an_event_about_another_record_fails():
    found = check_document(resigned(subject_pith_number=LOGGED[0].subject), EVERYBODY)
    assert by_name(found, "event-subject").code == "wrong-subject"
    assert "receipt" not in statuses(found)


def test_a_receipt_that_is_not_signed_by_its_key_fails():
    payload = json.loads(json.dumps(LOGGED[3].value["payload"]))
    other = LOGGED[0].value["payload"]["receipt"]
    payload["receipt"]["signature_b64"] = other["signature_b64"]
    found = check_document(resigned(payload=payload), EVERYBODY)
    assert by_name(found, "receipt").code == "wrong-signature"
    assert by_name(found, "event-signature").status == "proved"


def test_a_checkpoint_or_a_proof_alone_proves_what_the_log_signed():
    assert statuses(check_document(LOG.files["checkpoint"], EVERYBODY)) == {
        "checkpoint": "proved",
        "consistency": "not-shown",
        "witnesses": "not-shown",
    }
    alone = check_document(PROOF, EVERYBODY)
    assert statuses(alone)["inclusion"] == "not-shown"
    assert statuses(alone)["checkpoint"] == "proved"
    assert statuses(check_document(LOG.files["checkpoint"], NOBODY)) == {"checkpoint": "failed"}


def test_only_an_event_has_a_proof():
    for raw in (real_bundle(), PROOF, LOG.files["checkpoint"]):
        (found,) = check_document(raw, EVERYBODY, proof=PROOF)
        assert found.status == "failed"
        assert "want it with an event" in found.sentence


def test_findings_have_a_form_for_programs():
    (found,) = check_document(b"", EVERYBODY)
    assert json.loads(json.dumps(found.to_json())) == {
        "name": "document",
        "status": "failed",
        "code": "malformed",
        "sentence": found.sentence,
    }


@given(st.binary() | st.text().map(str.encode), st.none() | st.binary())
def test_random_bytes_are_findings_and_never_proved(raw, proof):
    for start in (b"", b"{", b"c2sp.org/tlog-proof@v1\n", b"x\n\n\xe2\x80\x94 "):
        found = check_document(start + raw, EVERYBODY, proof=proof)
        assert found
        assert "proved" not in statuses(found).values()


@given(st.binary(max_size=300))
def test_a_random_proof_never_proves(raw):
    found = check_document(EVENT, EVERYBODY, proof=raw)
    assert statuses(found).get("inclusion") != "proved"
