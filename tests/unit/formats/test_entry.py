"""translog.formats.entry: 129 bytes, and bundles of exactly as many entries as wanted."""

import pytest

from translog.errors import MalformedError
from translog.formats.entry import Entry, encode_bundle, parse_bundle, split_bundle

ENTRY = Entry(content_sha256=b"c" * 32, key_sha256=b"k" * 32, signature=b"s" * 64)


def test_an_entry_is_type_content_key_and_signature() -> None:
    assert ENTRY.encode() == b"\x01" + b"c" * 32 + b"k" * 32 + b"s" * 64
    assert Entry.parse(ENTRY.encode()) == ENTRY


@pytest.mark.parametrize("length", [0, 1, 128, 130, 258])
def test_an_entry_of_another_length_is_refused(length: int) -> None:
    encoded = (ENTRY.encode() * 2)[:length]
    with pytest.raises(MalformedError, match=rf"^entry has {length} bytes, want 129$"):
        Entry.parse(encoded)


@pytest.mark.parametrize("kind", [0, 2, 4, 6, 0x81, 255])
def test_an_entry_of_another_signature_type_is_refused(kind: int) -> None:
    with pytest.raises(MalformedError, match=rf"signature type {kind:#04x}, want 0x01 \(Ed25519\)"):
        Entry.parse(bytes([kind]) + ENTRY.encode()[1:])


@pytest.mark.parametrize("lengths", [(31, 32, 64), (32, 33, 64), (32, 32, 63), (33, 31, 64)])
def test_an_entry_is_never_made_of_parts_of_other_lengths(lengths: tuple[int, int, int]) -> None:
    content, key, signature = map(bytes, lengths)
    with pytest.raises(ValueError):
        Entry(content_sha256=content, key_sha256=key, signature=signature).encode()


OURS = [bytes([n]) * 129 for n in range(256)]
MIXED = [b"", b"a", bytes(65_535), bytes(129), b"b" * 128]


@pytest.mark.parametrize("count", [1, 2, 3, 255, 256])
def test_a_bundle_of_our_entries_is_read(count: int) -> None:
    content = encode_bundle(OURS[:count])
    assert len(content) == 131 * count
    assert parse_bundle(content, count) == split_bundle(content, count) == OURS[:count]


def test_a_bundle_of_any_entries_is_read() -> None:
    content = encode_bundle(MIXED)
    assert content.startswith(b"\0\0" + b"\0\x01a" + b"\xff\xff\0")
    assert parse_bundle(content, len(MIXED)) == MIXED
    assert parse_bundle(encode_bundle([b""]), 1) == [b""]


def test_a_bundle_as_long_as_ours_is_still_cut_where_its_lengths_say() -> None:
    # 2 entries and 262 bytes, as two of ours would have; and lengths that only look like ours.
    for entries in [
        [b"x" * 128, b"y" * 130],
        [bytes(130), b"y" * 128],
        [bytes([129]) * 257, b"y"],
    ]:
        content = encode_bundle(entries)
        assert parse_bundle(content, 2) == entries


@pytest.mark.parametrize("entries", [OURS[:3], MIXED, OURS])
def test_a_bundle_with_more_or_fewer_entries_is_refused(entries: list[bytes]) -> None:
    content, count = encode_bundle(entries), len(entries)
    wrong = [content[:-1], content + b"\0", content + b"\0\0", content + content[:131], b"", b"\0"]
    for bad in wrong:
        with pytest.raises(MalformedError):
            parse_bundle(bad, count)
    for other in {1, count - 1, min(count + 1, 256)} - {count}:
        with pytest.raises(MalformedError):
            parse_bundle(content, other)


def test_a_length_whose_low_byte_alone_is_ours_is_not_ours() -> None:
    content = b"\x01" + encode_bundle(OURS[:2])[1:]  # 385 and not 129
    with pytest.raises(MalformedError):
        parse_bundle(content, 2)


def test_a_257th_entry_is_refused() -> None:
    content = encode_bundle(OURS) + encode_bundle(OURS[:1])
    with pytest.raises(MalformedError, match=r"has 131 bytes after its last entry, want 256"):
        parse_bundle(content, 256)


def test_a_short_bundle_says_where_it_ends() -> None:
    with pytest.raises(MalformedError, match=r"^entry bundle of 392 bytes ends in entry 2, want 3"):
        parse_bundle(encode_bundle(OURS[:3])[:-1], 3)
    for cut in [262, 263]:  # before the third length, and in the middle of it
        with pytest.raises(
            MalformedError, match=rf"of {cut} bytes ends in entry 2, want 3 entries"
        ):
            parse_bundle(encode_bundle(OURS[:3])[:cut], 3)


@pytest.mark.parametrize("count", [0, -1, 257, 10**6])
def test_a_count_that_no_bundle_has_is_our_mistake(count: int) -> None:
    with pytest.raises(ValueError):
        parse_bundle(bytes(131), count)
    with pytest.raises(ValueError):
        encode_bundle([b""] * count)


def test_an_entry_over_65535_bytes_fits_no_bundle() -> None:
    with pytest.raises((ValueError, OverflowError)):
        encode_bundle([bytes(65_536)])
