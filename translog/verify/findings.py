"""What a check found, as one sentence for people and one word for programs each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from translog.errors import TranslogError, UnknownKeyError
from translog.formats.cosigned import CosignedCheckpoint, read_cosigned
from translog.formats.note import Note
from translog.formats.policy import Policy
from translog.pith.key import fingerprint_hex, keyring

Status = Literal["proved", "failed", "not-shown", "not-checkable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer to one question about a document.

    Attributes:
        name: the question, such as "event-signature"; a document can have several of one name.
        status: "proved"; "failed"; "not-shown" (something else would be needed to tell);
            "not-checkable" (the document does not hold enough to tell, and cannot).
        sentence: what is proved and by which key, or what is not and why.
        code: the `code` of the error behind it, or None where there is none.
    """

    name: str
    status: Status
    sentence: str
    code: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the form for programs."""
        return {
            "name": self.name,
            "status": self.status,
            "code": self.code,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom the caller trusts. There is no default: nobody is trusted unless they are named.

    Attributes:
        keys: public keys that sign events and bundles, each with the name to show for it.
        policy: the logs, and whose cosignatures their heads need.
    """

    keys: Mapping[bytes, str] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)

    @property
    def ring(self) -> dict[str, bytes]:
        """The keys by fingerprint."""
        return keyring(self.keys)

    def named(self, fingerprint: str) -> str:
        """Return how to name a trusted key in a sentence."""
        names = {fingerprint_hex(key): name for key, name in self.keys.items()}
        name, own = names[fingerprint], f"key {fingerprint}"
        return own if name == own else f"{name} ({own})"

    def open_checkpoint(self, raw: bytes) -> CosignedCheckpoint:
        """Open a checkpoint of any trusted log. Whether it has a quorum is another question.

        Raises:
            MalformedError: it is no checkpoint.
            SignatureError: the signature by a key that is known is wrong, or there is none.
            UnknownKeyError: no key of its log is trusted.
        """
        origin = Note.parse(raw).text.partition("\n")[0]
        if not self.policy.keys_of(origin):
            raise UnknownKeyError(
                f"checkpoint is of {origin[:80]!r}, and no key of that log is among the keys given"
            )
        return read_cosigned(raw, self.policy)


def proved(name: str, sentence: str) -> Finding:
    return Finding(name=name, status="proved", sentence=sentence)


def not_shown(name: str, sentence: str, code: str | None = None) -> Finding:
    return Finding(name=name, status="not-shown", sentence=sentence, code=code)


def failed(name: str, error: TranslogError) -> Finding:
    return Finding(name=name, status="failed", sentence=str(error), code=error.code)
