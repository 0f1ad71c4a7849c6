"""State files: what is written is read again, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators.published import LOG_KEY, ORIGIN, VERIFIER, PublishedLog, small_events
from translog.errors import MalformedError, SignatureError, TooLargeError, TranslogError
from translog.formats.keys import SigningKey
from translog.formats.note import NoteSigner, Verifier
from translog.formats.policy import believing
from translog.verify.auditor import audit
from translog.verify.state import AuditState

STATE = audit(PublishedLog(small_events(300)).get, believing(VERIFIER), workers=1)
RAW = STATE.to_json()
VALUE = json.loads(RAW)


def written(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def test_what_is_written_is_read_again():
    assert AuditState.from_json(RAW, believing(VERIFIER)).to_json() == RAW == written(VALUE)
    empty = audit(PublishedLog().get, believing(VERIFIER)).to_json()
    assert AuditState.from_json(empty, believing(VERIFIER)).to_json() == empty


WRONG = [
    {},
    [],
    None,
    1,
    {**VALUE, "more": 1},
    {name: VALUE[name] for name in VALUE if name != "depth"},
    {**VALUE, "format": "translog-audit-state/v1"},
    {**VALUE, "size": 301},
    {**VALUE, "size": 299},
    {**VALUE, "size": 512, "edge": VALUE["edge"][:1]},
    {**VALUE, "size": 256, "edge": [VALUE["edge"][0][:-2]]},
    {**VALUE, "size": -300},
    {**VALUE, "size": 300.0},
    {**VALUE, "size": True},
    {**VALUE, "size": "300"},
    {**VALUE, "depth": "bodies"},
    {**VALUE, "depth": None},
    {**VALUE, "depth": ["events"]},
    {**VALUE, "edge": VALUE["edge"][:-1]},
    {**VALUE, "edge": [*VALUE["edge"], VALUE["edge"][0]]},
    {**VALUE, "edge": VALUE["edge"][::-1]},
    {**VALUE, "edge": None},
    {**VALUE, "edge": [1, 2, 3, 4]},
    {**VALUE, "edge": [text[:-2] for text in VALUE["edge"]]},
    {**VALUE, "edge": [text.upper() for text in VALUE["edge"]]},
    {**VALUE, "edge": [" " + text[1:] for text in VALUE["edge"]]},
    {**VALUE, "edge": ["z" * 64 for _ in VALUE["edge"]]},
    {**VALUE, "edge": ["٣" * 64 for _ in VALUE["edge"]]},
    {**VALUE, "checkpoint": 1},
    {**VALUE, "checkpoint": ""},
]


@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_any_other_state_is_refused(value):
    with pytest.raises(MalformedError):
        AuditState.from_json(written(value), believing(VERIFIER))


def test_a_state_before_its_checkpoint_needs_no_root_but_as_many_hashes():
    early = {**VALUE, "size": 256, "edge": VALUE["edge"][:1]}
    assert not AuditState.from_json(written(early), believing(VERIFIER)).complete
    with pytest.raises(MalformedError, match="want 1 hashes"):
        AuditState.from_json(written({**early, "edge": VALUE["edge"]}), believing(VERIFIER))


def test_a_refusal_says_what_was_wanted():
    with pytest.raises(MalformedError, match="is not a translog-audit-state/v2"):
        AuditState.from_json(written({**VALUE, "format": "x"}), believing(VERIFIER))


def test_other_spellings_are_refused():
    for raw in (RAW[:-1], RAW + b"\n", json.dumps(VALUE).encode(), b"", b"\xff", RAW[:40]):
        with pytest.raises(MalformedError):
            AuditState.from_json(raw, believing(VERIFIER))
    with pytest.raises(TooLargeError):
        AuditState.from_json(RAW + b" " * 3_000_000, believing(VERIFIER))


def test_the_state_of_another_log_is_refused():
    other_key = NoteSigner(name=ORIGIN, key=SigningKey(bytes([8]) * 32)).verifier
    other_log = Verifier(name="example.com/other", public_key=LOG_KEY.public_key)
    for verifier in (other_key, other_log):
        with pytest.raises(SignatureError):
            AuditState.from_json(RAW, believing(verifier))


@given(st.binary() | st.text().map(str.encode))
def test_random_bytes_raise_nothing_but_refusals(raw):
    with pytest.raises(MalformedError):
        AuditState.from_json(raw, believing(VERIFIER))


@given(st.integers(0, len(RAW) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_is_in_another_state(at, bit):
    flipped = bytearray(RAW)
    flipped[at] ^= 1 << bit
    with pytest.raises(TranslogError):
        AuditState.from_json(bytes(flipped), believing(VERIFIER))
