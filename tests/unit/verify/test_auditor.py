"""The auditor against a log that is honest, and then lies in every way a published byte allows."""

import re
from collections.abc import Iterator
from functools import cache
from threading import Barrier

import pytest

from tests.simulators.events import KEY, PITH_KEY, SIGNED_AT
from tests.simulators.published import (
    LOG_KEY,
    ORIGIN,
    VERIFIER,
    PublishedLog,
    copy_of,
    entry_of,
    record_event,
    small_event,
    small_events,
)
from translog.errors import (
    ConflictError,
    ConsistencyError,
    HashError,
    MalformedError,
    MissingError,
    QuorumError,
    SignatureError,
    SubjectError,
    TranslogError,
    UnavailableError,
    UnknownKeyError,
    VerificationError,
)
from translog.formats.canonical import canonical
from translog.formats.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    open_checkpoint,
    sign_checkpoint,
)
from translog.formats.cosignature import CosigningKey
from translog.formats.entry import encode_bundle
from translog.formats.keys import SigningKey, key_sha256
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.note import NoteSigner
from translog.formats.policy import believing, parse_policy
from translog.formats.tree import Node, root, subtrees
from translog.pith import event
from translog.pith.key import PithKey
from translog.verify.auditor import audit, in_order, state_at
from translog.verify.claims_heads import ShrunkenLog
from translog.verify.crowd import Crowd
from translog.verify.evidence import Evidence
from translog.verify.findings import Trust
from translog.verify.state import DEPTHS, AuditState, HistoryError

LIED = (VerificationError, MalformedError, UnknownKeyError)
OTHER = SigningKey(bytes([9]) * 32)


def check(log: PublishedLog, **options: object) -> AuditState:
    return audit(log.get, believing(VERIFIER), **{"workers": 1, **options})


@cache
def honest(count: int) -> tuple[PublishedLog, dict[str, bytes]]:
    log = PublishedLog(small_events(count))
    return log, dict(log.files)


@pytest.fixture
def log() -> Iterator[PublishedLog]:
    """300 entries: a full bundle, a partial one, a level-1 tile."""
    shared, files = honest(300)
    yield shared
    copy_of(files, shared)


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 300, 511, 512, 513])
@pytest.mark.parametrize("workers", [1, 3])
def test_an_honest_log_passes(count, workers):
    log, _ = honest(count)
    state = check(log, workers=workers)
    assert (state.size, state.depth, state.complete) == (count, "events", True)
    assert state.checkpoint.root == root(count, log.read)
    assert list(state.edge) == log.read(subtrees(range(count)))


def test_real_and_created_events_pass():
    check(PublishedLog([record_event(1), small_event(1), record_event(2)]))


def test_a_log_of_70000_entries_is_compared_with_all_its_tiles():
    raw = [(b"\x01" + number.to_bytes(128, "big"), b"") for number in range(70_000)]
    log = PublishedLog()
    log.append_raw(raw)
    log.publish()
    log.asked.clear()
    states: list[AuditState] = []
    check(log, depth="hashes", progress=states.append)
    tiles = {path for path in log.files if path.startswith("tile/")}
    assert set(log.asked) == tiles | {"checkpoint"}
    assert "tile/1/000" in tiles and "tile/1/001.p/17" in tiles and "tile/2/000.p/1" in tiles
    for path in ("tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"):
        log.flip(path, 5)
        with pytest.raises(HashError, match=re.escape(path)):
            check(log, depth="hashes")
        for start in (states[0], states[254]):
            with pytest.raises(VerificationError):
                check(log, depth="hashes", state=start)
        log.flip(path, 5)
    for start in (states[0], states[254], states[255], states[256], states[-1]):
        log.asked.clear()
        assert check(log, depth="hashes", state=start).complete
        bundles = [path for path in log.asked if path.startswith("tile/entries/")]
        assert len(bundles) == 274 - start.size // 256


# Every kind of path, and what of it to flip: where in the file, and how far apart.
FLIPS = [
    ("checkpoint", 1),
    ("tile/0/000", 61),  # 61 and 32 have no common factor: every position in a hash is hit
    ("tile/0/001.p/44", 11),
    ("tile/1/000.p/1", 1),
    ("tile/entries/000", 257),
    ("tile/entries/001.p/44", 37),
    ("events/000", 3001),
    ("events/001.p/44", 997),
]


@pytest.mark.parametrize(("path", "step"), FLIPS, ids=lambda value: str(value))
def test_a_flipped_bit_anywhere_is_caught(log, path, step):
    checks_events = path.startswith("events")
    for at in range(0, len(log.files[path]), step):
        log.flip(path, at, bit=at % 8)
        with pytest.raises(LIED):
            check(log, depth="events" if checks_events else "hashes")
        log.flip(path, at, bit=at % 8)


def test_every_bit_of_one_entry_is_caught_by_the_hashes_alone(log):
    for at in range(131):
        for bit in range(8):
            log.flip("tile/entries/000", 131 + at, bit)
            with pytest.raises(LIED):
                check(log, depth="hashes")
            log.flip("tile/entries/000", 131 + at, bit)


def test_a_flipped_bit_of_a_public_key_is_caught(log):
    key = KEY.public_key.hex().encode()
    at = log.files["keys.json"].index(key)
    for offset in range(len(key)):
        log.flip("keys.json", at + offset)
        with pytest.raises(LIED):
            check(log)
        log.flip("keys.json", at + offset)


def test_refusals_say_where_what_and_what_was_wanted(log):
    log.flip("tile/0/001.p/44", 32 * 3)
    with pytest.raises(HashError, match=r"^tile/0/001\.p/44 has [0-9a-f]{64} as hash 3, computed"):
        check(log)
    log.flip("tile/0/001.p/44", 32 * 3)
    log.flip("events/000", 5)
    with pytest.raises(HashError, match=r"^events/000: entry 0: content has SHA-256 .*, want "):
        check(log)


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "keys.json",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
        "events/000",
        "events/001.p/44",
    ],
)
def test_a_withheld_path_is_named(log, path):
    log.withhold(path)
    with pytest.raises(MissingError, match=re.escape(path)):
        check(log)


LENGTHS = ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "keys.json"]
LENGTHS += ["tile/entries/001.p/44", "events/000", "events/001.p/44"]


@pytest.mark.parametrize("path", LENGTHS)
def test_a_shortened_or_lengthened_file_is_refused(log, path):
    whole = log.files[path]
    for served in (b"", whole[:-1], whole[1:], whole[: len(whole) // 2]):
        log.files[path] = served
        with pytest.raises(LIED):
            check(log)
    log.files[path] = whole + b"\x00"
    with pytest.raises(MalformedError):
        check(log)


def test_a_bundle_with_a_257th_entry_or_one_too_few_is_refused(log):
    bundle = log.files["tile/entries/000"]
    for served in (bundle + bundle[:131], bundle[:-131]):
        log.files["tile/entries/000"] = served
        with pytest.raises(MalformedError, match=r"^tile/entries/000: entry bundle"):
            check(log)


def test_entries_of_another_length_or_type_are_refused_though_they_are_in_the_tree():
    for entry, wrong in [(b"\x01" * 130, "130 bytes"), (b"\x02" * 129, "type 0x02"), (b"", "0 b")]:
        log = PublishedLog(small_events(2))
        log.append_raw([(entry, b"")])
        log.publish()
        with pytest.raises(MalformedError, match=f"tile/entries/000.p/3: entry 2: .*{wrong}"):
            check(log, depth="hashes")


def test_the_checkpoint_must_be_of_the_log_asked_for(log):
    head = Checkpoint(origin=ORIGIN, size=300, root=root(300, log.read))
    other = Checkpoint(origin="example.com/other", size=300, root=head.root)
    for note in (sign_checkpoint(other, LOG_KEY), sign_checkpoint(head, OTHER)):
        log.files["checkpoint"] = note
        with pytest.raises(SignatureError):
            check(log)


def test_entries_that_are_not_those_under_the_signed_root_are_refused(log):
    # All tiles and bundles fit together: only the root knows better.
    lie = log.forked(299)
    lie.files["checkpoint"] = log.files["checkpoint"]
    with pytest.raises(HashError, match=r"^checkpoint of 300 entries has root .*, computed "):
        check(lie)


def test_a_checkpoint_may_not_claim_more_or_fewer_entries_than_its_root_has(log):
    for size in (299, 301, 256):
        head = Checkpoint(origin=ORIGIN, size=size, root=root(300, log.read))
        log.publish(min(size, 300))
        log.files["checkpoint"] = sign_checkpoint(head, LOG_KEY)
        with pytest.raises((*LIED, MissingError)):
            check(log)


# Events


def one(log: PublishedLog) -> None:
    """Audit a log of one entry that must be refused for its event."""
    assert check(log, depth="hashes").size == 1
    check(log)


def test_a_key_that_is_not_published_is_named():
    log = PublishedLog(small_events(1))
    log.public_keys = []
    log.publish()
    wanted = key_sha256(KEY.public_key).hex()
    with pytest.raises(UnknownKeyError, match=f"events/000.p/1: entry 0: key .* {wanted} is not"):
        one(log)


def test_a_signature_that_is_not_by_the_key_of_the_entry_is_refused():
    made = small_event(1)
    bad = bytes([made.signature[0] ^ 1]) + made.signature[1:]
    entry = entry_of(made._replace(signature=bad)).encode()
    log = PublishedLog()
    log.append_raw([(entry, made.content)])
    log.publish()
    with pytest.raises(SignatureError, match=r"^events/000\.p/1: entry 0: "):
        one(log)


def test_an_entry_may_not_name_another_key_than_its_event():
    other = PithKey(
        key_id="x", public_key=OTHER.public_key, signer_id=None, rotates_at=None, url="", notes=""
    )
    made = small_event(1)
    # Signed by the other key, over content that names KEY.
    signed = made._replace(signature=OTHER.sign(made.content_sha256))
    log = PublishedLog([signed], public_keys=[other, PITH_KEY])
    with pytest.raises(SignatureError, match="signature names key"):
        one(log)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"nonsense",
        b'{"signer":{}}',
        b"\xff",
        small_event(1).content.replace(b'"target":"record"', b'"target": "record"'),
        canonical({**{k: small_event(1).value[k] for k in ("signer", "payload")}, "x": 1}),
        small_event(1).content.replace(b'"supersedes":[]', b'"supersedes":0 '),
    ],
)
def test_signed_content_that_is_no_event_in_canonical_form_is_refused(content):
    digest = event.sha256(content).digest()
    forged = small_event(1)._replace(
        content=content, content_sha256=digest, signature=KEY.sign(digest)
    )
    with pytest.raises((MalformedError, HashError), match=r"^events/000\.p/1: entry 0: "):
        one(PublishedLog([forged]))


def test_an_event_about_another_record_than_it_says_is_refused():
    value = record_event(1).value
    members = {k: v for k, v in value.items() if k in event._CONTENT}
    members["subject_pith_number"] = "pith:2024:HAMJZSQVKL4VHWOAINCHUE26II"
    forged = event.from_value(event.sign(members, KEY, SIGNED_AT))
    with pytest.raises(SubjectError):
        one(PublishedLog([forged]))


def test_a_tampered_keys_file_is_refused(log):
    more = log.files["keys.json"].replace(b'{"public_keys":', b'{"more":1,"public_keys":', 1)
    for served in (more, b"{}", b"[]", b'{"public_keys":{}}', b'{"public_keys":[1]}', b"x"):
        log.files["keys.json"] = served
        with pytest.raises(MalformedError):
            check(log)


def test_events_too_large_for_one_file_are_fetched_one_by_one(log, monkeypatch):
    monkeypatch.setattr("translog.verify.bundles.MAX_EVENTS_BYTES", 20_000)
    check(log)
    assert "events/000" in log.asked
    singles = [f"event/{entry[1:33].hex()}" for entry in log.entries[:256]]
    assert set(singles) <= set(log.asked)
    log.flip(singles[7], 3)
    with pytest.raises(HashError, match=singles[7]):
        check(log)
    log.withhold(singles[7])
    with pytest.raises(MissingError, match=singles[7]):
        check(log)


# Going on from an earlier audit

EDGES = [0, 1, 254, 255, 256, 257, 300, 511, 512, 513]


@pytest.mark.parametrize("old", EDGES)
@pytest.mark.parametrize("new", EDGES)
def test_an_audit_goes_on_where_it_stopped(old, new):
    log = PublishedLog(small_events(new))
    log.publish(min(old, new))
    before = AuditState.from_json(check(log, depth="hashes").to_json(), believing(VERIFIER))
    log.publish(new)
    log.asked.clear()
    state = check(log, depth="hashes", state=before)
    bundles = [path for path in log.asked if path.startswith("tile/entries/")]
    assert len(bundles) == (-(-new // 256) - old // 256 if old < new else 0)
    assert state == check(log, depth="hashes")


def test_an_audit_with_events_goes_on_with_events():
    log = PublishedLog(small_events(300))
    before = check(log)
    log.append([small_event(number) for number in range(300, 600)])
    log.publish()
    log.asked.clear()
    assert check(log, state=before).depth == "events"
    assert {path for path in log.asked if path.startswith("events/")} == {
        "events/001",
        "events/002.p/88",
    }


@pytest.mark.parametrize("old", [1, 255, 256, 257, 300])
def test_a_partial_bundle_is_read_again_whole(old):
    log = PublishedLog(small_events(513))
    log.publish(old)
    before = check(log)
    log.publish(513)
    at = old // 256 * 256
    for number in {at, max(at, old - 1), old}:
        log.flip(f"tile/entries/00{number // 256}", number % 256 * 131 + 50)
        with pytest.raises(HashError, match=f"tile/0/00{number // 256} has .* hash {number % 256}"):
            check(log, state=before)
        log.flip(f"tile/entries/00{number // 256}", number % 256 * 131 + 50)
    assert check(log, state=before).size == 513


def test_partial_files_may_be_gone_when_the_full_ones_are_there():
    log = PublishedLog(small_events(513))
    before = check(log)
    for size in (100, 300):
        log.publish(513)
        log.publish(size)
        log.prune()
        assert not any(path.endswith(f".p/{size % 256}") for path in log.files if "/0/" in path)
        assert check(log).size == size
        log.flip("tile/entries/000", 0)
        with pytest.raises(MalformedError, match=r"^tile/entries/000: "):
            check(log)
    assert before.size == 513


@pytest.mark.parametrize("old", [1, 2, 255, 256, 257, 300, 511])
@pytest.mark.parametrize("at", [0, 100, 254])
@pytest.mark.parametrize("more", [0, 1, 213])
def test_a_fork_is_caught_and_the_evidence_stands_alone(old, at, more):
    at = min(at, old - 1)
    log, _ = honest(old)
    before = check(log, depth="hashes")
    grown = PublishedLog(small_events(old + more))
    fork = grown.forked(at)
    with pytest.raises(HistoryError) as caught:
        check(fork, depth="hashes", state=before)
    claim = caught.value.claim
    assert (claim.old, claim.new) == (log.files["checkpoint"], fork.files["checkpoint"])
    accused = Trust(policy=believing(VERIFIER))
    raw = Evidence.make(claim, accused).encode()
    assert Evidence.parse(raw).check(accused).grade == "proof"


def test_two_roots_of_one_size_need_no_tiles_to_be_a_fork():
    log, _ = honest(300)
    before = check(log, depth="hashes")
    fork = log.forked(299)
    fork.files = {"checkpoint": fork.files["checkpoint"]}
    with pytest.raises(HistoryError, match="two roots for 300 entries"):
        check(fork, depth="hashes", state=before)


def test_a_log_that_shrank_is_caught_with_both_notes():
    log = PublishedLog(small_events(300))
    before = check(log)
    newest = log.files["checkpoint"]
    for size in (0, 1, 299):
        log.publish(size)
        with pytest.raises(
            HistoryError, match=r"shows .* entries, and showed 300 before"
        ) as caught:
            check(log, state=before)
        assert caught.value.claim.before == newest
        assert caught.value.claim.after == log.files["checkpoint"]


def test_an_audit_can_be_stopped_after_any_bundle_and_goes_on():
    log = PublishedLog(small_events(1025))
    states: list[AuditState] = []
    whole = check(log, progress=states.append)
    assert [state.size for state in states] == [256, 512, 768, 1024]
    assert not any(state.complete for state in states)
    log.append([small_event(number) for number in range(1025, 1100)])
    for more in (False, True):
        if more:
            log.publish()
        for state in states:
            saved = AuditState.from_json(state.to_json(), believing(VERIFIER))
            log.asked.clear()
            assert check(log, depth="hashes", state=saved).size == (1100 if more else 1025)
            first = min(path for path in log.asked if path.startswith("tile/entries/"))
            assert first.startswith(f"tile/entries/00{state.size // 256}")
    assert whole.size == 1025


def test_no_state_is_complete_before_everything_was_compared():
    log = PublishedLog(small_events(512))
    log.flip("tile/1/000.p/2", 0)
    states: list[AuditState] = []
    with pytest.raises(HashError):
        check(log, progress=states.append)
    assert [state.size for state in states] == [256]


def test_entries_that_changed_while_no_root_was_compared_are_noticed():
    log = PublishedLog(small_events(600))
    states: list[AuditState] = []
    lie = log.forked(3)
    lie.files["checkpoint"] = log.files["checkpoint"]  # found out at the end, had it come there
    with pytest.raises(HashError):
        check(lie, progress=states.append)
    with pytest.raises(ConsistencyError, match=r"the first 256 entries .* are not those"):
        check(log, state=states[0])


def test_tiles_that_do_not_fit_the_new_root_do_not_count_as_a_fork():
    log = PublishedLog(small_events(300))
    log.publish(257)
    before = check(log)
    log.publish(300)
    log.flip("tile/0/001.p/44", 0)
    with pytest.raises(VerificationError) as caught:
        check(log, state=before)
    assert not isinstance(caught.value, ConsistencyError)


@pytest.mark.parametrize("depth", DEPTHS)
def test_what_was_audited_less_deeply_does_not_pass_for_more(depth):
    log = PublishedLog(small_events(300))
    before = check(log, depth=depth)
    for wanted in DEPTHS:
        if DEPTHS.index(wanted) <= DEPTHS.index(depth):
            assert check(log, depth=wanted, state=before).depth == wanted
        else:
            with pytest.raises(ConflictError, match=f"is of the {depth} of 300 .*, want {wanted}"):
                check(log, depth=wanted, state=before)


def test_the_state_of_another_log_is_not_gone_on_from(log):
    other = PublishedLog(small_events(10), origin="example.org/other")
    before = audit(other.get, believing(other.verifier), workers=1)
    with pytest.raises(ConflictError, match=r"of log 'example\.org/other', this is"):
        check(log, state=before)


# Signatures without contents


def test_signatures_are_checked_from_entries_and_keys_alone(log):
    log.asked.clear()
    assert check(log, depth="signatures").depth == "signatures"
    assert not any(path.startswith("event") for path in log.asked)


def test_an_entry_that_its_key_did_not_sign_is_named_without_its_content():
    made = small_event(1)
    bad = bytes([made.signature[0] ^ 1]) + made.signature[1:]
    log = PublishedLog(small_events(7))
    log.append_raw([(entry_of(made._replace(signature=bad)).encode(), made.content)])
    log.publish()
    assert check(log, depth="hashes").complete
    with pytest.raises(SignatureError, match=r"^tile/entries/000\.p/8: entry 7: Ed25519 signature"):
        check(log, depth="signatures")
    log.public_keys = []
    log.publish()
    with pytest.raises(UnknownKeyError, match=r"^tile/entries/000\.p/8: entry 0: key with SHA-256"):
        check(log, depth="signatures")


# Any checkpoint against any earlier one


def opened(log: PublishedLog, size: int) -> SignedCheckpoint:
    return open_checkpoint(log.checkpoint(size), log.verifier)


@pytest.mark.parametrize("old", EDGES)
@pytest.mark.parametrize("new", EDGES)
def test_any_head_is_audited_from_any_earlier_one(old, new):
    log = PublishedLog(small_events(513))
    for size in (old, new, 513):
        log.publish(size)
    since, until = opened(log, old), opened(log, new)
    if old > new:
        with pytest.raises(HistoryError) as caught:
            state_at(log.get, since, until, "hashes")
        assert caught.value.claim == ShrunkenLog(before=since.note, after=until.note)
        return
    start = state_at(log.get, since, until, "hashes")
    log.asked.clear()
    state = check(log, depth="hashes", state=start, until=until)
    assert (state.size, state.checkpoint) == (new, until)
    assert state == check(log, depth="hashes", until=until)
    assert AuditState.from_json(start.to_json(), believing(VERIFIER)).size == old


def test_a_head_of_a_fork_is_not_continued():
    log, _ = honest(300)
    fork = log.forked(100)
    until = opened(log, 300)
    for size in (101, 200, 300):
        with pytest.raises(HistoryError) as caught:
            state_at(log.get, opened(fork, size), until, "hashes")
        accused = Trust(policy=believing(VERIFIER))
        assert Evidence.make(caught.value.claim, accused).check(accused).grade == "proof"
    state_at(log.get, opened(fork, 100), until, "hashes")


# A policy


def test_a_head_without_its_quorum_is_not_audited(log):
    witness = CosigningKey(name="w.example", key=SigningKey(bytes([3]) * 32))
    listed = f"log {VERIFIER.vkey}\nwitness w {witness.cosigner.vkey}\nquorum w\n"
    policy = parse_policy(listed.encode())
    with pytest.raises(QuorumError, match="cosigned by no witness"):
        audit(log.get, policy)
    head = Checkpoint.parse(log.files["checkpoint"].decode().partition("\n\n")[0] + "\n")
    log.files["checkpoint"] += str(witness.cosign(head, 1_780_000_000)).encode()
    state = audit(log.get, policy)
    assert state.complete
    # What was believed once is gone on from, also when its cosignatures are lost.
    bare = AuditState.from_json(state.to_json(), believing(VERIFIER))
    assert audit(log.get, policy, state=bare).complete


# In other processes


def test_a_crowd_finds_what_one_finds(log):
    with Crowd(2, here=1) as crowd:
        assert check(log, check=crowd.check, workers=3) == check(log)
        log.flip("events/001.p/44", 5)
        with pytest.raises(HashError, match=r"^events/001\.p/44: entry 256: content has SHA-256"):
            check(log, check=crowd.check, workers=3)


def test_a_process_that_ends_is_the_environments_fault(log):
    with Crowd(1, here=0) as crowd:
        check(log, check=crowd.check)
        crowd._started[0]._process.kill()
        with pytest.raises(UnavailableError, match="a checking process has ended"):
            check(log, check=crowd.check)


def test_without_events_only_tiles_and_bundles_are_fetched(log):
    log.asked.clear()
    check(log, depth="hashes")
    assert all(path == "checkpoint" or path.startswith("tile/") for path in log.asked)


def test_work_is_bounded_and_in_order():
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number

    results = in_order(work, range(1000), workers=2)
    assert next(results) == 0
    results.close()
    assert max(begun) <= 4
    together = Barrier(3)
    assert list(in_order(lambda n: together.wait(10) * 0 + n, range(6), workers=3)) == [*range(6)]


def test_a_failure_in_a_thread_is_raised_in_its_turn():
    def work(number: int) -> int:
        if number >= 5:
            raise MalformedError(f"number {number}")
        return number

    done = []
    with pytest.raises(TranslogError, match="number 5"):
        for number in in_order(work, range(100), workers=4):
            done.append(number)
    assert done == [0, 1, 2, 3, 4]


def test_the_simulator_is_a_tree_of_its_entries():
    log, _ = honest(3)
    assert log.hashes[Node(0, 1)] == leaf_hash(log.entries[1])
    assert log.files["tile/entries/000.p/3"] == encode_bundle(log.entries)
    assert NoteSigner(name=ORIGIN, key=LOG_KEY).verifier == log.verifier
    assert isinstance(Hash(log.hashes[Node(0, 0)]), bytes)
