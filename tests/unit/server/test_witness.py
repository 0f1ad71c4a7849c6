"""Every status code and body of tlog-witness, with the rule it comes from."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.asgi import Response, ask
from tests.simulators.witnessed import MadeUpLog
from translog.errors import ConflictError, UnavailableError
from translog.formats.cosignature import ED25519, ML_DSA_44, times
from translog.formats.note import Note, NoteSigner, open_note, sign_note
from translog.formats.witnessing import (
    MAX_REQUEST_BYTES,
    Kind,
    Submission,
    monitoring_path,
    parse_cosignatures,
    parse_size,
)
from translog.server import cosigning
from translog.server.cosigning import Cosigning
from translog.server.settings import Clock, Settings
from translog.server.witness import WitnessApp
from translog.store.keys import make_cosigning_key
from translog.store.witness import Records
from translog.store.witness_directory import WitnessDirectory, create

NOW = 1_780_000_000
LOG = MadeUpLog(fork=3)
OTHER = MadeUpLog("example.com/other", seed=b"o")
TEXT = "text/plain; charset=utf-8"


class Witness:
    """A witness without a network, with clocks that a test moves."""

    def __init__(self, directory: WitnessDirectory, **settings: Any) -> None:
        self.time = 0.0
        self.wrong_by = 0.0  # the clock that shows the time of day
        self.directory = directory
        clock = Clock(now=lambda: NOW + self.time + self.wrong_by, steady=lambda: 1_000 + self.time)
        self.cosigning = Cosigning(directory, lambda: int(clock.now()))
        self.records = directory.open_reader()
        chosen = Settings(base_url="", **settings)
        self.app = WitnessApp(self.cosigning, self.records, chosen, clock)

    def close(self) -> None:
        self.cosigning.close()
        self.records.close()

    def post(self, body: bytes, **headers: str) -> Response:
        return asyncio.run(ask(self.app, "POST", "/add-checkpoint", body, **headers))

    def get(self, path: str, method: str = "GET") -> Response:
        return asyncio.run(ask(self.app, method, path))

    @property
    def kinds(self) -> list[Kind]:
        return [each.inconsistency.kind for each in self.records.read_inconsistencies()]

    @property
    def cosigners(self) -> list[Any]:
        return list(self.cosigning.cosigners)


def allow(directory: WitnessDirectory, *logs: MadeUpLog) -> None:
    with closing(directory.open_editor()) as records, records.transaction():
        for log in logs:
            records.add_key(log.origin, log.verifier.vkey)


def make(path: Path) -> WitnessDirectory:
    made = create(path, "witness.example/w1", {ED25519: b"w" * 32, ML_DSA_44: b"w" * 32})
    allow(made, LOG)
    return made


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with closing(Witness(make(tmp_path / "w"))) as running:
        yield running


def refused(response: Response, status: int) -> str:
    assert response.status == status, response.body
    assert response.headers["content-type"] == TEXT
    assert response.headers["cache-control"] == "no-store"
    assert response.body.endswith(b"\n")
    return response.body.decode()


def test_200_is_a_sequence_of_cosignature_lines(witness: Witness) -> None:
    response = witness.post(LOG.request(0, 5))
    assert response.status == 200
    # SPEC: "The response body MUST be a sequence of one or more note signature lines, each
    # starting with the — character (U+2014) and ending with a newline character (U+000A)."
    lines = response.body.decode().splitlines(keepends=True)
    assert len(lines) == 2
    assert all(line.startswith("\u2014 witness.example/w1 ") for line in lines)
    assert all(line.endswith("\n") for line in lines)
    assert len(parse_cosignatures(response.body)) == 2
    # SPEC: "The signatures MUST be cosignatures from the witness key(s) on the checkpoint."
    opened = open_note(LOG.note(5) + response.body, witness.cosigners)
    # SPEC: "the timestamp MUST NOT be zero"
    assert {one.time for one in times(opened)} == {NOW}
    assert len(opened.signed_by) == 2
    assert response.headers["cache-control"] == "no-store"


def test_400_is_for_what_is_no_request(witness: Witness) -> None:
    for body in (b"", b"old 0\n", b"old 00\n\n" + LOG.note(5), LOG.note(5), b"\xff" * 100):
        refused(witness.post(body), 400)
    # SPEC: "Each line MUST terminate in a newline character (U+000A)."
    refused(witness.post(LOG.request(0, 5)[:-1]), 400)
    # SPEC: "The client MUST NOT send more than 63 consistency proof lines."
    many = Submission(old_size=1, proof=(LOG.root(1),) * 64, checkpoint=LOG.note(5))
    refused(witness.post(many.encode()), 400)


def test_400_is_for_an_old_size_above_the_checkpoints(witness: Witness) -> None:
    # SPEC: "The old size MUST be equal to or lower than the checkpoint size. Otherwise, the
    # witness MUST respond with a "400 Bad Request" HTTP status code."
    body = Submission(old_size=6, proof=(), checkpoint=LOG.note(5)).encode()
    assert refused(witness.post(body), 400) == "old size is 6, want at most 5\n"


def test_403_is_for_heads_that_no_trusted_key_signed(witness: Witness) -> None:
    # SPEC: "The witness MUST respond with a "403 Forbidden" HTTP status code if either no signature
    # from a trusted key for the origin is present,"
    refused(witness.post(MadeUpLog(seed=b"stranger").request(0, 5)), 403)
    # SPEC: "or a signature line's key name and ID match a trusted key but the signature itself
    # fails to verify"
    refused(witness.post(LOG.request(0, 5).replace(b"\n5\n", b"\n6\n")), 403)
    assert witness.kinds == []


def test_404_is_for_origins_that_are_not_known(witness: Witness) -> None:
    # SPEC: "If the checkpoint origin is unknown, the witness MUST respond with a "404 Not Found""
    text = refused(witness.post(OTHER.request(0, 5)), 404)
    assert text == "log 'example.com/other' is not one that is cosigned here\n"


def test_409_is_the_size_to_prove_from(witness: Witness) -> None:
    for before, old_size in ((0, 3), (5, 0), (5, 4), (5, 6)):
        if before:
            witness.post(LOG.request(0, before))
        response = witness.post(LOG.request(old_size, 7))
        # SPEC: "the witness MUST respond with a "409 Conflict" HTTP status code. The response body
        # MUST consist of the tree size of the latest cosigned checkpoint in decimal, followed by a
        # newline (U+000A)." and "(or zero if it never cosigned a checkpoint for that origin)"
        assert response.status == 409
        assert response.body == b"%d\n" % before
        assert parse_size(response.body) == before
        # SPEC: "The response MUST have a `Content-Type` of `text/x.tlog.size`."
        assert response.headers["content-type"] == "text/x.tlog.size"
    # SPEC: "it MAY initially make a request with a old size of zero to obtain it."
    assert witness.post(LOG.request(parse_size(response.body), 7)).status == 200


def test_422_is_for_an_empty_tree_with_a_wrong_root(witness: Witness) -> None:
    # SPEC: "A checkpoint of size zero MUST have the root hash of the empty tree ... Otherwise, the
    # witness MUST respond with a "422 Unprocessable Entity" HTTP status code."
    lie = str(replace(LOG.head(0), root=LOG.root(1)))
    note = sign_note(lie, [NoteSigner(name=LOG.origin, key=LOG.key)])
    refused(witness.post(Submission(old_size=0, proof=(), checkpoint=note).encode()), 422)
    assert witness.kinds == [Kind.EMPTY_TREE]


def test_422_is_for_a_proof_from_size_0(witness: Witness) -> None:
    # SPEC: "If the proof is not empty when the old size is zero, or if a Merkle Consistency Proof
    # doesn't verify, the witness MUST respond with a "422 Unprocessable Entity""
    body = Submission(old_size=0, proof=LOG.proof(3, 5), checkpoint=LOG.note(5)).encode()
    assert refused(witness.post(body), 422) == "proof from size 0 has 4 hashes, want none\n"


def test_422_is_for_a_proof_that_does_not_verify(witness: Witness) -> None:
    witness.post(LOG.request(0, 4))
    refused(witness.post(LOG.request(4, 7, branch=1)), 422)
    assert witness.kinds == [Kind.NO_PROOF]
    assert witness.post(LOG.request(4, 7)).status == 200


def test_422_is_for_the_same_size_with_another_root(witness: Witness) -> None:
    # SPEC: "If the old size matches the checkpoint size, the witness MUST check that the root
    # hashes are also identical. If they don't match, the witness MUST respond with a "422"
    witness.post(LOG.request(0, 5))
    refused(witness.post(LOG.request(5, 5, branch=1)), 422)
    # SPEC: "the witness MAY log the request ... as it might be proof of log misbehavior."
    (kept,) = witness.records.read_inconsistencies()
    found, cosigned = kept.inconsistency.found, kept.inconsistency.cosigned
    for note in (found, cosigned):
        open_note(note, [LOG.verifier])
    assert Note.parse(found).text != Note.parse(cosigned).text
    assert kept.kept_at == NOW


def test_what_is_cosigned_is_shown_with_both_signatures(witness: Witness) -> None:
    # SPEC: "GET <monitoring prefix>/<origin hash>/checkpoint", "the SHA-256 hash of the log's
    # origin, hex encoded, in lowercase"
    path = f"/{monitoring_path(LOG.origin)}"
    # SPEC: "If the witness has never cosigned a checkpoint for that log, it MUST respond with a
    # "404 Not Found" HTTP status code instead."
    refused(witness.get(path), 404)
    refused(witness.get(f"/{monitoring_path(OTHER.origin)}"), 404)
    lines = witness.post(LOG.request(0, 5)).body
    shown = witness.get(path)
    assert shown.status == 200
    assert shown.headers["content-type"] == TEXT
    # SPEC: "it MUST include the cosignature(s) from the witness's key(s) that were returned from
    # add-checkpoint and the cosignature from the log key(s) that the witness verified."
    assert shown.body == LOG.note(5) + lines
    open_note(shown.body, [LOG.verifier, *witness.cosigners])
    witness.post(LOG.request(5, 6))
    assert open_note(witness.get(path).body, [LOG.verifier]).text == str(LOG.head(6))
    refused(witness.post(LOG.request(0, 3)[:-1]), 400)
    assert witness.get(path, "HEAD").body == b""


def test_paths_are_exact(witness: Witness) -> None:
    witness.post(LOG.request(0, 5))
    digest = monitoring_path(LOG.origin).partition("/")[0]
    for path in (
        f"/{digest.upper()}/checkpoint",
        f"/{digest[:-1]}/checkpoint",
        f"/{digest}0/checkpoint",
        f"/{digest}/checkpoint/",
        f"/{digest}",
        "/checkpoint",
        "/x/checkpoint",
        "/",
        "/add-checkpoint/",
        "/sign-subtree",  # SPEC: "It is OPTIONAL for a witness to support this API."
    ):
        refused(witness.get(path), 404)


def test_methods_are_exact(witness: Witness) -> None:
    # SPEC: "The request MUST be an HTTP POST." and "The request MUST be an HTTP GET."
    response = witness.get("/add-checkpoint")
    refused(response, 405)
    assert response.headers["allow"] == "POST"
    response = witness.get(f"/{monitoring_path(LOG.origin)}", "POST")
    refused(response, 405)
    assert response.headers["allow"] == "GET, HEAD"


def test_a_log_is_added_and_removed_beside_a_running_witness(witness: Witness) -> None:
    refused(witness.post(OTHER.request(0, 5)), 404)
    allow(witness.directory, OTHER)
    assert witness.post(OTHER.request(0, 5)).status == 200
    with closing(witness.directory.open_editor()) as records, records.transaction():
        records.remove_key(OTHER.verifier.vkey)
    refused(witness.post(OTHER.request(5, 6)), 404)
    assert witness.get(f"/{monitoring_path(OTHER.origin)}").status == 200


def test_a_body_is_bounded(witness: Witness) -> None:
    text = refused(witness.post(b"x" * (MAX_REQUEST_BYTES + 1)), 413)
    assert text == f"body has more than {MAX_REQUEST_BYTES} bytes\n"
    refused(witness.post(b"x", content_length="9" * 9), 413)
    refused(witness.post(b"x", content_encoding="br"), 415)


def test_a_slow_body_is_given_up(tmp_path: Path) -> None:
    with closing(Witness(make(tmp_path / "w"), request_seconds=0.01)) as witness:
        body: Any = [b"old 0\n", None]  # None: the rest never comes
        text = refused(witness.post(body), 408)
        assert text == "body was not all there within 0.01 s\n"


def test_a_client_that_asks_too_often_waits(tmp_path: Path) -> None:
    with closing(Witness(make(tmp_path / "w"), events_per_second=2)) as witness:
        answers = [witness.post(LOG.request(0, 5)) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 409, 429]
        text = refused(answers[2], 429)
        assert text == "client 192.0.2.1 sent more than 2 requests a second\n"
        assert answers[2].headers["retry-after"] == "1"
        witness.time += 1
        assert witness.post(LOG.request(5, 6)).status == 200


def test_a_line_that_is_full_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Witness(make(tmp_path / "w"))) as witness:
        monkeypatch.setattr(cosigning, "MAX_WAITING_REQUESTS", 0)
        text = refused(witness.post(LOG.request(0, 5)), 503)
        assert text == "0 requests wait: try again in a second\n"
        monkeypatch.setattr(cosigning, "MAX_WAITING_REQUESTS", 9)
        monkeypatch.setattr(cosigning, "MAX_WAITING_BYTES", 9)
        assert witness.post(LOG.request(0, 5)).headers["retry-after"] == "1"


def test_nothing_is_cosigned_after_a_failed_write(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness.post(LOG.request(0, 4))
    assert witness.get("/readyz").status == 200
    before = witness.records.read(LOG.origin)

    def fail(*_: object) -> None:
        raise UnavailableError("database: disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(Records, "replace", fail)
        text = refused(witness.post(LOG.request(4, 5)), 503)
        assert text == "the witness cannot do this now; its log says why\n"
    # The disk may be well again: what is on it, only a new start finds out.
    refused(witness.post(LOG.request(4, 5)), 503)
    assert witness.records.read(LOG.origin) == before
    refused(witness.get("/readyz"), 503)
    assert witness.get("/healthz").status == 200
    assert b"translog_witness_ready 0.0" in witness.get("/metrics").body


def test_another_writer_stops_a_witness_rather_than_making_a_second_history(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(*_: object) -> None:
        raise ConflictError("another process wrote")

    monkeypatch.setattr(Records, "replace", elsewhere)
    refused(witness.post(LOG.request(0, 5)), 503)
    monkeypatch.undo()
    refused(witness.post(LOG.request(0, 5)), 503)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_answers_everyone_and_is_shown(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cosigning, "answer_all", bug)
    for _ in range(2):
        text = refused(witness.post(LOG.request(0, 5)), 503)
        assert text == "the witness cannot do this now; its log says why\n", "at once"


def test_a_clock_that_went_back_is_unavailable(witness: Witness) -> None:
    witness.post(LOG.request(0, 5))
    witness.wrong_by = -60
    refused(witness.post(LOG.request(5, 6)), 503)
    witness.wrong_by = 0
    assert witness.post(LOG.request(5, 6)).status == 200, "it is not stopped by that"


def test_everything_is_counted(witness: Witness) -> None:
    witness.post(LOG.request(0, 5))
    witness.post(LOG.request(0, 5))
    witness.post(b"nonsense")
    witness.get(f"/{monitoring_path(LOG.origin)}")
    witness.get("/nonsense")
    text = witness.get("/metrics").body.decode()
    for line in (
        'translog_witness_answers_total{route="add-checkpoint",status="200"} 1.0',
        'translog_witness_answers_total{route="add-checkpoint",status="409"} 1.0',
        'translog_witness_answers_total{route="add-checkpoint",status="400"} 1.0',
        'translog_witness_answers_total{route="checkpoint",status="200"} 1.0',
        'translog_witness_answers_total{route="other",status="404"} 1.0',
        "translog_witness_cosign_seconds_count 3.0",
        "translog_witness_waiting 0.0",
        "translog_witness_ready 1.0",
    ):
        assert line in text
    ready = witness.get("/readyz").json
    assert ready["keys"] == [cosigner.vkey for cosigner in witness.cosigners]


def test_50_submitters_at_once_end_in_one_line_of_heads(tmp_path: Path) -> None:
    made = make(tmp_path / "w")
    sizes = [*range(1, 26)] * 2  # every size from both branches, which differ from size 4 on

    async def submit(app: WitnessApp, number: int) -> tuple[int, bytes]:
        """Do as a log does: prove from the size that is named until it is cosigned or refused."""
        size, branch, old_size = sizes[number], number // 25, 0
        while True:
            response = await ask(
                app, "POST", "/add-checkpoint", LOG.request(old_size, size, branch)
            )
            if response.status != 409 or parse_size(response.body) > size:
                return response.status, str(LOG.head(size, branch)).encode()
            old_size = parse_size(response.body)

    async def everyone(app: WitnessApp) -> list[tuple[int, bytes]]:
        return await asyncio.gather(*(submit(app, number) for number in range(len(sizes))))

    with closing(Witness(made)) as witness:
        answers = asyncio.run(everyone(witness.app))
        last = witness.records.read(LOG.origin)
    heads = {text for status, text in answers if status == 200}
    assert {status for status, _ in answers} <= {200, 409, 422}
    assert heads, "somebody was first"
    branches = [
        all(text in {str(LOG.head(size, branch)).encode() for size in sizes} for text in heads)
        for branch in (0, 1)
    ]
    assert any(branches), "no two cosigned heads contradict each other"
    assert last.size == max(int(text.split(b"\n")[1]) for text in heads)


def test_what_waits_at_the_end_is_answered(tmp_path: Path) -> None:
    made = make(tmp_path / "w")
    answers: list[object] = []
    line = Cosigning(made, lambda: NOW)
    for size in range(1, 30):
        line.submit(LOG.request(size - 1, size), answers.append)
    line.close()
    assert [type(answer) for answer in answers] == [bytes] * 29
    with pytest.raises(UnavailableError):
        line.submit(LOG.request(29, 30), answers.append)


def test_a_key_of_a_log_can_be_of_ml_dsa_44_only(tmp_path: Path) -> None:
    made = create(tmp_path / "w", "witness.example/w1", {ED25519: b"w" * 32})
    own = make_cosigning_key(LOG.origin, ML_DSA_44, b"l" * 32)
    with closing(made.open_editor()) as records, records.transaction():
        records.add_key(LOG.origin, own.cosigner.vkey)
    note = Note(text=str(LOG.head(5)), signatures=(own.cosign(LOG.head(5), NOW),)).encode()
    with closing(Witness(made)) as witness:
        body = Submission(old_size=0, proof=(), checkpoint=note).encode()
        response = witness.post(body)
        assert response.status == 200
        assert witness.get(f"/{monitoring_path(LOG.origin)}").body == note + response.body
        refused(witness.post(LOG.request(5, 6)), 403)
