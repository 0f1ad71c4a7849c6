"""Quick reading: it knows nearly every event, and none that slow reading would not read the same.

Each change is made to a whole event whose hashes are put right again, so that what refuses it is
the one check that looks for it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from hashlib import sha256
from typing import Any

import pytest

from tests.simulators.events import KEY, created, snapshot
from tests.simulators.payloads import PAYLOADS, attested
from tests.unit.pith.sample import REAL
from translog.errors import TranslogError
from translog.formats.canonical import canonical, canonical_without
from translog.pith import quick, structs
from translog.pith.event import (
    MAX_CONTENT_BYTES,
    MAX_EVENT_DEPTH,
    Event,
    check_subject,
    event_id,
    parse,
)
from translog.pith.merge import replaced
from translog.pith.quick import Passed, read
from translog.pith.record import pith_number

APART = frozenset({"signature", "content_sha256", "event_id"})
TIMES = ["2026-02-30T00:00:00Z", "2026-06-01T24:00:00Z", "2026-06-01T00:00:60Z"]
ODD: list[Any] = [
    *(None, True, False, 0, 1, 2, -1, 1.5, 2**53, 2**63 - 1, 2**63, 2**64, [], ["b", "a"], {}),
    *("", "a", "1.0", "a" * 32, "A" * 32, "é" * 32, "a" * 64, "g" * 64, "A" * 64, "é" * 64),
    *("x" * 255, "x" * 256, "tab\t", "quote\"", "back\\slash", "\x7f", "\u2028", "\U0001f600"),
    *(TIMES + [time.replace("Z", ".000001Z") for time in TIMES]),
    *("2026-06-01T00:00:00Z", "2026-06-01T00:00:00.000001Z"),
    *("2026-06-01 00:00:00Z", "20a6-06-01T00:00:00Z", "2026-06-01T01:00:00+01:00"),
    *("2026-06-01 00:00:00.000001Z", "2026-06-01T01:00:00.000001+01:00"),
    *("A" * 86 + "==", "A" * 85 + "B==", "A" * 87 + "=", "A" * 88, "-" * 86 + "=="),
    *("pith:2026:" + "A" * 26, "pith:2026:" + "A" * 25, "sha256:" + "a" * 64),
    *('","signature":{"', '},"signer":{'),
    *(["sha256:" + "a" * 64], ["sha256:" + "A" * 64], [None], ["a", "b"], ["a", "a"], {"a": "b"}),
]  # fmt: skip


def whole(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with its hashes put right, as far as there is anything to hash."""
    event = {**event, "content_sha256": "", "event_id": ""}
    digest = sha256(canonical_without(event, APART)).digest()
    return {**event, "content_sha256": digest.hex(), "event_id": event_id(digest)}


def of_its_record(event: dict[str, Any]) -> dict[str, Any]:
    """Return a `record_created` that is about the record in it, whatever that is."""
    event = deepcopy(event)
    payload = event["payload"]
    digest = sha256(canonical(payload["canonical_record"])).hexdigest()
    payload["canonical_sha256"] = payload["receipt"]["canonical_sha256"] = digest
    source = payload["canonical_record"]["source"]
    if isinstance(source, dict):
        payload.update({f"source_{name}": member for name, member in source.items()})
    with suppress(TypeError, KeyError):  # there is no year in it
        event["subject_pith_number"] = pith_number(payload["canonical_record"])
    return whole(event)


def told_slowly(raw: bytes) -> object:
    """Return what is read in an event, or the error."""
    try:
        event = parse(raw)
        check_subject(event)
    except TranslogError as error:
        return str(error)
    return event


def is_told_quickly(raw: bytes) -> bool:
    """Say whether `read` knows an event, after a look at whether it is right about it."""
    found = read(raw)
    if found is None:
        return False
    slowly = told_slowly(raw)
    if isinstance(found, Passed):
        assert isinstance(slowly, Event), slowly
        for name in {*Passed._fields} - {"supersedes"}:
            assert getattr(found, name) == getattr(slowly, name)
        assert found.supersedes == replaced(slowly)
        return True
    try:
        check_subject(found)
    except TranslogError as error:
        assert str(error) == slowly
    else:
        assert found == slowly
    return True


def others() -> list[dict[str, Any]]:
    payloads = {name: make(1) for name, make in PAYLOADS.items()}
    payloads["author_attestation"] = attested(KEY.public_key)
    return [
        whole({**snapshot(1), "event_type": name, "payload": payload})
        for name, payload in payloads.items()
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each member at any depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in members:
        yield (*path, name)
        if isinstance(member, dict | list):
            yield from places(member, (*path, name))


def put(event: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    event = deepcopy(event)
    holder: Any = event
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    return event


def test_nearly_every_event_is_known() -> None:
    for event in [*REAL["events"], created(1), snapshot(1)]:
        assert isinstance(read(canonical(event)), Passed)
        assert is_told_quickly(canonical(event))
    for event in others():
        assert isinstance(read(canonical(event)), Event)
        assert is_told_quickly(canonical(event))


CREATED = created(1)
CREATED_PLACES = list(places(CREATED))


@pytest.mark.parametrize("path", CREATED_PLACES, ids=lambda path: ".".join(map(str, path)))
def test_each_member_of_a_creation_may_be_wrong(path: tuple[Any, ...]) -> None:
    known = 0
    for odd in ODD:
        changed = put(CREATED, path, odd)
        known += is_told_quickly(canonical(changed))
        known += is_told_quickly(canonical(whole(changed)))
        if path[0] == "payload" and isinstance(changed["payload"], dict):
            try:
                consistent = of_its_record(changed)
            except (KeyError, TypeError):
                continue  # nothing left that could be put right
            known += is_told_quickly(canonical(consistent))
    # Where another value is as right as the first, it is known too.
    assert known or path[-1] not in ("target", "builder_version", "license", "primary_cat")


SNAPSHOT = snapshot(1)
GRAPH = ("payload", "graph_snapshot")
TABLES = ("author_claims", "claims", "formal_canon", "references")
NO_ROWS = SNAPSHOT["payload"]["graph_snapshot"]["author_claims"]["snapshot_sha256"]


def of_its_rows(event: dict[str, Any]) -> dict[str, Any]:
    """Return a `graph_snapshot` whose claims have the hash that they have, whatever they are."""
    event = deepcopy(event)
    claims = event["payload"]["graph_snapshot"]["claims"]
    claims["snapshot_sha256"] = sha256(canonical({"payload": claims["items"]})).hexdigest()
    return whole(event)


@pytest.mark.parametrize("path", list(places(SNAPSHOT)), ids=lambda path: ".".join(map(str, path)))
def test_each_member_of_a_snapshot_may_be_wrong(path: tuple[Any, ...]) -> None:
    passed = 0
    for odd in ODD:
        changed = put(SNAPSHOT, path, odd)
        is_told_quickly(canonical(changed))
        is_told_quickly(canonical(whole(changed)))
        try:
            changed = of_its_rows(changed)
        except (KeyError, TypeError):
            continue  # nothing left that could be put right
        is_told_quickly(canonical(changed))
        passed += isinstance(read(canonical(changed)), Passed)
    # Nobody asks what a text in a snapshot says.
    assert passed or path[0] != "payload" or path[-1] not in ("text", "title", "strongest_claim")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("count", [-1, 0, 1, 4, 5, 2**53 - 1])
@pytest.mark.parametrize("digest", [NO_ROWS, "a" * 64, "A" * 64, "g" * 64])
def test_a_table_has_the_hash_of_its_rows_wherever_they_are_known(
    table: str, count: int, digest: str
) -> None:
    for rows in ([], SNAPSHOT["payload"]["graph_snapshot"]["claims"]["items"]):
        event = put(SNAPSHOT, (*GRAPH, "claims", "items"), rows)
        event["payload"]["graph_snapshot"]["claims"]["count"] = len(rows)
        event = of_its_rows(event)
        name = "evidence_count" if table == "formal_canon" else "count"
        for changed in (
            put(event, (*GRAPH, table, name), count),
            put(event, (*GRAPH, table, "snapshot_sha256"), digest),
            put(
                put(event, (*GRAPH, table, name), count),
                (*GRAPH, table, "snapshot_sha256"),
                digest,
            ),
        ):
            is_told_quickly(canonical(whole(changed)))


def test_a_snapshot_of_another_shape_is_read_as_all_others_are() -> None:
    for place, value in (((*GRAPH, "extra"), 1), ((*GRAPH, "verdict"), None)):
        raw = canonical(whole(put(SNAPSHOT, place, value)))
        assert isinstance(read(raw), Event)
        assert is_told_quickly(raw)


def test_a_later_snapshot_is_known_as_the_first_is() -> None:
    later = canonical(whole({**SNAPSHOT, "supersedes": ["sha256:" + "a" * 64]}))
    assert isinstance(read(later), Passed)
    assert is_told_quickly(later)


def test_members_that_a_snapshot_names_itself_stand_in_order() -> None:
    place = (*GRAPH, "verdict", "model_set")
    event = put(SNAPSHOT, place, {"judge": "a", "reader": "b", "\uffff": "c", "\U0001f600": "d"})
    raw = canonical(whole(event))
    assert isinstance(read(raw), Passed)
    assert is_told_quickly(raw)
    swapped = raw.replace(b'"judge":"a","reader":"b"', b'"reader":"b","judge":"a"')
    assert read(hashed_as_sent(swapped)) is None


@pytest.mark.parametrize("event", others(), ids=lambda event: event["event_type"])
def test_each_member_of_any_other_event_may_be_wrong(event: dict[str, Any]) -> None:
    for path in places(event):
        for odd in ODD:
            changed = put(event, path, odd)
            is_told_quickly(canonical(changed))
            is_told_quickly(canonical(whole(changed)))


@pytest.mark.parametrize("event", [CREATED, snapshot(1)], ids=["created", "snapshot"])
def test_a_member_may_be_missing_or_too_many_or_there_twice(event: dict[str, Any]) -> None:
    for path in [(), *places(event)]:
        at: Any = event
        for name in path:
            at = at[name]
        if not isinstance(at, dict):
            continue
        changes = [{**at, "zz": 1}, {"a": 1, **at}]
        changes += [{name: at[name] for name in at if name != lost} for lost in at]
        for members in changes:
            changed = put(event, path, members) if path else members
            is_told_quickly(canonical(whole(changed)))
        for name in at:
            once = canonical({name: at[name]})[1:-1]
            twice = canonical(event).replace(once, once + b"," + once, 1)
            assert read(twice) is None


def test_what_is_read_quickly_is_canonical_text() -> None:
    for event in (CREATED, snapshot(1)):
        raw = canonical(event)
        shuffled = dict(reversed(event.items()))
        for other in (
            raw + b"\n",
            b" " + raw,
            raw.replace(b'":', b'": ', 1),
            raw.replace(b"record", rb"\u0072ecord"),
            raw.replace(b"graph", rb"\u0067raph"),
            raw.replace(b"/", rb"\/"),
            json.dumps(event).encode(),
            json.dumps(shuffled, separators=(",", ":")).encode(),
        ):
            if other != raw:
                assert read(other) is None
                assert told_slowly(other) == told_slowly(raw)


@pytest.mark.parametrize("place", [(*GRAPH, "extra"), (*GRAPH, "paper", "title")])
def test_numbers_are_known_only_where_everybody_writes_them_the_same(
    place: tuple[str, ...],
) -> None:
    raw = canonical(put(snapshot(1), place, "HERE"))
    long = "9" * 5000
    for text in ("1.0", "1e5", "1e16", "1E400", "-0", "-0.0", "00", "9007199254740992", long):
        assert read(hashed_as_sent(raw.replace(b'"HERE"', text.encode()))) is None
    assert is_told_quickly(hashed_as_sent(raw.replace(b'"HERE"', b"9007199254740991")))
    assert is_told_quickly(canonical(whole(put(snapshot(1), place, 2**53 - 1))))


def hashed_as_sent(raw: bytes) -> bytes:
    """Return canonical text, but for one number, with the hash that it has as it stands."""
    cut = raw.index(b'"signature":{')
    content = b"{" + raw[85:121] + raw[206:cut] + raw[raw.index(b'},"signer"', cut) + 2 :]
    digest = sha256(content).hexdigest().encode()
    return b'{"content_sha256":"%b",%b"event_id":"sha256:%b",%b' % (
        digest,
        raw[85:121],
        digest,
        raw[206:],
    )


def test_deep_and_large_events_are_left_to_the_slow_way() -> None:
    deep: Any = "x"
    for _ in range(MAX_EVENT_DEPTH):
        deep = [deep]
        is_told_quickly(canonical(whole({**others()[0], "payload": {"x": deep}})))
    assert read(canonical(whole(put(snapshot(1), ("payload", "x"), deep)))) is None
    assert read(b"[" * 100_000) is None
    assert read(b'{"a":' * 100_000) is None
    license = ("payload", "canonical_record", "metadata", "license")
    large = of_its_record(put(CREATED, license, "x" * MAX_CONTENT_BYTES))
    assert read(canonical(large)) is None


def test_texts_that_look_like_members_are_not_taken_for_them() -> None:
    for text in ('"signature":{', '},"signer":{', '"signature":{"},"signer":{', "\\"):
        for path in (("target",), ("signature", "key_id"), ("signer", "signer_id")):
            event = put(CREATED, path, text)
            event["signature"]["key_id"] = event["signer"]["key_id"] = event["signature"]["key_id"]
            assert is_told_quickly(canonical(whole(event)))


def test_every_character_is_written_as_in_canonical_json() -> None:
    block = 1 << 11
    for start in range(0, 0x110000, block):
        if not 0xD800 <= start < 0xE000:
            text = "".join(map(chr, range(start, start + block)))
            assert structs.write(text) == canonical(text)


def test_members_stand_in_the_order_of_canonical_json() -> None:
    objects = [each for each in vars(structs).values() if isinstance(each, type)]
    shapes = [each for each in objects if issubclass(each, structs.Object)]
    assert len(shapes) > 16
    for struct in shapes:
        assert list(struct.__struct_fields__) == sorted(struct.__struct_fields__)


@pytest.mark.parametrize("time", ["2026-06-01T00:00:00.000001Z", "2026-06-01T01:00:00+01:00"])
def test_what_stands_behind_a_time_is_not_looked_for_in_another_place(
    monkeypatch: pytest.MonkeyPatch, time: str
) -> None:
    class Zeros:
        """A hash that everything has, as what is cut out wrongly might."""

        def __init__(self, _: bytes) -> None:
            pass

        def digest(self) -> bytes:
            return bytes(32)

    monkeypatch.setattr(quick, "sha256", Zeros)
    digest = bytes(32)
    event = {**others()[0], "content_sha256": digest.hex(), "event_id": event_id(digest)}
    assert isinstance(read(canonical(event)), Event)
    assert read(canonical({**event, "created_at": time})) is None
