"""Proofs made to order, for whoever does not make them from tiles. Nobody has to believe them."""

from typing import Any

import orjson
from starlette.requests import Request

from translog.errors import MalformedError, MissingError
from translog.formats.checkpoint import SignedCheckpoint
from translog.formats.entry import Entry
from translog.formats.merkle import Hash, leaf_hash
from translog.log import reader
from translog.pith.event import event_id as name_of
from translog.server.answers import ANYONE, BRIEF, JSON, TEXT, Answer
from translog.server.publishing import Publishing
from translog.server.questions import event_id, number, parameters
from translog.server.readers import Readers
from translog.store import log
from translog.store.database import Connection

SUFFIX = ".tlog-proof"


class Proofs:
    """What answers under /proof/."""

    def __init__(self, publishing: Publishing, readers: Readers) -> None:
        self._publishing = publishing
        self._readers = readers

    async def inclusion(self, request: Request) -> Answer:
        """GET /proof/inclusion?event_id=…|index=…[&size=…]"""
        asked = parameters(request.scope["query_string"], "event_id", "index", "size")
        if ("event_id" in asked) == ("index" in asked):
            raise MalformedError("query has both of event_id and index or neither, want one")
        content_sha256 = event_id(asked["event_id"]) if "event_id" in asked else None
        index = number(asked, "index") if "index" in asked else None
        checkpoint = self._publishing.checkpoint
        size = number(asked, "size") if "size" in asked else checkpoint.size
        _require_published(size, checkpoint)

        def prove(db: Connection) -> Answer:
            if content_sha256 is not None:
                leaf = reader.find_event(db, size, content_sha256)
            else:
                leaf = _leaf_at(db, size, index or 0)
            hashes = reader.inclusion(db, leaf.leaf_index, size)
            return _json(
                {
                    "index": leaf.leaf_index,
                    "size": size,
                    "event_id": name_of(Entry.parse(leaf.entry).content_sha256),
                    "leaf_hash": leaf_hash(leaf.entry).hex(),
                    "hashes": [each.hex() for each in hashes],
                    "root": _root(db, size, checkpoint).hex(),
                    "checkpoint": _note(checkpoint, size),
                }
            )

        return await self._readers.ask(prove)

    async def consistency(self, request: Request) -> Answer:
        """GET /proof/consistency?from=…&to=…"""
        asked = parameters(request.scope["query_string"], "from", "to")
        old_size, size = number(asked, "from"), number(asked, "to")
        if not 0 < old_size <= size:
            raise MalformedError(f"proof from {old_size} to {size}, want 0 < from <= to")
        checkpoint = self._publishing.checkpoint
        _require_published(size, checkpoint)

        def prove(db: Connection) -> Answer:
            return _json(
                {
                    "from": old_size,
                    "to": size,
                    "hashes": [each.hex() for each in reader.consistency(db, old_size, size)],
                    "from_root": _root(db, old_size, checkpoint).hex(),
                    "to_root": _root(db, size, checkpoint).hex(),
                    "checkpoint": _note(checkpoint, size),
                }
            )

        return await self._readers.ask(prove)

    async def text(self, request: Request) -> Answer:
        """GET /proof/<event id>.tlog-proof"""
        name: str = request.path_params["name"]
        if not name.endswith(SUFFIX):
            raise MissingError(
                f"path /proof/{name[:80]} is not inclusion, consistency or *{SUFFIX}"
            )
        content_sha256 = event_id(name.removesuffix(SUFFIX))
        checkpoint = self._publishing.checkpoint

        def prove(db: Connection) -> Answer:
            leaf = reader.find_event(db, checkpoint.size, content_sha256)
            proof = reader.prove(db, leaf.leaf_index, checkpoint.note)
            return Answer(200, proof.encode(), TEXT, BRIEF, ANYONE)

        return await self._readers.ask(prove)


def _leaf_at(db: Connection, size: int, index: int) -> log.Leaf:
    if index >= size:
        raise MissingError(f"leaf {index} is not in the tree of {size} leaves")
    return log.read_leaves(db, index, 1)[0]


def _require_published(size: int, checkpoint: SignedCheckpoint) -> None:
    if size > checkpoint.size:
        raise MissingError(f"size {size} is not published, only {checkpoint.size} is")


def _root(db: Connection, size: int, checkpoint: SignedCheckpoint) -> Hash:
    return checkpoint.root if size == checkpoint.size else reader.root_at(db, size)


def _note(checkpoint: SignedCheckpoint, size: int) -> str | None:
    return checkpoint.note.decode() if size == checkpoint.size else None


def _json(value: dict[str, Any]) -> Answer:
    return Answer(200, orjson.dumps(value), JSON, BRIEF, ANYONE)
