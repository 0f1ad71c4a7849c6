"""POST /add: what is taken in, what is refused, and that a refusal changes nothing."""

import asyncio
import gzip
import json
import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.asgi import Response, Served, ask, full, problem, served, stuck, unsigning
from tests.simulators.events import KEY, created, real_events, snapshot
from tests.simulators.published import entry_of
from translog.errors import BusyError, UnavailableError
from translog.formats.keys import SigningKey
from translog.formats.merkle import leaf_hash
from translog.formats.proof import TlogProof, verify_proof
from translog.pith import event
from translog.pith.key import PINNED
from translog.server.gathering import Wakeups

Change = Callable[[dict[str, Any]], Any]


def test_an_event_is_logged_and_its_place_told(log: Served) -> None:
    logged = event.from_value(created(1))
    response = log.add(created(1))
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json == {
        "index": 0,
        "event_id": logged.event_id,
        "leaf_hash": leaf_hash(entry_of(logged).encode()).hex(),
        "duplicate": False,
    }


def test_the_same_event_again_changes_nothing(log: Served) -> None:
    first = log.add(created(1)).json
    log.add(created(2))
    again = log.add(json.dumps(created(1), indent=1).encode()).json
    assert again == {**first, "duplicate": True}
    assert log.size == 2


def test_many_are_answered_line_by_line_in_order(log: Served) -> None:
    bad = created(7)
    bad["created_at"] = "2026-06-02T00:00:00Z"
    response = log.add_all([created(1), bad, b"{", b"", created(2), created(1)])
    assert response.status == 200
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = response.lines
    assert [line.get("index") for line in lines] == [0, None, None, None, 1, 0]
    assert [line.get("duplicate") for line in lines] == [False, None, None, None, False, True]
    codes = [line["error"]["code"] for line in lines[1:4]]
    assert codes == ["wrong-hash", "malformed", "malformed"]
    assert "computed" in lines[1]["error"]["detail"]
    assert log.size == 2


def test_the_last_line_may_end_or_not(log: Served) -> None:
    raw = json.dumps(created(1)).encode()
    for body in (raw, raw + b"\n"):
        response = log.run(
            ask(log.app, "POST", "/add", body, content_type="application/x-ndjson; charset=utf-8")
        )
        assert len(response.lines) == 1


def wait_published(log: Served, body: bytes, kind: str) -> Response:
    async def work() -> Response:
        asked = asyncio.create_task(
            ask(log.app, "POST", "/add?wait=published", body, content_type=kind)
        )
        while log.writer.waiting or not log.size:
            await asyncio.sleep(0)
        assert not asked.done()
        while not asked.done():
            await log.app.publishing.turn()
        return await asked

    response: Response = log.run(work())
    return response


def test_whoever_waits_gets_a_proof_that_verifies(log: Served) -> None:
    one, other = real_events()
    body = b"\n".join(json.dumps(each).encode() for each in (one, {}, other))
    first, bad, second = wait_published(log, body, "application/x-ndjson").lines
    assert bad["error"]["code"] == "malformed"
    key = PINNED["pith.science"].public_key
    for sent, got in ((one, first), (other, second)):
        proof = TlogProof.parse(got["proof"].encode())
        assert proof.index == got["index"]
        entry = entry_of(event.from_value(sent), key).encode()
        assert verify_proof(proof, entry, log.log.verifier).size == 2


def test_one_event_can_be_waited_for(log: Served) -> None:
    response = wait_published(log, json.dumps(created(1)).encode(), "application/json")
    entry = entry_of(event.from_value(created(1))).encode()
    verify_proof(TlogProof.parse(response.json["proof"].encode()), entry, log.log.verifier)


def changed(change: Change) -> bytes:
    value = created(1)
    return json.dumps(change(value) or value).encode()


def resigned(**members: Any) -> bytes:
    """Return an event whose hash and signature are right, with other members."""
    value = {name: each for name, each in created(1).items() if name not in APART}
    return json.dumps(
        event.sign({**value, **members}, KEY, created(1)["signature"]["signed_at"])
    ).encode()


APART = {"signature", "content_sha256", "event_id"}
STRANGER = SigningKey(bytes(32))


def wrong_hash(value: dict[str, Any]) -> None:
    value["content_sha256"] = "0" * 64


def wrong_signature(value: dict[str, Any]) -> None:
    value["signature"]["signature_b64"] = b64encode(bytes(64)).decode()


def missing_member(value: dict[str, Any]) -> None:
    del value["payload"]


BAD = {
    "wrong hash": (changed(wrong_hash), 400, "wrong-hash"),
    "wrong signature": (changed(wrong_signature), 400, "wrong-signature"),
    "unknown key": (json.dumps(created(1, STRANGER)).encode(), 403, "unknown-key"),
    "type not permitted": (resigned(event_type="weather"), 403, "key-not-permitted"),
    "other subject": (
        resigned(subject_pith_number=created(2)["subject_pith_number"]), 400, "wrong-subject"
    ),
    "member missing": (changed(missing_member), 400, "malformed"),
    "key twice": (json.dumps(created(1)).encode()[:-1] + b',"target":"record"}', 400, "malformed"),
    "NaN": (json.dumps(created(1)).encode().replace(b'"1.0"', b"NaN", 1), 400, "malformed"),
    "deep": (b"[" * 5_000 + b"]" * 5_000, 400, "malformed"),
    "not UTF-8": (b'{"a":"\xff"}', 400, "malformed"),
    "empty": (b"", 400, "malformed"),
    "not JSON": (b"hello", 400, "malformed"),
    "too large": (b" " * (1 << 20) + json.dumps(created(1)).encode(), 413, "too-large"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_refused_and_nothing_changes(log: Served, name: str) -> None:
    raw, status, code = BAD[name]
    assert problem(log.add(raw)) == (status, code)
    assert log.size == 0
    log.add(created(3))  # and the log goes on
    assert log.size == 1


@pytest.mark.parametrize("name", sorted(set(BAD) - {"empty"}))
def test_and_in_a_batch_stands_in_its_place(log: Served, name: str) -> None:
    raw, _, code = BAD[name]
    good, bad = log.add_all([created(3), raw]).lines
    assert (good["index"], bad["error"]["code"]) == (0, code)


def test_a_key_that_may_write_other_types_only_is_refused(log: Served) -> None:
    response = log.add(resigned(event_type="weather"))
    assert "may not write 'weather'" in response.json["detail"]
    assert "keys allow" in response.json["help"]


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
def test_other_media_types_are_refused(log: Served, kind: str) -> None:
    response = log.run(ask(log.app, "POST", "/add", b"{}", content_type=kind))
    assert problem(response) == (415, "unsupported-media-type")


def test_only_posting_adds(log: Served) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"):
        response = log.run(ask(log.app, method, "/add"))
        assert response.status == 405
        assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("query", ["wait=yes", "wait", "wait=published&a=b", "x=1", "wait="])
def test_an_option_misspelt_is_refused(log: Served, query: str) -> None:
    assert problem(log.add(created(1), f"?{query}")) == (400, "malformed")
    assert log.size == 0


# Bodies


def test_a_body_may_come_in_pieces(log: Served) -> None:
    raw = json.dumps(created(1)).encode()
    pieces = [raw[:10], b"", raw[10:]]
    response = log.run(ask(log.app, "POST", "/add", pieces, content_type="application/json"))
    assert response.json["index"] == 0


def test_a_large_body_is_refused_by_its_length_before_it_comes(log: Served) -> None:
    never: Any = [None]
    response = log.run(
        ask(
            log.app,
            "POST",
            "/add",
            never,
            content_type="application/x-ndjson",
            content_length=str(100 << 20),
        )
    )
    assert problem(response) == (413, "too-large")


def test_a_length_that_is_no_number_is_refused(log: Served) -> None:
    for length in ("-1", "1e3", "9" * 400):
        assert problem(log.add(created(1), content_length=length)) == (400, "malformed")


def test_a_large_body_is_refused_while_it_comes(tmp_path: Path) -> None:
    with served(tmp_path / "log", max_body_bytes=1_000) as log:
        for kind in ("application/json", "application/x-ndjson"):
            exact = [b"x" * 400, b"x" * 600]
            response = log.run(ask(log.app, "POST", "/add", exact, content_type=kind))
            assert response.status != 413
            over: Any = [b"x" * 400, b"x" * 601, None]
            response = log.run(ask(log.app, "POST", "/add", over, content_type=kind))
            assert problem(response) == (413, "too-large")
            last = log.run(
                ask(log.app, "POST", "/add", [b"x" * 400, b"x" * 601], content_type=kind)
            )
            assert problem(last) == (413, "too-large")
            whole = log.run(ask(log.app, "POST", "/add", b"x" * 1_001, content_type=kind))
            assert problem(whole) == (413, "too-large")


def test_bodies_that_arrive_are_bounded_all_together(tmp_path: Path) -> None:
    with served(tmp_path / "log", max_arriving_bytes=1_000, request_seconds=0.05) as log:

        async def work() -> tuple[Response, Response]:
            slow: Any = [b"x" * 900, None, b"x"]
            kind = "application/x-ndjson"
            first = asyncio.create_task(ask(log.app, "POST", "/add", slow, content_type=kind))
            await asyncio.sleep(0)
            crowded = await ask(log.app, "POST", "/add", [b"x" * 200, b"x"], content_type=kind)
            return await first, crowded

        first, crowded = log.run(work())
        assert problem(crowded) == (503, "busy")
        assert crowded.headers["retry-after"] == "1"
        assert problem(first) == (408, "request-timeout")
        raw = json.dumps(created(1)).encode()
        pieces = [raw[:600], raw[600:1_000]]  # what was held has been given back
        response = log.run(ask(log.app, "POST", "/add", pieces, content_type="application/json"))
        assert problem(response) == (400, "malformed")


def test_a_batch_of_too_many_lines_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "log", max_batch_events=2) as log:
        assert len(log.add_all([created(1), created(2)]).lines) == 2
        assert problem(log.add_all([created(3), created(4), created(5)])) == (413, "too-large")
        assert problem(log.add_all([])) == (400, "malformed")
        assert log.size == 2


def test_a_packed_body_is_unpacked(log: Served) -> None:
    raw = json.dumps(created(1)).encode()
    response = log.add(gzip.compress(raw), content_encoding="gzip")
    assert response.json["index"] == 0


def test_a_packed_body_that_is_damaged_large_or_unknown_is_refused(log: Served) -> None:
    packed = gzip.compress(json.dumps(created(1)).encode())
    for raw, coding, status in [
        (packed[:-9], "gzip", 400),
        (packed + b"x", "gzip", 400),
        (b"hello", "gzip", 400),
        (gzip.compress(bytes(2 << 20)), "gzip", 413),
        (packed, "br", 415),
        (packed, "gzip, gzip", 415),
    ]:
        response = log.add(raw, content_encoding=coding)
        assert problem(response)[0] == status
    assert log.size == 0


def test_a_client_that_goes_away_is_no_bug(log: Served) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def work() -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/add", "query_string": b""}
        await log.app({**scope, "headers": headers, "client": None}, receive, send)
        return int(sent[0]["status"])

    assert log.run(work()) == 400


# Limits and faults


def test_a_client_that_sends_too_much_waits(tmp_path: Path) -> None:
    with served(tmp_path / "log", events_per_second=2.0) as log:
        assert log.add(created(0)).status == 200
        assert len(log.add_all([created(1), created(2), created(3)]).lines) == 3  # into debt
        response = log.add(created(4))
        assert problem(response) == (429, "rate-limited")
        assert response.headers["retry-after"] == "1"
        assert log.size == 4
        other = json.dumps(created(5)).encode()
        answer = ask(
            log.app, "POST", "/add", other, client="192.0.2.2", content_type="application/json"
        )
        assert log.run(answer).status == 200
        log.time += 1.5
        assert log.add(created(4)).status == 200


def test_a_full_line_is_busy(log: Served) -> None:
    with full(log):
        response = log.add(created(1))
    assert problem(response) == (503, "busy")
    assert response.headers["retry-after"] == "1"


def test_an_answer_that_takes_too_long_says_that_it_may_be_logged(tmp_path: Path) -> None:
    with served(tmp_path / "log", request_seconds=0.05) as log:
        with stuck(log):
            response = log.add(created(1))
        assert problem(response) == (503, "unavailable")
        assert "may be logged" in response.json["detail"]


def test_waiting_for_a_checkpoint_that_does_not_come_ends(tmp_path: Path) -> None:
    with served(tmp_path / "log", request_seconds=1.0) as log:
        response = log.add(created(1), "?wait=published")
        assert problem(response) == (503, "unavailable")
        assert log.size == 1


def test_when_heads_cannot_be_signed_no_events_are_taken(
    log: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.add(created(1))
    with unsigning(log):
        log.publish()
        response = log.add(created(2))
        assert problem(response) == (503, "unavailable")
        assert response.headers["retry-after"] == "5"
        assert str(log.log.path) not in response.body.decode()  # its operator's business
        assert log.size == 1
        assert log.get("/checkpoint").status == 200
        assert problem(log.get("/readyz")) == (503, "unavailable")
    log.publish()
    assert log.add(created(2)).status == 200
    assert log.get("/readyz").status == 200


def test_whoever_waits_hears_that_heads_cannot_be_signed(log: Served) -> None:
    with unsigning(log):
        response = wait_published(log, json.dumps(created(1)).encode(), "application/json")
    assert problem(response) == (503, "unavailable")
    assert "is logged" in response.json["detail"]


def test_results_of_many_batches_come_back_each_to_its_own() -> None:
    async def work() -> None:
        wakeups = Wakeups()
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(100)]
        futures[7].cancel()

        def deliver() -> None:
            for number, future in enumerate(futures):
                wakeups.deliver(future, [UnavailableError(str(number))])

        thread = threading.Thread(target=deliver)
        thread.start()
        for number, future in enumerate(futures):
            if number != 7:
                (result,) = await future
                assert str(result) == str(number)
        thread.join()

    asyncio.run(work())


def test_results_for_a_loop_that_is_gone_are_dropped() -> None:
    async def work() -> Any:
        return asyncio.get_running_loop().create_future()

    Wakeups().deliver(asyncio.run(work()), [BusyError("")])


def test_events_of_all_sizes_keep_their_ids(log: Served) -> None:
    sent = [snapshot(number, items=number) for number in range(5)]
    log.add_all([created(number) for number in range(5)])
    got = log.add_all(sent).lines
    assert [line["event_id"] for line in got] == [each["event_id"] for each in sent]
