"""Records, Pith Numbers, keys and receipts: the real ones, and everything wrong with them."""

from typing import Any

import pytest

from tests.unit.pith.sample import ALICE, BOB, NOW, NUMBER, PITH, REAL, RECORD, changed, pith_key
from translog.errors import (
    HashError,
    MalformedError,
    SignatureError,
    SubjectError,
    UnknownKeyError,
    VerificationError,
)
from translog.pith import shape
from translog.pith.key import PINNED, PithKey, find, fingerprint_b32, fingerprint_hex, keyring
from translog.pith.receipt import check_receipt, make_receipt, parse_receipt, verify_receipt
from translog.pith.record import (
    aliases,
    base32_bits,
    canonical_sha256,
    canonical_text,
    check_number,
    check_record,
    parse_pith_number,
    pith_number,
)

RECEIPT = REAL["events"][0]["payload"]["receipt"]
KEY = REAL["public_keys"][0]
PARSED = parse_pith_number(NUMBER)


def test_the_real_record_has_its_hash_number_and_aliases() -> None:
    check_record(RECORD)
    assert canonical_sha256(RECORD).hex() == REAL["canonical_sha256"]
    assert pith_number(RECORD) == REAL["pith_number"] == NUMBER
    check_number(RECORD, PARSED)
    assert parse_pith_number(NUMBER).short == REAL["short_pith_number"]
    made = aliases(RECORD, "2026-05-17T23:38:53Z")
    for mine, real in zip(made, REAL["source_aliases"], strict=True):
        assert mine["alias_kind"] == real["alias_kind"]
        assert mine["alias_value"] == real["alias_value"]


def test_the_real_titles_hash_is_that_of_its_canonical_text() -> None:
    from hashlib import sha256

    title = REAL["events"][1]["payload"]["graph_snapshot"]["paper"]["title"]
    want = RECORD["metadata"]["title_canon_sha256"]
    assert sha256(canonical_text(title).encode()).hexdigest() == want
    assert sha256(canonical_text(f" \n{title.replace(' ', '  ')}\t").encode()).hexdigest() == want


def test_canonical_text_is_nfc_with_single_spaces_in_lower_case() -> None:
    assert canonical_text("  E\u0301tude\u00a0 in\n\tC ") == "\u00e9tude in c"
    assert canonical_text("") == ""


def test_a_record_from_elsewhere_has_short_aliases_only() -> None:
    other = changed(RECORD, ("source", "kind"), "zenodo")
    assert [each["alias_kind"] for each in aliases(other, NOW)] == [
        "pith_short_12",
        "pith_short_16",
        "pith_short_8",
    ]


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("schema_version",), "1.1"),
        (("schema_version",), 1.0),
        (("extra",), 1),
        (("source",), None),
        (("source",), []),
        (("source", "kind"), ""),
        (("source", "kind"), "ar\nxiv"),
        (("source", "id"), 2402.13753),
        (("source", "id"), "x" * 256),
        (("source", "version"), 0),
        (("source", "version"), True),
        (("source", "version"), 1.0),
        (("source", "version"), "1"),
        (("source", "version"), 2**63),
        (("source", "extra"), 1),
        (("metadata",), {}),
        (("metadata", "extra"), 1),
        (("metadata", "license"), 1),
        (("metadata", "primary_cat"), None),
        (("metadata", "submitted_at"), "2024-02-21"),
        (("metadata", "submitted_at"), "2024-02-30T12:30:33Z"),
        (("metadata", "cross_cats_sorted"), "cs.AI"),
        (("metadata", "cross_cats_sorted"), ["b", "a"]),
        (("metadata", "cross_cats_sorted"), ["a", "a"]),
        (("metadata", "cross_cats_sorted"), [1]),
        (("metadata", "title_canon_sha256"), "A" * 64),
        (("metadata", "title_canon_sha256"), "a" * 63),
        (("metadata", "abstract_canon_sha256"), None),
    ],
)
def test_a_record_with_a_wrong_member_is_malformed(path: Any, new: Any) -> None:
    with pytest.raises(MalformedError):
        check_record(changed(RECORD, path, new))


def test_a_record_without_a_member_is_malformed() -> None:
    for name in RECORD:
        with pytest.raises(MalformedError, match=rf"record lacks {name}$"):
            check_record({key: RECORD[key] for key in RECORD if key != name})
    with pytest.raises(MalformedError, match=r"record has unknown members 'zzz'$"):
        check_record({**RECORD, "zzz": 1})
    one = {key: RECORD[key] for key in RECORD if key != "source"}
    with pytest.raises(MalformedError, match=r"record lacks source and has unknown members 'zzz'$"):
        check_record({**one, "zzz": 1})
    with pytest.raises(MalformedError, match=r"members '0', '1', '2', '3', .*, '7' and 2 more$"):
        check_record({**RECORD, **{str(number): 1 for number in range(10)}})


def test_a_number_is_refused_for_any_other_record() -> None:
    with pytest.raises(SubjectError, match="canonical_record has number pith:2024:"):
        check_number(changed(RECORD, ("source", "version"), 2), PARSED)
    with pytest.raises(SubjectError):  # the hash covers the year, but the number states it again
        check_number(RECORD, PARSED._replace(year="2025"))
    for place in range(26):  # every digit counts, the last one whole
        digits = list(PARSED.suffix)
        digits[place] = "A" if digits[place] == "B" else "B"
        with pytest.raises(SubjectError):
            check_number(RECORD, PARSED._replace(suffix="".join(digits)))
    with pytest.raises(MalformedError):
        check_number({}, PARSED)


@pytest.mark.parametrize(
    "wrong",
    [
        "pith:HAMJZSQV",
        NUMBER.lower(),
        NUMBER + "\n",
        " " + NUMBER,
        NUMBER + "A",
        NUMBER[:-1],
        NUMBER[:-1] + "1",
        NUMBER.replace("2024", "٢٠٢٤"),
        None,
        1,
        [],
    ],
)
def test_only_a_full_pith_number_is_one(wrong: Any) -> None:
    assert str(parse_pith_number(NUMBER)) == NUMBER
    with pytest.raises(MalformedError):
        parse_pith_number(wrong)


# ---- shapes ----


@pytest.mark.parametrize(
    ("time", "fits"),
    [
        ("2026-05-17T23:38:53Z", "both"),
        ("2024-02-29T00:00:00Z", "both"),
        ("2026-05-17T23:38:53.019823Z", "moment"),
        ("2026-05-17T23:38:53.000000Z", "moment"),
        ("2026-05-17T23:38:53.01982Z", "none"),
        ("2026-05-17T23:38:53.019Z", "none"),
        ("2026-05-17T23:38:53.0198231Z", "none"),
        ("2026-05-17T23:38:53,019823Z", "none"),
        ("2026-02-29T00:00:00Z", "none"),
        ("2026-13-01T00:00:00Z", "none"),
        ("0000-01-01T00:00:00Z", "none"),
        ("2026-05-17T24:00:00Z", "none"),
        ("2026-05-17T23:60:00Z", "none"),
        ("2026-05-17T23:59:60Z", "none"),
        ("2026-05-17 23:38:53Z", "none"),
        ("2026-05-17T23:38:53", "none"),
        ("2026-05-17T23:38:53z", "none"),
        ("2026-05-17T23:38:53+00:00", "none"),
        ("2026-05-17T23:38:53Z\n", "none"),
        ("2026-05-17T23:38:5٣Z", "none"),
        ("20260517T233853Z", "none"),
        (1779061133, "none"),
        (None, "none"),
    ],
)
def test_times_are_strict_and_exist(time: Any, fits: str) -> None:
    for check, passes in ((shape.seconds, fits == "both"), (shape.moment, fits != "none")):
        if passes:
            assert check({"t": time}, "t", "thing") == time
        else:
            with pytest.raises(MalformedError, match="thing t is "):
                check({"t": time}, "t", "thing")


@pytest.mark.parametrize("time", ["2026-05-17T23:38:53Z", "2026-05-17T23:38:53.019823Z"])
def test_no_character_of_a_time_can_be_another_mark(time: str) -> None:
    for place, right in enumerate(time):
        for wrong in {*"+-_ .,:TZzWx\x00\u0663\ud800", ""} - {right}:
            with pytest.raises(MalformedError):
                shape.moment({"t": time[:place] + wrong + time[place + 1 :]}, "t", "thing")


def test_hex_is_of_one_length_and_one_case() -> None:
    good = "0123456789abcdef" * 2
    assert shape.hex_digits({"h": good}, "h", 16, "thing") == good
    for bad in (good[1:], good + "0", "", good.upper(), None, 16, [good]):
        with pytest.raises(MalformedError, match="want 32 lower-case hex digits"):
            shape.hex_digits({"h": bad}, "h", 16, "thing")
    for wrong in "gG:/@`\x00 _+\u0663\ud800":
        with pytest.raises(MalformedError):
            shape.hex_digits({"h": good[:-1] + wrong}, "h", 16, "thing")


def test_base32_is_read_as_bits() -> None:
    assert base32_bits("A") == 0
    assert base32_bits("BA7") == 1 << 10 | 31
    for wrong in ("", "a", "A1", "A0", "A8", "A_B", " A", "+A", "A=", "\x00", "\u0663", "\ud800"):
        with pytest.raises(MalformedError, match="is not base32 in capitals"):
            base32_bits(wrong)


def test_a_label_is_one_printable_line() -> None:
    for good in ("a", "x" * 255, "Émile \U0001d538"):
        assert shape.label({"n": good}, "n", "thing") == good
    for bad in ("", "x" * 256, "a\nb", "\x00", "\u2028", "a\x1b[31m", 1, None, ["a"]):
        with pytest.raises(MalformedError, match="want 1 to 255 printable characters"):
            shape.label({"n": bad}, "n", "thing")


# ---- keys ----


def test_the_pinned_key_is_the_one_in_the_real_bundle() -> None:
    pinned = PINNED["pith.science"]
    assert pinned.to_json() == KEY
    read = PithKey.from_json(KEY)
    assert read.public_key == PITH and read.signer_id is None
    assert read.fingerprint == fingerprint_hex(PITH) == KEY["fingerprint_sha256_hex"]
    assert fingerprint_b32(PITH) == KEY["fingerprint_sha256_b32_first128bits"]
    assert list(PINNED) == ["pith.science"]


@pytest.mark.parametrize(
    ("name", "new", "error"),
    [
        ("key_id", "", MalformedError),
        ("algorithm", "rsa", MalformedError),
        ("format", "pem", MalformedError),
        ("public_key_b64", 1, MalformedError),
        ("public_key_b64", KEY["public_key_b64"] + "\n", MalformedError),
        ("public_key_b64", "AAAA", MalformedError),
        ("public_key_b64", pith_key(BOB).to_json()["public_key_b64"], HashError),
        ("public_key_hex", BOB.public_key.hex(), HashError),
        ("public_key_hex", KEY["public_key_hex"].upper(), HashError),
        ("public_key_hex", None, HashError),
        ("fingerprint_sha256_b32_first128bits", fingerprint_b32(BOB.public_key), HashError),
        ("fingerprint_sha256_hex", fingerprint_hex(BOB.public_key), HashError),
        ("rotates_at", "soon", MalformedError),
        ("rotates_at", 0, MalformedError),
        ("url", None, MalformedError),
        ("notes", {}, MalformedError),
        ("extra", 1, MalformedError),
    ],
)
def test_a_key_with_a_wrong_member_is_refused(name: str, new: Any, error: type) -> None:
    with pytest.raises(error) as refusal:
        PithKey.from_json(changed(KEY, (name,), new))
    assert type(refusal.value) is error


def test_a_key_that_rotates_says_when() -> None:
    value = changed(KEY, ("rotates_at",), "2027-01-01T00:00:00Z")
    assert PithKey.from_json(value).to_json() == value


def test_only_keys_given_are_found() -> None:
    ring = keyring([PITH, ALICE.public_key])
    assert find(ring, fingerprint_hex(PITH)) == PITH
    with pytest.raises(UnknownKeyError, match="is not among the keys given"):
        find(ring, fingerprint_hex(BOB.public_key))


# ---- receipts ----


def test_the_real_receipt_is_the_registrys_signature_of_the_record() -> None:
    verify_receipt(RECEIPT, RECORD, PITH)


def test_a_receipt_fails_when_any_argument_is_wrong() -> None:
    with pytest.raises(SignatureError, match="signature names key 8d4b5ee7"):
        verify_receipt(RECEIPT, RECORD, ALICE.public_key)
    with pytest.raises(SubjectError, match="receipt is for record 38189cca"):
        verify_receipt(RECEIPT, changed(RECORD, ("source", "version"), 2), PITH)
    for fingerprinted in (RECEIPT, changed(RECEIPT, ("key_id",), "another name: not signed")):
        verify_receipt(fingerprinted, RECORD, PITH)


OTHER = make_receipt(RECORD, ALICE, key_id="a", builder_version="b", now=NOW)


@pytest.mark.parametrize(
    ("name", "new", "error"),
    [
        ("kind", "receipt", MalformedError),
        ("receipt_version", "0.4", MalformedError),
        ("builder_version", 1, MalformedError),
        ("canonical_sha256", "0" * 64, SubjectError),
        ("canonical_sha256", RECEIPT["canonical_sha256"].upper(), MalformedError),
        ("first_computed_at", "then", MalformedError),
        ("last_reissued_at", None, MalformedError),
        ("signed_at", "2026-05-17", MalformedError),
        ("algorithm", "ed25519ph", MalformedError),
        ("signature_status", "unsigned", MalformedError),
        ("signed_message", "bundle_sha256_bytes", MalformedError),
        ("key_id", "", MalformedError),
        ("public_key_fingerprint", OTHER["public_key_fingerprint"], SignatureError),
        ("public_key_fingerprint", "8D4B5EE74E4693BCD1DF2446408B0D54", MalformedError),
        ("signature_b64", OTHER["signature_b64"], SignatureError),
        ("signature_b64", RECEIPT["signature_b64"][:-4], MalformedError),
        ("signature_b64", RECEIPT["signature_b64"] + " ", MalformedError),
        ("signature_b64", None, MalformedError),
        ("extra", 1, MalformedError),
    ],
)
def test_a_receipt_with_a_wrong_member_is_refused(name: str, new: Any, error: type) -> None:
    with pytest.raises((MalformedError, VerificationError)) as refusal:
        verify_receipt(changed(RECEIPT, (name,), new), RECORD, PITH)
    assert type(refusal.value) is error


def test_a_made_receipt_verifies_and_is_checked_before_it_leaves() -> None:
    verify_receipt(OTHER, RECORD, ALICE.public_key)
    assert parse_receipt(OTHER) == check_receipt(OTHER, canonical_sha256(RECORD))
    assert OTHER["first_computed_at"] == OTHER["last_reissued_at"] == OTHER["signed_at"] == NOW
    with pytest.raises(MalformedError, match="receipt first_computed_at is 'today'"):
        make_receipt(RECORD, ALICE, key_id="a", builder_version="b", now="today")
    with pytest.raises(MalformedError, match="canonical_record"):
        make_receipt({}, ALICE, key_id="a", builder_version="b", now=NOW)
