"""From an event, over the log's tree and one timestamp of a checkpoint, to a stock .ots file.

Spec: docs/formats/timestamps.md.

The idea: an audit path *is* a list of OpenTimestamps operations. So one timestamp, of the tip of
one checkpoint, makes a file for each of the events below it, and for the checkpoint itself; what
follows the tip is the same in all of them and is encoded once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from translog.bitcoin.ots import MAX_NESTING, MAX_PROOF_BYTES, SHA256, Timestamp, file_head
from translog.errors import TimestampError, TooLargeError
from translog.formats.checkpoint import Checkpoint, SignedCheckpoint
from translog.formats.entry import Entry
from translog.formats.merkle import Hash, leaf_hash
from translog.formats.tree import verify_inclusion

DOMAIN = b"translog/anchor/v1\0"
SIZE_BYTES = 8
MAX_OWN_BYTES = 4 << 10  # more than what is before the tip in any event's file

# Operations as they are written. No argument here has more than 127 bytes, so its length is one.
_APPEND = 0xF0
_PREPEND = 0xF1
_SHA256 = b"\x08"
_LEAF = b"\x00\x01"  # what is before the content's hash in a leaf: RFC 6962's 0, and the entry type
_NODE = b"\x01"


def tip(checkpoint: Checkpoint, note: bytes) -> bytes:
    """Return the 32 bytes that are timestamped for a checkpoint.

    Args:
        note: the signed checkpoint as it was published, to the byte.
    """
    return sha256(_above(checkpoint) + checkpoint.root + sha256(note).digest()).digest()


def verify_room(size: int, timestamp: Timestamp, share: int) -> None:
    """Check that the files of all events below a checkpoint can hold this timestamp of its tip.

    Args:
        size: the checkpoint's.
        share: with how many such timestamps, this one among them, it must fit into one file.

    Raises:
        TooLargeError: it is nested too deep, or has too many bytes.
    """
    # As in `event_file`: three operations to the leaf, at most three a level, three to the tip.
    deepest = MAX_NESTING - 3 - 3 * (size - 1).bit_length() - 3
    if timestamp.nesting > deepest:
        raise TooLargeError(
            f"timestamp is nested {timestamp.nesting} deep, want at most {deepest}, which is what"
            f" files of events below a checkpoint of size {size} have room for"
        )
    encoded, longest = timestamp.encode(), (MAX_PROOF_BYTES - MAX_OWN_BYTES) // share
    if len(encoded) > longest:
        raise TooLargeError(f"timestamp has {len(encoded)} bytes, want at most {longest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A checkpoint and a timestamp of its tip: all that the files of its events share.

    Attributes:
        checkpoint: the tree head, with its note.
        tail: the timestamp of the tip, encoded.
        nesting: how many messages its longest path leads over.
    """

    checkpoint: SignedCheckpoint
    tail: bytes
    nesting: int

    @classmethod
    def of(cls, checkpoint: SignedCheckpoint, timestamp: Timestamp) -> "Anchor":
        """Put together a checkpoint and a timestamp of its tip.

        Args:
            timestamp: best `pruned` to the one attestation that was verified.

        Raises:
            TimestampError: the timestamp is of something else.
            TooLargeError: the timestamp is larger than anyone would read.
        """
        want = tip(checkpoint, checkpoint.note)
        if timestamp.message != want:
            raise TimestampError(
                f"timestamp is of {timestamp.message.hex()[:64]}, want {want.hex()}, the tip of"
                f" {checkpoint.origin} at size {checkpoint.size}"
            )
        return cls(checkpoint=checkpoint, tail=timestamp.encode(), nesting=timestamp.nesting)

    def checkpoint_file(self) -> bytes:
        """Return the .ots file of the checkpoint's note."""
        digest = sha256(self.checkpoint.note).digest()
        operations = [_prepend(_above(self.checkpoint) + self.checkpoint.root), _SHA256]
        return self._file(digest, operations)

    def event_file(self, entry: Entry, index: int, hashes: Sequence[Hash]) -> bytes:
        """Return the .ots file of an event's canonical content.

        Args:
            entry: the event's.
            index: of its leaf.
            hashes: the audit path in the tree of the checkpoint, nearest the leaf first.

        Raises:
            InclusionError: the entry is not at that index of the checkpoint's tree.
            TooLargeError: the path leads over more messages than the format can nest.
        """
        size, root = self.checkpoint.size, self.checkpoint.root
        # A file that says something false would only be found out by those it is given to.
        verify_inclusion(index, size, leaf_hash(entry.encode()), hashes, root)
        operations = [_prepend(_LEAF), _append(entry.key_sha256 + entry.signature), _SHA256]
        operations += audit_path(index, size, hashes)
        operations += [_prepend(_above(self.checkpoint))]
        operations += [_append(sha256(self.checkpoint.note).digest()), _SHA256]
        return self._file(entry.content_sha256, operations)

    def _file(self, digest: bytes, operations: list[bytes]) -> bytes:
        nesting = len(operations) + self.nesting
        if nesting > MAX_NESTING:
            raise TooLargeError(
                f"timestamp file is nested {nesting} deep, want at most {MAX_NESTING}"
            )
        return b"".join([file_head(SHA256, digest), *operations, self.tail])


def audit_path(index: int, size: int, hashes: Sequence[Hash]) -> list[bytes]:
    """Return an audit path, leaf hash to root, as encoded operations, one an item.

    Args:
        hashes: as many as `verify_inclusion` wants: it is for the caller to have checked that.
    """
    meet = (index ^ (size - 1)).bit_length()  # as in `verify_inclusion`
    on_the_left = index | -1 << meet
    operations: list[bytes] = []
    for sibling in hashes:
        if on_the_left & 1:
            operations += [_prepend(_NODE + sibling), _SHA256]
        else:
            operations += [_append(sibling), _prepend(_NODE), _SHA256]
        on_the_left >>= 1
    return operations


def _above(checkpoint: Checkpoint) -> bytes:
    return DOMAIN + checkpoint.size.to_bytes(SIZE_BYTES, "big")


def _append(argument: bytes) -> bytes:
    return bytes([_APPEND, len(argument)]) + argument


def _prepend(argument: bytes) -> bytes:
    return bytes([_PREPEND, len(argument)]) + argument
