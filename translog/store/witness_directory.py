"""A witness's directory: what lies in it, and how one is made.

DIR/witness.db              what was cosigned, and of which logs (SQLite, WAL)
DIR/witness-<key id>.key    a private key that cosigns, mode 0600; every one there signs
DIR/lock                    held by the one process that cosigns
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from translog.errors import ConflictError, MalformedError, MissingError, UnavailableError
from translog.formats.cosignature import CosigningKey
from translog.store import database
from translog.store.files import Lock, sync_folder, why
from translog.store.keys import make_cosigning_key, read_cosigning_key, write_cosigning_key
from translog.store.witness import SCHEMA, Records

DATABASE = "witness.db"
KEYS = "witness-*.key"
LOCK = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessDirectory:
    """Where a witness is."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / DATABASE

    def read_signers(self) -> tuple[CosigningKey, ...]:
        """Return the private keys, all of one name.

        Raises:
            MissingError: there is none.
            MalformedError: a file holds no such key, or one of another name.
            UnavailableError: as `read_cosigning_key`.
        """
        signers = tuple(map(read_cosigning_key, sorted(self.path.glob(KEYS))))
        if not signers:
            raise MissingError(f"{self.path} has no {KEYS}: put the private key back")
        names = sorted({signer.name for signer in signers})
        if len(names) > 1:
            raise MalformedError(
                f"{self.path} has keys of {names[0]!r} and {names[1]!r}, want those of one witness"
            )
        return signers

    def add_key(self, name: str, key_type: int, seed: bytes) -> CosigningKey:
        """Make another private key; it signs beside the others from the next start on."""
        signer = make_cosigning_key(name, key_type, seed)
        path = self.path / f"witness-{signer.cosigner.key_id.hex()}.key"
        write_cosigning_key(path, signer, seed)
        return signer

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one that cosigns while the block runs.

        Raises:
            ConflictError: another process is.
        """
        with closing(Lock(self.path / LOCK, "a witness has one; stop it first")):
            yield

    def open_writer(self) -> Records:
        """Open the database for cosigning. The caller holds the lock."""
        return Records(database.open_writer(self.database, SCHEMA))

    def open_editor(self) -> Records:
        """Open the database for a small change beside a running server."""
        return Records(database.open_editor(self.database, SCHEMA))

    def open_reader(self) -> Records:
        """Open the database for reading."""
        return Records(database.open_reader(self.database, SCHEMA))


def create(path: Path, name: str, seeds: Mapping[int, bytes]) -> WitnessDirectory:
    """Make a new witness, which knows no logs yet.

    Args:
        seeds: 32 bytes of the caller's randomness for each type of key wanted.

    Raises:
        MalformedError: no cosigner can have the name.
        ConflictError: there is a witness at `path`, or part of one.
        UnavailableError: the disk refused; or a type of key is not installed.
    """
    for key_type, seed in seeds.items():
        make_cosigning_key(name, key_type, seed)  # what cannot be made leaves nothing behind
    try:
        if not path.is_dir():
            path.mkdir(parents=True)
            sync_folder(path.parent)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be made: {why(error)}") from error
    made = WitnessDirectory(path=path)
    with made.locked():
        there = [*path.glob(KEYS), *path.glob(DATABASE)]
        if there:
            raise ConflictError(f"{there[0]} exists already: there is a witness, or part of one")
        for key_type, seed in seeds.items():
            made.add_key(name, key_type, seed)
        # The database last: without one there is no witness, whatever a crash has left.
        with closing(database.create(made.database, SCHEMA)):
            pass
    return made


def find(path: Path) -> WitnessDirectory:
    """Return the witness at `path`.

    Raises:
        MissingError: there is none.
    """
    if not (path / DATABASE).is_file():
        if any(path.glob(KEYS)):
            raise MissingError(
                f"{path / DATABASE} is missing, and a key is there: put the database back. Without"
                " it the witness would cosign what contradicts its own past; if it is lost, make a"
                " new witness with new keys"
            )
        raise MissingError(f"{path} has no {DATABASE}: `translog witness init` makes a witness")
    return WitnessDirectory(path=path)
