"""fsck finds what was changed in what witnesses have said, in what is shown, and in second keys."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulators.logs import NOW, new_log, raws, writing
from translog.errors import VerificationError
from translog.formats.note import Note, Signature
from translog.log.directory import LogDirectory, open_reader
from translog.log.fsck import fsck
from translog.store import cosignatures, database
from translog.store import log as rows
from translog.testing.witnesses import running


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogDirectory]:
    """A log with one cosigned head of five leaves, signed by two keys."""
    made = new_log(tmp_path / "log")
    made.write_second_signer(b"2" * 32)
    with running("w.example", made.verifier, now=NOW, second=True) as witness:
        policy = f"{witness.line('w')}group both all w w-2\nquorum both\n"
        (made.path / "policy").write_text(policy)
        with writing(made) as writer:
            writer.add(raws(*range(5)))
        yield made


def sql(log: LogDirectory, statement: str, *values: object) -> None:
    with closing(database.open_editor(log.database)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(statement, values)


def check(log: LogDirectory) -> None:
    fsck(log.path, lambda done, total: None)


def test_what_witnesses_said_is_found_right(log: LogDirectory) -> None:
    check(log)
    (log.path / "policy").unlink()  # nobody says whose it is: the form is looked at
    check(log)


FIRST = "WHERE length(line) < 1000"
DAMAGE = {
    f"UPDATE cosignature SET line = replace(line, substr(line, -9, 1), 'A') {FIRST}": (
        r"^cosignature of size 5 by 'w.example\+[0-9a-f]{8}': "
    ),
    f"UPDATE cosignature SET line = 'nonsense' {FIRST}": r"^cosignature of size 5 by 'w.example",
    f"UPDATE cosignature SET time = time + 1 {FIRST}": r"its line says something else than the ro",
    f"UPDATE cosignature SET cosigner = 'x+00000000' {FIRST}": r"by 'x\+00000000': its line says s",
    f"UPDATE cosignature SET line = line || char(10) {FIRST}": r"^cosignature of size 5 by 'w.exa",
    "UPDATE cosignature SET size = 4": r"^cosignature of size 4 by .*: no head of that size was si",
    "UPDATE shown SET size = 4": r"^shown: size 4, and no such head was signed$",
    "DELETE FROM shown": r"^shown: size None, and no such head was signed$",
}


@pytest.mark.parametrize("statement", DAMAGE)
def test_any_change_in_what_is_said_or_shown_is_found(log: LogDirectory, statement: str) -> None:
    sql(log, statement)
    with pytest.raises(VerificationError, match=DAMAGE[statement]):
        check(log)


def test_a_line_of_the_second_key_must_be_right_where_the_key_is(log: LogDirectory) -> None:
    with closing(open_reader(log)) as db:
        raw = rows.read_checkpoint_at(db, 5)
    assert raw is not None
    note = Note.parse(raw)
    first, second = note.signatures
    blob = second.blob[:-1] + bytes([second.blob[-1] ^ 1])
    bad = Note(
        text=note.text,
        signatures=(first, type(second)(name=second.name, key_id=second.key_id, blob=blob)),
    )
    sql(log, "UPDATE checkpoint SET note = ? WHERE size = 5", bad.encode())
    with pytest.raises(VerificationError, match=r"^checkpoint of size 5: ML-DSA-44 signature"):
        check(log)


def test_a_line_that_does_not_verify_is_found_by_the_policy(log: LogDirectory) -> None:
    with closing(open_reader(log)) as db:
        row = next(each for each in cosignatures.read_all(db) if len(each.line) < 1000)
    line = Signature.parse(row.line.removesuffix("\n"))
    bad = replace(line, blob=line.blob[:-1] + bytes([line.blob[-1] ^ 1]))
    sql(log, f"UPDATE cosignature SET line = ? {FIRST}", str(bad))
    with pytest.raises(VerificationError, match=r"^cosignature of size 5 by .*: Ed25519 signature"):
        check(log)
    (log.path / "policy").unlink()
    check(log)  # nobody says whose it is
