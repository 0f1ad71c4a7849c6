"""Formats: parse and format are inverse, and no bytes raise anything but the declared errors."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from translog.errors import InclusionError, MalformedError, SignatureError, TranslogError
from translog.formats.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from translog.formats.entry import (
    ENTRY_BYTES,
    Entry,
    encode_bundle,
    has_only_own_entries,
    parse_bundle,
    split_bundle,
)
from translog.formats.keys import SigningKey
from translog.formats.merkle import EMPTY_ROOT, Hash, climb, leaf_hash, level_above, node_hash
from translog.formats.note import Note, NoteSigner, Signature, Verifier, open_note, sign_note
from translog.formats.proof import TlogProof, verify_proof
from translog.formats.strict import MAX_SIZE, format_base64, parse_base64, parse_decimal
from translog.formats.tiles import Tile, bundle_path, format_index, parse_bundle_path, parse_index
from translog.formats.tree import verify_consistency, verify_inclusion

KEY = SigningKey(b"k" * 32)
ORIGIN = "example.com/log"
VERIFIER = Verifier(name=ORIGIN, public_key=KEY.public_key)

hashes = st.binary(min_size=32, max_size=32).map(Hash)
sizes = st.integers(0, MAX_SIZE)
names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"),
    min_size=1,
    max_size=60,
)
signatures = st.builds(
    Signature,
    name=names,
    key_id=st.binary(min_size=4, max_size=4),
    blob=st.binary(min_size=1, max_size=80),
)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n")).map(
    lambda text: text + "\n"
)
notes = st.builds(
    Note, text=texts, signatures=st.lists(signatures, min_size=1, max_size=5).map(tuple)
)
checkpoints = st.builds(Checkpoint, origin=names, size=st.integers(1, MAX_SIZE), root=hashes)
proofs = st.builds(
    TlogProof,
    index=sizes,
    hashes=st.lists(hashes, max_size=63).map(tuple),
    checkpoint=notes.map(Note.encode),
    extra=st.none() | st.binary(min_size=1, max_size=100),
)
entries = st.builds(
    Entry,
    content_sha256=hashes,
    key_sha256=hashes,
    signature=st.binary(min_size=64, max_size=64),
)
tiles = st.builds(Tile, st.integers(0, 63), sizes, st.integers(1, 256))
bundled = st.lists(
    st.binary(max_size=300) | st.binary(min_size=ENTRY_BYTES, max_size=ENTRY_BYTES),
    min_size=1,
    max_size=20,
)


@given(notes)
def test_notes_are_read_as_they_were_written(note: Note) -> None:
    assert Note.parse(note.encode()) == note


@given(checkpoints)
def test_checkpoints_are_read_as_they_were_written(checkpoint: Checkpoint) -> None:
    assert Checkpoint.parse(str(checkpoint)) == checkpoint
    assert str(Checkpoint.parse(str(checkpoint))) == str(checkpoint)


@given(checkpoints)
def test_signed_checkpoints_open(checkpoint: Checkpoint) -> None:
    verifier = replace(VERIFIER, name=checkpoint.origin)
    assert str(open_checkpoint(sign_checkpoint(checkpoint, KEY), verifier)) == str(checkpoint)


@given(proofs)
def test_proofs_are_read_as_they_were_written(proof: TlogProof) -> None:
    assert TlogProof.parse(proof.encode()) == proof


@given(entries)
def test_entries_are_read_as_they_were_written(entry: Entry) -> None:
    assert Entry.parse(entry.encode()) == entry
    assert len(entry.encode()) == ENTRY_BYTES


@given(bundled)
def test_bundles_are_read_as_they_were_written(wanted: list[bytes]) -> None:
    content = encode_bundle(wanted)
    assert parse_bundle(content, len(wanted)) == split_bundle(content, len(wanted)) == wanted


@given(tiles)
def test_tiles_are_read_as_they_were_written(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile


@given(names, st.binary(min_size=32, max_size=32))
def test_vkeys_are_read_as_they_were_written(name: str, public_key: bytes) -> None:
    verifier = Verifier(name=name, public_key=public_key)
    assert Verifier.parse(verifier.vkey) == verifier


@given(st.binary())
def test_base64_is_read_as_it_was_written(raw: bytes) -> None:
    assert parse_base64(format_base64(raw), "raw") == raw


def read_bundle(content: bytes) -> bytes:
    return encode_bundle(parse_bundle(content, 2))


def write_index(text: str) -> str:
    return format_index(parse_index(text))


def write_bundle_path(path: str) -> str:
    return bundle_path("events", *parse_bundle_path("events", path))


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "note": lambda raw: Note.parse(raw).encode(),
    "proof": lambda raw: TlogProof.parse(raw).encode(),
    "entry": lambda raw: Entry.parse(raw).encode(),
    "bundle": read_bundle,
}
TEXTS: dict[str, Callable[[str], str]] = {
    "checkpoint": lambda text: str(Checkpoint.parse(text)),
    "vkey": lambda text: Verifier.parse(text).vkey,
    "tile": lambda text: Tile.parse(text).path,
    "index": write_index,
    "bundle path": write_bundle_path,
    "decimal": lambda text: str(parse_decimal(text, "number")),
    "base64": lambda text: format_base64(parse_base64(text, "raw")),
}
SEEDS: dict[str, list[bytes]] = {
    "note": [sign_note("text\n\nmore\n", [NoteSigner(name=ORIGIN, key=KEY)])],
    "proof": [b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 7\n" + b"A" * 43 + b"=\n\nrest"],
    "entry": [b"\x01" + bytes(128)],
    "bundle": [encode_bundle([bytes(129)] * 2), encode_bundle([b"a", b""])],
    "checkpoint": [f"{ORIGIN}\n0\n{format_base64(EMPTY_ROOT)}\n".encode()],
    "vkey": [VERIFIER.vkey.encode()],
    "tile": [b"tile/0/x001/234.p/5", b"tile/63/000"],
    "index": [b"x001/x234/067"],
    "bundle path": [b"events/x001/234.p/5"],
    "decimal": [b"9223372036854775807"],
    "base64": [b"AAAA", b"AA=="],
}


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A good value with a few bytes replaced, put in, or taken out; or any bytes at all."""
    raw = draw(st.sampled_from(seeds) | st.binary())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=3)) + raw[at + draw(st.integers(0, 3)) :]
    return raw


@pytest.mark.parametrize("name", BYTES)
@given(data=st.data())
def test_any_bytes_are_malformed_or_written_again_the_same(name: str, data: st.DataObject) -> None:
    raw = data.draw(mutated(SEEDS[name]))
    try:
        again = BYTES[name](raw)
    except MalformedError:
        return
    assert again == raw


@pytest.mark.parametrize("name", TEXTS)
@given(data=st.data())
def test_any_text_is_malformed_or_written_again_the_same(name: str, data: st.DataObject) -> None:
    changed = mutated(SEEDS[name]).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    text = data.draw(changed | st.text(st.characters()))
    try:
        again = TEXTS[name](text)
    except MalformedError:
        return
    assert again == text


@given(data=st.data())
def test_any_note_opens_or_is_refused_with_a_declared_error(data: st.DataObject) -> None:
    for opener in (
        lambda raw: open_note(raw, [VERIFIER]),
        lambda raw: open_checkpoint(raw, VERIFIER),
    ):
        raw = data.draw(mutated(SEEDS["note"]))
        try:
            opener(raw)
        except (MalformedError, SignatureError):
            continue
        assert raw == SEEDS["note"][0]


@given(proofs, st.binary())
def test_any_proof_is_refused_with_a_declared_error(proof: TlogProof, entry: bytes) -> None:
    with pytest.raises(TranslogError):
        verify_proof(proof, entry, VERIFIER)


anything = sizes | st.integers() | st.booleans() | st.none() | st.floats() | st.text()


@given(anything, anything, hashes, st.lists(hashes | st.binary()), hashes)
def test_verifiers_refuse_whatever_they_are_given(
    index: object, size: object, leaf: Hash, proof: list[Hash], root: Hash
) -> None:
    assume(leaf != root)  # or a tree of one leaf, or a tree and itself, is rightly accepted
    with pytest.raises(InclusionError):
        verify_inclusion(index, size, leaf, proof, root)
    with pytest.raises(TranslogError):
        verify_consistency(index, size, leaf, root, proof)


@given(st.binary(max_size=600), st.integers(1, 4))
def test_the_fast_way_to_cut_a_bundle_gives_what_the_general_way_gives(
    content: bytes, count: int
) -> None:
    stride = bytes([0, ENTRY_BYTES]) + content[:ENTRY_BYTES].ljust(ENTRY_BYTES, b"\0")
    for candidate in [content, stride * count, stride * count + content]:
        if has_only_own_entries(candidate, count):
            assert parse_bundle(candidate, count) == split_bundle(candidate, count)


@given(hashes, st.lists(hashes, max_size=10), st.integers(-(2**20), 2**20))
def test_climbing_is_joining_step_by_step(
    start: Hash, beside: list[Hash], on_the_left: int
) -> None:
    joined = start
    for bit, sibling in enumerate(beside):
        left = on_the_left >> bit & 1
        joined = node_hash(sibling, joined) if left else node_hash(joined, sibling)
    assert climb(start, beside, on_the_left) == joined
    assert level_above(beside) == [
        node_hash(beside[i], beside[i + 1]) for i in range(0, len(beside) - 1, 2)
    ]
    assert leaf_hash(start) != start
