"""log.publication and log.cosigning: heads are shown with cosignatures, whatever witnesses do."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.simulators.logs import NOW, new_log, raws
from translog.errors import ConflictError, TranslogError, VerificationError
from translog.formats.checkpoint import SignedCheckpoint, open_checkpoint
from translog.formats.cosignature import ED25519, ML_DSA_44
from translog.formats.cosigned import open_trusted, read_cosigned
from translog.formats.note import Note
from translog.formats.policy import Policy, parse_policy
from translog.log import asking, cosigning, reader
from translog.log.cosigning import MAX_PAUSE_SECONDS, pause_seconds
from translog.log.directory import LogDirectory, open_reader
from translog.log.publication import Quorum
from translog.log.writer import Writer, open_writer
from translog.store import cosignatures, database, files
from translog.store import log as rows
from translog.store.keys import make_cosigning_key, write_cosigning_key
from translog.testing.witnesses import FAULTS, Witness, running

SECONDS = 30  # a deadline for what takes milliseconds


class Clock:
    """Both clocks: a test moves them, and steady time passes by itself besides."""

    def __init__(self) -> None:
        self.moved = 0.0

    def now(self) -> int:
        return NOW + int(self.moved)

    def steady(self) -> float:
        return time.monotonic() + self.moved


class Log:
    """A log with a policy, opened when a test says so."""

    def __init__(self, directory: LogDirectory, stack: ExitStack) -> None:
        self.directory = directory
        self.clock = Clock()
        self._stack = stack
        self._count = 0

    def witness(self, name: str, *, second: bool = False) -> Witness:
        return self._stack.enter_context(
            running(f"{name}.example", self.directory.verifier, now=NOW, second=second)
        )

    def policy(self, text: str, **choices: str) -> None:
        (self.directory.path / "policy").write_text(text)
        lines = "".join(f'{name} = "{value}"\n' for name, value in choices.items())
        (self.directory.path / "witnessing.toml").write_text(lines)

    @property
    def believed(self) -> Policy:
        raw = (self.directory.path / "policy").read_bytes()
        return parse_policy(raw).trusting([self.directory.verifier])

    @contextmanager
    def opened(self) -> Iterator[Writer]:
        with open_writer(self.directory, self.clock.now, self.clock.steady) as writer:
            yield writer

    def add(self, writer: Writer, count: int = 1) -> None:
        writer.add(raws(*range(self._count, self._count + count)))
        self._count += count

    def publish(self, writer: Writer) -> SignedCheckpoint:
        return writer.publish(self.clock.now())

    def until(self, writer: Writer, size: int) -> SignedCheckpoint:
        """Publish until a head of `size` is shown: what waits comes by itself."""
        end = time.monotonic() + SECONDS
        while (shown := self.publish(writer)).size != size:
            assert time.monotonic() < end
            time.sleep(0.01)
        return shown

    @property
    def shown(self) -> bytes:
        with closing(open_reader(self.directory)) as db:
            return reader.checkpoint_note(db)

    @property
    def signed_sizes(self) -> list[int]:
        with closing(open_reader(self.directory)) as db:
            return rows.read_checkpoint_sizes(db)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with ExitStack() as stack:
        yield Log(new_log(tmp_path / "log"), stack)


def quorum(writer: Writer) -> Quorum:
    found = writer.quorum
    assert found is not None
    return found


def two_of(*witnesses: Witness) -> str:
    names = [f"w{number}" for number in range(len(witnesses))]
    lines = [witness.line(name) for witness, name in zip(witnesses, names, strict=True)]
    return f"{''.join(lines)}group most 2 {' '.join(names)}\nquorum most\n"


def test_a_head_is_shown_once_a_quorum_has_cosigned_it(log: Log) -> None:
    w1, w2 = log.witness("w1"), log.witness("w2", second=True)
    log.policy(f"{w1.line('w1')}{w2.line('w2')}group all all w1 w2 w2-2\nquorum all\n")
    with log.opened() as writer:
        for count in (1, 5, 20):
            log.add(writer, count)
            shown = log.publish(writer)
            trusted = open_trusted(shown.note, log.believed)
            assert trusted.size == writer.head.size
            assert len(trusted.cosigned) == 3
            assert quorum(writer) == Quorum(True, None, quorum(writer).witnesses)
            assert log.shown == shown.note
            assert [each.size for each in quorum(writer).witnesses] == [shown.size] * 2
    assert w1.kept == w2.kept == []
    # Each head was put to each witness once, proved from the one before.
    olds = [request.body.partition(b"\n")[0] for request in w1.requests]
    assert olds == [b"old 0", b"old 0", b"old 1", b"old 6"]


def test_without_a_policy_nothing_is_asked_and_all_is_shown(log: Log) -> None:
    with log.opened() as writer:
        log.add(writer, 3)
        assert log.publish(writer).size == 3
        assert writer.quorum is None
        assert log.shown == files.read(log.directory.signed_head)


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"cosigns anything"}))
def test_one_bad_witness_delays_nobody_and_is_said_to_be_bad(log: Log, fault: str) -> None:
    bad, w1, w2 = log.witness("bad"), log.witness("w1"), log.witness("w2")
    bad.fault = fault
    log.policy(two_of(bad, w1, w2), deadline="1s")
    with log.opened() as writer:  # which waits until all were heard, or for the deadline
        began = time.monotonic()
        for _ in range(3):
            log.add(writer, 2)
            shown = open_trusted(log.publish(writer).note, log.believed)
            assert shown.size == writer.head.size
            assert {w1.keys[0].cosigner, w2.keys[0].cosigner} <= shown.cosigners
        if fault in ("slow", "hanging"):
            assert time.monotonic() - began < 3 * 1.0, "nobody waited for the deadline"
            bad.close()  # which answers whoever waits for it
        else:
            end = time.monotonic() + SECONDS
            while quorum(writer).witnesses[0].error is None:
                assert time.monotonic() < end
                time.sleep(0.01)
            assert quorum(writer).witnesses[0].failures >= 1
            assert all(each.error is None for each in quorum(writer).witnesses[1:])


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"cosigns anything", "slow"}))
def test_what_lacks_a_quorum_is_held_and_shown_when_it_has_one(log: Log, fault: str) -> None:
    w1, w2 = log.witness("w1"), log.witness("w2")
    log.policy(two_of(w1, w2), deadline="200ms")
    with log.opened() as writer:
        log.add(writer, 3)
        before = log.publish(writer)
        assert before.size == 3
        w2.fault = fault
        log.add(writer, 2)
        began = time.monotonic()
        held = log.publish(writer)
        assert time.monotonic() - began < 5.0
        assert held.note == before.note
        assert log.shown == before.note
        assert log.signed_sizes[-1] == 5, "it is signed all the same"
        standing = quorum(writer)
        assert not standing.is_met
        assert standing.held == "size 5 is signed and lacks a quorum"
        log.add(writer, 1)  # events are taken
        w2.fault = None
        if fault == "hanging":
            w2.close()
            return
        log.clock.moved += MAX_PAUSE_SECONDS
        assert log.until(writer, 6).size == 6
        assert quorum(writer).held is None


def test_an_operator_may_choose_to_publish_without_a_quorum(log: Log) -> None:
    w1, w2 = log.witness("w1"), log.witness("w2")
    log.policy(two_of(w1, w2), without_quorum="publish")
    w2.fault = "server error"
    with log.opened() as writer:
        log.add(writer, 3)
        began = time.monotonic()
        shown = log.publish(writer)
        assert time.monotonic() - began < 4.0, "who has failed is not waited for"
        assert shown.size == 3
        assert read_cosigned(shown.note, log.believed).cosigners == {w1.keys[0].cosigner}
        assert (quorum(writer).is_met, quorum(writer).held) == (False, None)


def test_a_quorum_of_none_waits_for_nobody_and_takes_what_comes(log: Log) -> None:
    w1 = log.witness("w1")
    w1.fault = "slow"
    log.policy(f"{w1.line('w1')}quorum none\n", deadline="100ms")
    with log.opened() as writer:
        log.add(writer, 3)
        began = time.monotonic()
        shown = log.publish(writer)
        assert time.monotonic() - began < 3.0
        assert shown.size == 3
        assert read_cosigned(shown.note, log.believed).cosigned == ()
        w1.release()
        end = time.monotonic() + SECONDS
        while not read_cosigned(log.publish(writer).note, log.believed).cosigned:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert log.shown.startswith(shown.note), "the same head, with more said about it"


def test_a_head_that_is_cosigned_late_is_shown_then(log: Log) -> None:
    w1, w2 = log.witness("w1"), log.witness("w2")
    log.policy(two_of(w1, w2), deadline="100ms")
    with log.opened() as writer:
        w2.fault = "slow"
        log.add(writer, 3)
        assert log.publish(writer).size == 0
        w2.release()
        shown = log.until(writer, 3)
        assert len(open_trusted(shown.note, log.believed).cosigned) == 2


def test_a_late_cosignature_is_added_to_the_head_that_is_shown(log: Log) -> None:
    slow, w1, w2 = log.witness("slow"), log.witness("w1"), log.witness("w2")
    log.policy(two_of(slow, w1, w2))
    with log.opened() as writer:
        slow.fault = "slow"
        log.add(writer, 3)
        first = log.publish(writer)
        assert len(read_cosigned(first.note, log.believed).cosigned) == 2
        slow.release()
        end = time.monotonic() + SECONDS
        while len(read_cosigned(log.publish(writer).note, log.believed).cosigned) < 3:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_the_empty_tree_is_shown_without_anybody(log: Log) -> None:
    w1 = log.witness("w1")
    w1.fault = "unknown log"
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        assert log.publish(writer).size == 0
        log.add(writer, 3)
        assert log.publish(writer).size == 0
        w1.fault = None  # now the witness has been told of the log
        log.clock.moved += MAX_PAUSE_SECONDS
        assert log.until(writer, 3).size == 3


def test_a_policy_that_comes_later_hides_nothing_that_was_shown(log: Log) -> None:
    with log.opened() as writer:
        log.add(writer, 3)
    w1 = log.witness("w1")
    w1.fault = "server error"
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        log.add(writer, 2)
        assert log.publish(writer).size == 3
        w1.fault = None
        log.clock.moved += MAX_PAUSE_SECONDS
        log.until(writer, 5)
    # And one that goes leaves nothing held.
    with log.opened() as writer:
        w1.fault = "server error"
        log.add(writer, 2)
        assert log.publish(writer).size == 5
        assert log.signed_sizes[-1] == 7
    for name in ("policy", "witnessing.toml"):
        (log.directory.path / name).unlink()
    with log.opened():
        assert open_checkpoint(log.shown, log.directory.verifier).size == 7


def test_where_to_prove_from_is_remembered_and_found_again(log: Log) -> None:
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        log.add(writer, 5)
    del w1.requests[:]
    with log.opened() as writer:
        log.add(writer, 2)
    first, *_ = w1.requests
    assert first.body.startswith(b"old 5\n")
    with closing(database.open_editor(log.directory.database)) as db:
        db.execute("DELETE FROM witness")
    del w1.requests[:]
    with log.opened() as writer:
        log.add(writer, 2)
        assert log.publish(writer).size == 9
    olds = [request.body.partition(b"\n")[0] for request in w1.requests]
    assert olds == [b"old 0", b"old 7", b"old 7"], "told so by the witness, and proved from there"


def test_an_idle_log_is_cosigned_again_now_and_then(log: Log) -> None:
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        log.add(writer, 5)
        log.publish(writer)
        asked = len(w1.requests)
        for _ in range(5):
            log.publish(writer)
        assert len(w1.requests) == asked
        log.clock.moved += cosigning.AGAIN_SECONDS
        w1.now = log.clock.now()
        end = time.monotonic() + SECONDS
        while read_cosigned(log.publish(writer).note, log.believed).cosigned[0].time != w1.now:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert len(w1.requests) == asked + 1


def test_a_head_is_cosigned_again_although_the_clock_was_set_back(log: Log) -> None:
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        log.add(writer, 5)
        log.publish(writer)
        asked = len(w1.requests)
        log.clock.moved -= 100_000
        w1.now = log.clock.now()
        end = time.monotonic() + SECONDS
        while len(w1.requests) == asked:
            log.publish(writer)
            assert time.monotonic() < end
            time.sleep(0.01)


def test_a_witness_that_fails_is_left_alone_for_longer_each_time(log: Log) -> None:
    assert [pause_seconds(n) for n in range(1, 12)] == [
        *(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0),
        *(300.0, 300.0),
    ]
    assert pause_seconds(10**6) == 300.0
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum none\n")
    with log.opened() as writer:
        log.add(writer, 1)
        end = time.monotonic() + SECONDS
        while quorum(writer).witnesses[0].size != 1:
            log.publish(writer)
            assert time.monotonic() < end
        w1.fault = "server error"
        del w1.requests[:]
        for passed in (0.0, 0.1, 1.1, 0.5, 1.6, 1.0):
            log.clock.moved += passed
            log.add(writer, 1)
            log.publish(writer)
            failures = quorum(writer).witnesses[0].failures
            while len(w1.requests) > failures:
                failures = quorum(writer).witnesses[0].failures
                assert time.monotonic() < end
        assert len(w1.requests) == 3, "at once, after 1 s, and after 2 s more"


def snapshot_of(log: Log, path: Path) -> Path:
    shutil.copytree(log.directory.path, path)
    return path


def restore(log: Log, path: Path) -> None:
    shutil.rmtree(log.directory.path)
    shutil.copytree(path, log.directory.path)


def test_a_snapshot_of_the_whole_directory_put_back_is_found_out(log: Log, tmp_path: Path) -> None:
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        log.add(writer, 5)
    saved = snapshot_of(log, tmp_path / "saved")
    with log.opened() as writer:
        log.add(writer, 3)
    restore(log, saved)
    message = (
        r"^database is at size 5, and a head of size 8 was signed \(the witness http://127\.0\.0\.1:"
        r"\d+ has it\): this is an old copy of the log"
    )
    with pytest.raises(VerificationError, match=message), log.opened():
        raise AssertionError("it is not opened")
    assert log.signed_sizes == [0, 5], "and nothing was signed"
    assert w1.kept == []


def test_an_old_database_is_found_out_before_it_forks(log: Log, tmp_path: Path) -> None:
    w1, w2 = log.witness("w1"), log.witness("w2")
    log.policy(two_of(w1, w2), deadline="200ms")
    with log.opened() as writer:
        log.add(writer, 5)
    saved = snapshot_of(log, tmp_path / "saved")
    with log.opened() as writer:
        log.add(writer, 3)
    restore(log, saved)
    for witness in (w1, w2):
        witness.fault = "server error"
    message = r"this is an old copy of the log|has another tree below size 8"
    with pytest.raises(VerificationError, match=message), log.opened() as writer:
        log.add(writer, 4)  # nobody can be asked: it serves, and takes events
        assert log.publish(writer).size == 5
        assert log.signed_sizes == [0, 5], "but signs nothing"
        assert quorum(writer).held == (
            "no quorum of witnesses was heard since the start, and nothing is signed"
        )
        w1.fault = None
        log.clock.moved += MAX_PAUSE_SECONDS
        log.until(writer, 9)
    assert log.signed_sizes == [0, 5]


def test_another_history_under_our_key_is_found_out(log: Log, tmp_path: Path) -> None:
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        log.add(writer, 5)
    twin = Log(log.directory, ExitStack())
    saved = snapshot_of(log, tmp_path / "saved")
    with log.opened() as writer:
        log.add(writer, 3)
    went_on = snapshot_of(log, tmp_path / "on")
    # The snapshot goes on elsewhere, where nobody is asked, and comes back larger.
    restore(log, saved)
    for name in ("policy", "witnessing.toml"):
        (log.directory.path / name).unlink()
    twin._count = 100
    with twin.opened() as writer:
        twin.add(writer, 6)
    for name in ("policy", "witnessing.toml"):
        shutil.copy(went_on / name, log.directory.path / name)
    with (
        pytest.raises(VerificationError, match="database has another tree below size 8 than the h"),
        log.opened(),
    ):
        raise AssertionError("it is not opened")


def test_a_witness_that_makes_up_a_larger_size_stops_nothing(log: Log) -> None:
    w1, bad = log.witness("w1"), log.witness("bad")
    log.policy(f"{w1.line('w1')}{bad.line('bad')}quorum w1\n")
    bad.fault = "larger size"
    with log.opened() as writer:
        log.add(writer, 3)
        assert log.publish(writer).size == 3
        end = time.monotonic() + SECONDS
        while quorum(writer).witnesses[1].error is None:
            assert time.monotonic() < end
            log.publish(writer)
        assert "shows no head with this log's signature" in str(quorum(writer).witnesses[1].error)


def test_a_witness_that_disputes_what_it_cosigned_itself_stops_nothing(log: Log) -> None:
    w1, bad = log.witness("w1"), log.witness("bad")
    log.policy(f"{w1.line('w1')}{bad.line('bad')}quorum w1\n")
    with log.opened() as writer:
        log.add(writer, 3)
        end = time.monotonic() + SECONDS
        while quorum(writer).witnesses[1].size != 3:
            log.publish(writer)
            assert time.monotonic() < end
        bad.fault = "disputes"
        log.add(writer, 3)
        assert log.publish(writer).size == 6
        while quorum(writer).witnesses[1].error is None:
            assert time.monotonic() < end
        log.add(writer, 3)
        assert log.publish(writer).size == 9, "what it shows is ours: it is at fault"


def test_a_head_that_was_signed_and_not_cosigned_is_not_signed_again(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.directory.write_second_signer(b"2" * 32)
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")

    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with pytest.raises(Crash), log.opened() as writer:
        log.add(writer, 3)
        monkeypatch.setattr(cosigning.Cosigning, "collect", crash)
        log.publish(writer)
    monkeypatch.undo()
    signed = files.read(log.directory.signed_head)
    assert open_checkpoint(log.shown, log.directory.verifier).size == 0
    with log.opened():
        assert log.shown.startswith(signed)
        assert open_trusted(log.shown, log.believed).size == 3
    assert log.signed_sizes == [0, 3]
    assert files.read(log.directory.signed_head) == signed


def test_what_witnesses_said_before_a_crash_they_say_again(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")

    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with log.opened() as writer:
        log.add(writer, 3)
    with pytest.raises(Crash), log.opened() as writer:
        log.add(writer, 3)
        monkeypatch.setattr(cosignatures, "write_cosignatures", crash)
        log.publish(writer)
    monkeypatch.undo()
    head = w1.head(log.directory.origin)
    assert head is not None
    assert head.size == 6, "the witness has cosigned it, and nobody here knows"
    with log.opened():
        assert open_trusted(log.shown, log.believed).size == 6


def test_only_the_shown_head_and_newer_ones_keep_their_cosignatures(log: Log) -> None:
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        for _ in range(4):
            log.add(writer, 2)
            log.publish(writer)
    with closing(open_reader(log.directory)) as db:
        found = [len(cosignatures.read_cosignatures(db, size)) for size in log.signed_sizes]
    assert found == [0, 0, 0, 0, 1]


def test_a_damaged_cosignature_is_not_served_again(log: Log) -> None:
    w1 = log.witness("w1")
    log.policy(f"{w1.line('w1')}quorum w1\n")
    with log.opened() as writer:
        log.add(writer, 2)
    with closing(database.open_editor(log.directory.database)) as db:
        db.execute("UPDATE cosignature SET line = replace(line, substr(line, -10, 1), 'A')")
    with pytest.raises(TranslogError), log.opened():
        raise AssertionError("it is not opened")


def test_a_bug_in_one_thread_stops_one_witness(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    w1, w2 = log.witness("w1"), log.witness("w2")
    log.policy(f"{w1.line('w1')}{w2.line('w2')}quorum w2\n")
    real = asking.check_lines

    def bug(lines: object, keys: object, *rest: object) -> object:
        if w1.keys[0].cosigner in keys:  # type: ignore[operator]
            raise ZeroDivisionError
        return real(lines, keys, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(asking, "check_lines", bug)
    monkeypatch.setattr("threading.excepthook", lambda *_: None)
    with log.opened() as writer:
        for _ in range(3):
            log.add(writer, 1)
            assert log.publish(writer).size == writer.head.size
        assert quorum(writer).witnesses[0].error == "stopped by a bug: ZeroDivisionError()"


def test_both_keys_of_a_log_sign_its_heads(log: Log) -> None:
    second = log.directory.write_second_signer(b"2" * 32)
    with log.opened() as writer:
        log.add(writer, 2)
        shown = log.publish(writer)
        assert open_checkpoint(shown.note, second.cosigner).size == 2
        again = log.publish(writer)
        assert again.note == shown.note
    assert [each.name for each in Note.parse(shown.note).signatures] == [log.directory.origin] * 2


def test_a_copy_ahead_of_the_row_is_taken_as_it_was_signed(log: Log) -> None:
    log.directory.write_second_signer(b"2" * 32)
    with log.opened() as writer:
        log.add(writer, 2)
    signed = files.read(log.directory.signed_head)
    with closing(database.open_editor(log.directory.database)) as db:
        db.execute("UPDATE shown SET size = 0")
        db.execute("DELETE FROM checkpoint WHERE size = 2")
    stranger = str(Note.parse(signed).signatures[0]).replace(log.directory.origin, "x").encode()
    files.write_atomically(log.directory.signed_head, signed + stranger)
    with log.opened():
        assert log.shown == signed, "not signed again, and without what somebody wrote there"


def test_a_second_key_of_another_log_or_type_is_refused(log: Log) -> None:
    path = log.directory.path / "log-ml-dsa-44.key"
    assert log.directory.read_second_signer() is None
    for name, key_type in (("example.com/other", ML_DSA_44), (log.directory.origin, ED25519)):
        write_cosigning_key(path, make_cosigning_key(name, key_type, b"2" * 32), b"2" * 32)
        with pytest.raises(
            VerificationError, match=r"want one of ML-DSA-44 with the name 'example"
        ):
            log.directory.read_second_signer()
        path.unlink()
    made = log.directory.write_second_signer(b"2" * 32)
    found = log.directory.read_second_signer()
    assert found is not None
    assert found.cosigner == made.cosigner
    with pytest.raises(ConflictError):
        log.directory.write_second_signer(b"3" * 32)
