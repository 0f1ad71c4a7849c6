"""What becomes of an anchor: the rules, as functions of rows, headers and the time.

    pending ──► attested ──► confirmed ──► final
       ▲            │            │           │
       │            ▼            ▼           ▼
       └────── (refuted)         └──► lost ◄─┘        lost ──► attested again, or stamped again

pending     calendars have taken the tip of a published checkpoint.
attested    one of them has named a block. Nobody has looked at that block.
confirmed   the block's header was seen, and its root is the one that the path leads to.
final       five more blocks are on top of it.
lost        it was confirmed or final, and the block has left the chain.

A calendar that names a block which does not hold what it says is refuted: its word is forgotten,
and it is asked again. So is every calendar of a lost anchor, since calendars stamp again what they
lose; besides, the newest checkpoint is stamped anew at once. Docs: docs/decisions/0020.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from translog.bitcoin.anchor import tip
from translog.bitcoin.attestation import InBlock, Pending
from translog.bitcoin.chain import is_final
from translog.bitcoin.grade import UNCHECKED, Grade, GradedHeader
from translog.bitcoin.header import Header
from translog.bitcoin.ots import Timestamp
from translog.formats.checkpoint import Checkpoint
from translog.formats.note import Note
from translog.store.anchors import AnchorRow, StampRow

State = Literal["pending", "attested", "confirmed", "final", "lost"]

BURIED_BLOCKS = 100  # so deep, a block is not looked at again: Bitcoin trusts coins from here on

# How long a calendar is left in peace, by how long ago it took the tip.
URGENT_SECONDS = (60, 1_800)
PATIENT_SECONDS = (3_600, 86_400)
REFUTED_SECONDS = 600  # about a block: then a calendar that was wrong may have found another
FARTHEST_SECONDS = 2 * 86_400  # no pause is longer

Headers = Mapping[int, GradedHeader | None]
"""What was found out about blocks: None for those that are not there yet."""


class Judged(NamedTuple):
    """An anchor after its blocks were looked at.

    Attributes:
        anchor: as it is now.
        refuted: the stamps whose word is to be forgotten.
    """

    anchor: AnchorRow
    refuted: list[StampRow]

    def changed(self, before: AnchorRow) -> bool:
        return bool(self.refuted) or self.anchor != before


def tip_of(anchor: AnchorRow) -> bytes:
    """Return what was submitted for an anchor."""
    return tip(checkpoint_of(anchor), anchor.note)


def checkpoint_of(anchor: AnchorRow) -> Checkpoint:
    """Return the tree head that was anchored. The database is trusted for the signature."""
    return Checkpoint.parse(Note.parse(anchor.note).text)


def is_due(since: int, now: int, seconds: float) -> bool:
    """Tell whether `seconds` have passed. A clock that was set back must not make anything wait:
    what was done in the future is due."""
    return not 0 <= now - since < seconds


def is_time(at: int, now: int) -> bool:
    """Tell whether a time has come. One that is too far away is a clock's that was wrong."""
    return not 0 < at - now <= FARTHEST_SECONDS


def claims(anchor: AnchorRow, stamps: Sequence[StampRow]) -> list[tuple[StampRow, Timestamp]]:
    """Return what calendars say about blocks: nothing of it is verified."""
    message = tip_of(anchor)
    return [
        (stamp, Timestamp.parse(stamp.attested, message))
        for stamp in stamps
        if stamp.attested is not None
    ]


def heights(anchor: AnchorRow, stamps: Sequence[StampRow]) -> set[int]:
    """Return the blocks that must be looked at to judge an anchor."""
    own = set() if anchor.height is None else {anchor.height}
    return own | {block.height for _, said in claims(anchor, stamps) for block in said.in_blocks()}


def judge(
    anchor: AnchorRow, stamps: Sequence[StampRow], headers: Headers, newest: int, now: int
) -> Judged:
    """Say how an anchor stands after its blocks were looked at.

    Args:
        stamps: what calendars answered for it.
        headers: of all `heights`.
        newest: the height of the newest block.
    """
    refuted = []
    holding: list[tuple[int, Timestamp, GradedHeader]] = []
    waiting = False
    for stamp, said in claims(anchor, stamps):
        answers = [(block, _holds(anchor, block, headers)) for block in said.in_blocks()]
        if all(answer is False for _, answer in answers):
            refuted.append(stamp)
        waiting = waiting or any(answer is None for _, answer in answers)
        for block, answer in answers:
            header = headers[block.height]
            if answer and header is not None:
                holding.append((block.height, said.pruned(block), header))
    if not holding:
        return Judged(_without_block(anchor, headers, now, waiting=waiting), refuted)
    height, path, found = min(holding, key=lambda each: each[0])
    deep = is_final(height, newest)
    # What was final stays so with its block, though the newest may be lower for a moment.
    stays = anchor.state == "final" and anchor.header == found.header.raw
    state: State = "final" if deep or stays else "confirmed"
    judged = anchor._replace(
        state=state,
        height=height,
        header=found.header.raw,
        grade=str(_better(anchor, found)),
        path=path.encode(),
    )
    if judged.state != anchor.state or judged.header != anchor.header:
        judged = judged._replace(changed_at=now)
    return Judged(judged, refuted)


def _holds(anchor: AnchorRow, block: InBlock, headers: Headers) -> bool | None:
    """Tell whether a block has the root that is said; None where nobody can tell yet."""
    found = headers[block.height]
    if found is None or found.grade == UNCHECKED:
        return None
    if found.header.merkle_root == block.message:
        return True
    # Whoever vouched for the block before is not overruled by someone who knows less.
    known = anchor.header is not None and anchor.height == block.height
    return None if known and found.grade < Grade.parse(str(anchor.grade)) else False


def _better(anchor: AnchorRow, found: GradedHeader) -> Grade:
    if anchor.header == found.header.raw:
        return max(found.grade, Grade.parse(str(anchor.grade)))
    return found.grade


def _without_block(anchor: AnchorRow, headers: Headers, now: int, *, waiting: bool) -> AnchorRow:
    """Return an anchor of which no block holds what is said."""
    if anchor.height is not None and anchor.header is not None:
        own = InBlock(Header(anchor.header).merkle_root, anchor.height)
        # Not `waiting`: what any calendar says of other blocks tells nothing about this one.
        if _holds(anchor, own, headers) is not False:
            return anchor  # nobody can tell now: the headers end before its block
    state: State = "attested" if waiting else "pending"
    if anchor.height is not None or (anchor.state == "lost" and not waiting):
        state = "lost"
    if state == anchor.state:
        return anchor
    return anchor._replace(
        state=state, changed_at=now, height=None, header=None, grade=None, path=None
    )


def promises(anchor: AnchorRow, stamps: Sequence[StampRow]) -> list[tuple[StampRow, Pending]]:
    """Return what calendars have promised and not kept yet, as long as anybody needs it."""
    if anchor.state == "final":
        return []
    message = tip_of(anchor)
    return [
        (stamp, promise)
        for stamp in stamps
        if stamp.attested is None
        for promise in Timestamp.parse(stamp.pending, message).attestations()
        if isinstance(promise, Pending)
    ]


def pause(stamp: StampRow, now: int, chance: float, *, urgent: bool) -> float:
    """Return how long to leave a calendar in peace after it was asked in vain.

    Args:
        chance: from 0 to 1, random, so that not all logs come back together.
        urgent: nothing newer covers what this anchor covers.
    """
    least, most = URGENT_SECONDS if urgent else PATIENT_SECONDS
    age = max(0, now - stamp.submitted_at)
    return min(most, max(least, age / 10)) * (0.75 + chance / 2)
