"""What is published: every path, at every size, byte by byte; and nothing else."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from typing import Any

import pytest

from tests.simulators.asgi import BASE_URL, Response, Served, ask, problem, served
from tests.simulators.events import PITH_KEY, created, real_events
from tests.simulators.published import PublishedLog, entry_of, small_event, small_events
from translog.formats.checkpoint import open_checkpoint
from translog.formats.merkle import leaf_hash
from translog.formats.proof import TlogProof, verify_proof
from translog.formats.tree import verify_consistency, verify_inclusion
from translog.pith import bundle, event
from translog.pith.key import PINNED
from translog.store.database import open_editor

SIZE = 520  # two full tiles and a partial one
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def expected() -> PublishedLog:
    """The same log, made by formats code alone, published at every size on the way."""
    log = PublishedLog(small_events(SIZE))
    for size in range(SIZE + 1):
        log.publish(size)
    return log


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A log of SIZE events, published; and of two more, which are not."""
    with served(tmp_path_factory.mktemp("full") / "log") as log:
        assert len(log.add_all([each.value for each in small_events(SIZE)]).lines) == SIZE
        log.publish()
        log.add_all([small_event(SIZE).value, small_event(SIZE + 1).value])
        assert log.size == SIZE + 2
        yield log


def test_every_tile_and_bundle_of_every_size_is_served(
    full: Served, expected: PublishedLog
) -> None:
    kinds = {"tile": "application/octet-stream", "events": "application/x-ndjson"}
    asked = 0
    for path, content in expected.files.items():
        top = path.split("/")[0]
        if top in kinds:
            response = full.get(f"/{path}")
            assert (response.status, response.body) == (200, content), path
            assert response.headers["content-type"] == kinds[top]
            assert response.headers["cache-control"] == IMMUTABLE
            assert response.headers["access-control-allow-origin"] == "*"
            assert response.headers["content-length"] == str(len(content))
            assert response.headers["x-content-type-options"] == "nosniff"
            asked += 1
    assert asked == 3 * SIZE + 2  # each width of three kinds, and level 1 of two widths


def test_every_event_is_served_by_its_hash(full: Served, expected: PublishedLog) -> None:
    for path in [path for path in expected.files if path.startswith("event/")][::20]:
        response = full.get(f"/{path}")
        assert sha256(response.body).hexdigest() == path.removeprefix("event/")
        assert response.headers["cache-control"] == IMMUTABLE
        assert response.headers["content-type"] == "application/json"


NOT_YET = [
    "/tile/0/002.p/9",  # 520 leaves end in 8 hashes
    "/tile/0/002",
    "/tile/0/003.p/1",
    "/tile/1/000.p/3",
    "/tile/1/000",
    "/tile/2/000.p/1",
    "/tile/63/000.p/1",
    "/tile/0/x009/x223/x372/x036/x854/x775/807",
    "/tile/entries/002.p/9",
    "/tile/entries/002",
    "/tile/entries/x009/x223/x372/x036/x854/x775/807",
    "/events/002.p/9",
    "/events/003.p/1",
    f"/event/{small_event(SIZE).content_sha256.hex()}",  # logged, and not published
    f"/event/{'0' * 64}",
    f"/proof/sha256:{small_event(SIZE).content_sha256.hex()}.tlog-proof",
    "/proof/sha256",
    f"/proof/inclusion?index={SIZE}",
    f"/proof/inclusion?event_id={small_event(SIZE).event_id}",
    f"/proof/inclusion?index=0&size={SIZE + 1}",
    "/proof/inclusion?index=5&size=5",
    "/proof/inclusion?index=0&size=0",
    "/proof/inclusion?index=9223372036854775807",
    f"/proof/consistency?from=1&to={SIZE + 1}",
    "/pith/AAAAAAAA/bundle.json",
    "/pith/AAAAAAAAAAAAAAAAAAAAAAAAAA/state.json",
    "//",
    "/tile",
    "/add/",
    "/checkpoint/",
    "/checkpoint/x",
    "/keys.json/",
    "/event/a/../b",
    "/../checkpoint",
    "/favicon.ico",
]


@pytest.mark.parametrize("path", NOT_YET)
def test_what_is_not_published_is_missing(full: Served, path: str) -> None:
    assert problem(full.get(path)) == (404, "not-found")


NEVER = [
    "/tile/",
    "/tile/0",
    "/tile/0/",
    "/tile/0/1",
    "/tile/0/0000",
    "/tile/0/x000/000",
    "/tile/0/000/000",
    "/tile/00/000",
    "/tile/64/000",
    "/tile/-1/000",
    "/tile/+1/000",
    "/tile/0/\u0660\u0660\u0660",
    "/tile/../checkpoint",
    "/tile/0/../0/000",
    "/tile/0/..",
    "/tile/entries/..",
    "/tile/entries/../0/000",
    "/tile/0/000.p/0",
    "/tile/0/000.p/256",
    "/tile/0/000.p/05",
    "/tile/0/000.p/",
    "/tile/0/000.p",
    "/tile/0/000.p/-1",
    "/tile/0/000.p/1/",
    "/tile/0/x009/x223/x372/x036/x854/x775/808",  # 2**63
    "/tile/18446744073709551616/000",
    "/tile/entries/000.p/0",
    "/tile/entries/000.p/256",
    "/tile/entries/0",
    "/tile/entries/x009/x223/x372/x036/x854/x775/808",
    "/events/000.p/0",
    "/events/000.p/256",
    "/events/1",
    "/events/",
    "/event/00",
    f"/event/{'0' * 63}g",
    f"/event/{'A' * 64}",
    f"/event/{'0' * 65}",
    "/proof/.tlog-proof",
    f"/proof/{'0' * 64}.tlog-proof",
    f"/proof/sha256:{'0' * 63}.tlog-proof",
    "/proof/inclusion",
    "/proof/inclusion?",
    "/proof/inclusion?index",
    "/proof/inclusion?index=",
    "/proof/inclusion?index=-1",
    "/proof/inclusion?index=01",
    "/proof/inclusion?index=1_0",
    "/proof/inclusion?index=%D9%A3",
    "/proof/inclusion?index=9223372036854775808",
    "/proof/inclusion?index=1&size=18446744073709551616",
    "/proof/inclusion?index=1&index=2",
    "/proof/inclusion?index=1&tree_size=3",
    f"/proof/inclusion?index=1&event_id=sha256:{'0' * 64}",
    "/proof/inclusion?size=3",
    "/proof/inclusion?event_id=7",
    "/proof/inclusion?index=1;size=2",
    "/proof/inclusion?index=%ff",
    "/proof/inclusion?index=" + "1" * 5_000,
    "/proof/consistency",
    "/proof/consistency?from=1",
    "/proof/consistency?to=1",
    "/proof/consistency?from=0&to=5",
    "/proof/consistency?from=6&to=5",
    "/proof/consistency?from=1&to=9223372036854775808",
    "/pith/HAMJ/bundle.json",
    "/pith/hamjzsqv/bundle.json",
    "/pith/HAMJZSQ1/bundle.json",
    "/pith/HAMJZSQVKL4VHWOAINCHUE26II2/state.json",
    "/pith/../bundle.json",
    "/.well-known/pith/x/bundle.json",
]


@pytest.mark.parametrize("path", NEVER)
def test_what_can_never_be_there_is_malformed(full: Served, path: str) -> None:
    assert problem(full.get(path)) == (400, "malformed")


def test_a_long_query_is_not_looked_at(full: Served) -> None:
    response = full.get("/proof/inclusion?" + "x" * 1_001)
    assert response.json["detail"] == "query has 1001 bytes, want at most 1000"


@pytest.mark.parametrize(
    "path", ["/checkpoint", "/tile/0/000", "/events/000", "/keys.json", "/healthz", "/event/00"]
)
def test_what_is_read_cannot_be_written(full: Served, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        response = full.run(ask(full.app, method, path))
        assert problem(response) == (405, "method-not-allowed")
        assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/checkpoint",
        "/tile/0/000",
        "/tile/0/002.p/8",
        "/tile/entries/001",
        "/events/000",
        "/keys.json",
        "/proof/inclusion?index=1",
        "/healthz",
        "/tile/0/000.p/0",
        "/nothing",
    ],
)
def test_asking_for_the_head_only_gives_the_same_without_the_body(full: Served, path: str) -> None:
    whole = full.get(path)
    head = full.run(ask(full.app, "HEAD", path))
    assert (head.status, head.headers, head.body) == (whole.status, whole.headers, b"")


def test_the_checkpoint_is_signed_and_kept_for_seconds_only(full: Served) -> None:
    response = full.get("/checkpoint")
    assert open_checkpoint(response.body, full.log.verifier).size == SIZE
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=2"
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/tile/entries/001", "/events/001", "/events/002.p/8"])
def test_bundles_are_packed_for_who_can_unpack_them(full: Served, path: str) -> None:
    plain = full.get(path)
    assert "content-encoding" not in plain.headers
    for accepted in ("gzip", "br, GZIP;q=0.5", "*"):
        packed = full.get(path, accept_encoding=accepted)
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert packed.body[4:8] == bytes(4)  # no time in it: the same bytes for ever
        assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    for accepted in ("", "identity", "br", "gzip;q=0", "gzip; q=0.000", "x-gzip-2", "*;q=0"):
        assert full.get(path, accept_encoding=accepted).body == plain.body


def test_refusals_are_never_packed(full: Served) -> None:
    problem(full.get("/tile/entries/009", accept_encoding="gzip"))
    problem(full.get("/events/009", accept_encoding="gzip"))


def test_answers_are_kept_and_still_right_when_asked_again(full: Served) -> None:
    for path in ("/tile/0/001", "/tile/entries/001", "/events/001"):
        assert full.get(path).body == full.get(path).body


# Proofs


@pytest.mark.parametrize("index", [0, 1, 255, 256, SIZE - 1])
@pytest.mark.parametrize("size", [SIZE, 519, 513])
def test_inclusion_is_proved_by_index_and_by_id_at_any_size(
    full: Served, expected: PublishedLog, index: int, size: int
) -> None:
    if index >= size:
        return
    logged = small_event(index)
    by_index = full.get(f"/proof/inclusion?index={index}&size={size}")
    assert (
        full.get(f"/proof/inclusion?event_id={logged.event_id}&size={size}").json == by_index.json
    )
    told = by_index.json
    head = open_checkpoint(expected.checkpoint(size), expected.verifier)
    leaf = leaf_hash(entry_of(logged).encode())
    hashes = [bytes.fromhex(each) for each in told["hashes"]]
    verify_inclusion(index, size, leaf, hashes, head.root)
    assert told["leaf_hash"] == leaf.hex()
    assert (told["index"], told["size"], told["event_id"]) == (index, size, logged.event_id)
    assert told["root"] == head.root.hex()
    assert (told["checkpoint"] is not None) == (size == SIZE)
    assert by_index.headers["cache-control"] == "public, max-age=2"


def test_without_a_size_inclusion_is_proved_in_the_newest_checkpoint(full: Served) -> None:
    told = full.get("/proof/inclusion?index=3").json
    assert told["size"] == SIZE
    assert told["checkpoint"] == full.get("/checkpoint").body.decode()


def test_a_proof_can_be_had_as_a_file(full: Served) -> None:
    logged = small_event(300)
    response = full.get(f"/proof/{logged.event_id}.tlog-proof")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    proof = TlogProof.parse(response.body)
    assert verify_proof(proof, entry_of(logged).encode(), full.log.verifier).size == SIZE
    assert proof.index == 300


@pytest.mark.parametrize("sizes", [(1, 2), (1, SIZE), (256, 512), (300, 300), (7, 519)])
def test_consistency_is_proved_between_any_two_sizes(
    full: Served, expected: PublishedLog, sizes: tuple[int, int]
) -> None:
    old_size, size = sizes
    told = full.get(f"/proof/consistency?from={old_size}&to={size}").json
    old, new = (
        open_checkpoint(expected.checkpoint(each), expected.verifier).root for each in sizes
    )
    verify_consistency(old_size, size, old, new, [bytes.fromhex(each) for each in told["hashes"]])
    assert (told["from"], told["to"]) == sizes
    assert (told["from_root"], told["to_root"]) == (old.hex(), new.hex())


# Documents


@pytest.fixture
def real(log: Served) -> Served:
    log.add_all([*real_events(), created(1)])
    log.publish()
    return log


SUFFIX = "HAMJZSQVKL4VHWOAINCHUE26II"


def test_the_bundle_of_a_record_verifies_and_holds_its_events(real: Served) -> None:
    response = real.get(f"/pith/{SUFFIX}/bundle.json")
    assert response.headers["content-type"] == "application/json"
    value = json.loads(response.body)
    assert value["events"] == real_events()
    assert value["links"]["bundle"] == f"{BASE_URL}/pith/{SUFFIX}/bundle.json"
    trusted = [PINNED["pith.science"].public_key, real.log.verifier.public_key]
    bundle.open_bundle(response.body, trusted)
    for short in (SUFFIX[:8], SUFFIX[:12], SUFFIX[:16]):
        assert real.get(f"/pith/{short}/bundle.json").body == response.body
    assert real.get(f"/.well-known/pith/{SUFFIX}/bundle.json").body == response.body
    state = real.get(f"/pith/{SUFFIX}/state.json")
    assert state.json == value["state"]


def test_documents_have_tags_that_spare_sending_them_again(real: Served) -> None:
    for path in (f"/pith/{SUFFIX}/bundle.json", f"/pith/{SUFFIX}/state.json", "/keys.json"):
        first = real.get(path)
        tag = first.headers["etag"]
        for asked in (tag, f'"x", W/{tag}', "*"):
            again = real.get(path, if_none_match=asked)
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
            assert "content-length" not in again.headers
        assert real.get(path, if_none_match='"x"').body == first.body


def test_a_bundle_is_that_of_the_checkpoint(real: Served) -> None:
    path = f"/pith/{SUFFIX}/bundle.json"
    before = real.get(path)
    real.add(created(5))
    assert real.get(path).body == before.body  # kept
    real.time += 60
    real.publish()
    after = real.get(path)
    assert after.json["events"] == before.json["events"]
    assert after.headers["etag"] != before.headers["etag"]  # built at another time


def test_keys_are_those_of_the_signers_and_the_log_s_own(real: Served) -> None:
    keys = real.get("/keys.json").json["public_keys"]
    assert [key["public_key_hex"] for key in keys] == [
        *sorted(
            (PITH_KEY.public_key.hex(), PINNED["pith.science"].public_key.hex()),
            key=lambda key: sha256(bytes.fromhex(key)).hexdigest(),
        ),
        real.log.verifier.public_key.hex(),
    ]


# Damage


@pytest.mark.parametrize(
    ("statement", "paths"),
    [
        ("UPDATE tile SET hashes = zeroblob(32)", ["/tile/0/000.p/3", "/proof/inclusion?index=1"]),
        ("DELETE FROM leaf WHERE leaf_index = 1", ["/tile/entries/000.p/3", "/events/000.p/3"]),
        (
            "UPDATE leaf SET body = x'00'",
            ["/events/000.p/2", f"/event/{real_events()[0]['content_sha256']}"],
        ),
        ("DROP TABLE leaf", ["/tile/entries/000.p/3"]),
    ],
)
def test_damage_is_the_log_s_fault_and_not_the_client_s(
    real: Served, statement: str, paths: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_editor(real.log.database)) as db:
        ((tile,),) = db.execute("SELECT hashes FROM tile")
        db.execute(statement)
    for path in paths:
        response = real.get(path)
        assert problem(response) == (503, "unavailable")
        assert response.json["detail"].startswith("the log cannot do this now")
    assert "unavailable: " in caplog.text
    with closing(open_editor(real.log.database)) as db:
        db.execute("UPDATE tile SET hashes = ?", [tile])  # so that the writer can close


def test_a_record_of_more_events_than_a_bundle_holds_is_no_damage(
    real: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("translog.log.bundler.MAX_EVENTS", 1)
    assert problem(real.get(f"/pith/{SUFFIX}/bundle.json")) == (413, "too-large")


def test_questions_that_cannot_wait_are_refused(
    real: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("translog.server.readers.MAX_WAITING", 0)
    response = real.get("/keys.json")
    assert problem(response) == (503, "busy")
    assert response.headers["retry-after"] == "1"
    assert real.get("/tile/0/000.p/1").status == 200  # is read at once


def test_a_bug_is_told_to_the_operator_only(
    real: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("secret")

    monkeypatch.setattr("translog.log.reader.tile", broken)
    monkeypatch.setattr("translog.log.reader.keys_json", broken)
    for path in ("/tile/0/000.p/1", "/keys.json"):
        response: Response = real.get(path)
        assert problem(response) == (500, "internal")
        assert "secret" not in response.body.decode()
    assert caplog.text.count("ValueError: secret") == 2


def test_an_answer_that_takes_too_long_is_given_up(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path_factory.mktemp("slow") / "log", request_seconds=0.05) as log:
        release = threading.Event()
        monkeypatch.setattr("translog.log.reader.keys_json", lambda *_: release.wait())
        try:
            assert problem(log.get("/keys.json")) == (503, "unavailable")
        finally:
            release.set()


def test_an_event_s_content_is_what_was_signed(real: Served) -> None:
    for sent in real_events():
        content = real.get(f"/event/{sent['content_sha256']}").body
        assert content == event.from_value(sent).content
