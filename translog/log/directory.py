"""A log's directory: what lies in it, how one is made, and how it is opened for writing.

DIR/log.db        the log (SQLite, WAL)
DIR/log.key       the private key that signs heads and bundles; mode 0600; in no backup
DIR/log-ml-dsa-44.key   another private key, if there is one, that signs heads beside it
DIR/policy, DIR/witnessing.toml   which witnesses are asked: see log/witnessing
DIR/signed-head   the last signed head, kept apart from the database: see log/publisher
DIR/lock          held by the one process that writes
DIR/search.db     the search index, made from the log: log/indexer
"""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from translog.errors import ConflictError, MissingError, UnavailableError, VerificationError
from translog.formats.checkpoint import check_origin
from translog.formats.cosignature import ML_DSA_44, CosigningKey
from translog.formats.keys import SEED_BYTES
from translog.formats.note import NoteSigner, Verifier
from translog.log import registry
from translog.store import database, keys, log
from translog.store.database import Connection
from translog.store.files import Lock, sync_folder, why
from translog.store.log import Identity

DATABASE = "log.db"
KEY = "log.key"
SECOND_KEY = "log-ml-dsa-44.key"
SIGNED_HEAD = "signed-head"
LOCK = "lock"
SEARCH = "search.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDirectory:
    """Where a log is, and who it is.

    Attributes:
        path: its directory.
        verifier: its name and public key.
    """

    path: Path
    verifier: Verifier

    @property
    def origin(self) -> str:
        return self.verifier.name

    @property
    def database(self) -> Path:
        return self.path / DATABASE

    @property
    def signed_head(self) -> Path:
        return self.path / SIGNED_HEAD

    @property
    def search(self) -> Path:
        return self.path / SEARCH

    def read_signer(self) -> NoteSigner:
        """Return the log's private key.

        Raises:
            VerificationError: the file holds another log's key.
            MissingError, UnavailableError: as `files.read_private`.
        """
        signer = keys.read_key(self.path / KEY)
        if signer.verifier != self.verifier:
            raise VerificationError(
                f"{self.path / KEY} is the key of {signer.verifier.vkey},"
                f" want that of {self.verifier.vkey}"
            )
        return signer

    def read_second_signer(self) -> CosigningKey | None:
        """Return the private key that signs heads beside the log's own; None if there is none.

        Raises:
            VerificationError: the file holds a key of another name, or of another type.
            UnavailableError: as `files.read_private`; or ML-DSA-44 is not installed.
        """
        path = self.path / SECOND_KEY
        try:
            second = keys.read_cosigning_key(path)
        except MissingError:
            return None
        cosigner = second.cosigner
        if (cosigner.name, cosigner.key_type) != (self.origin, ML_DSA_44):
            raise VerificationError(
                f"{path} is the key of {cosigner.vkey[:80]!r}…, want one of ML-DSA-44 with the name"
                f" {self.origin!r}"
            )
        return second

    def write_second_signer(self, seed: bytes) -> CosigningKey:
        """Make a private key that signs heads beside the log's own from the next start on.

        Raises:
            ConflictError: there is one.
            UnavailableError: the disk refused; or ML-DSA-44 is not installed.
        """
        second = keys.make_cosigning_key(self.origin, ML_DSA_44, seed)
        keys.write_cosigning_key(self.path / SECOND_KEY, second, seed)
        return second

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the log's one writer while the block runs.

        Raises:
            ConflictError: another process is.
        """
        with closing(Lock(self.path / LOCK)):
            yield


def create(path: Path, origin: str, now: int) -> LogDirectory:
    """Make a new log with a new key, and nothing in it.

    Args:
        now: POSIX seconds.

    Raises:
        MalformedError: the origin is not a name that a log can have.
        ConflictError: there is a log at `path`, or part of one.
    """
    check_origin(origin)
    registry.check_origin(origin)
    try:
        if not path.is_dir():
            path.mkdir(parents=True)
            sync_folder(path.parent)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be made: {why(error)}") from error
    with closing(Lock(path / LOCK)):
        for name in (DATABASE, KEY, SIGNED_HEAD):
            if (path / name).exists():
                raise ConflictError(f"{path / name} exists already: there is a log, or part of one")
        # The key first: a database without its key could never be signed for.
        signer = keys.write_key(path / KEY, origin, secrets.token_bytes(SEED_BYTES))
        with closing(database.create(path / DATABASE)) as db, database.transaction(db):
            log.write_identity(db, Identity(origin, signer.key.public_key))
            registry.allow_own(db, signer.verifier, now=now)
    return LogDirectory(path=path, verifier=signer.verifier)


def find(path: Path) -> LogDirectory:
    """Return the log at `path`.

    Raises:
        MissingError: there is none.
    """
    if not (path / DATABASE).is_file():
        rest = [name for name in (KEY, SIGNED_HEAD) if (path / name).exists()]
        if rest:
            raise MissingError(
                f"{path / DATABASE} is missing, and {rest[0]} is there: put the database back,"
                " or a backup's (docs/operating.md)"
            )
        raise MissingError(f"{path} has no {DATABASE}: `translog init` makes a log")
    with closing(database.open_reader(path / DATABASE)) as db, database.translated(path):
        identity = log.read_identity(db)
    return LogDirectory(
        path=path, verifier=Verifier(name=identity.origin, public_key=identity.public_key)
    )


def open_reader(directory: LogDirectory) -> Connection:
    return database.open_reader(directory.database)
