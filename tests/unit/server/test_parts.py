"""The small parts: errors, limits, kept answers, logs, metrics."""

import asyncio
import json
import logging
import sqlite3
from contextlib import closing

import pytest

from tests.simulators.asgi import Served
from tests.simulators.events import created
from translog import errors
from translog.errors import BusyError, MalformedError, TranslogError, UnavailableError
from translog.server.answers import Answer, takes_gzip
from translog.server.deadline import Deadline
from translog.server.errors import KINDS, RateError, detail_of, kind_of, problem
from translog.server.kept import OVERHEAD_BYTES, Kept
from translog.server.logs import Complaints, JsonFormatter
from translog.server.rates import MAX_CLIENTS, Rates, client_of

STATUS = {
    "malformed": 400,
    "too-large": 413,
    "verification-failed": 400,
    "wrong-hash": 400,
    "wrong-signature": 400,
    "wrong-subject": 400,
    "not-included": 400,
    "inconsistent": 400,
    "no-quorum": 400,
    "wrong-header": 400,
    "wrong-timestamp": 400,
    "key-not-permitted": 403,
    "unknown-key": 403,
    "key-compromised": 403,
    "not-listed": 403,
    "not-found": 404,
    "ambiguous": 300,
    "conflict": 409,
    "unavailable": 503,
    "busy": 503,
}


def every(kind: type[TranslogError]) -> list[type[TranslogError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in every(below))]


def test_every_error_has_its_status() -> None:
    ours = [kind for kind in every(TranslogError) if kind.__module__ == errors.__name__]
    for kind in ours[1:]:
        assert kind_of(kind("x")).status == STATUS[kind.code], kind


def test_every_status_is_known_to_uvicorn_and_has_advice() -> None:
    for kind in KINDS.values():
        assert kind.status == 300 or 400 <= kind.status < 600
        assert kind.title
        assert kind.help.endswith(".")


def test_what_the_disk_says_stays_here() -> None:
    assert "/srv/secret" not in problem(UnavailableError("/srv/secret: no")).body.decode()
    assert detail_of(BusyError("5 wait")) == "5 wait"
    assert len(detail_of(MalformedError("x" * 5_000))) == 1_000


def test_gzip_is_sent_only_to_who_takes_it() -> None:
    for accepted in (b"gzip", b"br,gzip", b"GZip ; q=0.001", b"*", b"*;q=0.1, br"):
        assert takes_gzip(accepted), accepted
    for accepted in (b"", b"br", b"gzip;q=0", b"gzip; q=0.00", b"*;q=0", b"*, gzip;q=0", b"xgzip"):
        assert not takes_gzip(accepted), accepted


# Rates


def test_a_bucket_holds_one_second_and_fills_with_time() -> None:
    now = 50.0
    rates = Rates(10.0, lambda: now)
    for _ in range(10):
        rates.check("a")
        rates.charge("a", 1)
    with pytest.raises(RateError, match=r"client a sent more than 10 events a second"):
        rates.check("a")
    rates.check("b")
    now += 0.11
    rates.check("a")
    rates.charge("a", 31)
    with pytest.raises(RateError) as refused:
        rates.check("a")
    assert refused.value.after_seconds == 3
    now += 3.1
    rates.check("a")


def test_the_clients_kept_are_bounded_and_the_latest_stay() -> None:
    rates = Rates(1.0, lambda: 0.0)
    rates.charge("first", 5)
    for number in range(MAX_CLIENTS - 1):
        rates.charge(str(number), 5)
    rates.charge("first", 5)
    rates.charge("one more", 5)
    rates.check("0")
    for known in ("first", "1", "one more"):
        with pytest.raises(RateError):
            rates.check(known)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", b"203.0.113.9", "192.0.2.1"),
        ("127.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", b"10.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", b"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", None, "2001:db8:1:2::"),
        ("fe80::1%eth0", None, "fe80::"),
        ("::ffff:zz", None, "::ffff:zz"),
    ],
)
def test_a_client_is_an_address_or_a_line(peer: str, forwarded: bytes | None, client: str) -> None:
    headers = {} if forwarded is None else {b"x-forwarded-for": forwarded}
    assert client_of({"client": (peer, 1)}, headers, frozenset({"127.0.0.1"})) == client


def test_a_client_without_an_address_has_a_name() -> None:
    assert client_of({"client": None}, {}, frozenset()) == "unknown"


# Kept answers


def test_kept_answers_are_bounded_in_bytes_and_the_latest_used_stay() -> None:
    kept = Kept(3 * (1_000 + OVERHEAD_BYTES))
    for name in "abc":
        kept.put(name, Answer(200, name.encode() * 1_000, "text/plain"))
    assert kept.get("a") is not None
    kept.put("d", Answer(200, b"d" * 1_000, "text/plain"))
    assert [name for name in "abcd" if kept.get(name)] == ["a", "c", "d"]
    kept.put("d", Answer(200, b"e" * 1_000, "text/plain"))  # in its own place
    assert [name for name in "abcd" if kept.get(name)] == ["a", "c", "d"]
    huge = Answer(200, bytes(10_000), "text/plain")
    assert kept.put("huge", huge) is huge
    assert kept.get("huge") is None
    kept.put("a", Answer(200, b"", "text/plain"))
    assert kept.get("a") is not None


# Deadlines


def test_a_deadline_ends_what_takes_too_long_and_nothing_else() -> None:
    async def work() -> str:
        with Deadline(10.0):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError), Deadline(0.001):
            await asyncio.Event().wait()
        with pytest.raises(ValueError, match="own"), Deadline(10.0):
            raise ValueError("own")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0  # nothing of it is left
        return "done"

    assert asyncio.run(work()) == "done"


def test_a_task_that_is_cancelled_is_not_late() -> None:
    async def wait() -> None:
        with Deadline(10.0):
            await asyncio.Event().wait()

    async def work() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())


# Logs and metrics


def test_a_log_line_is_one_json_object() -> None:
    record = logging.LogRecord("n", logging.ERROR, "f", 1, "a\n%s", ("b",), None)
    record.fields = {"port": 8080}
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert (line["level"], line["message"], line["port"]) == ("error", "a\nb", 8080)
    assert "ValueError: two\nlines" in line["traceback"]
    assert line["time"].endswith("Z")


def test_complaints_come_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    complaints = Complaints(lambda: now)
    for _ in range(5):
        complaints.tell(UnavailableError("disk"))
    now += 1.0
    complaints.tell(UnavailableError("disk"))
    assert caplog.text.count("unavailable: disk") == 2


def metric(log: Served, line: str) -> float:
    found = [
        each for each in log.get("/metrics").body.decode().splitlines() if each.startswith(line)
    ]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def test_everything_is_counted(log: Served) -> None:
    log.add_all([created(1), created(2), created(1), b"{"])
    log.get("/tile/0/000.p/9")
    log.get("/pith/x/bundle.json")
    log.get("/what/ever")
    assert metric(log, 'translog_events_total{result="added"}') == 2
    assert metric(log, 'translog_events_total{result="duplicate"}') == 1
    assert metric(log, 'translog_events_total{result="malformed"}') == 1
    assert metric(log, 'translog_http_requests_total{route="add",status="200"}') == 1
    assert metric(log, 'translog_http_requests_total{route="tile",status="404"}') == 1
    assert metric(log, 'translog_http_requests_total{route="pith",status="400"}') == 1
    assert metric(log, 'translog_http_requests_total{route="other",status="404"}') == 1
    assert metric(log, "translog_log_size") == 2
    assert metric(log, "translog_published_size") == 0
    assert metric(log, "translog_add_seconds_count") == 1
    log.time += 7
    assert metric(log, "translog_checkpoint_age_seconds") == 7
    log.publish()
    assert metric(log, "translog_published_size") == 2
    assert metric(log, "translog_checkpoint_age_seconds") == 0
    assert metric(log, "translog_publish_seconds_count") == 1
    assert metric(log, "translog_publish_failures_total") == 0
    assert metric(log, "translog_events_waiting") == 0
    assert metric(log, "translog_ready") == 1


def test_metrics_are_prometheus_text(log: Served) -> None:
    response = log.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")


# Health


def test_a_server_without_a_fresh_checkpoint_is_not_ready(log: Served) -> None:
    assert log.get("/readyz").json == {"ready": True, "size": 0, "anchoring": "off"}
    log.time += 10
    assert log.get("/readyz").status == 200
    log.time += 1
    response = log.get("/readyz")
    assert response.status == 503
    assert response.json["detail"] == "no turn of the publisher for 11 s"
    assert log.get("/healthz").body == b"ok\n"
    log.publish()
    assert log.get("/readyz").status == 200


def test_a_server_whose_disk_is_almost_full_is_not_ready(
    log: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("translog.log.pipeline.MIN_FREE_BYTES", 1 << 62)
    assert log.add(created(1)).status == 503
    response = log.get("/readyz")
    assert response.status == 503
    assert response.json["detail"] == (
        "every event is refused: the log's disk is almost full, or cannot be asked"
    )
    assert metric(log, "translog_ready") == 0
    monkeypatch.undo()
    assert log.get("/readyz").status == 200


def test_a_server_whose_disk_failed_is_not_ready(
    log: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr("translog.store.log.append", failing)
    response = log.add(created(1))
    assert (response.status, response.json["code"]) == (503, "unavailable")
    assert "until the server is started again" in log.get("/readyz").json["detail"]
    assert metric(log, "translog_ready") == 0
    monkeypatch.undo()
    assert log.add(created(1)).status == 503  # until it is opened again
    assert log.size == 0
    assert log.get("/checkpoint").status == 200


def test_a_server_beside_which_another_process_wrote_says_so_to_its_operator(
    log: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(log.log.database)) as db, db:
        head = db.execute("SELECT size, root FROM head").fetchone()
        db.execute("UPDATE head SET size = 7")
    assert log.add(created(1)).status == 503
    log.time += 2
    caplog.clear()
    response = log.get("/readyz")
    assert response.status == 503
    assert response.json["detail"] == (
        "no events are taken until the server is started again; its own log says why"
    )
    (told,) = caplog.messages
    assert told == f"unavailable: {response.json['detail']}: {log.writer.stopped}"
    assert "log is at size 7, want 0: another process wrote to it" in told
    with closing(sqlite3.connect(log.log.database)) as db, db:
        db.execute("UPDATE head SET size = ?, root = ?", head)


def test_a_publisher_with_a_bug_stops_adding_and_not_the_server(
    log: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: int) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(log.writer, "publish", broken)
    log.publish()
    assert "ValueError: a bug" in caplog.text
    assert log.add(created(1)).status == 503
    assert metric(log, "translog_publish_failures_total") == 1
    monkeypatch.undo()
    log.publish()
    assert log.add(created(1)).status == 200
