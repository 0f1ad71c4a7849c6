"""A log's database as a `published.Fetch`: what a server would answer, without one.

For an auditor on the same machine. It trusts nothing here more than what comes over a network.
"""

import threading
from typing import Self

from translog.errors import TooLargeError
from translog.formats.checkpoint import Checkpoint
from translog.formats.note import Note
from translog.formats.published import CHECKPOINT, EVENT, EVENTS, KEYS, check_path
from translog.formats.tiles import ENTRIES, Tile, parse_bundle_path
from translog.log import reader
from translog.log.directory import LogDirectory, open_reader
from translog.log.registry import pith_key
from translog.pith.event import MAX_EVENT_BYTES
from translog.store.bodies import unpack
from translog.store.database import translated


class Source:
    """What a log publishes under the checkpoint that is newest when this is made."""

    def __init__(self, directory: LogDirectory, base_url: str) -> None:
        """Open the database.

        Args:
            base_url: where the log is served, without a slash at the end.

        Raises:
            MissingError: no checkpoint is signed yet.
        """
        self._own = pith_key(directory.verifier, base_url)
        self._db = open_reader(directory)
        self._lock = threading.Lock()
        try:
            with translated("database"):
                self.note = reader.checkpoint_note(self._db)
            self.size = Checkpoint.parse(Note.parse(self.note).text).size
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def get(self, path: str, limit: int) -> bytes:
        """Return what is published at `path`: a `published.Fetch`."""
        check_path(path)
        with self._lock, translated("database"):
            content = self._get(path)
        if len(content) > limit:
            raise TooLargeError(f"{path} has more than the {limit} bytes wanted")
        return content

    def _get(self, path: str) -> bytes:
        if path == CHECKPOINT:
            return self.note
        if path == KEYS:
            return reader.keys_json(self._db, self._own)
        if path.startswith(f"{ENTRIES}/"):
            return reader.entry_bundle(self._db, self.size, *parse_bundle_path(ENTRIES, path))
        if path.startswith(f"{EVENTS}/"):
            return reader.event_bundle(self._db, self.size, *parse_bundle_path(EVENTS, path))
        if path.startswith(f"{EVENT}/"):
            digest = bytes.fromhex(path.removeprefix(f"{EVENT}/"))
            leaf = reader.find_event(self._db, self.size, digest)
            return unpack(leaf.body, limit=MAX_EVENT_BYTES)
        return reader.tile(self._db, self.size, Tile.parse(path))
