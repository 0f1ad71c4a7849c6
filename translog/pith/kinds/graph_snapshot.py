"""`graph_snapshot`: what a registry has found out about a record, as of one moment.

Spec: docs/formats/events/graph_snapshot.md. Its tables state the hash of their rows. Where the
rows are all there the hash is checked; where there is only a sample of them it cannot be.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from translog.errors import HashError, MalformedError
from translog.formats.canonical import canonical
from translog.formats.strict import shown
from translog.pith import shape
from translog.pith.record import PithNumber

TYPE = "graph_snapshot"
HASH = "snapshot_sha256"

_PAYLOAD = frozenset({"graph_snapshot", "verdict_id"})


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload. It may have other members, and the snapshot any.

    Raises:
        MalformedError: it is not one, or a table's count is not that of its rows.
        HashError: a table's hash is not that of its rows.
    """
    if not payload.keys() >= _PAYLOAD:
        raise MalformedError(f"{TYPE} lacks {sorted(_PAYLOAD - payload.keys())}")
    graph = shape.mapping(payload, "graph_snapshot", TYPE)
    if payload["verdict_id"] is not None:
        shape.label(payload, "verdict_id", TYPE)
    for table in graph.values():
        if type(table) is dict and HASH in table:
            shape.hex_digits(table, HASH, 32, TYPE)
            check_table(table)


def check_table(table: Mapping[str, Any]) -> int | None:
    """Check that a table's hash is that of its rows, and return how many there are.

    Returns:
        None where the table does not hold all the rows that were hashed, so that nobody can tell.

    Raises:
        MalformedError, HashError: its count, or its hash, is not that of its rows.
    """
    rows = rows_of(table)
    if rows is None:
        return None
    count = _count(table)
    if type(count) is not int or count != len(rows):
        raise MalformedError(f"snapshot counts {shown(count)} rows, has {len(rows)}")
    computed = rows_sha256(rows) if rows else NO_ROWS_SHA256
    if table[HASH] != computed:
        raise HashError(f"{HASH} is {shown(table[HASH])}, computed {computed}")
    return len(rows)


def rows_of(table: Mapping[str, Any]) -> list[Any] | None:
    """Return all the rows of a table, or None where they are not all there."""
    if type(table.get("items")) is list:
        return list(table["items"])
    return [] if _count(table) == 0 else None


def rows_sha256(rows: list[Any]) -> str:
    """Return the hash that a table with these rows states."""
    return sha256(canonical({"payload": rows})).hexdigest()


def build(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload for a snapshot: counts and hashes are put in where rows are whole.

    Where they are there already they stay, and have to be right.
    """
    graph = dict(snapshot)
    for name, table in snapshot.items():
        if type(table) is dict and type(table.get("items")) is list:
            rows = table["items"]
            graph[name] = {"count": len(rows), HASH: rows_sha256(rows), **table}
        elif type(table) is dict and _count(table) == 0:
            graph[name] = {HASH: rows_sha256([]), **table}
    verdict = graph.get("verdict")
    return {
        "graph_snapshot": graph,
        "verdict_id": verdict.get("id") if type(verdict) is dict else None,
    }


def _count(table: Mapping[str, Any]) -> Any:
    return table.get("count", table.get("evidence_count"))


NO_ROWS_SHA256 = rows_sha256([])  # what most tables of most snapshots state
