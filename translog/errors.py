"""Every error translog raises on purpose, sorted by whose fault it is.

TranslogError
├── MalformedError        these bytes are not what the format says    (the sender's fault)
│   └── TooLargeError     more bytes than will be looked at
├── VerificationError     well-formed, and a check failed             (the signer's fault)
│   ├── HashError         a stated hash or id is not the one computed
│   ├── SignatureError
│   ├── SubjectError      the event is about another record than it says
│   ├── InclusionError
│   ├── ConsistencyError
│   ├── QuorumError       too few witnesses have cosigned
│   ├── HeaderError       a Bitcoin header lacks work, does not link, or is not the one there
│   └── TimestampError    a timestamp ends in something else than the block it names
├── ForbiddenError        true, and not wanted from this key          (the operator's decision)
│   ├── UnknownKeyError
│   ├── CompromisedKeyError  somebody else may have signed it
│   └── UnlistedError     a stranger's file names a server that nobody here listed
├── MissingError          there is no such thing here                 (nobody's fault)
│   └── AmbiguousError    there are several; carries them
├── ConflictError         valid, but stale: try again from here       (nobody's fault)
└── UnavailableError      disk or network did not answer              (the environment's fault)
    └── BusyError         too much at once: try again in a moment

Each class has a `code`, a word for programs: it stands in HTTP errors, in `--json` output and
beside the invalid events of a merged state (docs/formats/merge.md), and never changes meaning.

TypeError, ValueError and AssertionError mean a bug in the calling code. Nothing catches them.
"""

from collections.abc import Sequence


class TranslogError(Exception):
    """Base class: `except TranslogError` never hides a bug."""

    code = "error"


class MalformedError(TranslogError):
    code = "malformed"


class TooLargeError(MalformedError):
    code = "too-large"


class VerificationError(TranslogError):
    code = "verification-failed"


class HashError(VerificationError):
    code = "wrong-hash"


class SignatureError(VerificationError):
    code = "wrong-signature"


class SubjectError(VerificationError):
    code = "wrong-subject"


class InclusionError(VerificationError):
    code = "not-included"


class ConsistencyError(VerificationError):
    code = "inconsistent"


class QuorumError(VerificationError):
    code = "no-quorum"


class HeaderError(VerificationError):
    code = "wrong-header"


class TimestampError(VerificationError):
    code = "wrong-timestamp"


class ForbiddenError(TranslogError):
    code = "key-not-permitted"


class UnknownKeyError(ForbiddenError):
    code = "unknown-key"


class UnlistedError(ForbiddenError):
    code = "not-listed"


class CompromisedKeyError(ForbiddenError):
    code = "key-compromised"


class MissingError(TranslogError):
    code = "not-found"


class AmbiguousError(MissingError):
    """More than one thing has this name.

    Attributes:
        candidates: what it could be, some of it where it is much.
    """

    code = "ambiguous"

    def __init__(self, detail: str, candidates: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.candidates = tuple(candidates)


class ConflictError(TranslogError):
    code = "conflict"


class UnavailableError(TranslogError):
    code = "unavailable"


class BusyError(UnavailableError):
    code = "busy"
