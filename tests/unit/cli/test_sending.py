"""What a server answers is not trusted; and a log that takes no more stops us."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.simulators.logs import new_log, raws
from translog.cli import sending
from translog.cli.main import run
from translog.cli.sending import Added, Refused, opened
from translog.errors import MalformedError, UnavailableError
from translog.pith.event import MAX_EVENT_BYTES
from translog.server.settings import Settings

RIGHT = (
    b'{"index":7,"event_id":"sha256:' + b"0a" * 32 + b'","leaf_hash":"' + b"0b" * 32 + b'",'
    b'"duplicate":false}'
)


class Server:
    """A client whose server answers what it is told to."""

    answers: ClassVar[list[bytes]] = []
    sent: ClassVar[list[tuple[str, bytes, str, int]]] = []

    def __init__(self, url: str) -> None:
        assert url == "http://log.example"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def post(self, path: str, body: bytes, content_type: str, limit: int) -> bytes:
        self.sent.append((path, body, content_type, limit))
        return self.answers.pop(0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> type[Server]:
    monkeypatch.setattr(Server, "answers", [])
    monkeypatch.setattr(Server, "sent", [])
    monkeypatch.setattr(sending, "Client", Server)
    return Server


def send(*events: bytes) -> list[Any]:
    with opened("http://log.example") as (to, _):
        return list(to(events)())


def test_no_events_are_no_request(server: type[Server]) -> None:
    assert send() == []
    assert server.sent == []


def test_many_events_travel_in_parts_that_a_server_takes(
    server: type[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server_takes = Settings(base_url="")
    assert server_takes.max_batch_events >= sending.PART_EVENTS
    assert server_takes.max_body_bytes >= sending.PART_BYTES + MAX_EVENT_BYTES
    monkeypatch.setattr(sending, "PART_EVENTS", 3)
    monkeypatch.setattr(sending, "PART_BYTES", 20)
    server.answers = [RIGHT + b"\n", (RIGHT + b"\n") * 3, (RIGHT + b"\n") * 2]
    long, *short = b"1" * 20, b"2", b"3", b"4", b"5", b"6"
    assert len(send(long, *short)) == 6
    assert [body for _, body, _, _ in server.sent] == [long + b"\n", b"2\n3\n4\n", b"5\n6\n"]


def test_events_travel_as_lines_and_answers_come_in_order(server: type[Server]) -> None:
    refusal = b'{"error":{"code":"wrong-hash","detail":"event 2"}}'
    server.answers = [RIGHT + b"\n" + refusal + b"\n"]
    added, refused = send(b"{}", b"[]")
    assert server.sent == [("add", b"{}\n[]\n", "application/x-ndjson", 2 * 4096)]
    assert added == Added(
        index=7, event_id=f"sha256:{'0a' * 32}", leaf_hash="0b" * 32, duplicate=False
    )
    assert refused == Refused(code="wrong-hash", detail="event 2")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        RIGHT + b"\n" + RIGHT,
        b"[]",
        b"{}",
        b"nonsense",
        b'{"error":"x"}',
        b'{"error":{"code":7,"detail":"x"}}',
        b'{"error":{"code":"x"}}',
        RIGHT.replace(b"7", b"-7", 1),
        RIGHT.replace(b"7", b"true", 1),
        RIGHT.replace(b"7", b'"7"', 1),
        RIGHT.replace(b"7", b"9223372036854775808", 1),
        RIGHT.replace(b"sha256:", b""),
        RIGHT.replace(b"false", b"0"),
        RIGHT.replace(b'"' + b"0b" * 32 + b'"', b"null"),
        RIGHT.replace(b"{", b'{"x":"' + b"x" * 5000 + b'",', 1),
    ],
    ids=range(16),
)
def test_an_answer_that_is_none_is_refused(server: type[Server], answer: bytes) -> None:
    server.answers = [answer]
    with pytest.raises(MalformedError):
        send(b"{}")


@pytest.mark.parametrize("code", ["unavailable", "busy"])
def test_a_log_that_stops_stops_us(
    server: type[Server], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = b'{"error":{"code":"%b","detail":"disk is full"}}' % code.encode()
    server.answers = [RIGHT + b"\n" + stopped + b"\n" + RIGHT]
    (tmp_path / "events").write_bytes(b"{}\n" * 3)
    assert run(["add", "http://log.example", str(tmp_path / "events")]) == 3
    captured = capsys.readouterr()
    assert "events:2: disk is full. 1 events before it are logged" in captured.err
    assert captured.out.count("added") == 1


def test_batches_are_small_and_in_order(
    server: type[Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events").write_bytes(b"".join(b'{"n":%d}\n' % n for n in range(600)))
    server.answers = [b"\n".join([RIGHT] * count) for count in (256, 256, 88)]
    assert run(["add", "http://log.example", str(tmp_path / "events")]) == 0
    sent = b"".join(body for _, body, _, _ in server.sent)
    assert sent == (tmp_path / "events").read_bytes()
    assert "600 added" in capsys.readouterr().out
    large = b'{"n":"' + b"x" * 1_000_000 + b'"}\n'
    (tmp_path / "events").write_bytes(large * 7)
    server.sent.clear()
    server.answers = [b"\n".join([RIGHT] * count) for count in (5, 2)]
    assert run(["add", "http://log.example", str(tmp_path / "events")]) == 0
    assert [len(body) for _, body, _, _ in server.sent] == [5 * len(large), 2 * len(large)]


def test_a_batch_of_nothing_but_refusals_is_not_sent(
    server: type[Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events").write_bytes(b"{]}\n{]}\n")
    assert run(["add", "http://log.example", str(tmp_path / "events")]) == 1
    assert server.sent == []
    assert "2 refused" in capsys.readouterr().out


def test_a_log_on_this_machine_answers_alike(tmp_path: Path) -> None:
    log = new_log(tmp_path / "log")
    with opened(str(log.path)) as (to, _):
        first, second = to(raws(1)), to([*raws(2), b"{}"])
        (one,) = first()
        two, bad = second()
    assert isinstance(one, Added)
    assert isinstance(two, Added)
    assert (one.index, two.index, two.duplicate) == (0, 1, False)
    assert isinstance(bad, Refused)
    assert bad.code == "malformed"
    assert not bad.stops


def test_an_unavailable_log_is_not_opened(tmp_path: Path) -> None:
    log = new_log(tmp_path / "log")
    (log.path / "log.key").chmod(0o640)
    with pytest.raises(UnavailableError), opened(str(log.path)):
        raise AssertionError
