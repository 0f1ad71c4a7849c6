"""Checks timestamps: file, path, attestation, header, and what vouches for the header.

Spec: docs/formats/timestamps.md, "Checking". Asks nobody by itself: headers come from the sources
that the caller names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from translog.bitcoin.attestation import Attestation, Foreign, InBlock, Pending
from translog.bitcoin.block_time import BlockTime, verify_in_block
from translog.bitcoin.grade import HeaderSource
from translog.bitcoin.ots import Timestamp, TimestampFile
from translog.errors import (
    MalformedError,
    MissingError,
    TranslogError,
    UnavailableError,
    VerificationError,
)
from translog.store import builtin
from translog.verify.findings import Finding, Status, failed, not_shown, proved

MAX_LOOKED_AT = (
    16  # of each kind: 64 KiB can hold thousands, and a source is asked about each block
)
ReadDigest = Callable[[str], bytes]
"""Return the hash of the file in question, by the algorithm of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFinding(Finding):
    """What one attestation shows, and the block it is about where a header of it was found.

    Attributes:
        time: the block; it proves something only where the finding is "proved".
    """

    time: BlockTime

    def to_json(self) -> dict[str, object]:
        """Return the form for programs."""
        known = self.time.known
        block = {
            "network": self.time.network.name,
            "height": known.height,
            "header": known.header.raw.hex(),
            "time": self.time.time,
            "grade": str(known.grade),
            "final": self.time.final,
        }
        return {**Finding.to_json(self), "block": block}


def check_file(
    raw: bytes, read_digest: ReadDigest | None, sources: Sequence[HeaderSource]
) -> list[Finding]:
    """Check a .ots file, and the file it is about.

    Args:
        read_digest: None where that file is not there; what is shown is then about its hash.
        sources: where headers come from, the best first.

    Returns:
        At least one finding. Nothing is proved about a file with another hash.

    Raises:
        MalformedError: it is no .ots file.
    """
    stamp = TimestampFile.parse(raw)
    name, what = "timestamp-file", f"{stamp.algorithm} {stamp.digest.hex()}"
    if read_digest is None:
        about = not_shown(name, f"that it is about a file you have: it is about one with {what}")
        return [
            about,
            *check_timestamp(stamp.timestamp, f"a file with that {stamp.algorithm}", sources),
        ]
    try:
        stamp.verify_digest(read_digest(stamp.algorithm))
    except VerificationError as error:
        return [failed(name, error)]
    about = proved(name, f"the timestamp is of this file, {what}")
    return [about, *check_timestamp(stamp.timestamp, "the file", sources)]


def check_timestamp(
    timestamp: Timestamp, what: str, sources: Sequence[HeaderSource]
) -> list[Finding]:
    """Check every attestation of a timestamp, those in blocks first and the oldest block before.

    Args:
        what: names, in sentences, what it is a timestamp of.
        sources: where headers come from, the best first.
    """
    found = timestamp.attestations()
    kinds = [
        [each for each in found if isinstance(each, kind)] for kind in (InBlock, Pending, Foreign)
    ]
    checked = [_check(each, what, sources) for kind in kinds for each in kind[:MAX_LOOKED_AT]]
    more = sum(max(0, len(kind) - MAX_LOOKED_AT) for kind in kinds)
    if more:
        sentence = f"what else is attested of {what}: {more} more attestations are not looked at"
        checked.append(not_shown("timestamp-more", sentence))
    return checked


def _check(attestation: Attestation, what: str, sources: Sequence[HeaderSource]) -> Finding:
    if isinstance(attestation, InBlock):
        return check_in_block(attestation, what, sources)
    if isinstance(attestation, Pending):
        return not_shown(
            "timestamp-pending",
            f"when {what} existed: calendar {attestation.uri} has promised to put it into a block,"
            " and what it answered since is not in here",
        )
    sentence = f"when {what} existed: an attestation of {attestation.kind} is not checked here"
    return Finding(name="timestamp-foreign", status="not-checkable", sentence=sentence)


def check_in_block(claim: InBlock, what: str, sources: Sequence[HeaderSource]) -> Finding:
    """Check one attestation with the first source that knows the block."""
    name = "timestamp"
    reasons: list[TranslogError] = []
    for source in sources:
        try:
            time = verify_in_block(claim, source, builtin.checkpoints_of(source.network))
        except (MissingError, UnavailableError) as error:
            reasons.append(error)
        except (MalformedError, VerificationError) as error:
            return failed(name, error)
        else:
            return _shown(name, what, time)
    code = reasons[-1].code if reasons else MissingError.code
    because = "".join(f"; {each}" for each in reasons) or f"; {_wanted(claim.height)}"
    return not_shown(
        name,
        f"that {what} existed before block {claim.height}: its header is not known here{because}",
        code,
    )


def _wanted(height: int) -> str:
    """Say which headers would do, where none were given."""
    needed = builtin.checkpoints().needed(height)
    if needed is None:
        newest = builtin.checkpoints().newest
        return f"it is beyond the newest built-in checkpoint, block {newest}"
    return f"those of blocks {needed[0]} to {needed[-1]} tie it to a built-in checkpoint"


def _shown(name: str, what: str, time: BlockTime) -> TimeFinding:
    status: Status = "proved" if time.proves else "not-shown"
    code = None
    if time.proves:
        sentence = f"{what} existed before {time}"
    elif not time.network.proves:
        sentence = f"when {what} existed: {time.network} proves nothing; there, before {time}"
    else:
        sentence = (
            f"when {what} existed: before {time}, if a header is right that nobody vouches for;"
            f" {_wanted(time.height)}"
        )
        code = MissingError.code
    return TimeFinding(name=name, status=status, sentence=sentence, code=code, time=time)
