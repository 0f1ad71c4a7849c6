"""The timestamps in a bundle: docs/formats/bundle.md, step 7 of "Seven steps".

Loads what reads timestamps, which takes a moment: only who has one pays for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from translog.bitcoin.grade import UNCHECKED, GradedHeader, HeaderSource
from translog.bitcoin.header import Header
from translog.bitcoin.network import Network, network_named
from translog.errors import MalformedError, MissingError
from translog.formats.strict import parse_base64, shown
from translog.pith import shape
from translog.verify.findings import Finding, failed
from translog.verify.timestamps import check_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The headers that a proof brings along, which nobody vouches for: a `HeaderSource`."""

    network: Network
    headers: Mapping[int, Header]

    def tip(self) -> int:
        return max(self.headers, default=0)

    def header(self, height: int) -> GradedHeader:
        if height not in self.headers:
            raise MissingError(f"the proof has no header of block {height}")
        return GradedHeader(header=self.headers[height], height=height, grade=UNCHECKED)


def check_stamp(
    stamp: Mapping[str, Any], content_sha256: bytes, sources: Sequence[HeaderSource]
) -> list[Finding]:
    """Check one of a bundle's `timestamp_proofs`, of an event that is in the bundle.

    Args:
        sources: where headers come from, the best first; for mainnet only. What the proof itself
            says of them comes last, and shows nothing.
    """
    try:
        network = network_named(str(stamp.get("network")))
        raw = parse_base64(shape.text({"ots_b64": None, **stamp}, "ots_b64", "proof"), "ots_b64")
        known = [source for source in sources if source.network is network]
        return check_file(raw, partial(_digest, content_sha256), [*known, _claimed(stamp, network)])
    except MalformedError as error:
        return [failed("timestamp", error)]


def _digest(content_sha256: bytes, algorithm: str) -> bytes:
    if algorithm != "sha256":
        raise MalformedError(f"timestamp is of a {algorithm}, want the event's sha256")
    return content_sha256


def _claimed(stamp: Mapping[str, Any], network: Network) -> Claimed:
    headers: dict[int, Header] = {}
    blocks = stamp.get("attestations")
    for block in blocks if type(blocks) is list else ():
        height, raw = block.get("height"), block.get("header_hex")
        if type(height) is int and type(raw) is str:
            try:
                headers[height] = Header.parse(bytes.fromhex(raw))
            except ValueError as error:
                raise MalformedError(f"header_hex is {shown(raw)}, want 80 bytes in hex") from error
    return Claimed(network=network, headers=headers)
