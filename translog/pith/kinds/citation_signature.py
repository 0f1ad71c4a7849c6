"""`citation_signature`: this record cites another work, and in which way.

Spec: docs/formats/events/citation_signature.md.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from translog.errors import SubjectError
from translog.pith import shape
from translog.pith.kinds import members
from translog.pith.record import PithNumber, parse_pith_number

TYPE = "citation_signature"
RELATIONSHIPS = frozenset(
    {
        "supports",
        "refutes",
        "extends",
        "uses_method",
        "depends_on",
        "replaces",
        "compares",
        "cites",
    }
)
KINDS = frozenset({"pith", "arxiv", "doi", "url"})

_PAYLOAD = frozenset({"relationship", "cited", "claim_ids", "context"})
_CITED = frozenset({"kind", "id"})
_DOI = re.compile(r"10\.[0-9]{4,9}/[!-~]+")


def check(payload: Mapping[str, Any], number: PithNumber, fingerprint: str) -> None:
    """Check the payload.

    Raises:
        MalformedError: it is not one.
        SubjectError: the record cites itself.
    """
    shape.exact(payload, _PAYLOAD, TYPE)
    members.choice(payload, "relationship", TYPE, RELATIONSHIPS)
    cited = shape.exact(payload["cited"], _CITED, "cited")
    kind = members.choice(cited, "kind", "cited", KINDS)
    name = shape.text(cited, "id", "cited")
    if kind == "pith":
        if parse_pith_number(name) == number:
            raise SubjectError(f"{TYPE}: record {name} cites itself")
    elif kind == "url":
        members.url(cited, "id", "cited")
    elif kind == "doi" and (not _DOI.fullmatch(name) or name != name.lower()):
        members.refuse(name, "id", "cited", "a DOI like 10.1000/182, in lower case")
    else:
        shape.label(cited, "id", "cited")
    members.labels(payload, "claim_ids", TYPE)
    members.text(payload, "context", TYPE)


def build(
    *,
    relationship: str,
    cited_kind: str,
    cited_id: str,
    claim_ids: Sequence[str] = (),
    context: str = "",
) -> dict[str, Any]:
    """Return the payload."""
    return {
        "relationship": relationship,
        "cited": {"kind": cited_kind, "id": cited_id},
        "claim_ids": sorted(set(claim_ids)),
        "context": context,
    }
