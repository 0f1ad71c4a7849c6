"""Evidence: what is edited, cut short or shown to the wrong key proves nothing."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translog.errors import (
    MalformedError,
    TooLargeError,
    TranslogError,
    UnknownKeyError,
    VerificationError,
)
from translog.formats.canonical import canonical
from translog.formats.cosignature import CosigningKey
from translog.formats.keys import SigningKey
from translog.formats.mldsa import SigningKey as MldsaKey
from translog.formats.note import NoteSigner, Verifier
from translog.formats.policy import LogKey, believing, parse_log_key
from translog.pith.bundle import MAX_BUNDLE_BYTES
from translog.testing.events import signing_key
from translog.testing.published import LOG_KEY, Published
from translog.verify.claims import in_words
from translog.verify.claims_bundles import DroppedEvent
from translog.verify.claims_heads import InconsistentCheckpoints
from translog.verify.evidence import MAX_EVIDENCE_BYTES, Evidence
from translog.verify.findings import Trust

DATA = Path(__file__).parents[2] / "data" / "evidence.json"
CASES = {case["name"]: case for case in json.loads(DATA.read_text())["cases"]}
PROOFS = [name for name, case in CASES.items() if case["grade"] == "proof"]
GOOD = [name for name, case in CASES.items() if case["grade"]]
# What no signature covers: a proof is as good without it.
UNSIGNED = ("found_at", "signed_at")


def trust(*keys: str) -> Trust:
    logs = [parse_log_key(key) for key in keys if "+" in key]
    signers = [bytes.fromhex(key) for key in keys if "+" not in key]
    public = [*signers, *(log.public_key for log in logs)]
    return Trust(keys=dict.fromkeys(public, "the accused"), policy=believing(*logs))


def raw(name: str) -> bytes:
    return CASES[name]["file"].encode()


def accused(name: str) -> Trust:
    return trust(*CASES[name]["keys"])


def grade(content: bytes, keys: Trust) -> str | None:
    """Return the grade of a file, or None where it shows nothing."""
    try:
        return Evidence.parse(content).check(keys).grade
    except (MalformedError, VerificationError, UnknownKeyError):
        return None


@pytest.mark.parametrize("name", GOOD)
def test_what_is_written_is_read_again(name):
    assert Evidence.parse(raw(name)).encode() == raw(name)
    assert Evidence.make(Evidence.parse(raw(name)).claim, accused(name)).encode() == raw(name)


@pytest.mark.parametrize("name", PROOFS)
def test_an_edited_proof_proves_nothing(name):
    random_ = random.Random(name)
    value = json.loads(raw(name))
    edited = [changed for changed in edits(value, random_) if canonical(changed) != raw(name)[:-1]]
    assert len(edited) > 5
    for changed in edited:
        assert grade(canonical(changed) + b"\n", accused(name)) is None, changed


def edits(value: Any, random_: random.Random) -> list[Any]:
    """Return the value with each of its members changed a little, one at a time."""
    if isinstance(value, dict):
        found = [
            {**value, name: changed}
            for name, member in value.items()
            if name not in UNSIGNED
            for changed in edits(member, random_)
        ]
        return found + [{key: value[key] for key in value if key != name} for name in value]
    if isinstance(value, list):
        return [
            [*value[:at], changed, *value[at + 1 :]]
            for at, member in enumerate(value)
            for changed in edits(member, random_)
        ] + [[*value, *value[:1]], value[1:]] * bool(value)
    if isinstance(value, str) and value:
        at = random_.randrange(len(value))
        letter = random_.choice([each for each in "0123456789abcdef" if each != value[at]])
        return [value[:at] + letter + value[at + 1 :], value[:-1], ""]
    if isinstance(value, int):
        return [value + 1]
    return ["", 1] if value is None else []


@pytest.mark.parametrize("name", GOOD)
def test_the_keys_of_others_are_not_accused(name):
    other = NoteSigner(name="example.com/log", key=signing_key("stranger")).verifier.vkey
    stranger = signing_key("stranger").public_key.hex()
    for keys in ((), (other,), (stranger,), (other, stranger)):
        with pytest.raises(UnknownKeyError, match="which is not among those given"):
            Evidence.parse(raw(name)).check(trust(*keys))
    more = trust(*CASES[name]["keys"], other, stranger)
    assert Evidence.parse(raw(name)).check(more).grade == CASES[name]["grade"]


def test_nobody_is_accused_who_signed_nothing():
    value = json.loads(raw("two roots for one size"))
    other = NoteSigner(name="example.com/log", key=signing_key("stranger")).verifier.vkey
    value["accused"] = sorted([*value["accused"], other])
    changed = Evidence.parse(canonical(value) + b"\n")
    with pytest.raises(VerificationError, match="accuses 2 keys, and 1 signed it"):
        changed.check(trust(*value["accused"]))


def test_a_log_that_changed_its_key_is_accused_with_both():
    old = Published()
    new = Published(key=SigningKey(bytes([5]) * 32))
    claim = InconsistentCheckpoints(old=old.checkpoint(0), new=new.checkpoint(0))
    both = trust(old.verifier.vkey, new.verifier.vkey)
    with pytest.raises(VerificationError):
        Evidence.make(claim, both)
    forked = InconsistentCheckpoints(old=lie(old, 1), new=lie(new, 2))
    made = Evidence.make(forked, both)
    assert made.accused == tuple(sorted([old.verifier.vkey, new.verifier.vkey]))
    with pytest.raises(UnknownKeyError):
        made.check(trust(old.verifier.vkey))
    assert made.check(both).grade == "proof"


def lie(log: Published, root: int) -> bytes:
    from translog.formats.checkpoint import Checkpoint
    from translog.formats.merkle import Hash

    return log.sign(Checkpoint(origin=log.origin, size=9, root=Hash(bytes([root]) * 32)))


def test_of_two_kinds_of_signature_one_key_is_enough_to_accuse():
    pytest.importorskip("cryptography")
    log = Published()
    quantum = CosigningKey(name=log.origin, key=MldsaKey(bytes([6]) * 32))
    keys: list[LogKey] = [Verifier.parse(log.verifier.vkey), quantum.cosigner]
    both = Trust(policy=believing(*keys))
    notes = []
    for root in (1, 2):
        note = lie(log, root)
        head = Trust(policy=believing(keys[0])).open_checkpoint(note)
        notes.append(note + str(quantum.cosign(head, 0)).encode())
    made = Evidence.make(InconsistentCheckpoints(old=notes[0], new=notes[1]), both)
    assert made.accused == (log.verifier.vkey,)
    only = Trust(policy=believing(quantum.cosigner))
    theirs = Evidence.make(InconsistentCheckpoints(old=notes[0], new=notes[1]), only)
    assert theirs.accused == (quantum.cosigner.vkey,)
    assert theirs.check(both).grade == "proof"


def test_one_key_that_signed_both_heads_is_enough_to_accuse():
    log = Published()
    other = Published(key=SigningKey(bytes([5]) * 32))
    line = lie(other, 1).partition(b"\n\n")[2]
    heads = InconsistentCheckpoints(old=lie(log, 1) + line, new=lie(other, 2))
    made = Evidence.make(heads, Trust(policy=believing(log.verifier, other.verifier)))
    assert made.accused == (other.verifier.vkey,)


def test_nothing_that_shows_nothing_is_made():
    log = Published()
    honest = InconsistentCheckpoints(old=log.checkpoint(0), new=log.checkpoint(0))
    with pytest.raises(VerificationError):
        Evidence.make(honest, trust(log.verifier.vkey))


VALUE = json.loads(raw("two roots for one size"))
WRONG = [
    {},
    [],
    None,
    {**VALUE, "more": 1},
    {**VALUE, "format": "translog-evidence/v2"},
    {**VALUE, "kind": "shrunken-log"},
    {**VALUE, "kind": None},
    {**VALUE, "kind": ["inconsistent-checkpoints"]},
    {**VALUE, "accused": []},
    {**VALUE, "accused": VALUE["accused"] * 2},
    {**VALUE, "accused": [*VALUE["accused"], "a"]},
    {**VALUE, "accused": [1]},
    {**VALUE, "accused": VALUE["accused"][0]},
    {**VALUE, "hashes": None},
    {**VALUE, "hashes": ["00" * 32] * 65},
    {**VALUE, "hashes": ["0" * 63]},
    {**VALUE, "old": 1},
]


@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_other_values_are_refused(value):
    with pytest.raises(MalformedError):
        Evidence.parse(canonical(value) + b"\n")


def test_other_spellings_are_refused():
    entry = raw("two entries at one index")
    with pytest.raises(MalformedError, match="want lower-case hex"):
        Evidence.parse(entry.replace(b'"entry":"01', b'"entry":"0A'))
    content = raw("two roots for one size")
    for other in (content[:-1], content + b"\n", b" " + content, json.dumps(VALUE).encode(), b""):
        with pytest.raises(MalformedError):
            Evidence.parse(other)
    with pytest.raises(TooLargeError):
        Evidence.parse(content + b" " * MAX_EVIDENCE_BYTES)


def test_two_bundles_of_the_largest_size_fit_into_a_file():
    largest = bytes(MAX_BUNDLE_BYTES)
    made = Evidence(accused=("k",), claim=DroppedEvent(earlier=largest, later=largest))
    assert Evidence.parse(made.encode()) == made


@given(st.sampled_from(GOOD), st.data())
def test_whatever_is_spoilt_raises_nothing_but_refusals(name, data):
    content = bytearray(raw(name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        Evidence.parse(bytes(content)).check(accused(name))
    except TranslogError as error:
        assert isinstance(error, MalformedError | VerificationError | UnknownKeyError)


@given(st.binary() | st.text().map(str.encode))
def test_random_bytes_raise_nothing_but_refusals(content):
    with pytest.raises(MalformedError):
        Evidence.parse(content)


def test_the_key_of_a_log_is_a_key_of_its_name():
    alias = Verifier(name="example.com/other", public_key=LOG_KEY.public_key)
    assert grade(raw("two roots for one size"), trust(alias.vkey)) is None


def test_times_are_said_in_words_as_far_as_calendars_go() -> None:
    verdict = Evidence.parse(raw("a frozen log")).check(accused("a frozen log"))
    assert "for 90000 seconds up to 2026-05-28T20:26:40Z" in verdict.limits[0]
    assert in_words(0) == "1970-01-01T00:00:00Z"
    assert in_words(2**53) == f"POSIX time {2**53}"
    assert in_words(10**15) == f"POSIX time {10**15}"
