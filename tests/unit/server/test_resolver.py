"""Records by number: every form, by every name, sent again only when it has changed."""

import asyncio
import gzip
import json
from contextlib import closing
from hashlib import sha256

import pytest

from tests.simulators.asgi import BASE_URL, NOW, Served, ask, problem
from tests.simulators.events import (
    ALIKE,
    PITH_KEY,
    created,
    real_bundle,
    real_events,
    record,
    snapshot,
)
from translog.formats.canonical import canonical
from translog.formats.keys import SigningKey
from translog.formats.note import NoteSigner
from translog.log import bundler
from translog.pith.key import PINNED, PithKey
from translog.pith.linked import CONTEXT
from translog.pith.record import pith_number
from translog.store import database, mirrors
from translog.store.mirrors import Source

SUFFIX = "HAMJZSQVKL4VHWOAINCHUE26II"
LD, JSON = "application/ld+json", "application/json"
HASH = "38189cca1552f953d9c043447a135e420636aa9e5d0a13a0ca99322e4750d280"
FORMS = [f"/pith/{SUFFIX}", f"/pith/{SUFFIX}/bundle.json", f"/pith/{SUFFIX}/state.json"]
DATED = [*FORMS, "/pith-signing-key.json", "/pith-mirrors.json"]


@pytest.fixture
def real(log: Served) -> Served:
    log.add_all([*real_events(), created(1), snapshot(1)])
    log.publish()
    return log


def test_a_record_as_linked_data_holds_what_its_number_is_computed_from(real: Served) -> None:
    response = real.get(f"/pith/{SUFFIX}", accept=LD)
    assert (response.status, response.headers["content-type"]) == (200, LD)
    found = response.json
    assert sha256(canonical(found["canonical_record"])).hexdigest() == HASH
    assert found["@context"] == f"{BASE_URL}/pith-context.jsonld"
    assert found["title"] == "LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens"
    assert found["log"] == {
        "origin": "example.com/log",
        "size": 4,
        "checkpoint": f"{BASE_URL}/checkpoint",
    }
    events = [(each["event_id"], each["is_applied"]) for each in found["events"]]
    assert events == [(each["event_id"], True) for each in real_events()]
    assert found["receipt"] == real_events()[0]["payload"]["receipt"]
    bundle = real.get(f"/pith/{SUFFIX}/bundle.json").json
    assert found["state"]["state_sha256"] == bundle["state"]["state_sha256"]
    assert found["links"].items() >= bundle["links"].items()


def test_the_form_is_chosen_by_the_client_and_caches_are_told(real: Served) -> None:
    forms = {each: real.get(f"/pith/{SUFFIX}", accept=each) for each in (LD, JSON)}
    for media_type, response in forms.items():
        assert response.headers["content-type"] == media_type
        assert response.headers["vary"] == "accept, accept-encoding"
    assert forms[LD].body == forms[JSON].body
    assert problem(real.get(f"/pith/{SUFFIX}", accept="image/png")) == (406, "not-acceptable")


@pytest.mark.parametrize("chars", [8, 12, 16, 26])
def test_a_record_is_found_by_the_beginning_of_its_number(real: Served, chars: int) -> None:
    short = real.get(f"/pith/{SUFFIX[:chars]}", accept=LD)
    assert short.json["pith_number"] == f"pith:2024:{SUFFIX}"
    assert short.headers["link"] == f'<{BASE_URL}/pith/{SUFFIX}>; rel="canonical"'


@pytest.mark.parametrize("form", ["", "/bundle.json", "/state.json"])
def test_a_beginning_that_two_records_have_gives_both(log: Served, form: str) -> None:
    numbers = sorted(pith_number(record(each)) for each in ALIKE)
    short = numbers[0][10:18]
    assert {number[10:18] for number in numbers} == {short}
    log.add(created(ALIKE[0]))
    log.publish()
    assert log.get(f"/pith/{short}{form}", accept=JSON).status == 200
    log.add(created(ALIKE[1]))
    assert log.get(f"/pith/{short}{form}", accept=JSON).status == 200  # it is not published
    log.publish()
    response = log.get(f"/pith/{short}{form}", accept=JSON)
    assert problem(response) == (300, "ambiguous")
    assert response.json["candidates"] == numbers
    for number in numbers:
        assert log.get(f"/pith/{number[10:22]}{form}", accept=JSON).status == 200


@pytest.mark.parametrize(
    "suffix",
    [
        "HAMJ",
        SUFFIX.lower(),
        f"{SUFFIX}A",
        SUFFIX[:25],
        f"{SUFFIX[:25]}1",
        "..",
        "%2e%2e",
        "\u0660" * 8,
        "HAMJZSQ\u0130",
        "pith:HAM",
        "<script>",
        "A" * 5_000,
    ],
)
def test_what_is_no_number_is_told_so(real: Served, suffix: str) -> None:
    for form in ("", "/bundle.json", "/state.json"):
        assert problem(real.get(f"/pith/{suffix}{form}", accept=JSON)) == (400, "malformed")


def test_a_record_that_is_not_there_is_missing(real: Served) -> None:
    for suffix in ("A" * 8, "A" * 26, f"{SUFFIX[:8]}AAAA"):
        assert problem(real.get(f"/pith/{suffix}", accept=LD)) == (404, "not-found")


@pytest.mark.parametrize("path", FORMS)
def test_documents_are_packed_and_each_packing_has_its_tag(real: Served, path: str) -> None:
    plain = real.get(path, accept=JSON)
    packed = real.get(path, accept=JSON, accept_encoding="gzip, br")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body)
    assert plain.headers["etag"] != packed.headers["etag"]
    for tag in (plain.headers["etag"], packed.headers["etag"]):
        again = real.get(path, accept=JSON, accept_encoding="gzip", if_none_match=tag)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == packed.headers["etag"]
        assert again.headers["vary"] == packed.headers["vary"]


@pytest.mark.parametrize("path", DATED)
def test_documents_are_not_sent_again_to_who_has_them_since(real: Served, path: str) -> None:
    response = real.get(path, accept=JSON)
    date = response.headers["last-modified"]
    assert date == "Thu, 28 May 2026 20:26:40 GMT"  # NOW, when the head was signed
    assert real.get(path, accept=JSON, if_modified_since=date).status == 304
    for known in (
        "Thu, 28 May 2026 20:26:39 GMT",
        "Thu, 28 May 2026 20:26:40",
        "yesterday",
        "",
        "Thu, 28 May 99999 20:26:40 GMT",
    ):
        status = 304 if known == date.removesuffix(" GMT") else 200
        assert real.get(path, accept=JSON, if_modified_since=known).status == status
    # A tag says more than a date.
    asked = {"if_modified_since": date, "if_none_match": '"x"'}
    assert real.get(path, accept=JSON, **asked).status == 200


@pytest.mark.parametrize("path", [*DATED, "/pith-context.jsonld", "/keys.json"])
def test_scripts_of_any_page_may_read(real: Served, path: str) -> None:
    response = real.get(path, accept="*/*", origin="https://other.example")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-expose-headers"] == "etag, link"
    asked = {"origin": "https://other.example", "access_control_request_method": "GET"}
    before = real.run(ask(real.app, "OPTIONS", path, **asked))
    assert (before.status, before.body) == (204, b"")
    assert before.headers["access-control-allow-methods"] == "GET, HEAD"
    assert "if-none-match" in before.headers["access-control-allow-headers"]


def test_scripts_of_other_pages_may_not_add(real: Served) -> None:
    asked = {"origin": "https://other.example", "access_control_request_method": "POST"}
    response = real.run(ask(real.app, "OPTIONS", "/add", **asked))
    assert problem(response) == (405, "method-not-allowed")


def test_a_record_is_made_once_for_all_who_ask_at_once(
    real: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    bundle = bundler.bundle

    def counting(*arguments: object) -> object:
        made.append(str(arguments[2]))
        return bundle(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("translog.log.bundler.bundle", counting)

    async def crowd() -> None:
        asks = (ask(real.app, "GET", f"/pith/{SUFFIX}/bundle.json") for _ in range(50))
        responses = await asyncio.gather(*asks)
        assert {response.status for response in responses} == {200}

    real.run(crowd())
    assert made == [SUFFIX]


# The registry itself


def test_the_context_defines_every_member_that_is_served(real: Served) -> None:
    response = real.get("/pith-context.jsonld")
    assert response.headers["content-type"] == LD
    assert response.json == CONTEXT


def test_the_signing_keys_are_the_log_s_own_and_then_those_that_create_records(
    real: Served,
) -> None:
    found = real.get("/pith-signing-key.json").json
    own, *registries = found["keys"]
    assert found["current"] == own["key_id"]
    assert (own.pop("valid_from"), own.pop("valid_until")) == (None, None)
    assert PithKey.from_json(own).public_key == real.log.verifier.public_key
    assert {row["public_key_hex"] for row in registries} == {
        PITH_KEY.public_key.hex(),
        PINNED["pith.science"].public_key.hex(),
    }
    assert {(row["status"], row["valid_until"]) for row in registries} == {("active", None)}


def test_the_manifest_of_mirrors_has_patterns_that_lead_to_the_documents(real: Served) -> None:
    found = real.get("/pith-mirrors.json").json
    assert found["manifest_type"] == "pith_mirror_manifest"
    assert found["generated_at"] == "2026-05-28T20:26:40Z"
    (row,) = found["mirrors"]
    assert (row["base_url"], row["status"], row["mirror_type"]) == (BASE_URL, "primary", "https")
    for name in ("bundle_pattern", "state_pattern", "well_known_pattern"):
        path = row[name].replace("{suffix}", SUFFIX).removeprefix(BASE_URL)
        assert real.get(path).status == 200
    published = json.loads(real_bundle())["mirror_hints"][0]
    assert row["mirror_type"] == published["mirror_type"]


def test_the_registries_that_are_mirrored_are_in_the_manifest(real: Served) -> None:
    key = NoteSigner(name="other.example/log", key=SigningKey(bytes([3]) * 32)).verifier
    registry = Source("other", "https://other.example/log", key.vkey, (), 0, NOW, None)
    single = Source("single", "/srv/bundle.json", "", (), 0, NOW, None)
    path = real.log.path / mirrors.FILE
    with closing(database.create(path, mirrors.SCHEMA)) as db, database.transaction(db):
        for source in (registry, single):
            mirrors.write_source(db, source)
    own, source = real.get("/pith-mirrors.json").json["mirrors"]
    assert (own["status"], source["status"]) == ("primary", "source")
    assert (source["name"], source["base_url"]) == ("other", "https://other.example/log")
    assert PithKey.from_json(source["public_key"]).public_key == key.public_key


def test_documents_are_dated_by_the_checkpoint(real: Served) -> None:
    before = real.get(f"/pith/{SUFFIX}", accept=LD).headers["last-modified"]
    real.add(created(7))
    real.time = 60
    real.publish()
    after = real.get(f"/pith/{SUFFIX}", accept=LD)
    assert after.headers["last-modified"] == "Thu, 28 May 2026 20:27:40 GMT" != before
    assert after.json["built_at"] == "2026-05-28T20:27:40Z"
    assert NOW + 60 == 1_780_000_060
