"""A served log with witnesses: what is shown, what is held, and how its operator is told."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.simulators.asgi import NOW, Served, new_log, problem
from tests.simulators.published import small_event
from translog.formats.cosigned import open_trusted, read_cosigned
from translog.formats.policy import parse_policy
from translog.formats.proof import TlogProof
from translog.log.cosigning import MAX_PAUSE_SECONDS
from translog.log.writer import open_writer
from translog.testing.witnesses import Witness, running


class Watched(Served):
    """A served log with two witnesses, both of which have to cosign."""

    witnesses: tuple[Witness, Witness]

    def believed(self, note: bytes) -> int:
        policy = parse_policy((self.log.path / "policy").read_bytes())
        return open_trusted(note, policy.trusting([self.log.verifier])).size


@contextmanager
def watched(path: Path, **choices: str) -> Iterator[Watched]:
    log = new_log(path)
    with ExitStack() as stack:
        w1, w2 = (
            stack.enter_context(running(f"w{n}.example", log.verifier, now=NOW)) for n in (1, 2)
        )
        (path / "policy").write_text(
            f"{w1.line('one')}{w2.line('two')}group both all one two\nquorum both\n"
        )
        lines = [f'{name} = "{value}"\n' for name, value in choices.items()]
        (path / "witnessing.toml").write_text("".join(lines))
        time = [0.0]
        with open_writer(log, lambda: NOW, lambda: time[0]) as writer:
            served = Watched(writer, log)
            served.witnesses = (w1, w2)
            try:
                yield served
            finally:
                served.app.close()
                w1.fault = w2.fault = None
                time[0] += 10 * MAX_PAUSE_SECONDS  # so that the last head is cosigned at the end


def test_what_is_served_carries_the_cosignatures(tmp_path: Path) -> None:
    with watched(tmp_path) as log:
        event_id = log.add(small_event(1).value).json["event_id"]
        log.publish()
        note = log.get("/checkpoint").body
        assert log.believed(note) == 1
        proof = TlogProof.parse(log.get(f"/proof/{event_id}.tlog-proof").body)
        assert log.believed(proof.checkpoint) == 1
        ready = log.get("/readyz").json
        assert ready["quorum"] == {
            "met": True,
            "witnesses": [
                {"names": ["one"], "size": 1, "failures": 0},
                {"names": ["two"], "size": 1, "failures": 0},
            ],
        }
        metrics = log.get("/metrics").body.decode()
        for line in (
            "translog_quorum 1.0",
            "translog_held 0.0",
            'translog_witness_size{witness="one"} 1.0',
            'translog_witness_failures{witness="two"} 0.0',
        ):
            assert line in metrics


def test_a_held_head_is_not_served_and_events_are_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with watched(tmp_path) as log, caplog.at_level(logging.WARNING, "translog.server"):
        log.add(small_event(1).value)
        log.publish()
        log.witnesses[1].fault = "server error"
        log.add(small_event(2).value)
        log.publish()
        assert log.believed(log.get("/checkpoint").body) == 1
        assert problem(log.get("/proof/inclusion?index=1"))[0] in (400, 404), "nothing past it"
        assert log.add(small_event(3).value).status == 200
        assert log.get("/readyz").json["quorum"]["met"] is False
        metrics = log.get("/metrics").body.decode()
        for line in (
            "translog_quorum 0.0",
            "translog_held 1.0",
            "translog_ready 1.0",
            'translog_witness_failures{witness="two"} 1.0',
        ):
            assert line in metrics
        # For a moment that is nobody's business. Then somebody should look.
        log.time += 11
        response = log.get("/readyz")
        assert problem(response)[0] == 503
        assert response.json["detail"] == (
            "the newest head is held: size 2 is signed and lacks a quorum"
        )
        log.publish()
        said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        assert said[0] == "the newest head is held: size 2 is signed and lacks a quorum"
        assert "answered 500" in said[1]
        assert len(said) == 2, "each change once"


def test_a_head_without_a_quorum_is_served_where_the_operator_wants_it(tmp_path: Path) -> None:
    with watched(tmp_path, without_quorum="publish") as log:
        log.witnesses[1].fault = "server error"
        log.add(small_event(1).value)
        log.publish()
        policy = parse_policy((tmp_path / "policy").read_bytes()).trusting([log.log.verifier])
        shown = read_cosigned(log.get("/checkpoint").body, policy)
        assert (shown.size, len(shown.cosigned)) == (1, 1)
        log.time += 11
        log.publish()
        ready = log.get("/readyz")
        assert ready.status == 200
        assert ready.json["quorum"]["met"] is False


def test_a_log_that_asks_nobody_says_nothing_about_it(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    with open_writer(log, lambda: NOW) as writer:
        served = Served(writer, log)
        try:
            assert "quorum" not in served.get("/readyz").json
            assert b"translog_quorum" not in served.get("/metrics").body
        finally:
            served.app.close()
