"""A running monitor against logs over HTTP: alerts told once, also across restarts and crashes."""

import json
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from socket import create_connection
from threading import Event, Thread
from typing import Any

import pytest

from translog.errors import (
    ConflictError,
    MalformedError,
    MissingError,
    SignatureError,
    UnavailableError,
)
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.formats.note import Note, NoteSigner, Signature, Verifier, open_note
from translog.formats.policy import believing
from translog.formats.published import event_path
from translog.formats.witnessing import monitoring_path
from translog.monitor import alerts, following, metrics, run
from translog.monitor.alerts import Channel, Courier, Webhook, to_command
from translog.monitor.config import Config, LogConfig
from translog.monitor.run import Clocks, Monitor
from translog.net.client import Client
from translog.pith import event as events
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import decisions
from translog.store.follower import Changes, DecisionRow, FactRow, Follower, MarkRow
from translog.store.keys import write_key
from translog.testing.events import (
    KEY,
    attestation,
    creation,
    number_of,
    pith_key,
    signed,
    signing_key,
)
from translog.testing.log import LyingLog, lying_log
from translog.testing.loopback import Answer, Request, serving
from translog.testing.published import LOG_KEY
from translog.verify.evidence import Evidence
from translog.verify.findings import Trust
from translog.verify.monitor_events import Watch
from translog.verify.monitor_facts import Position

NOW = 1_780_000_000
PREVIOUS = f"sha256:{'ab' * 32}"
EVENTS = [creation(1), *(attestation(number, paper=1) for number in range(9))]


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def clocks(self) -> Clocks:
        return Clocks(lambda: NOW + self.time, lambda: self.time)


@pytest.fixture
def log() -> Iterator[LyingLog]:
    with lying_log(EVENTS) as made:
        yield made


def followed(log: LyingLog, client: str = "me", **changes: Any) -> LogConfig:
    config = LogConfig(
        origin=log.truth.origin,
        policy=believing(log.verifier),
        place=log.url(client),
        witnesses=(),
        mirrors=(),
        exchange=(),
        continues=None,
        watch=Watch(),
        frozen_after_seconds=10_000,
        patience_seconds=100,
        check_every_seconds=0,
    )
    return replace(config, **changes)


def config(folder: Path, *logs: LogConfig, **changes: Any) -> Config:
    made = Config(
        database=folder / "monitor.db",
        interval_seconds=1,
        listen=None,
        evidence=folder / "evidence",
        seen=folder / "seen",
        stdout=True,
        command=None,
        webhook=None,
        webhook_key=None,
        logs=logs,
    )
    return replace(made, **changes)


Turn = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def told(capsysbinary: pytest.CaptureFixture[bytes]) -> Turn:
    """Return the alerts that were printed since the last time."""

    def call() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]

    return call


def once(made: Config, clock: Clock) -> None:
    with Monitor.open(made, clock.clocks()) as monitor:
        monitor.once()


def test_a_fork_is_told_once_across_restarts_with_evidence_in_a_file(log, tmp_path, told):
    made, clock = config(tmp_path, followed(log)), Clock()
    once(made, clock)
    assert told() == []
    shown = tmp_path / "seen" / monitoring_path(log.truth.origin)
    assert shown.read_bytes() == log.truth.checkpoint(log.truth.size)
    shown.unlink()
    shown.parent.rmdir()
    once(made, clock)  # a crash may have come before it was shown
    assert shown.read_bytes() == log.truth.checkpoint(log.truth.size)
    log.fork("me", at=4)
    once(made, clock)
    (alert,) = told()
    assert (alert["kind"], alert["severity"], alert["origin"]) == (
        "fork",
        "alarm",
        log.truth.origin,
    )
    assert (alert["format"], alert["found_at"]) == ("translog-alert/v1", NOW)
    (file,) = (tmp_path / "evidence").iterdir()
    evidence = Evidence.parse(file.read_bytes())
    assert json.loads(evidence.encode()) == alert["evidence"]
    assert evidence.check(Trust(policy=believing(log.verifier))).grade == "proof"
    for _ in range(3):
        once(made, clock)
        assert told() == []


def test_what_was_stored_and_not_told_is_told_after_the_next_start(log, tmp_path, told):
    made, clock = config(tmp_path, followed(log)), Clock()
    once(made, clock)
    log.fork("me", at=4)
    with Monitor.open(made, clock.clocks()) as monitor:
        monitor._turn(log.truth.origin)  # and then the process is killed
    assert told() == []
    once(made, clock)
    assert [alert["kind"] for alert in told()] == ["fork"]


def test_evidence_that_was_not_kept_for_a_crash_or_a_full_disk_is_kept_later(log, tmp_path, told):
    made, clock = config(tmp_path, followed(log)), Clock()
    once(made, clock)
    log.fork("me", at=4)
    with Monitor.open(made, clock.clocks()) as monitor:
        monitor._turn(log.truth.origin)  # and then the process is killed
    folder = tmp_path / "evidence"
    assert list(folder.iterdir()) == []
    with Monitor.open(made, clock.clocks()) as monitor:
        folder.rmdir()
        folder.write_bytes(b"in the way")
        monitor.once()
        assert [alert["kind"] for alert in told()] == ["fork"]  # the alert does not wait for it
        folder.unlink()
        clock.time += 10
        monitor.once()
    (file,) = folder.iterdir()
    evidence = Evidence.parse(file.read_bytes())
    assert evidence.check(Trust(policy=believing(log.verifier))).grade == "proof"
    assert told() == []


def test_two_monitors_do_not_share_a_database(log, tmp_path):
    made = config(tmp_path, followed(log))
    for _ in range(2):
        with Monitor.open(made, Clock().clocks()) as monitor:
            with pytest.raises(ConflictError, match=r"monitor\.db is another's"):
                Monitor.open(made, Clock().clocks())
            monitor.once()


def test_a_crash_between_two_steps_goes_on_from_the_first(log, tmp_path, monkeypatch, told):
    log.append([attestation(1_000 + number, paper=1) for number in range(700)])
    made, clock = config(tmp_path, followed(log)), Clock()
    commits = 0
    commit = Follower.commit

    def dying(self: Follower, *arguments: Any) -> list[str]:
        nonlocal commits
        commits += 1
        if commits == 3:
            raise UnavailableError("the disk is gone")
        return commit(self, *arguments)

    monkeypatch.setattr(Follower, "commit", dying)
    with pytest.raises(UnavailableError, match="the disk is gone"):
        once(made, clock)
    monkeypatch.setattr(Follower, "commit", commit)
    with Monitor.open(made, clock.clocks()) as monitor:
        one = monitor.logs[log.truth.origin]
        assert one.size == 256
        monitor.once()
        assert one.size == log.truth.size
        assert one.scanned == log.truth.size - 256
    assert told() == []


def test_two_monitors_exchange_what_they_see_over_http_and_in_files(log, tmp_path, told):
    clock = Clock()
    log.fork("two", at=4)
    one = config(tmp_path / "one", followed(log, "one"), listen=("127.0.0.1", 0))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Monitor.open(one, clock.clocks()) as monitor:
        monitor.once()
        url = f"http://127.0.0.1:{monitor.endpoint.port}"
        for number, place in enumerate((url, str(tmp_path / "one" / "seen"))):
            two = config(
                tmp_path / "two",
                followed(log, "two", exchange=(place,)),
                database=tmp_path / f"two-{number}.db",
            )
            once(two, clock)
            (alert,) = told()
            assert alert["kind"] == "fork"
            assert place in alert["sentence"]


def test_the_endpoint_shows_metrics_and_heads_and_nothing_else(log, tmp_path):
    made = config(tmp_path, followed(log), listen=("127.0.0.1", 0), stdout=False)
    with (
        Monitor.open(made, Clock().clocks()) as monitor,
        Client(f"http://127.0.0.1:{monitor.endpoint.port}") as client,
    ):
        assert client.get("healthz", 100) == b"ok\n"
        path = monitoring_path(log.truth.origin)
        with pytest.raises(MissingError):
            client.get(path, 1_000)
        monitor.once()
        assert client.get(path, 1_000) == log.truth.checkpoint(log.truth.size)
        metrics = client.get("metrics", 100_000).decode()
        with pytest.raises(MissingError):
            client.get("nothing", 1_000)
    assert "# TYPE translog_monitor_turns_total counter\n" in metrics
    assert "translog_monitor_turns_total 1\n" in metrics
    assert 'translog_monitor_log_size{origin="example.com/log"} 10\n' in metrics
    assert 'translog_monitor_facts_total{severity="alarm"} 0\n' in metrics


def test_the_endpoint_hangs_up_on_a_client_that_is_never_done(log, tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "TIMEOUT_SECONDS", 0.2)
    made = config(tmp_path, followed(log), listen=("127.0.0.1", 0), stdout=False)
    with Monitor.open(made, Clock().clocks()) as monitor:
        with create_connection(("127.0.0.1", monitor.endpoint.port), timeout=20) as slow:
            slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            with pytest.raises(OSError, match=r"reset|pipe"):
                for _ in range(500):  # a byte now and then, for ten seconds
                    slow.sendall(b"y")
                    Event().wait(0.02)
        with Client(f"http://127.0.0.1:{monitor.endpoint.port}") as client:
            assert client.get("healthz", 100) == b"ok\n"


def test_a_shard_is_followed_beside_the_log_it_continues(log, tmp_path, told):
    log.append([attestation(500, paper=1, prev_event=PREVIOUS)])
    with lying_log(origin="example.com/next") as shard:
        made = config(
            tmp_path,
            followed(log),
            followed(shard, continues=log.truth.origin),
        )
        clock = Clock()
        once(made, clock)
        assert told() == []
        shard.append([attestation(501, paper=1, prev_event=PREVIOUS)])
        once(made, clock)
        (alert,) = told()
    assert (alert["kind"], alert["origin"]) == ("equivocation", "example.com/next")


def test_two_shards_that_are_scanned_at_once_hide_no_contradiction(
    log, tmp_path, told, monkeypatch
):
    log.append([attestation(500, paper=1, prev_event=PREVIOUS)])
    events = [attestation(501, paper=1, prev_event=PREVIOUS)]
    with lying_log(events, origin="example.com/next") as shard:
        logs = (followed(log), followed(shard, continues=log.truth.origin))
        with Monitor.open(config(tmp_path, *logs), Clock().clocks()) as monitor:
            find = Follower.find

            def later(self: Follower, *arguments: Any) -> list[MarkRow]:
                monkeypatch.setattr(Follower, "find", find)
                found = find(self, *arguments)
                assert monitor._turn("example.com/next") is None
                return found

            monkeypatch.setattr(Follower, "find", later)
            with pytest.raises(ConflictError, match="scanned at once"):
                monitor.once()
            assert told() == []
            monitor.once()
    assert [alert["kind"] for alert in told()] == ["equivocation"]


def test_what_stands_in_the_place_of_an_event_hides_no_contradiction(log, tmp_path, told):
    log.append([attestation(500, paper=1, prev_event=PREVIOUS)])
    log.append([attestation(1_000 + number, paper=1) for number in range(300)])
    made, clock = config(tmp_path, followed(log)), Clock()
    once(made, clock)
    log.append([attestation(501, paper=1, prev_event=PREVIOUS)])
    bundle, size = log.truth.files["tile/entries/000"], len(log.truth.entries[0])
    hidden, shown = log.truth.entries[len(EVENTS)], log.truth.entries[-1]
    assert len(hidden) == len(shown) == size
    log._own("me").replaced["tile/entries/000"] = bundle.replace(hidden, shown)
    once(made, clock)
    assert [alert["kind"] for alert in told()] == ["unpublished"]


def test_a_key_that_is_withdrawn_takes_no_proof_away(log, tmp_path, told):
    log.append([attestation(500, paper=1, prev_event=PREVIOUS)])
    with Monitor.open(config(tmp_path, followed(log)), Clock().clocks()) as monitor:
        monitor.once()
        log.append([attestation(501, paper=1, prev_event=PREVIOUS)])
        log.withhold("keys.json", "me")
        monitor.once()
    (alert,) = told()
    assert (alert["kind"], alert["evidence"]["kind"]) == ("equivocation", "signer-equivocation")


def test_a_log_that_publishes_what_it_owed_is_judged_again(tmp_path, told):
    origin, other = "example.com/log", signing_key("other")
    own = {"signer_type": "log", "signer_id": origin, "key_id": "log"}
    signer = {**own, "public_key_fingerprint": fingerprint_hex(LOG_KEY.public_key)}

    def allowed(key: SigningKey) -> events.Event:
        types = ["record_created", "author_attestation"]
        payload = decisions.build_allowed(
            key=pith_key(key), signer_id="registry.example", event_types=types
        )
        return signed(decisions.KEY_ALLOWED, origin, payload, LOG_KEY, {"signer": signer})

    with lying_log() as log:
        log.truth.public_keys += [pith_key(LOG_KEY), pith_key(other)]
        log.append([allowed(KEY), *EVENTS, missing := allowed(signing_key("third"))])
        behind = [attestation(899, key=other), attestation(898, key=signing_key("third"))]
        log.truth.public_keys += [pith_key(signing_key(name)) for name in ("third", "fourth")]
        log.append([*behind, later := allowed(other)])
        for path in (event_path(missing.content_sha256), f"events/000.p/{log.truth.size}"):
            log.withhold(path, "me")
        for shown in (False, True):  # and it is started anew in between
            if shown:
                log.relent("me")
                with Follower(tmp_path / "monitor.db") as store:  # as 0.2.2 left it
                    store.add(origin)
                    row = DecisionRow(log.truth.size - 1, log.truth.entries[-1], later.content)
                    changes = Changes(position=store.position(origin) or b"", decisions=[row])
                    store.commit(origin, origin, changes, [], 0)
            with Monitor.open(config(tmp_path, followed(log)), Clock().clocks()) as monitor:
                monitor.once()
            assert [alert["sentence"].split(" had ")[0] for alert in told()] == [
                f"{origin} has as entry {log.truth.size - 3} what it"
            ] * shown
        with Monitor.open(config(tmp_path, followed(log)), Clock().clocks()) as monitor:
            log.append([attestation(900, key=other), attestation(901, key=signing_key("fourth"))])
            monitor.once()
            assert [alert["kind"] for alert in told()] == ["forbidden-entry"]


def test_one_slow_log_delays_no_other(log, tmp_path):
    clock = Clock()
    with lying_log(EVENTS, origin="example.com/slow") as slow:
        slow.stall("me")
        made = config(tmp_path, followed(slow), followed(log), stdout=False)
        with Monitor.open(made, clock.clocks()) as monitor:
            done = Event()
            turn = monitor.logs[log.truth.origin].turn

            def counted(*arguments: Any) -> None:
                turn(*arguments)
                clock.time += 1
                if monitor.logs[log.truth.origin].turns >= 5:
                    monitor.stop()
                    done.set()

            monitor.logs[log.truth.origin].turn = counted
            monitor._stopping.wait = lambda wait: _move(clock, wait)  # type: ignore[method-assign]
            runner = Thread(target=monitor._schedule)
            runner.start()
            assert done.wait(20)
            runner.join(20)
            assert monitor.logs["example.com/slow"].turns == 0
            assert monitor.late > 0


def test_logs_that_are_slow_in_the_midst_of_a_turn_delay_no_other(log, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "READING", 1)
    monkeypatch.setattr(following, "TIMEOUT_SECONDS", 60.0)
    clock, reached, release = Clock(), Event(), Event()
    slow_events = [attestation(1_000 + number) for number in range(600)]
    with lying_log(slow_events, origin="example.com/slow") as slow:
        view = slow._own("me")
        answer = view.answer

        def slowly(path: str) -> bytes | None:
            if path.startswith("tile/entries/"):
                clock.time += run.SLOW_SECONDS + 1
            if path == "tile/entries/001":
                reached.set()
                assert release.wait(60)
            return answer(path)

        view.answer = slowly
        made = config(tmp_path, followed(slow), followed(log), stdout=False)
        with Monitor.open(made, clock.clocks()) as monitor:
            turns = [
                Thread(target=monitor._turn, args=(origin,), daemon=True) for origin in monitor.logs
            ]
            turns[0].start()
            assert reached.wait(20)
            turns[1].start()
            turns[1].join(20)
            is_done = not turns[1].is_alive()
            release.set()
            for turn in turns:
                turn.join(20)
            assert is_done
            assert [each.turns for each in monitor.logs.values()] == [1, 1]


def _move(clock: Clock, wait: float) -> bool:
    clock.time += min(wait, 0.05)
    Event().wait(0.001)
    return False


def test_a_mirror_is_a_place_with_a_tree(log, tmp_path, told):
    log.fork("mirror", at=3)
    log.append([attestation(900, paper=1)])
    log.freeze("me")
    made = config(tmp_path, followed(log, mirrors=(log.url("mirror"),)))
    once(made, Clock())
    (alert,) = told()
    assert alert["kind"] == "fork"


def test_a_key_that_is_listed_no_more_stops_the_start(log, tmp_path):
    made = config(tmp_path, followed(log))
    once(made, Clock())
    other = believing(NoteSigner(name=log.truth.origin, key=signing_key("second")).verifier)
    with pytest.raises(SignatureError):
        Monitor.open(config(tmp_path, followed(log, policy=other)), Clock().clocks())


def test_a_damaged_position_is_refused_in_words(log, tmp_path):
    made = config(tmp_path, followed(log))
    once(made, Clock())
    origin, policy = log.truth.origin, believing(log.verifier)
    with Follower(made.database) as store:
        store.add(origin)
        whole = store.position(origin)
        store.commit(origin, origin, Changes(position=whole[:-1]), [], NOW)
    says = f"what is remembered of {origin}: position is damaged: .*; put a copy in its place, or"
    with pytest.raises(MalformedError, match=says):
        Monitor.open(made, Clock().clocks())
    for at in range(len(whole)):
        damaged = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
        with suppress(MalformedError, SignatureError):  # or it says something else, as well formed
            assert Position.from_json(damaged, policy).to_json() == damaged
    for value in (b"[]", b"7", b'{"state": 7}', b'{"state": null, "pending": [7]}'):
        with pytest.raises(MalformedError):
            Position.from_json(value, policy)


def test_one_log_that_cannot_be_stored_keeps_no_other_from_its_turn(log, tmp_path, monkeypatch):
    with lying_log(EVENTS, origin="example.com/other") as other:
        made, commit = config(tmp_path, followed(log), followed(other)), Follower.commit

        def full(self: Follower, origin: str, *arguments: Any) -> list[str]:
            if origin == log.truth.origin:
                raise UnavailableError("the disk is full")
            return commit(self, origin, *arguments)

        monkeypatch.setattr(Follower, "commit", full)
        with Monitor.open(made, Clock().clocks()) as monitor:
            with pytest.raises(UnavailableError, match="the disk is full"):
                monitor.once()
            sizes = [each.size for each in monitor.logs.values()]
    assert sizes == [0, len(EVENTS)]


# Alerts


def alerts_in(store: Follower, count: int, channels: list[str]) -> None:
    store.add("log")
    facts = [FactRow(str(n), "alarm", canonical({"id": str(n)})) for n in range(count)]
    store.commit("log", "log", Changes(position=b"", facts=facts), channels, NOW)


def test_a_command_gets_each_alert_on_its_standard_input(log, tmp_path):
    script = "import sys; open('alerts', 'a').write(sys.stdin.read())"
    made = config(
        tmp_path,
        followed(log, watch=Watch(records=frozenset({number_of(1)}))),
        stdout=False,
        command=(sys.executable, "-c", script.replace("'alerts'", repr(str(tmp_path / "alerts")))),
    )
    once(made, Clock())
    lines = (tmp_path / "alerts").read_text().splitlines()
    assert len(lines) == len(EVENTS)
    assert {json.loads(line)["kind"] for line in lines} == {"watched"}


@pytest.mark.parametrize("command", [["/nowhere"], [sys.executable, "-c", "raise SystemExit(3)"]])
def test_a_command_that_fails_is_run_again_later(tmp_path, command):
    with Follower(tmp_path / "db") as store:
        alerts_in(store, 2, ["command"])
        channel = Channel("command", to_command(command))
        assert not channel.deliver(store, NOW)
        assert channel.failed == 1
        assert store.counts()["waiting"] == 2


def test_a_webhook_gets_signed_alerts_and_is_tried_again(tmp_path):
    signer = NoteSigner(name="monitor.example", key=signing_key("monitor"))
    statuses = [500, 302, 204, 200]
    with (
        serving(lambda request: Answer(status=statuses.pop(0))) as server,
        Follower(tmp_path / "db") as store,
    ):
        alerts_in(store, 2, ["webhook"])
        webhook = Webhook(f"{server.url}/hooks/x?y=1/2", signer)
        channel = Channel("webhook", webhook.tell)
        now = NOW
        for wait in (5, 10):
            assert not channel.deliver(store, now)
            assert not channel.deliver(store, now + wait - 1)
            now += wait
        assert channel.failed == 2
        assert channel.deliver(store, now)
        assert channel.failed == 0
        assert store.counts()["waiting"] == 0
        requests = [request for request in server.requests if request.path == "/hooks/x?y=1/2"]
        webhook.close()
    assert len(requests) == len(server.requests) == 4
    for request in requests:
        assert opened(request, signer.verifier) in ({"id": "0"}, {"id": "1"})
    forged = replace(requests[0], body=requests[0].body.replace(b"0", b"7"))
    with pytest.raises(SignatureError):
        opened(forged, signer.verifier)


def opened(request: Request, verifier: Verifier) -> Any:
    """Do what docs/formats/monitor.md asks of whoever gets an alert."""
    assert request.headers["Translog-Key"] == verifier.vkey
    raw = b64decode(request.headers["Translog-Signature"])
    line = Signature(name=verifier.name, key_id=raw[:4], blob=raw[4:])
    note = Note(text=request.body.decode(), signatures=(line,))
    return json.loads(open_note(note.encode(), [verifier]).text)


def test_what_fails_holds_back_what_is_behind_it(tmp_path):
    told: list[bytes] = []

    def tell(alert: bytes) -> None:
        if len(told) == 1:
            raise UnavailableError("down")
        told.append(alert)

    with Follower(tmp_path / "db") as store:
        alerts_in(store, 3, ["x"])
        channel = Channel("x", tell)
        assert channel.deliver(store, NOW)
        assert told == [b'{"id":"0"}']
        assert store.due("x", NOW, 9) == []
        assert [due.fact_id for due in store.due("x", NOW + 5, 9)] == ["1", "2"]


def test_what_cannot_be_forgotten_is_told_again_after_longer_each_time(tmp_path, monkeypatch):
    told: list[bytes] = []
    waits: list[float | None] = []
    done = Event()

    class Waiting(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            if len(waits) == 4:
                self.set()
                done.set()
            return True

    monkeypatch.setattr(alerts, "Event", Waiting)
    with Follower(tmp_path / "db") as store:
        alerts_in(store, 2, ["x"])

        def full(channel: str, fact_id: str) -> None:
            raise UnavailableError("the disk is full")

        store.told = full  # type: ignore[method-assign]
        courier = Courier([Channel("x", told.append)], store, lambda: NOW)
        assert done.wait(20)
        courier.close(20)
    assert told == [b'{"id":"0"}'] * 4
    assert waits == [5, 10, 20, 40]


def test_a_whole_process_follows_tells_and_stops(log, tmp_path):
    write_key(tmp_path / "hook.key", "monitor.example", bytes([4]) * 32)
    received = Event()

    def hook(request: Request) -> Answer:
        received.set()
        return Answer()

    with serving(hook) as server:
        (tmp_path / "monitor.toml").write_text(
            f"""
database = "monitor.db"
interval_seconds = 1
listen = "127.0.0.1:0"
[alerts]
webhook = "{server.url}/hook"
webhook_key = "hook.key"
[[log]]
keys = ["{log.verifier.vkey}"]
url = "{log.url("me")}"
patience_seconds = 0
[log.watch]
types = ["record_created"]
"""
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "translog", "monitor", "monitor.toml"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            alert = json.loads(process.stdout.readline())
            assert received.wait(20)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
    assert (alert["kind"], process.returncode, out) == ("watched", 0, b"")
    assert err == b"following 1 log\n"


def test_the_command_loads_neither_a_log_nor_a_server():
    code = "import sys, translog.cli.monitor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    named = {name.split(".")[1] for name in loaded if name.startswith("translog.")}
    assert not named & {"log", "server", "web"}
    assert not loaded & {"starlette", "uvicorn", "prometheus_client"}


def test_what_was_scanned_in_another_line_is_not_forgotten(log, tmp_path, told):
    with lying_log(origin="example.com/next") as shard:
        shard.append([attestation(500, paper=1, prev_event=PREVIOUS)])
        clock, old = Clock(), followed(log)
        once(config(tmp_path, old, followed(shard, continues=log.truth.origin)), clock)
        assert told() == []
        shard.append([attestation(501, paper=1, prev_event=PREVIOUS)])
        once(config(tmp_path, followed(shard)), clock)
        assert [alert["kind"] for alert in told()] == ["equivocation"]
        log.append([attestation(502, paper=1, prev_event=PREVIOUS)])
        once(config(tmp_path, old, followed(shard, continues=log.truth.origin)), clock)
        assert [alert["kind"] for alert in told()] == ["equivocation"]
