"""Payloads of every type: what is right passes, and every member is wrong in turn."""

from base64 import b64encode
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tests.simulators.events import PITH_KEY, created, real_events
from tests.simulators.payloads import (
    OTS_HEAD,
    PAYLOADS,
    SUFFIX,
    allowed,
    anchored,
    attested,
    beacon,
    cited,
    erratum,
    judged,
    mirrored,
    record_mirrored_by_us,
    replicated,
    rotated,
    snapshot,
    stored,
)
from tests.unit.pith.sample import ALICE, BOB, MALLORY, changed
from translog.errors import HashError, MalformedError, SignatureError, SubjectError, TranslogError
from translog.pith.key import fingerprint_hex
from translog.pith.kinds import (
    author_attestation,
    block,
    citation_signature,
    correction,
    decisions,
    graph_snapshot,
    key_rotated,
    mirror_hint,
    replication_record,
    time_beacon,
    timestamp_anchor,
)
from translog.pith.kinds.orcid import check_digit, check_orcid
from translog.pith.kinds.table import ABOUT_KEYS, ABOUT_RECORDS, KINDS
from translog.pith.record import parse_pith_number

NUMBER = f"pith:2024:{SUFFIX}"
ALICES = fingerprint_hex(ALICE.public_key)
RIGHT: dict[str, dict[str, Any]] = {
    **{event_type: make(1) for event_type, make in PAYLOADS.items()},
    "author_attestation": attested(ALICE.public_key),
    "time_beacon": beacon(7),
    "record_mirrored": record_mirrored_by_us(),
    "key_allowed": allowed(),
    "key_revoked": decisions.build_revoked(fingerprint=ALICES, reason="she asked for it"),
    "key_compromised": decisions.build_compromised(fingerprint=ALICES, since_index=7, reason="x"),
    "event_accepted": judged("as agreed"),
    "event_refused": judged("not hers"),
    "key_rotated": rotated(ALICE, BOB),
}
RECORD_CREATED = created(1)


def check(event_type: str, payload: Any) -> None:
    about: Any = parse_pith_number(NUMBER) if event_type in ABOUT_RECORDS else "example.com/log"
    KINDS[event_type].check(payload, ALICES if event_type in ABOUT_KEYS else about, ALICES)


def test_every_type_is_tested() -> None:
    assert {*RIGHT, "record_created"} == KINDS.keys()


@pytest.mark.parametrize("event_type", RIGHT)
def test_what_is_built_passes_and_is_not_changed(event_type: str) -> None:
    payload = deepcopy(RIGHT[event_type])
    check(event_type, payload)
    assert payload == RIGHT[event_type]


def test_the_real_events_pass() -> None:
    for event in real_events():
        check(event["event_type"], event["payload"])


EXACT = sorted(RIGHT.keys() - {"graph_snapshot"})


@pytest.mark.parametrize("event_type", RIGHT)
def test_every_member_must_be_there(event_type: str) -> None:
    for name in RIGHT[event_type]:
        payload = {key: member for key, member in RIGHT[event_type].items() if key != name}
        with pytest.raises(MalformedError, match=name):
            check(event_type, payload)


@pytest.mark.parametrize("event_type", EXACT)
def test_no_other_member_may_be_there(event_type: str) -> None:
    with pytest.raises(MalformedError, match="later"):
        check(event_type, {**RIGHT[event_type], "later": 1})


def needs_reason(event_type: str) -> set[str]:
    return {"reason"} if event_type == correction.TYPE else set()


@pytest.mark.parametrize("event_type", RIGHT)
@pytest.mark.parametrize("wrong", [{}, [], True, -1, 2**63, 1.0, "", "\n", "x" * 4097, [""], [1]])
def test_no_member_takes_anything(event_type: str, wrong: Any) -> None:
    takes_text = {"statement", "context", "summary"} | ({"reason"} - needs_reason(event_type))
    for name, right in RIGHT[event_type].items():
        fits = (
            (name in takes_text and wrong in ("", "\n"))
            or (name in ("claim_ids", "held_types", "source_aliases") and wrong == [])
            or (name == "graph_snapshot" and wrong == {})
            or (name == "reason" and wrong == "\n")
        )
        if wrong != right and not fits:
            with pytest.raises(TranslogError):
                check(event_type, changed(RIGHT[event_type], (name,), wrong))


NULLABLE = {
    "author_attestation": {"orcid"},
    "storage_attestation": {"media_type", "archive_url"},
    "replication_record": {"evidence_url", "evidence_sha256"},
    "correction": {"corrected_event", "field"},
    "timestamp_anchor": {"not_before"},
    "graph_snapshot": {"verdict_id"},
    "record_mirrored": {"source_url"},
    "key_allowed": {"subjects"},
}


@pytest.mark.parametrize("event_type", RIGHT)
def test_null_is_only_where_it_may_be(event_type: str) -> None:
    for name in RIGHT[event_type]:
        payload = changed(RIGHT[event_type], (name,), None)
        if name in NULLABLE.get(event_type, ()):
            check(event_type, payload)
        else:
            with pytest.raises(TranslogError):
                check(event_type, payload)


def refused(event_type: str, path: tuple[str | int, ...], wrong: Any, match: str) -> None:
    with pytest.raises(TranslogError, match=match):
        check(event_type, changed(RIGHT[event_type], path, wrong))


# ---- URLs, texts, lists ----


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "HTTPS://example.org/",
        "https://",
        "https:///path",
        "https://user@example.org/",
        "https://example.org/ x",
        "https://example.org/\n",
        "https://example.org/é",
        'https://example.org/"><script>',
        "javascript:alert(1)",
        "//example.org/",
        "https://example.org/" + "x" * 2048,
    ],
)
def test_a_url_is_plain_ascii_of_http(url: str) -> None:
    refused("storage_attestation", ("url",), url, "storage_attestation url is")


def test_a_url_may_have_port_query_and_fragment() -> None:
    for url in ("http://127.0.0.1:8080", "https://[::1]/a?b=c#d", "https://example.org?x=%20"):
        check("storage_attestation", changed(stored(), ("url",), url))


def test_claims_are_named_once_in_order_and_not_endlessly() -> None:
    for wrong in (["C2", "C1"], ["C1", "C1"], ["C1", "C\n2"], [f"{n:03}" for n in range(257)]):
        refused("replication_record", ("claim_ids",), wrong, "claim_ids")
    most = [f"{n:03}" for n in range(256)]
    check("replication_record", changed(replicated(), ("claim_ids",), most))


# ---- author_attestation ----


def test_orcid_ids_of_the_documentation_pass() -> None:
    # support.orcid.org, "Structure of the ORCID Identifier", and well-known ones.
    for orcid in ("0000-0002-1825-0097", "0000-0001-5109-3700", "0000-0002-1694-233X"):
        check_orcid(orcid)
        check("author_attestation", changed(attested(ALICE.public_key), ("orcid",), orcid))


def test_an_orcid_id_with_any_one_digit_wrong_is_refused() -> None:
    right = "0000-0002-1825-0097"
    for place, digit in enumerate(right):
        for other in "0123456789X":
            if digit not in ("-", other):
                with pytest.raises(MalformedError, match="ORCID iD"):
                    check_orcid(right[:place] + other + right[place + 1 :])
    with pytest.raises(MalformedError, match="has check digit 8, computed 7"):
        check_orcid("0000-0002-1825-0098")


def test_an_orcid_id_is_written_in_one_way() -> None:
    for wrong in (
        "0000000218250097",
        "https://orcid.org/0000-0002-1825-0097",
        "0000-0002-1694-233x",
        "0000-0002-1825-0097\n",
        "\u0660000-0002-1825-0097",
        7,
        None,
    ):
        with pytest.raises(MalformedError, match="ORCID iD is"):
            check_orcid(wrong)


def test_a_check_digit_finds_neighbours_that_were_swapped() -> None:
    digits = "000000021825009"
    for place in range(14):
        swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
        assert swapped == digits or check_digit(swapped) != check_digit(digits)


def test_an_author_signs_with_their_own_key() -> None:
    payload = attested(BOB.public_key)
    with pytest.raises(MalformedError, match="authors sign with keys of their own"):
        check("author_attestation", payload)


def test_claims_are_named_where_claims_are_attested() -> None:
    claims = author_attestation.build(
        author_name="A", public_key=ALICE.public_key, claim_ids=["C2", "C1", "C1"]
    )
    assert (claims["attests"], claims["claim_ids"]) == ("claims", ["C1", "C2"])
    check("author_attestation", claims)
    for wrong in ({**claims, "attests": "authorship"}, {**claims, "claim_ids": []}):
        with pytest.raises(MalformedError, match="claim_ids"):
            check("author_attestation", wrong)


# ---- citation_signature, replication_record, correction ----


def test_the_eight_relationships() -> None:
    assert len(citation_signature.RELATIONSHIPS) == 8
    for relationship in citation_signature.RELATIONSHIPS:
        check("citation_signature", changed(cited(), ("relationship",), relationship))
    refused("citation_signature", ("relationship",), "likes", "want one of cites, compares,")


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("pith", "pith:2026:AD6P7OEY4I2RODEM7GZJCQO33G", "pith:AD6P7OEY"),
        ("doi", "10.48550/arxiv.2402.13753", "10.48550/arXiv.2402.13753"),
        ("doi", "10.1000/182", "doi:10.1000/182"),
        ("arxiv", "hep-th/9901001", ""),
        ("url", "https://example.org/", "example.org"),
    ],
)
def test_what_is_cited_is_named_by_its_kind(kind: str, right: str, wrong: str) -> None:
    check("citation_signature", changed(cited(), ("cited",), {"kind": kind, "id": right}))
    refused("citation_signature", ("cited",), {"kind": kind, "id": wrong}, "is")


def test_cited_has_two_members_and_a_known_kind() -> None:
    for wrong in ({"kind": "arxiv"}, {"kind": "isbn", "id": "1"}, {"kind": 1, "id": "1"}, None):
        refused("citation_signature", ("cited",), wrong, "cited")


def test_a_record_does_not_cite_itself() -> None:
    with pytest.raises(SubjectError, match="cites itself"):
        check("citation_signature", changed(cited(), ("cited",), {"kind": "pith", "id": NUMBER}))


def test_three_kinds_of_replication_and_three_outcomes() -> None:
    assert {"replication", "falsification", "formal_bridge"} == replication_record.KINDS
    for kind in replication_record.KINDS:
        for outcome in replication_record.OUTCOMES:
            check("replication_record", {**replicated(), "kind": kind, "outcome": outcome})


def test_a_retraction_names_an_event_and_every_correction_has_a_reason() -> None:
    event_id = "sha256:" + "0" * 64
    retraction = correction.build(
        action="retraction", corrected_event=event_id, reason="wrong record"
    )
    check("correction", retraction)
    assert correction.retracted(retraction) == event_id
    assert correction.retracted({**erratum(), "corrected_event": event_id}) is None
    for wrong in (
        {**retraction, "corrected_event": None},
        {**retraction, "reason": ""},
        {**erratum(), "reason": ""},
        {**erratum(), "corrected_event": "0" * 64},
    ):
        with pytest.raises(MalformedError):
            check("correction", wrong)


# ---- mirror_hint ----


def test_the_real_mirror_has_the_members_of_a_hint() -> None:
    real = {
        "mirror_type": "https",
        "name": "Pith Resolver",
        "base_url": "https://pith.science",
        "bundle_url": f"https://pith.science/pith/{SUFFIX}/bundle.json",
        "state_url": f"https://pith.science/pith/{SUFFIX}/state.json",
        "well_known_bundle_url": f"https://pith.science/.well-known/pith/{SUFFIX}/bundle.json",
        "status": "primary",
    }
    check("mirror_hint", real)
    assert real == mirror_hint.build(
        name="Pith Resolver", base_url="https://pith.science", suffix=SUFFIX, status="primary"
    )


def test_a_mirrors_urls_lie_under_its_own() -> None:
    for name in ("bundle_url", "state_url", "well_known_bundle_url"):
        refused("mirror_hint", (name,), "https://mirror.example.evil/x", "want one under")
    refused("mirror_hint", ("base_url",), "https://mirror.example/", "slash")
    refused("mirror_hint", ("mirror_type",), "http", "want one of http,")
    with pytest.raises(MalformedError):
        check("mirror_hint", {**mirrored(), "status": "gone"})


# ---- blocks: time_beacon and timestamp_anchor ----

GENESIS = bytes.fromhex(
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
    "29ab5f49ffff001d1dac2b7c"
)


def test_a_header_says_its_hash_and_time() -> None:
    assert time_beacon.build(network="mainnet", height=0, header=GENESIS) == {
        "network": "mainnet",
        "height": 0,
        "header_hex": GENESIS.hex(),
        "block_hash": "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        "header_time": "2009-01-03T18:15:05Z",
    }
    latest = block.hash_and_time(bytes(68) + b"\xff" * 4 + bytes(8))
    assert latest["header_time"] == "2106-02-07T06:28:15Z"
    with pytest.raises(MalformedError, match="header has 79 bytes"):
        block.build_block(0, GENESIS[:79])


@pytest.mark.parametrize("name", ["block_hash", "header_time"])
def test_hash_and_time_are_the_headers(name: str) -> None:
    other = block.build_block(8, bytes(68) + b"\x01" * 12)
    with pytest.raises(HashError, match=f"{name} is .*, the header has"):
        check("time_beacon", {**RIGHT["time_beacon"], name: other[name]})
    payload = deepcopy(RIGHT["timestamp_anchor"])
    payload["attestations"][0][name] = other[name]
    with pytest.raises(HashError, match="attestation"):
        check("timestamp_anchor", payload)


def test_a_network_is_named() -> None:
    refused("time_beacon", ("network",), "bitcoin", "want one of mainnet, regtest")


def test_an_anchors_proof_is_of_its_event() -> None:
    digest = bytes(range(32))
    check("timestamp_anchor", anchored(0, digest))
    refused("timestamp_anchor", ("event_id",), f"sha256:{digest.hex()}", "is the proof of")
    for ots in (b"", OTS_HEAD + b"\x01\x08" + bytes(31), OTS_HEAD + b"\x01\x02" + bytes(32)):
        refused("timestamp_anchor", ("ots_b64",), b64encode(ots).decode(), "not an OpenTimestamps")
    longest = OTS_HEAD + b"\x01\x08" + bytes(timestamp_anchor.MAX_OTS_BYTES)
    refused("timestamp_anchor", ("ots_b64",), b64encode(longest).decode(), "bytes at most")


def test_an_anchors_blocks_ascend_and_come_after_the_beacon() -> None:
    seventh, ninth = block.build_block(7, bytes(80)), block.build_block(9, bytes(80))
    check("timestamp_anchor", {**anchored(), "attestations": [seventh, ninth]})
    many = [block.build_block(7 + number, bytes(80)) for number in range(17)]
    check("timestamp_anchor", {**anchored(), "attestations": many[:16]})
    for wrong in ([], [ninth, seventh], [seventh, seventh], many):
        refused("timestamp_anchor", ("attestations",), wrong, "attestations")
    refused("timestamp_anchor", ("not_before", "height"), 7, "want one below 7")
    refused("timestamp_anchor", ("index",), 2, "want one below the tree's size, 2")


def test_an_anchor_is_built_of_what_was_verified() -> None:
    built = timestamp_anchor.build(
        network="regtest",
        event_id="sha256:" + "00" * 32,
        origin="example.com/log",
        index=0,
        tree_size=2,
        root_hash=bytes(32),
        ots=OTS_HEAD + b"\x01\x08" + bytes(32),
        blocks=[(7, bytes(80))],
        not_before=(6, "00" * 32),
    )
    assert built == anchored(1)
    check("timestamp_anchor", built)


# ---- graph_snapshot, record_created ----


def test_a_snapshots_hash_is_of_its_rows_where_they_are_whole() -> None:
    for path, wrong in (("count", 2), ("count", True), ("count", None), ("items", [])):
        refused("graph_snapshot", ("graph_snapshot", "claims", path), wrong, "snapshot")
    payload = changed(snapshot(), ("graph_snapshot", "claims", "snapshot_sha256"), "0" * 64)
    with pytest.raises(HashError, match=r"snapshot_sha256 is '0000.* computed"):
        check("graph_snapshot", payload)
    with pytest.raises(MalformedError, match="snapshot_sha256"):
        check(
            "graph_snapshot", changed(payload, ("graph_snapshot", "claims", "snapshot_sha256"), 1)
        )


def test_a_sample_of_a_snapshots_rows_is_not_checkable() -> None:
    (_, real) = real_events()
    graph = real["payload"]["graph_snapshot"]
    assert graph_snapshot.check_table(graph["claims"]) == 4
    assert graph_snapshot.check_table(graph["references"]) is None
    assert graph_snapshot.check_table(graph["author_claims"]) == 0
    assert graph_snapshot.rows_of(graph["formal_canon"]) is None


def test_building_a_snapshot_puts_in_what_is_missing_and_changes_nothing_else() -> None:
    (_, real) = real_events()
    graph = deepcopy(real["payload"]["graph_snapshot"])
    assert graph_snapshot.build(graph) == real["payload"]
    for name in ("claims", "author_claims"):
        del graph[name]["snapshot_sha256"]
    del graph["claims"]["count"]
    assert graph_snapshot.build(graph) == real["payload"]
    wrong = changed(graph, ("claims", "snapshot_sha256"), "0" * 64)
    with pytest.raises(HashError):
        check("graph_snapshot", graph_snapshot.build(wrong))


# ---- decisions, rotations, mirrored records ----


def test_a_key_is_allowed_for_types_and_subjects_that_are_named_once() -> None:
    check("key_allowed", allowed(held_types=[], subjects=None))
    check("key_allowed", allowed(subjects=[f"pith:{year}:{SUFFIX}" for year in range(2000, 2100)]))
    other = "pith:2026:AD6P7OEY4I2RODEM7GZJCQO33G"
    cases: list[tuple[str, Any]] = [
        ("event_types", []),
        ("event_types", ["correction", "author_attestation"]),
        ("held_types", ["graph_snapshot"]),
        ("held_types", ["correction", "correction"]),
        ("subjects", []),
        ("subjects", [SUFFIX]),
        ("subjects", [other, f"pith:2024:{SUFFIX}"]),
        ("subjects", [other, other]),
        ("subjects", [f"pith:{year:04}:{SUFFIX}" for year in range(10_000)] + [other]),
    ]
    for name, wrong in cases:
        with pytest.raises(MalformedError, match=name if SUFFIX not in wrong else "pith number"):
            check("key_allowed", {**allowed(), name: wrong})


def test_the_key_that_is_allowed_is_spelled_in_one_way() -> None:
    payload = deepcopy(RIGHT["key_allowed"])
    payload["public_key"]["fingerprint_sha256_hex"] = ALICES
    with pytest.raises(HashError, match="fingerprint_sha256_hex"):
        check("key_allowed", payload)


def test_a_key_rotates_itself_to_one_that_agrees() -> None:
    payload = RIGHT["key_rotated"]
    assert key_rotated.new_key(payload).public_key == BOB.public_key
    bobs = fingerprint_hex(BOB.public_key)
    with pytest.raises(MalformedError, match=f"about key {bobs}, and signed by {ALICES}"):
        KINDS["key_rotated"].check(payload, bobs, ALICES)
    with pytest.raises(MalformedError, match="is the old one"):
        check("key_rotated", rotated(ALICE, ALICE))
    with pytest.raises(SignatureError, match="new_key_signature_b64"):
        check("key_rotated", rotated(MALLORY, BOB))  # agreed to take over from another
    taken = {**payload, "new_public_key": rotated(ALICE, MALLORY)["new_public_key"]}
    with pytest.raises(SignatureError):
        check("key_rotated", taken)
    for wrong in ("AAAA", payload["new_key_signature_b64"].replace("=", "")):
        with pytest.raises(MalformedError):
            check("key_rotated", {**payload, "new_key_signature_b64": wrong})


def test_a_key_under_which_nothing_is_accepted_takes_over_from_nobody() -> None:
    payload = deepcopy(RIGHT["key_rotated"])
    payload["new_public_key"] = replace(PITH_KEY, public_key=bytes(32)).to_json()
    with pytest.raises(MalformedError):
        check("key_rotated", payload)


def test_the_subject_of_a_rotation_is_a_key() -> None:
    assert key_rotated.parse_subject(f"key:{ALICES}") == ALICES
    for wrong in (ALICES, f"key:{ALICES}0", f"key:{ALICES.upper()}", f"key:{ALICES}\n", "key:"):
        with pytest.raises(MalformedError, match="subject is"):
            key_rotated.parse_subject(wrong)


def test_names_of_a_mirrored_record_have_the_shape_of_names() -> None:
    payload = RIGHT["record_mirrored"]
    (first, *_) = payload["source_aliases"]
    for wrong in ([{}], [{**first, "created_at": "now"}], [{**first, "alias_value": ""}], [None]):
        with pytest.raises(MalformedError, match="alias"):
            check("record_mirrored", {**payload, "source_aliases": wrong})
    check("record_mirrored", {**payload, "source_aliases": []})
