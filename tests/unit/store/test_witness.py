"""store.witness: compare-and-swap, what contradicts, and who may sign."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from translog.errors import ConflictError, MalformedError, MissingError, UnavailableError
from translog.formats.cosignature import ED25519, ML_DSA_44
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.witnessing import NEVER, Inconsistency, Kind, Witnessed
from translog.store import witness
from translog.store.keys import write_key
from translog.store.witness import Records
from translog.store.witness_directory import create, find

ORIGIN = "example.com/log"
A, B = leaf_hash(b"a"), leaf_hash(b"b")
SEEDS = {ED25519: b"w" * 32}


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    made = create(tmp_path / "w", "witness.example/w", SEEDS)
    with closing(made.open_writer()) as opened:
        with opened.transaction():
            opened.add_key(ORIGIN, "vkey")
        yield opened


def replace(records: Records, old: Witnessed, new: Witnessed) -> None:
    with records.transaction():
        records.replace(ORIGIN, old, new)


def contradiction(kind: Kind = Kind.TWO_ROOTS, size: int = 7, root: Hash = B) -> Inconsistency:
    return Inconsistency(kind, ORIGIN, size, root, b"found", b"cosigned", (A, B))


def test_a_log_is_never_cosigned_before_the_first_time(records: Records) -> None:
    assert records.read(ORIGIN) == NEVER
    assert records.read("example.com/other") == NEVER
    assert records.read_note(sha256(ORIGIN.encode()).digest()) == b""


def test_a_head_takes_the_place_of_the_one_that_is_there_and_of_no_other(records: Records) -> None:
    first, second = Witnessed(7, A, 100, b"note 7"), Witnessed(8, B, 101, b"note 8")
    replace(records, NEVER, first)
    assert records.read(ORIGIN) == first
    assert records.read_note(sha256(ORIGIN.encode()).digest()) == b"note 7"
    assert records.read_note(bytes(32)) == b""
    wrong = [NEVER, second, first._replace(size=6), first._replace(root=B), first._replace(time=99)]
    for old in wrong:
        with pytest.raises(ConflictError, match=r"is not where it was: another process wrote$"):
            replace(records, old, second)
        assert records.read(ORIGIN) == first
    with pytest.raises(ConflictError), records.transaction():
        records.replace("example.com/other", NEVER, first)
    replace(records, first, second)
    assert records.read_all() == [(ORIGIN, second)]


def test_a_failed_transaction_changes_nothing(records: Records) -> None:
    with pytest.raises(KeyboardInterrupt), records.transaction():
        records.replace(ORIGIN, NEVER, Witnessed(7, A, 100, b"note"))
        records.keep(contradiction(), 5)
        raise KeyboardInterrupt
    assert records.read(ORIGIN) == NEVER
    assert records.read_inconsistencies() == []


def test_what_contradicts_is_kept_once(records: Records) -> None:
    with records.transaction():
        records.keep(contradiction(), 5)
        records.keep(contradiction()._replace(found=b"again"), 6)
        records.keep(contradiction(root=A), 7)
        records.keep(contradiction(Kind.NO_PROOF), 8)
    kept = records.read_inconsistencies()
    assert [each.kept_at for each in kept] == [5, 7, 8]
    assert kept[0].inconsistency == contradiction()
    assert kept[2].inconsistency.kind is Kind.NO_PROOF


def test_what_has_its_proof_at_last_is_no_contradiction_any_more(records: Records) -> None:
    with records.transaction():
        for kind in Kind:
            records.keep(contradiction(kind, 7, A), 5)
            records.keep(contradiction(kind, 7, B), 5)
            records.keep(contradiction(kind, 8, A), 5)
    replace(records, NEVER, Witnessed(7, A, 100, b"note"))
    left = {each.inconsistency[:4] for each in records.read_inconsistencies()}
    every = {(k, ORIGIN, size, root) for k in Kind for size, root in ((7, A), (7, B), (8, A))}
    assert left == every - {(Kind.NO_PROOF, ORIGIN, 7, A)}


def test_a_log_that_signs_endless_forks_does_not_fill_the_disk(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "MAX_KEPT", 3)
    with records.transaction():
        for size in range(9):
            records.keep(contradiction(size=size), 5)
            records.keep(contradiction(Kind.NO_PROOF, size=size), 5)
    sizes = [each.inconsistency.size for each in records.read_inconsistencies()]
    assert sizes == [0, 0, 1, 1, 2, 2], "the first of each kind"


def test_a_key_is_of_one_log_and_the_past_outlives_it(records: Records) -> None:
    replace(records, NEVER, Witnessed(7, A, 100, b"note"))
    with records.transaction():
        assert not records.add_key(ORIGIN, "vkey")
        assert records.add_key(ORIGIN, "another")
        assert records.remove_key("vkey")
        assert not records.remove_key("vkey")
    assert records.read_keys() == [(ORIGIN, "another")]
    with records.transaction():
        records.remove_key("another")
        assert records.add_key(ORIGIN, "vkey")
    assert records.read(ORIGIN).size == 7, "adding a log again rolls nothing back"


def test_a_change_by_another_process_can_be_seen(tmp_path: Path, records: Records) -> None:
    before = records.version
    replace(records, NEVER, Witnessed(7, A, 100, b"note"))
    assert records.version == before, "not one's own"
    with closing(find(tmp_path / "w").open_editor()) as other, other.transaction():
        other.add_key("example.com/other", "other")
    assert records.version != before


def test_a_reader_reads_and_does_not_write(tmp_path: Path, records: Records) -> None:
    with closing(find(tmp_path / "w").open_reader()) as reader:
        assert reader.read_keys() == [(ORIGIN, "vkey")]
        with pytest.raises(UnavailableError), reader.transaction():
            reader.add_key("example.com/other", "other")


def test_a_witness_is_made_with_the_keys_that_are_wanted(tmp_path: Path) -> None:
    made = create(tmp_path / "w", "name", {ED25519: b"1" * 32, ML_DSA_44: b"2" * 32})
    signers = made.read_signers()
    assert {signer.cosigner.key_type for signer in signers} == {ED25519, ML_DSA_44}
    assert {signer.name for signer in signers} == {"name"}
    files = {path.name for path in made.path.iterdir()}
    keys = {f"witness-{signer.cosigner.key_id.hex()}.key" for signer in signers}
    assert files == {"witness.db", "lock", *keys}
    assert all((made.path / key).stat().st_mode & 0o777 == 0o600 for key in keys)
    made.add_key("name", ED25519, b"3" * 32)
    assert len(made.read_signers()) == 3


def test_a_witness_is_not_made_over_another(tmp_path: Path) -> None:
    made = create(tmp_path / "w", "name", SEEDS)
    with pytest.raises(ConflictError, match="exists already: there is a witness, or part of one"):
        create(tmp_path / "w", "name", {ED25519: b"2" * 32})
    made.database.unlink()
    with pytest.raises(ConflictError, match="exists already"):
        create(tmp_path / "w", "name", {ED25519: b"2" * 32})


def test_a_witness_whose_database_is_lost_is_not_begun_again(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"has no witness\.db: `translog witness init` makes a"):
        find(tmp_path)
    made = create(tmp_path / "w", "name", SEEDS)
    assert find(made.path) == made
    made.database.unlink()
    with pytest.raises(MissingError, match="would cosign what contradicts its own past"):
        find(made.path)


def test_keys_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    made = create(tmp_path / "w", "name", SEEDS)
    made.add_key("other", ED25519, b"3" * 32)
    with pytest.raises(MalformedError, match="has keys of 'name' and 'other', want those of one"):
        made.read_signers()
    for path in made.path.glob("witness-*.key"):
        path.unlink()
    with pytest.raises(MissingError, match=r"has no witness-\*.key: put the private key back"):
        made.read_signers()
    write_key(made.path / "witness-0.key", "name", b"4" * 32)
    with pytest.raises(MalformedError, match="has key type 0x01"):
        made.read_signers()


def test_one_process_cosigns(tmp_path: Path) -> None:
    made = create(tmp_path / "w", "name", SEEDS)
    with (
        made.locked(),
        pytest.raises(ConflictError, match="is being written by process"),
        made.locked(),
    ):
        pass
